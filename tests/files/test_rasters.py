"""Reading by windows, writing TIFF and scores: against rasterio, Pillow, and reading the whole."""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from rasterio.errors import NotGeoreferencedWarning

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample, Tiling
from segdata.errors import DataError
from segdata.files import rasters
from segdata.files.colors import to_rgb
from segdata.files.geo import Geo
from segdata.files.images import ImageFacts, read_image, read_mask
from segdata.files.opening import open_image, open_mask, read_brightness, read_facts
from segdata.files.scores import dequantise, quantise, read_scores, write_scores
from segdata.files.tiff import Tag, TiffWriter, encode_tiff
from segdata.files.views import View, ViewedImage, ViewedMask
from segdata.labels import Labels
from segdata.windows import Window

UTM = (0.5, 0.0, 733601.0, 0.0, -0.5, 3725139.0)


def noise(height: int, width: int, bands: int, dtype: str = "uint8", seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 250, (height, width, bands)).astype(dtype)


def geotiff(path: Path, values: Any, **profile: Any) -> Path:
    """Written by GDAL."""
    height, width, bands = values.shape
    shape = {"height": height, "width": width, "count": bands, "dtype": values.dtype}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", **shape, **profile) as file:
            file.write(values.transpose(2, 0, 1))
    return path


def read_with_gdal(path: Path) -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as file:
            return file.read().transpose(1, 2, 0), file.profile


