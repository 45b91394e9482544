"""The real large images: a page, a drone's photo, a GeoTIFF with expected tiles and footprints, scenes with colour labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

import segdata
from carry_files import make
from segdata.dataset.dataset import Dataset
from segdata.files.images import read_image
from segdata.files.opening import open_image
from segdata.windows import Window

pytestmark = [pytest.mark.data, pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")]


@pytest.fixture(scope="module")
def hires(shared_data: Path) -> Path:
    return shared_data / "hires"


def referring(root: Path, image: Path, mask: Any, names: Any) -> Dataset:
    """A dataset of one image where it is."""
    line = {"image": str(Path(*[".."] * len(root.resolve().parts[1:]), *image.resolve().parts[1:]).as_posix())}
    dataset = make(root, {"x": mask}, names=names, fields={"x": line})
    dataset = Dataset(root, dataset.labels, dataset.samples, {"tool": "test"}, "reference")
    dataset.save()
    return dataset


@pytest.mark.slow
def test_the_page(hires: Path, tmp_path: Path) -> None:
    """Its blue channel is a bit mask: 1 background, 2 comment, 4 decoration, 8 main text; red 128 marks a boundary pixel."""
    truth = np.array(Image.open(hires / "page/e-codices_csg-0863_004_max_gt.png"))
    kinds = truth[:, :, 2] & 15
    mask = np.full(kinds.shape, 255, np.uint8)
    for bit, class_id in ((1, 0), (2, 1), (4, 2), (8, 3)):
        mask[kinds == bit] = class_id
    mask[truth[:, :, 0] == 128] = 255
    image = hires / "page/e-codices_csg-0863_004_max.jpg"
    page = referring(tmp_path / "d", image, mask, ("background", "comment", "decoration", "text"))
    tiles = segdata.tile(page, tmp_path / "t", size=1024, overlap=128, virtual=True)
    assert len(tiles) == 6 * 4
    whole = segdata.untile(tiles, tmp_path / "u")
    np.testing.assert_array_equal(whole.read_mask(whole.samples[0]), mask)
    assert whole.samples[0].counts == page.samples[0].counts
    pixels = read_image(image)
    files = segdata.tile(page, tmp_path / "f", size=1024, overlap=128, min_foreground=0.05, format="jpeg")
    assert 0 < len(files) < len(tiles)
    same = {s.id: s for s in tiles}
    for sample in list(files)[:3]:
        window = sample.window
        assert window is not None
        np.testing.assert_array_equal(tiles.read_image(same[sample.id]), pixels[window.slices])
        assert np.abs(files.read_image(sample).astype(int) - pixels[window.slices]).mean() < 3
        assert files.read_mask(sample).tobytes() == tiles.read_mask(same[sample.id]).tobytes()


def test_the_drone(hires: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An MPO file: a JPEG with a second image behind it, which nobody is to read."""
    image = hires / "drone/DJI_0018.JPG"
    drone = referring(tmp_path / "d", image, np.zeros((2250, 4000)), ("ground",))
    tiles = segdata.tile(drone, tmp_path / "t", size=(900, 1600), format="tiff", compress="none")
    assert [s.window for s in tiles] == [Window(y, x, 900, 1600) for y in (0, 900, 1350) for x in (0, 1600, 2400)]
    pixels = read_image(image)
    for sample in list(tiles)[::4]:
        np.testing.assert_array_equal(tiles.read_image(sample), pixels[sample.window.slices])  # type: ignore[union-attr]
    monkeypatch.setattr(
        "segdata.files.file.WHOLE", 2**20
    )  # row by row, as above the limit: GDAL's decoder differs by a little
    with open_image(image) as raster:
        part = raster.read(Window(2000, 1000, 250, 500))
    assert np.abs(part.astype(int) - pixels[2000:2250, 1000:1500]).mean() < 2


