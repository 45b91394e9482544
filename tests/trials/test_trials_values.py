"""What pixels mean, as users met it: no data, types, scale and offset, from the command line."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio import Affine

from segdata.dataset.dataset import Dataset
from trial_files import run, trial

RNG = np.random.default_rng(5)


def write(path: Path, values: NDArray[Any], **more: Any) -> None:
    """A placed GeoTIFF of (bands, h, w)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, height, width = values.shape
    shape = {"count": bands, "height": height, "width": width, "dtype": more.pop("dtype", values.dtype)}
    tags = {name: more.pop(name) for name in ("scales", "offsets") if name in more}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", crs="EPSG:32633", transform=Affine(1, 0, 5e5, 0, -1, 5e6), **shape, **more
        ) as file:
            file.write(values)
            for name, value in tags.items():
                setattr(file, name, value)


def scene(root: Path, name: str, values: NDArray[Any], mask: NDArray[np.uint8], **more: Any) -> None:
    """An image and its mask below `root`."""
    write(root / f"images/{name}.tif", values, **more)
    (root / "masks").mkdir(exist_ok=True)
    Image.fromarray(mask).save(root / f"masks/{name}.png")


def halves() -> NDArray[np.uint8]:
    """(32, 32): class 0 left, class 1 right."""
    mask = np.zeros((32, 32), np.uint8)
    mask[:, 14:] = 1
    return mask


CLASSES = ("--values", "0=land", "--values", "1=water")


@pytest.mark.data
def test_nodata_enters_no_statistics_and_its_labels_are_ignored(tmp_path: Path) -> None:
    source = trial("large/nodata")
    told = run("convert", "masks", source, tmp_path / "d", "--classes", source / "classes.txt", code=0).output
    assert "3,840 labelled pixels of 2 images lie where the image has no data: ignored (--under-nodata keep" in told
    dataset = Dataset.open(tmp_path / "d")
    held = []
    for sample in dataset:
        with rasterio.open(dataset.image_path(sample)) as file:
            values, known = file.read(), file.dataset_mask() > 0
        held.append(values[:, known])
        with Image.open(source / f"masks/{sample.id}.png") as image:
            expected = np.where(known, np.asarray(image), 255)
        np.testing.assert_array_equal(dataset.read_mask(sample), expected)
    pixels = np.concatenate(held, axis=1).astype(np.float64)
    found = json.loads(run("stats", tmp_path / "d", "--images", "--json", code=0).stdout)["channels"]
    assert found["mean"] == pytest.approx(pixels.mean(axis=1).tolist(), rel=1e-9)
    assert found["std"] == pytest.approx(pixels.std(axis=1).tolist(), rel=1e-6)
    receipt = json.loads((tmp_path / "d/receipt.json").read_text())
    assert receipt["under_nodata"] == {"pixels": 3840, "images": 2, "became": "ignore"}
    assert "mask.nodata" not in run("check", tmp_path / "d").output


@pytest.mark.data
def test_labels_under_nodata_are_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    source = trial("large/nodata")
    keep = ("--classes", source / "classes.txt", "--under-nodata", "keep")
    told = run("convert", "masks", source, tmp_path / "d", *keep, code=0).output
    assert "no data" not in told
    for name, options in (("disk", []), ("virtual", ["--virtual"])):
        run("tile", tmp_path / "d", tmp_path / name, "--size", 48, *options, code=0)
        tiles = Dataset.open(tmp_path / name)
        assert sum(tile.counts.get(255, 0) for tile in tiles) == 0
        assert "mask.nodata" not in run("check", tiles.root).output
        assert sum(tiles.read_counts(tile).get(1, 0) for tile in tiles) == 7680


