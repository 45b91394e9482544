"""An area in the pixels of images and of their tiles: against rasterio's own burning of the whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from rasterio.features import rasterize

import segdata
from carry_files import make
from segdata import Dataset
from segdata.errors import DataError
from segdata.files.geo import Geo
from segdata.tiling.area import Area, refuse_elsewhere
from segdata.windows import Window

SHAPE = [[3.2, 2.1], [31.5, 8.7], [25.0, 33.3], [7.4, 29.9], [3.2, 2.1]]


def write(path: Path, ring: Any = SHAPE) -> Path:
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    return path


def burnt(height: int, width: int) -> Any:
    shapes = [({"type": "Polygon", "coordinates": [SHAPE]}, 1)]
    return rasterize(shapes, out_shape=(height, width), transform=Affine.identity()) > 0


def test_every_window_has_its_part_of_the_area(tmp_path: Path) -> None:
    area = Area.read(write(tmp_path / "a.geojson"), "pixel").on(Geo(), (40, 50))
    whole = burnt(40, 50)
    for window in (Window(0, 0, 40, 50), Window(5, 3, 9, 20), Window(35, 40, 5, 10), Window(0, 0, 1, 1)):
        np.testing.assert_array_equal(area.inside(window), whole[window.slices])
        assert area.meets(window) == whole[window.slices].any()
    mask = np.ones((40, 50), np.uint8)
    np.testing.assert_array_equal(area.kept(mask, 255), np.where(whole, 1, 255))


@pytest.mark.parametrize("virtual", [False, True])
def test_pixels_of_an_area_are_those_of_the_image_that_tiles_are_of(tmp_path: Path, virtual: bool) -> None:
    dataset = make(tmp_path / "d", {"x": np.zeros((40, 50))}, images="copy")
    tiles = segdata.tile(dataset, tmp_path / "t", size=20, virtual=virtual)
    area = Area.read(write(tmp_path / "a.geojson"), None)
    for sample in tiles:
        with tiles.open_image(sample) as raster:
            found = area.on(raster.geo, sample.size, sample).inside(Window(0, 0, *sample.size))
        np.testing.assert_array_equal(found, burnt(40, 50)[sample.window.slices])  # type: ignore[union-attr]
    again = segdata.tile(tiles, tmp_path / "again", size=10, aoi=tmp_path / "a.geojson")
    for sample in again:
        np.testing.assert_array_equal(
            again.read_mask(sample) == 0,
            burnt(40, 50)[sample.window.slices],  # type: ignore[union-attr]
        )


def test_an_area_that_touches_no_image_is_refused(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {"x": np.zeros((40, 50)), "y": np.zeros((10, 10))}, images="copy")
    refuse_elsewhere(Area.read(write(tmp_path / "a.geojson"), None), dataset)
    beside = Area.read(write(tmp_path / "b.geojson", [[60, 0], [70, 0], [70, 9], [60, 0]]), None)
    with pytest.raises(DataError, match=r"b\.geojson: its polygons lie on no image"):
        refuse_elsewhere(beside, dataset)


def test_a_bad_image_hides_no_area(tmp_path: Path) -> None:
    """Whoever reads it says what is wrong with it."""
    dataset = make(tmp_path / "d", {"x": np.zeros((40, 50)), "y": np.zeros((10, 10))}, images="copy")
    (tmp_path / "d/images/x.png").write_bytes(b"none")
    refuse_elsewhere(Area.read(write(tmp_path / "a.geojson"), None), Dataset.open(dataset.root))
