"""Tiles on disk, virtual tiles and shards of one image agree: bands, type, pixels, and which of them have data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image

import segdata
from segdata.dataset.dataset import Dataset
from segdata.windows import Window

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

HEIGHT, WIDTH = 50, 70

RNG = np.random.default_rng(7)


def noise(bands: int, dtype: str) -> Any:
    """(bands, HEIGHT, WIDTH) values, 0 in a corner."""
    values = RNG.integers(1, 200, (bands, HEIGHT, WIDTH)).astype(dtype)
    values[:, :20, :30] = 0
    return values


def tiff(path: Path, values: Any, *, alpha: bool = False, **profile: Any) -> None:
    """A TIFF of (bands, h, w) values; the last band is alpha, or else none."""
    count, height, width = values.shape
    given = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": values.dtype, **profile}
    with rasterio.open(path, "w", **{"alpha": "yes" if alpha else "no", **given}) as file:
        file.write(values)


def with_alpha(bands: int, dtype: str, opaque: int) -> Any:
    """Noise, and a band that is 0 in a corner and opaque elsewhere."""
    values = noise(bands, dtype)
    return np.concatenate([values, np.where(values[:1] == 0, 0, opaque).astype(dtype)])


def write_palette(path: Path, **profile: Any) -> None:
    """A TIFF with a palette."""
    tiff(path, noise(1, "uint8") % 4, photometric="palette", **profile)
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {i: (60 * i, 10, 255 - 60 * i, 255) for i in range(4)})


def pillow(path: Path, mode: str) -> None:
    """A PNG in a mode of Pillow's."""
    image = Image.fromarray(np.moveaxis(with_alpha(3, "uint8", 255), 0, 2))
    (image if mode == "RGBA" else image.convert(mode)).save(path)


PLACE = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}

KINDS: dict[str, tuple[str, Any]] = {
    **{f"{n} {kind}": (".tif", lambda path, n=n, kind=kind: tiff(path, noise(n, kind)))
       for n, kind in [(1, "uint8"), (2, "uint8"), (3, "uint8"), (4, "uint8"), (5, "uint8"), (1, "uint16"), (3, "uint16"),
                       (4, "uint16"), (2, "float32"), (4, "float32")]},
    "grey and alpha": (".tif", lambda path: tiff(path, with_alpha(1, "uint8", 255), alpha=True)),
    "RGBA": (".tif", lambda path: tiff(path, with_alpha(3, "uint8", 255), photometric="rgb", alpha=True)),
    "placed RGBA": (".tif", lambda path: tiff(path, with_alpha(3, "uint8", 255), photometric="rgb", alpha=True, **PLACE)),
    "uint16 RGBA": (".tif", lambda path: tiff(path, with_alpha(3, "uint16", 65535), photometric="rgb", alpha=True)),
    "5 and alpha": (".tif", lambda path: tiff(path, with_alpha(5, "uint16", 65535), alpha=True, interleave="band")),
    "2 and alpha": (".tif", lambda path: tiff(path, with_alpha(2, "uint8", 255), alpha=True)),
    "near infrared": (".tif", lambda path: tiff(path, noise(4, "uint8"), photometric="rgb", alpha=True, **PLACE)),
    "palette": (".tif", write_palette),
    "palette with nodata": (".tif", lambda path: write_palette(path, nodata=0, **PLACE)),
    "grey with nodata": (".tif", lambda path: tiff(path, noise(1, "uint8"), nodata=0, **PLACE)),
    "RGB with nodata": (".tif", lambda path: tiff(path, noise(3, "uint8"), nodata=0, photometric="rgb")),
    "floats with NaN": (".tif", lambda path: tiff(path, np.where(noise(3, "float32") == 0, np.nan, 0.5), nodata=np.nan)),
    "int16 with nodata": (".tif", lambda path: tiff(path, noise(4, "int16"), nodata=0, **PLACE)),
    "4 bits": (".tif", lambda path: tiff(path, noise(1, "uint8") % 16, nbits=4, nodata=0)),
    "0 is white": (".tif", lambda path: tiff(path, noise(1, "uint8"), photometric="miniswhite", nodata=0, **PLACE)),
    "0 is white, 16 bits": (".tif", lambda path: tiff(path, noise(1, "uint16"), photometric="miniswhite", nodata=0)),
    **{f"PNG {mode}": (".png", lambda path, mode=mode: pillow(path, mode)) for mode in ("L", "LA", "RGB", "RGBA", "P")},
}  # fmt: skip

