"""Where masks lie against images: GDAL's warping by the nearest pixel, and moved copies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.crs import CRS
from rasterio.warp import Resampling, reproject

from segdata.errors import DataError
from segdata.files.alignment import Ground, is_elsewhere, offset, read_ground, tags_agree, warp
from segdata.files.geo import Geo
from segdata.files.tiff import Tag, encode_tiff

ZONE = CRS.from_epsg(32633).to_wkt()
HERE = Ground(Geo(ZONE, (10.0, 0.0, 500000.0, 0.0, -10.0, 5200000.0)), 40, 50)

GROUNDS: dict[str, tuple[str, Any, tuple[int, int]]] = {
    "moved": ("EPSG:32633", (10, 0, 500104, 0, -10, 5199903), (40, 50)),
    "finer": ("EPSG:32633", (3, 0, 499990, 0, -3, 5200010), (150, 180)),
    "coarser": ("EPSG:32633", (33, 0, 499900, 0, -33, 5200100), (20, 25)),
    "upside down": ("EPSG:32633", (10, 0, 500003, 0, 10, 5199602), (40, 50)),
    "turned": ("EPSG:32633", (8, 3, 499950.3, 3, -8, 5200050.4), (70, 80)),
    "degrees": ("EPSG:4326", (0.0001, 0, 14.9995, 0, -0.0001, 46.953), (80, 90)),
    "the next zone": ("EPSG:32632", (10, 0, 956400, 0, -10, 5217560), (80, 80)),
}


@pytest.mark.parametrize("name", GROUNDS)
def test_masks_are_warped_as_gdal_warps_them(name: str) -> None:
    crs, transform, size = GROUNDS[name]
    mask = Ground(Geo(CRS.from_user_input(crs).to_wkt(), transform), *size)
    values = np.random.default_rng(0).integers(0, 5, size).astype(np.uint8)
    out = np.full((HERE.height, HERE.width), 255, np.uint8)
    reproject(
        values, out, src_transform=rasterio.Affine(*transform), src_crs=crs, dst_transform=rasterio.Affine(*HERE.geo.transform),
        dst_crs="EPSG:32633", resampling=Resampling.nearest, src_nodata=255, dst_nodata=255, tolerance=0,
    )  # fmt: skip
    assert is_elsewhere(mask, HERE)
    assert (out != 255).any()
    np.testing.assert_array_equal(warp(values, mask, HERE, 255), out)


def test_a_mask_that_is_not_on_the_image_is_refused() -> None:
    mask = Ground(Geo(ZONE, (10.0, 0.0, 900000.0, 0.0, -10.0, 5200000.0)), 40, 50)
    with pytest.raises(DataError, match=r"on no pixel of its image: .*900000 5200000.*500000 5200000"):
        warp(np.zeros((40, 50), np.uint8), mask, HERE, 255)


@settings(max_examples=50)
@given(st.floats(-2, 2), st.floats(-2, 2))
def test_half_a_pixel_is_the_most(x: float, y: float) -> None:
    """By an independent sum; and what is nearer is the same pixels when it is warped."""
    a, b, c, d, e, f = HERE.geo.transform
    mask = Ground(Geo(ZONE, (a, b, c + 10 * x, d, e, f + 10 * y)), 40, 50)
    assert offset(mask, HERE) == pytest.approx(np.hypot(x, y), abs=1e-6)
    if abs(np.hypot(x, y) - 0.5) > 1e-6:
        assert is_elsewhere(mask, HERE) == (np.hypot(x, y) > 0.5)
    if np.hypot(x, y) < 0.499:
        values = np.random.default_rng(0).integers(0, 5, (40, 50)).astype(np.uint8)
        warped = warp(values, mask, HERE, 255)
        np.testing.assert_array_equal(warped[1:-1, 1:-1], values[1:-1, 1:-1])


def test_tags_that_agree_are_of_one_place(tmp_path: Path) -> None:
    values = np.zeros((4, 6, 1), np.uint8)
    a, b, c, d, e, f = HERE.geo.transform
    moved, bare = Geo(ZONE, (a, b, c + 1, d, e, f)), Geo(None, HERE.geo.transform)
    for name, geo in {"none": Geo(), "here": HERE.geo, "moved": moved, "bare": bare}.items():
        (tmp_path / f"{name}.tif").write_bytes(encode_tiff(values, tags=geo.tags()))
    (tmp_path / "wide.tif").write_bytes(encode_tiff(np.zeros((4, 7, 1), np.uint8), tags=HERE.geo.tags()))
    Image.fromarray(values[:, :, 0]).save(tmp_path / "x.png")
    here = str(tmp_path / "here.tif")
    agreeing = {path.name for path in tmp_path.iterdir() if tags_agree(str(path), here)}
    assert agreeing == {"none.tif", "here.tif"}
    assert not tags_agree(here, str(tmp_path / "none.tif"))
    (tmp_path / "here.tfw").write_text("")
    assert not tags_agree(here, here)


def test_places_that_cannot_be_compared(tmp_path: Path) -> None:
    values = np.zeros((4, 6, 1), np.uint8)
    files = {
        "none.tif": encode_tiff(values),
        "turned.tif": encode_tiff(values, tags=[*HERE.geo.tags(), Tag(0x0112, "H", [3])]),
        "damaged.tif": encode_tiff(values, tags=HERE.geo.tags())[:40],
        "here.tif": encode_tiff(values, tags=HERE.geo.tags()),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    Image.fromarray(values[:, :, 0]).save(tmp_path / "none.png")
    Image.fromarray(values[:, :, 0]).save(tmp_path / "here.png")
    (tmp_path / "here.pgw").write_text("10\n0\n0\n-10\n500005\n5199995\n")
    found = {path.name: read_ground(str(path)) for path in tmp_path.iterdir() if path.suffix != ".pgw"}
    assert {name for name, ground in found.items() if ground is not None} == {"here.tif", "here.png"}
    assert found["here.tif"] == Ground(found["here.tif"].geo, 4, 6)
    assert found["here.png"] == Ground(Geo(None, HERE.geo.transform), 4, 6)
    assert read_ground(str(tmp_path / "absent.tif")) is None
