"""Training: from a dataset to a checkpoint. The loop is `fit`, one update of the weights is `Step`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from segdata.dataset import Dataset
from segdata.errors import OptionError, SegdataError
from segdata.metrics import Tally
from segdata.nn import data, losses
from segdata.nn.distributed import World, world
from segdata.nn.folder import Folder
from segdata.nn.memory import memory_told, shortage_told
from segdata.nn.models.base import AUXILIARY_WEIGHT, freeze_encoder, unfreeze
from segdata.nn.optimizers import set_rate
from segdata.nn.predictor import Standardise
from segdata.nn.schedule import rate
from segdata.nn.state import DTYPES, Row, State, best_row, gave_up, layout, start
from segdata.nn.task import Task, prepare
from segdata.nn.validate import Validator
from segdata.remote import Place
from segdata.run import Run
from segdata.storage import place
from segdata.training import Training


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is, for a person who waits: after `step` of `steps` of an epoch; `left` are seconds.

    `row` is what the last finished epoch came to, as in metrics.csv; empty in the first.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    left: float
    row: Row


Watch = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Shows nothing."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training came to: its folder, a row an epoch as in metrics.csv, the best of them, the model's parameters.

    `constant`: the mean IoU that a model has to beat, see `constant_iou`.
    """

    root: Place
    rows: tuple[Row, ...]
    best: Row
    parameters: int
    constant: float


def train(
    dataset: Dataset | str | Path,
    run_dir: str | Path,
    *,
    config: str | Path | None = None,
    overwrite: bool = False,
    watch: Watch = silent,
    run: Run | None = None,
    **options: Any,
) -> Trained:
    """Train a model on a dataset; leaves checkpoints, config.yaml, metrics.csv and curves in the folder `run_dir`.

    `options` are those of `segdata.training.Training`, which says what each means; they go before those of the YAML file
    `config`. A run that was stopped goes on where it was when the same call is repeated, and comes to the same weights, bit
    for bit on a CPU; one that is finished is returned as it is. Under torchrun every process calls this, and each batch is
    divided among them. `watch` is told of every step; `run` is for what is read before the first.

    Raises `OptionError`; `DatasetError` for a dataset that cannot be trained on and for a folder with other things in it;
    `DataError` for bad files; `SegdataError` where the loss is no number, or the memory too small.
    """
    chosen = Training.choose(config, options)
    with world(chosen.device) as here, computing(chosen), shortage_told():
        with here.alike():
            part_size(chosen, here)
            task = prepare(dataset, chosen, run or Run())
        with Folder.claim(place(run_dir), task, here, overwrite=overwrite) as folder:
            with here.alike():
                state = start(task, here)
                learn, validator = Step(task, state, here), Validator(task, here)
            folder.begin(state)
            fit(learn, validator, folder, watch)
        best = best_row(state.rows, chosen)
        parameters = sum(p.numel() for p in state.model.parameters())
        row = {} if best is None else state.rows[best]
        return Trained(place(run_dir), tuple(state.rows), row, parameters, constant_iou(task.val))


def constant_iou(truth: Dataset) -> float:
    """The mean IoU of a prediction that is everywhere the class of most pixels; NaN where all is void."""
    pixels = np.zeros(len(truth.labels.classes), np.int64)
    for sample in truth:
        for value, n in sample.counts.items():
            if value != truth.labels.ignore:
                pixels[value] += n
    largest = np.arange(len(pixels)) == pixels.argmax()
    return float(Tally(pixels * largest, pixels, pixels.sum() * largest).mean_iou)


def fit(learn: Step, validator: Validator, folder: Folder, watch: Watch) -> None:
    """The loop. Steps are counted through all epochs; what is random in one depends on the seed and its number alone."""
    task, state, here = learn.task, learn.state, learn.here
    options, steps = task.options, task.steps
    last = options.epochs * steps
    if state.step == last or gave_up(state.rows, options):
        return
    first, before = state.step, state.seconds
    begun = time.monotonic() - before
    for parts in step_batches(task, here, state.step, last):
        epoch, at = divmod(state.step, steps)
        with memory_told(learn, parts, here):
            learn(parts, epoch)
        passed = time.monotonic() - begun
        left = (passed - before) / (state.step - first) * (last - state.step)
        loss = state.loss / max(at, 1)  # that of this step is not known yet
        watch(Progress(epoch + 1, options.epochs, at + 1, steps, loss, left, (state.rows or [{}])[-1]))
        if at + 1 < steps:
            folder.save_sometimes(state, learn, passed)
            continue
        learn.settle()
        row: Row = {
            "epoch": epoch + 1,
            "step": state.step,
            "rate": learn.rate,
            "train_loss": here.mean(state.loss / steps),
        }
        here.share(state.weights)
        if (epoch + 1) % options.val_every == 0 or state.step == last:
            row |= validator.measure(state.weights)
        state.loss, passed = 0.0, time.monotonic() - begun
        state.rows.append(row | {"seconds": passed})
        folder.finish_epoch(state, validator, passed)
        if gave_up(state.rows, options):
            break