@pytest.mark.data
def test_check_finds_labels_under_nodata_and_its_way_out_removes_them(tmp_path: Path) -> None:
    source = trial("large/nodata")
    command = ("convert", "masks", source, tmp_path / "d", "--classes", source / "classes.txt")
    run(*command, "--under-nodata", "keep", code=0)
    card = json.loads((tmp_path / "d/dataset.json").read_text())
    del card["reading"], card["made_by"]["options"]["under_nodata"]  # as it was made before
    (tmp_path / "d/dataset.json").write_text(json.dumps(card))
    told = run("check", tmp_path / "d", code=0).output
    assert "s0: 1,920 pixels (20.8 %) have a label where the image has no data [mask.nodata]" in told
    assert "--overwrite" in told
    run(*command, code=1)  # it is not taken for the same
    run(*command, "--overwrite", code=0)
    assert "mask.nodata" not in run("check", tmp_path / "d", code=0).output


def test_transparent_pixels_are_no_data_and_an_opaque_alpha_costs_nothing(tmp_path: Path) -> None:
    image = RNG.integers(1, 255, (32, 32, 4), np.uint8)
    image[:, :, 3] = 255
    for name, rows in (("a", 0), ("b", 5)):
        image[:rows, :, 3] = 0
        (tmp_path / "s/images").mkdir(parents=True, exist_ok=True)
        (tmp_path / "s/masks").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"s/images/{name}.png")
        Image.fromarray(halves()).save(tmp_path / f"s/masks/{name}.png")
    told = run("convert", "masks", tmp_path / "s", tmp_path / "d", *CLASSES, code=0).output
    assert "160 labelled pixels of 1 images" in told
    assert [s.counts.get(255, 0) for s in Dataset.open(tmp_path / "d")] == [0, 160]


def test_a_set_whose_labels_all_lie_under_nodata_says_so(tmp_path: Path) -> None:
    values = np.ones((3, 32, 32), np.float32)
    values[:, :, 14:] = -1
    scene(tmp_path / "s", "a", values, halves(), nodata=-1)
    named = ("--values", "0=background", "--values", "1=water")
    told = run("convert", "masks", tmp_path / "s", tmp_path / "d", *named, code=1).output
    assert "labelled pixels lie where the image has no data (--under-nodata keep keeps them)" in told
    run("convert", "masks", tmp_path / "s", tmp_path / "d", *named, "--under-nodata", "keep", code=0)


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "complex_int16"])
def test_complex_pixels_are_refused_alike(tmp_path: Path, dtype: str) -> None:
    values = np.ones((3, 32, 32), np.complex128 if dtype == "complex128" else np.complex64)
    scene(tmp_path / "s", "a", values, halves(), dtype=dtype)
    told = run("convert", "masks", tmp_path / "s", tmp_path / "d", *CLASSES, code=1).output
    assert "its pixels are complex numbers" in told
    scene(tmp_path / "s", "a", np.ones((3, 32, 32), np.float32), halves())
    run("convert", "masks", tmp_path / "s", tmp_path / "d", *CLASSES, code=0)
    write(tmp_path / "s/images/a.tif", values, dtype=dtype)
    for command in (["tile", tmp_path / "d", tmp_path / "t"], ["stats", tmp_path / "d", "--images"]):
        assert "its pixels are complex numbers" in run(*command, code=1).output


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "int64", "float64"])
def test_statistics_of_other_types_are_of_values_as_they_are(tmp_path: Path, dtype: str) -> None:
    values = RNG.integers(0, 100, (2, 32, 32)).astype(dtype)
    values[:, :4] = 111
    values[0, 5, 5] = 111
    scene(tmp_path / "s", "a", values, halves(), nodata=111)
    run("convert", "masks", tmp_path / "s", tmp_path / "d", *CLASSES, code=0)
    found = json.loads(run("stats", tmp_path / "d", "--images", "--json", code=0).stdout)["channels"]
    assert found["mean"] == pytest.approx([band[band != 111].mean() for band in values], rel=1e-9)
    assert (found["dtype"], found["scale"]) == (dtype, 1)


