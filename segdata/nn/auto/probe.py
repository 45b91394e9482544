"""What a training costs on this machine: some real updates and validations, timed; and how many of them a budget holds."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from segdata.dataset.dataset import Dataset
from segdata.errors import OptionError
from segdata.executors.run import Run
from segdata.nn.auto.fingerprint import spread
from segdata.nn.auto.rules import Length
from segdata.nn.distributed import World
from segdata.nn.memory import memory_told
from segdata.nn.norms import IMAGES, few_updates
from segdata.nn.probes import probing
from segdata.nn.state import State
from segdata.nn.step import Step, step_batches
from segdata.nn.task import Task
from segdata.nn.validate import Validator

WARM, TIMED, SECONDS = 1, 20, 3.0
"""Updates before the clock runs, and those that are timed: at most so many, and none begins after so many seconds."""

SHARE = 0.1
"""The part of a budget after which no second probe begins: costs of another size are then reckoned by its pixels."""

VALIDATED = 4
"""Validation images that are timed."""

RESERVE, TUNING, VALIDATION = 0.1, 0.15, 0.15
"""The parts of a budget that are kept back, that tuning may take, and that validations may take at most."""

ENDING = 6.0
"""What the end of a training costs by validation images: calibration and the profile predict them at their own size."""

MOST = 10
"""Validations in a training at most."""

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Costs(NamedTuple):
    """Seconds: of an `update`, of a batch for the statistics of batch normalisation (`again`), of a validation image (`image`).

    `few`: the updates up to which these statistics are measured anew; `images`: how many are validated on.
    """

    update: float
    again: float
    image: float
    few: float
    images: int
    batch: int


def seconds_of(budget: str) -> float:
    """`20m`, `90s`, `1h30m` in seconds. Raises `OptionError`."""
    text = budget.strip().lower()
    if not re.fullmatch(r"(\d+(\.\d+)?[smh])+", text):
        raise OptionError(f"--budget {budget}: must be a time, such as 20m, 90s or 1h30m")
    found = sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)([smh])", text))
    if found < 1:
        raise OptionError(f"--budget {budget}: must be a second or more")
    return found


def costs_of(dataset: Dataset, options: dict[str, Any], run: Run) -> Costs:
    """Begin this training, and time its parts; nothing is kept. Raises like `segdata.train`."""

    def probe(task: Task, state: State, here: World) -> Costs:
        """Time the training that has begun."""
        learn = Step(task, state, here, lambda step: task.options.lr)
        batches = step_batches(task, here, range(10**9))
        for parts in islice(batches, WARM):
            with memory_told(learn, parts, here):
                learn(parts, 0)
        learn.settle()
        begun, done = time.monotonic(), 0
        while done < TIMED and (not done or time.monotonic() - begun < SECONDS):
            learn(next(batches), 0)
            done += 1
        learn.settle()
        update, begun = (time.monotonic() - begun) / done, time.monotonic()
        with learn.measured_anew(islice(batches, WARM)):
            again = (time.monotonic() - begun) / WARM
        few = replace(task, val=replace(task.val, samples=spread(task.val.samples, VALIDATED)))
        validator, begun = Validator(few, here), time.monotonic()
        validator.measure(state.weights)
        image = (time.monotonic() - begun) / len(few.val)
        return Costs(update, again, image, few_updates(state.model), len(task.val), task.options.batch)

    return probing(dataset, None, {**options, "epochs": 1, "steps": 1, "warmup": 0.0}, run, probe)


def length_in(seconds: float, costs: Costs) -> Length:
    """How many updates, and in how many parts, `seconds` hold, the end of the training included; one at least."""
    left = seconds - ENDING * costs.images * costs.image
    validation = costs.images * costs.image
    for parts in range(MOST, 0, -1):
        steps = int(steps_in(left / parts - validation, costs))
        spent = parts * (validation + anew(steps, costs))
        if steps >= 1 and (parts == 1 or spent <= VALIDATION * seconds):
            return Length(parts, steps)
    return Length(1, 1)


def steps_in(seconds: float, costs: Costs) -> float:
    """The updates in one part of `seconds`, after which statistics are measured on as many batches, at most `IMAGES` images."""
    anew_always = seconds / (costs.update + costs.again)
    most = -(-IMAGES // costs.batch)
    if not costs.few:
        return seconds / costs.update
    return anew_always if anew_always <= most else (seconds - most * costs.again) / costs.update


def anew(steps: int, costs: Costs) -> float:
    """The seconds that statistics take after so many updates."""
    return min(steps, -(-IMAGES // costs.batch)) * costs.again if costs.few else 0.0


def scaled(costs: Costs, by: float) -> Costs:
    """The costs where the model sees `by` times as many pixels: they grow alike."""
    return costs._replace(update=costs.update * by, again=costs.again * by, image=costs.image * by)
