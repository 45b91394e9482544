"""How large a pixel is on the ground: by projections that stretch it, and by those that hardly do."""

from __future__ import annotations

import math

import pytest
import rasterio
from rasterio.warp import transform

from segdata.errors import DataError
from segdata.files.crs import AXIS, metres_per_degree
from segdata.files.geo import Geo
from segdata.files.resolution import ground_metres, ground_sides

SIZE = (100, 80)


def placed(crs: str, place: tuple[float, float], pixel: float = 0.5) -> Geo:
    """An image of `SIZE` whose middle has this longitude and latitude."""
    (x,), (y,) = transform("EPSG:4326", crs, [place[0]], [place[1]])
    wkt = rasterio.crs.CRS.from_user_input(crs).to_wkt()
    return Geo(wkt, (pixel, 0, x - pixel * SIZE[1] / 2, 0, -pixel, y + pixel * SIZE[0] / 2))


@pytest.mark.parametrize("latitude", [-75, -40, 20, 60])
def test_web_mercator_is_a_sphere_that_grows_towards_the_poles(latitude: float) -> None:
    """A metre of it is 1 / R of a radian of longitude, and the cosine of the latitude of one of latitude."""
    east, north = metres_per_degree(latitude)
    radian = math.degrees(1 / AXIS)
    expected = north * radian * math.cos(math.radians(latitude)), east * radian
    for pixel in (0.1, 10.0):
        found = ground_sides(placed("EPSG:3857", (10, latitude), pixel), SIZE)
        assert found == pytest.approx([pixel * side for side in expected], rel=1e-6)
    assert ground_metres(placed("EPSG:3857", (10, latitude), 2.0), SIZE, "a.tif") == pytest.approx(
        2 * math.sqrt(math.prod(expected)), rel=1e-6
    )


@pytest.mark.parametrize(
    ("crs", "place"),
    [("EPSG:32633", (15, 50)), ("EPSG:2154", (3, 46)), ("EPSG:3413", (0, 70)), ("EPSG:3857", (10, 0))],
)
def test_metres_of_a_projection_that_hardly_stretches_are_taken_as_they_are(
    crs: str, place: tuple[float, float]
) -> None:
    assert ground_sides(placed(crs, place), SIZE) == (0.5, 0.5)


def test_a_foot_is_a_part_of_a_metre() -> None:
    assert ground_sides(placed("EPSG:2263", (-73.9, 40.7), 3), SIZE) == pytest.approx([0.9144018] * 2)


def test_at_the_pole_there_is_no_east() -> None:
    """The scale of EPSG:3413 is 1 at 70 degrees north, and (1 + sin 70) / 2 at the pole."""
    scale = (1 + math.sin(math.radians(70))) / 2
    assert ground_sides(placed("EPSG:3413", (-45, 90), 30), SIZE) == pytest.approx([30 / scale] * 2, rel=1e-3)


def test_a_projection_that_slants_pixels_is_refused() -> None:
    with pytest.raises(DataError, match=r"no rectangles on the ground: warp it first .*\[image.square\]"):
        ground_sides(placed("ESRI:54009", (100, 60)), SIZE)


@pytest.mark.parametrize("crs", [None, 'LOCAL_CS["site",UNIT["metre",1]]'])
def test_what_does_not_lie_on_the_earth_has_no_metres(crs: str | None) -> None:
    assert ground_sides(Geo(crs, (2, 0, 0, 0, -2, 0)), SIZE) is None


def test_a_projection_without_a_place_there_is_taken_as_it_is() -> None:
    wkt = rasterio.crs.CRS.from_user_input("ESRI:54009").to_wkt()
    assert ground_sides(Geo(wkt, (2, 0, 1e9, 0, -2, 1e9)), SIZE) == (2, 2)
