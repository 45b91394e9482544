"""Bézier curves as lines, as Anti-Grain Geometry 2.4, which matplotlib draws with, divides them.

A curve is halved until the distances of its points of control from its chord add up to half a pixel at most.

Rules: agg_curves.cpp (`curve4_div`) and agg_conv_curve.h of https://agg.sourceforge.net.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel

DEEPEST = 32
"""So many times a curve is halved."""

NEAR = 0.25
"""The square of the distance, in pixels, to which lines may differ from their curve."""

ON_LINE = 1e-30
"""Twice the area of a triangle up to which its corners are on one line."""

Points = NDArray[np.float64]


@kernel
def flatten(points: Points, curves: NDArray[np.bool_]) -> Points:
    """(N, 2) corners of a path with lines for its curves: (M, 2).

    Where `curves` (N,) is true begins one: two points of control and its end, whatever is said of these two. A path that ends
    before its last curve does goes on with its own first point, and then with (0, 0). Its first point begins no curve.
    """
    whole = np.zeros((points.shape[0] + 3, 2))
    whole[: points.shape[0]] = points
    whole[points.shape[0]] = points[0]
    out, count = np.empty((2 * points.shape[0] + 16, 2)), 1
    out[0] = points[0]
    stack = np.empty((DEEPEST + 2, 9))
    i = 1
    while i < points.shape[0]:
        if curves[i]:
            out, count = _halve(out[count - 1], whole[i : i + 3], stack, out, count)
            i += 3
        else:
            out, count = _add(whole[i, 0], whole[i, 1], out, count)
            i += 1
    return out[:count]


@kernel
def _add(x: float, y: float, out: Points, count: int) -> tuple[Points, int]:
    """Write one more corner."""
    if count == out.shape[0]:
        out = np.concatenate((out, np.empty_like(out)))
    out[count, 0], out[count, 1] = x, y
    return out, count + 1


@kernel
def _halve(first: Points, others: Points, stack: Points, out: Points, count: int) -> tuple[Points, int]:
    """Write the corners of a curve from `first` (2,), with the two points of control and its end in `others` (3, 2)."""
    stack[0, :2], stack[0, 2:8], stack[0, 8] = first, others.ravel(), 0
    used = 1
    while used > 0:
        used -= 1
        ax, ay, bx, by, cx, cy, dx, dy, level = stack[used]
        if level > DEEPEST:
            continue
        near, x, y = _near(ax, ay, bx, by, cx, cy, dx, dy)
        if near == 1:
            out, count = _add(x, y, out, count)
        if near >= 0:
            continue
        abx, aby, bcx, bcy, cdx, cdy = (
            (ax + bx) / 2,
            (ay + by) / 2,
            (bx + cx) / 2,
            (by + cy) / 2,
            (cx + dx) / 2,
            (cy + dy) / 2,
        )
        abcx, abcy, bcdx, bcdy = (abx + bcx) / 2, (aby + bcy) / 2, (bcx + cdx) / 2, (bcy + cdy) / 2
        mx, my = (abcx + bcdx) / 2, (abcy + bcdy) / 2
        stack[used] = np.array((mx, my, bcdx, bcdy, cdx, cdy, dx, dy, level + 1))
        stack[used + 1] = np.array((ax, ay, abx, aby, abcx, abcy, mx, my, level + 1))
        used += 2
    return _add(others[2, 0], others[2, 1], out, count)


@kernel
def _near(
    ax: float, ay: float, bx: float, by: float, cx: float, cy: float, dx: float, dy: float
) -> tuple[int, float, float]:
    """Whether a curve is near enough to lines: 1 with the one corner between its ends, 0 without, -1 if it is to be halved."""
    x, y = dx - ax, dy - ay
    off_b, off_c = abs((bx - dx) * y - (by - dy) * x), abs((cx - dx) * y - (cy - dy) * x)
    length = x * x + y * y
    if off_b > ON_LINE or off_c > ON_LINE:
        off = (off_b if off_b > ON_LINE else 0.0) + (off_c if off_c > ON_LINE else 0.0)
        return (1 if off * off <= NEAR * length else -1), (bx + cx) / 2, (by + cy) / 2
    if length == 0:
        to_b, to_c = _square(ax, ay, bx, by), _square(dx, dy, cx, cy)
    else:
        k = 1 / length
        at_b, at_c = k * ((bx - ax) * x + (by - ay) * y), k * ((cx - ax) * x + (cy - ay) * y)
        if 0 < at_b < 1 and 0 < at_c < 1:
            return 0, 0.0, 0.0
        to_b, to_c = _to_chord(bx, by, ax, ay, dx, dy, at_b), _to_chord(cx, cy, ax, ay, dx, dy, at_c)
    if to_b > to_c:
        return (1 if to_b < NEAR else -1), bx, by
    return (1 if to_c < NEAR else -1), cx, cy


@kernel
def _to_chord(px: float, py: float, ax: float, ay: float, dx: float, dy: float, at: float) -> float:
    """The square of the distance of a point from a chord, whose nearest point is `at`: 0 its begin, 1 its end."""
    if at <= 0:
        return _square(px, py, ax, ay)
    if at >= 1:
        return _square(px, py, dx, dy)
    return _square(px, py, ax + at * (dx - ax), ay + at * (dy - ay))


@kernel
def _square(ax: float, ay: float, bx: float, by: float) -> float:
    """The square of the distance of two points."""
    return (bx - ax) * (bx - ax) + (by - ay) * (by - ay)
