"""Polygons on an image to longitude and latitude, as GeoJSON has them (RFC 7946): borders stay where they are on the image.

What is straight on an image is a curve in degrees. So points are added to long edges, until none is off by `TOLERANCE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.files.crs import parse_crs, parse_wkt
from segdata.files.geo import Geo
from segdata.files.projecting import NoPlace, moved_to_ground, moved_to_pixels, transformed
from segdata.files.vectors.geojson import LONLAT
from segdata.files.vectors.polygons import rings_of

TOLERANCE = 0.05
"""Pixels by which an edge may be off, about."""

SHORT = 0.1
"""Pixels: edges that are no longer have no points added, wherever they are off (at a pole)."""

PROBE = 3 / 8
"""Where on an edge that is looked at: in the middle an S would seem straight."""

ROUNDS = 20
"""How often an edge is halved at most."""

JUMP = 5.0
"""Degrees: GDAL cuts at the 180th meridian only edges that are shorter."""

Geometry = dict[str, Any]

Points = NDArray[np.float64]
"""(P, 2): x and y."""


def to_lonlat(shapes: NDArray[Any], geo: Geo) -> list[Geometry | None]:
    """(N,) polygons of shapely in pixels of an image with a coordinate system -> GeoJSON geometries; None: off the Earth.

    One that crosses the 180th meridian is cut there.
    """
    try:
        return [*_projected(shapes, geo)]
    except NoPlace:
        if len(shapes) == 1:
            return [None]
        half = len(shapes) // 2
        return to_lonlat(shapes[:half], geo) + to_lonlat(shapes[half:], geo)


def coordinates_of(points: Points, rings: NDArray[np.int64], parts: NDArray[np.int64]) -> list[list[list[list[float]]]]:
    """The coordinates of polygons as GeoJSON has them: see `rings_of`."""
    every = points.tolist()
    each = [every[start:end] for start, end in pairwise(rings.tolist())]
    return [each[start:end] for start, end in pairwise(parts.tolist())]


def _projected(shapes: NDArray[Any], geo: Geo) -> list[Geometry]:
    """Raises `NoPlace` if one of them has none."""
    points, rings, parts = rings_of(shapes)
    if parse_wkt(geo.crs or "").is_geographic:
        lonlat, crossing = _forth(points, geo), np.zeros(0, np.int64)
    else:
        points, lonlat, rings = _with_points(points, rings, geo)
        crossing = _crossing(lonlat, rings)
    geometries = [{"type": "Polygon", "coordinates": c} for c in coordinates_of(lonlat, rings, parts)]
    for number in np.unique(np.searchsorted(parts, crossing, "right") - 1).tolist():
        own = [lonlat[start:end] for start, end in pairwise(rings[parts[number] : parts[number + 1] + 1].tolist())]
        geometries[number] = cut_at_180(own, _pole(shapes[number], geo))
    return geometries


def _crossing(lonlat: Points, rings: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rings, by number, that cross the 180th meridian."""
    jumps = np.flatnonzero(np.abs(np.diff(lonlat[:, 0])) > 180)
    at = np.searchsorted(rings, jumps, "right") - 1
    return at[jumps + 1 < rings[at + 1]]


def cut_at_180(rings: Sequence[Points], pole: float) -> Geometry:
    """Rings in longitude and latitude, some of which cross the 180th meridian, cut there (RFC 7946, section 3.1.9).

    A ring around the Earth also surrounds the pole at latitude `pole`.
    """
    import shapely

    outer, *holes = [_in_world(ring, pole) for ring in rings]
    shape = shapely.difference(outer, shapely.union_all(holes)) if holes else outer
    parts = [part for part in shapely.get_parts(shape).tolist() if part.geom_type == "Polygon"]
    points, starts, ends = rings_of(np.array(parts, object))
    return {"type": "MultiPolygon", "coordinates": coordinates_of(points, starts, ends)}


def _in_world(ring: Points, pole: float) -> Any:
    """A ring as a surface of shapely from -180 to 180 degrees."""
    import shapely

    nearest = int(np.abs(ring[:-1, 1] - pole).argmin())  # from there to the pole nothing is in between
    ring = np.concatenate([ring[nearest:-1], ring[: nearest + 1]])
    goes_on = np.stack([np.unwrap(ring[:, 0], period=360), ring[:, 1]], axis=1)
    if abs(goes_on[-1, 0] - goes_on[0, 0]) > 180:
        goes_on = np.concatenate([goes_on, [(goes_on[-1, 0], pole), (goes_on[0, 0], pole)]])
    surface = shapely.make_valid(shapely.polygons(goes_on))
    turns = range(int(np.floor((goes_on[:, 0].min() + 180) / 360)), int(np.ceil((goes_on[:, 0].max() + 180) / 360)))
    worlds = [shapely.intersection(surface, shapely.box(360 * n - 180, -90, 360 * n + 180, 90)) for n in turns]
    return shapely.union_all(
        [shapely.transform(w, lambda p, n=n: p - (360 * n, 0)) for n, w in zip(turns, worlds, strict=True)]
    )


