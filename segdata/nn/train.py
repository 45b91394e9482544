"""Training: from a dataset to a checkpoint. The loop is `fit`; `Step` does one update of the weights."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from segdata.caches import note
from segdata.dataset.dataset import Dataset
from segdata.dataset.inputs import Inputs
from segdata.executors.run import Run
from segdata.files.places import place
from segdata.files.remote import Place
from segdata.metrics.confusion import Tally
from segdata.nn.calibrate import Calibrated
from segdata.nn.distributed import world
from segdata.nn.ending import calibrate_run, profile_run
from segdata.nn.folder import Folder
from segdata.nn.memory import memory_told, peak_memory, shortage_told
from segdata.nn.names import refuse_unknown
from segdata.nn.norms import few_updates, steps_again
from segdata.nn.options import Training
from segdata.nn.plan import Plan, plan_of
from segdata.nn.state import Row, best_row, gave_up, start
from segdata.nn.step import Step, computing, part_size, step_batches
from segdata.nn.task import prepare
from segdata.nn.validate import Validator
from segdata.words import briefly


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a training after `step` of `steps` of an epoch, for a person who waits. `left`: seconds left;
    `memory`: the most bytes so far, of a GPU if it trains there. `loss`: the mean of the epoch's steps before this one; after
    its first step, that of the epoch before, which is NaN in the first epoch.

    `row` has the results of the last finished epoch, as in metrics.csv; it is empty in the first epoch.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    left: float
    row: Row
    memory: int


Watch = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """A `Watch` that shows nothing."""


def note_only(plan: Plan) -> None:
    """Tell of a plan only what a person should know."""
    for text in plan.notes:
        note(text)


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of a training: its folder, one row per epoch as in metrics.csv, the best row, the model's parameters.

    `constant`: the mean IoU that a model should exceed, see `constant_iou`. `calibrated`: what calibration of the best (or else
    the last) checkpoint came to.
    """

    __repr__ = briefly

    root: Place
    rows: tuple[Row, ...]
    best: Row
    parameters: int
    constant: float
    calibrated: Calibrated | None = None


def train(
    dataset: Dataset | str | Path,
    run_dir: str | Path,
    *,
    config: str | Path | None = None,
    overwrite: bool = False,
    announce: Callable[[Plan], None] = note_only,
    watch: Watch = silent,
    run: Run | None = None,
    **options: Any,
) -> Trained:
    """Train a model on a dataset; write checkpoints, config.yaml, metrics.csv, curves and a profile to the folder `run_dir`.

    `options` are those of `segdata.nn.options.Training`, which says what each means. A run that was stopped goes on where it
    was when the same call is repeated, and comes to the same weights, bit for bit on a CPU; one that is finished is returned
    as it is. Under torchrun every process calls this, and each batch is divided among them. `announce` is told what will be done,
    by default it notes on stderr what is unusual; `watch` is told of every step; `run` is for what is read before the first.

    Raises `OptionError`; `DatasetError` for a dataset that cannot be trained on and for a folder with other things in it;
    `DataError` for bad files; `SegdataError` if the loss is NaN or infinite, or the memory too small.

    Args:
        dataset: The dataset, or its folder.
        run_dir: The folder of the run.
        config: Take options from this YAML file, such as config.yaml of another run. Options given here come first.
        overwrite: Train anew what `run_dir` holds.
    """
    chosen = Training.choose(config, options)
    with world(chosen.device) as here, computing(chosen), shortage_told():
        with here.alike():
            refuse_unknown(chosen)
            part_size(chosen, here)
            task = prepare(dataset, chosen, run or Run())
        inputs = Inputs([task.train, task.val], [config, chosen.init, chosen.encoder_weights])
        with Folder.claim(place(run_dir), task, here, inputs, overwrite=overwrite) as folder:
            with here.alike():
                state = start(task, here)
                learn, validator = Step(task, state, here), Validator(task, here)
            folder.begin(state)
            if here.first and state.step < task.last:
                announce(plan_of(task, state, here))
            fit(learn, validator, folder, watch)
            calibrated = calibrate_run(task, folder, here) if chosen.calibrate else None
            profile_run(task, folder, here)
        best = best_row(state.rows, chosen)
        parameters = sum(p.numel() for p in state.model.parameters())
        row = {} if best is None else state.rows[best]
        return Trained(place(run_dir), tuple(state.rows), row, parameters, constant_iou(task.val), calibrated)


def constant_iou(truth: Dataset) -> float:
    """The mean IoU of a prediction that has the most frequent class everywhere; NaN if all pixels are ignored."""
    pixels = np.zeros(len(truth.labels.classes), np.int64)
    for sample in truth:
        for value, n in sample.counts.items():
            if value != truth.labels.ignore:
                pixels[value] += n
    largest = np.arange(len(pixels)) == pixels.argmax()
    return float(Tally(pixels * largest, pixels, pixels.sum() * largest).mean_iou)


def fit(learn: Step, validator: Validator, folder: Folder, watch: Watch) -> None:
    """Train until the end. Steps are counted over all epochs; randomness in a step depends only on the seed and its number."""
    task, state, here = learn.task, learn.state, learn.here
    options, steps, last, few = task.options, task.steps, task.last, few_updates(state.model)
    if state.step == last or gave_up(state.rows, options):
        return
    first, before = state.step, state.seconds
    begun = time.monotonic() - before
    numbers = (number for step in range(first, last) for number in (step, *steps_again(task, step, few)))
    batches = step_batches(task, here, numbers)
    for parts in batches:
        step = state.step
        epoch, at = divmod(step, steps)
        with memory_told(learn, parts, here):
            learn(parts, epoch)
        passed = time.monotonic() - begun
        left = (passed - before) / (state.step - first) * (last - state.step)
        row = (state.rows or [{}])[-1]
        loss = state.loss / at if at else row.get("train_loss", math.nan)  # this step's is not known yet
        watch(Progress(epoch + 1, options.epochs, at + 1, steps, loss, left, row, peak_memory(here.device)))
        if at + 1 < steps:
            folder.save_sometimes(state, learn, passed)
            continue
        learn.settle()
        here.share(state.weights)
        again = islice(batches, len(steps_again(task, step, few)))
        with learn.measured_anew(again) if steps_again(task, step, few) else nullcontext():
            end_epoch(learn, validator, folder, begun)
        if gave_up(state.rows, options):
            break


def end_epoch(learn: Step, validator: Validator, folder: Folder, begun: float) -> None:
    """Validate if it is time to, and write what an epoch has come to. Training `begun` then, by the monotonic clock."""
    task, state, here = learn.task, learn.state, learn.here
    row: Row = {
        "epoch": state.step // task.steps,
        "step": state.step,
        "rate": learn.rate,
        "train_loss": here.mean(state.loss / task.steps),
    }
    if task.validates(state.step):
        row |= validator.measure(state.weights)
    state.loss, passed = 0.0, time.monotonic() - begun
    state.rows.append(row | {"seconds": passed})
    folder.finish_epoch(state, validator, passed)
