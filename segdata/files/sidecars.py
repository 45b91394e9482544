"""Where an image lies, according to the files beside it: `.aux.xml` (GDAL's) and world files (`.tfw`, `.pgw`, `.wld` ...).

They are read here, not by GDAL: GDAL would also follow names of other files and URLs in them. Read are the coordinate system,
the transform, the ground control points and the nodata value of an `.aux.xml`, and the transform of a world file; of images of
every kind.

Formats: https://gdal.org/en/stable/drivers/raster/vrt.html (the same elements), https://en.wikipedia.org/wiki/World_file.
"""

from __future__ import annotations

import os
from math import isfinite
from typing import Any
from xml.etree import ElementTree

from segdata.errors import DataError, Problem
from segdata.files.crs import names_files, parse_crs
from segdata.files.gcps import Points, placed_by
from segdata.files.geo import Geo, Transform
from segdata.files.limits import read_regular
from segdata.files.members import member_of
from segdata.files.remote import is_remote
from segdata.files.xml_text import Entities, parse_xml

LONGEST = 2**24
"""The most bytes of such a file: GDAL's may hold histograms."""

NOWHERE = Geo().transform


def geo_of(source: Any, path: str) -> Geo:
    """Where an open rasterio dataset lies: by its `.aux.xml`, else by itself, else by its world file.

    Raises `DataError` (`image.sidecar`) for an `.aux.xml` that is no such file, `image.unreadable` for a coordinate system
    that names files.
    """
    own = Geo(_own_crs(source.crs, path), tuple(source.transform)[:6], source.nodata)
    if own.transform == NOWHERE:
        points, crs = source.gcps
        places = tuple((p.col, p.row, p.x, p.y) for p in points)
        own = placed_by(Points(places, _own_crs(crs, path)), own, path)
    return geo_beside(path, own)


def geo_beside(path: str, own: Geo = Geo()) -> Geo:  # noqa: B008
    """Where an image lies by the files beside it, which say what itself, `own`, does not. In storage none is looked for.

    Raises `DataError` (`image.sidecar`).
    """
    if is_remote(path) or member_of(path) is not None:
        return own
    beside = read_pam(path) or Geo()
    placed = next((t for t in (beside.transform, own.transform) if t != NOWHERE), None) or read_world(path)
    return Geo(
        beside.crs or own.crs,
        placed or NOWHERE,
        own.nodata if beside.nodata is None else beside.nodata,
        loose=None if placed else beside.loose or own.loose,
    )


def _own_crs(crs: Any, path: str) -> str | None:
    """WKT of what rasterio has found. Raises `DataError` (`image.unreadable`)."""
    wkt = str(crs.to_wkt()) if crs else None
    if wkt is not None and names_files(wkt):
        raise DataError(
            Problem("image.unreadable", "its coordinate system names a file: assign it another one", file=path)
        )
    return wkt


def read_pam(path: str) -> Geo | None:
    """What an image's `.aux.xml` says; None if there is none, or a damaged one."""
    file = f"{path}.aux.xml"
    data = _read(file)
    if data is None:
        return None
    try:
        root = parse_xml(data)
    except Entities as error:
        raise DataError(Problem("image.sidecar", f"{error}: remove this file", file=file)) from error
    except ValueError:
        return None
    found = Geo(_crs(root.findtext("SRS"), file), _transform(root) or NOWHERE, _nodata(root))
    return placed_by(_points(root, file), found, path) if found.transform == NOWHERE else found


def _points(root: ElementTree.Element, file: str) -> Points:
    """The ground control points of an `.aux.xml`."""
    there = root.find("GCPList")
    if there is None:
        return Points((), None)
    rows = [_numbers([point.get(name, "") for name in ("Pixel", "Line", "X", "Y")]) for point in there.iter("GCP")]
    places = tuple((x, y, east, north) for x, y, east, north in filter(None, rows))
    return Points(places, _crs(there.get("Projection"), file))


def _crs(text: str | None, file: str) -> str | None:
    try:
        return str(parse_crs(text).to_wkt()) if text else None
    except ValueError as error:
        raise DataError(Problem("image.sidecar", f"its coordinate system: {error}", file=file)) from error


def _transform(root: ElementTree.Element) -> Transform | None:
    found = _numbers((root.findtext("GeoTransform") or "").split(","))
    if found is None or len(found) != 6:
        return None
    c, a, b, f, d, e = found
    return a, b, c, d, e, f


def _nodata(root: ElementTree.Element) -> float | None:
    band = next((band for band in root.iter("PAMRasterBand") if band.get("band", "1") == "1"), None)
    try:
        return float(text) if band is not None and (text := band.findtext("NoDataValue")) else None
    except ValueError:
        return None


def read_world(path: str) -> Transform | None:
    """The transform of an image's world file; None if there is none, or a damaged one."""
    for file in world_files(path):
        if (data := _read(file)) is not None:
            return _world(data)
    return None


def world_files(path: str) -> list[str]:
    """The names that a world file may have: of `a.tif` those are `a.tfw`, `a.tifw` and `a.wld`, or in capitals (`a.TFw`)."""
    base, extension = os.path.splitext(path)
    as_it_is = extension[1:]
    own = as_it_is.lower()
    ends = [f"{own[0]}{own[-1]}w", f"{own}w", "wld"] if own else ["wld"]
    mixed = [f"{as_it_is[0]}{as_it_is[-1]}w", f"{as_it_is}w"] if as_it_is != own else []
    return [f"{base}.{name}" for name in [*(case for end in ends for case in (end, end.upper())), *mixed]]


def sidecars(path: str, new: str) -> list[tuple[str, str]]:
    """The files beside an image that say where it lies, each with its name beside the same image at `new`.

    A world file keeps its ending, if that is one for the ending of `new`.
    """
    if is_remote(path) or member_of(path) is not None:
        return []
    base, others = os.path.splitext(new)[0], world_files(new)
    kept = [(old, f"{base}{os.path.splitext(old)[1]}") for old in world_files(path)]
    names = [
        (f"{path}.aux.xml", f"{new}.aux.xml"),
        *((old, name if name in others else others[0]) for old, name in kept),
    ]
    return [(old, there) for old, there in names if os.path.isfile(old)]


def _world(data: bytes) -> Transform | None:
    """Six lines: a, d, b, e, and the middle of the upper left pixel."""
    lines = data.decode("ascii", "replace").replace(",", ".").splitlines()
    found = _numbers(lines[:6])
    if found is None or len(found) != 6:
        return None
    a, d, b, e, x, y = found
    if (a == 0 and b == 0) or (d == 0 and e == 0):
        return None
    return a, b, x - (a + b) / 2, d, e, y - (d + e) / 2


def _numbers(texts: list[str]) -> list[float] | None:
    """The numbers in texts, if each holds one."""
    try:
        found = [float(text) for text in texts]
    except ValueError:
        return None
    return found if all(map(isfinite, found)) else None


def _read(file: str) -> bytes | None:
    """All of a small file; None if there is none that can be read."""
    if not os.path.exists(file):
        return None
    try:
        return read_regular(file, limit=LONGEST)
    except (OSError, ValueError):
        return None
