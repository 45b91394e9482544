"""Paths of corners and Bézier curves to run lengths, as matplotlib fills them without anti-aliasing on axes of the image's size.

matplotlib puts x, y on the figure, with what rounding does to it, and moves each corner to the nearest whole pixel; its Agg
divides curves into lines and fills them (`kernels.agg`).

Rules: scalabel/label/transforms.py of https://github.com/scalabel/scalabel, src/_backend_agg.h and src/path_converters.h of
https://github.com/matplotlib/matplotlib, and agg_curves.cpp of https://agg.sourceforge.net.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from segdata.kernels.agg import fill_box
from segdata.readers.paint import encode

LINE, CURVE = "L", "C"
"""What a corner is: the end of a line, or one of the points of a curve."""

DPI = 100
"""matplotlib's own, unless a user sets it."""

DEEPEST = 32
"""So many times a curve is halved."""

NEAR = 0.25
"""The square of the distance, in pixels, to which lines may differ from their curve."""

NO_ANGLE = 1e-30
"""Below it, points are on one line."""

Point = tuple[float, float]

Path = tuple[Sequence[Point], str]
"""Corners, and what each of them is, a letter per corner."""


def fill_paths(paths: Sequence[Path], height: int, width: int) -> bytes:
    """The pixels in one of some closed paths of finite x, y, in an image of `height` x `width`."""
    polygons = [np.array(flatten(snap(points, height, width), types)) for points, types in paths if len(points)]
    if not polygons:
        return encode(np.zeros((0, 0), np.uint8), height, width)
    corners = np.concatenate(polygons)
    left, top = np.floor(corners.min(axis=0)).clip(0).astype(np.int64).tolist()
    right, bottom = np.floor(corners.max(axis=0)).clip(-1, (width - 1, height - 1)).astype(np.int64).tolist()
    if left > right or top > bottom:
        return encode(np.zeros((0, 0), np.uint8), height, width)
    box = np.array([top, left, bottom - top + 1, right - left + 1, height, width])
    ends = np.cumsum([len(polygon) for polygon in polygons])
    return encode(fill_box(corners, ends, box), height, width, top, left)


def snap(points: Sequence[Point], height: int, width: int) -> NDArray[np.float64]:
    """(N, 2) corners on whole pixels. Halves go where matplotlib's matrices take them, which depends on the image's size."""
    across, down = width / DPI * DPI, height / DPI * DPI
    scale = np.array([across * (1 / width), down * (1 / height)])
    shift = np.array([0.0, int(down) - down * (height * (1 / height))])
    moved: NDArray[np.float64] = np.floor(np.array(points, np.float64) * scale + shift + 0.5)
    return moved


def flatten(points: NDArray[np.float64], types: str) -> list[Point]:
    """Corners with lines for curves. A curve takes three points from its first on, whatever they are: two of control, its end.

    The path is closed by a line to its first point, which a curve takes if it comes too short; then what it lacks is (0, 0).
    """
    there: list[Point] = points.tolist()
    if CURVE not in types[1:]:
        return there
    path = [*there, there[0], (0.0, 0.0), (0.0, 0.0)]
    out, i = [there[0]], 1
    while i < len(there):
        if types[i] == CURVE:
            out += halve(out[-1], path[i], path[i + 1], path[i + 2])
            i += 3
        else:
            out.append(path[i])
            i += 1
    return out


def halve(a: Point, b: Point, c: Point, d: Point, level: int = 0) -> Iterator[Point]:
    """The corners of a cubic Bézier curve after its first point: halved until lines are near enough."""
    yield from _inner(a, b, c, d, level)
    yield d


def _inner(a: Point, b: Point, c: Point, d: Point, level: int) -> Iterator[Point]:
    """Those between its ends."""
    if level > DEEPEST:
        return
    ab, bc, cd = _middle(a, b), _middle(b, c), _middle(c, d)
    abc, bcd = _middle(ab, bc), _middle(bc, cd)
    if (found := _near(a, b, c, d, bc)) is not None:
        yield from found
        return
    middle = _middle(abc, bcd)
    yield from _inner(a, ab, abc, middle, level + 1)
    yield from _inner(middle, bcd, cd, d, level + 1)


def _near(a: Point, b: Point, c: Point, d: Point, bc: Point) -> list[Point] | None:
    """The corners instead of a curve that is near enough to lines; None of another."""
    dx, dy = d[0] - a[0], d[1] - a[1]
    off_b = abs((b[0] - d[0]) * dy - (b[1] - d[1]) * dx)
    off_c = abs((c[0] - d[0]) * dy - (c[1] - d[1]) * dx)
    if off_b > NO_ANGLE or off_c > NO_ANGLE:
        off = (off_b if off_b > NO_ANGLE else 0.0) + (off_c if off_c > NO_ANGLE else 0.0)
        return [bc] if off * off <= NEAR * (dx * dx + dy * dy) else None
    length = dx * dx + dy * dy
    if length == 0:
        to_b, to_c = _square(a, b), _square(d, c)
    else:
        k = 1 / length
        at_b = k * ((b[0] - a[0]) * dx + (b[1] - a[1]) * dy)
        at_c = k * ((c[0] - a[0]) * dx + (c[1] - a[1]) * dy)
        if 0 < at_b < 1 and 0 < at_c < 1:
            return []
        to_b, to_c = _to_line(b, a, d, at_b), _to_line(c, a, d, at_c)
    if max(to_b, to_c) < NEAR:
        return [b if to_b > to_c else c]
    return None


def _to_line(point: Point, a: Point, d: Point, at: float) -> float:
    """The square of the distance of a point from a line, on which the nearest is `at`, 0 the one end, 1 the other."""
    if at <= 0:
        return _square(point, a)
    return _square(point, d if at >= 1 else (a[0] + at * (d[0] - a[0]), a[1] + at * (d[1] - a[1])))


def _middle(a: Point, b: Point) -> Point:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def _square(a: Point, b: Point) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    return dx * dx + dy * dy
