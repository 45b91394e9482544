"""Checks before a long training: which learning rates make the loss fall, and whether the model can overfit one batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from segdata.dataset.dataset import Dataset
from segdata.dataset.destination import state_of
from segdata.errors import DatasetError
from segdata.executors.run import Run
from segdata.files.places import place
from segdata.nn.curves import draw_rates, write_rows
from segdata.nn.distributed import World, world
from segdata.nn.folder import RUN
from segdata.nn.memory import memory_told, shortage_told
from segdata.nn.names import refuse_unknown
from segdata.nn.options import Training
from segdata.nn.state import State, start
from segdata.nn.step import Step, computing, part_size, step_batches
from segdata.nn.task import Task, prepare
from segdata.nn.validate import at_size

Found = TypeVar("Found")

LOWEST, HIGHEST = 1e-7, 10.0

SMOOTH = 0.95
"""The decay of the moving average of the loss."""

DIVERGED = 4.0
"""The search ends when the averaged loss is this many times the smallest one."""


@dataclass(frozen=True, slots=True)
class Rates:
    """The result of a search for a learning rate: `rates` and averaged `losses`, both (n,), and the `suggested` rate."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggested: float


@dataclass(frozen=True, slots=True)
class Overfit:
    """How well a model overfits one batch: its first loss, its last one after `steps`, and the part of pixels that are right."""

    steps: int
    first: float
    last: float
    accuracy: float
    passed: bool


def find_rate(
    dataset: Dataset | str | Path,
    run_dir: str | Path,
    *,
    config: str | Path | None = None,
    number: int = 100,
    watch: Callable[[int, int, float], None] | None = None,
    run: Run | None = None,
    **options: Any,
) -> Rates:
    """Train for `number` steps while the rate rises exponentially, until the loss explodes; write lr.csv and lr.png.

    Smith 2017, Cyclical Learning Rates, section 3.3. The suggested rate is where the averaged loss falls fastest over the
    logarithm of the rate. The trained weights are not kept. Raises like `segdata.train`.
    """
    folder = place(run_dir)
    state_of(folder, RUN)

    def probe(task: Task, state: State, here: World) -> Rates:
        """Do each step at its own rate."""
        rates = np.geomspace(LOWEST, HIGHEST, number).tolist()
        learn = Step(task, state, here, lambda step: rates[step])
        losses: list[float] = []
        average = 0.0
        for step, parts in enumerate(step_batches(task, here, range(number))):
            with memory_told(learn, parts, here):
                learn(parts, 0)
            loss = here.mean(learn.last_loss())
            average = SMOOTH * average + (1 - SMOOTH) * loss
            losses.append(average / (1 - SMOOTH ** (step + 1)))
            if watch is not None:
                watch(step + 1, number, loss)
            if not np.isfinite(loss) or losses[-1] > DIVERGED * min(losses):
                break
        kept = [(rate, loss) for rate, loss in zip(rates, losses, strict=False) if np.isfinite(loss)]
        return Rates(tuple(r for r, _ in kept), tuple(v for _, v in kept), steepest(*zip(*kept, strict=True)))

    found = probing(dataset, config, options, run, probe)
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "lr.csv", [{"rate": r, "loss": v} for r, v in zip(found.rates, found.losses, strict=True)])
    draw_rates(folder / "lr.png", found.rates, found.losses, found.suggested)
    return found


def overfit_one_batch(
    dataset: Dataset | str | Path,
    *,
    config: str | Path | None = None,
    number: int = 300,
    wanted: float = 0.98,
    watch: Callable[[int, int, float], None] | None = None,
    run: Run | None = None,
    **options: Any,
) -> Overfit:
    """Train on the first batch alone, at most `number` steps, until the part `wanted` of its labelled pixels is right.

    A training that cannot overfit one batch will learn nothing: labels may not belong to their images, the rate may be far
    off, or the loss or the model may have a fault. Nothing is kept. Raises like `segdata.train`.
    """

    def probe(task: Task, state: State, here: World) -> Overfit:
        """Train on the first batch again and again."""
        learn = Step(task, state, here, lambda step: task.options.lr)
        parts = next(step_batches(task, here, [0]))
        first = accuracy = loss = 0.0
        for step in range(1, number + 1):
            with memory_told(learn, parts, here):
                learn(parts, 0)
            loss = here.mean(learn.last_loss())
            first = loss if step == 1 else first
            if watch is not None:
                watch(step, number, loss)
            if step % 10 == 0 or step == number:
                accuracy = share_right(learn, parts, here)
                if accuracy >= wanted:
                    return Overfit(step, first, loss, accuracy, True)
        return Overfit(number, first, loss, accuracy, False)

    return probing(dataset, config, options, run, probe)


def probing(
    dataset: Dataset | str | Path,
    config: str | Path | None,
    options: dict[str, Any],
    run: Run | None,
    probe: Callable[[Task, State, World], Found],
) -> Found:
    """Prepare a training up to its first step, then run `probe`."""
    chosen = Training.choose(config, options)
    with world(chosen.device) as here, computing(chosen), shortage_told():
        with here.alike():
            refuse_unknown(chosen)
            part_size(chosen, here)
            task = prepare(dataset, chosen, run or Run())
            state = start(task, here)
        return probe(task, state, here)


def share_right(learn: Step, parts: list[Any], here: World) -> float:
    """The part of a batch's labelled pixels whose prediction is right."""
    model, classes = learn.state.model, len(learn.task.labels.classes)
    right = torch.zeros(2, dtype=torch.float64, device=here.device)
    model.eval()
    with torch.no_grad():
        for part in parts:
            target = part.target.to(here.device).long()
            logits = model(learn.standardise(part.images.to(here.device)).contiguous())
            pred = at_size(logits, target.shape[1:]).max(1).indices
            valid = target < classes
            right += torch.stack(((pred == target)[valid].sum(), valid.sum())).double()
    hits, labelled = here.sum(right).tolist()
    if not labelled:
        raise DatasetError(f"{', '.join(parts[0].ids)}: the first batch has no labelled pixel: try another --seed")
    return float(hits / labelled)


def steepest(rates: tuple[float, ...], losses: tuple[float, ...]) -> float:
    """The rate at which the loss falls fastest over the logarithm of the rate, before the smallest loss."""
    end = max(int(np.argmin(losses)) + 1, 3)
    if len(rates) < 3:
        return rates[0]
    slope = np.gradient(np.array(losses[:end]), np.log(rates[:end]))
    return rates[int(np.argmin(slope))]
