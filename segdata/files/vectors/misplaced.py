"""Why polygons lie on no image: what is tried, and what would bring them there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError
from segdata.files.crs import parse_crs, parse_wkt, system_name
from segdata.files.geo import Geo
from segdata.files.projecting import corners_of, moved_to_ground, moved_to_system
from segdata.files.vectors.geojson import (
    LONLAT,
    PIXELS,
    SURFACES,
    Feature,
    Features,
    Geometry,
    bounds,
    parts_of,
    to_pixels,
)

DEGREES = np.array([180.0, 90.0])


SITES = 16
"""Images that are looked at, at most."""


class Site(NamedTuple):
    """Where an image lies, and its (height, width)."""

    geo: Geo
    size: tuple[int, int]


def why_off(found: Features, sites: Sequence[Site], crs: str | None, option: str) -> str:
    """What explains that no polygon lies on any of the images `sites`; `crs` is what the caller says by `option`."""
    if any(touches(found, site, crs) for site in sites[:SITES]):
        return "they come near, but no pixel's middle is in them"
    swapped = Features(tuple(f._replace(geometry=_swapped(f.geometry)) for f in found.features), found.crs)
    placed = [site for site in sites[:SITES] if site.geo.transform != Geo().transform and crs != PIXELS]
    if any(touches(swapped, site, crs) for site in placed):
        return "with x and y swapped they do: latitude first? swap them in the file, longitude (easting) is first"
    said = crs or found.crs or LONLAT
    others = {
        name: f"{option} {name}" for site in placed for name in _systems(site, said) if touches(found, site, name)
    }
    ways = f"; if these are of {' or '.join(others)}: {' or '.join(others.values())}" if others else ""
    return _both_places(found, sites, said) + ways


def _systems(site: Site, said: str) -> list[str]:
    """The other systems that coordinates may be of."""
    own = [] if site.geo.crs is None else [system_name(site.geo.crs)]
    return [name for name in (PIXELS, LONLAT, *own) if name != said]


def touches(found: Features, site: Site, crs: str | None) -> bool:
    """Whether any polygon would lie on an image."""
    try:
        polygons, _ = to_pixels(found, site.geo, "", size=site.size, crs=crs)
    except DataError:
        return False
    return any(on(geometry, site.size) for _, geometry in polygons)


def on(geometry: Geometry, size: tuple[int, int]) -> bool:
    """Whether the box about a polygon in pixels meets an image of `size`."""
    top, left, bottom, right = bounds(geometry)
    return not (bottom <= 0 or right <= 0 or top >= size[0] or left >= size[1])


def polygons_in(found: Features) -> int:
    """How many features are polygons."""
    return sum(isinstance(f.geometry, dict) and f.geometry.get("type") in SURFACES for f in found.features)


def look_like_degrees(found: Features, size: tuple[int, int]) -> bool:
    """Whether coordinates that are taken for pixels of an image of `size`, a large one, may be longitudes and latitudes."""
    return size[1] > DEGREES[0] and size[0] > DEGREES[1] and bool((np.abs(_points(found)) <= DEGREES).all())


def long_edge(feature: Feature) -> tuple[float, float] | None:
    """The longitudes of an edge of more than 180 degrees that is not all the way round; None if a polygon has none."""
    if not polygons_in(Features((feature,), None)) or feature.geometry is None:
        return None
    with suppress(TypeError, ValueError, LookupError):  # of rings that are none: the reader tells
        for part in parts_of(feature.geometry):
            x = [point[0] for point in part[0]]
            if max(x) - min(x) > 180:
                return next((edge for edge in pairwise(x) if 180 < abs(edge[1] - edge[0]) < 360), None)
    return None


def _both_places(found: Features, sites: Sequence[Site], said: str) -> str:
    """Where polygons lie, which are `said` to be in this system, and where the first image does."""
    points = _points(found)
    (left, bottom), (right, top) = points.min(axis=0), points.max(axis=0)
    where = f"they reach from {left:.9g} {bottom:.9g} to {right:.9g} {top:.9g}"
    if not sites:
        return where
    geo, (height, width) = sites[0]
    if geo.transform == Geo().transform:
        degrees = " (degrees? then give the image a place, such as a world file)" * bool(
            (np.abs(points) <= DEGREES).all()
        )
        return f"{where}{degrees}, and the image has no coordinates, only pixels to {width} {height}"
    corners = moved_to_ground(corners_of(height, width), geo)
    system = "an unknown system (give the image one: gdal_edit.py -a_srs)" if geo.crs is None else system_name(geo.crs)
    if geo.crs is not None and said != PIXELS:
        there = moved_to_system(corners, parse_wkt(geo.crs), parse_crs(said))
        corners, system = (there, said) if np.isfinite(there).all() else (corners, system)
    (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
    return f"{where}, the image from {left:.9g} {bottom:.9g} to {right:.9g} {top:.9g} in {system}"


def _points(found: Features) -> NDArray[np.float64]:
    """(N, 2): all points of the polygons."""
    rings = [ring for feature in found.features for ring in _rings(feature)]
    return np.concatenate([np.empty((0, 2)), *rings])


def _rings(feature: Feature) -> Iterator[NDArray[np.float64]]:
    """Of a polygon, in the coordinates that it has; nothing of others."""
    alone = Features((feature,), None)
    polygons, _ = to_pixels(alone, Geo(), "", size=(1, 1))
    for _, geometry in polygons:
        yield from (np.asarray(ring) for part in parts_of(geometry) for ring in part)


def _swapped(coordinates: Any) -> Any:
    """A geometry with x and y swapped, wherever there are numbers."""
    if isinstance(coordinates, dict):
        return {name: _swapped(value) if name == "coordinates" else value for name, value in coordinates.items()}
    if isinstance(coordinates, list | tuple):
        numbers = len(coordinates) > 1 and all(isinstance(value, int | float) for value in coordinates[:2])
        if numbers:
            return [coordinates[1], coordinates[0], *coordinates[2:]]
        return [_swapped(value) for value in coordinates]
    return coordinates
