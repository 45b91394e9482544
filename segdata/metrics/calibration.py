"""Calibration: whether a model that says 80 % is right in 80 % of the pixels.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", 2017. The confidence of a pixel is the probability
of its likeliest class. Pixels go into B bins by their confidence; bin b holds those in ((b - 1) / B, b / B], and has

    accuracy(b)   = pixels of b whose likeliest class is right / pixels of b          (equation 1)
    confidence(b) = sum of the confidences of b / pixels of b                          (equation 2)
    ECE           = sum over b of pixels of b / all pixels * |accuracy(b) - confidence(b)|   (equation 3)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.labels import Labels, Mask
from segdata.metrics.base import Case, Curve, Metric, Section
from segdata.metrics.confusion import Floats, Ints, plain, ratio
from segdata.words import share, sized

BINS = 15
"""As many as Guo et al. use (section 5)."""

READING = (
    "How often the model is right where it is that sure. On the diagonal it is as often right as it says; below it, it is too "
    "sure. The area of a dot is its share of the pixels."
)


def measure(case: Case) -> Calibration | None:
    """The calibration of one image; None if the prediction has no scores."""
    if case.scores is None:
        return None
    total = Calibration.empty()
    for probs, truth in case.scores():
        total += Calibration.of(probs, truth, case.labels)
    return total


@dataclass(frozen=True, slots=True, eq=False)
class Calibration(Metric):
    """Pixels by confidence, in B bins: `pixels` and `hits` (right ones) (B,) int64, `confidence` (B,) float64, their sum."""

    pixels: Ints
    hits: Ints
    confidence: Floats

    @classmethod
    def empty(cls, bins: int = BINS) -> Calibration:
        """Of no pixel."""
        return cls(np.zeros(bins, np.int64), np.zeros(bins, np.int64), np.zeros(bins))

    @classmethod
    def of(cls, probs: NDArray[np.float32], truth: Mask, labels: Labels, *, bins: int = BINS) -> Calibration:
        """Of (K, H, W) float32 probabilities and (H, W) class ids. Of equally likely classes the first is taken.

        Raises `ValueError` for sizes that do not fit.
        """
        from segdata.kernels.calibration import add_confidence

        if probs.shape != (len(labels.classes), *truth.shape):
            raise ValueError(f"scores are {sized(probs)}, but truth is {sized(truth)} of {len(labels.classes)} classes")
        out = cls.empty(bins)
        values = np.ascontiguousarray(probs, np.float32)
        add_confidence(values, np.ascontiguousarray(truth), labels.ignore, out.pixels, out.hits, out.confidence)
        return out

    def __add__(self, other: Calibration) -> Calibration:
        """The pixels of both."""
        return Calibration(self.pixels + other.pixels, self.hits + other.hits, self.confidence + other.confidence)

    @property
    def accuracy(self) -> Floats:
        """(B,) float64: hits / pixels; NaN for an empty bin (equation 1)."""
        return ratio(self.hits, self.pixels)

    @property
    def mean_confidence(self) -> Floats:
        """(B,) float64: sum of confidences / pixels; NaN for an empty bin (equation 2)."""
        return ratio(self.confidence, self.pixels)

    @property
    def ece(self) -> float:
        """The expected calibration error, 0 to 1: sum of |hits - confidence| / all pixels; NaN if there are none (equation 3)."""
        total = int(self.pixels.sum())
        return float(np.abs(self.hits - self.confidence).sum()) / total if total else float("nan")

    def to_json(self) -> dict[str, Any]:
        """`calibration`: `ece`, and `bins`, the reliability curve."""
        bins = len(self.pixels)
        values = zip(self.pixels, self.mean_confidence, self.accuracy, strict=True)
        curve = [
            {"from": i / bins, "to": (i + 1) / bins, "pixels": int(n), "confidence": plain(c), "accuracy": plain(a)}
            for i, (n, c, a) in enumerate(values)
        ]
        return {"calibration": {"ece": plain(self.ece), "bins": curve}}

    def lines(self) -> Sequence[str]:
        """The ECE."""
        return [f"calibration: ECE {share(self.ece)} in {len(self.pixels)} bins"]

    def cards(self) -> Sequence[tuple[str, float | str]]:
        """The ECE."""
        return [("calibration error (ECE)", self.ece)]

    def sections(self) -> Sequence[Section]:
        """The reliability curve: accuracy over confidence."""
        values = zip(self.mean_confidence.tolist(), self.accuracy.tolist(), self.pixels.tolist(), strict=True)
        points = [(confidence, accuracy, n) for confidence, accuracy, n in values if n]
        return [Section("Reliability", READING, curve=Curve(points, "confidence", "right"))] if points else []
