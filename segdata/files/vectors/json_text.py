"""GeoJSON and its kin as bytes: collections, one feature a line, TopoJSON, and what QuPath saves.

Formats: https://www.rfc-editor.org/rfc/rfc7946, https://www.rfc-editor.org/rfc/rfc8142 (one feature a record),
https://qupath.readthedocs.io/en/stable/docs/advanced/exporting_annotations.html
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from segdata.errors import DataError, Problem, reason
from segdata.files.remote import Place
from segdata.files.vectors.geojson import PIXELS, Feature, Features
from segdata.files.vectors.layers import refuse_layer
from segdata.files.vectors.topojson import read_topology

GEOMETRIES = (
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection",
)  # fmt: skip

OBJECTS = ("annotation", "detection", "cell", "tile", "tma_core", "root")
"""What QuPath calls its objects."""

RECORD = b"\x1e"
"""What begins each feature of a sequence, in files that may have line ends within one."""

Row = dict[str, Any]


def read_json(path: Place, data: bytes, layer: str | None, option: str) -> Features:
    """The features of a file of JSON. Raises `DataError` (`geojson.unreadable`, `vector.layer`)."""
    try:
        return _features(utf8(data), path, layer, option)
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, RecursionError, ValueError, IndexError) as error:
        what = f"not a GeoJSON FeatureCollection ({reason(error)})"
        raise DataError(Problem("geojson.unreadable", what, file=str(path))) from error


def utf8(data: bytes) -> bytes:
    """The same text as UTF-8 without a mark: Windows' programs leave one, or write UTF-16. Raises `ValueError`."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16").encode()
    if data[:2].strip(b"\0") != data[:2]:  # UTF-16 without a mark: JSON begins with ASCII
        return data.decode("utf-16-be" if data[:1] == b"\0" else "utf-16-le").encode()
    return data.removeprefix(codecs.BOM_UTF8)


def _features(data: bytes, path: Place, layer: str | None, option: str) -> Features:
    """Raises what is wrong with JSON of another form."""
    found = _decoded(data)
    if isinstance(found, dict) and found.get("type") == "Topology":
        return read_topology(found, path, layer, option)
    refuse_layer(layer, path, option)
    rows = list(_rows(found))
    features = tuple(Feature(i, row["geometry"], _properties(row)) for i, row in enumerate(rows))
    crs = found.get("crs") if isinstance(found, dict) else None
    named = None if crs is None else str(crs["properties"]["name"])
    return Features(features, PIXELS if named is None and _is_qupath(rows) else named)


def _decoded(data: bytes) -> Any:
    """What JSON says; of one feature a line, a list of them."""
    if data.lstrip()[:1] == RECORD:
        return [msgspec.json.decode(part) for part in data.split(RECORD) if part.strip()]
    try:
        return msgspec.json.decode(data)
    except msgspec.DecodeError:
        lines = [line for line in data.splitlines() if line.strip()]
        if len(lines) < 2 or not _is_whole(lines[0]):
            raise
    return [_of_line(number, line) for number, line in enumerate(lines, 1)]


def _is_whole(line: bytes) -> bool:
    """Whether a line is JSON of its own."""
    try:
        return isinstance(msgspec.json.decode(line), dict)
    except msgspec.DecodeError:
        return False


def _of_line(number: int, line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise ValueError(f"line {number}: {reason(error)}") from error


def _rows(found: Any) -> Iterator[Row]:
    """The features in a collection, in a list, or alone; a geometry is one without properties."""
    if isinstance(found, list):
        if not found:
            raise ValueError("it is an empty list")
        for one in found:
            yield from _rows(one)
        return
    kind = found["type"]
    if kind == "FeatureCollection":
        yield from found["features"]
    elif kind == "Feature":
        yield found
    elif kind in GEOMETRIES:
        yield {"geometry": found, "properties": {}}
    else:
        raise ValueError(f"its type is {str(kind)[:40]!r}")


def _properties(row: Row) -> dict[str, Any]:
    return dict(row.get("properties") or {})


def _is_qupath(rows: Sequence[Row]) -> bool:
    """Whether QuPath made it, whose coordinates are pixels of the whole slide: by what it calls an object or a class."""
    return any(_of_qupath(row, row.get("properties") or {}) for row in rows)


def _of_qupath(row: Row, properties: dict[str, Any]) -> bool:
    classified = properties.get("classification")
    id = row.get("id")
    return (
        properties.get("objectType") in OBJECTS
        or (isinstance(classified, dict) and not {"name", "names"}.isdisjoint(classified))
        or (isinstance(id, str) and id.startswith("Path") and id.endswith("Object"))
    )
