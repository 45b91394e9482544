"""Features of the formats that GDAL reads, through pyogrio, which holds a GDAL of its own.

GDAL is given one file under a name that its driver expects, in a folder where nothing lies but that and the files that belong
to it: so it opens nothing else, whatever a file names, and upper case and odd signs in names do no harm.
"""

from __future__ import annotations

import math
import os
import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, MissingDependency, Problem, raise_exhausted
from segdata.files.places import copy_file, read_start, size_of
from segdata.files.remote import Place
from segdata.files.vectors.geojson import Feature, Features, Geometry
from segdata.files.vectors.geopackage import refuse_outside
from segdata.files.vectors.layers import layer_of, refuse_layer

NAMES = {
    "GPKG": "labels.gpkg", "ESRI Shapefile": "labels.shp", "FlatGeobuf": "labels.fgb", "LIBKML": "labels.kml",
    "ESRIJSON": "labels.json",
}  # fmt: skip

ARC_DEGREES = 0.5
"""A curve becomes lines of so many degrees each: a circle of 1,000 pixels is off by 0.01."""

HEADER = 32
"""Bytes of a shapefile's files that say how long they are."""

UNDEFINED = "Undefined"
"""How the names of a GeoPackage's coordinate systems begin that say nothing."""


def read_ogr(path: Place, driver: str, beside: Mapping[str, Place], layer: str | None, option: str) -> Features:
    """The features of one layer. `beside`: files that are read with it, by their endings.

    Raises `DataError` (`vector.unreadable`, `vector.layer`, `vector.files`), `MissingDependency`.
    """
    pyogrio = load_pyogrio()
    if driver in ("ESRI Shapefile", "FlatGeobuf", "ESRIJSON"):
        refuse_layer(layer, path, option)
    if driver == "ESRI Shapefile":
        refuse_partial(path, beside)
    with _staged(path, driver, beside) as here, _damaged(path, here):
        if driver == "GPKG":
            refuse_outside(here, str(path))
        layers = [str(name) for name, kind in pyogrio.list_layers(here) if kind is not None]
        name = layer_of(layers, layer, path, option)
        meta, _, found, columns = pyogrio.raw.read(here, layer=name, force_2d=True)
        geometries = from_wkb(found)
    crs = meta["crs"] if meta["crs"] is not None and UNDEFINED not in meta["crs"][:40] else None
    fields = list(meta["fields"])
    values = [_values(column, kind) for column, kind in zip(columns, meta["ogr_subtypes"], strict=True)]
    rows = zip(*values, strict=True) if values else iter([()] * len(geometries))
    features = (
        Feature(i, geometry, dict(zip(fields, row, strict=True)))
        for i, (geometry, row) in enumerate(zip(geometries, rows, strict=True))
    )
    return Features(tuple(features), crs, lonlat=False)


def load_pyogrio() -> Any:
    """pyogrio, told how curves become lines. Raises `MissingDependency`."""
    try:
        import pyogrio
        import pyogrio.raw
    except ImportError as error:
        raise MissingDependency('this file needs pyogrio: pip install "segdata[vectors]"') from error
    pyogrio.set_gdal_config_options({"OGR_ARC_STEPSIZE": str(ARC_DEGREES)})
    return pyogrio


def from_wkb(geometries: NDArray[Any]) -> list[Geometry | None]:
    """Geometries in WKB as GeoJSON has them, without heights, open rings closed. Raises `shapely.errors.ShapelyError`."""
    import shapely

    texts = shapely.to_geojson(shapely.force_2d(shapely.from_wkb(geometries, on_invalid="fix")))
    return [None if text is None else msgspec.json.decode(text) for text in texts]


def refuse_partial(path: Place, beside: Mapping[str, Place]) -> None:
    """Raise `DataError` (`vector.files`) for a .shp without its index or its properties, or if one of them is cut off."""
    if missing := [end for end in (".shx", ".dbf") if end not in beside]:
        what = f"there is no {' and no '.join(missing)} beside it: copy all files of the shapefile (.shp, .shx, .dbf, .prj)"
        raise DataError(Problem("vector.files", what, file=str(path)))
    for there in (path, beside[".shx"], beside[".dbf"]):
        if size_of(there) < stated_size(read_start(there, HEADER), table=there == beside[".dbf"]):
            raise DataError(Problem("vector.files", "its end is missing: copy the file again", file=str(there)))


def stated_size(header: bytes, *, table: bool) -> int:
    """How many bytes a .shp or .shx has, or (`table`) a .dbf, by its header. (ESRI's white paper of 1998; dBASE III.)"""
    header = header.ljust(HEADER, b"\0")
    if not table:
        return 2 * int(struct.unpack_from(">i", header, 24)[0])
    rows, start, row = struct.unpack_from("<IHH", header, 4)
    return int(start + rows * row)


@contextmanager
def _staged(path: Place, driver: str, beside: Mapping[str, Place]) -> Iterator[Path]:
    """The file under a name that GDAL knows, and what is read with it, by links where that works."""
    with TemporaryDirectory(prefix="segdata-") as folder:
        here = Path(folder, NAMES[driver])
        for old, new in [(path, here), *((there, here.with_suffix(end)) for end, there in beside.items())]:
            if not _linked(old, new):
                copy_file(old, new)
        yield here


def _linked(old: Place, new: Path) -> bool:
    """Make a link to a file of this machine; False where that cannot be."""
    try:
        if isinstance(old, Path):
            os.symlink(old.resolve(), new)
        return isinstance(old, Path)
    except OSError:
        return False


@contextmanager
def _damaged(path: Place, here: Path) -> Iterator[None]:
    """Whatever GDAL makes of a damaged file becomes one `DataError` (`vector.unreadable`), and its remarks are not shown."""
    import shapely
    from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, GeometryError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (DataLayerError, DataSourceError, FeatureError, GeometryError, shapely.errors.ShapelyError) as error:
        raise_exhausted(error, path)
        why = " ".join(str(error).replace(str(here), path.name).partition("; ")[0].split())
        raise DataError(Problem("vector.unreadable", f"cannot be read: {why}", file=str(path))) from error


def _values(column: NDArray[Any], subtype: str) -> list[Any]:
    """A column's values as JSON has them: GDAL's arrays tell whole numbers and truth, of which some are missing, as floats."""
    if column.dtype.kind == "M":
        return [None if np.isnat(value) else str(value) for value in column]
    known = bool if subtype == "OFSTBoolean" else None
    return [None if isinstance(v, float) and math.isnan(v) else known(v) if known else v for v in column.tolist()]
