"""Filling polygons row by row, as the makers of Cityscapes did.

The rule, all in float32: a row is sampled at y + 0.5. It crosses an edge if the edge's lower end <= y + 0.5 <= its upper end,
both included; horizontal edges do not count. Crossings are sorted and paired; an odd last one is left over. Each pair fills
ceil(left - 0.5) to floor(right + 0.5), both included. The number of crossings is odd only if corners lie on half rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel
from segdata.kernels.paint import Codes

HALF = np.float32(0.5)


@kernel
def polygon_runs(
    points: NDArray[np.float32], ends: NDArray[np.int64], height: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Fill polygons: their pixels as runs.

    `points` (N, 2) are x, y of all corners, none beyond +-1e30; `ends` (P,): where each polygon's corners end. Returns the runs
    as (R, 2) [start, stop) in row order, ascending and with gaps between them within a polygon, and (P,) where each polygon's
    runs end.
    """
    runs = np.empty((256, 2), np.int64)
    run_ends = np.empty(ends.shape[0], np.int64)
    n = 0
    chain = np.full(height, -1, np.int64)
    edges = points.shape[0]
    before, last_row, active = np.empty(edges, np.int64), np.empty(edges, np.int64), np.empty(edges, np.int64)
    slope, crossings = np.empty(edges, np.float32), np.empty(edges, np.float32)
    begin = 0
    for i in range(ends.shape[0]):
        top, bottom = _chain_edges(points, begin, int(ends[i]), chain, before, last_row, slope)
        count = 0
        for y in range(top, bottom + 1):
            edge = chain[y]
            chain[y] = -1
            while edge >= 0:
                active[count] = edge
                count += 1
                edge = before[edge]
            count = _cross(y, points, slope, last_row, active, count, crossings)
            row = n
            for k in range(0, count - 1, 2):
                left = max(np.ceil(crossings[k] - HALF), np.float32(0))
                right = min(np.floor(crossings[k + 1] + HALF), np.float32(width - 1))
                if left > right:
                    continue
                start, stop = y * width + np.int64(left), y * width + np.int64(right) + 1
                if n > row and start <= runs[n - 1, 1]:
                    runs[n - 1, 1] = max(runs[n - 1, 1], stop)
                    continue
                if n == runs.shape[0]:
                    runs = np.concatenate((runs, np.empty_like(runs)))
                runs[n, 0], runs[n, 1] = start, stop
                n += 1
        run_ends[i] = n
        begin = int(ends[i])
    return runs[:n], run_ends


@kernel
def _chain_edges(
    points: NDArray[np.float32],
    begin: int,
    end: int,
    chain: NDArray[np.int64],
    before: NDArray[np.int64],
    last_row: NDArray[np.int64],
    slope: NDArray[np.float32],
) -> tuple[int, int]:
    """List each edge of the polygon points[begin:end] at the first row that crosses it. Returns the polygon's first and last row.

    An edge has the number of its first point. The lists are linked: `chain` (H,) gets the last edge listed at each row,
    `before` (N,) the edge listed before it. `last_row` and `slope` (N,) get the values of each edge.
    """
    height = chain.shape[0]
    top, bottom = height, -1
    for a in range(begin, end):
        b = a + 1 if a + 1 < end else begin
        y0, y1 = points[a, 1], points[b, 1]
        first = np.ceil(max(min(y0, y1), np.float32(0)) - np.float64(0.5))
        last = np.floor(min(max(y0, y1), np.float32(height)) - np.float64(0.5))
        if y0 != y1 and first <= last:
            row = int(first)
            before[a], chain[row], last_row[a] = chain[row], a, int(last)
            slope[a] = (points[b, 0] - points[a, 0]) / (y1 - y0)
            top, bottom = min(top, row), max(bottom, int(last))
    return top, bottom


@kernel
def _cross(
    y: int,
    points: NDArray[np.float32],
    slope: NDArray[np.float32],
    last_row: NDArray[np.int64],
    active: NDArray[np.int64],
    edges: int,
    crossings: NDArray[np.float32],
) -> int:
    """Write where row `y` crosses the first `edges` of `active` to `crossings`, sort both by it. Returns how many are left.

    Edges that have ended drop out. The others are almost in order from the row before, so they are sorted by insertion.
    """
    middle = np.float32(y) + HALF
    count = 0
    for i in range(edges):
        edge = active[i]
        if last_row[edge] < y:
            continue
        x = (middle - points[edge, 1]) * slope[edge] + points[edge, 0]
        k = count
        while k > 0 and crossings[k - 1] > x:
            active[k], crossings[k] = active[k - 1], crossings[k - 1]
            k -= 1
        active[k], crossings[k] = edge, x
        count += 1
    return count


@kernel
def fill_runs(runs: NDArray[np.int64], run_ends: NDArray[np.int64], codes: Codes, out: Codes) -> None:
    """Write the code of each shape, of `codes` (N,), to its runs in `out` (H * W,); later shapes cover earlier ones."""
    for i in range(codes.shape[0]):
        for r in range(run_ends[i - 1] if i > 0 else 0, run_ends[i]):
            out[runs[r, 0] : runs[r, 1]] = codes[i]
