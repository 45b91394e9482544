"""Training on images too large for memory, on virtual tiles, and on images of other bands: windows are read from files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("albumentations")

import rasterio  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import segdata  # noqa: E402
from segdata.dataset.dataset import Openings  # noqa: E402
from segdata.dataset.sample import Sample  # noqa: E402
from segdata.labels import Labels  # noqa: E402
from segdata.nn import data, validation_data  # noqa: E402
from segdata.nn.cache import Cache  # noqa: E402
from segdata.nn.predictor import load  # noqa: E402
from segdata.pages.sheet import BETWEEN, GAP  # noqa: E402
from segdata.recipes.recipe import Recipe  # noqa: E402
from segdata.recipes.settings import Resize  # noqa: E402
from segdata.windows import Window  # noqa: E402
from train_files import QUICK, scenes, written  # noqa: E402

SIZE = (260, 340)


def write_tiff(path: Path, values: Any, block: int = 64) -> None:
    """(H, W, C) as a tiled GeoTIFF, by rasterio."""
    height, width, bands = values.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=bands, dtype=values.dtype, tiled=True,
        blockxsize=block, blockysize=block, compress="deflate", crs="EPSG:32633",
        transform=rasterio.Affine(0.5, 0, 9e5, 0, -0.5, 5e6),
    ) as file:  # fmt: skip
        file.write(values.transpose(2, 0, 1))


@pytest.fixture(scope="module")
def rasters(tmp_path_factory: pytest.TempPathFactory) -> segdata.Dataset:
    """Two GeoTIFFs of four 16-bit bands, whose masks follow from the first two."""
    root = tmp_path_factory.mktemp("large") / "d"
    labels = Labels.of(["low", "high"])
    samples = []
    for number, split in enumerate(("train", "val")):
        random = np.random.default_rng(number)
        coarse = np.kron(random.integers(0, 60_000, (13, 17, 4)), np.ones((20, 20, 1), np.int64))
        values = (coarse + random.integers(0, 500, (*SIZE, 4))).astype(np.uint16)
        mask = (coarse[:, :, 0] > coarse[:, :, 1]).astype(np.uint8)
        mask[:3] = 255
        write_tiff(root / f"images/{split}.tif", values)
        write_tiff(root / f"masks/{split}.tif", mask[:, :, None])
        held, counts = np.unique(mask, return_counts=True)
        samples.append(
            Sample(
                id=split, split=split, image=f"images/{split}.tif", mask=f"masks/{split}.tif", height=SIZE[0], width=SIZE[1],
                counts=dict(zip(held.tolist(), counts.tolist(), strict=True)),
                sha256=hashlib.sha256((root / f"masks/{split}.tif").read_bytes()).hexdigest(),
            )
        )  # fmt: skip
    segdata.Dataset(root, labels, samples, {"tool": "test"}, "copy").save()
    return segdata.Dataset.open(root)


@pytest.mark.parametrize("cache", ["yes", "no"])
def test_training_on_windows_of_a_geotiff(rasters: segdata.Dataset, tmp_path: Path, cache: str) -> None:
    """Four bands of 16 bits, normalised by the dataset; and the checkpoint knows how many bands there are."""
    recipe = {"normalise": "dataset", "crop": {"size": [64, 64]}, "transforms": [{"HorizontalFlip": {"p": 0.5}}]}
    options = {**QUICK, "epochs": 4, "batch": 4, "recipe": recipe, "cache": cache, "best": "loss"}
    result = segdata.train(rasters, tmp_path / "run", **options)
    assert result.rows[0]["step"] == 6  # 260 x 340 pixels are 22 windows of 64 x 64
    assert result.best["mean_iou"] > 0.6
    predictor = load(tmp_path / "run" / "best.pt", trust_code=True)
    assert predictor.bands == 4
    truth = [rasters.read_image(s)[:, :, c].mean() / 65535 for s in rasters.split("train") for c in range(4)]
    np.testing.assert_allclose(predictor.recipe.to_dict()["normalise"]["mean"], truth, rtol=1e-4)


def test_windows_from_a_file_are_those_from_memory(rasters: segdata.Dataset) -> None:
    train = rasters.split("train")
    recipe = Recipe.from_dict(
        {"normalise": "none", "crop": {"size": [48, 32], "class_aware": 0.5, "scale": [0.5, 2.0]}}
    )
    file, memory = (data.Training(train, recipe, 5, source) for source in (None, Cache(train, recipe)))
    for crop in range(20):
        a, b = (source[data.Key(0, 0, crop)] for source in (file, memory))
        np.testing.assert_array_equal(a[1], b[1])  # type: ignore[index]
        np.testing.assert_array_equal(a[2], b[2])  # type: ignore[index]


@pytest.mark.parametrize("options", [{"resize": (40, 52)}, {"short_side": 300}, {"crop": (32, 32)}])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_training_on_six_bands_of_any_size(tmp_path: Path, options: dict[str, Any], dtype: str) -> None:
    """Shrunk, enlarged, and by crops with a zoom: OpenCV alone resizes no more than four bands at once."""
    samples = []
    for number, split in enumerate(("train", "val")):
        random = np.random.default_rng(number)
        mask = random.integers(0, 2, (60, 80)).astype(np.uint8)
        high = 1 if dtype == "float32" else np.iinfo(dtype).max
        values = (random.random((60, 80, 6)) * high).astype(dtype)
        write_tiff(tmp_path / f"d/images/{split}.tif", values)
        sample = written(tmp_path / "d", split, split, values[:, :, 0].astype(np.uint8), mask)
        samples.append(msgspec.structs.replace(sample, image=f"images/{split}.tif"))
    segdata.Dataset(tmp_path / "d", Labels.of(["a", "b"]), samples, {"tool": "test"}, "copy").save()
    recipe: dict[str, Any] = {"normalise": "dataset"}
    if "crop" in options:
        recipe |= {"crop": {"size": [32, 32], "scale": [0.5, 2.0], "class_aware": 0.5}, "copy_paste": {}}
    dataset = segdata.Dataset.open(tmp_path / "d")
    for cache in ("yes", "no"):
        result = segdata.train(
            dataset, tmp_path / cache, **{**QUICK, "recipe": recipe, "epochs": 1, "cache": cache, **options}
        )
        assert np.isfinite(result.rows[0]["train_loss"])


def test_large_samples_are_validated_in_parts(
    rasters: segdata.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a margin as wide as the net sees, to the last digit as in one piece."""
    recipe = {"normalise": "none", "crop": {"size": [64, 64]}}
    options = {**QUICK, "epochs": 1, "recipe": recipe, "images": 3}
    whole = segdata.train(rasters, tmp_path / "whole", **options)
    monkeypatch.setattr(validation_data, "LARGEST", 100)
    monkeypatch.setattr(validation_data, "MARGIN", 2)
    cut = segdata.train(rasters, tmp_path / "parts", **options)
    names = ["pixel_accuracy", "class_accuracy", "mean_iou"]
    assert [cut.rows[0][name] for name in names] == [whole.rows[0][name] for name in names]
    assert cut.rows[0]["val_loss"] == pytest.approx(whole.rows[0]["val_loss"], rel=1e-5)
    shown = segdata.read_image(tmp_path / "parts" / "samples" / "epoch_0001.jpg")
    assert shown.shape[1] == 3 * 320 + 2 * BETWEEN + 2 * GAP


