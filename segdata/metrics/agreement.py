"""How far several labellings of the same images agree: votes counted by pattern, and the kappas that follow.

A pattern is what each of R annotators says of a pixel: a class, or nothing where it ignores the pixel or has not labelled the
image. Of (K + 1)^R possible patterns few occur, so those are counted that do. Counts of parts add up to those of the whole.

Cohen's kappa of two annotators (Cohen, "A Coefficient of Agreement for Nominal Scales", 1960, equation 1) and Fleiss' of any
number (Fleiss, "Measuring Nominal Scale Agreement Among Many Raters", 1971, equations 3 to 7; of a class, equation 23):

    kappa = (P - E) / (1 - E)

P is how often two votes on a pixel are the same, and E how often they would be by chance, given how often each class is voted
for. For Cohen each annotator has classes of its own likings; for Fleiss all have the same, those of all votes. Fleiss takes
it that every pixel has as many votes. Here n votes on a pixel make n (n - 1) ordered pairs, which weigh as much as one pixel
together, and so do the votes themselves. With one number of votes everywhere that is the same. A pixel with one vote counts in
neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from segdata.labels import Labels, Mask, tally
from segdata.metrics.confusion import Floats, Ints, Tally, ratio
from segdata.metrics.intervals import Columns, Spread
from segdata.words import briefly, sized, some

DENSE = 2**22
"""Up to so many possible patterns a table of all is counted; beyond, those that occur are sorted."""

BAND = 2**22
"""Of so many pixels the patterns are numbered at a time."""

Patterns = NDArray[np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class Votes:
    """The votes on all pixels: `patterns` (P, R) uint16, the class that each of R annotators gives, K for no vote; and `pixels`
    (P,) int64, how many have each. Patterns are in ascending order, each once. `classes`: K."""

    __repr__ = briefly

    patterns: Patterns
    pixels: Ints
    classes: int

    @classmethod
    def of(cls, masks: Sequence[Mask | None], labels: Labels) -> Votes:
        """Of (H, W) masks of class ids and ignore, one of each annotator (None: has not labelled it). Raises as `patterns_of`."""
        _one_shape(masks, labels)
        parts = []
        for rows in bands(masks):
            patterns, places = patterns_of([None if mask is None else mask[rows] for mask in masks], labels)
            parts.append(cls(patterns, np.bincount(places.ravel(), minlength=len(patterns)), len(labels.classes)))
        return parts[0] if len(parts) == 1 else cls.total(parts, len(masks), len(labels.classes))

    @classmethod
    def total(cls, parts: Sequence[Votes], annotators: int, classes: int) -> Votes:
        """All parts together."""
        patterns = np.concatenate([np.empty((0, annotators), np.uint16), *(part.patterns for part in parts)])
        pixels = np.concatenate([np.empty(0, np.int64), *(part.pixels for part in parts)])
        order = np.lexsort(patterns.T[::-1])
        patterns, pixels = patterns[order], pixels[order]
        new = np.ones(len(patterns), bool)
        new[1:] = (patterns[1:] != patterns[:-1]).any(axis=1)
        starts = np.flatnonzero(new)
        return cls(patterns[starts], np.add.reduceat(pixels, starts) if len(starts) else pixels, classes)

    def __add__(self, other: Votes) -> Votes:
        """The votes of both, of the same annotators under the same label contract."""
        return Votes.total([self, other], self.annotators, self.classes)

    def __eq__(self, other: object) -> bool:
        """Whether all counts are equal."""
        if not isinstance(other, Votes):
            return NotImplemented
        return np.array_equal(self.patterns, other.patterns) and np.array_equal(self.pixels, other.pixels)

    @property
    def annotators(self) -> int:
        """R."""
        return int(self.patterns.shape[1])

    @property
    def given(self) -> Ints:
        """(P,) int64: how many votes each pattern has."""
        return np.asarray((self.patterns < self.classes).sum(axis=1), np.int64)

    @property
    def of_several(self) -> Votes:
        """Those with two votes or more."""
        held = self.given > 1
        return Votes(self.patterns[held], self.pixels[held], self.classes)

    @property
    def unanimous(self) -> int:
        """The pixels with two votes or more that are all the same."""
        several = self.of_several
        voted = several.patterns < self.classes
        least = np.where(voted, several.patterns, self.classes).min(axis=1, initial=self.classes)
        most = np.where(voted, several.patterns, 0).max(axis=1, initial=0)
        return int(several.pixels[least == most].sum())

    def pairs(self, one: int, other: int) -> Ints:
        """(P, 3) int64 as `pair_counts` gives them, of the pixels on which both annotators vote."""
        rows = np.column_stack([self.patterns[:, [one, other]].astype(np.int64), self.pixels])
        return _each_once(rows[(rows[:, :2] < self.classes).all(axis=1)], self.classes)

    def all_pairs(self) -> Ints:
        """(P, 3) int64: those of every two annotators."""
        every = combinations(range(self.annotators), 2)
        rows = np.concatenate([np.empty((0, 3), np.int64), *(self.pairs(one, other) for one, other in every)])
        return _each_once(rows, self.classes)


def _each_once(rows: Ints, classes: int) -> Ints:
    """(P, 3) classes and pixels -> the same with each pair of classes once, in ascending order."""
    found, numbers = _numbered(rows[:, 0] * classes + rows[:, 1], classes * classes)
    pixels = np.zeros(len(found), np.int64)
    np.add.at(pixels, numbers, rows[:, 2])
    return np.column_stack([found // classes, found % classes, pixels])


def bands(masks: Sequence[Mask | None]) -> list[slice]:
    """The rows of (H, W) masks of one size, in parts of about `BAND` pixels: numbers of patterns take much more than masks."""
    height, width = next(mask.shape for mask in masks if mask is not None)
    rows = max(1, BAND // max(1, width))
    return [slice(start, start + rows) for start in range(0, height, rows)]


def patterns_of(masks: Sequence[Mask | None], labels: Labels) -> tuple[Patterns, Ints]:
    """(P, R) uint16, the patterns that occur, as `Votes` has them; and (H, W) int64, which of them each pixel has.

    Raises `ValueError` for masks of different sizes or of another dtype than the labels', for values that are neither a class
    nor ignore, and where there is no mask at all.
    """
    classes = len(labels.classes)
    shape = _one_shape(masks, labels)
    patterns, places = np.zeros((1, 0), np.uint16), np.zeros(shape, np.int64)
    if not places.size:
        patterns = patterns[:0]
    for mask in masks:
        if mask is None:
            patterns = np.column_stack([patterns, np.full(len(patterns), classes, np.uint16)])
            continue
        places *= classes + 1
        places += np.minimum(mask, np.array(classes, mask.dtype))
        found, places = _numbered(places, len(patterns) * (classes + 1))
        patterns = np.column_stack([patterns[found // (classes + 1)], (found % (classes + 1)).astype(np.uint16)])
    return patterns, places


def _one_shape(masks: Sequence[Mask | None], labels: Labels) -> tuple[int, ...]:
    """The shape of all masks. Raises as `patterns_of`."""
    given = [mask for mask in masks if mask is not None]
    if not given:
        raise ValueError("there is no mask")
    for mask in given:
        if mask.shape != given[0].shape or mask.dtype != labels.dtype:
            sizes = f"{sized(given[0])} {given[0].dtype} and {sized(mask)} {mask.dtype}"
            raise ValueError(f"masks must be of one size and {np.dtype(labels.dtype)}: {sizes}")
        if not labels.known(mask):
            foreign = [value for value in tally(mask) if value >= len(labels.classes) and value != labels.ignore]
            raise ValueError(f"a mask has values that are no class: {some(foreign)}")
    return given[0].shape


def _numbered(keys: Ints, most: int) -> tuple[Ints, Ints]:
    """The keys that occur, ascending, all below `most`; and the number of each one in them, in the shape of `keys`."""
    if most > DENSE:
        found, numbers = np.unique(keys, return_inverse=True)
        return found, numbers.reshape(keys.shape)
    found = np.flatnonzero(np.bincount(keys.ravel(), minlength=most))
    table = np.zeros(most, np.int64)
    table[found] = np.arange(len(found))
    return found, table[keys]


def majority(votes: Patterns, classes: int) -> Ints:
    """(P,) int64: the class that more than half of a pattern's votes are for, K if there is none."""
    given = (votes < classes).sum(axis=1)
    out = np.full(len(votes), classes, np.int64)
    for column in votes.T:
        same = (votes == column[:, None]).sum(axis=1)
        held = (column < classes) & (2 * same > given)
        out[held] = column[held]
    return out


