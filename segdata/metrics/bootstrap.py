"""The bootstrap: how far a score may be from what other images of the same kind would give.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile intervals). Units are images, or groups of
images. One draw takes as many units as there are, with replacement, and sums their counts; its scores follow from the sums, as
those of the set do. The interval of a score is what lies between two percentiles of the draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.metrics.confusion import Floats, Ints, Tally, ratio

LEVEL = 0.95

CELLS = 2**24
"""How many numbers one step holds in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The tallies of U units (images, or groups of images) with K classes, sparse.

    M entries of unit, class and `tally`, all (M,) int64: the classes that a unit has in truth or prediction, in ascending order.
    """

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
        known = rows[:, 0] < classes
        truth, pred, n = rows[known].T
        given, place = pred < classes, unit[known] * classes
        keys = np.unique(np.concatenate([place + truth, (place + pred)[given]]))
        table = np.zeros((3, len(keys)), np.int64)
        for counts, value, held in zip(table, (truth, truth, pred), (truth == pred, n > 0, given), strict=True):
            np.add.at(counts, np.searchsorted(keys, (place + value)[held]), n[held])
        return cls(keys // classes, keys % classes, Tally(*table), len(pairs), classes)

    @classmethod
    def from_counts(cls, counts: Ints) -> Columns:
        """From the counts of each unit, (U, 3, K) as `Tally.stacked` gives them."""
        unit, class_id = np.nonzero(counts.any(axis=1))
        return cls(unit, class_id, Tally.of(counts[unit, :, class_id].T), len(counts), counts.shape[2])

    def dense(self, first: int, last: int) -> Tally:
        """(U, last - first) int64: the classes from `first` to before `last`."""
        held = (self.class_id >= first) & (self.class_id < last)
        place = (self.unit[held], self.class_id[held] - first)
        out = []
        for field in fields(Tally):
            table = np.zeros((self.units, last - first), np.int64)
            np.add.at(table, place, getattr(self.tally, field.name)[held])
            out.append(table)
        return Tally(*out)

    def summed(self, unit: Ints, units: int) -> Columns:
        """Fewer, larger units; `unit` (U,) says which of the new ones each goes to."""
        keys, places = np.unique(unit[self.unit] * self.classes + self.class_id, return_inverse=True)
        table = np.zeros((3, len(keys)), np.int64)
        for counts, field in zip(table, fields(Tally), strict=True):
            np.add.at(counts, places, getattr(self.tally, field.name))
        return Columns(keys // self.classes, keys % self.classes, Tally(*table), units, self.classes)

    def by_unit(self, values: NDArray[Any]) -> Floats:
        """(M,) -> (U,) float64: sums over the entries of each unit."""
        return np.asarray(np.bincount(self.unit, values, self.units), np.float64)

    @property
    def total(self) -> Tally:
        """(K,): all units together."""
        sums = np.zeros((3, self.classes), np.int64)
        for counts, field in zip(sums, fields(Tally), strict=True):
            np.add.at(counts, self.class_id, getattr(self.tally, field.name))
        return Tally(*sums)

    @property
    def mean_iou(self) -> Floats:
        """(U,) float64: each unit's mean IoU over its classes, NaN if it has none."""
        return ratio(self.by_unit(self.tally.iou), self.by_unit(np.ones(len(self.unit))))


def bootstrap(*sides: Columns, draws: int, seed: int) -> tuple[Tally, ...]:
    """The tallies (B, K) of every draw, one for each of `sides`. The same seed draws the same units.

    Several sides are measurements of the same units: each draw takes the same units of all of them, so that differences are
    paired. Sums are exact: whole numbers below 2^53.
    """
    units, classes = sides[0].units, sides[0].classes
    sums = np.zeros((len(sides), 3, draws, classes), np.int64)
    step = max(1, CELLS // max(units, 1))
    for first in range(0, classes, step):
        part = slice(first, min(first + step, classes))
        dense = [side.dense(part.start, part.stop).stacked for side in sides]
        tables = [np.moveaxis(counts, 1, 0).astype(np.float64, order="C") for counts in dense]  # (3, U, k)
        for rows, weights in resamples(units, draws, seed):
            for total, table in zip(sums, tables, strict=True):
                total[:, rows, part] = np.rint(weights @ table)
    return tuple(Tally(*total) for total in sums)


def resamples(units: int, draws: int, seed: int) -> Iterator[tuple[slice, Floats]]:
    """(b, U) float64, how often each draw took each unit; some of the draws at a time, with the slice of them."""
    rng = np.random.default_rng(seed)
    step = max(1, CELLS // max(units, 1))
    for first in range(0, draws, step):
        count = min(step, draws - first)
        drawn = rng.multinomial(units, np.full(units, 1 / units), size=count)
        yield slice(first, first + count), drawn.astype(np.float64)


def interval(draws: Floats, level: float = LEVEL) -> Floats:
    """(B, ...) scores of draws -> (2, ...) float64: the bounds that leave out (1 - `level`) / 2 of the draws on either side.

    Draws without a score, NaN, are left out; NaN if no draw has one.
    """
    known = ~np.isnan(draws).all(axis=0)  # without draws, nothing is known
    out = np.full((2, *draws.shape[1:]), np.nan)
    tail = (1 - level) / 2
    if known.any():
        out[:, known] = np.nanquantile(draws[:, known], [tail, 1 - tail], axis=0)
    return out