def test_scale_and_offset_are_read_by_statistics(tmp_path: Path) -> None:
    values = RNG.integers(1, 9000, (2, 32, 32)).astype(np.uint16)
    scene(tmp_path / "s", "a", values, halves(), scales=(0.0001, 0.5), offsets=(-0.1, 7.0))
    run("convert", "masks", tmp_path / "s", tmp_path / "d", *CLASSES, code=0)
    found = json.loads(run("stats", tmp_path / "d", "--images", "--json", code=0).stdout)["channels"]
    meant = values * np.array([0.0001, 0.5])[:, None, None] + np.array([-0.1, 7.0])[:, None, None]
    assert found["mean"] == pytest.approx(meant.mean(axis=(1, 2)).tolist(), rel=1e-9)


@pytest.mark.data
def test_masks_of_negative_values(tmp_path: Path) -> None:
    source = trial("large/mask_minus_one")
    classes = ("--classes", trial("large/c.txt"))
    run("convert", "masks", source, tmp_path / "d", *classes, "--values", "-1=ignore", code=0)
    with rasterio.open(source / "masks/s.tif") as file:
        stored = file.read(1)
    dataset = Dataset.open(tmp_path / "d")
    np.testing.assert_array_equal(dataset.read_mask(dataset.samples[0]), np.where(stored < 0, 255, stored))
    told = run("convert", "masks", source, tmp_path / "e", *classes, code=1).output
    assert "-1" in told
    assert "--values" in told


MASK_NODATA = {
    "uint8": 200, "int8": -1, "uint16": 65535, "int16": -9999, "int32": -(2**31), "uint32": 2**32 - 1, "int64": -9999,
    "uint64": 99_999, "float32": np.nan, "float64": float(np.finfo(np.float64).min),
}  # fmt: skip


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(("dtype", "nodata"), MASK_NODATA.items())
def test_the_nodata_value_of_a_mask_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, nodata: float, large: bool
) -> None:
    if large:
        monkeypatch.setattr("segdata.readers.label_bands.LARGE", 10)
    mask = halves().astype(dtype)
    mask[:3] = nodata
    scene(tmp_path / "s", "a", np.ones((3, 32, 32), np.uint8), halves())
    (tmp_path / "s/masks/a.png").unlink()
    write(tmp_path / "s/masks/a.tif", mask[None], nodata=nodata)
    told = run("convert", "masks", tmp_path / "s", tmp_path / "d", *CLASSES, code=0).output
    assert "the masks' own nodata value" in told
    expected = halves()
    expected[:3] = 255
    dataset = Dataset.open(tmp_path / "d")
    np.testing.assert_array_equal(dataset.read_mask(dataset.samples[0]), expected)
    if "=NAME" in told:
        named = f"{told.partition('(--values ')[2].partition('=')[0]}=cloud"
        run("convert", "masks", tmp_path / "s", tmp_path / "e", *CLASSES, "--values", named, code=0)
        named_too = Dataset.open(tmp_path / "e")
        assert named_too.samples[0].counts[named_too.labels.id("cloud")] == 96


def test_a_nodata_value_that_is_a_class_stays_one_and_is_told(tmp_path: Path) -> None:
    scene(tmp_path / "s", "a", np.ones((3, 32, 32), np.uint8), halves())
    (tmp_path / "s/masks/a.png").unlink()
    write(tmp_path / "s/masks/a.tif", halves()[None], nodata=0)
    told = run("convert", "masks", tmp_path / "s", tmp_path / "d", *CLASSES, code=0).output
    assert "the masks' own nodata value, 0, is the class 'land', and counts as it (--values 0=ignore" in told
    assert Dataset.open(tmp_path / "d").samples[0].counts == {0: 448, 1: 576}


