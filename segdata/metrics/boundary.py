"""Boundaries: boundary IoU and boundary F of every class, from counts that add.

Boundary IoU (Cheng, Girshick, Dollar, Berg and Kirillov, "Boundary IoU", 2021, equation 2). T and P are the bands of a class in
truth and in the prediction: all its pixels within `width` of another value or of the image's edge.

    boundary IoU = |T and P| / |T or P|

Beside pixels that truth ignores both bands are formed alike: there the prediction is taken as ignored too, so that one that is
right in every labelled pixel has 1. The paper forms its band from the whole prediction; `Boundary.paper` has that.

Boundary F (Csurka, Larlus and Perronnin, "What is a good evaluation measure for semantic segmentation?", 2013, section 4). The
contour of a class is its pixels that touch another class; near means within a tolerance.

    precision = predicted contour near the true one / predicted contour
    recall    = true contour near the predicted one / true contour
    F         = 2 * precision * recall / (precision + recall)

Csurka et al. average F over images; here pixels are summed over the set first, as for all other scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from segdata.errors import OptionError
from segdata.labels import Labels, Mask
from segdata.metrics.base import Case, ClassScore, Metric
from segdata.metrics.confusion import Floats, Ints, Tally, pair_counts
from segdata.words import briefly

BAND, TOLERANCE = 0.02, 0.0075
"""Parts of the image's diagonal: the width of the band of boundary IoU, and how far apart contours may lie in boundary F."""


def measure(
    case: Case,
    *,
    boundary: bool = True,
    boundary_width: int | None = None,
    boundary_f: bool = False,
    boundary_paper: bool = False,
) -> Boundary | None:
    """The boundaries of one image; None with `boundary=False`. Raises `OptionError` for a width below 1.

    Args:
        boundary: Measure boundary IoU.
        boundary_width: The width of the bands of boundary IoU in pixels, by default 2 % of the diagonal.
        boundary_f: Measure boundary F too, which takes longer than all else.
        boundary_paper: Measure boundary IoU as its paper forms the bands too, for the conventions.
    """
    if not boundary:
        return None
    asked = {"contours": boundary_f, "papers": boundary_paper}
    return Boundary.of(case.truth, case.pred, case.labels, width=boundary_width, **asked)