def _pole(shape: Any, geo: Geo) -> float:
    """The latitude of the pole in a polygon in pixels, if there is one in it."""
    import shapely

    try:
        there = _back(np.array([[0.0, 90.0]]), geo)[0]
    except NoPlace:
        return -90.0
    x, y = there.tolist()
    left, top, right, bottom = shapely.bounds(shape).tolist()
    return 90.0 if left <= x <= right and top <= y <= bottom else -90.0


def _with_points(points: Points, rings: NDArray[np.int64], geo: Geo) -> tuple[Points, Points, NDArray[np.int64]]:
    """Rings with points added to the edges that would be off: in pixels, in degrees, and where each begins. Raises `NoPlace`."""
    lonlat = _forth(points, geo)
    _refuse_elsewhere(points, lonlat, geo)
    inner = np.ones(len(points), bool)
    inner[rings[1:] - 1] = False  # the last point of a ring begins no edge
    edges = np.flatnonzero(inner)
    for _ in range(ROUNDS):
        edges = edges[np.abs(points[edges + 1] - points[edges]).max(axis=1) > SHORT]
        edges = edges[_is_off(points, lonlat, edges, geo)]
        if not len(edges):
            break
        middles = (points[edges] + points[edges + 1]) / 2
        points = np.insert(points, edges + 1, middles, axis=0)
        lonlat = np.insert(lonlat, edges + 1, _forth(middles, geo), axis=0)
        rings = rings + np.searchsorted(edges + 1, rings, "right")
        halves = edges + np.arange(len(edges))
        edges = np.stack([halves, halves + 1], axis=1).ravel()
    return points, lonlat, rings


def _is_off(points: Points, lonlat: Points, edges: NDArray[np.int64], geo: Geo) -> NDArray[np.bool_]:
    """(E,): whether the edges from these points to the next ones are straight lines in degrees that miss those on the image."""
    step = lonlat[edges + 1] - lonlat[edges]
    jumps = np.abs(step[:, 0]) > 180
    step[:, 0] -= 360 * np.round(step[:, 0] / 360)
    probes = points[edges] + PROBE * (points[edges + 1] - points[edges])
    there = _back(lonlat[edges] + PROBE * step, geo)
    off = np.abs(there - probes).max(axis=1, initial=0)
    return np.asarray(~(off <= TOLERANCE) & ~_worlds_apart(there, probes, geo) | (jumps & (np.abs(step[:, 0]) > JUMP)))


def _refuse_elsewhere(points: Points, lonlat: Points, geo: Geo) -> None:
    """Raise `NoPlace` for points whose longitude and latitude are those of another place on the image.

    Some projections answer so for places beside their map, such as the corners of the world in a sinusoidal one.
    """
    there = _back(lonlat, geo)
    same = np.abs(there - points).max(axis=1, initial=0) <= 0.5
    if not (same | _worlds_apart(there, points, geo)).all():
        raise NoPlace("it shares its longitude and latitude with another place")


def _worlds_apart(there: Points, points: Points, geo: Geo) -> NDArray[np.bool_]:
    """(P,): which are the same place once more around the Earth, on a map that goes on so (a cylindrical one)."""
    if not (width := _world(geo.crs or "")):
        return np.zeros(len(points), bool)
    moved = moved_to_ground(there, geo) - moved_to_ground(points, geo)
    scale = abs(np.linalg.det(np.array(geo.transform).reshape(2, 3)[:, :2])) ** 0.5
    moved[:, 0] -= width * np.round(moved[:, 0] / width)
    return np.asarray(np.abs(moved).max(axis=1, initial=0) <= TOLERANCE * scale)


def _forth(points: Points, geo: Geo) -> Points:
    """Points in pixels -> longitude and latitude. Raises `NoPlace`."""
    lonlat = transformed(moved_to_ground(points, geo), parse_wkt(geo.crs or ""), _lonlat())
    if not np.isfinite(lonlat).all():
        raise NoPlace("it has no longitude and latitude")
    return lonlat


def _back(lonlat: Points, geo: Geo) -> Points:
    """Longitude and latitude -> points in pixels. Raises `NoPlace`."""
    return moved_to_pixels(transformed(lonlat, _lonlat(), parse_wkt(geo.crs or "")), geo)


@lru_cache(maxsize=1)
def _lonlat() -> Any:
    return parse_crs(LONLAT)


@lru_cache(maxsize=16)
def _world(wkt: str) -> float:
    """How wide the Earth is in a coordinate system in which it is as wide everywhere; 0 in others."""
    ends = np.array([[-180, 0], [180, 0], [-180, 60], [180, 60]], np.float64)
    try:
        west, east, north_west, north_east = transformed(ends, _lonlat(), parse_wkt(wkt))[:, 0].tolist()
    except NoPlace:
        return 0.0
    width = float(east - west)
    return width if np.isfinite(width) and width > 0 and abs(north_east - north_west - width) < 1e-6 * width else 0.0
