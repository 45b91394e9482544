"""One confusion matrix over a whole set, and the scores that follow from it.

Counts of parts add up to those of the whole, in 64-bit integers; scores are derived once, in the end. Pixels that are ignored in
truth are never counted. A class that is absent has no score: NaN, and it is left out of means, never counted as 0 or 1.

Sources of the formulas: Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", 2010; Long, Shelhamer and Darrell,
"Fully Convolutional Networks for Semantic Segmentation", 2015; Dice, "Measures of the Amount of Ecologic Association Between
Species", 1945.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.files.changes import Changes, drawn
from segdata.labels import Labels, Mask, value_counts
from segdata.words import briefly, sized, some

Ints = NDArray[np.int64]

Floats = NDArray[np.float64]

FEW = 64
"""Up to so many classes the table of all pairs is small; beyond, only the values that occur get a place in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What every score is made of, each (..., K) int64: pixels of a class that are hit, in truth, and in the prediction.

    Leading axes are images, or other parts of a set; scores of classes are (..., K) float64, scores over classes (...).
    """

    __repr__ = briefly

    hits: Ints
    truth: Ints
    pred: Ints

    @classmethod
    def of(cls, counts: NDArray[Any]) -> Tally:
        """From `counts` as `stacked` gives them, (..., 3, K)."""
        return cls(counts[..., 0, :], counts[..., 1, :], counts[..., 2, :])

    @property
    def stacked(self) -> Ints:
        """(..., 3, K) int64: the three counts in one array."""
        return np.stack([self.hits, self.truth, self.pred], axis=-2)

    def keep(self, ids: Sequence[int]) -> Tally:
        """These classes only; their counts stay the same."""
        return Tally(self.hits[..., ids], self.truth[..., ids], self.pred[..., ids])

    @property
    def iou(self) -> Floats:
        """hits / (truth + pred - hits), the Jaccard index; NaN for a class in neither (Everingham et al., section 4.3)."""
        return ratio(self.hits, self.truth + self.pred - self.hits)

    @property
    def dice(self) -> Floats:
        """2 hits / (truth + pred), which is F1; NaN for a class in neither (Dice)."""
        return ratio(2 * self.hits, self.truth + self.pred)

    @property
    def precision(self) -> Floats:
        """hits / pred; NaN for a class that is never predicted."""
        return ratio(self.hits, self.pred)

    @property
    def recall(self) -> Floats:
        """hits / truth, the accuracy of the class; NaN for a class that is not in truth."""
        return ratio(self.hits, self.truth)

    @property
    def mean_iou(self) -> Floats:
        """The mean of `iou` over the classes in truth or prediction; NaN if there are none."""
        return mean(self.iou)

    @property
    def mean_dice(self) -> Floats:
        """The mean of `dice` over the classes in truth or prediction; NaN if there are none."""
        return mean(self.dice)

    @property
    def mean_accuracy(self) -> Floats:
        """The mean of `recall` over the classes in truth; NaN if there are none (Long et al., section 5)."""
        return mean(self.recall)

    @property
    def pixel_accuracy(self) -> Floats:
        """Hits of all classes / their pixels in truth; NaN if there are none (Long et al., section 5)."""
        return ratio(self.hits.sum(axis=-1), self.truth.sum(axis=-1))

    @property
    def frequency_weighted_iou(self) -> Floats:
        """Sum of truth * `iou` over classes / sum of truth; NaN if truth has no pixel (Long et al., section 5)."""
        weighted = np.nansum(self.truth * self.iou, axis=-1)
        return ratio(weighted, self.truth.sum(axis=-1))


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """`counts` (K, K + 1) int64: pixels by class in truth (row) and in prediction (column). Its parts add.

    In the last column are pixels that are predicted as ignore, each a miss of its true class. Pixels that are ignored in truth
    are not in the matrix.
    """

    __repr__ = briefly

    counts: Ints

    @classmethod
    def empty(cls, classes: int) -> Confusion:
        """Of no pixel."""
        return cls(np.zeros((classes, classes + 1), np.int64))

    @classmethod
    def of(cls, truth: NDArray[Any], pred: NDArray[Any], labels: Labels) -> Confusion:
        """Of (H, W), or any equal shape, of class ids and ignore, both under one label contract.

        Raises `ValueError` for shapes that differ and for values that are neither a class nor ignore.
        """
        return cls.from_pairs(pair_counts(truth, pred, labels), len(labels.classes))

    @classmethod
    def from_pairs(cls, pairs: Ints, classes: int) -> Confusion:
        """Of the pairs that `pair_counts` gives; any id beyond the classes is ignore."""
        out = np.zeros((classes, classes + 1), np.int64)
        truth, pred, n = pairs[pairs[:, 0] < classes].T
        np.add.at(out, (truth, np.minimum(pred, classes)), n)
        return cls(out)

    def __add__(self, other: Confusion) -> Confusion:
        """The counts of both, under the same label contract."""
        return Confusion(self.counts + other.counts)

    def __eq__(self, other: object) -> bool:
        """Whether all counts are equal."""
        return np.array_equal(self.counts, other.counts) if isinstance(other, Confusion) else NotImplemented

    def merge(self, groups: Sequence[int | None]) -> Confusion:
        """The matrix of groups of classes: confusions inside a group count as right. `groups`: (K,) the group of each class.

        Of a class without a group (None), true pixels leave the matrix, and predicted ones are a miss of any other.
        """
        count = max((g for g in groups if g is not None), default=-1) + 1
        out = np.zeros((count, count + 1), np.int64)
        columns = [count if g is None else g for g in groups] + [count]
        for row, group in zip(self.counts, groups, strict=True):
            if group is not None:
                np.add.at(out[group], columns, row)
        return Confusion(out)

    @property
    def tally(self) -> Tally:
        """The counts by class, from which the scores follow."""
        return Tally(np.diagonal(self.counts), self.counts.sum(axis=1), self.counts[:, :-1].sum(axis=0))

    @property
    def total(self) -> int:
        """All pixels that are not ignored in truth."""
        return int(self.counts.sum())

    @property
    def rejected(self) -> int:
        """Pixels that are predicted as ignore, but are not ignored in truth."""
        return int(self.counts[:, -1].sum())

    @property
    def absent(self) -> list[int]:
        """The ids of the classes in neither truth nor prediction: they have no score."""
        return [int(i) for i in np.flatnonzero(self.tally.truth + self.tally.pred == 0)]

    @property
    def iou(self) -> Floats:
        """(K,) float64, `Tally.iou`; NaN for a class in neither truth nor prediction."""
        return self.tally.iou

    @property
    def dice(self) -> Floats:
        """(K,) float64, `Tally.dice`; NaN for a class in neither truth nor prediction."""
        return self.tally.dice

    @property
    def precision(self) -> Floats:
        """(K,) float64, `Tally.precision`; NaN for a class that is never predicted."""
        return self.tally.precision

    @property
    def recall(self) -> Floats:
        """(K,) float64, `Tally.recall`; NaN for a class that is not in truth."""
        return self.tally.recall

    @property
    def mean_iou(self) -> float:
        """`Tally.mean_iou`: absent classes are left out."""
        return float(self.tally.mean_iou)

    @property
    def mean_accuracy(self) -> float:
        """`Tally.mean_accuracy`: classes that are not in truth are left out."""
        return float(self.tally.mean_accuracy)

    @property
    def pixel_accuracy(self) -> float:
        """`Tally.pixel_accuracy`."""
        return float(self.tally.pixel_accuracy)

    @property
    def frequency_weighted_iou(self) -> float:
        """`Tally.frequency_weighted_iou`."""
        return float(self.tally.frequency_weighted_iou)


def plain(value: float | np.floating[Any] | Floats) -> float | None:
    """A number for JSON: NaN is None."""
    number = float(value)
    return None if np.isnan(number) else number


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """part / whole as float64, NaN for a `whole` of 0."""
    out = np.full(np.shape(whole), np.nan)
    return np.asarray(np.divide(part, whole, out=out, where=np.asarray(whole) > 0))


def mean(values: Floats) -> Floats:
    """(..., K) -> (...): the mean of what is not NaN, NaN of nothing."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1))


