"""What trials found about where files lie: images, masks, polygons and areas, each as a user gives it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.warp import transform, transform_geom

import segdata
import trial_files

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

NORTH_UP = rasterio.Affine(10, 0, 500000, 0, -10, 5200000)
ZONE = "EPSG:32633"
BAHAMAS = rasterio.Affine(400, 0, 160000, 0, -400, 2790000)


def run(*arguments: object, code: int = 0) -> str:
    """`segdata` with these arguments; what it says."""
    return trial_files.run(*arguments, code=code).output


def trial(name: str) -> Path:
    """An input of the table of large imagery."""
    return trial_files.trial(f"large/{name}")


def mask_of(root: Path) -> Any:
    """The mask of the only sample."""
    dataset = segdata.Dataset.open(root)
    (sample,) = dataset.samples
    return dataset.read_mask(sample)


def geotiff(path: Path, values: Any, crs: str | None = ZONE, place: Any = NORTH_UP, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, height, width = values.shape
    shape = {"height": height, "width": width, "count": bands, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=place, **shape, **more) as file:
        file.write(values)
    return path


def grey(height: int, width: int, top: int = 255) -> Any:
    return np.random.default_rng(0).integers(0, top, (1, height, width)).astype(np.uint8)


def box(left: float, bottom: float, right: float, top: float) -> Any:
    return {
        "type": "Polygon",
        "coordinates": [[[left, bottom], [right, bottom], [right, top], [left, top], [left, bottom]]],
    }


def features(path: Path, *shapes: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"type": "Feature", "properties": {"class": "a"}, "geometry": shape} for shape in shapes]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": rows}))
    return path


# World files, .aux.xml, ground control points


def test_a_png_lies_where_the_files_beside_it_say(tmp_path: Path) -> None:
    run("convert", "vector", trial("world_png"), tmp_path / "d")
    expected = np.zeros((200, 300), np.uint8)
    expected[20:120, 20:120] = 1
    np.testing.assert_array_equal(mask_of(tmp_path / "d"), expected)
    run("convert", "vector", trial("world_png"), tmp_path / "c", "--images", "copy")
    for made in ("d", "c"):  # a tile keeps the place, also of an image that was copied
        run("tile", tmp_path / made, tmp_path / f"{made}t", "--size", 100)
        with rasterio.open(tmp_path / f"{made}t/images/s_000100_000200.tif") as file:
            assert file.crs == CRS.from_epsg(32633)
            assert tuple(file.transform)[:6] == (10, 0, 502000, 0, -10, 5199000)


def test_a_shard_keeps_the_place_that_files_beside_an_image_say(tmp_path: Path) -> None:
    run("convert", "vector", trial("world_png"), tmp_path / "d")
    run("export", "webdataset", tmp_path / "d", tmp_path / "w")
    made = segdata.Dataset.open(tmp_path / "w")
    with made.open_image(made.samples[0]) as image:
        assert image.geo.transform == (10, 0, 500000, 0, -10, 5200000)
        np.testing.assert_array_equal(image.read(), np.array(Image.open(trial("world_png") / "images/s.png")))


@pytest.mark.parametrize("name", ["s.jpg", "S.PNG", "s.bmp", "s.jpeg", "s.tif"])
@pytest.mark.parametrize("said", ["world", "wld", "aux", "points"])
def test_every_kind_of_image_lies_where_it_says(tmp_path: Path, name: str, said: str) -> None:
    path = tmp_path / "s/images" / name
    path.parent.mkdir(parents=True)
    Image.fromarray(grey(60, 80)[0]).convert("RGB").save(path)
    srs = CRS.from_epsg(32633).to_wkt().replace('"', "&quot;")
    more = ""
    if said in ("world", "wld"):
        ending = path.suffix[1:]
        named = "wld" if said == "wld" else f"{ending[0]}{ending[-1]}w"
        path.with_suffix(f".{named}").write_text("10\r\n0\r\n0\r\n-10\r\n500005\r\n5199995\r\n")
    elif said == "aux":
        more = "<GeoTransform>500000, 10, 0, 5200000, 0, -10</GeoTransform>"
    else:
        points = [f'<GCP Id="" Pixel="{x}" Line="{y}" X="{500000 + 10 * x}" Y="{5200000 - 10 * y}" Z="0"/>'
                  for x, y in ((0, 0), (80, 0), (80, 60), (0, 60))]  # fmt: skip
        more = f'<GCPList Projection="{srs}">{"".join(points)}</GCPList>'
    srs = "" if said == "points" else f'<SRS dataAxisToSRSAxisMapping="1,2">{srs}</SRS>'
    path.with_name(f"{name}.aux.xml").write_text(f"<PAMDataset>{srs}{more}</PAMDataset>")
    features(
        tmp_path / f"s/labels/{path.stem}.geojson",
        transform_geom(ZONE, "OGC:CRS84", box(500100, 5199500, 500300, 5199800)),
    )
    run("convert", "vector", tmp_path / "s", tmp_path / "d")
    expected = np.zeros((60, 80), np.uint8)
    expected[20:50, 10:30] = 1
    np.testing.assert_array_equal(mask_of(tmp_path / "d"), expected)


def points_tiff(path: Path, bend: float) -> Path:
    corners = [(x, y) for x in (0, 40, 80) for y in (0, 30, 60)]
    ground = [(500000 + 10 * x + bend * x * y, 5200000 - 10 * y) for x, y in corners]
    gcps = [GroundControlPoint(row=y, col=x, x=e, y=n) for (x, y), (e, n) in zip(corners, ground, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = {"height": 60, "width": 80, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", gcps=gcps, crs=CRS.from_epsg(32633), **shape) as file:
        file.write(grey(60, 80))
    return path


def test_points_of_a_tiff_are_its_place_or_are_refused(tmp_path: Path) -> None:
    there = transform_geom(ZONE, "OGC:CRS84", box(500100, 5199500, 500300, 5199800))
    points_tiff(tmp_path / "s/images/x.tif", 0)
    features(tmp_path / "s/labels/x.geojson", there)
    run("convert", "vector", tmp_path / "s", tmp_path / "d")
    expected = np.zeros((60, 80), np.uint8)
    expected[20:50, 10:30] = 1
    np.testing.assert_array_equal(mask_of(tmp_path / "d"), expected)
    points_tiff(tmp_path / "s/images/x.tif", 0.1)
    said = run("convert", "vector", tmp_path / "s", tmp_path / "e", code=1)
    assert "9 ground control points" in said
    assert f"gdalwarp {tmp_path / 's/images/x.tif'} NEW.tif" in said
    features(tmp_path / "s/labels/x.geojson", box(10, 20, 30, 50))
    run("convert", "vector", tmp_path / "s", tmp_path / "e", "--crs", "pixel")  # the other way out
    np.testing.assert_array_equal(mask_of(tmp_path / "e"), expected)


def test_files_that_say_where_images_lie_are_not_called_unread(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / f"s/{name}").mkdir(parents=True)
        Image.fromarray(grey(6, 8, 2)[0]).save(tmp_path / f"s/{name}/a.png")
        (tmp_path / f"s/{name}/a.pgw").write_text("10\n0\n0\n-10\n5\n5\n")
    (tmp_path / "s/masks/other.txt").write_text("")
    said = run("convert", "masks", tmp_path / "s", tmp_path / "d", "--values", "0=a", "--values", "1=b")
    assert "masks/: not read: other.txt\n" in said
    assert "a.pgw" not in said


# Masks that lie elsewhere


def test_a_mask_elsewhere_is_refused_or_warped(tmp_path: Path) -> None:
    source = trial("mask_elsewhere")
    arguments = ["convert", "masks", source, tmp_path / "d", "--classes", trial("c.txt")]
    said = run(*arguments, code=1)
    assert "s.tif: s: does not lie where its image does" in said
    assert "EPSG:32633, upper left corner 500500 5199700" in said
    assert "EPSG:32633, upper left corner 500000 5200000" in said
    assert "--warp-masks" in said
    assert not (tmp_path / "d").exists()
    run(*arguments, "--warp-masks")
    with rasterio.open(source / "masks/s.tif") as file:
        values = file.read(1)
    expected = np.full((300, 400), 255, np.uint8)
    expected[30:, 50:] = values[:-30, :-50]
    np.testing.assert_array_equal(mask_of(tmp_path / "d"), expected)
    receipt = segdata.Dataset.open(tmp_path / "d").read_receipt()
    assert [line["code"] for line in receipt["repaired"]] == ["mask.warped"]


MASKS: dict[str, tuple[str | None, Any, bool]] = {
    "same": (ZONE, NORTH_UP, True),
    "a little": (ZONE, NORTH_UP @ rasterio.Affine.translation(0.3, -0.3), True),
    "another name of the same": ("EPSG:25833", NORTH_UP, True),
    "no system": (None, NORTH_UP, True),
    "more": (ZONE, NORTH_UP @ rasterio.Affine.translation(0.6, 0), False),
    "no system, elsewhere": (None, NORTH_UP @ rasterio.Affine.translation(8, 0), False),
    "smaller pixels": (ZONE, NORTH_UP @ rasterio.Affine.scale(0.98), False),
    "upside down": (ZONE, rasterio.Affine(10, 0, 500000, 0, 10, 5199400), False),
    "another system": ("EPSG:32632", NORTH_UP, False),
    "degrees": ("EPSG:4326", rasterio.Affine(1 / 8000, 0, 15, 0, -1 / 8000, 46.952), False),
}


@pytest.mark.parametrize("name", MASKS)
def test_places_of_masks(tmp_path: Path, name: str) -> None:
    crs, place, fits = MASKS[name]
    geotiff(tmp_path / "s/images/x.tif", grey(60, 80))
    geotiff(tmp_path / "s/masks/x.tif", grey(60, 80, 2), crs, place)
    said = run(
        "convert", "masks", tmp_path / "s", tmp_path / "d", "--values", "0=a", "--values", "1=b", code=0 if fits else 1
    )
    assert ("does not lie where its image does" in said) != fits
    if fits:
        np.testing.assert_array_equal(mask_of(tmp_path / "d"), grey(60, 80, 2)[0])
        return
    one_left = ["--on-error", "skip"]
    geotiff(tmp_path / "s/images/y.tif", grey(60, 80))
    geotiff(tmp_path / "s/masks/y.tif", grey(60, 80, 2))
    run("convert", "masks", tmp_path / "s", tmp_path / "d", "--values", "0=a", "--values", "1=b", *one_left)
    assert [sample.id for sample in segdata.Dataset.open(tmp_path / "d")] == ["y"]


def test_masks_of_other_pixels_are_warped(tmp_path: Path) -> None:
    """A finer mask of the same ground, which a size alone refused; the pixel under each middle counts."""
    geotiff(tmp_path / "s/images/x.tif", grey(60, 80))
    fine = grey(180, 240, 3)
    geotiff(tmp_path / "s/masks/x.tif", fine, place=NORTH_UP @ rasterio.Affine.scale(1 / 3))
    classes = [part for i in range(3) for part in ("--values", f"{i}=c{i}")]
    run("convert", "masks", tmp_path / "s", tmp_path / "d", *classes, code=1)
    run("convert", "masks", tmp_path / "s", tmp_path / "d", *classes, "--warp-masks")
    np.testing.assert_array_equal(mask_of(tmp_path / "d"), fine[0, 1::3, 1::3])


def test_check_and_evaluate_find_masks_elsewhere(tmp_path: Path) -> None:
    geotiff(tmp_path / "s/images/x.tif", grey(60, 80))
    geotiff(tmp_path / "s/masks/x.tif", grey(60, 80, 2))
    run("convert", "masks", tmp_path / "s", tmp_path / "d", "--values", "0=a", "--values", "1=b")
    moved = NORTH_UP @ rasterio.Affine.translation(3, 0)
    geotiff(tmp_path / "p/x.tif", grey(60, 80, 2), place=NORTH_UP)
    run("evaluate", tmp_path / "p", tmp_path / "d")
    geotiff(tmp_path / "p/x.tif", grey(60, 80, 2), place=moved)
    said = run("evaluate", tmp_path / "p", tmp_path / "d", code=1)
    assert "does not lie where its image does" in said
    way_out = [
        "--mask-dir",
        ".",
        "--image-dir",
        tmp_path / "s/images",
        "--classes",
        tmp_path / "d/dataset.json",
        "--warp-masks",
    ]
    told = f"{tmp_path}/p DST --mask-dir . --image-dir IMAGES --classes {tmp_path}/d/dataset.json --warp-masks"
    assert f"segdata convert masks {told}, then evaluate DST" in said
    run("convert", "masks", tmp_path / "p", tmp_path / "w", *way_out)
    run("evaluate", tmp_path / "w", tmp_path / "d")
    # a mask in the dataset's own folder that says where it lies, as those of `predict` do
    lines = [json.loads(line) for line in (tmp_path / "d/manifest.jsonl").read_text().splitlines()]
    lines[0]["mask"] = "masks/x.tif"
    (tmp_path / "d/manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for place, found in ((NORTH_UP, False), (moved, True)):
        geotiff(tmp_path / "d/masks/x.tif", grey(60, 80, 2), place=place)
        said = run("check", tmp_path / "d", code=1)  # whose bytes have changed, too
        assert ("mask.elsewhere" in said) == found


# Long edges


@pytest.fixture
def bahamas(tmp_path: Path) -> Path:
    """A dataset of one image, of one class, 178 x 200 km in the zone of 75 degrees west."""
    geotiff(tmp_path / "b/images/x.tif", grey(400, 450), "EPSG:32618", BAHAMAS)
    features(tmp_path / "b/labels/x.geojson", box(-180, -90, 180, 90))
    run("convert", "vector", tmp_path / "b", tmp_path / "d")
    return tmp_path / "d"


def ground() -> tuple[Any, Any]:
    """Longitude and latitude of the middle of each pixel."""
    y, x = np.mgrid[:400, :450] + 0.5
    east, north = BAHAMAS @ (x.ravel(), y.ravel())
    return tuple(np.array(one).reshape(400, 450) for one in transform("EPSG:32618", "OGC:CRS84", east, north))  # type: ignore[return-value]


def shapes_in(path: Path) -> list[Any]:
    return [feature["geometry"] for feature in json.loads(path.read_text())["features"]]


def inside(shapes: list[Any]) -> Any:
    return np.any([shapely.contains_xy(shapely.geometry.shape(shape), *ground()) for shape in shapes], axis=0)


EDGES = ("europe", "far100", "good", "namerica", "pole", "usa", "world")


@pytest.mark.parametrize("name", EDGES)
def test_an_area_is_where_it_is_on_the_ground(bahamas: Path, name: str) -> None:
    path = trial(f"edges/{name}.geojson")
    expected = inside(shapes_in(path))
    run("tile", bahamas, bahamas / "../t", "--size", 450, "--aoi", path, "--pad", "keep")
    tile = mask_of(bahamas / "../t")
    wrong = (tile != 255) != expected
    assert wrong.sum() <= 5  # middles nearer to a border than the tolerance
    assert expected.mean() > 0.3


@pytest.mark.parametrize("name", EDGES)
def test_polygons_are_where_they_are_on_the_ground(bahamas: Path, name: str) -> None:
    path = trial(f"edges/{name}.geojson")
    shutil.copy(path, bahamas / "../b/labels/x.geojson")
    run("convert", "vector", bahamas / "../b", bahamas / "../e")
    assert ((mask_of(bahamas / "../e") == 1) != inside(shapes_in(path))).sum() <= 5
    one = features(bahamas / "../one.geojson", *shapes_in(path))  # one file for all images
    run("convert", "vector", bahamas / "../b", bahamas / "../f", "--vectors", one)
    np.testing.assert_array_equal(mask_of(bahamas / "../f"), mask_of(bahamas / "../e"))


# Areas and polygons on no image

NEAR = box(-78, 24.2, -77.5, 24.6)
SWAPPED = box(24.2, -78, 24.6, -77.5)
METRES = box(200000, 2700000, 250000, 2750000)
PIXELS = box(100, 100, 300, 300)

ASTRAY: dict[str, tuple[Any, str, tuple[object, ...]]] = {
    "swapped": (SWAPPED, "x and y swapped they do: latitude first?", ()),
    "elsewhere": (box(-10, 40, -5, 45), "from -10 40 to -5 45, the image from -78.", ()),
    "metres": (METRES, "no latitude", ("EPSG:32618",)),
    "pixels": (PIXELS, "no latitude", ("pixel",)),
    "pixels like degrees": (box(20, 30, 90, 80), "if these are of pixel", ("pixel",)),
    "too small": (box(-78, 24.2, -78 + 1e-9, 24.2 + 1e-9), "no pixel's middle", ()),
}


@pytest.mark.parametrize("name", ASTRAY)
def test_an_area_on_no_image_says_why(bahamas: Path, name: str) -> None:
    shape, told, way_out = ASTRAY[name]
    path = features(bahamas / "../aoi.geojson", shape)
    arguments = ["tile", bahamas, bahamas / "../t", "--size", 150, "--aoi", path]
    said = run(*arguments, code=1)
    assert told in said
    assert not (bahamas / "../t/dataset.json").exists()
    for crs in way_out:
        assert f"--aoi-crs {crs}" in said
        run(*arguments, "--aoi-crs", crs)
        assert len(segdata.Dataset.open(bahamas / "../t"))


@pytest.mark.parametrize("name", ASTRAY)
def test_polygons_on_no_image_say_why(bahamas: Path, name: str) -> None:
    shape, told, way_out = ASTRAY[name]
    features(bahamas / "../b/labels/x.geojson", shape)
    arguments = ["convert", "vector", bahamas / "../b", bahamas / "../e"]
    said = run(*arguments, code=1)
    assert told in said or name == "too small"
    for crs in way_out:
        assert f"--crs {crs}" in said
        run(*arguments, "--crs", crs)
        assert (mask_of(bahamas / "../e") == 1).any()


def test_an_area_on_one_of_several_images_is_good(bahamas: Path) -> None:
    geotiff(bahamas / "../b/images/y.tif", grey(40, 40))
    features(bahamas / "../b/labels/y.geojson", box(-180, -90, 180, 90))
    run("convert", "vector", bahamas / "../b", bahamas / "../two")
    run(
        "tile", bahamas / "../two", bahamas / "../t", "--size", 100, "--aoi", features(bahamas / "../aoi.geojson", NEAR)
    )
    assert {sample.parent for sample in segdata.Dataset.open(bahamas / "../t")} == {"x"}


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        ([], "holds no feature"),
        ([None], "holds no feature"),
        ([{"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, {"type": "Point"}], "holds LineString, P"),
        ([NEAR, {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}], "no rings of four points"),
    ],
)  # fmt: skip
def test_an_area_without_polygons_is_none(bahamas: Path, shapes: list[Any], told: str) -> None:
    said = run("tile", bahamas, bahamas / "../t", "--aoi", features(bahamas / "../aoi.geojson", *shapes), code=1)
    assert told in said
    assert "aoi.geojson" in said


def test_one_file_astray_among_several_is_told(bahamas: Path) -> None:
    geotiff(bahamas / "../b/images/y.tif", grey(400, 450), "EPSG:32618", BAHAMAS)
    features(bahamas / "../b/labels/y.geojson", SWAPPED)
    said = run("convert", "vector", bahamas / "../b", bahamas / "../e")
    assert "warning:     y.geojson: its polygons (1) lie on no image: with x and y swapped they do" in said


def test_degrees_on_an_image_without_coordinates_are_told(tmp_path: Path) -> None:
    (tmp_path / "s/images").mkdir(parents=True)
    Image.fromarray(grey(300, 400)[0]).save(tmp_path / "s/images/x.png")
    features(tmp_path / "s/labels/x.geojson", box(10, 40, 20, 50))
    said = run("convert", "vector", tmp_path / "s", tmp_path / "d")
    assert "warning:     x.geojson: the image has no coordinates, so polygons are in pixels" in said
    assert "warning" not in run("convert", "vector", tmp_path / "s", tmp_path / "e", "--crs", "pixel")
    features(tmp_path / "s/labels/x.geojson", box(10, 40, 200, 250))
    assert "warning" not in run("convert", "vector", tmp_path / "s", tmp_path / "f")
    features(tmp_path / "s/labels/x.geojson", NEAR)
    said = run("convert", "vector", tmp_path / "s", tmp_path / "g", code=1)
    assert "degrees? then give the image a place" in said


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_nodata_beside_a_png_is_no_data(tmp_path: Path, mode: str) -> None:
    values = grey(40, 50, 4)[0]
    (tmp_path / "s/images").mkdir(parents=True)
    (tmp_path / "s/masks").mkdir()
    image = Image.fromarray(values, "L")
    if mode == "P":
        image.putpalette(bytes(range(7, 7 + 12)))
    image = image.convert(mode) if mode == "RGB" else image
    image.save(tmp_path / "s/images/a.png")
    Image.fromarray(np.ones((40, 50), np.uint8)).save(tmp_path / "s/masks/a.png")
    pam = '<PAMDataset><PAMRasterBand band="1"><NoDataValue>3</NoDataValue></PAMRasterBand></PAMDataset>'
    (tmp_path / "s/images/a.png.aux.xml").write_text(pam)
    run("convert", "masks", tmp_path / "s", tmp_path / "d", "--values", "0=a", "--values", "1=b")
    run("tile", tmp_path / "d", tmp_path / "t", "--size", 50, "--pad", "keep")
    np.testing.assert_array_equal(mask_of(tmp_path / "t"), np.where(values == 3, 255, 1))
    dataset = segdata.Dataset.open(tmp_path / "d")
    np.testing.assert_array_equal(dataset.read_image(dataset.samples[0]), np.array(image.convert("RGB")))


FIJI = rasterio.Affine(2000, 0, 700000, 0, -2000, 8200000)


def test_polygons_over_180_degrees(tmp_path: Path) -> None:
    """Cut there or beyond it, they lie across it; an edge from 179 to -179 is the long way round, which is told."""
    geotiff(tmp_path / "s/images/x.tif", grey(150, 150), "EPSG:32760", FIJI)
    halves = [box(179, -17, 180, -16.5), box(-180, -17, -179, -16.5)]
    beyond = [box(179, -17, 181, -16.5)]
    masks = []
    for shapes in (halves, beyond):
        features(tmp_path / "s/labels/x.geojson", *shapes)
        assert "warning" not in run("convert", "vector", tmp_path / "s", tmp_path / "d", "--overwrite")
        masks.append(mask_of(tmp_path / "d"))
    y, x = np.mgrid[:150, :150] + 0.5
    lon, lat = (np.array(one) for one in transform("EPSG:32760", "OGC:CRS84", *(FIJI @ (x.ravel(), y.ravel()))))
    expected = ((lon % 360 >= 179) & (lon % 360 <= 181) & (lat >= -17) & (lat <= -16.5)).reshape(150, 150)
    assert expected.any()
    for mask in masks:
        assert ((mask == 1) != expected).sum() <= 3
    features(tmp_path / "s/labels/x.geojson", box(179, -17, -179, -16.5))
    said = run("convert", "vector", tmp_path / "s", tmp_path / "d", "--overwrite")
    assert "warning:     x.geojson: annotation 0: an edge from longitude 179 to -179 runs through 0" in said
    features(tmp_path / "s/labels/x.geojson", box(-180, -90, 180, 90))
    assert "warning" not in run("convert", "vector", tmp_path / "s", tmp_path / "d", "--overwrite")
