"""The learning rate of every step: pure functions of the step, so that a resumed run needs no state for them."""

from __future__ import annotations

import math

from segdata.training import Training

POWER = 0.9
"""Of the polynomial decay: Chen et al. 2017, DeepLab, section 4.1."""
RISE, START, END = 0.3, 1 / 25, 1e-4 / 25
"""One-cycle: the part of the steps in which the rate rises, and its first and last values in parts of the highest; the
values of torch's OneCycleLR. Smith & Topin 2018, Super-Convergence."""


def rate(options: Training, steps: int, step: int) -> float:
    """The learning rate of `step`, 0 to `epochs * steps` - 1, with that many steps an epoch.

    With a warm-up the rate rises in a line and reaches `lr` at its end; the schedule covers the steps after it.
    """
    total = options.epochs * steps
    warm = min(round(options.warmup * steps), total - 1)
    if step < warm:
        return options.lr * (step + 1) / (warm + 1)
    return options.lr * factor(options.schedule, step - warm, total - warm)


def factor(schedule: str, step: int, total: int) -> float:
    """What part of the highest rate `step` of `total` has by a schedule, in 0..1."""
    done = step / total
    if schedule == "poly":
        return float((1 - done) ** POWER)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if schedule == "onecycle":
        top = max(RISE * total - 1, 0.0)
        if step <= top and top > 0:
            return _between(START, 1.0, step / top)
        return _between(1.0, END, (step - top) / max(total - 1 - top, 1e-9))
    return 1.0


def _between(first: float, last: float, part: float) -> float:
    """Along half a cosine from `first` to `last`."""
    return last + (first - last) * (1 + math.cos(math.pi * part)) / 2