def test_the_geotiff_and_its_expected_tiles(hires: Path, tmp_path: Path) -> None:
    """Solaris cuts 100 tiles of 90 pixels, 45 metres: the same windows, pixels, coordinates and no-data value.

    It names them by their upper left corner in metres, where segdata names the first row and column.
    """
    image = hires / "geotiff/sample_geotiff.tif"
    with rasterio.open(image) as file:
        whole, transform = file.read(1), tuple(file.transform)[:6]
    source = referring(tmp_path / "d", image, np.zeros(whole.shape), ("ground",))
    tiles = segdata.tile(source, tmp_path / "t", size=90)
    expected = {path.stem: path for path in (hires / "geotiff/expected_tiles").glob("*.tif")}
    found = {}
    for sample in tiles:
        y, x, _, _ = sample.window  # type: ignore[misc]
        left, top = transform[2] + x * transform[0], transform[5] + y * transform[4]
        found[f"sample_geotiff_{int(left)}_{int(top)}"] = sample
    assert found.keys() == expected.keys()
    assert len(found) == 100
    for name, sample in found.items():
        with rasterio.open(tiles.image_path(sample)) as ours, rasterio.open(expected[name]) as theirs:
            np.testing.assert_array_equal(ours.read(), theirs.read())
            assert (ours.crs, ours.transform, ours.nodata) == (theirs.crs, theirs.transform, theirs.nodata)
        valid = tiles.read_image(sample)[:, :, 0] != 0
        np.testing.assert_array_equal(tiles.read_mask(sample) == 255, ~valid)  # no data is void


def test_the_footprints_from_geojson(hires: Path, tmp_path: Path) -> None:
    """Burnt by solaris (through rasterio as well) from the same labels: equal on every pixel."""
    (tmp_path / "s").mkdir()
    (tmp_path / "s/x.tif").symlink_to(hires / "geotiff/sample_geotiff.tif")
    labels = hires / "geotiff/geotiff_labels.geojson"
    dataset = segdata.convert("vector", tmp_path / "s", tmp_path / "d", vectors=labels)
    mask = dataset.read_mask(dataset.samples[0])
    expected = np.array(Image.open(hires / "geotiff/sample_fp_mask_from_geojson.tif")) > 0
    np.testing.assert_array_equal(mask == 1, expected)
    receipt = dataset.read_receipt()
    assert receipt["annotations"]["in"] == len(json.loads(labels.read_text())["features"]) == 43
    pixel = hires / "geotiff/gj_to_px_result.geojson"  # the same in whole pixels
    other = segdata.convert("vector", tmp_path / "s", tmp_path / "e", vectors=pixel, crs="pixel")
    disagree = (other.read_mask(other.samples[0]) != mask).mean()
    assert disagree < 0.01


@pytest.mark.parametrize("number", ["", "2"])
def test_the_scenes_with_colour_labels(hires: Path, tmp_path: Path, number: str) -> None:
    for folder, name in (("images", f"image{number}.tif"), ("masks", f"labels{number}.tif")):
        (tmp_path / "s" / folder).mkdir(parents=True)
        (tmp_path / "s" / folder / "scene.tif").symlink_to(hires / "scenes" / name)
    (tmp_path / "classes.csv").write_text("name,r,g,b\nvegetation,0,128,0\nbuilding,255,0,0\n")
    scene = segdata.convert(
        "masks", tmp_path / "s", tmp_path / "d", image_dir="images", mask_dir="masks", classes=tmp_path / "classes.csv",
        colors=True, values=["0,0,0=ignore"],
    )  # fmt: skip
    with rasterio.open(hires / "scenes" / f"image{number}.tif") as file:
        pixels, transform = file.read().transpose(1, 2, 0), tuple(file.transform)[:6]
    tiles = segdata.tile(scene, tmp_path / "t", size=256, overlap=0.25)
    for sample in tiles:
        assert str(sample.image).endswith(".tif")
        np.testing.assert_array_equal(tiles.read_image(sample), pixels[sample.window.slices])  # type: ignore[union-attr]
    whole = segdata.stitch(tiles, tmp_path / "w", blend="crop", vectorize=True)
    np.testing.assert_array_equal(whole.read_mask(whole.samples[0]), scene.read_mask(scene.samples[0]))
    with rasterio.open(whole.inside(whole.samples[0].mask)) as file:
        assert file.crs.to_epsg() == 4326
        assert tuple(file.transform)[:6] == pytest.approx(transform)
