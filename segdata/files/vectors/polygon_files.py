"""Files of the polygons of a mask: GeoJSON in longitude and latitude, GeoJSON for QuPath, and GeoPackage."""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.files.crs import parse_wkt
from segdata.files.drafts import local_draft
from segdata.files.geo import Geo
from segdata.files.projecting import moved_to_ground
from segdata.files.remote import Place
from segdata.files.vectors.geojson import write_features
from segdata.files.vectors.lonlat import coordinates_of, to_lonlat
from segdata.files.vectors.polygons import OFF_EARTH, Polygons, Regions, polygons_of, rings_of, trace
from segdata.labels import Label, Labels

LAYER = "polygons"
"""What the layer of a GeoPackage is called."""

MADE = "2000-01-01T00:00:00.000Z"
"""When a GeoPackage says that it was changed: the same polygons give the same bytes."""

_DATE = threading.Lock()
"""GDAL's date is one for all threads, and so are the filters of warnings."""


class Written(NamedTuple):
    """How many polygons a file has, and how many were left out, by why: see `polygons`."""

    polygons: int
    left_out: dict[str, int]


def write_polygons(
    root: Place, id: str, mask: NDArray[Any] | Place, labels: Labels, geo: Geo, how: Polygons
) -> Written:
    """Write the regions of a mask, (H, W) or a file of it, of an image that lies at `geo`: vectors/<id>.geojson or .gpkg.

    Features have `class` and `class_id`, for QuPath a classification.
    """
    left_out: Counter[str] = Counter()
    found = trace(mask, labels, how, left_out)
    if how.vector_format == "gpkg":
        count = _write_gpkg(root / f"vectors/{id}.gpkg", found, labels, geo)
    else:
        features = (
            _for_qupath(found, labels) if how.vector_format == "qupath" else _on_earth(found, labels, geo, left_out)
        )
        count = write_features(root / f"vectors/{id}.geojson", features)
    return Written(count, {why: n for why, n in sorted(left_out.items()) if n})


def written_json(files: Iterable[Written]) -> dict[str, Any]:
    """What a receipt says of them together: `polygons`, and if any were left out, how many by why."""
    files, left_out = list(files), Counter[str]()
    for one in files:
        left_out.update(one.left_out)
    more = {"polygons_left_out": dict(sorted(left_out.items()))} if left_out else {}
    return {"polygons": sum(one.polygons for one in files), **more}


def _on_earth(found: Iterable[Regions], labels: Labels, geo: Geo, left_out: Counter[str]) -> Iterator[dict[str, Any]]:
    """Features in longitude and latitude if the image has a coordinate system, else as its transform says."""
    for regions in found:
        geometries = to_lonlat(regions.shapes, geo) if geo.crs is not None else geometries_of(regions.shapes, geo)
        for geometry, id in zip(geometries, regions.ids.tolist(), strict=True):
            if geometry is None:
                left_out[OFF_EARTH] += 1
                continue
            properties = {"class": labels.name(id), "class_id": id}
            yield {"type": "Feature", "properties": properties, "geometry": geometry}


def _for_qupath(found: Iterable[Regions], labels: Labels) -> Iterator[dict[str, Any]]:
    """Annotations as QuPath has them: pixels, and a class with its colour. (QuPath 0.3 and newer, "Import objects".)"""
    for regions in found:
        for geometry, id in zip(geometries_of(regions.shapes), regions.ids.tolist(), strict=True):
            yield {"type": "Feature", "geometry": geometry, "properties": annotation_of(labels.classes[id])}


def features_in_pixels(mask: NDArray[Any], labels: Labels, how: Polygons) -> Iterator[dict[str, Any]]:
    """The regions of (H, W) class ids as features of GeoJSON with `class` and `class_id`, in pixels: x to the right, y down."""
    for regions in trace(mask, labels, how, Counter()):
        for geometry, id in zip(geometries_of(regions.shapes), regions.ids.tolist(), strict=True):
            properties = {"class": labels.name(id), "class_id": id}
            yield {"type": "Feature", "properties": properties, "geometry": geometry}


def annotation_of(label: Label) -> dict[str, Any]:
    """The properties of a region as QuPath has them."""
    return {"objectType": "annotation", "classification": {"name": label.name, "color": list(label.color)}}


def geometries_of(shapes: NDArray[Any], geo: Geo | None = None) -> list[dict[str, Any]]:
    """Polygons in pixels -> GeoJSON geometries in the coordinates of the image; by default in pixels."""
    points, rings, parts = rings_of(shapes)
    moved = moved_to_ground(points, geo or Geo())
    return [{"type": "Polygon", "coordinates": one} for one in coordinates_of(moved, rings, parts)]


def _write_gpkg(path: Place, found: Iterable[Regions], labels: Labels, geo: Geo) -> int:
    """A GeoPackage of one layer in the coordinates of the image; returns how many polygons it has."""
    import pyogrio
    import shapely

    every = list(found)
    ids = np.concatenate([np.zeros(0, np.int64), *(regions.ids for regions in every)])
    points, rings, parts = rings_of(np.concatenate([np.zeros(0, object), *(regions.shapes for regions in every)]))
    shapes = polygons_of(moved_to_ground(points, geo), rings, parts)
    crs = None if geo.crs is None else parse_wkt(geo.crs).to_wkt()
    names = np.array([labels.name(id) for id in ids.tolist()], object)
    with local_draft(path) as here, _DATE, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that an image lies nowhere
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": MADE})
        try:
            pyogrio.raw.write(
                here, shapely.to_wkb(shapes), [names, ids.astype(np.int32)], ["class", "class_id"], layer=LAYER,
                driver="GPKG", geometry_type="Polygon", crs=crs,
            )  # fmt: skip
        finally:
            pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
    return len(ids)