# What follows from counts


def kappa(counts: Tally) -> Floats:
    """(..., K) counts -> (...) float64: Cohen's kappa of two annotators, who are `truth` and `pred`; Fleiss' of `shared_columns`.

    NaN without a pixel, and if both know one class only: chance explains it all then.
    """
    pixels = counts.truth.sum(axis=-1, dtype=np.float64)
    chance = (counts.truth.astype(np.float64) * counts.pred).sum(axis=-1)
    return _kappa(counts.hits.sum(axis=-1), chance, pixels)


def class_kappa(counts: Tally) -> Floats:
    """(..., K) float64: the kappa of each class against all others; NaN for a class of nobody, or of all pixels."""
    pixels = np.broadcast_to(counts.truth.sum(axis=-1, keepdims=True), counts.truth.shape)
    one, other = ratio(counts.truth, pixels), ratio(counts.pred, pixels)
    apart = ratio(counts.truth + counts.pred - 2 * counts.hits, pixels)
    return 1 - ratio(apart, np.nan_to_num(one * (1 - other) + other * (1 - one)))


def kappa_spread(columns: Columns) -> Spread:
    """Of `kappa`, with what each unit does to it: C = 1. Its interval is that of a difference, as it may be below 0."""
    total, entries = columns.total, columns.tally
    truth, pred = (of.astype(np.float64) for of in (total.truth, total.pred))
    pixels, hits, chance = truth.sum(), total.hits.sum(), (truth * pred).sum()
    of = columns.class_id
    lost = truth[of] * entries.pred + pred[of] * entries.truth - entries.truth.astype(np.float64) * entries.pred
    left = [
        all - columns.by_unit(of_unit)
        for all, of_unit in ((hits, entries.hits), (chance, lost), (pixels, entries.truth))
    ]
    value = _kappa(hits, chance, pixels)
    change = np.where(_other_classes(columns) > 1, np.nan_to_num(value - _kappa(*left)), 0)
    return Spread(np.atleast_1d(value), columns.labelled, np.arange(columns.units), change, scale="difference")


