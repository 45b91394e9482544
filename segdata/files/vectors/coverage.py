"""Whether a polygon in pixel coordinates is on an image at all, and whether it has pixels there."""

from __future__ import annotations

import math

import numpy as np

from segdata.files.vectors.geojson import Geometry, bounds, burn
from segdata.windows import Window

BAND = 2**20
"""Pixels that are burnt together, about: most polygons show in the first of them."""

FEW = 2**10
"""Pixels whose middles are looked at one by one, at most: that is faster than to burn them."""


def meets(geometry: Geometry, size: tuple[int, int]) -> bool:
    """Whether a polygon in pixel coordinates has a part of its inside on an image of `size` (height, width)."""
    height, width = size
    top, left, bottom, right = bounds(geometry)
    if bottom <= 0 or right <= 0 or top >= height or left >= width:
        return False
    if top >= 0 and left >= 0 and bottom <= height and right <= width:
        return True
    import shapely
    from shapely.geometry import shape

    try:
        return not shapely.clip_by_rect(shape(geometry), 0, 0, width, height).is_empty
    except shapely.errors.ShapelyError:  # such as rings that cross themselves
        return True


def covers_none(geometry: Geometry, size: tuple[int, int], *, all_touched: bool = False) -> bool:
    """Whether a polygon in pixel coordinates has no pixel on an image of `size` when it is burnt alone."""
    top, left, bottom, right = (math.floor(edge) for edge in bounds(geometry))
    y, x = max(0, top), max(0, left)
    height, width = min(size[0], bottom + 1) - y, min(size[1], right + 1) - x
    if height <= 0 or width <= 0:
        return True
    if not all_touched and height * width <= FEW:
        found = _middles(geometry, Window(y, x, height, width))
        if found is not None:
            return not found
    strips = Window(y, x, height, width).strips(BAND)
    return not any(burn([(geometry, 1)], strip, all_touched=all_touched).any() for strip in strips)


def _middles(geometry: Geometry, window: Window) -> bool | None:
    """Whether the middle of any pixel of a window is in a polygon; None where only burning tells: on its edge, with holes."""
    import shapely

    top, left, bottom, right = bounds(geometry)
    ys, xs = np.arange(window.y, window.bottom) + 0.5, np.arange(window.x, window.right) + 0.5
    ys, xs = ys[(top <= ys) & (ys <= bottom)], xs[(left <= xs) & (xs <= right)]
    if not len(ys) or not len(xs):
        return False
    if geometry["type"] != "Polygon" or len(geometry["coordinates"]) > 1:
        return None
    polygon = shapely.Polygon(geometry["coordinates"][0])
    points = np.repeat(xs, len(ys)), np.tile(ys, len(xs))
    if shapely.contains_xy(polygon, *points).any():
        return True
    return None if shapely.intersects_xy(polygon, *points).any() else False
