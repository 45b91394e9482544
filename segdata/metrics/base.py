"""What a metric is given, an image; and what it gives back, a value that adds. `segdata.metrics` says how to add a metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from segdata.labels import Labels, Mask
from segdata.words import briefly, distance, share, span

Scores = Iterable[tuple[NDArray[np.float32], Mask]]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One image: (H, W) `truth` and `pred`, class ids and ignore, both of the dtype of `labels`.

    `scores()` goes through the probabilities of the model in parts: (K, h, w) float32, and the (h, w) truth of the same pixels.
    Over all parts, each pixel has its truth once; in other parts that hold it too, it is ignored. None: there are no scores.
    `ground()` gives the (y, x) sides of a pixel in metres on the ground; None, or giving None: nobody knows them.
    """

    __repr__ = briefly

    truth: Mask
    pred: Mask
    labels: Labels
    scores: Callable[[], Scores] | None = None
    ground: Callable[[], tuple[float, float] | None] | None = None

    @classmethod
    def empty(cls, labels: Labels) -> Case:
        """An image without pixels or scores."""
        nothing = np.empty((0, 0), labels.dtype)
        return cls(nothing, nothing, labels)


@dataclass(frozen=True, slots=True, eq=False)
class ClassScore:
    """One score of every class: (K,) float64 `values`, NaN for a class that has none. It is called `key` in JSON and CSV, where
    its mean is `mean_KEY`, and `title` in text and on the page.

    `unit`: of a distance, which is 0 or more, what it is in, such as px; None for a share, from 0 to 1. `absent`: why a class has
    no score, if that is not only that it is in neither truth nor prediction. `evaluate` adds the 95 % intervals of metrics that
    have some: `interval` (2, K), NaN where there is none, and `mean_interval` (2,).
    """

    __repr__ = briefly

    key: str
    title: str
    values: NDArray[np.float64]
    unit: str | None = None
    absent: str = ""
    interval: NDArray[np.float64] | None = None
    mean_interval: NDArray[np.float64] | None = None

    @property
    def heading(self) -> str:
        """The title, with the unit of a distance."""
        return self.title if self.unit is None else f"{self.title} ({self.unit})"

    def shown(self, value: SupportsFloat) -> str:
        """A value of this score, or its mean, as people read it; `-` for NaN."""
        return share(value) if self.unit is None else distance(value)

    def spanned(self, bounds: NDArray[np.float64]) -> str:
        """(2,) bounds of a value as people read them; `-` if one is NaN."""
        return span(*bounds, told=self.shown)


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

    intervals: ClassVar[bool] = False
    """Whether `evaluate` gives the scores of `by_class` intervals. It keeps the value of every unit for that."""

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
