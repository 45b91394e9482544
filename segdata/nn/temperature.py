"""Temperature scaling: confidences that are right as often as they say.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2: logits z are divided by one
number T before the softmax (equation 9), the T of the least negative log-likelihood on images that the model was not trained on.
The likeliest class of each output stays the same. The paper looks for T by gradients; here it is a bounded search over log T.
With a softmax the likelihood has one valley, since it is convex in 1 / T.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from segdata.nn.distributed import World

LOWEST, HIGHEST = 0.05, 20.0
"""The temperatures among which the best one is looked for."""

COARSE, FINE = 21, 20
"""Temperatures that are tried at first, and steps between the neighbours of the best one."""


def fit_temperature(logits: Tensor, truth: Tensor, head: str, here: World) -> float:
    """The temperature of the least mean negative log-likelihood, to 4 digits, of this and all other processes' pixels.

    (P, K) float32 logits and (P,) int64 classes. 1 where no process has a pixel.
    """
    if not here.total(np.array(len(truth))):
        return 1.0
    first, last = math.log(LOWEST), math.log(HIGHEST)

    def loss(at: float) -> float:
        return _sum_of_nll(logits, truth, head, math.exp(at), here)

    tried = np.linspace(first, last, COARSE)
    best = int(np.argmin([loss(at) for at in tried.tolist()]))
    low, high = float(tried[max(0, best - 1)]), float(tried[min(COARSE - 1, best + 1)])
    return round(math.exp(golden(loss, low, high, FINE)), 4)


def golden(loss: Callable[[float], float], low: float, high: float, steps: int) -> float:
    """Where a function of one valley is least between two numbers, by golden sections (Kiefer 1953)."""
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(steps):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = loss(right)
    return (low + high) / 2


def _sum_of_nll(logits: Tensor, truth: Tensor, head: str, temperature: float, here: World) -> float:
    """Over the pixels of all processes."""
    scores = logits / temperature
    if head == "sigmoid" and logits.shape[1] > 2:  # as `probabilities` has it: each class's own, over their sum
        scores = F.logsigmoid(scores)
    each = F.cross_entropy(scores, truth, reduction="none") if len(truth) else scores.new_zeros(1)
    return float(here.total(np.array(each.double().sum().item())))
