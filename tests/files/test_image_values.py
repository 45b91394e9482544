"""What numbers of an image mean: against arithmetic on arrays, and against GDAL's masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from segdata.errors import DataError, OptionError
from segdata.files.colors import to_rgb
from segdata.files.geo import Geo
from segdata.files.images import ImageFacts
from segdata.files.opening import open_image, read_facts
from segdata.files.reading import Reading
from segdata.files.values import as_values, known_bands, meant, span_given
from segdata.resize import resize_image, resize_known, resize_mask
from segdata.windows import Window


def geotiff(path: Path, values: NDArray[Any], **more: Any) -> Path:
    """A TIFF of (h, w, C)."""
    tags = {name: more.pop(name) for name in ("scales", "offsets") if name in more}
    height, width, count = values.shape
    place = rasterio.Affine(1, 0, 9, 0, -1, 9)
    shape = {"height": height, "width": width, "count": count, "dtype": values.dtype, "transform": place}
    with rasterio.open(path, "w", driver="GTiff", **shape, **more) as file:
        file.write(values.transpose(2, 0, 1))
        for name, value in tags.items():
            setattr(file, name, value)
    return path


def test_types_that_models_take_are_not_touched(tmp_path: Path) -> None:
    for dtype in ("uint8", "uint16", "float32"):
        with open_image(geotiff(tmp_path / f"{dtype}.tif", np.ones((4, 5, 2), dtype))) as raster:
            assert as_values(raster, convert=True, scaled=False) is raster


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "int64", "uint64", "float64"])
def test_other_types_become_float32_if_that_is_asked_for(tmp_path: Path, dtype: str) -> None:
    values = np.arange(40).reshape(4, 5, 2).astype(dtype)
    with open_image(geotiff(tmp_path / "x.tif", values, nodata=7)) as raster:
        with pytest.raises(DataError, match=f"its pixels are {dtype}, and no span says"):
            as_values(raster)
        found = as_values(raster, convert=True)
        expected = np.where(values == 7, np.nan, values).astype(np.float32)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found.read(), expected)
        np.testing.assert_array_equal(found.read(Window(1, 2, 2, 3)), expected[1:3, 2:])
        window = Window(0, 0, 4, 5)
        np.testing.assert_array_equal(found.valid(window, found.read()), raster.valid(window, raster.read()))


def test_scale_and_offset_are_of_each_band(tmp_path: Path) -> None:
    values = np.arange(40, dtype=np.uint16).reshape(4, 5, 2)
    path = geotiff(tmp_path / "x.tif", values, scales=(0.5, 2), offsets=(-1, 10), nodata=3)
    with open_image(path) as raster:
        expected = values * np.array([0.5, 2]) + np.array([-1, 10])
        expected[values == 3] = np.nan
        np.testing.assert_array_equal(as_values(raster, scaled=True).read(), expected.astype(np.float32))
        assert as_values(raster).dtype == np.uint16
    with (
        open_image(geotiff(tmp_path / "y.tif", values)) as raster,
        pytest.raises(DataError, match="no scale and offset"),
    ):
        as_values(raster, scaled=True)
    with open_image(geotiff(tmp_path / "z.tif", values.astype(np.float32))) as raster:
        assert as_values(raster, scaled=True) is raster


def test_grey_images_are_scaled_in_all_three_bands(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "x.tif", np.full((2, 2, 1), 8, np.uint8), scales=(0.5,))
    with open_image(path) as raster:
        assert as_values(raster, scaled=True).read().tolist() == [[[4.0] * 3] * 2] * 2


def test_known_pixels_are_those_of_gdal(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 3, (30, 7, 2)).astype(np.int16)
    path = geotiff(tmp_path / "x.tif", values, nodata=0)
    with open_image(path) as raster, rasterio.open(path) as file:
        parts = list(known_bands(raster, pixels=40))
        assert len(parts) == 6
        np.testing.assert_array_equal(np.concatenate([known for _, known in parts]), file.dataset_mask() > 0)
        np.testing.assert_array_equal(np.concatenate([read for read, _ in parts]), values)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_no_data_of_16_bits_is_dark_to_a_model(tmp_path: Path, dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 9, (6, 5, 2)).astype(dtype)
    values[:2], values[3, 3, 1] = 255, 255
    with open_image(geotiff(tmp_path / "x.tif", values, nodata=255)) as raster:
        found = as_values(raster)
        assert (found is raster) == (dtype == "uint8")
        expected = values if dtype == "uint8" else np.where((values == 255).all(axis=2, keepdims=True), 0, values)
        np.testing.assert_array_equal(found.read(), expected)
        known = found.valid(Window(0, 0, 6, 5), found.read())
        assert known is not None
        assert known.sum() == 20


def test_nan_is_what_it_was() -> None:
    values = np.array([[[1.0, np.nan]]])
    np.testing.assert_array_equal(meant(values, Geo(nodata=np.nan)), values.astype(np.float32))


@pytest.mark.parametrize(("values", "span"), [((), None), ((-1, 2.5), (-1.0, 2.5))])
def test_a_span(values: tuple[float, ...], span: tuple[float, float] | None) -> None:
    assert span_given(values) == span


@pytest.mark.parametrize("values", [(1,), (2, 1), (1, 1), (1, 2, 3), (float("nan"), 1), (0, float("inf"))])
def test_no_span(values: tuple[float, ...]) -> None:
    with pytest.raises(OptionError, match="LOW,HIGH"):
        span_given(values)


def test_files_say_whether_pixels_may_lack_data(tmp_path: Path) -> None:
    plain = np.ones((4, 5, 3), np.uint8)
    assert not read_facts(geotiff(tmp_path / "a.tif", plain, photometric="RGB")).gaps
    assert read_facts(geotiff(tmp_path / "b.tif", plain, photometric="RGB", nodata=0)).gaps
    image = Image.fromarray(plain)
    image.save(tmp_path / "c.png")
    assert read_facts(tmp_path / "c.png") == ImageFacts(4, 5, 1)
    image.putalpha(1)
    image.save(tmp_path / "d.png")
    assert not read_facts(tmp_path / "d.png").gaps
    image.putpixel((0, 0), (1, 1, 1, 0))
    image.save(tmp_path / "e.png")
    assert read_facts(tmp_path / "e.png").gaps
    Image.new("L", (5, 4)).save(tmp_path / "f.png", transparency=0)
    assert read_facts(tmp_path / "f.png").gaps


def test_a_reading_may_say_that_there_is_data_everywhere(tmp_path: Path) -> None:
    path = geotiff(tmp_path / "a.tif", np.zeros((4, 5, 2), np.float32), nodata=0)
    with open_image(path, reading=Reading(under_nodata="keep")) as raster:
        assert raster.valid(Window(0, 0, 4, 5), raster.read()) is None
        assert np.isnan(as_values(raster).read()).all(), "a model is still given no value there"
    assert Reading(vrt=True, under_nodata="keep").written() == Reading(under_nodata="keep")


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**16), st.sampled_from(["float32", "int16", "uint8"]))
def test_no_data_is_mixed_into_no_pixel(height: int, width: int, seed: int, dtype: str) -> None:
    """By brute force: pixels with data are within the values that have data, and no data is where the mask has it."""
    random = np.random.default_rng(seed)
    image = random.integers(100, 120, (8, 6, 2)).astype(dtype)
    image[random.random((8, 6)) < 0.3] = 7
    known = image != 7
    found = resize_known(image, (height, width), 7)
    assert found.dtype == image.dtype
    np.testing.assert_array_equal(found != 7, resize_mask(known, (height, width)))
    if known.any():
        assert set(found[found != 7] >= image[known].min()) <= {True}
        assert set(found[found != 7] <= image[known].max()) <= {True}
    np.testing.assert_array_equal(resize_known(image, (height, width), None), resize_image(image, (height, width)))


def test_no_data_does_not_darken_what_people_look_at() -> None:
    values = np.random.default_rng(0).random((8, 8, 3)).astype(np.float32)
    hidden = values.copy()
    hidden[:2] = -9999
    shown = to_rgb(hidden, nodata=-9999)
    np.testing.assert_array_equal(shown[2:], to_rgb(values[2:]))
    assert not shown[:2].any()
