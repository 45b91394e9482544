"""Intervals: how far a score may be from what other images of the same kind would give.

The jackknife (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11) with Student's t. Units are images, or
groups of images. Each unit is left out once, and d is by how much the score falls for it:

    error    = square root of the sum of d^2 over units
    interval = score -+ t * error

t is the quantile of Student's distribution for n - 1 degrees of freedom. n is the number of units; for the score of a class, of
those that have the class in truth; for a mean over classes, as many as those of the classes that make it unsure, by the rule of
Satterthwaite, "An Approximate Distribution of Estimates of Variance Components", 1946. A score from 0 to 1 gets its interval on
the scale of log(score / (1 - score)), and brought back: so it stays between 0 and 1. A distance gets it on that of log(distance):
so it stays above 0. A difference of two scores gets it as it is.

A mean that is 0 or 1 though a class of it is unknown has no logarithm: it gets its interval as it is, cut at 0 and 1.

An interval always contains its score, and the classes are the same in all of this. A class that is gone without a unit counts
as 0 there. With fewer than `FEWEST` units there is no interval: nothing tells how far such a score may be off. A mean over
classes takes it as any number from 0 to 1, whose variance is 1/12; a distance as one of an exponential distribution, whose
variance is its square. How often these intervals contain the truth, beside those of the bootstrap, is measured by
`tools/bench/bench_intervals.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from segdata.metrics.base import ClassScore, Metric
from segdata.metrics.confusion import Floats, Ints, Tally, mean, ratio
from segdata.metrics.student import t_below, t_quantile
from segdata.words import briefly

M = TypeVar("M", bound=Metric)

Scale = Literal["share", "distance", "difference"]

LEVEL = 0.95

FEWEST = 3
"""With fewer units there is no interval."""

LEAST = 5
"""A mean over classes is taken to rest on so many units at least, if there are as many: measured, like all of this."""

ROUNDING = 1e-12
"""A smaller part of a score is what adding in another order changes, and no change."""

CELLS = 2**18
"""Units and classes that are counted at a time."""

LARGEST = 700.0
"""A larger logarithm is of no number in float64."""

MEAN_OF = {"mean_iou": "iou", "mean_dice": "dice", "mean_accuracy": "recall"}
"""The scores of a `Tally` that are means over classes, and of what."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The tallies of U units (images, or groups of images) with K classes, sparse.

    M entries of unit, class and `tally`, all (M,) int64: the classes that a unit has in truth or prediction, in ascending order.
    """

    __repr__ = briefly

    unit: Ints
    class_id: Ints
    tally: Tally
    units: int
    classes: int

    @classmethod
    def of(cls, pairs: Sequence[Ints], classes: int) -> Columns:
        """From the pairs of each unit, as `pair_counts` gives them."""
        rows = np.concatenate([np.empty((0, 3), np.int64), *pairs])
        unit = np.repeat(np.arange(len(pairs)), [len(p) for p in pairs])
        return cls.of_rows(unit, rows, len(pairs), classes)

    @classmethod
    def of_rows(cls, unit: Ints, rows: Ints, units: int, classes: int) -> Columns:
        """From the pairs of all units in (R, 3) `rows`; `unit` (R,) says whose each row is.

        Some units at a time are counted in a table of all their classes: sorting all that occur takes longer.
        """
        order = np.argsort(unit, kind="stable")
        unit, rows = unit[order], rows[order]
        step = max(1, CELLS // max(classes, 1))
        starts = np.arange(0, units, step)
        ends = np.searchsorted(unit, [*starts.tolist(), units])
        parts = [
            cls._block(unit[a:b] - first, rows[a:b], min(step, units - int(first)), classes)
            for first, (a, b) in zip(starts, pairwise(ends), strict=True)
        ]
        empty = np.empty((5, 0), np.int64)
        shifted = [part + np.array([[first], [0], [0], [0], [0]]) for part, first in zip(parts, starts, strict=True)]
        of, class_id, *counts = np.concatenate([empty, *shifted], axis=1)
        return cls(of, class_id, Tally(*counts), units, classes)

    @staticmethod
    def _block(unit: Ints, rows: Ints, units: int, classes: int) -> Ints:
        """(5, M) unit, class, hits, truth and prediction of the classes that occur."""
        truth, pred, n = rows.T
        place, known, given = unit * classes, truth < classes, pred < classes
        right, given = known & (truth == pred), known & given
        table = [
            np.bincount((place + value)[held], n[held], units * classes).astype(np.int64)
            for value, held in ((truth, right), (truth, known), (pred, given))
        ]
        keys = np.flatnonzero(table[1] + table[2])
        return np.stack([keys // classes, keys % classes, *(part[keys] for part in table)])

    @classmethod
    def from_counts(cls, counts: Ints) -> Columns:
        """From the counts of each unit, (U, 3, K) as `Tally.stacked` gives them."""
        unit, class_id = np.nonzero(counts.any(axis=1))
        return cls(unit, class_id, Tally.of(counts[unit, :, class_id].T), len(counts), counts.shape[2])

    def summed(self, unit: Ints, units: int) -> Columns:
        """Fewer, larger units; `unit` (U,) says which of the new ones each goes to."""
        keys, places = np.unique(unit[self.unit] * self.classes + self.class_id, return_inverse=True)
        counts = (getattr(self.tally, field.name) for field in fields(Tally))
        tally = Tally(*(np.bincount(places, part, len(keys)).astype(part.dtype) for part in counts))
        return Columns(keys // self.classes, keys % self.classes, tally, units, self.classes)

    def by_unit(self, values: NDArray[Any]) -> Floats:
        """(M,) -> (U,) float64: sums over the entries of each unit."""
        return np.asarray(np.bincount(self.unit, values, self.units), np.float64)

    @property
    def total(self) -> Tally:
        """(K,): all units together."""
        counts = (getattr(self.tally, field.name) for field in fields(Tally))
        return Tally(*(np.bincount(self.class_id, part, self.classes).astype(part.dtype) for part in counts))

    @property
    def without(self) -> Tally:
        """(M,) int64: of the class of each entry, what is left without the entry's unit."""
        return Tally.of(self.total.stacked[:, self.class_id] - self.tally.stacked)

    @property
    def labelled(self) -> Ints:
        """(1,) int64: how many units have a labelled pixel."""
        return np.array([len(np.unique(self.unit))])

    @property
    def mean_iou(self) -> Floats:
        """(U,) float64: each unit's mean IoU over its classes, NaN if it has none."""
        return ratio(self.by_unit(self.tally.iou), self.by_unit(np.ones(len(self.unit))))


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """C scores of one set, and what each unit does to them.

    `value` (C,) float64, NaN for a score that there is not; `units` (C,) int64, how many units speak of each. Sparse, both (M,):
    `place` is unit * C + score, `change` the value less the value without this unit. Of what is not there the change is 0.
    `unknown`: the variance of what no unit tells of, 0 or more. `scale`: whether the values are shares, from 0 to 1, distances,
    0 or more, or differences.
    """

    value: Floats
    units: Ints
    place: Ints
    change: Floats
    unknown: float = 0.0
    scale: Scale = "share"

    def __sub__(self, other: Spread) -> Spread:
        """The differences of two measurements of the same units."""
        place, places = np.unique(np.concatenate([self.place, other.place]), return_inverse=True)
        change = np.bincount(places, np.concatenate([self.change, -other.change]), len(place)).astype(np.float64)
        units, unknown = np.minimum(self.units, other.units), self.unknown + other.unknown
        return Spread(self.value - other.value, units, place, change, unknown, "difference")

    @property
    def error(self) -> Floats:
        """(C,) float64: the standard errors; NaN for a score that there is not, and with fewer than `FEWEST` units."""
        count = len(self.value)
        squares = np.bincount(self.place % max(count, 1), self.change**2, count)
        return np.where((self.units < FEWEST) | np.isnan(self.value), np.nan, np.sqrt(squares + self.unknown))

    def interval(self, level: float = LEVEL) -> Floats:
        """(2, C) float64: the bounds; NaN where there is no `error`."""
        reach = self.error * [t_quantile((1 + level) / 2, max(int(n) - 1, 1)) for n in self.units]
        if self.scale == "difference":
            return np.stack([self.value - reach, self.value + reach])
        rest = 1 - self.value if self.scale == "share" else np.ones_like(self.value)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = np.log(self.value / rest) + np.stack([-reach, reach]) / (self.value * rest)
        back = (1 + np.tanh(ends / 2)) / 2 if self.scale == "share" else np.exp(np.minimum(ends, LARGEST))
        top = 1 if self.scale == "share" else np.inf
        flat = np.clip(np.stack([self.value - reach, self.value + reach]), 0, top)
        low, high = np.where((self.value * rest > 0) | np.isnan(reach), back, flat)
        return np.stack([np.minimum(low, self.value), np.maximum(high, self.value)])  # against rounding

    def sureness(self) -> Floats:
        """(C,) float64, 0 to 1: how sure it is that each value is above 0; NaN where there is no `error`."""
        out = np.full(len(self.value), np.nan)
        for i in np.flatnonzero(~np.isnan(self.error)):
            value, error = float(self.value[i]), float(self.error[i])
            out[i] = t_below(value / error, int(self.units[i]) - 1) if error else (1 + np.sign(value)) / 2
        return out


