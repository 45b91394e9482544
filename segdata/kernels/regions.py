"""The connected regions of a label map, of all values in one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def region_areas(
    mask: NDArray[np.unsignedinteger[Any]],
) -> tuple[NDArray[np.int64], NDArray[np.unsignedinteger[Any]]]:
    """(H, W) values -> (R,) int64 pixels and (R,) value of every region; pixels that touch at a corner are connected.

    Runs of equal pixels are joined with the runs of the row above that they touch, in a forest whose roots are the regions
    (run-based two-scan labelling: He, Chao & Suzuki 2008).
    """
    height, width = mask.shape
    runs = height
    for y in range(height):
        for x in range(1, width):
            runs += mask[y, x] != mask[y, x - 1]
    start = np.empty(runs, np.int64)
    value = np.empty(runs, mask.dtype)
    parent = np.arange(runs)
    area = np.zeros(runs, np.int64)
    n, above, above_end = 0, 0, 0
    for y in range(height):
        first = n
        x = 0
        while x < width:
            begin, v = x, mask[y, x]
            while x < width and mask[y, x] == v:
                x += 1
            start[n], value[n], area[n] = begin, v, x - begin
            while above < above_end and start[above] + area[above] < begin:
                above += 1
            i = above
            while i < above_end and start[i] <= x:
                if value[i] == v:
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
    for i in range(runs - 1, -1, -1):  # a parent comes before its children
        if parent[i] != i:
            area[parent[i]] += area[i]
    roots = np.flatnonzero(parent == np.arange(runs))
    return area[roots], value[roots]