@given(
    st.integers(1, 900), st.integers(1, 900), st.integers(1, 300), st.integers(0, 40), st.sampled_from([None, 100, 700])
)
def test_parts_are_a_partition(height: int, width: int, side: int, margin: int, short: int | None) -> None:
    sample = Sample(id="a", mask="a", height=height, width=width, counts={}, sha256="")
    recipe = Recipe(resize=None if short is None else Resize("short", (short,)))
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.setattr(validation_data, "LARGEST", side)
        context.setattr(validation_data, "MARGIN", margin)
        found = validation_data.parts_of(7, sample, recipe)
    covered = np.zeros((height, width), int)
    for number, outer, inner in found:
        assert number == 7
        covered[inner.slices] += 1
        assert outer.meet(inner) == inner
        assert Window(0, 0, height, width).meet(outer) == outer
    assert (covered == 1).all()


def test_virtual_tiles_are_trained_on_as_files_would_be(tmp_path: Path) -> None:
    """Four tiles of each image, which are windows of its file."""
    whole = scenes(tmp_path / "d", size=(48, 64))
    samples = []
    for sample in whole:
        mask = whole.read_mask(sample)
        for number, (y, x) in enumerate(((0, 0), (0, 32), (24, 0), (24, 32))):
            window = Window(y, x, 24, 32)
            values, counts = np.unique(mask[window.slices], return_counts=True)
            held = dict(zip(values.tolist(), counts.tolist(), strict=True))
            fields = {
                "id": f"{sample.id}_{number}",
                "height": 24,
                "width": 32,
                "counts": held,
                "crop": window,
                "window": window,
            }
            samples.append(msgspec.structs.replace(sample, **fields, parent=sample.id))
    tiles = segdata.Dataset(whole.root, whole.labels, samples, {"tool": "test"}, "copy")
    recipe = Recipe.from_dict({"normalise": "none"})
    train = data.Training(tiles, recipe, 0)
    for number, sample in enumerate(samples):
        id, image, mask = train[data.Key(0, number, 0)]  # type: ignore[misc]
        parent = whole.sample(str(sample.parent))
        assert id == sample.id
        np.testing.assert_array_equal(image, whole.read_image(parent)[sample.crop.slices])  # type: ignore[union-attr]
        np.testing.assert_array_equal(mask, whole.read_mask(parent)[sample.crop.slices])  # type: ignore[union-attr]
    one = segdata.train(tiles, tmp_path / "one", **QUICK, cache="no")
    two = segdata.train(tiles, tmp_path / "two", **QUICK, cache="yes")
    assert one.rows[-1]["train_loss"] == two.rows[-1]["train_loss"]
    assert one.rows[0]["step"] == 8


def test_few_files_are_open_at_a_time(rasters: segdata.Dataset, tmp_path: Path) -> None:
    dataset = scenes(tmp_path / "d")
    openings = Openings(dataset, files=3, pixels=3 * 24 * 32)
    for item in (0, 1, 2, 1, 5, 5, 0):
        image, mask = openings(dataset.samples[item])
        np.testing.assert_array_equal(image.read(), dataset.read_image(dataset.samples[item]))
        np.testing.assert_array_equal(mask.read(), dataset.read_mask(dataset.samples[item]))
        assert len(openings._held) <= 2
    tiffs = Openings(rasters, pixels=1)
    assert tiffs(rasters.samples[0])[0].read(Window(5, 6, 7, 8)).shape == (7, 8, 4)
    tiffs(rasters.samples[1])
    assert len(tiffs._held) == 2  # read by windows, so that they take no memory
    tiffs.close()
    assert not tiffs._held
