"""Assigning groups to splits: greedily, then by random exchanges. `segdata.ops.split.balance` makes and explains the arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel

Floats = NDArray[np.float64]

Ints = NDArray[np.int64]

Table = tuple[Ints, Ints, Floats, Floats, Floats, Floats, Floats, Floats]
"""start (G + 1,), column (E,), part (E,), ratio (S,), weight (C, S), absent (C,), by_share (C - 2,), by_part (C,).

Group g has the entries e = start[g] to start[g + 1] - 1; each holds part[e] of the whole of column[e]. Column C - 2 is all
labelled pixels, C - 1 the number of images. The cost to minimise is the sum of weight[c, s] (reached[c, s] - ratio[s])^2,
plus absent[c] for every split that column c does not reach, plus the largest by_share[c] |reached[c, s] / reached[C - 2, s]
- 1| and the largest by_part[c] |reached[c, s] / ratio[s] - 1| of all c and s.
"""

Sums = tuple[Floats, Ints, Floats]
"""reached (C, S): the part of column c that is in split s; holders (C, S): how many groups of split s have a part of it;
worst (S, 2): the largest of both in each split."""


@kernel
def gain(table: Table, sums: Sums, g: int, s: int, sign: int) -> float:
    """The change of the cost if group g enters split s (`sign` 1) or leaves it (-1)."""
    start, column, part, ratio, weight, absent, _, _ = table
    reached, holders, _ = sums
    change = 0.0
    for e in range(start[g], start[g + 1]):
        c, x = column[e], part[e] * sign
        change += weight[c, s] * x * (2 * (reached[c, s] - ratio[s]) + x)
        if sign > 0 and holders[c, s] == 0:
            change -= absent[c]
        elif sign < 0 and holders[c, s] == 1:
            change += absent[c]
    return change


@kernel
def put(table: Table, sums: Sums, g: int, s: int, sign: int) -> float:
    """Let group g enter split s (`sign` 1) or leave it (-1). Returns the change of the cost."""
    change = gain(table, sums, g, s, sign)
    for e in range(table[0][g], table[0][g + 1]):
        sums[0][table[1][e], s] += table[2][e] * sign
        sums[1][table[1][e], s] += sign
    return change


@kernel
def below(state: NDArray[np.uint64], n: int) -> int:
    """The next random integer from 0 to n - 1: SplitMix64 (Steele, Lea and Flood 2014), the same on every machine."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int(np.int64((z ^ (z >> np.uint64(31))) % np.uint64(n)))


@kernel
def peak(sums: Sums) -> float:
    """The largest deviations of all splits: both together."""
    return float(sums[2][:, 0].max() + sums[2][:, 1].max())


@kernel
def look(table: Table, sums: Sums, s: int) -> None:
    """Find the largest deviations of split s anew."""
    ratio, by_share, by_part = table[3], table[6], table[7]
    reached, worst = sums[0], sums[2]
    scale = 1 / max(reached[len(by_share), s], 1e-9)
    of_share = of_part = 0.0
    for c in range(len(by_share)):
        of_share = max(of_share, by_share[c] * abs(reached[c, s] * scale - 1))
    for c in range(len(by_part)):
        of_part = max(of_part, by_part[c] * abs(reached[c, s] / ratio[s] - 1))
    worst[s, 0], worst[s, 1] = of_share, of_part


@kernel
def exchange(table: Table, sums: Sums, split: Ints, g: int, h: int, to: int, limit: float) -> float:
    """Move group g to split `to`, and group h (unless -1) from there to g's split, if that changes the cost by less than `limit`.

    Returns the change of the cost, 0 if the groups stay.
    """
    home, before = split[g], peak(sums)
    change = put(table, sums, g, home, -1)
    if h >= 0:
        change += put(table, sums, h, to, -1)
        change += put(table, sums, h, home, 1)
    change += put(table, sums, g, to, 1)
    if change - before < limit:  # otherwise even deviations of 0 would not do
        worst = sums[2][home, 0], sums[2][home, 1], sums[2][to, 0], sums[2][to, 1]
        look(table, sums, home)
        look(table, sums, to)
        change += peak(sums) - before
        if change < limit:
            split[g] = to
            if h >= 0:
                split[h] = home
            return change
        sums[2][home, 0], sums[2][home, 1], sums[2][to, 0], sums[2][to, 1] = worst
    put(table, sums, g, to, -1)
    if h >= 0:
        put(table, sums, h, home, -1)
        put(table, sums, h, to, 1)
    put(table, sums, g, home, 1)
    return 0.0


@kernel
def fill(table: Table, sums: Sums, split: Ints, free: Ints) -> None:
    """Put each group of `free` (F,), in that order, where it costs least. The others have a split in `split` (G,) already."""
    for g in range(len(split)):
        if split[g] >= 0:
            put(table, sums, g, split[g], 1)
    for g in free:
        least = np.inf
        for s in range(len(table[3])):
            change = gain(table, sums, g, s, 1)
            if change < least:
                split[g], least = s, change
        put(table, sums, g, split[g], 1)
    for s in range(len(table[3])):
        look(table, sums, s)


@kernel
def restore(table: Table, sums: Sums, split: Ints, found: Ints) -> None:
    """Set `split` (G,) back to `found` (G,), and the sums with it."""
    for g in range(len(split)):
        if split[g] != found[g]:
            put(table, sums, g, split[g], -1)
            put(table, sums, g, found[g], 1)
            split[g] = found[g]
    for s in range(len(table[3])):
        look(table, sums, s)


@kernel
def draw(table: Table, split: Ints, free: Ints, state: NDArray[np.uint64]) -> tuple[int, int, int]:
    """A random move or swap of groups of `free` (F,): g, h (-1 for a move) and the split that g goes to."""
    g, h = free[below(state, len(free))], free[below(state, len(free))]
    if below(state, 2):
        return g, -1, below(state, len(table[3]))
    return g, h, split[h]


@kernel
def anneal(table: Table, sums: Sums, split: Ints, free: Ints, state: NDArray[np.uint64], steps: int) -> None:
    """Try random moves and swaps in place; make those that cost less than a threshold, which halves from 64 down to 2^-17.

    Threshold accepting (Dueck and Scheuer 1990): it escapes from minima that no single swap can leave.
    """
    threshold = 64.0
    for _ in range(24):
        for _ in range(steps // 24):
            g, h, to = draw(table, split, free, state)
            if to != split[g]:
                exchange(table, sums, split, g, h, to, threshold)
        threshold /= 2


@kernel
def improve(
    table: Table, sums: Sums, split: Ints, free: Ints, state: NDArray[np.uint64], steps: int, patience: int
) -> None:
    """Try random moves and swaps in place; make those that lower the cost. Reaches local minima, and keeps the best one.

    After `patience` steps without success, a few swaps disturb the best assignment so far, and the search goes on from there,
    until `steps` have been tried (iterated local search: Lourenço, Martin and Stützle 2003).
    """
    found = split.copy()
    cost, least, idle = 0.0, 0.0, 0
    for _ in range(steps):
        g, h, to = draw(table, split, free, state)
        change = exchange(table, sums, split, g, h, to, -1e-9) if to != split[g] else 0.0
        cost += change
        idle = idle + 1 if change == 0 else 0
        if idle > patience:
            if cost < least:
                least = cost
                found[:] = split
            restore(table, sums, split, found)
            cost, idle = least, 0
            for _ in range(4):
                g, h = free[below(state, len(free))], free[below(state, len(free))]
                if split[g] != split[h]:
                    cost += exchange(table, sums, split, g, h, split[h], np.inf)
    if cost >= least:
        restore(table, sums, split, found)
