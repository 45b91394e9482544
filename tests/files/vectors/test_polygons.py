"""Polygons of masks: against pixels one by one (which polygon covers the middle of each), whatever is filtered or simplified."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from rasterio.features import shapes
from rasterio.warp import transform, transform_geom

from segdata.errors import DataError, MissingDependency, OptionError
from segdata.files.geo import Geo
from segdata.files.tiff import TILE, TiffWriter
from segdata.files.vectors.polygon_files import write_polygons
from segdata.files.vectors.polygons import Polygons, Regions, trace
from segdata.labels import Labels

LABELS = Labels.of(["background", "b", "c"], [(0, 0, 0), (200, 10, 20), (1, 2, 3)])
MASKS = npst.arrays(
    np.uint8, npst.array_shapes(min_dims=2, max_dims=2, max_side=14), elements=st.sampled_from([0, 1, 2, 255])
)
WORLD = rasterio.crs.CRS.from_user_input("OGC:CRS84")


def wkt(text: str) -> str:
    return str(rasterio.crs.CRS.from_user_input(text).to_wkt())


def regions(mask: NDArray[Any], **how: Any) -> tuple[Regions, dict[str, int]]:
    """All regions of a mask at once, and what was left out."""
    left_out: Counter[str] = Counter()
    found = list(trace(mask, LABELS, Polygons(**how), left_out))
    shapes_, ids = (np.concatenate([np.zeros(0, object), *(r[i] for r in found)]) for i in (0, 1))
    return Regions(shapes_, ids.astype(int)), dict(left_out)


def covered(geometries: Any, ids: Any, xs: NDArray[Any], ys: NDArray[Any]) -> NDArray[np.int64]:
    """The class of the one polygon around each point, -1 for none; two are a fault."""
    points = shapely.points(xs.ravel(), ys.ravel())
    at, which = shapely.STRtree(np.asarray(geometries, object)).query(points, predicate="intersects")
    assert len(set(at)) == len(at)
    out = np.full(len(points), -1)
    out[at] = np.asarray(ids)[which]
    return out


def drawn(found: Regions, shape: tuple[int, int]) -> NDArray[np.int64]:
    """(H, W) the class of the polygon around each pixel's middle, 255 for none."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    out = covered(found.shapes, found.ids, x + 0.5, y + 0.5)
    return np.where(out < 0, 255, out).reshape(shape)


@settings(max_examples=60)
@given(MASKS)
def test_regions_are_the_pixels(mask: NDArray[Any]) -> None:
    found, left_out = regions(mask)
    np.testing.assert_array_equal(drawn(found, mask.shape), mask)
    assert shapely.is_valid(found.shapes).all()
    assert not left_out


@settings(max_examples=60)
@given(MASKS, st.integers(1, 9))
def test_small_ones_are_left_out_and_counted(mask: NDArray[Any], least: int) -> None:
    every, _ = regions(mask)
    found, left_out = regions(mask, min_area=least)
    small = shapely.area(every.shapes) < least
    assert left_out.get("small", 0) == small.sum()
    assert [g.wkt for g in found.shapes] == [g.wkt for g in every.shapes[~small]]


@settings(max_examples=100)
@given(MASKS, st.integers(1, 30))
def test_filled_holes_swallow_what_is_in_them(mask: NDArray[Any], least: int) -> None:
    """No hole below the limit is left, no two polygons overlap, and pixels change only to the class around them."""
    every, _ = regions(mask)  # ignored ones have no polygons, so they swallow nothing
    found, left_out = regions(mask, min_hole=least)
    holes = [shapely.Polygon(ring) for g in found.shapes for ring in g.interiors]
    assert all(hole.area >= least for hole in holes)
    assert len(found.shapes) + left_out.get("in_holes", 0) == len(every.shapes)
    after = drawn(found, mask.shape)
    expected = mask.astype(np.int64)
    for g, id in sorted(zip(every.shapes, every.ids, strict=True), key=lambda one: one[0].envelope.area):
        for ring in g.interiors:  # the innermost first, so that outer ones have the last word
            if shapely.Polygon(ring).area < least:
                y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
                expected[shapely.contains_xy(shapely.Polygon(ring), x + 0.5, y + 0.5)] = id
    np.testing.assert_array_equal(after, expected)


