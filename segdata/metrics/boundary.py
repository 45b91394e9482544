"""How well boundaries are found: boundary IoU and boundary F, as counts that add."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from segdata.errors import OptionError
from segdata.labels import Labels, Mask
from segdata.metrics.confusion import Floats, Ints, Tally, pair_counts

BAND, TOLERANCE = 0.02, 0.0075
"""Parts of the diagonal: the width of the band of boundary IoU, and how far apart contours may lie in boundary F."""


@dataclass(frozen=True, slots=True, eq=False)
class Boundary:
    """`counts` (K, 7) int64. Its parts add.

    Of the bands along boundaries: pixels in both bands, in truth's, in the prediction's. Of contours: pixels of truth's, those
    near the prediction's, pixels of the prediction's, those near truth's; 0 where contours were not asked for.
    """

    counts: Ints

    @classmethod
    def empty(cls, classes: int) -> Boundary:
        """Of no pixel yet."""
        return cls(np.zeros((classes, 7), np.int64))

    @classmethod
    def of(
        cls, truth: Mask, pred: Mask, labels: Labels, *, width: int | None = None, contours: bool = False
    ) -> Boundary:
        """Of (H, W) class ids and ignore. `width` of the bands in pixels, 2 % of the diagonal where it is None.

        Raises `OptionError` for a width below 1, `ValueError` as `Confusion.of`.
        """
        out = np.zeros((len(labels.classes), 7), np.int64)
        rows = boundary_counts(truth, pred, labels, width=width, contours=contours)
        out[rows[:, 0]] = rows[:, 1:]
        return cls(out)

    def __add__(self, other: Boundary) -> Boundary:
        """The counts of both, under the same label contract."""
        return Boundary(self.counts + other.counts)

    @property
    def bands(self) -> Tally:
        """Pixels of the bands, by class."""
        return Tally(self.counts[:, 0], self.counts[:, 1], self.counts[:, 2])

    @property
    def iou(self) -> Floats:
        """(K,) float64: the IoU of the bands, NaN for a class in neither (Cheng et al. 2021, Boundary IoU, eq. 2)."""
        return self.bands.iou

    @property
    def f(self) -> Floats:
        """(K,) float64: 2 P R / (P + R), P the part of the predicted contour near the true one, R the reverse; NaN where neither
        has a contour (Csurka et al. 2013, What is a good evaluation measure for semantic segmentation?, sec. 4).

        There P and R are of each image; here contours are summed over the set first, as all else is.
        """
        truth, found, pred, right = self.counts[:, 3:].T
        precision, recall = right / np.maximum(pred, 1), found / np.maximum(truth, 1)
        both = np.maximum(precision + recall, np.finfo(float).tiny)
        return np.where(truth + pred > 0, 2 * precision * recall / both, np.nan)


def band_width(height: int, width: int) -> int:
    """Pixels: max(1, 2 % of the diagonal, rounded), as Cheng et al. 2021 have it for their benchmark."""
    return max(1, round(BAND * math.hypot(height, width)))


def tolerance(height: int, width: int) -> int:
    """Pixels: max(1, 0.75 % of the diagonal, rounded), as Csurka et al. 2013 have it."""
    return max(1, round(TOLERANCE * math.hypot(height, width)))


def boundary_counts(
    truth: Mask, pred: Mask, labels: Labels, *, width: int | None = None, contours: bool = False
) -> Ints:
    """(C, 8) int64: class id, then the counts of `Boundary`, for each class that has any.

    The band of a class is what `width` erosions by a 3 x 3 square, outside the image as outside the class, take away from
    its full mask. Only then pixels that are void in truth are removed. A contour is what has a pixel of another class among
    its eight neighbours; void has none and gives none, so that nobody is asked for the border of what nobody knows.
    Raises `OptionError` and `ValueError` as `Boundary.of`.
    """
    from segdata.kernels.boundary import inner_band

    if width is not None and width < 1:
        raise OptionError(f"--boundary-width {width}: must be 1 or more")
    if truth.dtype != labels.dtype or pred.dtype != labels.dtype or truth.shape != pred.shape:
        raise ValueError(f"truth and prediction must be of one size and {np.dtype(labels.dtype)}")
    ignore, classes = labels.ignore, len(labels.classes)
    if not truth.size:
        return np.empty((0, 8), np.int64)
    span = band_width(*truth.shape) if width is None else width
    bands = [np.empty(truth.shape, labels.dtype) for _ in range(2)]
    truth, pred = np.ascontiguousarray(truth), np.ascontiguousarray(pred)
    for mask, band in zip((truth, pred), bands, strict=True):
        inner_band(mask, truth, min(span, max(truth.shape)), ignore, band)
    pairs = pair_counts(bands[0], bands[1], labels)
    out = np.zeros((classes, 8), np.int64)
    out[:, 0] = np.arange(classes)
    for column, wanted, value in (
        (1, pairs[:, 0] == pairs[:, 1], pairs[:, 0]),
        (2, pairs[:, 0] != ignore, pairs[:, 0]),
        (3, pairs[:, 1] != ignore, pairs[:, 1]),
    ):
        held = wanted & (value != ignore)
        np.add.at(out[:, column], value[held], pairs[held, 2])
    if contours:
        out[:, 4:] = _contour_counts(truth, pred, labels)
    return out[out[:, 1:].any(axis=1)]


def _contour_counts(truth: Mask, pred: Mask, labels: Labels) -> Ints:
    """(K, 4) int64: contour pixels of truth, those near the prediction's, of the prediction, those near truth's."""
    from segdata.kernels.boundary import contours, count_near

    lines = [np.empty(truth.shape, labels.dtype) for _ in range(2)]
    known = np.where(truth == labels.ignore, np.array(labels.ignore, labels.dtype), pred)
    for mask, line in zip((truth, known), lines, strict=True):
        contours(np.ascontiguousarray(mask), labels.ignore, line)
    around = disc(tolerance(*truth.shape))
    out = np.zeros((2, len(labels.classes), 2), np.int64)
    count_near(lines[0], lines[1], around, labels.ignore, out[0])
    count_near(lines[1], lines[0], around, labels.ignore, out[1])
    return np.concatenate(list(out), axis=1)


@cache
def disc(radius: int) -> Ints:
    """(M, 2) int64: all (y, x) within `radius` of (0, 0), the nearest first."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].reshape(2, -1)
    distance = y * y + x * x
    inside = np.flatnonzero(distance <= radius * radius)
    order = inside[np.argsort(distance[inside], kind="stable")]
    return np.stack([y[order], x[order]], axis=1)
