"""Assigning groups of images to splits, so that each split gets its part of every class at once."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from segdata.dataset.counts import ImageCounts
from segdata.dataset.weights import Floats, Ints

COVER, MUST = 5.0, 10_000.0
"""What a class absent from a split costs, and one that must reach every split, in units of what chance costs a class."""

SIZE, PIXELS, SHARE = 20.0, 5.0, 100.0
"""How much more than a rare class count the number of images, that of labelled pixels, and a class that is all pixels."""

WORST_SIZE, WORST_SHARE, WORST_PART = 1000.0, 2000.0, 100.0
"""What the largest deviation of each kind costs, in the same units, if it is 1."""

STEPS, LEAST, PATIENCE = 4000, 24, 60
"""Moves and swaps tried per group (up to a million in all, then LEAST), twice; those in vain before a disturbance."""


def balance(
    table: ImageCounts,
    groups: Ints,
    ratios: Floats,
    *,
    kept: Ints | None = None,
    optional: Collection[int] = (),
    seed: int = 0,
) -> Ints:
    """The split (G,) int64, 0 to S - 1, of each group of images.

    `groups` (N,) int64 names each of N images' group, 0 to G - 1, each at least once; `ratios` (S,) float64 above 0 sum
    to 1; `kept` (G,) int64 holds the splits of groups that must stay, -1 for the others; `optional` are the classes, by id,
    that need not reach every split.

    Each class should have ratio_s of its pixels in split s. With y_s what it has, chi^2 = sum of (y_s - ratio_s)^2 / ratio_s
    is 0 then, and (S - 1) / n on average if groups were drawn at random, where n = 1 / (sum of squared parts of its groups)
    is the number of groups it effectively has. One cost is minimised, the sum of

    - n chi^2 / (S - 1) over classes, so that none is blamed for the few groups it is in; rare classes all count alike,
      frequent ones more (1 + SHARE times their share of the labelled pixels), since all shares depend on them. The number of
      images and that of labelled pixels take part like classes (SIZE, PIXELS);
    - for each split that a class with groups enough does not reach, COVER if it is optional, otherwise MUST, for which sizes
      give way;
    - WORST_SHARE times the largest difference of a class's share of the labelled pixels between a split and all;
    - the largest |y_s / ratio_s - 1| over splits, times WORST_PART for classes that can be divided, times WORST_SIZE for
      the number of images. A class can be divided if the largest split can take all groups that hold more of it than the
      smallest ratio.

    Groups go greedily, those with the largest part of a class first, to the split where they cost least; then moves and
    swaps drawn from `seed` are tried, at first also some that cost (see the kernels). Groups' numbers break ties, so number
    them by name: the same groups then have the same splits in whatever order their images come.
    """
    from segdata.kernels.balance import anneal, fill, improve

    start, column, part, share = _entries(table, groups)
    number = np.bincount(column)  # groups that hold each column
    chance = np.bincount(column, part**2)
    weight = 1 / (np.maximum(chance, 1e-300)[:, None] * ratios * max(len(ratios) - 1, 1))
    weight *= np.append(1 + SHARE * share, [PIXELS, SIZE])[:, None]
    must = ~np.isin(np.unique(table.class_id), list(optional))
    cost = np.append(np.where(must, MUST, COVER), [COVER, 1e6])  # and no split is empty
    absent = np.where(number >= len(ratios), cost, 0.0)
    split = np.full(len(start) - 1, -1) if kept is None else kept.astype(np.int64)
    largest = np.maximum.reduceat(part, start[:-1]) if len(start) > 1 else part
    order = np.argsort(-largest, kind="stable")
    free = order[split[order] < 0]
    divisible = np.bincount(column, np.where(part > ratios.min(), part, 0)) <= ratios.max()
    by_part = np.append(WORST_PART * divisible[:-2], [0.0, WORST_SIZE])
    entries = (start, column, part, np.asarray(ratios, np.float64), weight, absent, WORST_SHARE * share, by_part)
    sums = np.zeros(weight.shape), np.zeros(weight.shape, np.int64), np.zeros((len(ratios), 2))
    fill(entries, sums, split, free)
    if free.size and len(ratios) > 1:
        state = np.array([seed % 2**64], np.uint64)
        steps = max(min(STEPS * free.size, 1_000_000), LEAST * free.size)
        anneal(entries, sums, split, free, state, steps)
        improve(entries, sums, split, free, state, steps, PATIENCE * free.size)
    return split


def reached(table: ImageCounts, splits: Ints, number: int) -> Ints:
    """(K, S) int64: the pixels of each class in each of S splits; `splits` (N,) int64 holds each image's."""
    keys = table.class_id * number + splits[table.image]
    out = np.zeros(table.classes * number, np.int64)
    np.add.at(out, keys, table.pixels)
    return out.reshape(table.classes, number)


def forced(table: ImageCounts, groups: Ints, ratios: Floats) -> Floats:
    """The distance (K,) float64 from its aim that each class has in some split at least, however groups are assigned.

    The group with most of a class is in one split, at best in the largest; a class in fewer groups than there are splits is
    absent from one.
    """
    _, column, part, _ = _entries(table, groups)
    classes = np.unique(table.class_id)
    number = np.bincount(column)[: len(classes)]
    crowded = _largest(column, part, len(classes) + 2)[: len(classes)] - ratios.max()
    out = np.zeros(table.classes)
    out[classes] = np.maximum(np.maximum(crowded, 0), np.where(number < len(ratios), ratios.min(), 0))
    return out


def _largest(column: Ints, part: Floats, columns: int) -> Floats:
    """The largest part of each column that one group holds."""
    out = np.zeros(columns)
    np.maximum.at(out, column, part)
    return out


def _entries(table: ImageCounts, groups: Ints) -> tuple[Ints, Ints, Floats, Floats]:
    """Where each group's entries start (G + 1,), their columns (E,) and parts of the whole (E,); the classes' shares.

    Columns are the classes that have pixels, then all labelled pixels, and last the number of images.
    """
    used, class_id = np.unique(table.class_id, return_inverse=True)
    columns = len(used) + 2
    of = groups[table.image] * columns
    keys = np.concatenate([of + class_id, of + len(used), groups * columns + len(used) + 1])
    entry, at = np.unique(keys, return_inverse=True)
    mass = np.zeros(len(entry), np.int64)
    np.add.at(mass, at, np.concatenate([table.pixels, table.pixels, np.ones(len(groups), np.int64)]))
    column = entry % columns
    whole = np.zeros(columns, np.int64)
    np.add.at(whole, column, mass)
    start = np.searchsorted(entry // columns, np.arange(groups.max(initial=-1) + 2))
    return start, column, mass / whole[column], whole[:-2] / max(whole[-2], 1)