TILED = {"tiled": True, "blockxsize": 16, "blockysize": 16}
KINDS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "strips": (3, "uint8", {}),
    "tiles": (3, "uint8", {**TILED, "compress": "deflate", "interleave": "pixel"}),
    "five bands of 16 bits": (5, "uint16", {**TILED, "interleave": "band"}),
    "float": (1, "float32", {"compress": "lzw"}),
    "BigTIFF": (2, "uint16", {"BIGTIFF": "YES"}),
    "grey": (1, "uint8", {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_windows_of_tiffs_are_those_of_the_whole(tmp_path: Path, kind: str) -> None:
    bands, dtype, profile = KINDS[kind]
    values = noise(50, 70, bands, dtype)
    path = geotiff(tmp_path / "x.tif", values, **profile)
    expected = np.repeat(values, 3, axis=2) if kind == "grey" else values
    with open_image(path) as raster:
        assert (raster.height, raster.width, raster.bands, raster.dtype) == (*expected.shape, expected.dtype)
        assert raster.blocked == ("tiled" in profile)
        np.testing.assert_array_equal(raster.read(), expected)
        for window in (Window(0, 0, 1, 1), Window(13, 20, 30, 44), Window(49, 0, 1, 70)):
            part = raster.read(window)
            np.testing.assert_array_equal(part, expected[window.slices])
            assert part.flags.c_contiguous
            assert raster.valid(window, part) is None
    facts = read_facts(path)
    assert (facts.height, facts.width, facts.orientation) == (50, 70, 1)


def test_jpeg_2000(tmp_path: Path) -> None:
    values = noise(64, 80, 3)
    shape = {"height": 64, "width": 80, "count": 3, "dtype": "uint8", "QUALITY": 100, "REVERSIBLE": "YES"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(tmp_path / "x.jp2", "w", driver="JP2OpenJPEG", **shape) as file:
            file.write(values.transpose(2, 0, 1))
    with open_image(tmp_path / "x.jp2") as raster:
        np.testing.assert_array_equal(raster.read(Window(5, 6, 40, 50)), values[5:45, 6:56])


ORDINARY = ("RGB", "L", "P", "RGBA", "LA", "I;16", "1")


def ordinary(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.random.default_rng(1).integers(0, 65536, (40, 30)).astype(np.uint16))
    values = noise(40, 30, 4)
    values[:, :, 3] = np.where(values[:, :, 3] > 99, 255, 0)  # plainly alpha
    image = Image.fromarray(values, "RGBA")
    return image.convert("RGB").quantize(50) if mode == "P" else image.convert(mode)


@pytest.mark.parametrize("mode", ORDINARY)
@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_ordinary_images_are_what_read_image_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, mode: str
) -> None:
    """Whole, by windows, and by rows as above the limit; but for TIFFs of 16 bits, which stay as they are."""
    path = tmp_path / name
    ordinary(mode).save(path)
    expected = read_image(path)
    if (name, mode) == ("x.tif", "I;16"):
        expected = np.array(Image.open(path))[:, :, None]
    for limit in (2**26, 100):
        monkeypatch.setattr("segdata.files.file.WHOLE", limit)
        with open_image(path) as raster:
            np.testing.assert_array_equal(raster.read(Window(7, 5, 20, 11)), expected[7:27, 5:16])
            np.testing.assert_array_equal(raster.read(), expected)


@pytest.mark.parametrize("limit", [2**26, 100])
@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_alpha_says_where_data_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: int) -> None:
    monkeypatch.setattr("segdata.files.file.WHOLE", limit)
    rgba = noise(20, 30, 4)
    rgba[:, :, 3] = np.where(np.arange(30) < 11, 0, 255)
    Image.fromarray(rgba, "RGBA").save(tmp_path / name)
    with open_image(tmp_path / name) as raster:
        window = Window(3, 4, 10, 20)
        valid = raster.valid(window, raster.read(window))
        assert valid is not None
        np.testing.assert_array_equal(valid, rgba[3:13, 4:24, 3] > 0)
        assert raster.bands == 3


def test_nodata_says_where_data_is(tmp_path: Path) -> None:
    values = noise(20, 30, 2, "uint16")
    values[:5] = 0
    values[6, :, 0] = 0  # one band alone is a value like any other
    path = geotiff(tmp_path / "x.tif", values, nodata=0, crs="EPSG:32616", transform=rasterio.Affine(*UTM))
    with open_image(path) as raster:
        valid = raster.valid(Window(0, 0, 20, 30), raster.read())
        assert valid is not None
        np.testing.assert_array_equal(valid, (values != 0).any(axis=2))
        assert raster.geo.nodata == 0
        assert raster.geo.transform == UTM
    nan = noise(4, 5, 1, "float32")
    nan[1, 2] = np.nan
    with open_image(geotiff(tmp_path / "nan.tif", nan, nodata=np.nan)) as raster:
        valid = raster.valid(Window(0, 0, 4, 5), raster.read())
        assert valid is not None
        assert np.argwhere(~valid).tolist() == [[1, 2]]


def test_exif_turns_images_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.fromarray(noise(40, 30, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "x.jpg", exif=exif, quality=95, subsampling=0)
    monkeypatch.setattr("segdata.files.file.WHOLE", 100)
    with open_image(tmp_path / "x.jpg", exif="upright") as raster:
        np.testing.assert_array_equal(raster.read(), read_image(tmp_path / "x.jpg", exif="upright"))
    with open_image(tmp_path / "x.jpg", exif="raw") as raster:
        assert (raster.height, raster.width) == (40, 30)
        assert (
            np.abs(raster.read().astype(int) - read_image(tmp_path / "x.jpg")).mean() < 3
        )  # GDAL's decoder, not Pillow's


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16", "CMYK", "P"])
def test_a_turned_tiff_is_raw_by_windows_and_upright_when_asked(tmp_path: Path, mode: str, orientation: int) -> None:
    path = tmp_path / "x.tif"
    image = ordinary(mode)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "plain.tif")
    image.save(path, exif=exif)
    height, width = image.height, image.width
    with open_image(tmp_path / "plain.tif") as raster:
        raw = raster.read()
        valid = raster.valid(Window(0, 0, height, width), raw)
    expected = Image.new("I", (width, height))
    expected.putdata(range(width * height))
    expected.getexif()[0x0112] = orientation
    order = np.asarray(ImageOps.exif_transpose(expected))  # where each upright pixel lies in the raw image
    upright = raw.reshape(-1, raw.shape[2])[order]
    for exif_of in (None, "raw"):
        with open_image(path, exif=exif_of) as raster:
            np.testing.assert_array_equal(raster.read(), raw)
            np.testing.assert_array_equal(raster.read(Window(3, 2, 9, 7)), raw[3:12, 2:9])
    with open_image(path, exif="upright") as raster:
        assert (raster.height, raster.width, raster.dtype) == (*order.shape, raw.dtype)
        np.testing.assert_array_equal(raster.read(), upright)
        np.testing.assert_array_equal(raster.read(Window(3, 2, 9, 7)), upright[3:12, 2:9])
        turned = raster.valid(Window(0, 0, *order.shape), upright)
        everywhere = np.ones((height, width), np.bool_)
        expected_valid = (everywhere if valid is None else valid).ravel()[order]
        np.testing.assert_array_equal(np.ones(order.shape, np.bool_) if turned is None else turned, expected_valid)
    found = ImageFacts(height, width, orientation, gaps=valid is not None)
    assert read_facts(path) == found
    facts, _, grey = read_brightness(path, exif="upright")
    assert (facts, grey.shape) == (found, order.shape)


def test_a_large_jpeg_says_how_it_is_turned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("x.jpg", "x.png"):
        Image.fromarray(noise(40, 30, 3)).save(tmp_path / name, exif=exif)
        expected = ImageFacts(40, 30, 6)
        assert read_facts(tmp_path / name) == expected
        monkeypatch.setattr("segdata.files.file.WHOLE", 100)
        assert read_facts(tmp_path / name) == read_brightness(tmp_path / name, exif="upright")[0] == expected


@pytest.mark.parametrize("limit", [2**26, 100])
def test_masks_by_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    monkeypatch.setattr("segdata.files.file.WHOLE", limit)
    for name, dtype in (("a.png", "uint8"), ("b.png", "uint16"), ("c.tif", "uint8"), ("d.tif", "uint16")):
        mask = np.random.default_rng(2).integers(0, 5, (60, 50)).astype(dtype)
        Image.fromarray(mask).save(tmp_path / name)
        with open_mask(tmp_path / name) as raster:
            np.testing.assert_array_equal(raster.read(Window(10, 3, 40, 30)), mask[10:50, 3:33])
            assert raster.read().dtype == mask.dtype
    ordinary("P").save(tmp_path / "p.png")
    with open_mask(tmp_path / "p.png") as raster:
        np.testing.assert_array_equal(raster.read(), read_mask(tmp_path / "p.png"))


def test_what_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    geotiff(tmp_path / "rgb.tif", noise(20, 20, 3))
    data = geotiff(tmp_path / "x.tif", noise(64, 64, 3), **TILED, compress="deflate").read_bytes()
    (tmp_path / "cut.tif").write_bytes(data[: len(data) // 2])
    (tmp_path / "no.tif").write_bytes(b"II*\0" + b"x" * 100)
    for opened, name, code in (
        (open_image, "missing.tif", "image.missing"),
        (open_image, "no.tif", "image.unreadable"),
        (open_image, "cut.tif", "image.unreadable"),
        (open_mask, "missing.png", "mask.missing"),
        (open_mask, "rgb.tif", "mask.colours"),
        (open_mask, "no.tif", "mask.unreadable"),
    ):
        with pytest.raises(DataError) as caught, opened(tmp_path / name) as raster:
            raster.read()
        assert caught.value.problem.code == code
        assert caught.value.problem.file == str(tmp_path / name)


def test_images_elsewhere(tmp_path: Path) -> None:
    """In an archive, which GDAL reaches as it does what is behind a URL."""
    values = noise(40, 50, 4, "uint16")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.write(geotiff(tmp_path / "x.tif", values, **TILED), "far/x.tif")
    url = f"zip://{tmp_path}/x.zip!/far/x.tif"
    with open_image(url) as raster:
        np.testing.assert_array_equal(raster.read(Window(3, 4, 20, 30)), values[3:23, 4:34])
    sample = Sample(id="x", image=url, mask="masks/x.png", height=40, width=50, counts={}, sha256="")
    dataset = Dataset(tmp_path, Labels.of(["a"]), [sample], images="reference")
    np.testing.assert_array_equal(dataset.read_image(sample), values)


@given(st.sampled_from(["uint8", "uint16", "float32"]), st.integers(1, 5), st.integers(1, 40), st.integers(1, 300))
@settings(max_examples=30)
def test_tiffs_of_our_own_are_read_by_gdal(tmp_path_factory: Any, dtype: str, bands: int, h: int, w: int) -> None:
    path = tmp_path_factory.mktemp("tiff") / "x.tif"
    values = noise(h, w, bands, dtype, seed=h)
    for compress in ("none", "deflate"):
        path.write_bytes(encode_tiff(values, compress=compress))  # type: ignore[arg-type]
        found, _ = read_with_gdal(path)
        np.testing.assert_array_equal(found, values)
        assert found.dtype == values.dtype
        if dtype == "uint8" and bands in (1, 3):
            np.testing.assert_array_equal(np.asarray(Image.open(path)), values.squeeze(2) if bands == 1 else values)


@pytest.mark.parametrize("big", [False, True])
def test_a_file_is_written_tile_by_tile_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, big: bool
) -> None:
    monkeypatch.setattr("segdata.files.tiff.BIG", 0 if big else 2**32)
    values = noise(70, 90, 2, "uint16").transpose(2, 0, 1)
    parts = [(y, x) for x in (0, 32, 64) for y in (0, 32, 64)]
    for order in (parts, parts[::-1]):
        with TiffWriter(tmp_path / "x.tif", 70, 90, 2, np.uint16, tile=32) as file:
            for y, x in order:
                file.write(y, x, values[:, y : y + 32, x : x + 32])
        found, profile = read_with_gdal(tmp_path / "x.tif")
        np.testing.assert_array_equal(found.transpose(2, 0, 1), values)
        assert profile["tiled"]
    assert (tmp_path / "x.tif").read_bytes()[2] == (43 if big else 42)
    with (
        pytest.raises(ValueError, match="not whole tiles"),
        TiffWriter(tmp_path / "y.tif", 70, 90, 2, np.uint16) as file,
    ):
        file.write(0, 5, values)
    assert not list(tmp_path.glob("y*"))


@pytest.mark.parametrize("transform", [UTM, (0.4, 0.1, 5.0, 0.1, -0.4, 7.0)])
def test_coordinates_come_back(tmp_path: Path, transform: Any) -> None:
    wkt = rasterio.crs.CRS.from_epsg(32616).to_wkt()
    geo = Geo(wkt, transform, 0.0)
    (tmp_path / "x.tif").write_bytes(encode_tiff(noise(20, 30, 3), tags=geo.tags()))
    with rasterio.open(tmp_path / "x.tif") as file:
        assert file.crs.to_epsg() == 32616
        assert tuple(file.transform)[:6] == pytest.approx(transform)
        assert file.nodata == 0
    window = Window(3, 4, 8, 10)
    part = geo.cut(window, (4, 5))
    (tmp_path / "y.tif").write_bytes(encode_tiff(noise(4, 5, 1), tags=part.tags()))
    with rasterio.open(tmp_path / "y.tif") as file:
        if transform == UTM:  # 3 rows down and 4 columns to the right, 8 rows and 10 columns of half a metre
            assert tuple(file.bounds) == pytest.approx((733603.0, 3725133.5, 733608.0, 3725137.5))
        assert tuple(file.transform)[:6] == pytest.approx(part.transform)
    assert part.whole(window, (4, 5)).transform == pytest.approx(transform)
    assert Geo().tags() == []
    assert not Geo().placed


def test_the_same_bytes_again(tmp_path: Path) -> None:
    probs = np.random.default_rng(0).dirichlet(np.ones(3), (300, 280)).transpose(2, 0, 1).astype(np.float32)
    digests = set()
    for _ in range(2):
        parts = [(y, x, probs[:, y : y + 256, x : x + 256]) for x in (0, 256) for y in (0, 256)]
        write_scores(tmp_path / "s.tif", (300, 280), 3, parts)
        digests.add(hashlib.sha256((tmp_path / "s.tif").read_bytes()).hexdigest())
    assert len(digests) == 1
    whole = read_scores(tmp_path / "s.tif")
    assert (whole.shape, whole.dtype) == ((3, 300, 280), np.float32)
    assert np.abs(whole - probs).max() <= 1 / 510 + 1e-6
    part = read_scores(tmp_path / "s.tif", Window(100, 90, 50, 60))
    np.testing.assert_array_equal(part, whole[:, 100:150, 90:150])
    stored, _ = read_with_gdal(tmp_path / "s.tif")
    np.testing.assert_array_equal(stored.transpose(2, 0, 1), np.rint(probs * 255).astype(np.uint8))


@pytest.mark.parametrize("classes", [2, 19, 300])
def test_what_is_read_is_off_by_half_a_step_at_most(classes: int) -> None:
    probs = np.random.default_rng(classes).dirichlet(np.full(classes, 0.1), 500).T.reshape(classes, 20, 25)
    assert np.abs(dequantise(quantise(probs)) - probs).max() <= 1 / 510 + 1e-6
    sure = np.zeros((classes, 1, 1), np.uint8)
    sure[1] = 255
    assert dequantise(sure).ravel().tolist() == [0, 1, *[0] * (classes - 2)]
    assert (dequantise(np.zeros((classes, 1, 1), np.uint8)) == np.float32(1 / classes)).all(), "nothing is known"
    assert quantise(np.array([[[0.5]], [[-1e-9]], [[1.0000001]]])).ravel().tolist() == [128, 0, 255]


def test_scores_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="scores are uint8"):
        read_scores(geotiff(tmp_path / "x.tif", noise(5, 5, 2, "float32")))
    with pytest.raises(DataError, match="no such file"):
        read_scores(tmp_path / "y.tif")


@st.composite
def views(draw: st.DrawFn) -> View:
    y, x = draw(st.integers(0, 20)), draw(st.integers(0, 20))
    crop = Window(y, x, draw(st.integers(1, 40 - y)), draw(st.integers(1, 30 - x)) if x < 29 else 1)
    size = draw(st.integers(1, 50)), draw(st.integers(1, 50))
    scale = draw(st.sampled_from([1.0, 0.5, 0.3, 2.0]))
    smaller = (round(crop.height * scale) >= size[0], round(crop.width * scale) >= size[1])
    if scale == 1.0:
        size = max(size[0], crop.height), max(size[1], crop.width)
    return View(crop, size, scale, draw(st.sampled_from(["zero", "reflect"])) if not all(smaller) else "zero")


@settings(max_examples=60)
@given(views(), st.data())
def test_windows_of_a_view_are_those_of_the_whole_view(view: View, data: st.DataObject) -> None:
    values, ids = noise(60, 50, 3), noise(60, 50, 1)[:, :, 0]
    image = ViewedImage(rasters.WholeRaster(values), view)
    mask = ViewedMask(rasters.WholeMask(ids), view, 255)
    whole, whole_mask = image.read(), mask.read()
    assert whole.shape == (*view.size, 3)
    np.testing.assert_array_equal(whole, view.image(values[view.crop.slices]))
    np.testing.assert_array_equal(whole_mask, view.mask(ids[view.crop.slices], 255))
    h, w = view.content
    assert (whole_mask[h:] == 255).all()
    assert (whole_mask[:, w:] == 255).all()
    y, x = data.draw(st.integers(0, view.size[0] - 1)), data.draw(st.integers(0, view.size[1] - 1))
    window = Window(y, x, data.draw(st.integers(1, view.size[0] - y)), data.draw(st.integers(1, view.size[1] - x)))
    np.testing.assert_array_equal(image.read(window), whole[window.slices])
    np.testing.assert_array_equal(mask.read(window), whole_mask[window.slices])


def test_a_virtual_sample_is_cut_scaled_and_padded(tmp_path: Path) -> None:
    photo, ids = noise(40, 60, 3), noise(40, 60, 1)[:, :, 0] % 3
    (tmp_path / "masks").mkdir()
    Image.fromarray(photo).save(tmp_path / "x.png")
    Image.fromarray(ids).save(tmp_path / "masks/x.png")
    line = {"image": "x.png", "mask": "masks/x.png", "counts": {}, "sha256": "", "parent": "x"}
    tile = Sample(
        id="x_0", height=16, width=40, crop=Window(10, 0, 30, 60), window=Window(10, 0, 30, 60),
        tiling=Tiling(parent=(40, 60), scale=0.5), **line,  # type: ignore[arg-type]
    )  # fmt: skip
    dataset = Dataset(tmp_path, Labels.of(["a", "b", "c"]), [tile], images="reference")
    image, mask = dataset.read_image(tile), dataset.read_mask(tile)
    assert image.shape == (16, 40, 3)
    means = photo[10:].reshape(15, 2, 30, 2, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(image[:15, :30] - means).max() <= 0.5
    assert not image[15:].any()
    assert not image[:, 30:].any()
    np.testing.assert_array_equal(mask[:15, :30], ids[11::2, 1::2])
    assert (mask[15:] == 255).all()
    assert (mask[:, 30:] == 255).all()
    with dataset.open_image(tile) as opened, dataset.open_mask(tile) as ids_opened:
        assert (opened.height, opened.width, opened.bands) == (16, 40, 3)
        np.testing.assert_array_equal(opened.read(Window(4, 20, 12, 20)), image[4:, 20:])
        np.testing.assert_array_equal(ids_opened.read(Window(4, 20, 12, 20)), mask[4:, 20:])


def test_any_values_can_be_looked_at() -> None:
    assert to_rgb(noise(4, 5, 1)).shape == (4, 5, 3)
    deep = (np.arange(400).reshape(20, 20, 1) * 100).astype(np.uint16)
    seen = to_rgb(deep)
    assert (seen.dtype, seen.min(), seen.max()) == (np.uint8, 0, 255)
    assert (np.diff(seen[:, :, 0].ravel().astype(int)) >= 0).all()
    assert to_rgb(np.full((2, 2, 5), np.nan, np.float32)).max() == 0


def test_geotiff_tags_are_those_of_gdal() -> None:
    tags = {tag.number for tag in Geo(rasterio.crs.CRS.from_epsg(4326).to_wkt(), UTM).tags()}
    assert {33550, 33922, 34735} <= tags
    assert all(isinstance(tag, Tag) for tag in Geo("EPSG:3857", UTM, 5).tags())