OPTIONS: list[dict[str, Any]] = [{}, {"scale": 0.5, "size": 64, "pad": "reflect"}, {"size": 64}]


@pytest.fixture(scope="module", params=KINDS)
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset of one image of a kind."""
    root = tmp_path_factory.mktemp("kind")
    ending, write = KINDS[request.param]
    for folder in ("images", "masks"):
        (root / "s" / folder).mkdir(parents=True)
    write(root / f"s/images/a{ending}")
    Image.fromarray(RNG.integers(0, 2, (HEIGHT, WIDTH)).astype(np.uint8)).save(root / "s/masks/a.png")
    (root / "s/classes.txt").write_text("ground\nroad\n")
    return segdata.convert("masks", root / "s", root / "d", classes=root / "s/classes.txt")


def seen(dataset: Dataset) -> dict[str, tuple[Any, Any, Any]]:
    """Of each sample its pixels, which of them have data, and its mask."""
    out = {}
    for sample in dataset:
        with dataset.open_image(sample) as raster:
            values = raster.read()
            assert (values.shape[2], values.dtype) == (raster.bands, raster.dtype)
            valid = raster.valid(Window(0, 0, *sample.size), values)
        gaps = np.zeros(sample.size, np.bool_) if valid is None else ~valid
        out[sample.id] = values, gaps, dataset.read_mask(sample)
    return out


def same(found: dict[str, tuple[Any, Any, Any]], wanted: dict[str, tuple[Any, Any, Any]]) -> None:
    """Raise unless both hold the same."""
    assert found.keys() == wanted.keys()
    for id, parts in found.items():
        for mine, other in zip(parts, wanted[id], strict=True):
            assert mine.dtype == other.dtype
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_tiles_on_disk_are_virtual_tiles(dataset: Dataset, tmp_path: Path, options: dict[str, Any]) -> None:
    given = {"size": 32, "overlap": 8, **options}
    virtual = segdata.tile(dataset, tmp_path / "v", virtual=True, **given)
    same(seen(segdata.tile(dataset, tmp_path / "t", **given)), seen(virtual))
    shards = segdata.export("webdataset", virtual, tmp_path / "w")
    same(seen(shards), seen(virtual))


@pytest.mark.parametrize("bands", ["1", "1,1,1", "4,2,1"])
def test_chosen_bands_are_the_same_everywhere(dataset: Dataset, tmp_path: Path, bands: str) -> None:
    with dataset.open_image(dataset.samples[0]) as raster:
        if int(max(bands)) > raster.bands:
            pytest.skip("it has fewer")
    whole = seen(dataset)["a"]
    picked = [int(band) - 1 for band in bands.split(",")]
    virtual = segdata.tile(dataset, tmp_path / "v", virtual=True, size=32, bands=bands)
    for sample in virtual:
        assert sample.window is not None
        wanted = np.zeros((32, 32, len(picked)), whole[0].dtype)
        part = whole[0][sample.window.slices][:, :, picked]
        wanted[: part.shape[0], : part.shape[1]] = part
        np.testing.assert_array_equal(virtual.read_image(sample), wanted)
    same(seen(segdata.tile(dataset, tmp_path / "t", size=32, bands=bands)), seen(virtual))
    same(seen(segdata.export("webdataset", virtual, tmp_path / "w")), seen(virtual))
