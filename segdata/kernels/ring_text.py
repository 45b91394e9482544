"""Rings of points as text: the coordinates of JSON, of which Python would make objects first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel
from segdata.kernels.digits import write_digits

LONGEST = len("[,],") + 2 * len("536870911.75")
"""The most bytes of a point."""

OPEN, CLOSE, COMMA, POINT, ZERO = 91, 93, 44, 46, 48
"""ASCII."""


@kernel
def write_points(
    points: NDArray[np.int32], ends: NDArray[np.int64], closed: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Write rings of points, (P, 2) in quarters of a pixel, 0 or more, as `[x,y],[x,y]` in pixels.

    `ends` (R,): where each ring's points end. `closed`: whether a ring's first point is also its last one. Returns the ASCII text
    (T,), and where each ring's ends (R,).
    """
    text = np.empty(LONGEST * (points.shape[0] + ends.shape[0]), np.uint8)
    stops = np.empty(ends.shape[0], np.int64)
    n = begin = 0
    for r in range(ends.shape[0]):
        for i in range(begin, ends[r] + closed):
            point = points[i if i < ends[r] else begin]
            if i > begin:
                text[n] = COMMA
                n += 1
            text[n] = OPEN
            n = _write(point[0], text, n + 1)
            text[n] = COMMA
            n = _write(point[1], text, n + 1)
            text[n] = CLOSE
            n += 1
        stops[r], begin = n, ends[r]
    return text[:n], stops


@kernel
def _write(quarters: int, text: NDArray[np.uint8], n: int) -> int:
    """Write a number at place `n` of the text. Returns the place behind it."""
    whole, rest = quarters // 4, quarters % 4
    n = write_digits(whole, text, n)
    if rest:
        text[n] = POINT
        text[n + 1] = ZERO + (25 * rest) // 10
        if rest != 2:
            text[n + 2] = ZERO + 5
        n += 2 if rest == 2 else 3
    return n
