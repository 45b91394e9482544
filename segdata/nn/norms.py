"""The statistics of batch normalisation, measured anew before a model is validated and kept.

In training they are a moving average, which lags behind weights that change fast: a short training would be validated, and
would predict, with those of other weights. Wu & Johnson 2021, Rethinking "Batch" in BatchNorm, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from segdata.nn.distributed import World
from segdata.nn.task import Task

FEW = 100
"""Updates are few up to this many times those that a moving average remembers, which is 1 / momentum: 1000 by default."""

IMAGES = 512
"""The most training images that statistics are measured on; never more than an epoch has."""


def norms_of(model: nn.Module) -> dict[str, _BatchNorm]:
    """The layers of a model, by name, that keep a moving average of statistics."""
    layers = {name: m for name, m in model.named_modules() if isinstance(m, _BatchNorm)}
    return {name: m for name, m in layers.items() if m.running_mean is not None and m.momentum != 0}


def few_updates(model: nn.Module) -> float:
    """Up to how many updates a model's statistics are measured anew: 0 if it has none, infinity if they forget nothing."""
    return max((FEW / norm.momentum if norm.momentum else math.inf for norm in norms_of(model).values()), default=0)


def steps_again(task: Task, step: int, few: float) -> range:
    """The steps whose images are seen again after `step`: the last ones of an epoch that ends, if updates are few."""
    number = min(task.steps, math.ceil(IMAGES / task.options.batch))
    wanted = step < few and task.validates(step + 1)
    return range(step + 1 - number, step + 1) if wanted else range(0)


def statistics(norm: _BatchNorm) -> list[Tensor]:
    """A copy of the running mean and variance of a layer, both (channels,)."""
    return [buffer.clone() for buffer in (norm.running_mean, norm.running_var) if buffer is not None]


@torch.no_grad()
def restore(model: nn.Module, running: dict[str, list[Tensor]]) -> None:
    """Give the layers of a model statistics by their names. Raises `KeyError`, `ValueError` or `RuntimeError` for others'."""
    for name, norm in norms_of(model).items():
        for own, value in zip((norm.running_mean, norm.running_var), running[name], strict=True):
            if own is not None:
                own.copy_(value)


@torch.no_grad()
def measure(model: nn.Module, norms: Sequence[_BatchNorm], images: Iterable[Tensor], here: World) -> None:
    """Set the running statistics of `norms` to their mean over batches of `images` (N, C, h, w), and over all processes.

    All else is as in evaluation, so dropout does nothing.
    """
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = None  # the mean of all batches from now on, of which the first replaces what was there
        norm.num_batches_tracked = torch.zeros((), dtype=torch.int64, device=here.device)
    for batch in images:
        model.forward(batch)  # not what torch.compile made: that would be compiled once more
    for norm, (momentum, count) in zip(norms, before, strict=True):
        norm.eval()
        norm.momentum, norm.num_batches_tracked = momentum, count
        for buffer in (norm.running_mean, norm.running_var):
            if buffer is not None:
                here.sum(buffer).div_(here.size)
