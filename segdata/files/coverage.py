"""Whether a polygon in pixel coordinates is on an image at all, and whether it has pixels there."""

from __future__ import annotations

import math

from segdata.files.geojson import Geometry, bounds, burn
from segdata.windows import Window

BAND = 2**20
"""Pixels that are burnt together, about: most polygons show in the first of them."""


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
    bottom, right = min(size[0], bottom + 1), min(size[1], right + 1)
    if x >= right:
        return True
    strips = Window(y, x, bottom - y, right - x).strips(BAND)
    return not any(burn([(geometry, 1)], strip, all_touched=all_touched).any() for strip in strips)
