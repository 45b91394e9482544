"""Painting run lengths into a label map.

Run lengths are COCO's: pixels in column order (down, then right), runs alternately off and on, the first one off. Shapes are
painted from the top one down: a pixel belongs to the first shape that claims it. A later claim by another class counts as a
contest that the owner has won.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel
from segdata.kernels.longer import longer

Codes = NDArray[np.unsignedinteger[Any]]


@kernel
def decode_runs(
    text: NDArray[np.uint8], ends: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Decode COCO's compressed counts to runs.

    `text` holds all strings one after the other, `ends` (N,) where each ends, `size` = height x width. Returns the runs that
    are on as (R, 2) [start, stop) in column order, (N,) where each shape's runs end, and (N,) areas; area -1 means that the
    string is malformed or its runs do not sum to `size`. A character codes 6 bits, 5 of them payload; numbers are signed. Each
    count after the third is stored as the difference to the count two before it (pycocotools, maskApi.c, rleFrString).
    """
    shapes = ends.shape[0]
    runs = np.empty((text.shape[0] // 2 + shapes + 1, 2), np.int64)
    run_ends = np.empty(shapes, np.int64)
    areas = np.zeros(shapes, np.int64)
    n = 0
    p = 0
    for i in range(shapes):
        position = np.int64(0)
        before, last = np.int64(0), np.int64(0)
        m = 0
        good = True
        while p < ends[i] and good:
            value = np.int64(0)
            k = 0
            more = True
            while more and good:
                if p >= ends[i] or k > 10:
                    good = False
                    break
                c = np.int64(text[p]) - 48
                if c < 0 or c > 63:
                    good = False
                    break
                value |= (c & 31) << (5 * k)
                more = (c & 32) != 0
                p += 1
                k += 1
                if not more and (c & 16):
                    value |= np.int64(-1) << (5 * k)
            if m > 2:
                value += before
            if value < 0 or position + value > size:
                good = False
            if not good:
                break
            if m % 2 == 1 and value > 0:
                runs[n, 0] = position
                runs[n, 1] = position + value
                n += 1
                areas[i] += value
            position += value
            before, last = last, value
            m += 1
        if not good or position != size:
            areas[i] = -1
        p = ends[i]
        run_ends[i] = n
    return runs[:n], run_ends, areas


@kernel
def paint_runs(
    runs: NDArray[np.int64],
    run_ends: NDArray[np.int64],
    order: NDArray[np.int64],
    codes: Codes,
    slots: NDArray[np.int64],
    owner: Codes,
    loser: Codes,
    contests: NDArray[np.int64],
    held: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Paint shapes, the top one first.

    `order` (N,) lists the shapes from the top; `codes` (N,) are their class codes, 1 or more, and `slots` (N,) the same classes
    numbered 0..S-1. `owner` and `loser` (W * H,) start as 0. At the end `owner` has the code that owns each pixel, and `loser`
    the first other code that claimed it. `contests` (S, S) counts pixels by [winner, loser], `held` (S,) those that each class
    owns. Third and further classes on a pixel are returned as (M,) (pixel x S + winner slot) x S + loser slot, with repeats; and
    so are all, if `contests` is (0, 0).
    """
    slot_of = np.zeros(codes.max() + 1, np.int64)
    for i in range(codes.shape[0]):
        slot_of[codes[i]] = slots[i]
    spill = np.empty(64, np.int64)
    spilled = 0
    classes = held.shape[0]
    counted = contests.shape[0] == classes
    for i in order:
        code = codes[i]
        for r in range(run_ends[i - 1] if i > 0 else 0, run_ends[i]):
            start = runs[r, 0]
            mine = owner[start : runs[r, 1]]  # a view: no index is negative, so that the loops become vectors
            taken = code & 0
            for p in range(mine.shape[0]):
                taken |= mine[p]
            if taken == 0:  # the common case
                mine[:] = code
                held[slots[i]] += mine.shape[0]
                continue
            lost = loser[start : runs[r, 1]]
            rival, pixels, free = _paint_under_one(mine, lost, code) if counted else (-1, 0, 0)
            if rival >= 0:
                contests[slot_of[rival], slot_of[code]] += pixels
                held[slots[i]] += free
                continue
            for p in range(mine.shape[0]):
                has = mine[p]
                if has == 0:
                    mine[p] = code
                    held[slots[i]] += 1
                elif has != code and lost[p] == 0 and counted:
                    lost[p] = code
                    contests[slot_of[has], slot_of[code]] += 1
                elif has != code and lost[p] != code:
                    if spilled == spill.shape[0]:
                        spill = longer(spill, spilled + 1)
                    spill[spilled] = ((start + p) * classes + slot_of[has]) * classes + slot_of[code]
                    spilled += 1
                    if lost[p] == 0:
                        lost[p] = code
    return spill[:spilled]


@kernel
def _paint_under_one(mine: Codes, lost: Codes, code: int) -> tuple[Any, int, int]:
    """Paint a run if at most one other class owns pixels of it and no third class claimed any; otherwise leave it.

    Returns (-1, 0, 0) if it is left. Otherwise returns that class (`code` itself if there is none), how many of its pixels nobody
    had claimed yet, and how many pixels nobody owned. Computes in the arrays' own type and without branches, so that the
    compiler vectorises these loops too.
    """
    narrow = mine.dtype.type
    nobody, own = narrow(0), narrow(code)
    everything = narrow(~nobody)
    low, high, third = everything, nobody, nobody
    for p in range(mine.shape[0]):
        clash = everything if mine[p] != nobody and mine[p] != own else nobody
        low = min(low, narrow(mine[p] | narrow(~clash)))
        high = max(high, narrow(mine[p] & clash))
        third = narrow(third | (clash if lost[p] != nobody and lost[p] != own else nobody))
    if third != nobody or low < high:
        return -1, 0, 0
    pixels = free = 0
    for p in range(mine.shape[0]):
        pixels += mine[p] != nobody and mine[p] != own and lost[p] == nobody
        free += mine[p] == nobody
    for p in range(mine.shape[0]):
        lost[p] = own if mine[p] != nobody and mine[p] != own else lost[p]
        mine[p] = own if mine[p] == nobody else mine[p]
    return (code if high == nobody else high), pixels, free


@kernel
def find_shown(
    runs: NDArray[np.int64], run_ends: NDArray[np.int64], codes: Codes, owner: Codes, shown: NDArray[np.bool_]
) -> None:
    """Write to `shown` (N,) whether any pixel of each shape has the shape's class. Most show it in their first pixels."""
    for i in range(codes.shape[0]):
        for r in range(run_ends[i - 1] if i > 0 else 0, run_ends[i]):
            p = runs[r, 0]
            while p < runs[r, 1] and owner[p] != codes[i]:
                p += 1
            if p < runs[r, 1]:
                shown[i] = True
                break


@kernel
def codes_to_values(codes: Codes, background: int, ignore: int, ignore_code: int) -> None:
    """Turn class codes into mask values in place: 0 is `background`, `ignore_code` is `ignore`, any other c is class c - 1."""
    narrow = codes.dtype.type  # all in the array's own type, so that the loop runs on full vectors
    nobody, ignored, ignored_code, one = narrow(background), narrow(ignore), narrow(ignore_code), narrow(1)
    for p in range(codes.shape[0]):
        c = codes[p]
        codes[p] = nobody if c == 0 else (ignored if c == ignored_code else narrow(c - one))
