"""Undoing PNG row filters (PNG specification, third edition, section 9)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def unfilter(rows: NDArray[np.uint8], out: NDArray[np.uint8], step: int) -> int:
    """Undo the filters of (H, 1 + B) uint8 rows, whose first byte is the filter type, into `out` (H, B).

    `step` is the bytes of a whole pixel, at least 1. Returns -1, or the number of the first row with an unknown filter.
    Filters that use the left neighbour pass over a row once per byte of the pixel, so that this neighbour stays in a register.
    """
    height, width = out.shape
    nothing = np.zeros(width, np.uint8)
    for y in range(height):
        kind = rows[y, 0]
        above = out[y - 1] if y > 0 else nothing
        if kind > 4:
            return y
        if kind == 0 or (kind == 2 and y == 0):
            for x in range(width):
                out[y, x] = rows[y, x + 1]
        elif kind == 2:  # indexes `out`, not `above`: only then is the loop vectorised
            for x in range(width):
                out[y, x] = rows[y, x + 1] + out[y - 1, x]
        else:
            for byte in range(step):
                a = c = np.uint8(0)  # the left and the upper left
                for x in range(byte, width, step):
                    b = above[x]
                    a = np.uint8(rows[y, x + 1] + (a if kind == 1 else _predict(kind, a, b, c)))
                    out[y, x] = a
                    c = b
    return -1


@kernel
def _predict(kind: int, a: np.uint8, b: np.uint8, c: np.uint8) -> np.uint8:
    """Average (3) or Paeth (4) of left, above and upper left. In label maps, two of the three are mostly equal."""
    if kind == 3:
        return np.uint8((np.int32(a) + np.int32(b)) >> 1)
    if b == c:
        return a
    if a == c:
        return b
    p = np.int32(a) + np.int32(b) - np.int32(c)
    pa, pb, pc = abs(p - np.int32(a)), abs(p - np.int32(b)), abs(p - np.int32(c))
    return a if pa <= pb and pa <= pc else (b if pb <= pc else c)
