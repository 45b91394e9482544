"""Lines and points with a width, against distances measured pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rasterio.warp import transform_geom
from shapely.geometry import mapping, shape

from segdata.errors import DataError
from segdata.files.crs import metres_per_degree
from segdata.files.geo import Geo
from segdata.files.vectors.geojson import Feature, Features, burn, to_pixels
from segdata.files.vectors.widths import paintable, widened
from segdata.windows import Window

LINE = {"type": "LineString", "coordinates": [[3, 4], [25, 9], [12, 25]]}
POINT = {"type": "Point", "coordinates": [10, 12]}
BOX = dict(mapping(shapely.box(0, 0, 4, 4)))


def features(*geometries: Any, crs: str | None = None) -> Features:
    return Features(tuple(Feature(i, geometry, {}) for i, geometry in enumerate(geometries)), crs)


def near(geometry: Any, width: float, edge: float) -> tuple[Any, Any]:
    """Which pixels' middles are surely, and which perhaps, within half a width; `edge`: what is not sure."""
    x, y = np.meshgrid(np.arange(30) + 0.5, np.arange(30) + 0.5)
    distances = shapely.distance(shape(geometry), shapely.points(x, y))
    return distances < width / 2 - edge, distances < width / 2 + edge


@settings(max_examples=30)
@example(2.0, [(2.0, 3.0), (2.0, 2.0), (3.0, 3.0), (3.0, 2.0), (2.0, 3.0)])  # closed, and crosses itself
@given(st.floats(0.5, 9), st.lists(st.tuples(st.floats(2, 28), st.floats(2, 28)), min_size=1, max_size=5))
def test_pixels_within_half_a_width(width: float, points: list[tuple[float, float]]) -> None:
    kind = "LineString" if len(points) > 1 else "Point"
    geometry = {"type": kind, "coordinates": points if len(points) > 1 else points[0]}
    ((_, polygon),), problems = to_pixels(widened(features(geometry), width, None), Geo(), "a", size=(30, 30))
    found = burn([(polygon, 1)], Window(0, 0, 30, 30)) > 0
    surely, perhaps = near(geometry, width, 0.02)
    assert not problems
    assert found[surely].all()
    assert not found[~perhaps].any()


@pytest.mark.parametrize(("code", "latitude"), [(32632, 48), (32632, 0.5), (32633, 70), (32733, -33)])
@pytest.mark.parametrize("lonlat", [True, False])
def test_metres_on_the_ground(code: int, latitude: float, lonlat: bool) -> None:
    """A road of 7 metres on an image of half a metre a pixel, in the image's system and in degrees: 14 pixels wide."""
    system = f"EPSG:{code}"
    (x,), (y,) = rasterio.warp.transform("EPSG:4326", system, [9 if code == 32632 else 15], [latitude])
    geo = Geo(rasterio.crs.CRS.from_epsg(code).to_wkt(), (0.5, 0, x, 0, -0.5, y))
    line = {"type": "LineString", "coordinates": [[x + px / 2, y - py / 2] for px, py in LINE["coordinates"]]}  # type: ignore[misc]
    given = transform_geom(system, "OGC:CRS84", line) if lonlat else line
    found = features(given, crs=None if lonlat else system)
    ((_, polygon),), _ = to_pixels(widened(found, 7, found.system(geo, "a")), geo, "a", size=(30, 30))
    surely, perhaps = near(LINE, 14, 0.05)
    burnt = burn([(polygon, 1)], Window(0, 0, 30, 30)) > 0
    assert burnt[surely].all()
    assert not burnt[~perhaps].any()


def test_a_unit_that_is_no_metre() -> None:
    feet = widened(features(POINT), 10, "EPSG:2263").features[0].geometry  # feet of the United States' survey
    assert shape(feet).bounds[2] - 10 == pytest.approx(5 / (1200 / 3937))


def test_long_lines_in_degrees_are_as_wide_at_both_ends() -> None:
    line = {"type": "LineString", "coordinates": [[10, 0], [10, 70]]}
    wide = shape(widened(features(line), 1000, "OGC:CRS84").features[0].geometry)
    for latitude in (0.5, 30, 69.5):
        left, _, right, _ = wide.intersection(shapely.LineString([[9, latitude], [11, latitude]])).bounds
        assert (right - left) * metres_per_degree(latitude)[0] == pytest.approx(1000, rel=0.005)


@pytest.mark.parametrize("latitude", [0, 45, -60, 90])
def test_metres_per_degree(latitude: float) -> None:
    """Against PROJ: distances on a plane that touches the Earth there."""
    across, along = metres_per_degree(latitude)
    plane = f"+proj=aeqd +lat_0={latitude} +lon_0=0 +datum=WGS84"
    step = 1e-3 if latitude < 90 else -1e-3
    (x, _), (_, y) = rasterio.warp.transform("EPSG:4326", plane, [1e-3, 0], [latitude, latitude + step])
    if latitude < 90:
        assert across == pytest.approx(x / 1e-3, rel=1e-5)
    assert along == pytest.approx(abs(y / step), rel=1e-5)


def test_what_cannot_be_painted() -> None:
    thin = [LINE, {"type": "MultiPoint", "coordinates": [[1, 1], [2, 2]]}]
    odd: list[Any] = [None, {"type": "Polygon", "coordinates": []}, {"type": "LineString", "coordinates": []}, "x"]
    kept, problems = paintable(features(BOX, *thin, *odd), None, "a.shp")
    assert [feature.number for feature in kept.features] == [0]
    assert [(p.annotation, p.message.partition(" (")[0]) for p in problems] == [
        (1, "LineString is no polygon"), (2, "MultiPoint is no polygon"), *((i, "has no polygon") for i in range(3, 7)),
    ]  # fmt: skip
    kept, problems = paintable(features(BOX, *thin, *odd), 2.0, "a.shp")
    assert ([f.number for f in kept.features], len(problems)) == ([0, 1, 2], 4)
    with pytest.raises(DataError, match=r"a\.shp: holds 2 LineString and 1 MultiPoint and no polygon: --width METRES"):
        paintable(features(LINE, *thin), None, "a.shp")
    assert paintable(features(None), None, "a.shp")[0].features == ()


def test_polygons_stay_as_they_are() -> None:
    found = features(BOX, LINE)
    wide = widened(found, 3, "OGC:CRS84")
    assert wide.features[0] is found.features[0]
    odd = widened(features({"type": "LineString", "coordinates": [["a", 1], [2, 2]]}), 3, None)
    _, problems = to_pixels(odd, Geo(), "a", size=(30, 30))
    assert len(problems) == 1
