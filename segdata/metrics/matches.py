"""Which objects of an image match: the components of truth, those of the prediction, and how many of either have no match.

`metrics.objects` says what an object is, and what these counts are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from segdata.labels import Labels, Mask
from segdata.metrics.confusion import Floats, Ints, ratio


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Objects, each (..., K): `matched` pairs, true objects that are `missed`, predicted ones that are `wrong` (int64), and `iou`
    (float64), the sum over matched pairs."""

    matched: Ints
    missed: Ints
    wrong: Ints
    iou: Floats

    @classmethod
    def empty(cls, *shape: int) -> Matches:
        """Of no object."""
        matched, missed, wrong = np.zeros((3, *shape), np.int64)
        return cls(matched, missed, wrong, np.zeros(shape))

    def __add__(self, other: Matches) -> Matches:
        """The objects of both."""
        counts = self.matched + other.matched, self.missed + other.missed, self.wrong + other.wrong
        return Matches(*counts, self.iou + other.iou)

    def __getitem__(self, size: int) -> Matches:
        """(S, K) -> (K,): the objects of one size."""
        return Matches(self.matched[size], self.missed[size], self.wrong[size], self.iou[size])

    def summed(self) -> Matches:
        """(S, K) -> (K,): the objects of all sizes."""
        return Matches(*(field.sum(axis=0) for field in (self.matched, self.missed, self.wrong, self.iou)))

    @property
    def truth(self) -> Ints:
        """True objects."""
        return self.matched + self.missed

    @property
    def pred(self) -> Ints:
        """Predicted objects, without those that truth ignores."""
        return self.matched + self.wrong

    @property
    def precision(self) -> Floats:
        """TP / (TP + FP); NaN without a predicted object."""
        return ratio(self.matched, self.pred)

    @property
    def recall(self) -> Floats:
        """TP / (TP + FN); NaN without a true object."""
        return ratio(self.matched, self.truth)

    @property
    def f1(self) -> Floats:
        """TP / (TP + FP / 2 + FN / 2); NaN without any object."""
        return ratio(2 * self.matched, self.truth + self.pred)

    @property
    def segmentation_quality(self) -> Floats:
        """The mean IoU of matched pairs, 0 if nothing matches; NaN without any object."""
        quality = self.iou / np.maximum(self.matched, 1)
        return np.where(self.truth + self.pred > 0, quality, np.nan)

    @property
    def panoptic_quality(self) -> Floats:
        """Segmentation quality times F1; NaN without any object."""
        return ratio(2 * self.iou, self.truth + self.pred)

    def counts_json(self, number: int | None = None) -> dict[str, int]:
        """How many objects a class has, or all."""
        of = {"truth": self.truth, "predicted": self.pred, "matched": self.matched}
        return {name: int(values.sum() if number is None else values[number]) for name, values in of.items()}


def match(truth: Mask, pred: Mask, labels: Labels, bounds: Sequence[int] = (), *, corners: bool = True) -> Matches:
    """Match the objects of (H, W) class ids and ignore; pixels that touch at a corner alone are connected if `corners`.

    Returns (S, K) of K classes: from each of the `bounds` (S - 1,), areas in pixels that ascend, a larger size begins.
    """
    out = Matches.empty(len(bounds) + 1, len(labels.classes))
    if truth.size:
        _count(_segments(truth, labels, corners), _segments(pred, labels, corners), bounds, out)
    return out


class Segments(NamedTuple):
    """The objects of a mask, numbered from 0.

    Run i goes from begins[i] to begins[i + 1] in the mask read row by row; numbers[i] is its object, -1 for ignored pixels.
    """

    begins: Ints
    numbers: Ints
    areas: Ints
    """(N,) pixels of each object."""

    classes: Ints
    """(N,) the class of each."""


def _segments(mask: Mask, labels: Labels, corners: bool) -> Segments:
    """The objects of a mask, (H, W) of 1 pixel or more."""
    from segdata.files.vectors.tracing import runs_of
    from segdata.kernels.runs import number_runs

    begins, values = runs_of(mask)
    ignored = np.array([labels.ignore], np.int64)
    return Segments(begins, *number_runs(begins, values, mask.shape[1], ignored, corners))


def _count(truth: Segments, pred: Segments, bounds: Sequence[int], out: Matches) -> None:
    """Match the objects of an image, and count them in `out`, (S, K) of zeros."""
    true, given, pixels = _shared(truth, pred)
    unknown = np.zeros(len(pred.areas), np.int64)
    beside = (true < 0) & (given >= 0)
    unknown[given[beside]] = pixels[beside]
    both = (true >= 0) & (given >= 0)
    true, given, pixels = true[both], given[both], pixels[both]
    union = truth.areas[true] + pred.areas[given] - pixels - unknown[given]
    fits = (truth.classes[true] == pred.classes[given]) & (2 * pixels > union)
    true, given, iou = true[fits], given[fits], pixels[fits] / union[fits]
    missed, wrong = np.ones(len(truth.areas), np.bool_), 2 * unknown <= pred.areas
    missed[true] = wrong[given] = False
    for table, side, chosen, value in (
        (out.matched, truth, true, 1),
        (out.iou, truth, true, iou),
        (out.missed, truth, np.flatnonzero(missed), 1),
        (out.wrong, pred, np.flatnonzero(wrong), 1),
    ):
        np.add.at(table, (np.searchsorted(bounds, side.areas[chosen], "right"), side.classes[chosen]), value)


def _shared(truth: Segments, pred: Segments) -> tuple[Ints, Ints, Ints]:
    """Each pair of numbers that share pixels, -1 too, and how many they share, (P,) each."""
    from segdata.kernels.runs import meet_runs

    true, given, pixels = meet_runs(truth.begins, truth.numbers, pred.begins, pred.numbers)
    count = len(pred.areas) + 1
    pairs = (true + 1) * count + given + 1
    order = np.argsort(pairs, kind="stable")
    pairs = pairs[order]
    first = np.flatnonzero(np.diff(pairs, prepend=-1))
    return pairs[first] // count - 1, pairs[first] % count - 1, np.add.reduceat(pixels[order], first)
