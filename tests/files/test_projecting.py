"""Polygons of one coordinate system on images of another: against the middle of each pixel, taken back to the polygon's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS

from segdata.errors import DataError
from segdata.files.geo import Geo
from segdata.files.projecting import TOLERANCE, moved_to_ground, moved_to_pixels, moved_to_system
from segdata.files.vectors.geojson import Feature, Features, burn, to_pixels
from segdata.windows import Window

LONLAT = CRS.from_user_input("OGC:CRS84")
BAHAMAS = ("EPSG:32618", (600.0, 0.0, 160000.0, 0.0, -600.0, 2790000.0), (125, 150))
FIJI = ("EPSG:32760", (2000.0, 0.0, 700000.0, 0.0, -2000.0, 8200000.0), (150, 150))
ARCTIC = ("EPSG:3995", (20000.0, 0.0, -2000000.0, 0.0, -20000.0, 2000000.0), (200, 200))
CENTRED = ("EPSG:3995", (20000.0, 0.0, -2010000.0, 0.0, -20000.0, 2010000.0), (201, 201))
ANTARCTIC = ("EPSG:3031", (20000.0, 0.0, -2000000.0, 0.0, -20000.0, 2000000.0), (200, 200))
BESIDE = ("EPSG:3995", (5000.0, 0.0, 20000.0, 0.0, -5000.0, 2000000.0), (200, 200))
WEB = ("EPSG:3857", (400000.0, 0.0, -20000000.0, 0.0, -400000.0, 20000000.0), (100, 100))
PLATE = ("EPSG:4326", (1.0, 0.0, -180.0, 0.0, -1.0, 90.0), (180, 360))
EASTERN = ("EPSG:4326", (1.0, 0.0, 0.0, 0.0, -1.0, 90.0), (180, 360))
EUROPE = ("EPSG:3035", (40000.0, 0.0, 2000000.0, 0.0, -40000.0, 5500000.0), (100, 112))
TURNED = ("EPSG:32618", (200.0, 100.0, 160000.0, 100.0, -200.0, 2760000.0), (250, 300))
OVAL = ("ESRI:54009", (200000.0, 0.0, -18500000.0, 0.0, -200000.0, 9500000.0), (95, 185))
DISC = ("+proj=ortho +lat_0=20 +lon_0=10", (100000.0, 0.0, -6600000.0, 0.0, -100000.0, 6600000.0), (132, 132))
WORLD = (-180.0, -90.0, 180.0, 90.0)


def box(left: float, bottom: float, right: float, top: float) -> Any:
    ring = [[left, bottom], [right, bottom], [right, top], [left, top], [left, bottom]]
    return {"type": "Polygon", "coordinates": [ring]}


def with_hole(outer: Any, inner: Any) -> Any:
    return {"type": "Polygon", "coordinates": [*outer["coordinates"], *inner["coordinates"]]}


def burnt(shapes: list[Any], crs: CRS | None, geo: Geo, size: tuple[int, int]) -> Any:
    found = Features(
        tuple(Feature(i, shape, {}) for i, shape in enumerate(shapes)), None if crs is None else crs.to_wkt()
    )
    polygons, problems = to_pixels(found, geo, "x", size=size)
    assert not problems
    return burn([(geometry, 1) for _, geometry in polygons], Window(0, 0, *size)) > 0


def expected(shapes: list[Any], crs: CRS, geo: Geo, size: tuple[int, int]) -> tuple[Any, Any]:
    """Which pixels' middles are in a polygon, and which of them are nearer to its border than twice the tolerance."""
    y, x = np.mgrid[: size[0], : size[1]].reshape(2, -1) + 0.5
    inside, near = np.zeros(len(x), bool), np.zeros(len(x), bool)
    for turn in (-360, 0, 360) if crs.is_geographic else (0,):
        sides = []
        for dx, dy in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
            pixels = np.stack([x + 2 * TOLERANCE * dx, y + 2 * TOLERANCE * dy], axis=1)
            there = moved_to_system(moved_to_ground(pixels, geo), CRS.from_wkt(geo.crs), crs) + np.array([turn, 0])
            sides.append(np.any([shapely.contains_xy(shapely.geometry.shape(s), *there.T) for s in shapes], axis=0))
        inside |= sides[0]
        near |= ~(np.all(sides, axis=0) | ~np.any(sides, axis=0))
    return inside.reshape(size), near.reshape(size)


