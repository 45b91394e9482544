"""From the command line: polygons of predicted and stitched masks, masks as COGs, and images off the Earth."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from PIL import Image

from predictors import ByColour
from segdata.dataset.dataset import Dataset
from segdata.labels import Labels
from segdata.prediction import predictor as predictors
from trial_files import run

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

NAMES = ["Background", "road", "water"]
LABELS = Labels.of(NAMES, [(0, 0, 0), (200, 10, 20), (1, 2, 203)])
UTM = (rasterio.crs.CRS.from_epsg(32631), rasterio.Affine(10, 0, 500000, 0, -10, 5000000))
FULL_DISC = (
    rasterio.crs.CRS.from_string("+proj=geos +h=35785831 +lon_0=0 +sweep=y"),
    rasterio.Affine(112000, 0, -5.6e6, 0, -140000, 5.6e6),
)


def mask_of(height: int = 80, width: int = 100) -> NDArray[np.uint8]:
    """A lake with a hole, an island in the hole, a road along it, and a speck."""
    mask = np.zeros((height, width), np.uint8)
    mask[10:60, 10:60] = 2
    mask[20:40, 20:40] = 0
    mask[28:31, 28:31] = 1
    mask[10:60, 60:70] = 1
    mask[70, 90] = 1
    return mask


def tiff(path: Path, values: NDArray[Any], where: Any = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
    place = {} if where is None else {"crs": where[0], "transform": where[1]}
    shape = dict(zip(("count", "height", "width"), bands.shape, strict=True))
    with rasterio.open(path, "w", driver="GTiff", dtype=values.dtype, **shape, **place) as file:
        file.write(bands)
    return path


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of a kind of its own that says of each pixel the class whose colour it has."""
    module = types.ModuleType("toy_of_colours")
    module.load = lambda file, device, trust_code: ByColour(LABELS)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toy_of_colours", module)
    monkeypatch.setitem(predictors.LOADERS, ".toy", ("toy_of_colours", "toys"))
    path = tmp_path / "model.toy"
    path.write_text("weights")
    return path


def scene(root: Path, where: Any = UTM, name: str = "a b.tif", mask: NDArray[Any] | None = None) -> Path:
    mask = mask_of() if mask is None else mask
    return tiff(root / name, LABELS.palette()[mask], where)


def tiles_of(root: Path, where: Any = UTM, mask: NDArray[Any] | None = None) -> Path:
    """The tiles of a dataset of one image."""
    mask = mask_of() if mask is None else mask
    scene(root / "src/images", where, mask=mask)
    tiff(root / "src/masks/a b.tif", mask, where)
    (root / "src/classes.txt").write_text("\n".join(NAMES) + "\n")
    run("convert", "masks", root / "src", root / "d", "--classes", root / "src/classes.txt", code=0)
    run("tile", root / "d", root / "t", "--size", 40, code=0)
    return root / "t"


def found(path: Path) -> list[tuple[str, float]]:
    """The class and the area of each polygon of a GeoJSON file, in the units of its coordinates."""
    features = json.loads(path.read_text())["features"]
    named = [f["properties"].get("class") or f["properties"]["classification"]["name"] for f in features]
    return sorted(zip(named, (shapely.geometry.shape(f["geometry"]).area for f in features), strict=True))


