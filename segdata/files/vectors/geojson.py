"""GeoJSON: its polygons on the pixels of an image, burnt into masks, and features written. rasterio does the geometry.

Coordinates are longitude and latitude (RFC 7946) unless the file's `crs` member, which older writers leave, or the caller says
otherwise. An image without a coordinate system takes them as pixels: x to the right, y down, (0, 0) its upper left corner. A
pixel is inside a polygon where its middle is. Edges are straight in the file's coordinates (`projecting`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files.crs import parse_crs, parse_wkt, system_name
from segdata.files.drafts import local_draft
from segdata.files.gdal import load_rasterio
from segdata.files.geo import Geo
from segdata.files.projecting import Part, moved_to_pixels, project
from segdata.files.remote import Place
from segdata.files.vectors.nearby import Boxes, boxes_of, may_touch
from segdata.windows import Window

LONLAT = "OGC:CRS84"

PIXELS = "pixel"
"""What `crs` is called if coordinates are pixels."""

SURFACES = ("Polygon", "MultiPolygon")

NO_RINGS = "its coordinates are no rings of four points or more"

FARTHEST = 1e150
"""No coordinate is larger: sums of squares would be infinite."""

Geometry = dict[str, Any]
"""A GeoJSON geometry."""


class Feature(NamedTuple):
    """One feature: its place in the file, its geometry, and its properties."""

    number: int
    geometry: Geometry | None
    properties: dict[str, Any]


@dataclass(frozen=True)
class Features:
    """A file's features; `crs` is the coordinate system that it names, `pixel`, or None.

    `lonlat`: where it names none, coordinates are longitude and latitude, as in GeoJSON; if not, nothing says what they are.
    """

    features: tuple[Feature, ...]
    crs: str | None
    lonlat: bool = True

    @cached_property
    def boxes(self) -> Boxes:
        """(N, 4) their bounding boxes, found once per file: see `boxes_of`."""
        return boxes_of(feature.geometry for feature in self.features)

    def system(self, geo: Geo, file: str, *, crs: str | None = None, option: str = "--crs") -> str | None:
        """What the coordinates are of for an image that lies at `geo`; None if they are its own, or its pixels.

        `crs` is what the caller says by an `option`, over the file's own. Raises `DataError` (`geojson.crs`).
        """
        crs = crs or self.crs
        if geo.crs is None or crs == PIXELS:
            return None
        if crs is None and not self.lonlat:
            what = "does not say which coordinate system it is in, as a shapefile without .prj"
            what += f": give {option} EPSG:..., or {option} {PIXELS}"
            raise DataError(Problem("geojson.crs", what, file=file))
        return crs or LONLAT


def to_pixels(
    found: Features, geo: Geo, file: str, *, size: tuple[int, int], crs: str | None = None, option: str = "--crs"
) -> tuple[list[tuple[Feature, Geometry]], list[Problem]]:
    """The polygons among the features in pixel coordinates of an image of `size` (height, width) that lies at `geo`, and a
    line for each other feature. Of polygons that reach far beyond the image the near part is given, of those that are far
    away nothing.

    `crs` is their coordinate system as the caller says it by an `option`, over the file's own (neither: longitude and
    latitude if the image has one, else that of the image, else pixels). Raises `DataError` (`geojson.crs`), also
    if the caller names one and the image lies nowhere.
    """
    if (crs or found.crs) != PIXELS and geo.loose is not None:
        what = f"the image {geo.loose}; or give polygons in its pixels, and {option} {PIXELS}"
        raise DataError(Problem("geojson.crs", what, file=file))
    if crs not in (None, PIXELS) and not geo.placed:
        what = f"{option} {crs}, but the image has no coordinates: give polygons in its pixels, and {option} {PIXELS}"
        raise DataError(Problem("geojson.crs", what, file=file))
    found.system(geo, file, crs=crs, option=option)
    crs = crs or found.crs
    there, polygons, problems = [], [], []
    for feature in (found.features[i] for i in _near(found, geo, size, crs)):
        try:
            polygons.append(_parts(feature.geometry))
            there.append(feature)
        except ValueError as error:
            problems.append(Problem("geojson.geometry", str(error), file=file, annotation=feature.number))
    projected = _projected(polygons, crs, geo, size, file, option)
    moved = [(feature, _geometry(parts)) for feature, parts in zip(there, projected, strict=True) if parts]
    return moved, problems


def parts_of(geometry: Geometry) -> Sequence[Any]:
    """The coordinates of each polygon of one or several: rings, the outer one first."""
    coordinates: Any = geometry["coordinates"]
    return [coordinates] if geometry["type"] == "Polygon" else list(coordinates)


def bounds(geometry: Geometry) -> tuple[float, float, float, float]:
    """The least and the most of a polygon: top, left, bottom, right."""
    x, y = zip(*(point for part in parts_of(geometry) for ring in part for point in ring), strict=True)
    return min(y), min(x), max(y), max(x)


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
    parts = parts_of(geometry)
    if not any(point[0] == right for part in parts for ring in part for point in ring):
        return geometry
    beyond = math.nextafter(right, math.inf)
    moved = [[[[beyond if x == right else x, y] for x, y in ring] for ring in part] for part in parts]
    return {"type": "MultiPolygon", "coordinates": moved}


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


def _projected(
    polygons: list[list[Part]], crs: str | None, geo: Geo, size: tuple[int, int], file: str, option: str
) -> list[list[Part]]:
    """In pixels of the image."""
    rasterio = load_rasterio()
    if geo.crs is None or crs == PIXELS:
        place = Geo() if crs == PIXELS else geo
        return [[[moved_to_pixels(ring, place) for ring in part] for part in parts] for parts in polygons]
    source = crs or LONLAT
    try:
        return project(polygons, parse_crs(source), parse_wkt(geo.crs), geo, size)
    except (rasterio.errors.RasterioError, ValueError) as error:
        ways = _ways(polygons, geo, size)
        what = f"its coordinates are not of {source} ({error}): say which they are of ({option} {ways})"
        raise DataError(Problem("geojson.crs", what, file=file)) from error


def _ways(polygons: list[list[Part]], geo: Geo, size: tuple[int, int]) -> str:
    """The coordinate systems that they may be of, the one first in which they are on the image."""
    points = np.concatenate([part[0] for parts in polygons for part in parts])
    ways = ["EPSG:...", PIXELS]
    for name, place in ((PIXELS, Geo()), (system_name(geo.crs or ""), geo)):
        low, high = (f(moved_to_pixels(points, place), axis=0) for f in (np.min, np.max))
        if (high > 0).all() and (low < [size[1], size[0]]).all():
            ways = [name, *(way for way in ways if way != name)]
    return ", or ".join(ways)


def _parts(geometry: Any) -> list[Part]:
    """The rings of a polygon, or of several. Raises `ValueError` for anything else."""
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in SURFACES:
        raise ValueError(f"{'nothing' if kind is None else str(kind)[:40]} is no polygon")
    try:
        found = [[_ring(ring) for ring in part] for part in parts_of(geometry)]
        if found and all(found):
            return found
    except (ValueError, TypeError, KeyError, IndexError):
        pass
    raise ValueError(NO_RINGS)


def _ring(points: Any) -> NDArray[np.float64]:
    """(N, 2), closed."""
    ring = np.asarray([point[:2] for point in points], np.float64)
    if ring.ndim != 2 or ring.shape[0] < 4 or not (np.abs(ring) <= FARTHEST).all():
        raise ValueError("no ring")
    return ring if (ring[0] == ring[-1]).all() else np.concatenate([ring, ring[:1]])


def _geometry(parts: list[Part]) -> Geometry:
    """GeoJSON of a polygon, or of several."""
    rings = [[ring.tolist() for ring in part] for part in parts]
    if len(rings) == 1:
        return {"type": "Polygon", "coordinates": rings[0]}
    return {"type": "MultiPolygon", "coordinates": rings}


@contextmanager
def _quietly() -> Iterator[None]:
    """Without rasterio's remarks on images that lie nowhere, and on its own use of another package."""
    rasterio = load_rasterio()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        yield