def pair_counts(truth: NDArray[Any] | Changes, pred: NDArray[Any] | Changes, labels: Labels) -> Ints:
    """(P, 3) int64: value in truth, value in prediction, pixels; of each pair that occurs, ignore too, in ascending order.

    Takes two masks of one shape, arrays of any integers or `Changes`. Raises `ValueError` as `Confusion.of`.
    """
    if truth.shape != pred.shape:
        raise ValueError(f"truth is {sized(truth)}, the prediction {sized(pred)}: they must be of one size")
    if isinstance(truth, Changes) and isinstance(pred, Changes) and labels.dtype == np.uint8:
        table, row_ids, column_ids = _changing(truth, pred, labels)
    else:
        table, row_ids, column_ids = _at_each_pixel(drawn(truth), drawn(pred), labels)
    y, x = np.nonzero(table)
    return np.stack([row_ids[y], column_ids[x], table[y, x]], axis=1)


def _changing(truth: Changes, pred: Changes, labels: Labels) -> tuple[Ints, Ints, Ints]:
    """The table of all pairs, and the values of its rows and columns, from what changes in either mask."""
    from segdata.kernels.changes import pair_changes

    _refuse(np.flatnonzero(truth.counts), labels, "truth")
    _refuse(np.flatnonzero(pred.counts), labels, "the prediction")
    (rows, row_ids), (columns, column_ids) = _places(truth.counts, labels), _places(pred.counts, labels)
    table = np.zeros((len(row_ids) + 1, len(column_ids) + 1), np.int64)
    pair_changes(truth.places, truth.deltas, pred.places, pred.deltas, *truth.shape, rows, columns, table)
    return table, row_ids, column_ids


