"""What changes the weights: the optimizer, and a moving average of the weights beside it."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import nn

from segdata.nn.models.base import Segmenter
from segdata.training import Training


def optimizer_of(model: nn.Module, options: Training) -> torch.optim.Optimizer:
    """The optimizer; weights decay, biases and normalisation (tensors of one axis) do not.

    Frozen parameters are in it too: without a gradient they stay, and once unfrozen they learn.
    """
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": options.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    # fused: several times as fast as torch's default on a CPU
    if options.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=options.lr, momentum=options.momentum, fused=True)
    kind = torch.optim.AdamW if options.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=options.lr, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


class Average:
    """The exponential moving average of a model's weights: a = d a + (1 - d) w after each step.

    d = min(decay, (1 + n) / (10 + n)) after n steps, so that the first weights, which are noise, are soon forgotten (as in
    TensorFlow's ExponentialMovingAverage). What is no float, such as a count of batches, is copied.
    """

    def __init__(self, model: Segmenter, decay: float) -> None:
        self.model, self.decay = copy.deepcopy(model), decay
        self.model.eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module, steps: int) -> None:
        """After `steps` steps have been made."""
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
