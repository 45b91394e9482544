"""Exact Euclidean distances of points on a grid to the nearest of others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def distances_between(
    points_y: NDArray[np.int32],
    points_x: NDArray[np.int32],
    others_y: NDArray[np.int32],
    others_x: NDArray[np.int32],
    step_y: float,
    step_x: float,
    out: NDArray[np.float64],
) -> None:
    """Write to `out` (N,) how far each of N points is from the nearest of M others, infinite if there are none.

    The points are in the order of their rows, and of their columns in them. `step_y`, `step_x`: how far neighbours are from each
    other, above 0. Down each column of the box around all, the rows to the nearest are counted; along each row with points, the
    nearest is then the lowest of parabolas (Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled Functions", 2012).
    Distances are of whole rows and columns, so that no error adds up. Memory is 4 bytes for each pixel of the box.
    """
    if not points_y.shape[0] or not others_y.shape[0]:
        out[:] = np.inf
        return
    top, left = min(points_y.min(), others_y.min()), min(points_x.min(), others_x.min())
    height = max(points_y.max(), others_y.max()) - top + 1
    width = max(points_x.max(), others_x.max()) - left + 1
    rows = rows_to_nearest(others_y - top, others_x - left, height, width)
    column = np.empty(width, np.int64)  # of each parabola of the lowest line, from left to right
    begin = np.empty(width, np.float64)  # from which x on it is the lowest
    i = 0
    while i < points_y.shape[0]:
        y = points_y[i]
        row = rows[y - top]
        count = 0
        for x in range(width):
            if row[x] >= height:
                continue
            crossing = -np.inf
            deep = (row[x] * step_y) ** 2
            while count:
                other = column[count - 1]
                rise = (deep - (row[other] * step_y) ** 2) / (step_x * step_x)
                crossing = (rise / (x - other) + x + other) / 2
                if crossing > begin[count - 1]:
                    break
                count -= 1
                crossing = -np.inf
            column[count], begin[count] = x, crossing
            count += 1
        at = 0
        while i < points_y.shape[0] and points_y[i] == y:
            x = points_x[i] - left
            while at + 1 < count and begin[at + 1] < x:
                at += 1
            down, across = row[column[at]] * step_y, (x - column[at]) * step_x
            out[i] = np.sqrt(down * down + across * across)
            i += 1


@kernel
def rows_to_nearest(
    points_y: NDArray[np.int32], points_x: NDArray[np.int32], height: int, width: int
) -> NDArray[np.int32]:
    """(height, width) how many rows each pixel is from the nearest of some points in its column; `height` or more if none is."""
    rows = np.full((height, width), np.int32(2 * height), np.int32)
    for i in range(points_y.shape[0]):
        rows[points_y[i], points_x[i]] = 0
    for y in range(1, height):
        above, row = rows[y - 1], rows[y]
        for x in range(width):
            row[x] = min(row[x], above[x] + np.int32(1))
    for y in range(height - 2, -1, -1):
        below, row = rows[y + 1], rows[y]
        for x in range(width):
            row[x] = min(row[x], below[x] + np.int32(1))
    return rows
