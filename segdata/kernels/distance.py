"""Exact Euclidean distances: of every pixel to the nearest of some, and of some points to the nearest of others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def distances_to(held: NDArray[np.bool_], step_y: float, step_x: float, out: NDArray[np.float64]) -> None:
    """Write to `out` (H, W) how far each pixel is from the nearest one that `held` (H, W) has, infinite if it has none.

    `step_y`, `step_x`: how far neighbours are from each other, above 0. Down each column, the rows to the nearest are counted;
    along each row, the nearest is then the lowest of parabolas (Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled
    Functions", 2012). Distances are of whole rows and columns, so that no error adds up.
    """
    height, width = held.shape
    far = 2 * height
    rows = np.empty((height, width), np.int32)
    for y in range(height):
        for x in range(width):
            before = rows[y - 1, x] + 1 if y else far
            rows[y, x] = 0 if held[y, x] else min(before, far)
    for y in range(height - 2, -1, -1):
        for x in range(width):
            rows[y, x] = min(rows[y, x], rows[y + 1, x] + 1)
    column = np.empty(width, np.int64)  # of each parabola of the lowest line, from left to right
    begin = np.empty(width, np.float64)  # from which x on it is the lowest
    for y in range(height):
        count = 0
        for x in range(width):
            if rows[y, x] >= far:
                continue
            crossing = -np.inf
            deep = (rows[y, x] * step_y) ** 2
            while count:
                other = column[count - 1]
                rise = (deep - (rows[y, other] * step_y) ** 2) / (step_x * step_x)
                crossing = (rise / (x - other) + x + other) / 2
                if crossing > begin[count - 1]:
                    break
                count -= 1
                crossing = -np.inf
            column[count], begin[count] = x, crossing
            count += 1
        at = 0
        for x in range(width):
            while at + 1 < count and begin[at + 1] < x:
                at += 1
            if count:
                down, across = rows[y, column[at]] * step_y, (x - column[at]) * step_x
                out[y, x] = np.sqrt(down * down + across * across)
            else:
                out[y, x] = np.inf


@kernel
def distances_between(
    points_y: NDArray[np.int32],
    points_x: NDArray[np.int32],
    others_x: NDArray[np.int32],
    starts: NDArray[np.int64],
    step_y: float,
    step_x: float,
    out: NDArray[np.float64],
) -> None:
    """Write to `out` (N,) how far each of N points is from the nearest of M others, infinite if there are none.

    The others are in the order of their rows, and of their columns in them; those of row y are from `starts[y]` to
    `starts[y + 1]`, for as many rows as there are. From its own row on, a point looks upwards and downwards at the nearest in
    each row, as long as the row itself is nearer than what was found.
    """
    height = starts.shape[0] - 1
    for i in range(points_y.shape[0]):
        y, x = points_y[i], points_x[i]
        best = np.inf
        for step in range(max(y, height - 1 - y) + 1):
            down = step * step_y
            if down * down >= best:
                break
            for side in range(2 if step else 1):
                row = y - step if side else y + step
                if row < 0 or row >= height:
                    continue
                first, low, high = starts[row], starts[row], starts[row + 1]
                end = high
                while low < high:
                    middle = (low + high) // 2
                    if others_x[middle] < x:
                        low = middle + 1
                    else:
                        high = middle
                for near in range(max(low - 1, first), min(low + 1, end)):
                    across = (others_x[near] - x) * step_x
                    best = min(best, down * down + across * across)
        out[i] = np.sqrt(best)
