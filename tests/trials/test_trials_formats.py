"""Images in forms that users asked for, from the command line: VRT, ENVI, HFA, NetCDF, Zarr, slides; and pixels of one size."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

from format_files import pixels, png, vrt, write, write_netcdf, write_slide, write_zarr
from predictors import ByColour
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.labels import Labels
from segdata.ops.predict.operation import predict

IDS = (np.arange(40 * 60).reshape(40, 60) // 600).astype(np.uint8)

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def run(*arguments: object, fails: str | None = None) -> str:
    """The output of a command, which must end well, or in one line that says `fails`."""
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exit_code == (0 if fails is None else 1), result.output
    if fails is not None:
        assert fails in result.output
        assert "Traceback" not in result.output
    return result.output


def masks(root: Path, *names: str) -> Path:
    """A folder of masks for images of these names, beside images/, and the class file."""
    for name in names:
        (root / "masks").mkdir(parents=True, exist_ok=True)
        (root / "masks" / f"{name}.png").write_bytes(png(IDS))
    (root / "classes.txt").write_text("a\nb\nc\nd\n")
    return root / "classes.txt"


@pytest.mark.parametrize(
    ("name", "driver", "dtype"),
    [("s.img", "HFA", "uint8"), ("S.IMG", "HFA", "uint16"), ("s.img", "ENVI", "float32"), ("s.bsq", "ENVI", "int16"),
     ("s.bil", "ENVI", "uint8"), ("s.bip", "ENVI", "uint16")],
)  # fmt: skip
def test_envi_and_hfa_are_converted_and_tiled(tmp_path: Path, name: str, driver: str, dtype: str) -> None:
    values = pixels(bands=5, dtype=dtype)
    write(tmp_path / "src" / "images" / name, values, driver)
    classes = masks(tmp_path / "src", Path(name).stem)
    run("convert", "masks", tmp_path / "src", tmp_path / "d", "--classes", classes)
    for how in ([], ["--virtual"]):
        out = tmp_path / f"t{len(how)}"
        run("tile", tmp_path / "d", out, "--size", 20, *how)
        tiles = Dataset.open(out)
        assert len(tiles) == 6
        for tile in tiles:
            assert tile.window is not None
            np.testing.assert_array_equal(tiles.read_image(tile), values[tile.window.slices])
            np.testing.assert_array_equal(tiles.read_mask(tile), IDS[tile.window.slices])
    run("check", tmp_path / "d")


def test_bare_pixels_are_images_by_pattern(tmp_path: Path) -> None:
    write(tmp_path / "src" / "images" / "s.dat", pixels(bands=4), "ENVI")
    write(tmp_path / "src" / "labels" / "s.dat", IDS[:, :, None], "ENVI")
    masks(tmp_path / "src")
    given = (
        "--image-dir",
        "images",
        "--mask-dir",
        "labels",
        "--image-pattern",
        "{stem}.dat",
        "--mask-pattern",
        "{stem}.dat",
    )
    run("convert", "masks", tmp_path / "src", tmp_path / "d", "--classes", tmp_path / "src" / "classes.txt", *given)
    made = Dataset.open(tmp_path / "d")
    np.testing.assert_array_equal(made.read_mask(made.samples[0]), IDS)
    np.testing.assert_array_equal(made.read_image(made.samples[0]), pixels(bands=4))


def field(path: Path) -> Path:
    """A GeoJSON file of one rectangle on the ground: rows 4 to 19, columns 4 to 39 of an image of half a metre."""
    ring = [
        [500_002, 4_999_998],
        [500_020, 4_999_998],
        [500_020, 4_999_990],
        [500_002, 4_999_990],
        [500_002, 4_999_998],
    ]
    feature = {
        "type": "Feature",
        "properties": {"class": "field"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    crs = {"type": "name", "properties": {"name": "EPSG:32631"}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]}))
    return path


def scene(folder: Path) -> np.ndarray:
    """A VRT of two GeoTIFFs in a folder below it; its pixels."""
    values = pixels()
    for i in range(2):
        where = rasterio.Affine(0.5, 0, 500_000 + 15 * i, 0, -0.5, 5_000_000)
        write(folder / "parts" / f"{i}.tif", values[:, 30 * i : 30 * i + 30], crs="EPSG:32631", transform=where)
    head = "<SRS>EPSG:32631</SRS><GeoTransform>500000,0.5,0,5000000,0,-0.5</GeoTransform>"
    (folder / "scene.vrt").write_text(vrt([("parts/0.tif", 0, 0), ("parts/1.tif", 0, 30)], (40, 60), head=head))
    return values


def test_a_vrt_of_scenes(tmp_path: Path) -> None:
    """With the option it is the image, and what it is made of is none; the dataset opens it later."""
    values = scene(tmp_path / "images")
    vectors = field(tmp_path / "labels.geojson")
    run("convert", "vector", tmp_path, tmp_path / "parts", "--vectors", vectors)
    assert [sample.id for sample in Dataset.open(tmp_path / "parts")] == ["parts/0", "parts/1"]
    run("convert", "vector", tmp_path, tmp_path / "d", "--vectors", vectors, "--vrt")
    made = Dataset.open(tmp_path / "d")
    (sample,) = made.samples
    assert made.reading.vrt
    np.testing.assert_array_equal(made.read_image(sample), values)
    expected = np.zeros((40, 60), np.uint8)
    expected[4:20, 4:40] = 1
    np.testing.assert_array_equal(made.read_mask(sample), expected)
    run("tile", tmp_path / "d", tmp_path / "t", "--size", 20, "--virtual")
    tiles = Dataset.open(tmp_path / "t")
    for tile in tiles:
        assert tile.window is not None
        np.testing.assert_array_equal(tiles.read_image(tile), values[tile.window.slices])
    assert "images are read: vrt=True" in run("info", tmp_path / "d")
    run("check", tmp_path / "d")
    way = "--images reference"
    run("convert", "vector", tmp_path, tmp_path / "c", "--vectors", vectors, "--vrt", "--images", "copy", fails=way)


def test_a_vrt_without_the_option_names_it(tmp_path: Path) -> None:
    scene(tmp_path / "images")
    (tmp_path / "images" / "parts").rename(tmp_path / "images" / ".parts")
    path = tmp_path / "images" / "scene.vrt"
    path.write_text(path.read_text().replace("parts/", ".parts/"))
    vectors = field(tmp_path / "labels.geojson")
    given = ("convert", "vector", tmp_path, tmp_path / "d", "--vectors", vectors)
    run(*given, fails="--vrt reads those below its folder")
    run(*given, "--on-error", "skip", fails="--vrt reads those below its folder")
    run(*given, "--vrt")


@pytest.mark.parametrize("parts", ["parts", ".parts"])
def test_masks_of_a_vrt_name_the_options_that_take_it(tmp_path: Path, parts: str) -> None:
    values = scene(tmp_path / "src/images")
    (tmp_path / "src/images/parts").rename(tmp_path / "src/images" / parts)
    path = tmp_path / "src/images/scene.vrt"
    path.write_text(path.read_text().replace("parts/", f"{parts}/"))
    classes = masks(tmp_path / "src", "scene")
    (tmp_path / "src/masks/scene.png").write_bytes(png(np.zeros(values.shape[:2], np.uint8)))
    given = ("convert", "masks", tmp_path / "src", tmp_path / "d", "--classes", classes, "--allow-empty")
    run(*given, fails="--image-pattern '{stem}.vrt' --vrt")
    run(*given, "--image-pattern", "{stem}.vrt", "--vrt")
    made = Dataset.open(tmp_path / "d")
    np.testing.assert_array_equal(made.read_image(made.samples[0]), values)


def test_a_mask_file_of_several_images_is_refused_with_a_way_out_of_its_own(tmp_path: Path) -> None:
    """`--subdataset` is for images."""
    write_netcdf(
        tmp_path / "src/masks/a.nc", {name: pixels(bands=1, dtype="int16")[:, :, 0] for name in ("red", "heat")}
    )
    (tmp_path / "src/images").mkdir()
    (tmp_path / "src/classes.txt").write_text("land\nwater\n")
    (tmp_path / "src/images/a.png").write_bytes(png(pixels()))
    given = ("convert", "masks", tmp_path / "src", tmp_path / "d", "--classes", tmp_path / "src/classes.txt")
    run(*given, fails="make a file of one (gdalinfo lists what gdal_translate takes): red, heat")


def test_images_of_a_netcdf_or_zarr_are_chosen_by_name(tmp_path: Path) -> None:
    red, heat = (pixels(bands=2, dtype="float32")[:, :, i] for i in range(2))
    write_netcdf(tmp_path / "src" / "images" / "a.nc", {"red": red, "heat": heat})
    write_zarr(tmp_path / "src" / "images" / "b.zarr", {"red": red, "heat": heat})
    given = ("convert", "masks", tmp_path / "src", tmp_path / "d", "--classes", masks(tmp_path / "src", "a", "b"))
    run(*given, fails="choose one by --subdataset: red, heat")
    run(*given, "--subdataset", "blue", fails="holds no 'blue'")
    run(*given, "--subdataset", "heat")
    made = Dataset.open(tmp_path / "d")
    for sample in made:
        np.testing.assert_array_equal(made.read_image(sample)[:, :, 0], heat)
    run("check", tmp_path / "d")
    run("export", "webdataset", tmp_path / "d", tmp_path / "shards")
    shards = Dataset.open(tmp_path / "shards")
    for sample in shards:
        np.testing.assert_array_equal(shards.read_image(sample)[:, :, 0], heat)


def test_images_are_predicted_in_any_form(tmp_path: Path) -> None:
    labels = Labels.of(["a", "b"])
    values = np.repeat(labels.palette()[:2][(IDS > 1).astype(int)], 5, axis=0)  # 200 x 60
    folder = tmp_path / "images"
    write(folder / "envi.dat", values, "ENVI")
    write(folder / "hfa.img", values, "HFA")
    write_slide(folder / "slide.svs", values)
    write(folder / "part.tif", values)
    (folder / "list.vrt").write_text(vrt([("part.tif", 0, 0)], (200, 60)))
    made = predict(ByColour(labels), folder, tmp_path / "p", size=(64, 64))
    assert sorted(sample.id for sample in made) == ["envi", "hfa", "part", "slide"]
    for sample in made:
        np.testing.assert_array_equal(made.read_mask(sample), np.repeat(IDS > 1, 5, axis=0))
    listed = predict(ByColour(labels), folder, tmp_path / "q", size=(64, 64), vrt=True)
    assert sorted(sample.id for sample in listed) == ["envi", "hfa", "list", "slide"]
    np.testing.assert_array_equal(listed.read_mask(listed.sample("list")), np.repeat(IDS > 1, 5, axis=0))
    assert Dataset.open(tmp_path / "q").reading.vrt
    cube = write_zarr(tmp_path / "one.zarr", {"red": np.ascontiguousarray(values[:, :, 0])})
    grey = predict(ByColour(labels), cube, tmp_path / "z", size=(64, 64))
    assert [(sample.id, sample.size) for sample in grey] == [("one", (200, 60))]


def test_slides_of_one_resolution(tmp_path: Path) -> None:
    """Two scanners: a tile of each covers the same tissue. Virtual tiles have the same pixels."""
    for name, mpp, size in (("fine", 0.25, 320), ("coarse", 0.5, 160), ("near", 0.502, 160)):
        write_slide(tmp_path / "src" / "images" / f"{name}.svs", pixels(size, size), mpp)
        (tmp_path / "src" / "masks").mkdir(exist_ok=True)
        (tmp_path / "src" / "masks" / f"{name}.png").write_bytes(png(pixels(size, size, 1)[:, :, 0] % 2))
    classes = masks(tmp_path / "src")
    run("convert", "masks", tmp_path / "src", tmp_path / "d", "--classes", classes)
    assert "microns per pixel: 0.25 (1 images), 0.5 (1 images), 0.502 (1 images)" in run("info", tmp_path / "d")
    assert "resampled:   by 0.5 to 1" in run("tile", tmp_path / "d", tmp_path / "t", "--size", 80, "--mpp", 0.5)
    run("tile", tmp_path / "d", tmp_path / "v", "--size", 80, "--mpp", 0.5, "--virtual")
    tiles, virtual = Dataset.open(tmp_path / "t"), Dataset.open(tmp_path / "v")
    scales = {str(tile.parent): tile.tiling.scale for tile in tiles if tile.tiling is not None}
    assert scales == {"fine": 0.5, "coarse": 1.0, "near": 1.0}
    assert len(tiles) == 12
    for tile in tiles:
        again = virtual.sample(tile.id)
        np.testing.assert_array_equal(tiles.read_image(tile), virtual.read_image(again))
        np.testing.assert_array_equal(tiles.read_mask(tile), virtual.read_mask(again))
        assert tile.window == again.window
        assert tile.window is not None
        assert tile.window.height == (160 if tile.parent == "fine" else 80)
    run("untile", tmp_path / "t", tmp_path / "u")
    whole = Dataset.open(tmp_path / "u")
    assert {s.id: s.size for s in whole} == {"fine": (320, 320), "coarse": (160, 160), "near": (160, 160)}


def test_scenes_of_one_ground_sampling_distance(tmp_path: Path) -> None:
    for name, crs, side in (
        ("utm", "EPSG:32631", 0.5),
        ("feet", "EPSG:2225", 0.5 / 0.3048006096),
        ("degrees", "EPSG:4326", 4.5e-6),
    ):
        where = rasterio.Affine(side, 0, 0, 0, -side, 0)
        write(tmp_path / "src" / "images" / f"{name}.tif", pixels(), crs=crs, transform=where)
    classes = masks(tmp_path / "src", "utm", "feet", "degrees")
    run("convert", "masks", tmp_path / "src", tmp_path / "d", "--classes", classes)
    run("tile", tmp_path / "d", tmp_path / "t", "--size", 10, "--gsd", 1)
    scales = {str(tile.parent): tile.tiling.scale for tile in Dataset.open(tmp_path / "t") if tile.tiling is not None}
    assert scales == pytest.approx({"utm": 0.5, "feet": 0.5, "degrees": 0.4993}, abs=1e-3)


def test_a_resolution_that_is_not_known(tmp_path: Path) -> None:
    """One image among others: named, with a way out; left out on request. Options that exclude each other."""
    write(tmp_path / "src" / "images" / "a.png", pixels(), "PNG")
    where = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)
    write(tmp_path / "src" / "images" / "b.tif", pixels(), crs="EPSG:32631", transform=where)
    tall = rasterio.Affine(0.5, 0, 500_000, 0, -1.0, 5_000_000)
    write(tmp_path / "tall" / "images" / "c.tif", pixels(), crs="EPSG:32631", transform=tall)
    run("convert", "masks", tmp_path / "src", tmp_path / "d", "--classes", masks(tmp_path / "src", "a", "b"))
    run("convert", "masks", tmp_path / "tall", tmp_path / "e", "--classes", masks(tmp_path / "tall", "c"))
    tile = ("tile", tmp_path / "d", tmp_path / "t", "--size", 10)
    run(*tile, "--gsd", 1, fails="a: its file does not say in which coordinate system it lies, so not how many metres")
    run(*tile, "--mpp", 0.5, fails="how many microns a pixel has: tile it by --scale")
    run("tile", tmp_path / "e", tmp_path / "t", "--mpp", 0.5, "--on-error", "skip", fails="tile it by --scale")
    run("tile", tmp_path / "e", tmp_path / "t", "--gsd", 1, fails="0.5 x 1 metres, no squares: warp it first")
    assert "1 left out" in run(*tile, "--gsd", 1, "--on-error", "skip")
    assert {tile.parent for tile in Dataset.open(tmp_path / "t")} == {"b"}
    for more in (["--scale", 0.5, "--gsd", 1], ["--mpp", 1, "--gsd", 1]):
        assert "exclude each other" in CliRunner().invoke(main, list(map(str, (*tile, *more)))).output
    assert "must be above 0" in CliRunner().invoke(main, list(map(str, (*tile, "--gsd", -1)))).output
