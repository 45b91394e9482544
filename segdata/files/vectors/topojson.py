"""TopoJSON: polygons whose borders are stored once, as arcs that several of them name.

Format: https://github.com/topojson/topojson-specification
"""

from __future__ import annotations

from typing import Any

import numpy as np

from segdata.files.remote import Place
from segdata.files.vectors.geojson import Feature, Features, Geometry
from segdata.files.vectors.layers import layer_of

Points = list[list[float]]

DEPTHS = {"LineString": 0, "MultiLineString": 1, "Polygon": 1, "MultiPolygon": 2}
"""How deep the lists of arcs are nested in each kind of geometry."""


def read_topology(found: dict[str, Any], path: Place, layer: str | None, option: str) -> Features:
    """The features of a topology that JSON said, of one of its objects. Raises `DataError` (`vector.layer`), and `KeyError`,
    `TypeError`, `ValueError` and `IndexError` for what is no topology."""
    arcs = _arcs(found)
    scale, shift = _quantised(found)
    there = found["objects"][layer_of(found["objects"], layer, path, option)]
    rows = there["geometries"] if there["type"] == "GeometryCollection" else [there]
    features = tuple(
        Feature(i, _geometry(row, arcs, scale, shift), dict(row.get("properties") or {})) for i, row in enumerate(rows)
    )
    crs = found.get("crs")
    return Features(features, None if crs is None else str(crs["properties"]["name"]))


def _quantised(found: dict[str, Any]) -> tuple[Any, Any]:
    """What numbers of the file are multiplied with, and what is added then."""
    quantised = found.get("transform") or {"scale": [1, 1], "translate": [0, 0]}
    return np.array(quantised["scale"], np.float64), np.array(quantised["translate"], np.float64)


def _arcs(found: dict[str, Any]) -> list[Points]:
    """The arcs as positions. Those of a quantised file are differences from one position to the next."""
    scale, shift = _quantised(found)
    arcs = [np.array([point[:2] for point in arc], np.float64).reshape(-1, 2) for arc in found["arcs"]]
    if "transform" in found:
        arcs = [np.cumsum(arc, axis=0) * scale + shift for arc in arcs]
    return [arc.tolist() for arc in arcs]


def _geometry(row: dict[str, Any], arcs: list[Points], scale: Any, shift: Any) -> Geometry | None:
    """A geometry of GeoJSON."""
    kind = row["type"]
    if kind is None:
        return None
    if kind == "GeometryCollection":
        return {"type": kind, "geometries": [_geometry(one, arcs, scale, shift) for one in row["geometries"]]}
    if kind in DEPTHS:
        return {"type": kind, "coordinates": _lines(row["arcs"], arcs, DEPTHS[kind])}
    points = np.array(row["coordinates"], np.float64)[..., :2] * scale + shift
    return {"type": kind, "coordinates": points.tolist()}


def _lines(numbers: Any, arcs: list[Points], depth: int) -> Any:
    """Arcs joined to lines, `depth` levels down; a number below 0 is an arc backwards, ~0 the first."""
    if depth:
        return [_lines(one, arcs, depth - 1) for one in numbers]
    line: Points = []
    for number in numbers:
        arc = arcs[number] if number >= 0 else arcs[~number][::-1]
        line += arc[1:] if line else arc
    return line
