"""Files of features in any format, told by their content: the one place where vectors are read, for every command.

GeoJSON and its kin are read here, GeoPackage, Shapefile, FlatGeobuf and KML by pyogrio, GeoParquet by pyarrow: the extra
`vectors`. What comes out is `Features`, whose geometries are points, lines and polygons, alone or several of one kind.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from posixpath import splitext
from typing import Any

from segdata.errors import DataError, Problem, raise_exhausted
from segdata.files.places import place, read_bytes, read_start
from segdata.files.remote import Place
from segdata.files.vectors.geojson import Feature, Features, Geometry
from segdata.files.vectors.json_text import read_json
from segdata.files.vectors.ogr import read_ogr
from segdata.files.vectors.parquet import read_parquet

SIDECARS = (".shx", ".dbf", ".prj", ".cpg")
"""The files beside a .shp that are read with it."""

OWN_ENDINGS = (".geojson", ".geojsonl", ".geojsons", ".topojson", ".gpkg", ".shp", ".fgb", ".kml", ".geoparquet")
"""Endings that no other kind of file has."""

ENDINGS = (*OWN_ENDINGS, ".json", ".ndjson", ".jsonl", ".parquet")
"""The endings of files that may hold features, in lower case."""

START = 2**12

KINDS = "GeoJSON, TopoJSON, GeoPackage, Shapefile, FlatGeobuf, KML and GeoParquet"

PARTS = {"Point": "MultiPoint", "LineString": "MultiLineString", "Polygon": "MultiPolygon"}


def read_features(path: str | Place, *, layer: str | None = None, option: str = "--layer") -> Features:
    """The features of a file, whatever its format. `layer`: the one to read of several; `option` is how a user names it.

    Raises `DataError` (`geojson.*`, `vector.*`), `MissingDependency`.
    """
    there = place(path)
    try:
        found = _reader(there)(there, layer, option)
    except OSError as error:
        raise_exhausted(error, path)
        raise DataError(Problem("geojson.missing", f"cannot be read: {error.strerror}", file=str(path))) from error
    return replace(found, features=tuple(_simple(found.features)))


def files_of(path: Place) -> list[Place]:
    """A file of features and, of a shapefile, those beside it that are read with it."""
    return [path, *_beside(path).values()] if path.suffix.lower() == ".shp" else [path]


Reader = Callable[[Place, str | None, str], Features]


def _reader(path: Place) -> Reader:
    """What reads a file, by its first bytes. Raises `DataError` (`vector.unreadable`) for what is known to be no such file."""
    start = read_start(path, START)
    if start.startswith(b"PAR1"):
        return read_parquet
    for driver, fits in DRIVERS.items():
        if fits(start):
            beside = _beside(path) if driver == "ESRI Shapefile" else {}
            return lambda there, layer, option: read_ogr(there, driver, beside, layer, option)
    if start.startswith(b"PK\x03\x04"):
        raise DataError(Problem("vector.unreadable", "is a ZIP archive: unpack it", file=str(path)))
    if path.suffix.lower() in SIDECARS:
        raise DataError(Problem("vector.unreadable", "is a part of a shapefile: give its .shp", file=str(path)))
    if start[:1] and start[:1] not in TEXT:
        raise DataError(
            Problem("vector.unreadable", f"is none of {KINDS}: ogr2ogr labels.gpkg FILE makes one", file=str(path))
        )
    return lambda there, layer, option: read_json(there, read_bytes(there), layer, option)


TEXT = {bytes([sign]) for sign in b"{[ \t\r\n\x1e\xef\xfe\xff\0"} | {b"]", b'"'}
"""What JSON begins with, also behind the mark of an encoding; and what begins with these is best told by the parser."""

DRIVERS: dict[str, Callable[[bytes], bool]] = {
    "GPKG": lambda start: start.startswith(b"SQLite format 3\0"),
    "ESRI Shapefile": lambda start: start.startswith(struct.pack(">i", 9994)),
    "FlatGeobuf": lambda start: start.startswith(b"fgb\x03fgb"),
    "LIBKML": lambda start: b"<kml" in start and start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"),
    "ESRIJSON": lambda start: b'"esriGeometry' in start and start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{"),
}
"""GDAL's drivers, and what a file of each begins with."""


def _beside(path: Place) -> dict[str, Place]:
    """The files of a shapefile beside its .shp, by their endings in lower case."""
    stem = splitext(path.name)[0].lower()
    names = {p.name.lower(): p for p in path.parent.iterdir()}
    return {end: names[stem + end] for end in SIDECARS if stem + end in names}


def _simple(features: Iterable[Feature]) -> Iterator[Feature]:
    """Features of which a collection of geometries became one of its polygons, one of its lines, and one of its points."""
    for feature in features:
        geometry = feature.geometry
        if isinstance(geometry, dict) and geometry.get("type") == "GeometryCollection":
            parts = _sorted_out(geometry)
            yield from (feature._replace(geometry=part) for part in parts)
            if not parts:
                yield feature._replace(geometry=None)
        else:
            yield feature


def _sorted_out(collection: Geometry) -> list[Geometry]:
    """The geometries in a collection and in those in it, those of a kind together."""
    found: dict[str, list[Any]] = {kind: [] for kind in PARTS.values()}
    todo: list[Any] = [collection]
    while todo:
        geometry = todo.pop(0)
        kind = geometry.get("type") if isinstance(geometry, dict) else None
        if kind == "GeometryCollection":
            todo[:0] = geometry.get("geometries") or []
        elif kind in PARTS:
            found[PARTS[kind]].append(geometry.get("coordinates"))
        elif kind in found:
            found[kind] += geometry.get("coordinates") or []
    return [_together(kind, several, found[several]) for kind, several in PARTS.items() if found[several]]


def _together(kind: str, several: str, parts: list[Any]) -> Geometry:
    """One geometry of parts of a kind; polygons become one surface, since parts of a collection may overlap."""
    if len(parts) == 1:
        return {"type": kind, "coordinates": parts[0]}
    together = {"type": several, "coordinates": parts}
    return _joined(together) if kind == "Polygon" else together


def _joined(polygons: Geometry) -> Geometry:
    """Polygons that may overlap, as those of one geometry may not: GDAL would leave out where two of them are."""
    import shapely
    from shapely.geometry import mapping, shape

    try:
        together = shape(polygons)
        if together.is_valid:
            return polygons
        joined = shapely.union_all([shapely.make_valid(part) for part in together.geoms])
        if joined.geom_type not in ("Polygon", "MultiPolygon"):
            return polygons
        return dict(mapping(joined))
    except (ValueError, TypeError, IndexError, AttributeError, shapely.errors.ShapelyError):
        return polygons  # of what is no ring, `to_pixels` says so