@settings(max_examples=60)
@given(MASKS, st.floats(0.3, 4), st.sampled_from([0, 5]), st.sampled_from([0, 3]), st.booleans())
def test_simpler_borders_stay_common(
    mask: NDArray[Any], tolerance: float, min_hole: int, min_area: int, background: bool
) -> None:
    """No gap and no overlap comes up between neighbours, whatever else is left out."""
    how = {"min_hole": min_hole, "min_area": min_area, "background": background}
    every, _ = regions(mask, **how)
    found, _ = regions(mask, **how, simplify=tolerance)
    assert found.ids.tolist() == every.ids.tolist()
    assert len(found.shapes) == 0 or shapely.coverage_is_valid(found.shapes)
    assert shapely.is_valid(found.shapes).all()


def test_a_staircase_becomes_a_line() -> None:
    y, x = np.mgrid[:40, :40]
    found, _ = regions((x > y).astype(np.uint8), simplify=1.0)
    assert all(shapely.get_num_coordinates(g) < 12 for g in found.shapes)
    assert shapely.area(found.shapes).sum() == pytest.approx(1600, abs=8)


def test_classes_without_polygons() -> None:
    mask = np.repeat(np.array([[0, 1, 2, 255]], np.uint8), 3, axis=0)
    assert regions(mask, background=False)[0].ids.tolist() == [1, 2]
    assert regions(mask, background=False, skip_classes=("c",))[0].ids.tolist() == [1]
    assert regions(mask, skip_classes=("b",))[0].ids.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"min_area": -1.0}, "--min-area -1: must be 0 pixels or more"),
        ({"simplify": float("nan")}, "--simplify nan: must be 0 pixels or more"),
        ({"min_hole": float("inf")}, "--min-hole inf: must be 0 pixels or more"),
        ({"skip_classes": ("bb",)}, "no class 'bb'"),
        ({"skip_classes": ("b", "c"), "background": False}, "no class is left that has polygons"),
        ({"vector_format": "shp"}, "geojson, qupath"),
    ],
)
def test_settings_that_cannot_be(how: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Polygons(**how).check(LABELS)


def test_no_class_is_the_background() -> None:
    with pytest.raises(OptionError, match=r"no class is called background, but a, b.*--skip-class NAME"):
        Polygons(background=False).check(Labels.of(["a", "b"]))


def test_a_geopackage_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segdata.files.vectors.polygons.find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r'pip install "segdata\[vectors\]"'):
        Polygons(vector_format="gpkg").check(LABELS)


# Files