CASES: dict[str, tuple[Any, list[Any]]] = {
    "small": (BAHAMAS, [box(-78, 24.2, -77.5, 25)]),
    "long edges": (BAHAMAS, [box(-125, 24, -66, 24.9)]),
    "long edges, a hole": (BAHAMAS, [with_hole(box(-120, 0, -20, 60), box(-110, 24.4, -77.6, 25))]),
    "triangle": (BAHAMAS, [{"type": "Polygon", "coordinates": [[[-100, 10], [-60, 12], [-77.3, 25], [-100, 10]]]}]),
    "the world": (BAHAMAS, [box(*WORLD)]),
    "others far away": (BAHAMAS, [box(-78, 24.2, -77.5, 25), box(100, 20, 101, 21), box(-75, 89, -74, 90), box(15, 0, 16, 1)]),
    "turned": (TURNED, [box(-78.2, 24.2, -77.5, 24.9)]),
    "over 180": (FIJI, [box(179, -17, 181, -16.5)]),
    "under -180": (FIJI, [box(-181, -17, -179, -16.5)]),
    "cut at 180": (FIJI, [{"type": "MultiPolygon", "coordinates": [box(179, -17, 180, -16.5)["coordinates"],
                                                                 box(-180, -17, -179, -16.5)["coordinates"]]}]),
    "the world at 180": (FIJI, [box(*WORLD)]),
    "round the pole": (ARCTIC, [box(-180, 80, 180, 90)]),
    "round the pole in a pixel's middle": (CENTRED, [box(-180, 80, 180, 90)]),
    "a ring round the pole": (ARCTIC, [with_hole(box(-180, 75, 180, 90), box(-180, 82, 180, 90))]),
    "a sector": (ARCTIC, [box(10, 70, 95, 90)]),
    "the south pole": (ANTARCTIC, [box(-180, -90, 180, -80), box(20, -80, 60, -70)]),
    "beside the pole": (BESIDE, [box(-180, 80, 180, 90)]),
    "the world on the web": (WEB, [box(*WORLD)]),
    "much on the web": (WEB, [box(-100, -50, 120, 60)]),
    "degrees on degrees": (PLATE, [box(-100, -50, 120, 60)]),
    "0 to 360": (EASTERN, [box(-100, -50, 120, 60)]),
    "Europe": (EUROPE, [box(-20, 35, 40, 60)]),
    "off the Earth": (OVAL, [box(-100, -40, 50, 60)]),
    "a disc": (DISC, [box(-30, -30, 40, 50)]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_pixel_is_inside_where_its_middle_is_on_the_ground(name: str) -> None:
    (crs, transform, size), shapes = CASES[name]
    geo = Geo(CRS.from_user_input(crs).to_wkt(), transform)
    inside, near = expected(shapes, LONLAT, geo, size)
    assert inside.any()
    wrong = (burnt(shapes, None, geo, size) != inside) & ~near
    seam = 2 * sum(size) if "round" in name or "world" in name else 0  # pixels whose middle is at 180 degrees
    assert np.count_nonzero(wrong) <= seam
    assert not wrong.any() or len({*np.nonzero(wrong)[0]}) == 1 or len({*np.nonzero(wrong)[1]}) == 1


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_edges_of_metres_bend_in_degrees_and_in_other_metres(seed: int) -> None:
    rng = np.random.default_rng(seed)
    utm, other = CRS.from_epsg(32618), CRS.from_epsg(32617)
    corners = rng.uniform((200000, 2600000), (800000, 3600000), (3, 2))
    shapes = [{"type": "Polygon", "coordinates": [[*corners.tolist(), corners[0].tolist()]]}]
    for crs, transform in (
        ("EPSG:4326", (0.12, 0.0, -79.0, 0.0, -0.12, 33.0)),
        (other, (12000.0, 0.0, 700000.0, 0.0, -12000.0, 3700000.0)),
    ):
        geo = Geo(CRS.from_user_input(crs).to_wkt(), transform)
        inside, near = expected(shapes, utm, geo, (75, 75))
        np.testing.assert_array_equal(burnt(shapes, utm, geo, (75, 75))[~near], inside[~near])


def test_neighbours_share_their_edge_and_none_is_between_them() -> None:
    """Polygons that meet at a long edge: each pixel is in one, whichever way round they are."""
    crs, transform, size = BAHAMAS
    geo = Geo(CRS.from_user_input(crs).to_wkt(), transform)
    for middle in (24.3, 24.6123, 24.9):
        low, high = box(-100, 20, -60, middle), box(-100, middle, -60, 30)
        both = sum(burnt([shape], None, geo, size).astype(int) for shape in (low, high))
        assert (both == 1).all()


def test_short_edges_get_no_more_points() -> None:
    crs, transform, size = BAHAMAS
    geo = Geo(CRS.from_user_input(crs).to_wkt(), transform)
    found = Features((Feature(0, box(-78, 24.5, -77.99, 24.51), {}),), None)
    ((_, geometry),), _ = to_pixels(found, geo, "x", size=size)
    assert len(geometry["coordinates"][0]) == 5
    corners = np.array(box(-78, 24.5, -77.99, 24.51)["coordinates"][0])
    moved = moved_to_pixels(moved_to_system(corners, LONLAT, CRS.from_wkt(geo.crs)), geo)
    np.testing.assert_allclose(geometry["coordinates"][0], moved, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        (box(24.3, -100, 24.8, -95), "100 is no latitude: are x and y swapped"),
        (box(160300, 2780000, 165000, 2785000), r"no latitude\).*--crs EPSG:32618, or EPSG:\.\.\., or pixel"),
        (box(100, 100, 200, 200), r"no latitude\).*--crs pixel, or EPSG:"),
        (box(4000, 10, 4010, 20), "is no longitude"),
    ],
)
def test_what_is_in_no_degrees_is_refused_with_what_it_may_be(shape: Any, told: str) -> None:
    crs, transform, size = BAHAMAS
    with pytest.raises(DataError, match=told):
        burnt([shape], None, Geo(CRS.from_user_input(crs).to_wkt(), transform), size)
