"""The skeletons of all classes of a label map at once: what is left of them when nothing more can be taken from their edges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel

Mask = NDArray[np.unsignedinteger[Any]]
Ints = NDArray[np.int64]


@kernel
def thin(padded: Mask, ignore: int, removable: NDArray[np.bool_]) -> None:
    """Set to `ignore` all pixels but those of the skeletons, in place. `padded` (H, W) has a border of `ignore`, 1 pixel wide.

    In turns, the pixels of one and of the other row of `removable` (2, 256) are taken away, all of a turn at once. A pixel's
    column is the sum of 1, 2, 4 ... 128 for those of its neighbours that have its value: upper left, up, upper right, right,
    lower right, down, lower left, left. Only pixels beside one that was taken in the last two turns are looked at.
    """
    flat, width = padded.reshape(-1), padded.shape[1]
    around = np.array([-width - 1, -width, 1 - width, 1, width + 1, width, width - 1, -1])
    beside, before = _edges(flat, width, around, ignore), np.empty(0, np.int64)
    listed = np.zeros(flat.size, np.int32)
    turn = 0
    while beside.size + before.size > 0:
        rule = removable[turn % 2]
        turn += 1
        lost = np.concatenate((_found(flat, before, around, ignore, rule), _found(flat, beside, around, ignore, rule)))
        before, beside = beside, _beside(flat, lost, around, listed, turn)
        for i in lost:
            flat[i] = ignore


@kernel
def _edges(flat: Mask, width: int, around: Ints, ignore: int) -> Ints:
    """The places of all pixels beside a pixel of another value."""
    first, last = width + 1, flat.size - width - 1
    differs = np.zeros(last - first, np.bool_)
    own = flat[first:last]
    for step in around:
        other = flat[first + step : last + step]
        for i in range(own.size):
            differs[i] |= own[i] != other[i]
    for i in range(own.size):
        differs[i] &= own[i] != ignore
    return np.flatnonzero(differs) + first


@kernel
def _found(flat: Mask, places: Ints, around: Ints, ignore: int, rule: NDArray[np.bool_]) -> Ints:
    """Those of the places that the rule takes away."""
    found, n = np.empty(places.size, np.int64), 0
    for i in places:
        value, column = flat[i], 0
        if value != ignore:
            for bit in range(8):
                column |= int(flat[i + around[bit]] == value) << bit
            if rule[column]:
                found[n] = i
                n += 1
    return found[:n]


@kernel
def _beside(flat: Mask, lost: Ints, around: Ints, listed: NDArray[np.int32], turn: int) -> Ints:
    """The pixels beside those that are lost in this turn, of the same value, each once: `listed` says in which turn each was."""
    found, n = np.empty(8 * lost.size, np.int64), 0
    for i in lost:
        for step in around:
            j = i + step
            if flat[j] == flat[i] and listed[j] != turn:
                listed[j] = turn
                found[n] = j
                n += 1
    return found[:n]
