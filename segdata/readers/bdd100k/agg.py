"""Paths of corners and Bézier curves to run lengths, as matplotlib fills them without anti-aliasing on axes of the image's size.

matplotlib puts x, y on the figure, with what rounding does to it, and moves each corner to the nearest whole pixel; its Agg
divides curves into lines (`kernels.curves`) and fills them (`kernels.agg`).

Rules: scalabel/label/transforms.py of https://github.com/scalabel/scalabel, src/_backend_agg.h and src/path_converters.h of
https://github.com/matplotlib/matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segdata.kernels.agg import fill_box
from segdata.kernels.curves import flatten
from segdata.readers.drawing import check_corners
from segdata.readers.paint import encode

LINE, CURVE = "L", "C"
"""What a corner is: the end of a line, or one of the points of a curve."""

DPI = 100
"""matplotlib's own, unless a user sets it."""

FARTHEST = 2**24
"""A coordinate beyond this is no number of pixels."""

AT_ONCE = 2**22
"""So many pixels are filled together: each takes eight bytes."""

Point = tuple[float, float]

Path = tuple[Sequence[Point], str]
"""Corners, and what each of them is, a letter per corner."""


def fill_paths(paths: Sequence[Path], height: int, width: int) -> bytes:
    """The pixels in one of some paths, each closed by a line, in an image of `height` x `width`, as run lengths.

    Raises `DataError` (`polygon.nan`, `polygon.far`).
    """
    polygons = [_corners(points, types, height, width) for points, types in paths if len(points)]
    if not polygons:
        return encode(np.zeros((0, 0), np.uint8), height, width)
    corners = np.concatenate(polygons)
    left, top = np.floor(corners.min(axis=0)).clip(0).astype(np.int64).tolist()
    right, bottom = np.floor(corners.max(axis=0)).clip(-1, (width - 1, height - 1)).astype(np.int64).tolist()
    if left > right or top > bottom:
        return encode(np.zeros((0, 0), np.uint8), height, width)
    ends = np.cumsum([len(polygon) for polygon in polygons])
    rows = max(1, AT_ONCE // (right - left + 1))
    strips = [
        fill_box(corners, ends, np.array([y, left, min(rows, bottom + 1 - y), right - left + 1, height, width]))
        for y in range(top, bottom + 1, rows)
    ]
    return encode(strips[0] if len(strips) == 1 else np.concatenate(strips), height, width, top, left)


def _corners(points: Sequence[Point], types: str, height: int, width: int) -> NDArray[np.float64]:
    """(N, 2) corners of a path in pixels of the image, with lines for its curves."""
    corners = np.array(points, np.float64)
    check_corners(corners, FARTHEST)
    snapped = snap(corners, height, width)
    if CURVE not in types:
        return snapped
    return flatten(snapped, np.frombuffer(types.encode(), np.uint8) == ord(CURVE))


def snap(corners: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """(N, 2) corners on whole pixels. Halves go where matplotlib's matrices take them, which depends on the image's size."""
    across, down = width / DPI * DPI, height / DPI * DPI
    scale = np.array([across * (1 / width), down * (1 / height)])
    shift = np.array([0.0, height - down * (height * (1 / height))])
    snapped: NDArray[np.float64] = np.floor(corners * scale + shift + 0.5)
    return snapped
