"""What trials asked of large scenes: a part of them predicted and evaluated, one split in blocks, several put together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from PIL import Image
from rasterio.features import rasterize

import trial_files
from operations import toy_models
from placed_files import ORIGIN, UTM, patches, write_tiff
from segdata import Dataset, Labels

NAMES = ("water", "wood", "road")

LABELS = Labels.of(NAMES)

HEIGHT, WIDTH = 300, 400

RING = [(20.5, 30.2), (180.3, 60.7), (150.1, 220.9), (20.5, 30.2)]
"""(x, y) in pixels of the scene."""


def run(*arguments: object, code: int = 0) -> str:
    """`segdata` with these arguments; what it says, its errors too."""
    return trial_files.run(*arguments, code=code).output


@pytest.fixture(autouse=True)
def models(tmp_path: Path) -> Iterator[None]:
    """`model.toy`, which knows the classes by their colours."""
    (tmp_path / "model.toy").write_text("\n".join(NAMES))
    with toy_models():
        yield


def scene(root: Path, mask: Any, name: str = "scene", **place: Any) -> None:
    """A scene in which each pixel has the colour of its class, with its mask, in folders as users have them."""
    write_tiff(root / f"images/{name}.tif", LABELS.palette()[mask], **place)
    write_tiff(root / f"masks/{name}.tif", mask, **place)
    (root / "classes.txt").write_text("\n".join(NAMES))


def area(path: Path, ring: Any = RING) -> Path:
    """An area in the coordinates of the scene."""
    points = [(ORIGIN[0] + 2 * x, ORIGIN[1] - 2 * y) for x, y in ring]
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [points]}))
    return path


def converted(root: Path, **place: Any) -> Any:
    """The mask of the scene that is the dataset `d`."""
    mask = patches(HEIGHT, WIDTH)
    scene(root / "in", mask, **place)
    run("convert", "masks", root / "in", root / "d", "--classes", root / "in/classes.txt")
    return mask


def inside() -> Any:
    """(H, W) where the area is."""
    shape = {"type": "Polygon", "coordinates": [RING]}
    return rasterize([(shape, 1)], out_shape=(HEIGHT, WIDTH), transform=Affine.identity()) > 0


def mask_of(root: Path) -> Any:
    """The mask of the only sample."""
    dataset = Dataset.open(root)
    (sample,) = dataset.samples
    return dataset.read_mask(sample)


@pytest.mark.parametrize("source", ["d", "in/images", "in/images/scene.tif", "t", "v"])
def test_a_part_of_a_scene_is_predicted(tmp_path: Path, source: str) -> None:
    """Of a dataset, a folder, a file, and of tiles, which are then put together."""
    mask = converted(tmp_path)
    aoi, where = area(tmp_path / "a.geojson"), ("--aoi-crs", UTM)
    if source in ("t", "v"):
        run("tile", tmp_path / "d", tmp_path / source, "--size", 64, "--overlap", 16, *["--virtual"] * (source == "v"))
    model = tmp_path / "model.toy"
    said = run("predict", model, tmp_path / source, tmp_path / "p", "--aoi", aoi, *where, "--size", 96, "--scores")
    assert "ignored:" in said
    if source in ("t", "v"):
        run("stitch", tmp_path / "p", tmp_path / "s")
        np.testing.assert_array_equal(mask_of(tmp_path / "s"), np.where(inside(), mask, 255))
    else:
        np.testing.assert_array_equal(mask_of(tmp_path / "p"), np.where(inside(), mask, 255))
    run("predict", model, tmp_path / "in/images/scene.tif", tmp_path / "one.png", "--aoi", aoi, *where)
    with Image.open(tmp_path / "one.png") as image:
        np.testing.assert_array_equal(np.array(image), np.where(inside(), mask, 255))


def test_only_what_is_in_the_area_counts(tmp_path: Path) -> None:
    mask = converted(tmp_path)
    scene(tmp_path / "in", patches(20, 30), "far", x=9000)
    run("convert", "masks", tmp_path / "in", tmp_path / "two", "--classes", tmp_path / "in/classes.txt")
    aoi, where = area(tmp_path / "a.geojson"), ("--aoi-crs", UTM)
    guess = np.where(np.random.default_rng(0).random(mask.shape) < 0.2, (mask + 1) % 3, mask).astype(np.uint8)
    write_tiff(tmp_path / "guess/scene.tif", guess)
    for truth in ("d", "two"):
        found = json.loads(run("evaluate", tmp_path / "guess", tmp_path / truth, "--aoi", aoi, *where, "--json"))
        assert found["pixels"] == inside().sum()
        assert found["pixel_accuracy"] == pytest.approx((guess == mask)[inside()].mean())
        assert [image["id"] for image in found["images"]] == ["scene"]
        assert (found["missing"], found["aoi"]) == ([], "a.geojson")
    assert "labelled pixels inside a.geojson" in run(
        "evaluate", tmp_path / "guess", tmp_path / "two", "--aoi", aoi, *where, "--missing", "stop"
    )
    run("tile", tmp_path / "d", tmp_path / "t", "--size", 64, "--overlap", 16)
    scene(tmp_path / "other", guess)
    run("convert", "masks", tmp_path / "other", tmp_path / "g", "--classes", tmp_path / "in/classes.txt")
    tiled = json.loads(run("evaluate", tmp_path / "g", tmp_path / "t", "--aoi", aoi, *where, "--json"))
    assert tiled["confusion"] == found["confusion"]


@pytest.mark.parametrize("command", ["tile", "predict", "evaluate"])
def test_an_area_that_is_none_is_an_error_everywhere(tmp_path: Path, command: str) -> None:
    converted(tmp_path)
    given: dict[str, list[object]] = {
        "tile": [tmp_path / "d", tmp_path / "o"],
        "predict": [tmp_path / "model.toy", tmp_path / "d", tmp_path / "o"],
        "evaluate": [tmp_path / "d", tmp_path / "d"],
    }
    far = area(tmp_path / "far.geojson", [(5000, 0), (5100, 0), (5100, 90), (5000, 0)])
    point = tmp_path / "point.geojson"
    point.write_text(json.dumps({"type": "Point", "coordinates": [1, 1]}))
    for skip in ([], ["--on-error", "skip"]):
        said = run(command, *given[command], "--aoi", far, "--aoi-crs", UTM, *skip, code=1)
        assert "far.geojson: its polygons lie on no image" in said
        assert "an area needs polygons, and the file has none" in run(
            command, *given[command], "--aoi", point, *skip, code=1
        )
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("virtual", [False, True])
def test_one_scene_from_tiles_to_scores(tmp_path: Path, virtual: bool) -> None:
    """Divided in blocks with a margin, checked, predicted, put together and evaluated."""
    mask = converted(tmp_path)
    run("tile", tmp_path / "d", tmp_path / "t", "--size", 40, "--overlap", 8, *["--virtual"] * virtual)
    ratios = ("--ratios", "train=0.5,val=0.25,test=0.25")
    run("split", tmp_path / "t", tmp_path / "s", "--by", "block:3x4", "--margin", 20, *ratios)
    tiles = Dataset.open(tmp_path / "s").samples
    for one in tiles:
        for other in tiles:
            if one.split != other.split:
                assert one.window is not None
                assert other.window is not None
                apart = [
                    max(a - (b + n), b - (a + m))
                    for a, m, b, n in zip(
                        one.window[:2], one.window[2:], other.window[:2], other.window[2:], strict=True
                    )
                ]
                assert max(apart) >= 20
    assert "no errors" in run("check", tmp_path / "s")
    run("predict", tmp_path / "model.toy", tmp_path / "s", tmp_path / "test", "--split", "test")
    run("predict", tmp_path / "model.toy", tmp_path / "s", tmp_path / "all", "--scores")
    run("stitch", tmp_path / "test", tmp_path / "part", "--of", tmp_path / "d")
    said = run("stitch", tmp_path / "all", tmp_path / "map", "--of", tmp_path / "d")
    assert "1 images have tiles of several (test, train, val), so they are in none" in said
    covered = np.zeros(mask.shape, bool)
    for tile in tiles:
        covered[tile.window.slices] = True  # type: ignore[union-attr]
    np.testing.assert_array_equal(mask_of(tmp_path / "map"), np.where(covered, mask, 255))
    (whole,) = Dataset.open(tmp_path / "map").samples
    (part,) = Dataset.open(tmp_path / "part").samples
    assert (whole.split, whole.group, part.split) == (None, None, "test")
    for pred in ("test", "part"):
        found = json.loads(run("evaluate", tmp_path / pred, tmp_path / "s", "--split", "test", "--json"))
        assert (found["pixel_accuracy"], found["rejected"]) == (1, 0)
    said = run("evaluate", tmp_path / "part", tmp_path / "d")
    assert "predicted as ignored, and count as missed: if that part was not to be predicted, leave it out" in said
    assert "no errors" in run("check", tmp_path / "map")
    run("untile", tmp_path / "s", tmp_path / "u")
    np.testing.assert_array_equal(mask_of(tmp_path / "u"), np.where(covered, mask, 255))


def test_scenes_become_one_across_whose_borders_tiles_go(tmp_path: Path) -> None:
    mask = patches(HEIGHT, WIDTH)
    for name, (y, x) in {"NW": (0, 0), "ne": (0, 200), "SW": (150, 0), "se": (140, 190)}.items():
        scene(tmp_path / "in", mask[y : y + 160, x : x + 210], name, x=x, y=y)
    run("convert", "masks", tmp_path / "in", tmp_path / "d", "--classes", tmp_path / "in/classes.txt")
    said = run("mosaic", tmp_path / "d", tmp_path / "m")
    assert "4 in = 4 placed + 0 left out" in said
    assert f"NW_mosaic: 4 scenes, {WIDTH} x {HEIGHT}" in said
    np.testing.assert_array_equal(mask_of(tmp_path / "m"), mask)
    run("tile", tmp_path / "m", tmp_path / "t", "--size", 100)
    assert len(Dataset.open(tmp_path / "t")) == 12
    run("predict", tmp_path / "model.toy", tmp_path / "d", tmp_path / "p", "--scores")
    run("mosaic", tmp_path / "p", tmp_path / "map", "--images", "none")
    np.testing.assert_array_equal(mask_of(tmp_path / "map"), mask)
    found = json.loads(run("evaluate", tmp_path / "map", tmp_path / "m", "--json"))
    assert (found["pixel_accuracy"], found["pixels"]) == (1, HEIGHT * WIDTH)


def test_scenes_that_make_no_mosaic_say_why(tmp_path: Path) -> None:
    scene(tmp_path / "in", patches(40, 50), "a")
    scene(tmp_path / "in", patches(40, 50), "b", x=50.5)
    run("convert", "masks", tmp_path / "in", tmp_path / "d", "--classes", tmp_path / "in/classes.txt")
    said = run("mosaic", tmp_path / "d", tmp_path / "m", code=1)
    assert "error: b: its pixels lie 0.50 of a pixel beside those of a, 0.1 is allowed" in said
    assert "1 placed + 1 left out" in run("mosaic", tmp_path / "d", tmp_path / "m", "--on-error", "skip")
    assert "2 placed" in run("mosaic", tmp_path / "d", tmp_path / "n", "--tolerance", "0.5")
    scene(tmp_path / "in", patches(40, 50), "b", x=200)
    run("convert", "masks", tmp_path / "in", tmp_path / "e", "--classes", tmp_path / "in/classes.txt")
    said = run("mosaic", tmp_path / "e", tmp_path / "o")
    assert "alone:       2 scenes touch no other" in said
