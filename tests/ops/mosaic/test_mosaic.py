"""Mosaics: against rasterio's merging, against the image that the scenes were cut from, and what is refused."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.merge
from numpy.typing import NDArray

import segdata
from carry_files import make
from placed_files import ORIGIN, patches, scenes, write_tiff
from segdata import Dataset, Window
from segdata.errors import DataError, OptionError, Report
from segdata.executors.run import Run
from segdata.files.scores import read_scores, write_scores
from segdata.ops.mosaic import blocks
from segdata.ops.mosaic.operation import mosaic

H, W = 90, 130

FOUR = {
    "a": Window(0, 0, 50, 70), "b": Window(0, 60, 40, 70), "c": Window(45, 5, 45, 60), "d": Window(38, 64, 52, 66),
}  # fmt: skip


def whole(dtype: str, bands: int, seed: int = 0) -> NDArray[Any]:
    """(H, W, C) noise without 0."""
    values = np.random.default_rng(seed).integers(1, 250, (H, W, bands))
    return (values * (1 if dtype in ("uint8", "int16") else 100)).astype(dtype)


def cover(windows: Mapping[str, Window]) -> NDArray[np.int64]:
    """(H, W) how many windows have each pixel."""
    out = np.zeros((H, W), int)
    for window in windows.values():
        out[window.slices] += 1
    return out


def only(made: Dataset) -> tuple[Any, Any, Any]:
    """Mask, image and valid pixels of the only sample."""
    (sample,) = made.samples
    with made.open_image(sample) as raster:
        values = raster.read()
        valid = raster.valid(Window(0, 0, *sample.size), values)
    return made.read_mask(sample), values, np.ones(sample.size, bool) if valid is None else valid


@pytest.mark.parametrize(
    ("dtype", "bands"), [("uint8", 3), ("uint8", 1), ("uint16", 1), ("uint16", 5), ("int16", 2), ("float32", 2)]
)
def test_scenes_cut_from_an_image_give_it_back(tmp_path: Path, dtype: str, bands: int) -> None:
    image, mask = whole(dtype, bands), patches(H, W)
    dataset = scenes(tmp_path / "d", image, mask, FOUR)
    made = mosaic(dataset, tmp_path / "m")
    assert [sample.id for sample in made] == ["a_mosaic"]
    ids, values, valid = only(made)
    times = cover(FOUR)
    np.testing.assert_array_equal(valid, times > 0)
    np.testing.assert_array_equal(ids, np.where(times > 0, mask, 255))
    shown = np.repeat(image, 3, axis=2) if (dtype, bands) == ("uint8", 1) else image
    np.testing.assert_array_equal(values[times > 0], shown[times > 0])
    (row,) = made.read_receipt()["mosaics"]
    assert {scene["id"]: tuple(scene["window"]) for scene in row["scenes"]} == FOUR
    assert row["uncovered"] == (times == 0).sum()
    assert row["overlapping"] == (times - 1).clip(0).sum()
    assert row["differing"] == 0
    with dataset.open_image(dataset.sample("a")) as first, made.open_image(made.samples[0]) as merged:
        assert merged.geo.transform == first.geo.transform
        assert merged.geo.crs == first.geo.crs


@pytest.mark.parametrize("take", ["first", "last"])
@pytest.mark.parametrize("seed", range(4))
def test_images_are_those_that_rasterio_merges(
    tmp_path: Path, take: Any, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of scenes that differ, and have pixels without data, in blocks of columns."""
    monkeypatch.setattr(blocks, "BUDGET", 1)
    rng = np.random.default_rng(seed)
    windows = {f"s{i}": Window(int(rng.integers(0, 300)), int(rng.integers(0, 500)), 200, 300) for i in range(5)}
    masks = {id: patches(200, 300, seed + i) for i, id in enumerate(windows)}
    names = {id: {"image": f"images/{id}.tif"} for id in windows}
    dataset = make(tmp_path / "d", masks, images="copy", fields=names)
    for number, (id, window) in enumerate(windows.items()):
        values = rng.integers(1, 9999, (200, 300, 2)).astype(np.uint16)
        values[patches(200, 300, seed + 50 + number) == 0] = 0
        write_tiff(tmp_path / f"d/images/{id}.tif", values, x=window.x, y=window.y, nodata=0)
    made = mosaic(dataset, tmp_path / "m", take=take)
    files = [tmp_path / f"d/images/{id}.tif" for id in windows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        merged, _ = rasterio.merge.merge(files, method=take)
    ids, values, valid = only(made)
    np.testing.assert_array_equal(values, merged.transpose(1, 2, 0))
    np.testing.assert_array_equal(valid, (values != 0).any(axis=2))
    assert (ids[~valid] == 255).all()
    assert (ids[valid] != 255).all()


def test_a_label_comes_before_none_and_what_differs_is_counted(tmp_path: Path) -> None:
    image = whole("uint8", 3)
    masks = {"a": np.full((10, 20), 0), "b": np.full((10, 20), 1)}
    masks["a"][:, 15:] = 255  # b has labels there
    names = {id: {"image": f"images/{id}.tif"} for id in masks}
    dataset = make(tmp_path / "d", masks, images="copy", fields=names)
    other = np.full((10, 20, 3), 7, np.uint8)
    write_tiff(tmp_path / "d/images/a.tif", image[:10, :20])
    write_tiff(tmp_path / "d/images/b.tif", other, x=12)
    made = mosaic(dataset, tmp_path / "m")
    ids, values, _ = only(made)
    expected = np.repeat([0] * 15 + [1] * 17, 1)[None].repeat(10, axis=0)
    np.testing.assert_array_equal(ids, expected)
    np.testing.assert_array_equal(values[:, :15], image[:10, :15])
    assert (values[:, 15:] == 7).all()
    (row,) = made.read_receipt()["mosaics"]
    assert (row["overlapping"], row["differing"]) == (80, 30)
    ids, values, _ = only(mosaic(dataset, tmp_path / "last", take="last"))
    assert (ids[:, 12:] == 1).all()
    assert (values[:, 12:] == 7).all()


def test_scores_are_the_mean_and_decide_where_several_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    stored = {}
    masks = {}
    for id in "ab":
        probs = rng.dirichlet([1, 1, 1], (12, 20)).transpose(2, 0, 1).astype(np.float32)
        stored[id] = np.rint(probs * 255)
        masks[id] = probs.argmax(axis=0)
        write_scores(tmp_path / f"d/scores/{id}.tif", (12, 20), 3, [(0, 0, probs)])
    stored["a"][:, :, :2] = stored["a"][:, :, :2]
    names = {id: {"image": f"images/{id}.tif", "scores": f"scores/{id}.tif"} for id in masks}
    dataset = make(tmp_path / "d", masks, images="copy", fields=names)
    for number, id in enumerate("ab"):
        write_tiff(tmp_path / f"d/images/{id}.tif", whole("uint8", 3)[:12, :20], x=14 * number)
    made = mosaic(dataset, tmp_path / "m", images="none")
    assert made.images == "none"
    (sample,) = made.samples
    assert sample.scores is not None
    found = read_scores(tmp_path / "m" / sample.scores) * 255
    np.testing.assert_allclose(found[:, :, :14], stored["a"][:, :, :14], atol=0.01)
    both = (stored["a"][:, :, 14:] + stored["b"][:, :, :6]) / 2
    np.testing.assert_allclose(found[:, :, 14:20], both, atol=0.51)
    ids = made.read_mask(sample)
    np.testing.assert_array_equal(ids[:, :14], masks["a"][:, :14])
    np.testing.assert_array_equal(ids[:, 14:20], both.argmax(axis=0))
    np.testing.assert_array_equal(ids[:, 20:], masks["b"][:, 6:])


def test_predictions_without_images_lie_where_their_masks_do(tmp_path: Path) -> None:
    mask = patches(H, W)
    dataset = scenes(tmp_path / "d", whole("uint8", 3), mask, FOUR)
    first = mosaic(dataset, tmp_path / "m")
    second = mosaic(Dataset.open(first.root), tmp_path / "n", images="none")
    third = mosaic(second, tmp_path / "o")
    (sample,) = third.samples
    assert sample.image is None
    np.testing.assert_array_equal(third.read_mask(sample), first.read_mask(first.samples[0]))


def test_what_no_image_can_hold_stays_apart(tmp_path: Path) -> None:
    mask, image = patches(H, W), whole("uint8", 3)
    windows = {name: Window(0, 10 * i, 40, 10) for i, name in enumerate(["a", "b", "train/c", "train/d", "e", "f"])}
    windows["g"] = Window(60, 100, 20, 20)
    fields = {"a": {"group": "1"}, "b": {"group": "2"}, "e": {"group": "2"}, "g": {"group": "9"}}
    dataset = scenes(tmp_path / "d", image, mask, windows, fields=fields)
    write_tiff(tmp_path / "d/images/f.tif", image[:40, 50:60], x=50, crs="EPSG:32632")
    made = mosaic(dataset, tmp_path / "m")
    found = {s.id: (s.split, s.group) for s in made}
    assert found == {
        "a_mosaic": (None, "1"), "train/c_mosaic": ("train", None), "e": (None, "1"), "f": (None, None), "g": (None, "9"),
    }  # fmt: skip


def test_scenes_beside_the_grid_are_refused_with_ways_out_that_work(tmp_path: Path) -> None:
    image, mask = whole("uint16", 2), patches(H, W)
    dataset = scenes(tmp_path / "d", image, mask, {"a": Window(0, 0, 40, 50), "b": Window(0, 50, 40, 50)})
    write_tiff(tmp_path / "d/images/b.tif", image[:40, 50:100], x=50.3)
    with pytest.raises(
        DataError, match=r"b: its pixels lie 0\.30 of a pixel beside those of a, .*--tolerance 0\.5"
    ) as caught:
        mosaic(dataset, tmp_path / "m")
    assert not (tmp_path / "m").exists()
    made = mosaic(dataset, tmp_path / "m", tolerance=0.5)
    np.testing.assert_array_equal(only(made)[0], mask[:40, :100])
    skipped = mosaic(dataset, tmp_path / "s", run=Run(report=Report("skip")))
    assert [s.id for s in skipped] == ["a"]
    assert skipped.read_receipt()["images"] == {"in": 2, "placed": 1, "skipped": 1}
    words = str(caught.value).partition("gdalwarp ")[2].partition(")")[0].split()
    left, bottom, right, top = map(float, words[words.index("-te") + 1 :][:4])
    width, height = map(int, words[words.index("-ts") + 1 :][:2])
    assert (width, height) == (50, 40)
    x, y = (left - ORIGIN[0]) / 2, (ORIGIN[1] - top) / 2
    assert (x, y, right - left, top - bottom) == pytest.approx((50, 0, 100, 80))


@pytest.mark.parametrize("where", ["nowhere", "tile"])
def test_what_lies_nowhere_is_refused(tmp_path: Path, where: str) -> None:
    dataset = make(tmp_path / "d", {"x": np.zeros((40, 40)), "y": np.zeros((40, 40))}, images="copy")
    if where == "tile":  # their places are in an image that lies nowhere
        dataset = segdata.tile(dataset, tmp_path / "t", size=20, virtual=True)
    with pytest.raises(DataError, match="segdata stitch" if where == "tile" else "world file"):
        mosaic(dataset, tmp_path / "m")


def test_the_value_for_no_data_is_one_that_no_image_has(tmp_path: Path) -> None:
    image = np.zeros((H, W, 1), np.uint16)
    image[::2] = 65535
    mask = patches(H, W)
    apart = {"a": Window(0, 0, 40, 50), "b": Window(40, 50, 40, 50)}
    dataset = scenes(tmp_path / "d", image, mask, apart)
    with pytest.raises(DataError, match=r"a_mosaic: no value is left .*--nodata"):
        mosaic(dataset, tmp_path / "m")
    with pytest.raises(DataError, match=r"pixels with data are 0 in every band"):
        mosaic(dataset, tmp_path / "m", nodata=0)
    made = mosaic(dataset, tmp_path / "m", nodata=7)
    times = cover(apart)[:80, :100]
    np.testing.assert_array_equal(only(made)[2], times > 0)
    image[image == 65535] = 3
    dataset = scenes(tmp_path / "e", image, mask, apart)
    _, values, valid = only(mosaic(dataset, tmp_path / "n"))
    np.testing.assert_array_equal(valid, times > 0)
    assert (values[times == 0] == 65535).all()


@pytest.mark.parametrize("value", [float("nan"), -1, 301, 1.5])
def test_a_value_for_no_data_that_pixels_cannot_have(tmp_path: Path, value: float) -> None:
    dataset = scenes(tmp_path / "d", whole("uint8", 3), patches(H, W), FOUR)
    with pytest.raises(DataError, match=r"a_mosaic: --nodata .*: its pixels are uint8, whole numbers from 0 to 255"):
        mosaic(dataset, tmp_path / "m", nodata=value)
    dataset = scenes(tmp_path / "e", whole("float32", 1), patches(H, W), FOUR)
    made = Dataset.open(mosaic(dataset, tmp_path / "n", nodata=value).root)
    np.testing.assert_array_equal(only(made)[2], cover(FOUR) > 0)


def test_one_bad_scene_leaves_its_mosaic_out(tmp_path: Path) -> None:
    windows = {**FOUR, "far": Window(0, 0, 10, 10)}
    dataset = scenes(tmp_path / "d", whole("uint8", 3), patches(H, W), windows)
    write_tiff(tmp_path / "d/images/far.tif", whole("uint8", 3)[:10, :10], x=5000)
    (tmp_path / "d/masks/b.png").write_bytes(b"none")
    with pytest.raises(DataError, match="b"):
        mosaic(dataset, tmp_path / "m")
    made = mosaic(dataset, tmp_path / "m", run=Run(report=Report("skip")))
    assert [s.id for s in made] == ["far"]
    receipt = made.read_receipt()
    assert receipt["images"] == {"in": 5, "placed": 1, "skipped": 4}
    assert json.dumps(receipt["skipped"]).count("masks/b.png") + json.dumps(receipt["skipped"]).count("b.png") >= 1


@pytest.mark.parametrize("tolerance", [-0.1, 0.6, float("nan")])
def test_options_out_of_range(tmp_path: Path, tolerance: float) -> None:
    dataset = scenes(tmp_path / "d", whole("uint8", 3), patches(H, W), FOUR)
    with pytest.raises(OptionError, match="--tolerance"):
        mosaic(dataset, tmp_path / "m", tolerance=tolerance)
