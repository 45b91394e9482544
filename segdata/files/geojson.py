"""GeoJSON: its polygons on the pixels of an image, burnt into masks, and masks traced to polygons. rasterio does the geometry.

Coordinates are longitude and latitude (RFC 7946) unless the file's `crs` member, which older writers leave, or the caller says
otherwise. An image without a coordinate system takes them as pixels: x to the right, y down, (0, 0) its upper left corner. A
pixel is inside a polygon where its middle is.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem, raise_exhausted, reason
from segdata.files.crs import parse_crs
from segdata.files.drafts import local_draft
from segdata.files.gdal import load_rasterio, opened
from segdata.files.geo import Geo
from segdata.files.nearby import Boxes, boxes_of, may_touch
from segdata.files.places import read_bytes
from segdata.files.remote import Place
from segdata.labels import Labels
from segdata.windows import Window

LONLAT = "OGC:CRS84"

PIXELS = "pixel"
"""What `crs` is called if coordinates are pixels."""

SURFACES = ("Polygon", "MultiPolygon")

NO_RINGS = "its coordinates are no rings of four points or more"

Geometry = dict[str, Any]
"""A GeoJSON geometry."""


class Feature(NamedTuple):
    """One feature: its place in the file, its geometry, and its properties."""

    number: int
    geometry: Geometry | None
    properties: dict[str, Any]


@dataclass(frozen=True)
class Features:
    """A file's features; `crs` is the coordinate system that it names, or None."""

    features: tuple[Feature, ...]
    crs: str | None

    @cached_property
    def boxes(self) -> Boxes:
        """(N, 4) their bounding boxes, found once per file: see `boxes_of`."""
        return boxes_of(feature.geometry for feature in self.features)


def read_features(path: str | Place) -> Features:
    """The features of a GeoJSON file: a collection, one feature, or a geometry. Raises `DataError` (`geojson.*`)."""
    try:
        data = msgspec.json.decode(read_bytes(path))
        kind = data["type"]
        if kind == "FeatureCollection":
            rows = data["features"]
        else:
            rows = [data] if kind == "Feature" else [{"geometry": data, "properties": {}}]
        features = tuple(Feature(i, row["geometry"], dict(row.get("properties") or {})) for i, row in enumerate(rows))
        crs = data.get("crs")
        return Features(features, None if crs is None else str(crs["properties"]["name"]))
    except OSError as error:
        raise_exhausted(error, path)
        raise DataError(Problem("geojson.missing", f"cannot be read: {error.strerror}", file=str(path))) from error
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        what = f"not a GeoJSON FeatureCollection ({reason(error)})"
        raise DataError(Problem("geojson.unreadable", what, file=str(path))) from error


def to_pixels(
    found: Features,
    geo: Geo,
    file: str,
    *,
    crs: str | None = None,
    option: str = "--crs",
    size: tuple[int, int] | None = None,
) -> tuple[list[tuple[Feature, Geometry]], list[Problem]]:
    """The polygons among the features in pixel coordinates of an image that lies at `geo`, and a line for each other one.

    `crs` is their coordinate system as the caller says it by an `option`, over the file's own (neither: longitude and
    latitude if the image has one, else that of the image, else pixels). With the `size` (height, width) of the image,
    features that are far from it are passed over. Raises `DataError` (`geojson.crs`), also if the caller names one and the
    image lies nowhere.
    """
    if crs not in (None, PIXELS) and not geo.placed:
        what = f"{option} {crs}, but the image has no coordinates: give polygons in its pixels, and {option} {PIXELS}"
        raise DataError(Problem("geojson.crs", what, file=file))
    crs = crs or found.crs
    there, problems = [], []
    readable = np.isfinite(found.boxes[:, 0])
    for i in range(len(found.features)) if size is None else _near(found, geo, size, crs):
        feature = found.features[i]
        kind = feature.geometry.get("type") if isinstance(feature.geometry, dict) else None
        if kind not in SURFACES:
            kind = "nothing" if kind is None else str(kind)[:40]
            problems.append(Problem("geojson.geometry", f"{kind} is no polygon", file=file, annotation=feature.number))
        elif not readable[i]:
            problems.append(Problem("geojson.geometry", NO_RINGS, file=file, annotation=feature.number))
        else:
            there.append(feature)
    geometries = _projected([f.geometry or {} for f in there], crs, geo, file, option)
    a, b, c, d, e, f = geo.transform if crs != PIXELS else Geo().transform
    inverse = np.linalg.inv(np.array([[a, b], [d, e]]))
    moved = []
    for feature, geometry in zip(there, geometries, strict=True):
        try:
            coordinates = _mapped(geometry["coordinates"], inverse, np.array([c, f]), geometry["type"])
        except (ValueError, TypeError, KeyError, IndexError):
            problems.append(Problem("geojson.geometry", NO_RINGS, file=file, annotation=feature.number))
            continue
        moved.append((feature, {"type": geometry["type"], "coordinates": coordinates}))
    return moved, problems


def bounds(geometry: Geometry) -> tuple[float, float, float, float]:
    """The least and the most of a polygon: top, left, bottom, right."""
    parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    points = np.concatenate([np.asarray(ring) for part in parts for ring in part])
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return float(top), float(left), float(bottom), float(right)