def features(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["features"]
    return found


def patches(shape: tuple[int, int], seed: int = 0, side: int = 10) -> NDArray[np.uint8]:
    """Squares of classes, and specks in them."""
    rng = np.random.default_rng(seed)
    small = rng.choice([0, 1, 2], (-(-shape[0] // side), -(-shape[1] // side))).astype(np.uint8)
    mask = np.kron(small, np.ones((side, side), np.uint8))[: shape[0], : shape[1]]
    mask[rng.integers(0, shape[0], 30), rng.integers(0, shape[1], 30)] = 1
    return mask


UTM = (10.1, 0.0, 500000.3, 0.0, -9.7, 5000000.7)
PLACES = {
    "nowhere": Geo(),
    "no crs": Geo(None, UTM),
    "utm": Geo(wkt("EPSG:32631"), UTM),
    "turned": Geo(wkt("EPSG:32631"), (10.1, 1.3, 500000.3, 2.2, -9.7, 5000000.7)),
    "degrees": Geo(wkt("EPSG:4326"), (0.01, 0.0, 3.3, 0.0, -0.01, 40.7)),
    "degrees to 360": Geo(wkt("EPSG:4326"), (1.0, 0.0, 170.0, 0.0, -1.0, 20.0)),
}


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("in_file", [False, True])
def test_the_same_as_gdal_says_of_each(where: str, in_file: bool, tmp_path: Path) -> None:
    """GDAL traces them where they lie, and projects one at a time: slow, and the same numbers."""
    geo, mask = PLACES[where], patches((30, 40), side=4)
    source: Any = mask
    if in_file:
        source = tmp_path / "mask.tif"
        with TiffWriter(source, *mask.shape, 1, np.uint8, tags=geo.tags()) as file:
            file.write(0, 0, mask[None])
    written = write_polygons(tmp_path, "x", source, LABELS, geo, Polygons())
    expected = []
    for geometry, value in shapes(mask, connectivity=4, transform=rasterio.Affine(*geo.transform)):
        moved = geometry if geo.crs is None else transform_geom(rasterio.crs.CRS.from_wkt(geo.crs), WORLD, geometry)
        properties = {"class": LABELS.name(int(value)), "class_id": int(value)}
        expected.append({"type": "Feature", "properties": properties, "geometry": json.loads(json.dumps(moved))})
    assert features(tmp_path / "vectors/x.geojson") == expected
    assert written == (len(expected), {})


def check_on_earth(
    tmp_path: Path, crs: str, place: tuple[float, ...], mask: NDArray[Any]
) -> tuple[int, dict[str, int]]:
    """Each pixel's middle, projected by itself, is in the polygon of its class. Returns how many are in none, and why."""
    geo = Geo(wkt(crs), place)  # type: ignore[arg-type]
    written = write_polygons(tmp_path, "x", mask, LABELS, geo, Polygons())
    found = features(tmp_path / "vectors/x.geojson")
    geometries = [shapely.geometry.shape(f["geometry"]) for f in found]
    assert all(g.is_valid and g.bounds[0] >= -180 and g.bounds[2] <= 180 for g in geometries)
    y, x = (axis.ravel() + 0.5 for axis in np.mgrid[: mask.shape[0], : mask.shape[1]])
    a, b, c, d, e, f = place
    lon, lat = on_earth(crs, a * x + b * y + c, d * x + e * y + f)
    known = np.isfinite(lon)
    out = covered(geometries, [f["properties"]["class_id"] for f in found], lon[known], lat[known])
    true = mask.ravel()[known]
    assert ((out == true) | (out == -1)).all()
    return int(np.count_nonzero(out == -1)), written.left_out


def on_earth(crs: str, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Longitude and latitude of each point by itself; NaN for those that are off the map."""
    system = rasterio.crs.CRS.from_user_input(crs)
    out = np.full((2, len(x)), np.nan)
    for i in range(len(x)):
        try:
            out[:, i] = np.ravel(transform(system, WORLD, [x[i]], [y[i]]))
            back = np.ravel(transform(WORLD, system, out[:1, i], out[1:, i]))
        except rasterio._err.CPLE_BaseError:
            out[:, i] = np.nan
            continue
        if "3857" not in crs and abs(back - (x[i], y[i])).max() > 1e-3:  # it answers for another place
            out[:, i] = np.nan
    return out[0], out[1]


@pytest.mark.parametrize(
    ("crs", "place"),
    [
        ("EPSG:3413", (160000.0, 0.0, -4e6, 0.0, -160000.0, 3e6)),  # around the north pole
        ("EPSG:3031", (160000.0, 0.0, -4e6, 0.0, -160000.0, 3e6)),  # around the south pole
        ("EPSG:3857", (1000.0, 0.0, 20037508 - 20000, 0.0, -1000.0, 3e6)),  # over the 180th meridian
        ("EPSG:32601", (2000.0, 0.0, 200000.0, 0.0, -2000.0, 5e6)),  # and in another map
    ],
)
def test_poles_and_the_180th_meridian(tmp_path: Path, crs: str, place: tuple[float, ...]) -> None:
    assert check_on_earth(tmp_path, crs, place, patches((40, 50))) == (0, {})


@pytest.mark.parametrize(
    ("crs", "place"),
    [
        ("+proj=geos +h=35785831 +lon_0=0 +sweep=y", (220000.0, 0.0, -5.6e6, 0.0, -280000.0, 5.6e6)),
        ("+proj=sinu +R=6371007.181", (800000.0, 0.0, -20015109.0, 0.0, -500000.0, 10007554.0)),
        ("+proj=moll", (720000.0, 0.0, -18e6, 0.0, -450000.0, 9e6)),
    ],
)
def test_corners_off_the_earth(tmp_path: Path, crs: str, place: tuple[float, ...]) -> None:
    """What is on the Earth is there and right; what is not, or in part, is counted. A sinusoidal map answers for anything."""
    none, left_out = check_on_earth(tmp_path, crs, place, patches((40, 50), side=2))
    assert left_out["off_earth"] > 20
    assert 0 < none < 700


def test_long_edges_stay_where_they_are(tmp_path: Path) -> None:
    """A border of 100 km is a curve in degrees: straight from corner to corner it would be off by more than 20 pixels."""
    mask = np.zeros((10, 10), np.uint8)
    mask[:, 5:] = 1
    crs, scale = rasterio.crs.CRS.from_epsg(32631), 1000
    geo = Geo(crs.to_wkt(), (10.0, 0.0, 100000.0, 0.0, -10.0, 7000000.0))
    big = np.kron(mask, np.ones((scale, scale), np.uint8))
    assert write_polygons(tmp_path, "x", big, LABELS, geo, Polygons()) == (2, {})
    for feature in features(tmp_path / "vectors/x.geojson"):
        ring = np.array(feature["geometry"]["coordinates"][0])
        assert len(ring) < 300
        steps = np.linspace(0, 1, 9)[None, :, None]
        points = (ring[:-1, None] * (1 - steps) + ring[1:, None] * steps).reshape(-1, 2)
        x, y = (np.array(one) for one in transform(WORLD, crs, *points.T))
        pixels = np.stack([(x - 100000) / 10, (7000000 - y) / 10], axis=1)
        left = 0 if feature["properties"]["class_id"] == 0 else 5000
        border = shapely.box(left, 0, left + 5000, 10000).exterior
        assert shapely.distance(border, shapely.points(pixels)).max() < 0.1


def test_qupath(tmp_path: Path) -> None:
    """Pixels whatever the image's coordinates are, and the class in QuPath's own words."""
    mask = np.array([[1, 1, 255], [0, 0, 0]], np.uint8)
    write_polygons(tmp_path, "x", mask, LABELS, PLACES["utm"], Polygons(vector_format="qupath", background=False))
    (found,) = features(tmp_path / "vectors/x.geojson")
    assert found["geometry"] == {"type": "Polygon", "coordinates": [[[0, 0], [0, 1], [2, 1], [2, 0], [0, 0]]]}
    assert found["properties"] == {
        "objectType": "annotation", "classification": {"name": "b", "color": [200, 10, 20]}
    }  # fmt: skip


@pytest.mark.parametrize("where", ["nowhere", "utm"])
def test_geopackage(where: str, tmp_path: Path) -> None:
    """In the image's own coordinates; the same bytes each time; also without a polygon."""
    pyogrio = pytest.importorskip("pyogrio")
    mask, geo = patches((30, 40), side=4), PLACES[where]
    for id in "xy":
        count, _ = write_polygons(tmp_path, id, mask, LABELS, geo, Polygons(vector_format="gpkg"))
    assert (tmp_path / "vectors/x.gpkg").read_bytes() == (tmp_path / "vectors/y.gpkg").read_bytes()
    meta, _, geometry, fields = pyogrio.raw.read(tmp_path / "vectors/x.gpkg")
    assert list(meta["fields"]) == ["class", "class_id"]
    assert (meta["crs"] == "EPSG:32631") == (where == "utm")
    assert len(geometry) == count
    y, x = (axis.ravel() + 0.5 for axis in np.mgrid[:30, :40])
    a, _, c, _, e, f = geo.transform
    out = covered(shapely.from_wkb(geometry), fields[1], a * x + c, e * y + f)
    np.testing.assert_array_equal(out, mask.ravel())
    empty = np.full((3, 3), 255, np.uint8)
    assert write_polygons(tmp_path, "e", empty, LABELS, geo, Polygons(vector_format="gpkg")) == (0, {})
    assert len(pyogrio.raw.read(tmp_path / "vectors/e.gpkg")[2]) == 0


@pytest.mark.parametrize("vector_format", ["geojson", "qupath"])
def test_a_mask_without_polygons(tmp_path: Path, vector_format: Any) -> None:
    how = Polygons(vector_format=vector_format, min_area=3, min_hole=3, simplify=1)
    for mask in (np.full((3, 3), 255, np.uint8), np.array([[0, 1], [1, 0]], np.uint8)):
        assert write_polygons(tmp_path, "x", mask, LABELS, PLACES["utm"], how).polygons == 0
        assert features(tmp_path / "vectors/x.geojson") == []


def test_a_damaged_mask_is_named(tmp_path: Path) -> None:
    (tmp_path / "mask.tif").write_bytes(b"II*\0\0\0\0\0")
    with pytest.raises(DataError, match=r"mask\.tif"):
        write_polygons(tmp_path, "x", tmp_path / "mask.tif", LABELS, Geo(), Polygons())
    assert not list(tmp_path.glob("vectors/*"))


def test_more_polygons_than_are_worked_on_at_once(tmp_path: Path) -> None:
    mask = (np.indices((TILE, TILE)).sum(axis=0) % 2).astype(np.uint8)
    assert write_polygons(tmp_path, "x", mask, LABELS, PLACES["utm"], Polygons()) == (TILE**2, {})
    assert len(features(tmp_path / "vectors/x.geojson")) == TILE**2


@pytest.mark.filterwarnings("ignore")  # filters of warnings are one for all threads, too
def test_geopackages_of_several_threads_have_the_same_bytes(tmp_path: Path) -> None:
    """GDAL's date is one for all threads: none may take it away from another."""
    mask = np.array([[0, 1], [1, 0]], np.uint8)
    how = Polygons(vector_format="gpkg")
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(lambda id: write_polygons(tmp_path, id, mask, LABELS, PLACES["utm"], how), map(str, range(80)))
        )
    assert len({file.read_bytes() for file in (tmp_path / "vectors").iterdir()}) == 1