@pytest.mark.parametrize("compress", ["lerc", "lerc_deflate", "lerc_zstd", "zstd", "deflate", "lzma"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float64"])
def test_masks_in_any_lossless_compression(tmp_path: Path, compress: str, dtype: str) -> None:
    scene(tmp_path / "s", "a", np.ones((3, 32, 32), np.uint8), halves())
    (tmp_path / "s/masks/a.png").unlink()
    write(tmp_path / "s/masks/a.tif", halves()[None].astype(dtype), compress=compress)
    run("convert", "masks", tmp_path / "s", tmp_path / "d", *CLASSES, code=0)
    dataset = Dataset.open(tmp_path / "d")
    np.testing.assert_array_equal(dataset.read_mask(dataset.samples[0]), halves())


def tiles_of(root: Path) -> NDArray[Any]:
    """All pixels of the tiles of 32 x 32 in a dataset with one."""
    dataset = Dataset.open(root)
    (tile,) = dataset
    return dataset.read_image(tile)


def test_tiles_in_another_type_are_clipped_rounded_and_counted(tmp_path: Path) -> None:
    values = RNG.integers(-3000, 3000, (3, 32, 32)).astype(np.int16)
    values[:, :4] = -9999
    scene(tmp_path / "s", "a", values, halves(), nodata=-9999)
    run("convert", "masks", tmp_path / "s", tmp_path / "d", *CLASSES, code=0)
    size = ("--size", 32, "--scale-values", "-1000,2000")
    told = run("tile", tmp_path / "d", tmp_path / "t8", *size, "--dtype", "uint8", code=0).output
    known = (values != -9999).any(axis=0)
    beyond = int((((values < -1000) | (values > 2000)).any(axis=0) & known).sum())
    assert f"{beyond:,} pixels of the tiles were beyond -1000 to 2000" in told
    unit = ((values.astype(np.float64) + 1000) / 3000).clip(0, 1)
    expected = np.where(known, np.maximum(np.rint(unit * 255), 1), 0)
    np.testing.assert_array_equal(tiles_of(tmp_path / "t8"), expected.transpose(1, 2, 0))
    run("tile", tmp_path / "d", tmp_path / "t16", *size, "--dtype", "uint16", code=0)
    expected = np.where(known, np.maximum(np.rint(unit * 65535), 1), 0)
    np.testing.assert_array_equal(tiles_of(tmp_path / "t16"), expected.transpose(1, 2, 0))
    run("tile", tmp_path / "d", tmp_path / "t32", *size, "--dtype", "float32", code=0)
    expected = np.where(known, unit, np.nan)
    np.testing.assert_allclose(tiles_of(tmp_path / "t32"), expected.transpose(1, 2, 0), rtol=1e-6)
    for name in ("t8", "t16", "t32"):
        assert "mask.nodata" not in run("check", tmp_path / name).output


def test_a_type_without_its_span_is_refused_and_the_way_out_runs(tmp_path: Path) -> None:
    scene(tmp_path / "s", "a", np.ones((3, 32, 32), np.int16), halves())
    run("convert", "masks", tmp_path / "s", tmp_path / "d", *CLASSES, code=0)
    told = run("tile", tmp_path / "d", tmp_path / "t", "--dtype", "uint8", code=1).output
    assert "give --scale-values LOW,HIGH" in told
    run("tile", tmp_path / "d", tmp_path / "u", "--dtype", "uint8", "--scale-values", "0,2", code=0)
    assert "--dtype uint8" in run("tile", tmp_path / "d", tmp_path / "w", "--scale-values", "0,2", code=1).output
    for bad in ("2,0", "1", "1,2,3", "nan,1"):
        out = run("tile", tmp_path / "d", tmp_path / "w", "--dtype", "uint8", "--scale-values", bad, code=1).output
        assert "LOW,HIGH" in out


@pytest.mark.parametrize("virtual", [[], ["--virtual"]])
def test_no_data_is_mixed_into_no_pixel_when_tiles_are_scaled(tmp_path: Path, virtual: list[str]) -> None:
    values = np.full((3, 32, 32), 0.5, np.float32)
    values[:, 5:9, 3:22] = -9999
    scene(tmp_path / "s", "a", values, halves(), nodata=-9999)
    run("convert", "masks", tmp_path / "s", tmp_path / "d", *CLASSES, code=0)
    run("tile", tmp_path / "d", tmp_path / "t", "--size", 16, "--scale", 0.5, *virtual, code=0)
    assert np.unique(tiles_of(tmp_path / "t")).tolist() == [-9999, 0.5]
    found = json.loads(run("stats", tmp_path / "t", "--images", "--json", code=0).stdout)["channels"]
    assert (found["mean"], found["std"]) == ([0.5] * 3, [0] * 3)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "more", "options", "told"),
    [
        ("int16", {"nodata": -9999}, [], "images of int16: read as float32, values as they are"),
        ("int32", {}, ["--scale-values", "0,1200"], "images of int32: read as float32, 0 to 1200 as 0 to 1"),
        ("float64", {}, [], "images of float64: read as float32"),
        ("uint16", {"scales": (0.01,) * 3, "offsets": (-1.0,) * 3}, [], "by their scale and offset"),
        ("float32", {"nodata": -9999}, ["--recipe", "none.yaml"], ""),
    ],
)
def test_other_types_are_trained_on_and_predicted(
    tmp_path: Path, dtype: str, more: dict[str, Any], options: list[str], told: str
) -> None:
    """The classes differ by brightness alone, so that a model that reads values rightly learns them at once."""
    for i in range(4):
        values = np.where(halves(), 1000, 200) + RNG.normal(0, 20, (3, 32, 32))
        values = values.astype(dtype)
        if "nodata" in more:
            values[:, :3] = -9999
        scene(tmp_path / "s", f"a{i}", values, halves(), **more)
    (tmp_path / "none.yaml").write_text("normalise: dataset\n")
    options = [str(tmp_path / one) if one == "none.yaml" else one for one in options]
    run("convert", "masks", tmp_path / "s", tmp_path / "c", *CLASSES, code=0)
    run("split", tmp_path / "c", tmp_path / "d", "--ratios", "train=0.5,val=0.5", code=0)
    quick = ("--epochs", 6, "--steps", 4, "--batch", 2, "--model-option", "width=4", "--workers", 0, "--no-tensorboard")
    out = run("train", tmp_path / "d", tmp_path / "run", *quick, "--lr", 0.01, *options, code=0).output
    assert told in out
    run("predict", tmp_path / "run/best.pt", tmp_path / "d", tmp_path / "p", code=0)
    scores = json.loads(run("evaluate", tmp_path / "p", tmp_path / "d", "--json", code=0).stdout)
    assert scores["mean_iou"] > 0.9, scores
    if "nodata" in more:
        assert all(s.counts[255] == 3 * 32 for s in Dataset.open(tmp_path / "p"))
    recipe = (tmp_path / "run/recipe.yaml").read_text()
    assert "-99" not in recipe, "what means no data is no part of the mean"