def _at_each_pixel(truth: NDArray[Any], pred: NDArray[Any], labels: Labels) -> tuple[Ints, Ints, Ints]:
    """The same of any integers."""
    from segdata.kernels.confusion import count_pairs

    a, b = _flat(truth, labels, "truth"), _flat(pred, labels, "the prediction")
    many = len(labels.classes) > FEW
    (rows, row_ids), (columns, column_ids) = (_places(value_counts(v) if many else None, labels) for v in (a, b))
    counts = np.zeros((4, len(row_ids) + 1, len(column_ids) + 1), np.int64)
    count_pairs(a, b, rows, columns, counts)
    table = counts.sum(axis=0)
    for values, foreign, what in ((a, table[-1].any(), "truth"), (b, table[:, -1].any(), "the prediction")):
        if foreign:
            _refuse(np.unique(values), labels, what)
    return table, row_ids, column_ids


def _flat(values: NDArray[Any], labels: Labels, what: str) -> Mask:
    """Contiguous, and of the labels' dtype."""
    if values.dtype != labels.dtype:
        if values.dtype.kind not in "iub":
            raise ValueError(f"{what} is of dtype {values.dtype}, not of class ids")
        if values.size and not 0 <= values.min() <= values.max() <= labels.ignore:
            _refuse(np.unique(values), labels, what)
        values = values.astype(labels.dtype)
    return np.ascontiguousarray(values).ravel()


def _places(counts: Ints | None, labels: Labels) -> tuple[Ints, Ints]:
    """(ignore + 1,) the place of each value in the table, and (P,) the value of each place; all other values share place P. If
    there are `counts` of values, only those that occur have a place.
    """
    ids = np.append(np.arange(len(labels.classes)), labels.ignore)
    if counts is not None:
        ids = ids[counts[ids] > 0]
    places = np.full(labels.ignore + 1, len(ids))
    places[ids] = np.arange(len(ids))
    return places, ids


def _refuse(values: NDArray[Any], labels: Labels, what: str) -> None:
    """Raise `ValueError` if any of the values is no class."""
    foreign = [int(v) for v in values if not 0 <= v < len(labels.classes) and v != labels.ignore]
    if foreign:
        raise ValueError(f"{what} has values that are no class: {some(foreign)}")
