"""How far a score may be from what other images of the same kind would give: percentile bootstrap over images or groups.

Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 13: units are drawn with replacement, as many as there are;
counts are summed over the draw, and scores follow from the sums as they do for the set.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.metrics.confusion import Floats, Ints, Tally, ratio

LEVEL = 0.95

SCORES = ("mean_iou", "mean_dice", "mean_accuracy", "pixel_accuracy", "frequency_weighted_iou", "iou")
"""The scores of a `Tally` that get intervals; `iou` of each class."""

CELLS = 2**24
"""How many numbers of a step are in memory at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The tallies of U units (images, or groups of them) with K classes, sparse.

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

    def dense(self, first: int, last: int) -> Tally:
        """(U, last - first) int64 of the classes from `first` to before `last`."""
        held = (self.class_id >= first) & (self.class_id < last)
        place = (self.unit[held], self.class_id[held] - first)
        out = []
        for field in fields(Tally):
            table = np.zeros((self.units, last - first), np.int64)
            np.add.at(table, place, getattr(self.tally, field.name)[held])
            out.append(table)
        return Tally(*out)

    def summed(self, unit: Ints, units: int) -> Columns:
        """The same of fewer, larger units; `unit` (U,) says which each goes to."""
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
        """(K,) of all units together."""
        sums = np.zeros((3, self.classes), np.int64)
        for counts, field in zip(sums, fields(Tally), strict=True):
            np.add.at(counts, self.class_id, getattr(self.tally, field.name))
        return Tally(*sums)

    @property
    def mean_iou(self) -> Floats:
        """(U,) float64: each unit's mean IoU over its classes, NaN where it has none."""
        return ratio(self.by_unit(self.tally.iou), self.by_unit(np.ones(len(self.unit))))


def bootstrap(columns: Columns, *, draws: int, seed: int) -> dict[str, Floats]:
    """Each of `SCORES` for every draw: (B,) float64, (B, K) for `iou`. The same seed draws the same units.

    Sums are exact whatever the order: whole numbers below 2^53.
    """
    sums = [np.zeros((draws, columns.classes), np.int64) for _ in fields(Tally)]
    step = max(1, CELLS // max(columns.units, 1))
    for first in range(0, columns.classes, step):
        last = min(first + step, columns.classes)
        part = columns.dense(first, last)
        tables = [getattr(part, field.name).astype(np.float64) for field in fields(Tally)]
        for rows, weights in resamples(columns.units, draws, seed):
            for total, table in zip(sums, tables, strict=True):
                total[rows, first:last] = np.rint(weights @ table)
    tally = Tally(*sums)
    return {name: getattr(tally, name) for name in SCORES}


def resamples(units: int, draws: int, seed: int) -> Iterator[tuple[slice, Floats]]:
    """Where in the draws, and (b, U) float64: how often each unit was drawn; a part of the draws at a time."""
    rng = np.random.default_rng(seed)
    step = max(1, CELLS // max(units, 1))
    for first in range(0, draws, step):
        count = min(step, draws - first)
        drawn = rng.multinomial(units, np.full(units, 1 / units), size=count)
        yield slice(first, first + count), drawn.astype(np.float64)


def interval(draws: Floats, level: float = LEVEL) -> Floats:
    """(B, ...) scores of draws -> (2, ...) float64: the bounds that leave (1 - `level`) / 2 of them out on either side.

    Draws that have no such class, NaN, are left out; NaN where none has.
    """
    known = ~np.isnan(draws).all(axis=0)  # of no draw at all, nothing is
    out = np.full((2, *draws.shape[1:]), np.nan)
    tail = (1 - level) / 2
    if known.any():
        out[:, known] = np.nanquantile(draws[:, known], [tail, 1 - tail], axis=0)
    return out