def burn(
    shapes: Iterable[tuple[Geometry, int]], window: Window, *, fill: int = 0, all_touched: bool = False
) -> NDArray[np.int32]:
    """Polygons in pixel coordinates with their values -> (h, w) int32 of a window, the later over the earlier, else `fill`.

    `all_touched`: also pixels that a polygon merely touches.
    """
    from rasterio.features import rasterize

    rasterio = load_rasterio()
    shapes = [(_off_edge(geometry, window.right), value) for geometry, value in shapes] if all_touched else list(shapes)
    if not shapes:
        return np.full((window.height, window.width), fill, np.int32)
    with _quietly():
        burnt: NDArray[np.int32] = rasterize(
            shapes,
            out_shape=(window.height, window.width),
            transform=rasterio.Affine(1, 0, window.x, 0, 1, window.y),
            fill=fill,
            all_touched=all_touched,
            dtype="int32",
        )
    return burnt


def _off_edge(geometry: Geometry, right: int) -> Geometry:
    """A polygon whose corners at exactly the right edge of a window are a hair further to the right.

    GDAL (3.10) draws a line that comes from such a corner above the window beyond the end of a row: into the next one, or
    into other memory.
    """
    if geometry["type"] == "MultiPolygon":
        polygons = [{"type": "Polygon", "coordinates": part} for part in geometry["coordinates"]]
        return {**geometry, "coordinates": [_off_edge(polygon, right)["coordinates"] for polygon in polygons]}
    if not any(point[0] == right for ring in geometry["coordinates"] for point in ring):
        return geometry
    beyond = math.nextafter(right, math.inf)
    moved = [[[beyond if x == right else x, y] for x, y in ring] for ring in geometry["coordinates"]]
    return {**geometry, "coordinates": moved}


def trace(mask: NDArray[Any] | Place, labels: Labels, geo: Geo) -> Iterator[dict[str, Any]]:
    """The regions of a mask, (H, W) or a file of it, as GeoJSON features with `class` and `class_id`; ignored pixels have none.

    Pixels that touch at a corner alone are not connected. Coordinates are longitude and latitude if the image has a
    coordinate system, else pixels. A file is read row by row, so memory grows with its polygons, not its pixels.
    """
    from rasterio.features import shapes
    from rasterio.warp import transform_geom

    rasterio = load_rasterio()
    affine = rasterio.Affine(*geo.transform)
    with _quietly(), ExitStack() as stack:
        source = rasterio.band(stack.enter_context(opened(mask, "mask")), 1) if isinstance(mask, Place) else mask
        for geometry, value in shapes(source, connectivity=4, transform=affine):
            class_id = int(value)
            if class_id == labels.ignore:
                continue
            if geo.crs is not None:
                geometry = transform_geom(rasterio.crs.CRS.from_wkt(geo.crs), parse_crs(LONLAT), geometry)
            properties = {"class": labels.name(class_id), "class_id": class_id}
            yield {"type": "Feature", "properties": properties, "geometry": geometry}


def write_features(path: str | Place, features: Iterable[Mapping[str, Any]]) -> int:
    """Write GeoJSON, a feature a line; returns how many."""
    encoder = msgspec.json.Encoder()
    count = 0
    with local_draft(path) as here, open(here, "wb") as file:
        file.write(b'{"type":"FeatureCollection","features":[')
        for count, feature in enumerate(features, 1):
            file.write((b",\n" if count > 1 else b"\n") + encoder.encode(feature))
        file.write(b"\n]}\n")
    return count


def _near(found: Features, geo: Geo, size: tuple[int, int], crs: str | None) -> Iterable[int]:
    """The places of the features that may lie on an image, ascending; of all, if they are in its pixels."""
    if crs == PIXELS or not geo.placed:
        return range(len(found.features))
    near: list[int] = may_touch(found.boxes, geo, size, crs or LONLAT).tolist()
    return near


def _projected(geometries: list[Geometry], crs: str | None, geo: Geo, file: str, option: str) -> list[Geometry]:
    """In the coordinate system of the image."""
    from rasterio._err import CPLE_BaseError  # what GDAL says of single points; no other module has it
    from rasterio.warp import transform_geom

    rasterio = load_rasterio()
    if geo.crs is None or crs == PIXELS or not geometries:
        return geometries
    source = crs or LONLAT
    try:
        old, new = parse_crs(source), rasterio.crs.CRS.from_wkt(geo.crs)
        if old == new:
            return geometries
        with _quietly():
            return list(transform_geom(old, new, geometries))
    except (rasterio.errors.RasterioError, CPLE_BaseError, ValueError, TypeError, KeyError, IndexError) as error:
        reason = str(error).partition(", but")[0]  # GDAL goes on with an option of its own
        what = f"its coordinates are not of {source} ({reason}): say which they are of ({option} EPSG:..., or {PIXELS})"
        raise DataError(Problem("geojson.crs", what, file=file)) from error


def _mapped(coordinates: Any, inverse: NDArray[Any], origin: NDArray[Any], kind: str) -> Any:
    """The rings of a polygon, or of several, moved to pixels."""
    if kind == "MultiPolygon":
        return [_mapped(part, inverse, origin, "Polygon") for part in coordinates]
    rings = []
    for ring in coordinates:
        points = np.asarray([point[:2] for point in ring], np.float64)
        if points.ndim != 2 or points.shape[0] < 4 or not np.isfinite(points).all():
            raise ValueError("no ring")
        with np.errstate(over="ignore", invalid="ignore"):
            moved = (points - origin) @ inverse.T
        if not np.isfinite(moved).all():
            raise ValueError("no ring")
        rings.append(moved.tolist())
    if not rings:
        raise ValueError("no ring")
    return rings


@contextmanager
def _quietly() -> Iterator[None]:
    """Without rasterio's remarks on images that lie nowhere, and on its own use of another package."""
    rasterio = load_rasterio()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        yield
