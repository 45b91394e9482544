"""Which polygons may lie on an image: never one too few, whatever the coordinate systems, and few too many."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rasterio._err import CPLE_BaseError
from rasterio.warp import transform

from segdata.errors import DataError
from segdata.files.geo import Geo
from segdata.files.vectors.geojson import Feature, Features, bounds, to_pixels
from segdata.files.vectors.nearby import boxes_of, may_touch

SIZE = (300, 500)

PLACES = {
    "EPSG:32632": [(9, 48), (6, 0.1), (12, 83)],
    "EPSG:32660": [(179.99, 10), (180, -5), (-179.98, 40)],
    "EPSG:3413": [(-45, 90), (100, 89.99), (10, 70), (180, 75)],
    "EPSG:3031": [(0, -90), (20, -89.999), (-120, -70), (-180, -75)],
    "EPSG:3857": [(0, 0), (179.99, 20), (-179.99, -60), (30, 84)],
    "EPSG:4326": [(0, 0), (179.99, 20), (-179.99, 60), (30, 89.9)],
    "EPSG:3035": [(10, 52), (-30, 40)],
}
"""Coordinate systems of images, and where in them these lie: plain places, poles and the antimeridian."""

VECTORS = ("OGC:CRS84", "EPSG:3857", "EPSG:4258", "EPSG:3413", "EPSG:3031", "EPSG:3035", "EPSG:32632", "EPSG:32601")


def image_at(crs: str, lon: float, lat: float, pixel: float, turn: float) -> Geo:
    """An image of SIZE about a place, with pixels of some metres, turned by an angle."""
    known = rasterio.crs.CRS.from_user_input(crs)
    (x,), (y,) = transform("OGC:CRS84", known, [lon], [lat])
    step = pixel / 111_000 if known.is_geographic else pixel
    a, b, d, e = np.array([math.cos(turn), math.sin(turn), math.sin(turn), -math.cos(turn)]) * step
    height, width = SIZE
    affine = (a, b, x - a * width / 2 - b * height / 2, d, e, y - d * width / 2 - e * height / 2)
    return Geo(known.to_wkt(), tuple(map(float, affine)))  # type: ignore[arg-type]


def triangle(geo: Geo, crs: str, y: float, x: float, side: float) -> Any:
    """One in a coordinate system, whose upper left corner is a pixel of an image; None if it does not lie there."""
    a, b, c, d, e, f = geo.transform
    corners = [(x, y), (x + side, y), (x, y + side), (x, y)]
    try:
        xs, ys = transform(
            geo.crs, crs, *zip(*((a * x + b * y + c, d * x + e * y + f) for x, y in corners), strict=True)
        )
    except CPLE_BaseError:
        return None
    ring = [list(point) for point in zip(xs, ys, strict=True)]
    return {"type": "Polygon", "coordinates": [ring]} if np.isfinite(ring).all() else None


def on(geo: Geo, found: Features, crs: str) -> dict[int, Any]:
    """The polygons that touch an image, in its pixels."""
    polygons, _ = to_pixels(found, geo, "x", crs=crs, size=SIZE)
    boxes = {feature.number: (bounds(geometry), geometry) for feature, geometry in polygons}
    return {
        number: geometry
        for number, ((top, left, bottom, right), geometry) in boxes.items()
        if bottom > 0 and right > 0 and top < SIZE[0] and left < SIZE[1]
    }


@settings(max_examples=100)
@given(
    st.sampled_from([(crs, place) for crs, places in PLACES.items() for place in places]),
    st.sampled_from(VECTORS),
    st.floats(0.1, 300),
    st.floats(0, 6),
    st.integers(0, 2**32 - 1),
)
def test_none_that_touches_is_left_out(where: Any, crs: str, pixel: float, turn: float, seed: int) -> None:
    geo = image_at(where[0], *where[1], pixel, turn)
    rng = np.random.default_rng(seed)
    drawn = [triangle(geo, crs, *rng.uniform(-0.1, 1.1, 2) * SIZE, rng.uniform(0.1, 30)) for _ in range(60)]
    there = [geometry for geometry in drawn if geometry is not None]
    found, untold = (
        Features(tuple(Feature(i, geometry, {}) for i, geometry in enumerate(there)), None) for _ in range(2)
    )
    vars(untold)["boxes"] = np.full((len(there), 4), np.nan)  # so that all are looked at
    try:
        all_of_them = on(geo, untold, crs)
    except DataError:
        assume(False)
    assert on(geo, found, crs) == all_of_them


def test_few_are_looked_at() -> None:
    """Of polygons all over the world those about the image, and those that cannot be told."""
    geo = image_at("EPSG:32632", 9, 48, 1, 0.3)
    lons, lats = np.meshgrid(np.arange(-180, 180) + 0.5, np.arange(-90, 90) + 0.5)
    boxes = np.stack([lons, lats, lons + 0.001, lats + 0.001], -1).reshape(-1, 4)
    near = np.array([[9, 48, 9.001, 48.001]])
    odd = np.array([[np.nan] * 4, [-179, 0, 179, 1], [500, 0, 501, 1], [0, 95, 1, 96]])
    assert may_touch(np.concatenate([boxes, near, odd]), geo, SIZE, "OGC:CRS84").tolist() == [
        len(boxes) + i for i in range(5)
    ]


@pytest.mark.parametrize("place", [(179.9999, 10), (-179.9999, 10), (30, 88)])
def test_all_are_looked_at_for_an_image_at_the_end_of_the_world(place: tuple[float, float]) -> None:
    boxes = np.array([[-179.9, 9, -179, 10], [0, 0, 1, 1], [179, 9, 179.9, 10]])
    crs = "EPSG:32660" if place[1] < 80 else "EPSG:4326"
    geo = image_at(crs, *place, 1 if place[1] < 80 else 2_000, 0)
    assert may_touch(boxes, geo, SIZE, "OGC:CRS84" if place[1] < 80 else "EPSG:4258").tolist() == [0, 1, 2]


@pytest.mark.parametrize("crs", ["nonsense", "EPSG:99999999"])
def test_what_has_no_coordinate_system_that_is_known_is_looked_at(crs: str) -> None:
    geo = image_at("EPSG:32632", 9, 48, 1, 0)
    assert may_touch(np.zeros((3, 4)), geo, SIZE, crs).tolist() == [0, 1, 2]


def test_an_image_that_lies_nowhere_has_its_pixels() -> None:
    boxes = np.array([[-600, 0, -500, 1], [0, 0, 1, 1], [499, 299, 900, 900], [0, 400, 1, 401.0]])
    assert may_touch(boxes, Geo(), SIZE, "OGC:CRS84").tolist() == [1, 2]


def test_boxes() -> None:
    hole = [[5, 5], [30, 5], [5, 9], [5, 5]]
    ring = [[0, 1, 7], [10, 1, 7], [10, 20, 7], [0, 1, 7]]
    good = {"type": "Polygon", "coordinates": [ring, hole]}
    several = {"type": "MultiPolygon", "coordinates": [[hole], [ring]]}
    odd: list[Any] = [
        None, "Polygon", {"type": "Polygon"}, {"type": "Polygon", "coordinates": []}, {"type": ["Polygon"]},
        {"type": "Point", "coordinates": [1, 2]}, {"type": "Polygon", "coordinates": [[["a", "b"]] * 4]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, math.nan], [1, 1], [0, 0]]]},
        {"type": "Polygon", "coordinates": [[[10**400, 0], [1, 1], [1, 1], [0, 0]]]},
    ]  # fmt: skip
    boxes = boxes_of([good, several, *odd])
    np.testing.assert_array_equal(boxes[:2], [[0, 1, 30, 20]] * 2)
    assert np.isnan(boxes[2:]).all()
    assert boxes_of([]).shape == (0, 4)