def spread(columns: Columns, score: str, *, paired: bool = False) -> Spread:
    """Of a score of a `Tally`: C = K for one of classes, such as `iou`, otherwise 1.

    `paired`: it will be one side of a difference. There, what few units say of a class is what both predictions made of them, and
    no class is taken as unknown.
    """
    if score in MEAN_OF:
        return _mean(_classes(columns, MEAN_OF[score]), columns.labelled, paired=paired)
    if score in ("pixel_accuracy", "frequency_weighted_iou"):
        return _pixels(columns, weighted=score == "frequency_weighted_iou")
    return _classes(columns, score)


def _classes(columns: Columns, score: str) -> Spread:
    """Each class."""
    value, rest = getattr(columns.total, score), getattr(columns.without, score)
    units = np.bincount(columns.class_id, columns.tally.truth > 0, columns.classes).astype(np.int64)
    change = np.nan_to_num(value[columns.class_id] - np.nan_to_num(rest))
    return Spread(value, units, columns.unit * columns.classes + columns.class_id, change)


def without_each(values: Sequence[M], rest: M) -> Iterator[M]:
    """For each of `values`, in order, the sum of `rest` and of all the others: what is left without it.

    By halves: N values need about N log N additions, no subtraction, and few sums in memory at a time.
    """
    if len(values) < 2:
        yield from [rest] * len(values)
        return
    left, right = values[: len(values) // 2], values[len(values) // 2 :]
    yield from without_each(left, reduce(add, right, rest))
    yield from without_each(right, reduce(add, left, rest))


def metric_spreads(values: Sequence[Metric], zero: Metric, columns: Columns) -> list[tuple[Spread, Spread]]:
    """Of each score of `by_class`: that of its classes, and that of their mean. `values` (U,): what a metric gives of each unit.

    The units of a class are those of `columns` that have it in truth, as far as they alone have a score of it.
    """
    whole = reduce(add, values, zero).by_class()
    in_truth = np.zeros((columns.units, columns.classes), np.bool_)
    in_truth[columns.unit, columns.class_id] = columns.tally.truth > 0
    units = np.zeros((len(whole), columns.classes), np.int64)
    places: list[list[Ints]] = [[np.empty(0, np.int64)] for _ in whole]
    changes: list[list[Floats]] = [[np.empty(0)] for _ in whole]
    for unit, (own, rest) in enumerate(zip(values, without_each(values, zero), strict=True)):
        for i, (score, alone, other) in enumerate(zip(whole, own.by_class(), rest.by_class(), strict=True)):
            units[i] += in_truth[unit] & ~np.isnan(alone.values)
            change = np.nan_to_num(score.values - np.nan_to_num(other.values))
            moved = np.flatnonzero(np.abs(change) > ROUNDING * np.abs(score.values))
            places[i].append(unit * columns.classes + moved)
            changes[i].append(change[moved])
    parts = zip(whole, units, map(np.concatenate, places), map(np.concatenate, changes), strict=True)
    return [_with_mean(*part, columns.labelled) for part in parts]


def _with_mean(score: ClassScore, units: Ints, place: Ints, change: Floats, labelled: Ints) -> tuple[Spread, Spread]:
    """Of a score of classes, and of its mean."""
    classes = Spread(score.values, units, place, change, scale="share" if score.unit is None else "distance")
    return classes, _mean(classes, labelled)


def _mean(classes: Spread, labelled: Ints, *, paired: bool = False) -> Spread:
    """The mean of those classes that have a score; `labelled` (1,) units have any class."""
    count = len(classes.value)
    unit, class_id = np.divmod(classes.place, max(count, 1))
    known = ~np.isnan(classes.value)
    few = known & (classes.units < FEWEST) & (not paired)
    told = np.where(few[class_id], 0, classes.change)
    number = max(int(known.sum()), 1)
    unknown = float(few.sum()) / 12 if classes.scale == "share" else float((classes.value[few] ** 2).sum())
    variance = np.bincount(class_id, told**2, count).astype(np.float64)
    units = _resting_on(variance, classes.units, unknown, labelled)
    change = np.bincount(unit, told).astype(np.float64) / number
    value, place, unknown = mean(classes.value)[None], np.arange(len(change)), unknown / number**2
    return Spread(value, units, place, change, unknown, classes.scale)


def _resting_on(variance: Floats, units: Ints, unknown: float, labelled: Ints) -> Ints:
    """(1,) the units that a mean rests on, of (K,) those of classes: few, if most of the variance is of a class in few."""
    apart = float((variance**2 / np.maximum(units, 1)).sum())
    freedom = (float(variance.sum()) + unknown) ** 2 / apart if apart else np.inf
    return np.asarray(np.clip(np.floor(freedom) + 1, LEAST, labelled), np.int64)


def _pixels(columns: Columns, weighted: bool) -> Spread:
    """The pixels that are hit / those of truth; or each class's IoU, weighted by its pixels in truth."""
    total, rest = columns.total, columns.without
    gained, left = (np.nan_to_num(t.truth * t.iou) if weighted else t.hits for t in (total, rest))
    lost, pixels = columns.by_unit(gained[columns.class_id] - left), columns.by_unit(columns.tally.truth)
    value = ratio(gained.sum(), total.truth.sum())
    change = np.nan_to_num(value - ratio(gained.sum() - lost, total.truth.sum() - pixels))
    return Spread(value[None], columns.labelled, np.arange(columns.units), change)
