"""Masks of 8 bits as what changes from row to row: drawn, counted, and two of them compared, without a look at other pixels.

`places` (M,) are y * width + x, ascending; `deltas` (M,) by how much the value differs from the one above, modulo 256; above the
first row all is 0. A pixel that changes at row y is of its value in this row and all below, until it changes again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel

Places = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@kernel
def draw_changes(places: Places, deltas: Bytes, out: Bytes) -> None:
    """Make all of `out` (H, W)."""
    height, width = out.shape
    i = 0
    for y in range(height):
        for x in range(width):
            out[y, x] = out[y - 1, x] if y > 0 else np.uint8(0)
        start, end = y * width, (y + 1) * width
        while i < places.shape[0] and places[i] < end:
            out[y, places[i] - start] += deltas[i]
            i += 1


@kernel
def count_changes(places: Places, deltas: Bytes, height: int, width: int) -> Ints:
    """(256,) int64: how often each value occurs."""
    row, counts = np.zeros(width, np.uint8), np.zeros(256, np.int64)
    counts[0] = height * width
    i = 0
    for y in range(height):
        start, end, below = y * width, (y + 1) * width, height - y
        while i < places.shape[0] and places[i] < end:
            x = places[i] - start
            counts[row[x]] -= below
            row[x] += deltas[i]
            counts[row[x]] += below
            i += 1
    return counts


@kernel
def pair_changes(
    places: Places, deltas: Bytes, other_places: Places, other_deltas: Bytes, height: int, width: int,
    rows: Ints, columns: Ints, counts: Ints,
) -> None:  # fmt: skip
    """Add 1 to `counts` (R, C) at [rows[t], columns[p]] for each pixel: of value t in one mask and p in the other."""
    one, other = np.zeros(width, np.uint8), np.zeros(width, np.uint8)
    counts[rows[0], columns[0]] += height * width
    i = j = 0
    m, n = places.shape[0], other_places.shape[0]
    for y in range(height):
        start, end, below = y * width, (y + 1) * width, height - y
        first = places[i] if i < m else end
        second = other_places[j] if j < n else end
        while first < end or second < end:
            x = min(first, second) - start
            counts[rows[one[x]], columns[other[x]]] -= below
            if first == start + x:
                one[x] += deltas[i]
                i += 1
                first = places[i] if i < m else end
            if second == start + x:
                other[x] += other_deltas[j]
                j += 1
                second = other_places[j] if j < n else end
            counts[rows[one[x]], columns[other[x]]] += below
