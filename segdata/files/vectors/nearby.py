"""Which polygons of a file may lie on an image, told from their bounding boxes before any of them is projected."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.files.crs import parse_crs, parse_wkt
from segdata.files.gdal import load_rasterio
from segdata.files.geo import Geo
from segdata.files.projecting import moved_to_ground, transformed

STEPS = 21
"""Points on each side of the grid that stands for an image."""

CORNERS = 4
"""A ring has so many points at least, the last of them the first again."""

MARGIN = 0.1
"""What is added to a box on each side, by its size: lines between points of the grid may be curved."""

Box = tuple[float, float, float, float]
"""Left, bottom, right, top: the least and the most of x and y."""

Boxes = NDArray[np.float64]
"""(N, 4): see `Box`."""

Points = NDArray[np.float64]
"""(P, 2) x and y of points."""

HALF_WORLD = 20_037_509.0
"""Half of the equator in metres: coordinates end there in projections of the whole world."""

UNKNOWN: Box = (math.nan,) * 4


def boxes_of(geometries: Iterable[Any]) -> Boxes:
    """(N, 4) the boxes of polygons in coordinates of their own; NaN for what is no polygon, or cannot be read."""
    return np.array([_box(geometry) for geometry in geometries], np.float64).reshape(-1, 4)


def may_touch(boxes: Boxes, geo: Geo, size: tuple[int, int], crs: str) -> NDArray[np.intp]:
    """The places of those `boxes` (N, 4) that may touch an image of `size` (height, width) at `geo`, ascending.

    `crs` is the coordinate system of the boxes, if the image has one. None that touches is left out: a box that is unknown,
    or may go on at the other side of the world, may always touch, and all may touch an image of which that is true.
    """
    points, limits = _grid(geo, size), (math.inf, math.inf)
    if geo.crs is not None:
        moved = _moved(points, geo.crs, crs)
        if moved is None:
            return np.arange(len(boxes))
        points, limits = moved
    low, high = points.min(axis=0), points.max(axis=0)
    margin = MARGIN * (high - low)
    image = np.concatenate([low - margin, high + margin])
    if not _is_plain(image[None], *limits)[0]:
        return np.arange(len(boxes))
    far = (boxes[:, :2] > image[2:]).any(axis=1) | (boxes[:, 2:] < image[:2]).any(axis=1)
    return np.flatnonzero(~(far & _is_plain(boxes, *limits)))


def _is_plain(boxes: Boxes, east: float, north: float) -> NDArray[np.bool_]:
    """(N,) whether boxes end before the antimeridian and the poles."""
    left, bottom, right, top = boxes.T
    plain: NDArray[np.bool_] = (
        (right - left <= east) & (np.maximum(-left, right) <= east) & (np.maximum(-bottom, top) <= north)
    )
    return plain


def _box(geometry: Any) -> Box:
    """Of one polygon, holes that stick out of it as well."""
    try:
        coordinates = geometry["coordinates"]
        parts = {"Polygon": [coordinates], "MultiPolygon": coordinates}[geometry["type"]]
        rings = [ring for part in parts for ring in part]
        xs, ys, *_ = zip(*(point for ring in rings for point in ring), strict=False)
        box = float(min(xs)), float(min(ys)), float(max(xs)), float(max(ys))
        good = min(map(len, rings)) >= CORNERS and math.isfinite(sum(xs)) and math.isfinite(sum(ys))
        return box if good else UNKNOWN
    except (KeyError, TypeError, IndexError, ValueError, OverflowError):
        return UNKNOWN


def _grid(geo: Geo, size: tuple[int, int]) -> Points:
    """Points of an image, its corners among them, where they lie."""
    y, x = np.meshgrid(np.linspace(0, size[0], STEPS), np.linspace(0, size[1], STEPS))
    return moved_to_ground(np.stack([x.ravel(), y.ravel()], axis=1), geo)


def _moved(points: Points, own: str, crs: str) -> tuple[Points, tuple[float, float]] | None:
    """Points of a system `own` in another, `crs`, and how far east and north that goes; None if they are not all in it."""
    try:
        old, new = parse_wkt(own), parse_crs(crs)
        there = points if old == new else transformed(points, old, new)
    except (load_rasterio().errors.RasterioError, ValueError):
        return None
    limits = (180.0, 90.0) if new.is_geographic else (HALF_WORLD, math.inf)
    return (there, limits) if np.isfinite(there).all() else None
