"""Whether a model that says 80 % is right in 80 % of the pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.labels import Labels, Mask
from segdata.metrics.confusion import Floats, Ints, ratio
from segdata.words import sized

BINS = 15


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Pixels by confidence, the probability of the likeliest class: bin m of B holds those in ((m - 1) / B, m / B].

    `pixels` and `hits` (B,) int64, `confidence` (B,) float64 its sum over the pixels. Parts add.
    """

    pixels: Ints
    hits: Ints
    confidence: Floats

    @classmethod
    def empty(cls, bins: int = BINS) -> Calibration:
        """Of no pixel yet."""
        return cls(np.zeros(bins, np.int64), np.zeros(bins, np.int64), np.zeros(bins))

    @classmethod
    def of(cls, probs: NDArray[np.float32], truth: Mask, labels: Labels, *, bins: int = BINS) -> Calibration:
        """Of (K, H, W) float32 probabilities and (H, W) class ids; void in truth is left out, of equal classes the first counts.

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
        """(B,) float64: hits / pixels; NaN of an empty bin."""
        return ratio(self.hits, self.pixels)

    @property
    def mean_confidence(self) -> Floats:
        """(B,) float64; NaN of an empty bin."""
        return ratio(self.confidence, self.pixels)

    @property
    def ece(self) -> float:
        """The expected calibration error, sum of pixels / all |accuracy - confidence|; NaN of none (Guo et al. 2017, eq. 3)."""
        total = int(self.pixels.sum())
        return float(np.abs(self.hits - self.confidence).sum()) / total if total else float("nan")
