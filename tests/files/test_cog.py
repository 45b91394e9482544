"""Masks as Cloud Optimized GeoTIFFs, by the rules of GDAL's validate_cloud_optimized_geotiff, read from the file's own tables."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from segdata.errors import DataError
from segdata.files.cog import make_cog
from segdata.files.geo import Geo
from segdata.files.opening import open_mask
from segdata.files.tiff import TILE, TiffWriter
from segdata.labels import Labels

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

tifffile = pytest.importorskip("tifffile")

LABELS = Labels.of(["background", "b", "c"], [(0, 0, 0), (200, 10, 20), (1, 2, 3)])
GEO = Geo(rasterio.crs.CRS.from_epsg(32631).to_wkt(), (10.0, 0.0, 500000.0, 0.0, -10.0, 5000000.0))


def written(path: Path, mask: NDArray[Any], labels: Labels = LABELS, geo: Geo = GEO) -> Path:
    with TiffWriter(path, *mask.shape, 1, labels.dtype, tags=Geo(geo.crs, geo.transform, labels.ignore).tags()) as file:
        for y in range(0, mask.shape[0], TILE):
            file.write(y, 0, mask[None, y : y + TILE])
    make_cog(path, labels)
    return path


def refuse_other_than_cog(path: Path) -> list[tuple[int, int]]:
    """The sizes of the file's images, the largest first, once all rules hold."""
    with tifffile.TiffFile(path) as file:
        pages = list(file.pages)
        sizes = [page.shape for page in pages]
        assert all(page.is_tiled for page in pages)
        assert max(sizes[-1]) <= 512
        assert sizes == sorted(sizes, reverse=True)
        tables = [page.offset for page in pages]
        first = [min(offset for offset in page.dataoffsets if offset) for page in pages]
        assert tables == sorted(tables)
        assert tables[0] < 300  # behind the header and what GDAL says of the layout
        assert max(tables) < min(first)
        assert first == sorted(first, reverse=True)  # the smallest copy first
        assert all(page.subfiletype == (1 if number else 0) for number, page in enumerate(pages))
    return sizes


def test_the_rules(tmp_path: Path) -> None:
    mask = np.kron(np.random.default_rng(0).choice([0, 1, 2, 255], (65, 90)), np.ones((20, 20))).astype(np.uint8)
    path = written(tmp_path / 'an odd "name" & <more>.tif', mask)
    assert refuse_other_than_cog(path) == [(1300, 1800), (650, 900), (325, 450)]
    with rasterio.open(path) as file:
        assert file.nodata == 255
        assert file.crs.to_epsg() == 32631
        assert file.transform == rasterio.Affine(*GEO.transform)
        colors = file.colormap(1)  # GDAL has no data as transparent
        assert [colors[i][:3] for i in (0, 1, 2, 255)] == [tuple(c) for c in LABELS.palette()[[0, 1, 2, 255]].tolist()]
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    with open_mask(path) as opened:
        np.testing.assert_array_equal(opened.read(), mask)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_copy_has_the_class_of_most_pixels(tmp_path: Path) -> None:
    """Ignored pixels have no say, unless all are."""
    four = np.array([[1, 1, 255, 255], [1, 2, 255, 2], [0, 2, 255, 255], [2, 2, 255, 255]], np.uint8)
    path = written(tmp_path / "mask.tif", np.tile(four, (256, 256)))
    with rasterio.open(path, overview_level=0) as file:
        np.testing.assert_array_equal(file.read(1)[:2, :2], [[1, 2], [2, 255]])


@pytest.mark.parametrize("size", [(1, 1), (511, 512), (513, 3)])
def test_small_and_narrow_ones_without_a_place(tmp_path: Path, size: tuple[int, int]) -> None:
    mask = np.random.default_rng(0).choice([0, 1, 2, 255], size).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = written(tmp_path / "mask.tif", mask, geo=Geo())
    refuse_other_than_cog(path)
    with open_mask(path) as opened:
        np.testing.assert_array_equal(opened.read(), mask)


def test_masks_of_16_bits_have_no_palette(tmp_path: Path) -> None:
    labels = Labels.of([f"c{i}" for i in range(300)])
    mask = np.random.default_rng(0).choice([0, 299, 65535], (600, 700)).astype(np.uint16)
    path = written(tmp_path / "mask.tif", mask, labels)
    refuse_other_than_cog(path)
    with rasterio.open(path) as file:
        assert (file.dtypes[0], file.nodata, file.colorinterp[0].name) == ("uint16", 65535, "gray")
        np.testing.assert_array_equal(file.read(1), mask)


def test_the_same_bytes(tmp_path: Path) -> None:
    mask = np.kron(np.random.default_rng(0).choice([0, 1, 2, 255], (65, 90)), np.ones((20, 20))).astype(np.uint8)
    first, other = (written(tmp_path / name, mask).read_bytes() for name in ("a.tif", "b.tif"))
    assert first == other


def test_a_damaged_one_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "mask.tif"
    path.write_bytes(b"II*\0\0\0\0\0")
    with pytest.raises(DataError, match=r"mask\.tif"):
        make_cog(path, LABELS)
    assert path.read_bytes() == b"II*\0\0\0\0\0"
    assert len(list(tmp_path.iterdir())) == 1
