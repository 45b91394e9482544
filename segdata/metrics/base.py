"""What a metric is given, an image; and what it gives back, a value that adds. `segdata.metrics` says how to add a metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from segdata.labels import Labels, Mask
from segdata.words import briefly

Scores = Iterable[tuple[NDArray[np.float32], Mask]]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One image: (H, W) `truth` and `pred`, class ids and ignore, both of the dtype of `labels`.

    `scores()` goes through the probabilities of the model in parts: (K, h, w) float32, and the (h, w) truth of the same pixels.
    Over all parts, each pixel has its truth once; in other parts that hold it too, it is ignored. None: there are no scores.
    """

    __repr__ = briefly

    truth: Mask
    pred: Mask
    labels: Labels
    scores: Callable[[], Scores] | None = None

    @classmethod
    def empty(cls, labels: Labels) -> Case:
        """An image without pixels or scores."""
        nothing = np.empty((0, 0), labels.dtype)
        return cls(nothing, nothing, labels)


@dataclass(frozen=True, slots=True, eq=False)
class ClassScore:
    """One score of every class: (K,) float64 `values`, NaN for a class that has none; mostly 0 to 1.

    It is called `key` in JSON and CSV, where its mean is `mean_KEY`, and `title` in text and on the page.
    """

    __repr__ = briefly

    key: str
    title: str
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x, y, weight) from 0 to 1 on both axes; `across` and `up` name the axes.

    The weight of a point is its pixels, and the area of its dot. `diagonal`: whether that line is drawn; `top`: what the axis
    upwards must hold.
    """

    __repr__ = briefly

    points: Sequence[tuple[float, float, int]]
    across: str
    up: str
    diagonal: bool = True
    top: float = 1.0


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page: a heading, a sentence or two on how to read it, and a `table` (its heading first) or a `curve`."""

    __repr__ = briefly

    title: str
    text: str
    table: Sequence[Sequence[str | int | float]] = ()
    curve: Curve | None = None


class Metric(ABC):
    """What a metric measured of some images: it adds, and says what it found. Only `+` must be defined."""

    __slots__ = ()

    @abstractmethod
    def __add__(self, other: Self) -> Self:
        """What the images of both give together, under the same label contract and options."""

    def by_class(self) -> Sequence[ClassScore]:
        """Scores of every class."""
        return ()

    def to_json(self) -> dict[str, Any]:
        """Other numbers, by their key in the JSON of an evaluation: plain values, NaN is None."""
        return {}

    def lines(self) -> Sequence[str]:
        """What the terminal says besides the scores of classes."""
        return ()

    def cards(self) -> Sequence[tuple[str, float | str]]:
        """What the page begins with, besides the means over classes: a title and its value; a float is shown in per cent."""
        return ()

    def sections(self) -> Sequence[Section]:
        """What the page explains at length."""
        return ()
