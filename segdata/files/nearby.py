"""Which polygons of a file may lie on an image, told from their bounding boxes before any of them is projected."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.files.crs import parse_crs
from segdata.files.gdal import load_rasterio
from segdata.files.geo import Geo

SURFACES = ("Polygon", "MultiPolygon")

STEPS = 21
"""Points on each side of the grid that stands for an image."""

MARGIN = 0.1
"""What is added to a box on each side, by its size: lines between points of the grid may be curved."""

Box = tuple[float, float, float, float]
"""Left, bottom, right, top: the least and the most of x and y."""

Grid = NDArray[np.float64]
"""(2, P) x and y of points."""

HALF_WORLD = 20_037_509
"""Half of the equator in metres, a little more: a box that is wider, or beyond it, may go on at the other side of the world."""

UNKNOWN: Box = (math.nan,) * 4


def boxes_of(geometries: Iterable[Any]) -> NDArray[np.float64]:
    """(N, 4) the boxes of polygons in coordinates of their own; NaN for what is no polygon."""
    return np.array([_box(geometry) for geometry in geometries], np.float64).reshape(-1, 4)


def may_touch(boxes: NDArray[np.float64], geo: Geo, size: tuple[int, int], crs: str) -> NDArray[np.intp]:
    """The places of those `boxes` (N, 4) that may touch an image of `size` (height, width) at `geo`, ascending.

    `crs` is the coordinate system of the boxes, if the image has one. None that touches is left out. One whose box is
    unknown, or that may go on at the other side of the world, may always touch.
    """
    grid: Grid | None = _grid(geo, size)
    left, bottom, right, top = boxes.T
    regular = np.ones(len(boxes), np.bool_)
    if geo.crs is not None:
        grid, east, north = _moved(grid, geo.crs, crs)
        regular = (right - left <= east) & (np.maximum(-left, right) <= east) & (np.maximum(-bottom, top) <= north)
    if grid is None:
        return np.arange(len(boxes))
    low, high = grid.min(axis=1), grid.max(axis=1)
    margin = (high - low) * MARGIN
    (west, south), (farthest, highest) = low - margin, high + margin
    far = (right < west) | (left > farthest) | (top < south) | (bottom > highest)
    return np.flatnonzero(~(far & regular))


def _box(geometry: Any) -> Box:
    """Of one polygon, holes that stick out of it as well."""
    try:
        if geometry["type"] not in SURFACES:
            return UNKNOWN
        coordinates = geometry["coordinates"]
        parts = [coordinates] if geometry["type"] == "Polygon" else coordinates
        xs = [point[0] for part in parts for ring in part for point in ring]
        ys = [point[1] for part in parts for ring in part for point in ring]
        box = float(min(xs)), float(min(ys)), float(max(xs)), float(max(ys))
        return box if math.isfinite(sum(xs)) and math.isfinite(sum(ys)) else UNKNOWN
    except (KeyError, TypeError, IndexError, ValueError, OverflowError):
        return UNKNOWN


def _grid(geo: Geo, size: tuple[int, int]) -> Grid:
    """Points of an image, its corners among them, where they lie."""
    a, b, c, d, e, f = geo.transform
    y, x = np.meshgrid(np.linspace(0, size[0], STEPS), np.linspace(0, size[1], STEPS))
    return np.stack([a * x + b * y + c, d * x + e * y + f]).reshape(2, -1)


def _moved(grid: Grid, own: str, crs: str) -> tuple[Grid | None, float, float]:
    """Points of a system `own` in another, `crs`, and how far east and north a plain place goes in that.

    None for points that are not all in it, or that surround a pole or lie on both sides of the antimeridian.
    """
    from rasterio._err import CPLE_BaseError  # what GDAL says of single points; no other module has it
    from rasterio.warp import transform

    rasterio = load_rasterio()
    try:
        old, new = rasterio.crs.CRS.from_wkt(own), parse_crs(crs)
        east, north = (180.0, 90.0) if new.is_geographic else (HALF_WORLD, math.inf)
        there = grid if old == new else np.array(transform(old, new, *grid.tolist()))
    except (rasterio.errors.RasterioError, CPLE_BaseError, ValueError):
        return None, math.inf, math.inf
    plain = np.isfinite(there).all() and float(np.ptp(there[0])) <= east
    return (there if plain else None), east, north
