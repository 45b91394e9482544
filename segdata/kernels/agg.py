"""Filling polygons as Anti-Grain Geometry 2.4, the rasteriser of matplotlib, does without anti-aliasing.

Corners are rounded to 1/256 of a pixel. Each edge adds to the cells that it passes how far it goes down in them (cover), and
twice the area between it and their left sides. A pixel belongs to the polygon where the sums make at least 1/256 of it, counted
with the winding of the polygon, rounded towards minus infinity. Edges beyond the sides of the image are moved onto them.

Rules: agg_rasterizer_cells_aa.h, agg_rasterizer_sl_clip.h and agg_rasterizer_scanline_aa.h of https://agg.sourceforge.net.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel

ONE, SHIFT = 256, 8
"""A pixel in the units of corners, and as a number of bits."""

LONGEST = 16384 << SHIFT
"""An edge that goes further to the side is halved."""

Cells = NDArray[np.int32]
"""(h, w + 1, 2): cover and area of each pixel of a box, and of the column on its right."""


@kernel
def fill_box(points: NDArray[np.float64], ends: NDArray[np.int64], box: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Fill polygons, each by itself, in an image: 1 where one of them is, in the box that holds them all.

    `points` (N, 2) are x, y of all corners, `ends` (P,) where each polygon's corners end, `box` (6,) the box's top, left,
    height and width, then the image's height and width.
    """
    filled = np.zeros((box[2], box[3]), np.uint8)
    cells = np.zeros((box[2], box[3] + 1, 2), np.int32)
    begin = 0
    for end in ends:
        for a in range(begin, end):
            b = a + 1 if a + 1 < end else begin
            _clip_x(points[a, 0], points[a, 1], points[b, 0], points[b, 1], box, cells)
        _sweep(cells, filled)
        begin = end
    return filled


@kernel
def _sweep(cells: Cells, filled: NDArray[np.uint8]) -> None:
    """Set the pixels whose sums are not nothing, and clear the cells."""
    for y in range(filled.shape[0]):
        cover = 0
        for x in range(filled.shape[1]):
            cover += cells[y, x, 0]
            if ((cover << (SHIFT + 1)) - cells[y, x, 1]) >> (SHIFT + 1) != 0:
                filled[y, x] = 1
    cells[:] = 0


@kernel
def _clip_x(x1: float, y1: float, x2: float, y2: float, box: NDArray[np.int64], cells: Cells) -> None:
    """Add an edge, its parts beyond the left and right side of the image on these sides."""
    height, width = float(box[4]), float(box[5])
    if (y1 > height and y2 > height) or (y1 < 0 and y2 < 0):
        return
    first, last = 0.0 if x1 < 0 else min(x1, width), 0.0 if x2 < 0 else min(x2, width)
    if first == x1 and last == x2:
        _clip_y(x1, y1, x2, y2, box, cells)
    elif first == last and (x1 < 0) == (x2 < 0) and (x1 > width) == (x2 > width):
        _clip_y(first, y1, last, y2, box, cells)
    else:
        enter = y1 if first == x1 else y1 + (first - x1) * (y2 - y1) / (x2 - x1)
        leave = y2 if last == x2 else y1 + (last - x1) * (y2 - y1) / (x2 - x1)
        if first != x1:
            _clip_y(first, y1, first, enter, box, cells)
        _clip_y(first, enter, last, leave, box, cells)
        if last != x2:
            _clip_y(last, leave, last, y2, box, cells)


@kernel
def _clip_y(x1: float, y1: float, x2: float, y2: float, box: NDArray[np.int64], cells: Cells) -> None:
    """Add the part of an edge that is not above or below the image."""
    height = float(box[4])
    if (y1 > height and y2 > height) or (y1 < 0 and y2 < 0):
        return
    top, bottom = 0.0 if y1 < 0 else min(y1, height), 0.0 if y2 < 0 else min(y2, height)
    left = x1 if top == y1 else x1 + (top - y1) * (x2 - x1) / (y2 - y1)
    right = x2 if bottom == y2 else x1 + (bottom - y1) * (x2 - x1) / (y2 - y1)
    _line(
        _rounded(left) - (box[1] << SHIFT),
        _rounded(top) - (box[0] << SHIFT),
        _rounded(right) - (box[1] << SHIFT),
        _rounded(bottom) - (box[0] << SHIFT),
        cells,
    )


@kernel
def _rounded(value: float) -> int:
    """In units, halves away from 0."""
    scaled = value * ONE
    return int(scaled - 0.5) if scaled < 0 else int(scaled + 0.5)


@kernel
def _line(x1: int, y1: int, x2: int, y2: int, cells: Cells) -> None:
    """Add an edge row by row."""
    dx, dy = x2 - x1, y2 - y1
    if dx >= LONGEST or dx <= -LONGEST:
        x, y = (x1 + x2) >> 1, (y1 + y2) >> 1
        _line(x1, y1, x, y, cells)
        _line(x, y, x2, y2, cells)
        return
    row, last, fy1, fy2 = y1 >> SHIFT, y2 >> SHIFT, y1 & (ONE - 1), y2 & (ONE - 1)
    if row == last:
        _row(row, x1, fy1, x2, fy2, cells)
        return
    step, first = (1, ONE) if dy > 0 else (-1, 0)
    rest = (ONE - fy1) * dx if dy > 0 else fy1 * dx
    dy = abs(dy)
    delta, mod = rest // dy, rest % dy
    x = x1 + delta
    _row(row, x1, fy1, x, first, cells)
    row += step
    lift, rem = (ONE * dx) // dy, (ONE * dx) % dy
    mod -= dy
    while row != last:
        delta = lift
        mod += rem
        if mod >= 0:
            mod -= dy
            delta += 1
        _row(row, x, ONE - first, x + delta, first, cells)
        x += delta
        row += step
    _row(row, x, ONE - first, x2, fy2, cells)


@kernel
def _row(y: int, x1: int, y1: int, x2: int, y2: int, cells: Cells) -> None:
    """Add the part of an edge in a row from `y1` to `y2`, cell by cell."""
    if y1 == y2:
        return
    cell, last, fx1, fx2 = x1 >> SHIFT, x2 >> SHIFT, x1 & (ONE - 1), x2 & (ONE - 1)
    if cell == last:
        _add(y, cell, y2 - y1, (fx1 + fx2) * (y2 - y1), cells)
        return
    dx = x2 - x1
    step, first = (1, ONE) if dx > 0 else (-1, 0)
    rest = (ONE - fx1) * (y2 - y1) if dx > 0 else fx1 * (y2 - y1)
    dx = abs(dx)
    delta, mod = rest // dx, rest % dx
    _add(y, cell, delta, (fx1 + first) * delta, cells)
    cell += step
    y1 += delta
    lift, rem = (ONE * (y2 - y1 + delta)) // dx, (ONE * (y2 - y1 + delta)) % dx
    mod -= dx
    while cell != last:
        delta = lift
        mod += rem
        if mod >= 0:
            mod -= dx
            delta += 1
        _add(y, cell, delta, ONE * delta, cells)
        y1 += delta
        cell += step
    _add(y, cell, y2 - y1, (fx2 + ONE - first) * (y2 - y1), cells)


@kernel
def _add(y: int, x: int, cover: int, area: int, cells: Cells) -> None:
    """Add to a cell of the box."""
    if 0 <= y < cells.shape[0] and 0 <= x < cells.shape[1]:
        cells[y, x, 0] += cover
        cells[y, x, 1] += area
