"""GeoParquet: a table with a column of geometries, and what it is of in the file's metadata.

Format: https://geoparquet.org/releases/v1.1.0/
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from segdata.errors import DataError, MissingDependency, Problem, raise_exhausted, reason
from segdata.files.places import local_copy
from segdata.files.remote import Place
from segdata.files.vectors.geojson import Feature, Features, Geometry
from segdata.files.vectors.layers import refuse_layer
from segdata.files.vectors.ogr import from_wkb

NATIVE = {
    "point": "Point", "linestring": "LineString", "polygon": "Polygon", "multipoint": "MultiPoint",
    "multilinestring": "MultiLineString", "multipolygon": "MultiPolygon",
}  # fmt: skip
"""Encodings in nested lists, and what they are in GeoJSON."""


def read_parquet(path: Place, layer: str | None, option: str) -> Features:
    """The features of a GeoParquet file. Raises `DataError` (`vector.unreadable`, `vector.layer`), `MissingDependency`."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependency('this file needs pyarrow: pip install "segdata[vectors]"') from error
    import shapely

    refuse_layer(layer, path, option)
    try:
        with local_copy(path) as here:
            return _features(pyarrow.parquet.ParquetFile(here).read())
    except OSError:
        raise
    except (
        pyarrow.ArrowException,
        shapely.errors.ShapelyError,
        msgspec.DecodeError,
        KeyError,
        ValueError,
        TypeError,
    ) as error:
        raise_exhausted(error, path)
        raise DataError(Problem("vector.unreadable", f"no GeoParquet ({reason(error)})", file=str(path))) from error


def _features(table: Any) -> Features:
    told = (table.schema.metadata or {}).get(b"geo")
    if told is None:
        raise ValueError("it is a table without geometries")
    about = msgspec.json.decode(told)
    column = about["primary_column"]
    facts = about["columns"][column]
    geometries = _geometries(table.column(column), facts["encoding"])
    others = table.drop_columns([name for name in about["columns"] if name in table.column_names])
    rows = others.to_pylist() if others.num_columns else [{}] * len(geometries)
    features = tuple(Feature(i, g, row) for i, (g, row) in enumerate(zip(geometries, rows, strict=True)))
    return Features(features, _crs(facts), lonlat=facts.get("crs", {}) is not None)


def _crs(facts: dict[str, Any]) -> str | None:
    """The name of a column's coordinate system, or its definition; None for longitude and latitude, and for none."""
    crs = facts.get("crs")
    if not crs:
        return None
    id = crs.get("id") or {}
    return (
        f"{id['authority']}:{id['code']}" if {"authority", "code"} <= id.keys() else msgspec.json.encode(crs).decode()
    )


def _geometries(column: Any, encoding: str) -> list[Geometry | None]:
    """A column of geometries as GeoJSON has them."""
    if encoding == "WKB":
        return from_wkb(np.array(column.to_pylist(), object))
    kind = NATIVE[encoding]
    return [None if v is None else {"type": kind, "coordinates": _nested(v)} for v in column.to_pylist()]


def _nested(value: Any) -> Any:
    """Lists of positions, which may be records of x and y."""
    if isinstance(value, dict):
        return [value["x"], value["y"]]
    return [_nested(one) for one in value] if isinstance(value, list) else value