@dataclass(frozen=True, slots=True, eq=False)
class Boundary(Metric):
    """`counts` (K, 9) int64. Of the bands: pixels in both, in truth's, in the prediction's. Of the contours: pixels of truth's,
    those near the prediction's, pixels of the prediction's, those near truth's. Of the bands as the paper forms them: pixels in
    both, in the prediction's.

    `contours`, `papers`: whether contours, and the bands of the paper, were asked for; if not, their counts are 0.
    """

    __repr__ = briefly

    counts: Ints
    contours: bool = False
    papers: bool = False

    @classmethod
    def empty(cls, classes: int, contours: bool = False, papers: bool = False) -> Boundary:
        """Of no pixel."""
        return cls(np.zeros((classes, 9), np.int64), contours, papers)

    @classmethod
    def of(
        cls,
        truth: Mask,
        pred: Mask,
        labels: Labels,
        *,
        width: int | None = None,
        contours: bool = False,
        papers: bool = False,
    ) -> Boundary:
        """Of (H, W) class ids and ignore. `width` of the bands is in pixels, None for 2 % of the diagonal.

        The band of a class is what `width` erosions by a 3 x 3 square take away from its mask; outside the image is no class.
        Pixels that are ignored in truth are so in the prediction too, and are in no band. An ignored pixel is on no contour and
        makes none beside it: nobody knows where the border is there.

        Raises `OptionError` for a width below 1, `ValueError` for masks of different sizes or of another dtype than the labels',
        and for values that are no class.
        """
        if width is not None and width < 1:
            raise OptionError(f"--boundary-width {width}: must be 1 or more")
        if truth.dtype != labels.dtype or pred.dtype != labels.dtype or truth.shape != pred.shape:
            raise ValueError(f"truth and prediction must be of one size and {np.dtype(labels.dtype)}")
        out = cls.empty(len(labels.classes), contours, papers)
        if truth.size:
            truth, pred = np.ascontiguousarray(truth), np.ascontiguousarray(pred)
            width = min(band_width(*truth.shape) if width is None else width, max(truth.shape))
            band = _band(truth, truth, labels, width)
            out.counts[:, :3] = _band_counts(band, _band(pred, truth, labels, width), labels)
            if contours:
                out.counts[:, 3:7] = _contour_counts(truth, pred, labels)
            if papers:
                whole = _known(_band(pred, pred, labels, width), truth, labels)
                out.counts[:, 7:] = _band_counts(band, whole, labels)[:, [0, 2]]
        return out

    def __add__(self, other: Boundary) -> Boundary:
        """The counts of both."""
        contours, papers = self.contours or other.contours, self.papers or other.papers
        return Boundary(self.counts + other.counts, contours, papers)

    @property
    def bands(self) -> Tally:
        """Pixels of the bands, by class."""
        return Tally(self.counts[:, 0], self.counts[:, 1], self.counts[:, 2])

    @property
    def paper(self) -> Tally | None:
        """Pixels of the bands by class as the paper forms them: that of the prediction also from what truth ignores.

        None if they were not asked for.
        """
        return Tally(self.counts[:, 7], self.counts[:, 1], self.counts[:, 8]) if self.papers else None

    @property
    def iou(self) -> Floats:
        """(K,) float64 boundary IoU; NaN for a class in neither truth nor prediction."""
        return self.bands.iou

    @property
    def f(self) -> Floats:
        """(K,) float64 boundary F; NaN for a class without a contour in truth and in the prediction."""
        truth, found, pred, right = self.counts[:, 3:7].T
        precision, recall = right / np.maximum(pred, 1), found / np.maximum(truth, 1)
        both = np.maximum(precision + recall, np.finfo(float).tiny)
        return np.where(truth + pred > 0, 2 * precision * recall / both, np.nan)

    def by_class(self) -> Sequence[ClassScore]:
        """Boundary IoU, and boundary F if it was asked for."""
        scores = [ClassScore("boundary_iou", "boundary IoU", self.iou)]
        return [*scores, ClassScore("boundary_f", "boundary F", self.f)] if self.contours else scores


def band_width(height: int, width: int) -> int:
    """Pixels: 2 % of the diagonal, rounded, at least 1, as in the benchmark of Cheng et al."""
    return max(1, round(BAND * math.hypot(height, width)))


def tolerance(height: int, width: int) -> int:
    """Pixels: 0.75 % of the diagonal, rounded, at least 1, as in Csurka et al."""
    return max(1, round(TOLERANCE * math.hypot(height, width)))


def _band(mask: Mask, truth: Mask, labels: Labels, width: int) -> Mask:
    """(H, W): the bands of all classes of a mask, which is ignored where truth is."""
    from segdata.kernels.boundary import inner_band

    band = np.empty(mask.shape, labels.dtype)
    inner_band(mask, truth, width, labels.ignore, band)
    return band


def _known(mask: Mask, truth: Mask, labels: Labels) -> Mask:
    """(H, W): a mask, ignored where truth is."""
    return np.where(truth == labels.ignore, np.array(labels.ignore, labels.dtype), mask)


def _band_counts(truth: Mask, pred: Mask, labels: Labels) -> Ints:
    """(K, 3) int64, of two masks of bands: pixels in both bands, in truth's, in the prediction's."""
    true, given, pixels = pair_counts(truth, pred, labels).T
    out = np.zeros((len(labels.classes), 3), np.int64)
    both, in_truth, in_pred = true == given, true != labels.ignore, given != labels.ignore
    for column, held, value in ((0, both & in_truth, true), (1, in_truth, true), (2, in_pred, given)):
        np.add.at(out[:, column], value[held], pixels[held])
    return out


def _contour_counts(truth: Mask, pred: Mask, labels: Labels) -> Ints:
    """(K, 4) int64: contour pixels of truth, those near the prediction's, of the prediction, those near truth's."""
    from segdata.kernels.boundary import contours, count_near

    lines = [np.empty(truth.shape, labels.dtype) for _ in range(2)]
    for mask, line in zip((truth, _known(pred, truth, labels)), lines, strict=True):
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