def test_predict_writes_polygons_and_a_cog(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--vectorize", "--vector-format", "qupath", "--min-area", 2, "--min-hole", 500, "--no-background", "--cog"]
    result = run("predict", model, scene(tmp_path / "in").parent, out, *words, code=0)
    assert found(out / "vectors/a b.geojson") == [("road", 500.0), ("water", 2500.0)]
    assert "polygons: 2 in vectors/" in result.stdout
    assert "left out: 1 polygons in holes that were filled" in result.stdout
    assert "left out: 1 polygons of fewer pixels than --min-area" in result.stdout
    receipt = json.loads((out / "receipt.json").read_text())
    assert (receipt["polygons"], receipt["polygons_left_out"]) == (2, {"in_holes": 1, "small": 1})
    with rasterio.open(out / "masks/a b.tif") as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.colormap(1)[1][:3] == (200, 10, 20)
        np.testing.assert_array_equal(file.read(1), mask_of())
    run("check", out, code=0)
    again = run("predict", model, tmp_path / "in", out, *words, code=0)  # there is nothing to do
    assert again.exit_code == 0
    run("predict", model, tmp_path / "in", tmp_path / "plain", code=0)
    assert not (tmp_path / "plain/vectors").exists()
    assert "polygons" not in json.loads((tmp_path / "plain/receipt.json").read_text())


def test_predict_makes_cogs_of_images_that_lie_nowhere(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.fromarray(LABELS.palette()[mask_of()]).save(tmp_path / "in/photo.png")
    run("predict", model, tmp_path / "in", tmp_path / "out", "--cog", "--vectorize", code=0)
    (sample,) = Dataset.open(tmp_path / "out").samples
    assert sample.mask == "masks/photo.tif"
    np.testing.assert_array_equal(Dataset.open(tmp_path / "out").read_mask(sample), mask_of())
    assert found(tmp_path / "out/vectors/photo.geojson") == [
        ("Background", 391), ("Background", 80 * 100 - 2500 - 500 - 1), ("road", 1), ("road", 9), ("road", 500), ("water", 2100)
    ]  # fmt: skip
    result = run("predict", model, tmp_path / "in/photo.png", tmp_path / "one.png", "--vectorize", code=1)
    assert "--vectorize: not for one image into one.png: name a folder, such as one" in result.stderr
    run("predict", model, tmp_path / "in/photo.png", tmp_path / "one", "--vectorize", code=0)


def test_stitch_keeps_its_polygons(tmp_path: Path) -> None:
    """By default as ever: all classes, background too, in longitude and latitude; they burn to the mask again."""
    tiles = tiles_of(tmp_path)
    result = run("stitch", tiles, tmp_path / "s", "--vectorize", "--of", tmp_path / "d", code=0)
    assert "polygons:    6 in vectors/" in result.stdout
    assert "polygons_left_out" not in json.loads((tmp_path / "s/receipt.json").read_text())
    words = ["--background", "ignore", "--classes", tmp_path / "src/classes.txt"]
    (tmp_path / "again/images").mkdir(parents=True)
    (tmp_path / "again/images/a b.tif").write_bytes((tmp_path / "src/images/a b.tif").read_bytes())
    (tmp_path / "again/labels").mkdir()
    (tmp_path / "again/labels/a b.geojson").write_bytes((tmp_path / "s/vectors/a b.geojson").read_bytes())
    run("convert", "vector", tmp_path / "again", tmp_path / "v", *words, code=0)
    made = Dataset.open(tmp_path / "v")
    np.testing.assert_array_equal(made.read_mask(made.samples[0]), mask_of())


def test_stitch_to_cogs_and_geopackages(tmp_path: Path) -> None:
    pyogrio = pytest.importorskip("pyogrio")
    tiles = tiles_of(tmp_path)
    words = ["--cog", "--vectorize", "--vector-format", "gpkg", "--simplify", 0.1, "--skip-class", "Background"]
    for name, more in (("s", []), ("j", ["-j", 1])):
        run("stitch", tiles, tmp_path / name, "--of", tmp_path / "d", *words, *more, code=0)
    meta, _, geometry, fields = pyogrio.raw.read(tmp_path / "s/vectors/a b.gpkg")
    assert meta["crs"] == "EPSG:32631"
    assert sorted(zip(fields[0], shapely.area(shapely.from_wkb(geometry)) / 100, strict=True)) == [
        ("road", 1), ("road", 9), ("road", 500), ("water", 2100)
    ]  # fmt: skip
    for file in ("vectors/a b.gpkg", "masks/a b.tif"):
        assert (tmp_path / "s" / file).read_bytes() == (tmp_path / "j" / file).read_bytes()
    run("check", tmp_path / "s", code=0)


def test_corners_off_the_earth(tmp_path: Path) -> None:
    """A full disc: what is on the Earth has polygons, the rest is told, and another format has all of it."""
    squares = np.kron(np.random.default_rng(0).choice([0, 1, 2], (40, 50)), np.ones((2, 2))).astype(np.uint8)
    tiles = tiles_of(tmp_path, FULL_DISC, squares)
    result = run("stitch", tiles, tmp_path / "s", "--vectorize", "--of", tmp_path / "d", code=0)
    receipt = json.loads((tmp_path / "s/receipt.json").read_text())
    off = receipt["polygons_left_out"]["off_earth"]
    assert off > 20
    assert receipt["polygons"] > 100
    told = f"left out:    {off:,} polygons that are nowhere on the Earth, or partly (--vector-format gpkg has them)"
    assert told in result.stdout
    pytest.importorskip("pyogrio")
    run("stitch", tiles, tmp_path / "g", "--vectorize", "--vector-format", "gpkg", "--of", tmp_path / "d", code=0)
    assert json.loads((tmp_path / "g/receipt.json").read_text())["polygons"] == receipt["polygons"] + off


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--min-area", "3"], 2, "--min-area is about polygons: give --vectorize too"),
        (["--no-background"], 2, "--no-background is about polygons: give --vectorize too"),
        (["--skip-class", "road"], 2, "--skip-class is about polygons: give --vectorize too"),
        (["--vectorize", "--min-area", "-3"], 1, "--min-area -3: must be 0 pixels or more"),
        (["--vectorize", "--skip-class", "raod"], 1, "no class 'raod': did you mean road?"),
        (["--vectorize", "--vector-format", "shp"], 2, "'geojson', 'qupath', 'gpkg'"),
    ],
)
def test_refusals(words: list[str], code: int, message: str, tmp_path: Path) -> None:
    tiles = tiles_of(tmp_path)
    result = run("stitch", tiles, tmp_path / "s", *words, code=code)
    assert message in result.stderr
    assert not (tmp_path / "s").exists()