class Step:
    """One update of the weights. Its loss is looked at one step later, so that a GPU is never waited for."""

    def __init__(self, task: Task, state: State, here: World, rate_of: Callable[[int], float] | None = None) -> None:
        """`rate_of` gives the learning rate of a step by its number, if not the options' schedule."""
        self.rate_of = rate_of or partial(rate, task.options, task.steps)
        self.task, self.state, self.here, options = task, state, here, task.options
        classes, ignore = len(task.labels.classes), task.labels.ignore
        self.loss = losses.build(options.loss, classes=classes, ignore=ignore, weights=task.weights, head=options.head)
        self.standardise = Standardise(task.recipe, task.bands)
        self.net: nn.Module | None = None
        self.frozen = False
        self.rate = 0.0
        self.pending: tuple[Tensor, list[str], int] | None = None

    def __call__(self, parts: list[data.Batch], epoch: int) -> None:
        """Learn from a batch, given in parts of one size, in an epoch that is counted from 0."""
        state, options = self.state, self.task.options
        self.rate = self.rate_of(state.step)
        set_rate(state.optimizer, self.rate)
        net = self.wrapped(epoch)
        torch.manual_seed(mixed(options.seed, state.step, self.here.rank))
        total = torch.zeros((), device=self.here.device)
        for number, part in enumerate(parts, 1):
            with self.unsynchronised(net) if number < len(parts) else nullcontext():
                loss = self.forward(net, part) / len(parts)
                torch.autograd.backward(state.scaler.scale(loss))
                total += loss.detach()
        if options.clip is not None:
            state.scaler.unscale_(state.optimizer)
            nn.utils.clip_grad_norm_(state.model.parameters(), options.clip)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.optimizer.zero_grad(set_to_none=True)
        state.step += 1
        if state.average is not None:
            state.average.update(state.model, state.step)
        self.settle()
        self.pending = total, [id for part in parts for id in part.ids], state.step

    def forward(self, net: nn.Module, part: data.Batch) -> Tensor:
        """The loss of a part."""
        device, precision = self.here.device, DTYPES[self.task.options.precision]
        images = self.standardise(part.images.to(device, non_blocking=True))
        images = images.contiguous(memory_format=layout(self.task.options))
        target = part.target.to(device, non_blocking=True).long()
        with torch.autocast(device.type, precision, enabled=precision != torch.float32):
            loss = self.loss(net(images), target)
            for extra in getattr(self.state.model, "auxiliary", ()):
                loss = loss + AUXILIARY_WEIGHT * self.loss(extra, target)
        return loss

    def last_loss(self) -> float:
        """Of the last step, which may be no number."""
        (value, *_), self.pending = self.pending or (torch.zeros(()), [], 0), None
        return value.item()

    def settle(self) -> None:
        """Add up the loss of the step before. Raises `SegdataError` with the batch's samples where it is no number."""
        if self.pending is None:
            return
        (value, ids, step), self.pending = self.pending, None
        if not math.isfinite(loss := value.item()):
            raise SegdataError(
                f"the loss is {loss} in step {step}, on {', '.join(ids)}: look at these samples; else a lower "
                "--lr, --warmup 1 or --clip 1 may help, or bf16 in place of fp16"
            )
        self.state.loss += loss

    def wrapped(self, epoch: int) -> nn.Module:
        """The model in training mode, its encoder frozen or not as the epoch wants it, compiled and in step with others."""
        model, options = self.state.model, self.task.options
        frozen = options.freeze_encoder and (options.unfreeze_at is None or epoch + 1 < options.unfreeze_at)
        if self.net is None or frozen != self.frozen:
            if frozen:
                freeze_encoder(model)
            elif self.frozen:
                unfreeze(model)
            self.frozen = frozen
            if options.compile:
                model.compile()
            self.net = self.here.parallel(model)
        self.net.train()
        return self.net

    def unsynchronised(self, net: nn.Module) -> AbstractContextManager[None]:
        """Gradients of all but the last part are not exchanged."""
        return net.no_sync() if isinstance(net, nn.parallel.DistributedDataParallel) else nullcontext()


def part_size(options: Training, here: World) -> int:
    """How many samples a process has in each of the `accumulate` parts of a batch. Raises `OptionError`."""
    each, rest = divmod(options.batch, options.accumulate * here.size)
    if rest or not each:
        ways = f"{options.accumulate} parts of {here.size} processes each"
        raise OptionError(f"--batch {options.batch} cannot be divided into {ways}")
    return each


def step_batches(task: Task, here: World, first: int, last: int) -> Iterator[list[data.Batch]]:
    """For each step from `first` on, this process's part of its batch, in `accumulate` parts. Raises `OptionError`."""
    options, each = task.options, part_size(task.options, here)
    places = [p * here.size + here.rank for p in range(options.accumulate)]

    def keys() -> Iterator[list[data.Key]]:
        for step in range(first, last):
            batch = task.order.keys(step)
            yield from (batch[place * each : (place + 1) * each] for place in places)

    whole = data.uncropped(task.recipe)
    fits = not data.by_windows(task.train, task.recipe) and data.room_for(task.train, whole)
    cached = options.cache == "yes" or (options.cache == "auto" and fits)
    cache = data.Cache(task.train, whole) if cached else None
    samples = data.Training(task.train, task.recipe, task.items, options.seed, cache)
    workers = here.workers(options.workers)
    stream = data.checked(data.loader(samples, keys(), task.labels.ignore, workers=workers, device=here.device))
    while parts := list(islice(stream, options.accumulate)):
        yield parts


@contextmanager
def computing(options: Training) -> Iterator[None]:
    """torch's random numbers, threads and kernels as the options want them; afterwards as they were."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(), torch.backends.cudnn.flags(benchmark=True):
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def mixed(*numbers: int) -> int:
    """A seed of 63 bits that depends on all of the numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
