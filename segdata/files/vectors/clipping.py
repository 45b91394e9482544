"""Polygons and lines cut at the sides of a rectangle. GEOS does the geometry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""(N, 2) coordinates."""


def clip_polygon(rings: Sequence[NDArray[Any]], far: tuple[float, float]) -> list[list[Points]]:
    """The parts of a polygon within the rectangle from (0, 0) to `far`: each its outer ring, then its holes, all open.

    `rings` (N, 2) are the outer ring, then the holes, in any order of coordinates. A polygon that crosses itself is made a
    good one first, which may lose parts of it. None if the geometry cannot be computed.
    """
    import shapely

    try:
        polygon = shapely.Polygon(rings[0], list(rings[1:])).buffer(0)
        found = polygon.intersection(shapely.Polygon(_corners(far)))
    except (ValueError, shapely.errors.ShapelyError):
        return []
    return [
        [np.asarray(ring.coords)[:-1] for ring in (part.exterior, *part.interiors)]
        for part in _parts(found, "Polygon")
        if not part.is_empty
    ]


def clip_line(points: NDArray[Any], far: tuple[float, float]) -> list[Points]:
    """The parts of a line of (N, 2) points within the rectangle from (0, 0) to `far`."""
    import shapely

    try:
        found = shapely.LineString(points).intersection(shapely.Polygon(_corners(far)))
    except (ValueError, shapely.errors.ShapelyError):
        return []
    return [np.asarray(part.coords) for part in _parts(found, "LineString") if not part.is_empty]


def _corners(far: tuple[float, float]) -> list[tuple[float, float]]:
    return [(0, 0), (0, far[1]), far, (far[0], 0)]


def _parts(found: Any, kind: str) -> Iterator[Any]:
    """The geometries of a kind in one, however they are collected."""
    if found.geom_type == kind:
        yield found
    for part in getattr(found, "geoms", ()):
        yield from _parts(part, kind)
