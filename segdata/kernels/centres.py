"""Outlines of regions through the centres of their border pixels, for programs that fill polygons and draw their edges, too.

`kernels.trace` gives outlines along the edges of pixels, with the region to their right. Each of its corners moves to the centre
of the pixel to its right, and each edge with them. Where a hole touches the outside, or another hole, at a corner alone, there is
no pixel to its right: there the two rings are joined first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel

Ints = NDArray[np.int64]
Points = NDArray[np.int32]


@kernel
def join_touching(points: Points, after: Ints, region: Ints) -> None:
    """Join rings of one region that touch at a corner: each turns to the right there. `after` is changed.

    Takes what `link_corners` gives, where corners at one place follow each other.
    """
    for i in range(points.shape[0]):
        for k in range(i + 1, min(i + 4, points.shape[0])):
            if region[i] == region[k] and points[i, 0] == points[k, 0] and points[i, 1] == points[k, 1]:
                after[i], after[k] = after[k], after[i]


@kernel
def through_halves(points: Points, ends: Ints) -> tuple[Points, Ints]:
    """Move rings, as `join_rings` gives them, into the pixels to their right.

    Returns points (Q, 2), x and y in half pixels, and where each ring's end: 2 x is the left half of pixel x, 2 x + 1 its right
    half. It is the half on whose side the ring was. Points at which a line goes straight on are left out.
    """
    out, out_ends = np.empty_like(points), np.empty_like(ends)
    used = begin = 0
    for r in range(ends.shape[0]):
        end = ends[r]
        before = end - 1
        while points[before, 0] == points[begin, 0] and points[before, 1] == points[begin, 1]:
            before -= 1
        dx, dy = _sign(points[begin, 0] - points[before, 0]), _sign(points[begin, 1] - points[before, 1])
        for i in range(begin, end):
            k = i + 1 if i + 1 < end else begin
            new_x, new_y = _sign(points[k, 0] - points[i, 0]), _sign(points[k, 1] - points[i, 1])
            if (new_x, new_y) == (0, 0) or (new_x, new_y) == (dx, dy):
                continue
            out[used, 0] = 2 * points[i, 0] - (dy + new_y == 1)
            out[used, 1] = 2 * points[i, 1] - (dx + new_x == -1)
            used += 1
            dx, dy = new_x, new_y
        begin, out_ends[r] = end, used
    return out[:used], out_ends


@kernel
def through_centres(points: Points, ends: Ints) -> tuple[Points, Ints]:
    """Move rings, as `join_rings` gives them, to the centres of pixels.

    Returns points (Q, 2), x and y of pixels, and where each ring's end. Points at which a line goes straight on are left out;
    a ring of one pixel or one line of them has three points, so its last one may come twice.
    """
    halves, stops = through_halves(points, ends)
    out, out_ends = np.empty_like(halves), np.empty_like(stops)
    used = begin = 0
    for r in range(stops.shape[0]):
        first = used
        for i in range(begin, stops[r]):
            used = _add(halves[i, 0] // 2, halves[i, 1] // 2, out, first, used)
        while used > first + 1 and out[used - 1, 0] == out[first, 0] and out[used - 1, 1] == out[first, 1]:
            used -= 1
        while used < first + 3:
            out[used] = out[used - 1]
            used += 1
        begin, out_ends[r] = stops[r], used
    return out[:used], out_ends


@kernel
def _add(x: int, y: int, out: Points, first: int, used: int) -> int:
    """Add a point to a ring that begins at `first`, unless it is there; it replaces the last one if the line goes straight on."""
    if used > first and out[used - 1, 0] == x and out[used - 1, 1] == y:
        return used
    if used > first + 1:
        dx, dy = _sign(out[used - 1, 0] - out[used - 2, 0]), _sign(out[used - 1, 1] - out[used - 2, 1])
        if _sign(x - out[used - 1, 0]) == dx and _sign(y - out[used - 1, 1]) == dy:
            used -= 1
    out[used, 0], out[used, 1] = x, y
    return used + 1


@kernel
def _sign(value: int) -> int:
    """-1, 0 or 1."""
    return (value > 0) - (value < 0)