def _other_classes(columns: Columns) -> Ints:
    """(U,) int64: how many classes are left without each unit. Of one there is no kappa, though rounding may give a number."""
    held = np.bincount(columns.class_id, minlength=columns.classes)
    alone = columns.by_unit(held[columns.class_id] == 1)
    return np.asarray(np.count_nonzero(held) - alone, np.int64)


def kappa_interval(columns: Columns) -> Floats:
    """(2,) float64: the 95 % interval of `kappa`, -1 to 1; NaN with fewer units than intervals need."""
    return np.clip(kappa_spread(columns).interval()[:, 0], -1, 1)


def _kappa(hits: NDArray[np.float64], chance: NDArray[np.float64], pixels: NDArray[np.float64]) -> Floats:
    """Kappa of the pixels that agree, and of the sum over classes of the product of both sides' pixels."""
    agreed, expected = ratio(hits, pixels), ratio(chance, pixels * pixels)
    return ratio(agreed - expected, np.nan_to_num(1 - expected))


def shared_columns(parts: Sequence[Votes], classes: int) -> Columns:
    """What Fleiss' kappa is made of, of each part as a unit: a `Tally` of float64 whose `kappa` it is.

    Of a pixel with n votes, n_k of them for class k, `hits` has n_k (n_k - 1) / (n (n - 1)), `truth` and `pred` have n_k / n.
    """
    units, ids, both, shares = [[np.empty(0)] for _ in range(4)]
    for number, part in enumerate(parts):
        votes, given = part.of_several, part.of_several.given
        for column in votes.patterns.T:
            voted = column < classes
            same = (votes.patterns == column[:, None]).sum(axis=1)
            weight = votes.pixels / given
            units.append(np.full(int(voted.sum()), number))
            ids.append(column[voted])
            both.append((weight * (same - 1) / (given - 1))[voted])
            shares.append(weight[voted])
    place = np.concatenate(units) * classes + np.concatenate(ids)
    keys, places = np.unique(place.astype(np.int64), return_inverse=True)
    hits, share = (np.bincount(places, np.concatenate(of), len(keys)) for of in (both, shares))
    stacked: NDArray[np.float64] = np.stack([hits, share, share])
    return Columns(keys // classes, keys % classes, Tally.of(stacked), len(parts), classes)
