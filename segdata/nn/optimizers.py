"""The optimizer, the schedule of its learning rate, and a moving average of the weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable

import torch
from torch import nn

from segdata.errors import OptionError
from segdata.nn.models.base import Segmenter
from segdata.nn.options import Training


def optimizer_of(model: nn.Module, options: Training) -> torch.optim.Optimizer:
    """Make the optimizer. Weight decay applies to weights, not to biases and normalisation (tensors with one axis).

    It also contains frozen parameters: without a gradient they do not change, and after unfreezing they learn.
    """
    groups = [
        {
            "params": [p for p in part if (p.ndim > 1) == many],
            "weight_decay": options.weight_decay * many,
            "factor": factor,
        }
        for part, factor in parts_of(model, options.encoder_rate)
        for many in (True, False)
    ]
    groups = [group for group in groups if group["params"]]
    # fused: several times as fast as torch's default on a CPU
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=options.lr, momentum=options.momentum, fused=True)
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=options.lr, fused=True)


def parts_of(model: nn.Module, encoder_rate: float) -> list[tuple[list[nn.Parameter], float]]:
    """The parameters of a model, in one part or in two: those of the encoder, whose rate has a factor, and the others."""
    parameters = list(model.parameters())
    if encoder_rate == 1:
        return [(parameters, 1.0)]
    inside = {id(p) for p in encoder_of(model, "--encoder-rate").parameters()}
    return [
        ([p for p in parameters if id(p) in inside], encoder_rate),
        ([p for p in parameters if id(p) not in inside], 1.0),
    ]


def encoder_of(model: nn.Module, option: str) -> nn.Module:
    """The encoder of a model. Raises `OptionError`, which names the option that is about it, if there is none."""
    encoder = getattr(model, "encoder", None)
    if not isinstance(encoder, nn.Module):
        raise OptionError(f"{option}: this model has no `encoder` (a model from elsewhere: no `encoder` or `backbone`)")
    return encoder


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next step; the encoder's may be a part of it."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)  # older checkpoints have no factors


class Average:
    """The exponential moving average of a model's weights: a = d a + (1 - d) w after each step.

    d = min(decay, (1 + n) / (10 + n)) after n steps, so that the first, random weights are soon forgotten (as in TensorFlow's
    ExponentialMovingAverage). Tensors that are not float, such as a count of batches, are copied.
    """

    def __init__(self, model: Segmenter, decay: float) -> None:
        self.model, self.decay = copy.deepcopy(model), decay
        self.model.eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module, steps: int) -> None:
        """Take in the model's weights after `steps` steps."""
        part = 1 - min(self.decay, (1 + steps) / (10 + steps))
        averages, weights = [], []
        for a, w in zip(_tensors(self.model), _tensors(model), strict=True):
            if a.is_floating_point():
                averages.append(a)
                weights.append(w)
            else:
                a.copy_(w)
        torch._foreach_lerp_(averages, weights, part)


def _tensors(model: nn.Module) -> Iterable[torch.Tensor]:
    yield from model.parameters()
    yield from model.buffers()


POWER = 0.9
"""The power of the polynomial decay: Chen et al. 2017, DeepLab, section 4.1."""

RISE, START, END = 0.3, 1 / 25, 1e-4 / 25
"""One-cycle: the part of the steps in which the rate rises, and its first and last values as fractions of the highest rate; the
defaults of torch's OneCycleLR with `cycle_momentum=False`. Smith & Topin 2018, Super-Convergence, also let the momentum fall
while the rate rises; here it stays."""


def rate(options: Training, steps: int, step: int) -> float:
    """The learning rate of `step`, 0 to `epochs * steps` - 1; `steps` is the number of steps per epoch.

    With a warm-up, the rate rises linearly and reaches `lr` at its end; the schedule covers the steps after it.
    """
    total = options.epochs * steps
    warm = min(round(options.warmup * steps), total - 1)
    if step < warm:
        return options.lr * (step + 1) / (warm + 1)
    return options.lr * factor(options.schedule, step - warm, total - warm)


def factor(schedule: str, step: int, total: int) -> float:
    """The rate of `step` of `total` by a schedule, as a fraction (0..1) of the highest rate."""
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
    """The value at `part` (0..1) of half a cosine from `first` to `last`."""
    return last + (first - last) * (1 + math.cos(math.pi * part)) / 2
