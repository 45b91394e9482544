"""What trials found about the cost of burning polygons: large images, many images, and the masks that they must have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.features import rasterize
from rasterio.warp import transform_geom

import segdata
from memory import peak_memory
from segdata.files.geo import Geo
from segdata.files.tiff import encode_tiff
from trial_files import run

WKT = rasterio.crs.CRS.from_epsg(32632).to_wkt()

LIMIT = 500
"""MiB of a whole process: what an image of 12,000 x 12,000 pixels with 20 classes may take."""


def geo_at(x: float, y: float) -> Geo:
    return Geo(WKT, (0.5, 0.0, x, 0.0, -0.5, y))


def polygons(rng: np.random.Generator, count: int, width: float, height: float, reach: float) -> list[Any]:
    """Anywhere in an area of metres, and a little beyond it."""
    found = []
    for x, y in rng.uniform(-reach, [width + reach, height + reach], (count, 2)):
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
        points = rng.uniform(reach / 8, reach, (len(angles), 1)) * np.stack([np.cos(angles), np.sin(angles)], 1)
        ring = (points + np.array([690_000 + x, 5_334_000 - y])).tolist()
        found.append({"type": "Polygon", "coordinates": [[*ring, ring[0]]]})
    return found


def write(path: Path, geometries: list[Any], classes: Any, crs: str | None = "EPSG:32632") -> None:
    named = {} if crs is None else {"crs": {"type": "name", "properties": {"name": crs}}}
    features = [
        {"type": "Feature", "properties": {"class": f"c{c:02d}"}, "geometry": geometry}
        for c, geometry in zip(classes, geometries, strict=True)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", **named, "features": features}))


def empty_image(path: Path, side: int) -> None:
    """A GeoTIFF without a single block of pixels."""
    path.parent.mkdir(parents=True)
    place = rasterio.Affine(*geo_at(690_000, 5_334_000).transform)
    options: dict[str, Any] = {"driver": "GTiff", "tiled": True, "compress": "deflate", "sparse_ok": True}
    with rasterio.open(path, "w", width=side, height=side, count=1, dtype="uint8", crs=WKT, transform=place, **options):
        pass


@pytest.mark.parametrize("overlap", ["first", "last"])
def test_a_large_image_has_the_mask_of_one_burnt_whole(overlap: str, tmp_path: Path) -> None:
    side, rng = 3000, np.random.default_rng(0)
    empty_image(tmp_path / "s/images/a.tif", side)
    geometries, classes = polygons(rng, 200, side / 2, side / 2, 300), rng.integers(0, 4, 200)
    write(tmp_path / "s/all.geojson", geometries, classes)
    run("convert", "vector", tmp_path / "s/all.geojson", tmp_path / "d", "--overlap", overlap, code=0)
    dataset = segdata.Dataset.open(tmp_path / "d")
    shapes = [(geometry, c + 1) for geometry, c in zip(geometries, classes.tolist(), strict=True)]
    place = rasterio.Affine(*geo_at(690_000, 5_334_000).transform)
    in_order = shapes if overlap == "last" else shapes[::-1]
    whole = rasterize(in_order, out_shape=(side, side), transform=place, dtype="uint8")
    np.testing.assert_array_equal(dataset.read_mask(dataset.samples[0]), whole)
    assert dataset.samples[0].counts == {v: int((whole == v).sum()) for v in np.unique(whole).tolist()}
    claims = [
        rasterize([s for s in shapes if s[1] == c], out_shape=(side, side), transform=place, dtype="uint8") > 0
        for c in sorted({c for _, c in shapes})
    ]
    receipt = dataset.read_receipt()
    assert receipt["contested"]["pixels"] == int((np.sum(claims, axis=0) > 1).sum()) > 0
    assert {line["sample"] for line in receipt["hidden"]} == {"a"}


SCENE = 64
"""Pixels along the sides of a scene of a survey."""


def survey(root: Path, rows: int, columns: int, count: int) -> tuple[list[Any], Any]:
    """Scenes beside each other, as images, and one file of polygons in degrees over all of them."""
    (root / "images").mkdir(parents=True)
    metres = SCENE / 2
    for row in range(rows):
        for column in range(columns):
            tags = geo_at(690_000 + metres * column, 5_334_000 - metres * row).tags()
            data = encode_tiff(np.zeros((SCENE, SCENE, 3), np.uint8), tags=tags)
            (root / f"images/{row}_{column}.tif").write_bytes(data)
    rng = np.random.default_rng(1)
    geometries, classes = polygons(rng, count, columns * metres, rows * metres, 8), rng.integers(0, 3, count)
    write(root / "all.geojson", transform_geom("EPSG:32632", "OGC:CRS84", geometries), classes, None)
    return geometries, classes


def size_of(geometry: Any) -> float:
    """The area of a polygon of one ring."""
    x, y = (np.array(geometry["coordinates"][0]) - geometry["coordinates"][0][0]).T
    return abs(float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))) / 2


@pytest.mark.parametrize(
    ("overlap", "jobs"), [("last", 1), ("smallest", 1), pytest.param("smallest", 2, marks=pytest.mark.process)]
)
def test_scenes_of_a_survey_have_the_polygons_on_each(overlap: str, jobs: int, tmp_path: Path) -> None:
    """Also where several overlap at the border of two scenes: the same one is on top in both."""
    rows, columns = 5, 8
    geometries, classes = survey(tmp_path / "s", rows, columns, 600)
    said = run(
        "convert", "vector", tmp_path / "s", tmp_path / "d", "--vectors", tmp_path / "s/all.geojson", "--overlap", overlap,
        "-j", jobs, code=0,
    ).output  # fmt: skip
    assert f"{rows * columns} converted" in said
    dataset = segdata.Dataset.open(tmp_path / "d")
    found = np.block(
        [[dataset.read_mask(dataset.sample(f"{row}_{column}")) for column in range(columns)] for row in range(rows)]
    )
    shapes = [(geometry, c + 1) for geometry, c in zip(geometries, classes.tolist(), strict=True)]
    if overlap == "smallest":
        shapes.sort(key=lambda shape: -size_of(shape[0]))
    place = rasterio.Affine(*geo_at(690_000, 5_334_000).transform)
    expected = rasterize(shapes, out_shape=found.shape, transform=place, dtype="uint8")
    differ = int(
        (found != expected).sum()
    )  # degrees and back are metres to a millionth: edges through middles may differ
    assert differ <= 2
    outside = int(re.search(r"(\d+) of 600 features lie on no image", said)[1])  # type: ignore[index]
    assert 0 < outside < 200


@pytest.mark.slow
@pytest.mark.process
def test_an_image_of_144_megapixels_and_20_classes_takes_the_memory_of_some_rows(tmp_path: Path) -> None:
    side, rng = 12_000, np.random.default_rng(0)
    empty_image(tmp_path / "s/images/a.tif", side)
    geometries, classes = polygons(rng, 1000, side / 2, side / 2, 300), np.arange(1000) % 20
    geometries[0]["coordinates"] = [
        [[690_010, 5_333_990], [695_990, 5_333_990], [695_990, 5_328_010], [690_010, 5_333_990]]
    ]
    write(tmp_path / "s/all.geojson", geometries, classes)
    code = "import sys, segdata; segdata.convert('vector', sys.argv[1], sys.argv[2])"
    _, peak = peak_memory(code, str(tmp_path / "s/all.geojson"), str(tmp_path / "d"))
    assert peak < LIMIT
    assert len(segdata.Dataset.open(tmp_path / "d").samples[0].counts) == 21
