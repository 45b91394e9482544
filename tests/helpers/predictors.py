"""Predictors whose answers are known: of the colour of a pixel, of its surroundings, and of no use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.labels import Labels


@dataclass
class ByColour:
    """The identity model: the class whose colour in the palette is a pixel's. `asked` are the shapes that it was given."""

    labels: Labels
    confidence: float = 1.0
    asked: list[tuple[int, ...]] = field(default_factory=list)

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        self.asked.append(images.shape)
        classes = len(self.labels.classes)
        palette = self.labels.palette()[:classes].astype(int)
        nearest = np.abs(images[:, :, :, None].astype(int) - palette).sum(axis=-1).argmin(axis=-1)
        rest = (1 - self.confidence) / max(classes - 1, 1)
        one_hot = np.eye(classes) * (self.confidence - rest) + rest
        return one_hot[nearest].transpose(0, 3, 1, 2).astype(np.float32)


@dataclass
class Plain:
    """A function of (N, h, w, C) as a predictor; more of a predictor's fields in `recipe`."""

    labels: Labels
    function: Callable[[NDArray[Any]], NDArray[Any]]
    recipe: Any = None

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        return self.function(images).astype(np.float32)


def softmax(values: NDArray[Any]) -> NDArray[np.float32]:
    """(N, K, h, w) logits -> probabilities."""
    grown = np.exp(values - values.max(axis=1, keepdims=True))
    return (grown / grown.sum(axis=1, keepdims=True)).astype(np.float32)


def surroundings(images: NDArray[Any]) -> NDArray[np.float32]:
    """Three classes by the brightness of a pixel, and by where in its window it lies: what differs between windows."""
    n, h, w, _ = images.shape
    bright = images.mean(axis=3) / 64
    y, x = np.mgrid[:h, :w]
    return softmax(
        np.stack([bright, np.broadcast_to(y / h * 3, (n, h, w)), np.broadcast_to(x / w * 2, (n, h, w))], axis=1)
    )
