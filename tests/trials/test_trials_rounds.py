"""What one command writes and another one reads: the places and the pixels that went in come back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
import shapely.geometry
from PIL import Image

import trial_files
from operations import toy_models
from placed_files import ORIGIN, UTM, patches, write_tiff
from segdata import Dataset, Labels

NAMES = ("background", "wood", "road")

LABELS = Labels.of(NAMES)

MASK = patches(130, 170)


def run(*arguments: object, code: int = 0) -> str:
    """`segdata` with these arguments; what it says, its errors too."""
    return trial_files.run(*arguments, code=code).output


def mask_of(root: Path) -> Any:
    """The mask of the only sample."""
    dataset = Dataset.open(root)
    (sample,) = dataset.samples
    return dataset.read_mask(sample)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Path]:
    """A folder with the dataset `d` of one placed scene, in which each pixel has the colour of its class, and `model.toy`."""
    write_tiff(tmp_path / "in/images/scene.tif", LABELS.palette()[MASK])
    write_tiff(tmp_path / "in/masks/scene.tif", MASK)
    for name in ("model.toy", "classes.txt"):
        (tmp_path / name).write_text("\n".join(NAMES))
    run("convert", "masks", tmp_path / "in", tmp_path / "d", "--classes", tmp_path / "classes.txt")
    with toy_models():
        yield tmp_path


@pytest.mark.parametrize("scaled", [[], ["--gsd", 4]])
@pytest.mark.parametrize("scores", [[], ["--scores"]])
def test_predictions_of_virtual_tiles_are_put_where_the_scene_lies(
    scene: Path, scaled: list[Any], scores: list[str]
) -> None:
    """They have no images, but their masks lie somewhere."""
    run("tile", scene / "d", scene / "t", "--size", 32, "--overlap", 8, "--virtual", *scaled)
    run("predict", scene / "model.toy", scene / "t", scene / "p", *scores)
    run("stitch", scene / "p", scene / "w", "--vectorize")
    with rasterio.open(scene / "w/masks/scene.tif") as mask:
        assert mask.crs == rasterio.crs.CRS.from_string(UTM)
        assert mask.transform.almost_equals(rasterio.Affine(2, 0, ORIGIN[0], 0, -2, ORIGIN[1]))
    (feature, *_) = json.loads((scene / "w/vectors/scene.geojson").read_text())["features"]
    longitude, latitude = feature["geometry"]["coordinates"][0][0]
    assert 2.9 < longitude < 3.1
    assert 41.4 < latitude < 41.7
    if not scaled:
        np.testing.assert_array_equal(mask_of(scene / "w"), MASK)


@pytest.mark.parametrize("skipped", [[], ["--no-background"]])
@pytest.mark.parametrize("tolerance", [1, 2, 5])
def test_simpler_polygons_reach_to_the_edges_of_the_image(scene: Path, skipped: list[str], tolerance: float) -> None:
    """Its corners, too, which are corners of flat triangles where another class comes close."""
    mask = MASK.copy()
    mask[:3, -8:] = np.array([[1] * 7 + [2], [1] * 7 + [2], [2] * 8])
    write_tiff(scene / "s/scene.tif", LABELS.palette()[mask])
    simple = ["--vectorize", "--vector-format", "qupath", "--simplify", tolerance]
    run("predict", scene / "model.toy", scene / "s", scene / "p", *simple, *skipped)
    features = json.loads((scene / "p/vectors/scene.geojson").read_text())["features"]
    shapes = np.array([shapely.geometry.shape(feature["geometry"]) for feature in features], object)
    ids = [LABELS.id(feature["properties"]["classification"]["name"]) for feature in features]
    every = shapely.union_all(shapes)
    assert shapely.coverage_is_valid(shapes)
    whole = shapely.box(0, 0, *MASK.shape[::-1])
    if not skipped:
        assert every.equals(whole)
    else:  # what touches an edge does so along as many pixels as before
        outer = shapely.intersection(whole.exterior, every).length
        rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
        assert outer == pytest.approx(np.count_nonzero(rim))
    assert set(ids) == ({0, 1, 2} if not skipped else {1, 2})


def test_labels_of_several_formats_lie_in_folders_like_their_images(tmp_path: Path) -> None:
    """images/north/a.tif has labels/north/a.geojson, and images/south/b.tif labels/south/b.gpkg."""
    pyogrio = pytest.importorskip("pyogrio")
    for name in ("north/a", "south/b"):
        write_tiff(tmp_path / f"images/{name}.tif", np.zeros((20, 30), np.uint8))
        (tmp_path / f"labels/{name}").parent.mkdir(parents=True)
    box = shapely.box(ORIGIN[0] + 4, ORIGIN[1] - 20, ORIGIN[0] + 20, ORIGIN[1] - 6)
    crs = {"type": "name", "properties": {"name": UTM}}
    feature = {"type": "Feature", "properties": {"class": "x"}, "geometry": shapely.geometry.mapping(box)}
    collection = {"type": "FeatureCollection", "crs": crs, "features": [feature]}
    (tmp_path / "labels/north/a.geojson").write_text(json.dumps(collection))
    pyogrio.raw.write(
        tmp_path / "labels/south/b.gpkg", shapely.to_wkb(np.array([box], object)), [np.array(["x"], object)], ["class"],
        driver="GPKG", geometry_type="Polygon", crs=UTM,
    )  # fmt: skip
    run("convert", "vector", tmp_path, tmp_path / "d")
    dataset = Dataset.open(tmp_path / "d")
    assert [sample.id for sample in dataset] == ["north/a", "south/b"]
    for sample in dataset:
        painted = np.argwhere(dataset.read_mask(sample) == 1)
        assert (painted.min(axis=0).tolist(), painted.max(axis=0).tolist()) == ([3, 2], [9, 9])


@pytest.mark.parametrize("option", [("--aoi-crs", UTM), ("--aoi-layer", "x")])
def test_what_is_said_of_no_area_is_an_error(scene: Path, option: tuple[str, str]) -> None:
    model, d, out = scene / "model.toy", scene / "d", scene / "o"
    for command in (["tile", d, out], ["predict", model, d, out], ["evaluate", d, d]):
        assert f"{option[0]} is about an area: give --aoi FILE too" in run(*command, *option, code=1)


@pytest.mark.parametrize("virtual", [[], ["--virtual"]])
def test_an_area_of_qupath_is_in_pixels_of_the_scene_on_its_tiles_too(scene: Path, virtual: list[str]) -> None:
    """Though the scene lies on the ground."""
    ring = [[40, 30], [120, 30], [120, 100], [40, 100], [40, 30]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "geometry": geometry, "properties": {"objectType": "annotation"}}
    (scene / "area.geojson").write_text(json.dumps([feature]))
    expected = np.full_like(MASK, 255)
    expected[30:100, 40:120] = MASK[30:100, 40:120]
    run("tile", scene / "d", scene / "t", "--size", 32, *virtual)
    run("predict", scene / "model.toy", scene / "t", scene / "p", "--aoi", scene / "area.geojson")
    run("stitch", scene / "p", scene / "w")
    np.testing.assert_array_equal(mask_of(scene / "w"), expected)
    run("predict", scene / "model.toy", scene / "d", scene / "q", "--aoi", scene / "area.geojson")
    np.testing.assert_array_equal(mask_of(scene / "q"), expected)
    found = json.loads(run("evaluate", scene / "w", scene / "t", "--aoi", scene / "area.geojson", "--json"))
    assert found["pixels"] == 80 * 70
    run("tile", scene / "t", scene / "again", "--size", 32, "--aoi", scene / "area.geojson")
    run("stitch", scene / "again", scene / "v")


def test_qupath_is_not_asked_whether_its_pixels_are_degrees(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((200, 300), np.uint8)).save(tmp_path / "images/slide.tif")
    geometry = {"type": "Polygon", "coordinates": [[[4, 3], [12, 3], [12, 10], [4, 10], [4, 3]]]}
    plain = {"type": "Feature", "geometry": geometry, "properties": {"class": "x"}}
    for name, properties in (("qupath", {"objectType": "annotation"}), ("other", {"class": "x"})):
        (tmp_path / f"{name}.geojson").write_text(json.dumps([{**plain, "properties": properties}]))
        said = run("convert", "vector", tmp_path / "images", tmp_path / name, "--vectors", tmp_path / f"{name}.geojson")
        assert ("if they are in degrees" in said) == (name == "other")


def test_a_mosaic_of_predictions_may_be_cloud_optimized(scene: Path) -> None:
    run("tile", scene / "d", scene / "t", "--size", 64, "--virtual")
    run("predict", scene / "model.toy", scene / "t", scene / "p", "--scores")
    run("mosaic", scene / "p", scene / "m", "--cog")
    (path,) = (scene / "m/masks").iterdir()
    with rasterio.open(path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (file.nodata, file.crs, file.colormap(1)[2][:3]) == (255, UTM, LABELS.classes[2].color)
        np.testing.assert_array_equal(file.read(1), MASK)
    np.testing.assert_array_equal(mask_of(scene / "m"), MASK)
    assert "no errors" in run("check", scene / "m")
