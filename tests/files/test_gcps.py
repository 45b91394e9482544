"""Ground control points: the transform that made them, or a refusal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from segdata.files.alignment import read_ground
from segdata.files.gcps import Points, placed_by
from segdata.files.geo import Geo
from segdata.files.opening import open_image

UTM = CRS.from_epsg(32633)
BEND = np.array([[0, 0], [300, 0], [0, 200], [300, 200]], np.float64)
PAM = '<PAMDataset><GCPList Projection="{crs}">{points}</GCPList></PAMDataset>'
POINT = '<GCP Id="{i}" Pixel="{x:.6f}" Line="{y:.6f}" X="{east:.9f}" Y="{north:.9f}"/>'

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def points_of(transform: Any, pixels: Any = BEND, off: Any = 0.0) -> list[tuple[float, float, float, float]]:
    a, b, c, d, e, f = transform
    there = pixels + off
    ground = np.stack([a * there[:, 0] + b * there[:, 1] + c, d * there[:, 0] + e * there[:, 1] + f], axis=1)
    return [(*pixel, *point) for pixel, point in zip(pixels.tolist(), ground.tolist(), strict=True)]


def write(path: Path, points: Any, crs: CRS = UTM) -> Path:
    """An image with these points: in a TIFF of GDAL's, else in its .aux.xml."""
    pixels = np.random.default_rng(0).integers(0, 255, (3, 200, 300)).astype(np.uint8)
    if path.suffix == ".tif":
        gcps = [GroundControlPoint(row=y, col=x, x=east, y=north) for x, y, east, north in points]
        with rasterio.open(
            path, "w", driver="GTiff", width=300, height=200, count=3, dtype="uint8", gcps=gcps, crs=crs
        ) as file:
            file.write(pixels)
        return path
    Image.fromarray(pixels.transpose(1, 2, 0)).save(path)
    rows = [POINT.format(i=i, x=x, y=y, east=east, north=north) for i, (x, y, east, north) in enumerate(points)]
    pam = PAM.format(crs=crs.to_wkt().replace('"', "&quot;"), points="".join(rows))
    path.with_name(f"{path.name}.aux.xml").write_text(pam)
    return path


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(3, 9))
def test_points_of_a_transform_give_it_back(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    angle, scale = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 100)
    a, d = scale * np.cos(angle), scale * np.sin(angle)
    transform = (a, -d, 500000.0, d, a, 5200000.0)
    pixels = np.concatenate([BEND[:3], rng.uniform(0, 300, (count - 3, 2))])
    found = placed_by(
        Points(tuple(points_of(transform, pixels, rng.uniform(-0.2, 0.2, (count, 2)) * (count % 2))), None), Geo(), "x"
    )
    assert found.loose is None
    ours, theirs = (np.array(points_of(t))[:, 2:] for t in (found.transform, transform))
    assert (np.hypot(*(ours - theirs).T) <= scale * (1e-4 if count % 2 == 0 else 3)).all()


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.JPG"])
def test_points_in_a_file_and_beside_it(tmp_path: Path, name: str) -> None:
    transform = (10.0, 1.0, 500000.0, 2.0, -10.0, 5200000.0)
    with open_image(write(tmp_path / name, points_of(transform))) as image:
        np.testing.assert_allclose(image.geo.transform, transform, rtol=1e-9, atol=1e-6)
        assert image.geo.crs is not None
        assert CRS.from_wkt(image.geo.crs) == UTM
    ground = read_ground(str(tmp_path / name))
    assert ground is not None
    assert ground.geo == image.geo


def test_two_points_give_what_gdal_gives(tmp_path: Path) -> None:
    transform = (10.0, 0.0, 500000.0, 0.0, -10.0, 5200000.0)
    with open_image(write(tmp_path / "a.tif", points_of(transform, BEND[[0, 3]]))) as image:
        np.testing.assert_allclose(image.geo.transform, transform)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize(
    ("points", "told"),
    [
        (points_of((10, 0, 0, 0, -10, 0), BEND, np.array([[0, 0], [0, 0], [0, 0], [9, 9]])), "no shift.*gdalwarp .*/a"),
        (points_of((10, 0, 0, 0, -10, 0), BEND[:1]), "there is one.*gdal_translate"),
        (points_of((10, 0, 0, 0, -10, 0), BEND[[0, 1, 1]]), "on one line.*gdal_translate"),
        ([(0, 0, 5, 5), (300, 0, 5, 5), (0, 200, 5, 5)], "at one place.*gdal_translate"),
    ],
)  # fmt: skip
def test_points_that_tell_no_transform(tmp_path: Path, name: str, points: Any, told: str) -> None:
    with open_image(write(tmp_path / name, points)) as image:
        assert not image.geo.placed
        assert image.geo.loose is not None
        assert re.search(told, image.geo.loose)


def test_half_a_pixel_is_near_enough() -> None:
    for off, fits in ((1.9, True), (2.1, False)):  # of four corners, a fourth of one's error is left at each
        points = points_of((10, 0, 0, 0, -10, 0), BEND, np.array([[0, 0], [0, 0], [0, 0], [off, 0]]))
        assert (placed_by(Points(tuple(points), None), Geo(), "x").loose is None) == fits