@pytest.mark.torch
@pytest.mark.slow
def test_a_model_is_not_given_values_of_which_it_does_not_know_the_span(tmp_path: Path) -> None:
    for i in range(2):
        scene(tmp_path / "s", f"a{i}", RNG.integers(0, 255, (3, 32, 32)).astype(np.uint8), halves())
        scene(tmp_path / "o", f"a{i}", RNG.integers(0, 255, (3, 32, 32)).astype(np.int16), halves())
    for name in ("s", "o"):
        run("convert", "masks", tmp_path / name, tmp_path / f"c{name}", *CLASSES, code=0)
        run("split", tmp_path / f"c{name}", tmp_path / f"d{name}", "--ratios", "train=0.5,val=0.5", code=0)
    quick = ("--epochs", 1, "--steps", 1, "--batch", 1, "--model-option", "width=4", "--workers", 0, "--no-tensorboard")
    run("train", tmp_path / "ds", tmp_path / "run", *quick, code=0)
    told = run("predict", tmp_path / "run/best.pt", tmp_path / "do", tmp_path / "p", code=1).output
    assert "its pixels are int16" in told
    assert "--scale-values LOW,HIGH, as tile --dtype takes them" in told
    run("tile", tmp_path / "do", tmp_path / "t", "--dtype", "uint8", "--scale-values", "0,255", "--size", 32, code=0)
    run("predict", tmp_path / "run/best.pt", tmp_path / "t", tmp_path / "p", code=0)


