"""Lines and points as surfaces of a width, so that roads, rivers and trees can be burnt.

A line becomes all that lies within half a width of it, with round ends; a point becomes a disc. The width is in metres where
coordinates lie on the ground (in a projected system its own metres, or what a metre is in its unit), otherwise in pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from segdata.errors import DataError, Problem
from segdata.files.crs import metres_per_degree, parse_crs
from segdata.files.gdal import load_rasterio
from segdata.files.vectors.geojson import SURFACES, Feature, Features, Geometry

THIN = ("LineString", "MultiLineString", "Point", "MultiPoint")
"""Geometries without a surface, which a width gives them."""

CORNERS = 16
"""Into how many pieces a quarter of a round end is divided."""

SPAN = 0.1
"""Degrees of latitude in which a degree of longitude counts as equally long: at 60 degrees it is off by 0.2 % of a width."""

NORTHERNMOST = 89.9
"""Degrees of latitude; closer to a pole a degree of longitude has no length."""


def paintable(found: Features, width: float | None, file: str) -> tuple[Features, list[Problem]]:
    """The features that are surfaces, or get one by a width, and a line for each other one.

    Raises `DataError` (`vector.thin`) if all that there is are lines and points, and there is no width.
    """
    kept, problems, thin = [], [], Counter[str]()
    for feature in found.features:
        kind = kind_of(feature)
        if kind in SURFACES or (kind in THIN and width is not None):
            kept.append(feature)
            continue
        thin[kind or ""] += kind in THIN
        what = f"{kind} is no polygon (--width METRES paints it so wide)" if kind in THIN else "has no polygon"
        problems.append(Problem("geojson.geometry", what, file=file, annotation=feature.number))
    if thin.total() and not kept:
        there = " and ".join(f"{n:,} {kind}" for kind, n in sorted(thin.items()) if n)
        what = (
            f"holds {there} and no polygon: --width METRES paints them so wide (pixels for images without coordinates)"
        )
        raise DataError(Problem("vector.thin", what, file=file))
    return replace(found, features=tuple(kept)) if problems else found, problems


def kind_of(feature: Feature) -> str | None:
    """The type of a feature's geometry; None if it has none, or an empty one."""
    geometry = feature.geometry
    kind = geometry.get("type") if isinstance(geometry, dict) and geometry.get("coordinates") else None
    return kind if isinstance(kind, str) else None


def widened(found: Features, width: float, system: str | None) -> Features:
    """The same features with lines and points as polygons. `system`: what the coordinates are of (see `Features.system`)."""
    metres = _metres(system)
    return replace(found, features=tuple(_wide(found.features, width, metres)))


def _wide(features: Iterable[Feature], width: float, metres: float | None) -> Iterator[Feature]:
    for feature in features:
        geometry = feature.geometry
        if geometry is None or kind_of(feature) not in THIN:
            yield feature
            continue
        yield feature._replace(geometry=_surface(geometry, width, metres))


def _metres(system: str | None) -> float | None:
    """How many metres a unit of a system is, 1 for pixels; None for degrees. A system that is none is told later."""
    rasterio = load_rasterio()
    if system is None:
        return 1.0
    try:
        crs = parse_crs(system)
        return None if crs.is_geographic else float(crs.linear_units_factor[1])
    except (ValueError, rasterio.errors.RasterioError):
        return 1.0


def _surface(geometry: Geometry, width: float, metres: float | None) -> Geometry:
    """The polygons within half a width of lines or points; as it is, if its coordinates are no numbers, which is told later."""
    import shapely
    from shapely.geometry import mapping, shape

    try:
        thin = shapely.force_2d(shape(geometry))
        if metres is not None:
            wide = _around(thin, width / 2 / metres)
        else:
            wide = shapely.union_all([_of_degrees(part, width) for part in _short(thin)])
        return dict(mapping(wide))
    except (ValueError, TypeError, IndexError, AttributeError, shapely.errors.ShapelyError):
        return {"type": "Polygon", "coordinates": []}


def _short(thin: Any) -> Iterator[Any]:
    """Lines in degrees in pieces, of which none spans many degrees of latitude; points one by one."""
    import shapely

    for part in shapely.get_parts(thin):
        if part.geom_type == "Point":
            yield part
            continue
        points = shapely.get_coordinates(shapely.segmentize(part, SPAN))
        start = 0
        for end in range(1, len(points)):
            if end == len(points) - 1 or np.ptp(points[start : end + 2, 1]) > SPAN:
                yield shapely.LineString(points[start : end + 1])
                start = end


def _around(thin: Any, distance: float) -> Any:
    """What lies within a distance. Lines that cross themselves are cut there: GEOS loses parts of closed ones otherwise."""
    import shapely

    if shapely.get_dimensions(thin) == 1 and not shapely.is_simple(thin):
        thin = shapely.node(thin)
    return shapely.buffer(thin, distance, quad_segs=CORNERS)


def _of_degrees(part: Any, width: float) -> Any:
    """What lies within half a width, in metres, of a point or a short line in degrees."""
    import shapely

    latitude = float(shapely.get_coordinates(part)[:, 1].mean())
    scale = np.array(metres_per_degree(max(-NORTHERNMOST, min(NORTHERNMOST, latitude))))
    wide = _around(shapely.transform(part, lambda points: points * scale), width / 2)
    return shapely.transform(wide, lambda points: points / scale)
