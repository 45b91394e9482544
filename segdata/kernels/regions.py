"""The connected regions of a label map, of all values in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def joined_runs(
    mask: NDArray[np.unsignedinteger[Any]], other: NDArray[np.unsignedinteger[Any]]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Runs of pixels in a row of (H, W) values that are equal, and so are those of `other` (H, W).

    Returns (N,) int64 each: the row, the first column and the length of a run, and the number of the first run of its region;
    pixels that touch at a corner are connected. Runs are joined with the runs of the row above that they touch, in a forest whose
    roots are the regions (run-based two-scan labelling: He, Chao & Suzuki 2008).
    """
    height, width = mask.shape
    runs = height
    for y in range(height):
        for x in range(1, width):
            runs += mask[y, x] != mask[y, x - 1] or other[y, x] != other[y, x - 1]
    row = np.empty(runs, np.int64)
    start = np.empty(runs, np.int64)
    length = np.empty(runs, np.int64)
    parent = np.arange(runs)
    n, above, above_end = 0, 0, 0
    for y in range(height):
        first = n
        x = 0
        while x < width:
            begin, v, w = x, mask[y, x], other[y, x]
            while x < width and mask[y, x] == v and other[y, x] == w:
                x += 1
            row[n], start[n], length[n] = y, begin, x - begin
            while above < above_end and start[above] + length[above] < begin:
                above += 1
            i = above
            while i < above_end and start[i] <= x:
                if mask[y - 1, start[i]] == v and other[y - 1, start[i]] == w:
                    a, b = i, n
                    while parent[a] != a:
                        parent[a] = parent[parent[a]]
                        a = parent[a]
                    while parent[b] != b:
                        parent[b] = parent[parent[b]]
                        b = parent[b]
                    parent[max(a, b)] = min(a, b)
                i += 1
            n += 1
        above, above_end = first, n
    for i in range(runs):  # a parent comes before its children, so that its own parent is the root by now
        parent[i] = parent[parent[i]]
    return row, start, length, parent


@kernel
def region_areas(
    mask: NDArray[np.unsignedinteger[Any]],
) -> tuple[NDArray[np.int64], NDArray[np.unsignedinteger[Any]]]:
    """(H, W) values -> (R,) int64 pixels and (R,) value of every region; pixels that touch at a corner are connected."""
    row, start, length, root = joined_runs(mask, mask)
    area = np.zeros(len(root), np.int64)
    for i in range(len(root)):
        area[root[i]] += length[i]
    first = np.flatnonzero(area)
    value = np.empty(len(first), mask.dtype)
    for i in range(len(first)):
        value[i] = mask[row[first[i]], start[first[i]]]
    return area[first], value


@kernel
def unequal_regions(
    mask: NDArray[np.unsignedinteger[Any]], other: NDArray[np.unsignedinteger[Any]]
) -> NDArray[np.int64]:
    """(R, 7) int64: value in (H, W) `mask`, in `other` (H, W), top row, left column, height, width and pixels of each region.

    A region is of pixels that have one value in `mask` and another one in `other`; those that touch at a corner are connected.
    """
    row, start, length, root = joined_runs(mask, other)
    place = np.full(len(root), -1)
    found = 0
    for i in range(len(root)):
        if root[i] == i and mask[row[i], start[i]] != other[row[i], start[i]]:
            place[i] = found
            found += 1
    out = np.zeros((found, 7), np.int64)
    for i in range(len(root)):
        n = place[root[i]]
        if n < 0:
            continue
        y, x, end = row[i], start[i], start[i] + length[i]
        if root[i] == i:
            out[n, 0], out[n, 1], out[n, 2], out[n, 3] = mask[y, x], other[y, x], y, x
        left, right = min(out[n, 3], x), max(out[n, 3] + out[n, 5], end)
        out[n, 3], out[n, 4], out[n, 5] = left, y + 1 - out[n, 2], right - left
        out[n, 6] += length[i]
    return out