@pytest.mark.torch
@pytest.mark.slow
def test_images_of_several_types_are_not_cut_to_one(tmp_path: Path) -> None:
    for i, dtype in enumerate((np.uint16, np.uint16, np.uint8, np.uint8)):
        scene(tmp_path / "s", f"a{i}", np.full((3, 32, 32), 200, dtype), halves())
    run("convert", "masks", tmp_path / "s", tmp_path / "c", *CLASSES, code=0)
    run("split", tmp_path / "c", tmp_path / "d", "--ratios", "train=0.75,val=0.25", code=0)
    quick = ("--epochs", 1, "--steps", 1, "--batch", 3, "--model-option", "width=4", "--workers", 0, "--no-tensorboard")
    for cache in ("yes", "no"):
        told = run("train", tmp_path / "d", tmp_path / f"r{cache}", *quick, "--cache", cache, code=1).output
        assert "those of other images" in told
        assert "[image.type]" in told


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["int16", "uint16", "float32"])
def test_a_scene_is_predicted_as_the_tiles_of_another_type_that_a_model_is_of(tmp_path: Path, dtype: str) -> None:
    """A scene's own values mean others to a model of 8 bits; with the span of its tiles they are the same."""
    for i in range(2):
        values = np.where(halves(), 1000, 200) + RNG.normal(0, 20, (3, 32, 32))
        values[:, :3] = 0
        scene(tmp_path / "s", f"a{i}", values.astype(dtype), halves(), nodata=0)
    run("convert", "masks", tmp_path / "s", tmp_path / "c", *CLASSES, code=0)
    span = ("--scale-values", "0,1200")
    run("tile", tmp_path / "c", tmp_path / "t", "--dtype", "uint8", *span, "--size", 32, code=0)
    run("split", tmp_path / "t", tmp_path / "d", "--ratios", "train=0.5,val=0.5", code=0)
    quick = ("--epochs", 2, "--steps", 4, "--batch", 1, "--model-option", "width=4", "--workers", 0, "--no-tensorboard")
    run("train", tmp_path / "d", tmp_path / "run", *quick, code=0)
    model = tmp_path / "run/best.pt"
    told = run("predict", model, tmp_path / "c", tmp_path / "p", code=1).output
    assert f"its pixels are {dtype}, and the model was trained on uint8" in told
    assert "--scale-values LOW,HIGH" in told
    run("predict", model, tmp_path / "c", tmp_path / "p", *span, "--scores", code=0)
    run("predict", model, tmp_path / "t", tmp_path / "q", "--scores", code=0)
    scenes, tiles = Dataset.open(tmp_path / "p"), Dataset.open(tmp_path / "q")
    for sample, tile in zip(scenes, tiles, strict=True):
        np.testing.assert_array_equal(scenes.read_mask(sample), tiles.read_mask(tile))
        with (
            rasterio.open(tmp_path / f"p/{sample.scores}") as mine,
            rasterio.open(tmp_path / f"q/{tile.scores}") as its,
        ):
            np.testing.assert_array_equal(mine.read(), its.read())
        assert sample.counts[255] == 3 * 32
    one = tmp_path / "s/images/a0.tif"
    run("predict", model, one, tmp_path / "one.png", *span, code=0)
    with Image.open(tmp_path / "one.png") as image:
        np.testing.assert_array_equal(np.asarray(image), scenes.read_mask(scenes.samples[0]))
