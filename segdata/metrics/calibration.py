"""Calibration: whether a model that says 80 % is right in 80 % of the pixels.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017. The confidence of a pixel is the probability
of its likeliest class; for the scores of a class, it is the pixels that it is the likeliest class of. Pixels go into B bins by
their confidence; bin b holds those in ((b - 1) / B, b / B], and has

    accuracy(b)   = pixels of b whose likeliest class is right / pixels of b          (equation 1)
    confidence(b) = sum of the confidences of b / pixels of b                          (equation 2)
    ECE           = sum over b of pixels of b / all pixels * |accuracy(b) - confidence(b)|   (equation 3)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.labels import Labels, Mask
from segdata.metrics.base import Case, ClassScore, Curve, Metric, Section
from segdata.metrics.confusion import Floats, Ints, plain, ratio
from segdata.metrics.rejection import Rejection
from segdata.words import briefly, percent, share, sized, whole

BINS = 15
"""As many as Guo et al. use (section 5)."""

READING = (
    "How often the model is right where it is that sure. On the diagonal it is as often right as it says; below it, it is too "
    "sure. The area of a dot is its share of the pixels."
)

OF_CLASSES = (
    "The same for the pixels that each class is the likeliest of: how sure the model is, how often it is right, and how often it "
    "is right where it is so sure."
)

PARTS, MOST = 5, 60
"""Into how many parts of the confidence the table of classes is divided, and how many classes it shows."""


def measure(case: Case) -> Calibration | None:
    """The calibration of one image; None if the prediction has no scores."""
    if case.scores is None:
        return None
    total = Calibration.empty(case.labels)
    for probs, truth in case.scores():
        total += Calibration.of(probs, truth, case.labels)
    return total


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Pixels by confidence: `pixels` and `hits` (right ones) (..., B) int64, `confidence` (..., B) float64, their sum."""

    pixels: Ints
    hits: Ints
    confidence: Floats

    def __add__(self, other: Bins) -> Bins:
        """The pixels of both."""
        return Bins(self.pixels + other.pixels, self.hits + other.hits, self.confidence + other.confidence)

    def summed(self) -> Bins:
        """(K, B) -> (B,): all classes together."""
        return Bins(self.pixels.sum(axis=0), self.hits.sum(axis=0), self.confidence.sum(axis=0))

    def of_class(self, number: int) -> Bins:
        """(K, B) -> (B,): the pixels whose likeliest class this is."""
        return Bins(self.pixels[number], self.hits[number], self.confidence[number])

    @property
    def accuracy(self) -> Floats:
        """(..., B) float64: hits / pixels; NaN for an empty bin (equation 1)."""
        return ratio(self.hits, self.pixels)

    @property
    def mean_confidence(self) -> Floats:
        """(..., B) float64: sum of confidences / pixels; NaN for an empty bin (equation 2)."""
        return ratio(self.confidence, self.pixels)

    @property
    def ece(self) -> Floats:
        """(...) float64, 0 to 1: sum of |hits - confidence| / all pixels; NaN if there are none (equation 3)."""
        return ratio(np.abs(self.hits - self.confidence).sum(axis=-1), self.pixels.sum(axis=-1))

    def to_json(self) -> list[dict[str, Any]]:
        """(B,) as the reliability curve."""
        bins = len(self.pixels)
        values = zip(self.pixels, self.mean_confidence, self.accuracy, strict=True)
        return [
            {"from": i / bins, "to": (i + 1) / bins, "pixels": int(n), "confidence": plain(c), "accuracy": plain(a)}
            for i, (n, c, a) in enumerate(values)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Calibration(Metric):
    """Pixels by their likeliest class, of K `names`, and its probability: (K, B) `classes`, and the steps of `rejection`."""

    __repr__ = briefly

    names: tuple[str, ...]
    classes: Bins
    rejection: Rejection

    @classmethod
    def empty(cls, labels: Labels, bins: int = BINS) -> Calibration:
        """Of no pixel."""
        shape = (len(labels.classes), bins)
        none = Bins(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape))
        return cls(labels.names, none, Rejection.empty())

    @classmethod
    def of(cls, probs: NDArray[np.float32], truth: Mask, labels: Labels, *, bins: int = BINS) -> Calibration:
        """Of (K, H, W) float32 probabilities and (H, W) class ids. Of equally likely classes the first is taken.

        Raises `ValueError` for sizes that do not fit.
        """
        from segdata.kernels.calibration import add_confidence

        if probs.shape != (len(labels.classes), *truth.shape):
            raise ValueError(f"scores are {sized(probs)}, but truth is {sized(truth)} of {len(labels.classes)} classes")
        out = cls.empty(labels, bins)
        values, held, kept = np.ascontiguousarray(probs, np.float32), out.classes, out.rejection
        tables = held.pixels, held.hits, held.confidence, kept.pixels, kept.hits
        add_confidence(values, np.ascontiguousarray(truth), labels.ignore, *tables)
        return out

    def __add__(self, other: Calibration) -> Calibration:
        """The pixels of both."""
        return Calibration(self.names, self.classes + other.classes, self.rejection + other.rejection)

    @property
    def bins(self) -> Bins:
        """(B,): all classes together."""
        return self.classes.summed()

    @property
    def pixels(self) -> Ints:
        """(B,) int64."""
        return self.bins.pixels

    @property
    def hits(self) -> Ints:
        """(B,) int64: the pixels whose likeliest class is right."""
        return self.bins.hits

    @property
    def confidence(self) -> Floats:
        """(B,) float64: the sum of the confidences."""
        return self.bins.confidence

    @property
    def accuracy(self) -> Floats:
        """(B,) float64: hits / pixels; NaN for an empty bin (equation 1)."""
        return self.bins.accuracy

    @property
    def mean_confidence(self) -> Floats:
        """(B,) float64: sum of confidences / pixels; NaN for an empty bin (equation 2)."""
        return self.bins.mean_confidence

    @property
    def ece(self) -> float:
        """The expected calibration error of all pixels, 0 to 1; NaN if there are none (equation 3)."""
        return float(self.bins.ece)

    def by_class(self) -> Sequence[ClassScore]:
        """The expected calibration error of the pixels that each class is the likeliest of."""
        return [ClassScore("ece", "ECE", self.classes.ece)]

    def to_json(self) -> dict[str, Any]:
        """`calibration`: `ece`, and `bins`, the reliability curve, of all pixels and of `classes` by id; `risk_coverage`."""
        of_classes = [
            {"id": i, "name": name, "ece": plain(one.ece), "bins": one.to_json() if one.pixels.any() else []}
            for i, name in enumerate(self.names)
            for one in [self.classes.of_class(i)]
        ]
        calibration = {"ece": plain(self.ece), "bins": self.bins.to_json(), "classes": of_classes}
        return {"calibration": calibration, "risk_coverage": self.rejection.to_json()}

    def lines(self) -> Sequence[str]:
        """The ECE, and what rejecting unsure pixels would give."""
        return [f"calibration: ECE {share(self.ece)} in {len(self.pixels)} bins", self.rejection.line()]

    def cards(self) -> Sequence[tuple[str, float | str]]:
        """The ECE and the AURC."""
        return [("calibration error (ECE)", self.ece), ("risk over coverage (AURC)", self.rejection.aurc)]

    def sections(self) -> Sequence[Section]:
        """The reliability curve, accuracy over confidence; and the risk-coverage curve."""
        values = zip(self.mean_confidence.tolist(), self.accuracy.tolist(), self.pixels.tolist(), strict=True)
        points = [(confidence, accuracy, n) for confidence, accuracy, n in values if n]
        if not points:
            return []
        reliability = Section("Reliability", READING, curve=Curve(points, "confidence", "right"))
        return [
            reliability,
            Section("Reliability of classes", OF_CLASSES, table=self._table()),
            *self.rejection.sections(),
        ]

    def _table(self) -> list[list[str | int | float]]:
        """A line per class that is the likeliest of any pixel, those of most pixels first."""
        bounds = np.linspace(0, len(self.pixels), PARTS + 1).round().astype(int)
        parts = [f"{whole(a)} to {whole(b)} %" for a, b in pairwise(bounds / len(self.pixels))]
        rows: list[list[str | int | float]] = [["name", "pixels", "ECE", "confidence", "right", *parts]]
        pixels, hits, confidence = (self.classes.pixels, self.classes.hits, self.classes.confidence)
        for i in [i for i in np.argsort(-pixels.sum(axis=1), kind="stable").tolist() if pixels[i].any()][:MOST]:
            n = int(pixels[i].sum())
            right = [percent(hits[i, a:b].sum(), pixels[i, a:b].sum()) for a, b in pairwise(bounds)]
            shares = [percent(value, n) for value in (confidence[i].sum(), hits[i].sum())]
            rows.append([self.names[i], n, float(self.classes.ece[i]), *shares, *right])
        return rows
