"""Boundaries of all classes in label maps, in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def inner_band(
    mask: NDArray[np.unsignedinteger[Any]],
    truth: NDArray[np.unsignedinteger[Any]],
    width: int,
    ignore: int,
    out: NDArray[np.unsignedinteger[Any]],
) -> None:
    """Copy to `out` (H, W) every pixel of `mask` that lies within `width` pixels of another value or of the edge.

    All other pixels get `ignore`. What is `ignore` in `truth` is taken as `ignore` in `mask`, too. A pixel is outside the band if
    the square of 2 `width` + 1 pixels around it has one value and lies inside the image: these are the pixels that `width`
    erosions of each class by a 3 x 3 square leave. Row by row, the running number of changes of value tells if the value stays
    the same from `width` pixels before a pixel to `width` pixels after it; each column counts for how many rows this has been so
    with one value. No branch depends on the values, since no processor can predict them.
    """
    height, columns = mask.shape
    changes = np.zeros(columns, np.int32)
    rows = np.zeros(columns, np.int32)
    full = np.int32(2 * width + 1)
    room = max(columns - 2 * width, 0)  # pixels with at least `width` pixels on either side
    before, behind, inside = changes[:room], changes[columns - room :], rows[width : width + room]
    rest = mask.dtype.type(ignore)
    lines = np.empty((2, columns), mask.dtype)  # the row and the one above it, as they are taken
    for y in range(height):
        row, above = lines[y % 2], lines[max(y - 1, 0) % 2]
        for x in range(columns):
            row[x] = rest if truth[y, x] == rest else mask[y, x]
        count = np.int32(0)
        for x in range(columns - 1):
            count += np.int32(row[x + 1] != row[x])
            changes[x + 1] = count
        same, upper = row[width : width + room], above[width : width + room]
        for x in range(room):
            held = min(inside[x] + np.int32(1), full) if same[x] == upper[x] else np.int32(1)
            inside[x] = held if before[x] == behind[x] else np.int32(0)
        if y >= width:
            middle, known, inner = mask[y - width], truth[y - width], out[y - width]
            for x in range(columns):
                inner[x] = rest if rows[x] == full or known[x] == rest else middle[x]
    for y in range(max(height - width, 0), height):
        for x in range(columns):
            out[y, x] = rest if truth[y, x] == rest else mask[y, x]


@kernel
def contours(mask: NDArray[np.unsignedinteger[Any]], ignore: int, out: NDArray[np.unsignedinteger[Any]]) -> None:
    """Copy to `out` (H, W) every pixel that has a pixel of another class among its eight neighbours; all others get `ignore`.

    Ignored pixels are no class: they have no contour, and their neighbours get none from them.
    """
    height, columns = mask.shape
    beside = np.zeros(columns, np.uint8)
    ignored = mask.dtype.type(ignore)
    for y in range(height):
        beside[:] = 0
        row = mask[y]
        for v in range(max(y - 1, 0), min(y + 2, height)):
            for u in range(-1, 2):
                left, right = max(-u, 0), columns - max(u, 0)
                own, other, found = row[left:right], mask[v, left + u : right + u], beside[left:right]
                for x in range(own.shape[0]):
                    found[x] |= np.uint8((own[x] != other[x]) & (other[x] != ignored))
        for x in range(columns):
            out[y, x] = row[x] if beside[x] else ignored


@kernel
def count_near(
    points: NDArray[np.unsignedinteger[Any]],
    others: NDArray[np.unsignedinteger[Any]],
    offsets: NDArray[np.int64],
    ignore: int,
    counts: NDArray[np.int64],
) -> None:
    """Count for each value of `points` (H, W) except `ignore` its pixels, and those with the same value nearby: `counts` (V, 2).

    Nearby means in `others` (H, W), at one of the `offsets` (M, 2), rows and columns. The first match ends the search.
    """
    height, columns = points.shape
    for y in range(height):
        for x in range(columns):
            value = points[y, x]
            if value != ignore:
                counts[value, 0] += 1
                for i in range(offsets.shape[0]):
                    v, u = y + offsets[i, 0], x + offsets[i, 1]
                    if 0 <= v < height and 0 <= u < columns and others[v, u] == value:
                        counts[value, 1] += 1
                        break
