"""Windows of images and masks in small, of every so many pixels or means: against numpy; from overviews if there are any."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rasterio.enums import Resampling

from segdata.errors import DataError
from segdata.files.images import read_image, write_mask
from segdata.files.opening import open_image, open_mask
from segdata.files.rasters import WholeMask, WholeRaster
from segdata.files.views import View, ViewedImage, ViewedMask
from segdata.windows import Window

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

WINDOW, SIZE = Window(8, 16, 48, 64), (12, 16)
"""A window of 4 x 4 pixels for each that it becomes."""

TILED = {"tiled": True, "blockxsize": 16, "blockysize": 16}


def noise(height: int, width: int, bands: int, dtype: str = "uint8") -> Any:
    values = np.random.default_rng(0).integers(0, 250, (height, width, bands)).astype(dtype)
    return values if dtype == "uint8" else values * 200


def geotiff(path: Path, values: Any, factors: tuple[int, ...] = (), **profile: Any) -> Path:
    height, width, bands = values.shape
    shape = {"height": height, "width": width, "count": bands, "dtype": values.dtype}
    with rasterio.open(path, "w", driver="GTiff", **shape, **profile) as file:
        file.write(values.transpose(2, 0, 1))
    if factors:
        with rasterio.open(path, "r+") as file:
            file.build_overviews(factors, Resampling.average)
    return path


def nearest(values: Any, window: Window, size: tuple[int, int]) -> Any:
    """The pixels under the centres, one by one."""
    y, x, h, w = window
    rows = [y + int((i + 0.5) * h / size[0]) for i in range(size[0])]
    columns = [x + int((i + 0.5) * w / size[1]) for i in range(size[1])]
    return np.array([[values[row, column] for column in columns] for row in rows])


def means(values: Any, window: Window, size: tuple[int, int]) -> Any:
    """The means of whole blocks of pixels."""
    part = values[window.slices].astype(np.float64)
    return part.reshape(size[0], part.shape[0] // size[0], size[1], part.shape[1] // size[1], -1).mean(axis=(1, 3))


@pytest.mark.parametrize(
    ("bands", "dtype", "profile"),
    [(3, "uint8", {}), (3, "uint8", TILED), (5, "uint16", TILED), (1, "float32", {}), (1, "uint8", {})],
)
def test_windows_of_tiffs(tmp_path: Path, bands: int, dtype: str, profile: dict[str, Any]) -> None:
    values = noise(70, 90, bands, dtype)
    path = geotiff(tmp_path / "x.tif", values, **profile)
    shown = np.repeat(values, 3, axis=2) if (bands, dtype) == (1, "uint8") else values[:, :, :3]
    with open_image(path) as raster:
        assert raster.shrinks == 1
        np.testing.assert_array_equal(raster.reduced(SIZE, WINDOW), nearest(shown, WINDOW, SIZE))
        np.testing.assert_allclose(raster.reduced(SIZE, WINDOW, mean=True), means(shown, WINDOW, SIZE), atol=0.51)
        np.testing.assert_array_equal(raster.reduced((99, 99), WINDOW, mean=True), shown[WINDOW.slices])
        assert raster.reduced((7, 9)).shape[:2] == (7, 9)


@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.tuples(st.integers(1, 50), st.integers(1, 50)), st.data())
def test_images_and_masks_in_memory(full: tuple[int, int], size: tuple[int, int], data: Any) -> None:
    y, x = (data.draw(st.integers(0, n - 1)) for n in full)
    window = Window(y, x, data.draw(st.integers(1, full[0] - y)), data.draw(st.integers(1, full[1] - x)))
    values = noise(*full, 3)
    size_ = min(size[0], window.height), min(size[1], window.width)
    np.testing.assert_array_equal(WholeRaster(values).reduced(size, window), nearest(values, window, size_))
    mask = WholeMask(values[:, :, 0])
    np.testing.assert_array_equal(mask.reduced(size, window), nearest(values[:, :, 0], window, size_))
    for view in (View(window, window[2:]), View(window, (window.height + 3, window.width + 2))):
        inner = Window(0, 0, view.size[0], max(1, view.size[1] // 2))
        whole = ViewedMask(mask, view, 255).read()
        image = ViewedImage(WholeRaster(values), view)
        size_ = min(size[0], inner.height), min(size[1], inner.width)
        got = ViewedMask(mask, view, 255).reduced(size, inner)
        np.testing.assert_array_equal(got, nearest(whole, inner, size_))
        np.testing.assert_array_equal(image.reduced(size, inner), nearest(image.read(), inner, size_))


def test_overviews_are_read(tmp_path: Path) -> None:
    """They are told of, in crops too; what is read of them is what GDAL has there."""
    values = noise(256, 512, 3)
    path = geotiff(tmp_path / "x.tif", values, (2, 4, 8), **TILED)
    with rasterio.open(path, overview_level=1) as file:
        copy = file.read().transpose(1, 2, 0)
    with open_image(path) as raster:
        assert raster.shrinks == 8
        np.testing.assert_array_equal(raster.reduced((64, 128), mean=True), copy)
        np.testing.assert_array_equal(raster.reduced((32, 32), Window(0, 128, 128, 128)), copy[:32, 32:64])
        view = ViewedImage(raster, View(Window(64, 128, 192, 256), (192, 256)))
        assert view.shrinks == 8
        np.testing.assert_array_equal(view.reduced((16, 32), Window(64, 0, 64, 128)), copy[32:48, 32:64])
        assert ViewedImage(raster, View(Window(0, 0, 256, 512), (128, 256), 0.5)).shrinks == 1
    mask = geotiff(tmp_path / "m.tif", values[:, :, :1], **TILED)
    with rasterio.open(mask, "r+") as file:
        file.build_overviews((2, 4), Resampling.nearest)
    with open_mask(mask) as opened:
        assert opened.shrinks == 4
        with rasterio.open(mask, overview_level=0) as file:
            np.testing.assert_array_equal(
                opened.reduced((64, 64), Window(128, 256, 128, 128)), file.read(1)[64:, 128:192]
            )


def test_blocks_as_large_as_an_image_count_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = geotiff(tmp_path / "x.tif", noise(64, 64, 3), (2,), **TILED)
    monkeypatch.setattr("segdata.files.rasters.SLOW", 255)
    with open_image(path) as raster:
        assert raster.shrinks == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpegs_in_small_are_means_of_the_whole(tmp_path: Path, orientation: int) -> None:
    """Turned by EXIF, and cut; and read as a whole they are what they always are."""
    smooth = Image.fromarray(noise(12, 20, 3)).resize((400, 240))
    exif = Image.Exif()
    exif[0x0112] = orientation
    smooth.save(tmp_path / "x.jpg", quality=95, exif=exif)
    for kind in ("raw", "upright"):
        expected = read_image(tmp_path / "x.jpg", exif=kind).astype(int)  # type: ignore[arg-type]
        with open_image(tmp_path / "x.jpg", exif=kind, small=True) as raster:  # type: ignore[arg-type]
            assert (raster.height, raster.width) == expected.shape[:2]
            window = Window(40, 80, 160, 160)
            got = raster.reduced((20, 20), window, mean=True).astype(int)
            assert np.abs(got - means(expected, window, (20, 20))).mean() < 2
            whole = raster.reduced((24, 24), mean=True).astype(int)
            assert np.abs(whole - raster.reduced((24, 24)).astype(int)).mean() < 12
            np.testing.assert_array_equal(raster.read(), expected)
            np.testing.assert_array_equal(raster.reduced((30, 30), window), nearest(expected, window, (30, 30)))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_jpegs_of_other_colours(tmp_path: Path, mode: str) -> None:
    Image.fromarray(noise(6, 10, 3)).resize((320, 192)).convert(mode).save(tmp_path / "x.jpg", quality=95)
    with open_image(tmp_path / "x.jpg", small=True) as raster, open_image(tmp_path / "x.jpg") as whole:
        got, expected = (one.reduced((12, 20), mean=True).astype(int) for one in (raster, whole))
    assert got.shape == (12, 20, 3)
    assert np.abs(got - expected).mean() < 2


def test_a_damaged_jpeg_in_small_is_told(tmp_path: Path) -> None:
    Image.fromarray(noise(64, 64, 3)).save(tmp_path / "x.jpg")
    (tmp_path / "x.jpg").write_bytes((tmp_path / "x.jpg").read_bytes()[:900])
    with open_image(tmp_path / "x.jpg", small=True) as raster, pytest.raises(DataError, match=r"x\.jpg") as error:
        raster.reduced((8, 8), mean=True)
    assert error.value.problem.code == "image.unreadable"


def test_what_means_no_data_is_in_no_mean(tmp_path: Path) -> None:
    values = np.full((40, 40, 1), 1000, np.uint16)
    values[:, 21:] = 60000
    path = geotiff(tmp_path / "x.tif", values, nodata=60000)
    with open_image(path) as raster:
        assert set(np.unique(raster.reduced((10, 10), mean=True))) == {1000, 60000}
        assert set(
            np.unique(ViewedImage(raster, View(Window(0, 0, 40, 40), (20, 20), 0.5)).reduced((10, 10), mean=True))
        ) == {
            1000,
            60000,
        }


def test_palettes_have_no_means(tmp_path: Path) -> None:
    palette = {0: (255, 0, 0, 255), 1: (0, 0, 0, 255), 2: (0, 0, 255, 255)}
    path = geotiff(tmp_path / "x.tif", np.tile(np.array([[0, 2], [2, 0]], np.uint8), (20, 20))[:, :, None])
    with warnings.catch_warnings(), rasterio.open(path, "r+") as file:
        file.write_colormap(1, palette)
    with open_image(path) as raster:
        got = raster.reduced((10, 10), mean=True)
    assert {tuple(one) for one in got.reshape(-1, 3).tolist()} <= {(255, 0, 0), (0, 0, 255)}


def test_masks_in_png_and_tiff(tmp_path: Path) -> None:
    mask = noise(70, 90, 1)[:, :, 0]
    write_mask(tmp_path / "m.png", mask)
    geotiff(tmp_path / "m.tif", mask[:, :, None], **TILED)
    for name in ("m.png", "m.tif"):
        with open_mask(tmp_path / name) as opened:
            assert opened.shrinks == 1
            np.testing.assert_array_equal(opened.reduced(SIZE, WINDOW), nearest(mask, WINDOW, SIZE))
