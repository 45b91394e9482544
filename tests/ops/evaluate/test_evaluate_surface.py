"""Surfaces in an evaluation: pixels and metres, tiles, what is told, and intervals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

import segdata
from carry_files import make
from moved_masks import moved, moved_pair
from placed_files import patches, scenes, write_tiff
from segdata import Dataset
from segdata.cli import main
from segdata.errors import DataError, OptionError
from segdata.metrics.surface import Surface
from segdata.windows import Window

KEYS = ("surface_dice", "hausdorff_95", "assd")


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Dataset, Dataset]:
    return moved_pair(tmp_path, 2)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, ["evaluate", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_python_json_and_csv_say_the_same(sides: tuple[Dataset, Dataset]) -> None:
    pred, truth = sides
    found = segdata.evaluate(pred, truth, surface=True, tolerance=1)
    whole = sum(
        (Surface.of(t, moved(t, 2), truth.labels, 1.0) for t in (truth.read_mask(s) for s in truth)),
        Surface.empty(truth.labels, 1.0),
    )
    np.testing.assert_allclose(found.surface.sums, whole.sums)
    shown = json.loads(run(pred.root, truth.root, "--surface", "--tolerance", "1", "--json"))
    assert shown["surface"]["tolerance"] == 1
    assert shown["surface"]["unit"] == "px"
    assert shown["surface"]["classes"][0] == {"id": 0, "name": "road", "images": 5, "only_truth": 0, "only_pred": 0}
    scores = {score.key: score for score in found.class_scores if score.key in KEYS}
    for key in KEYS:
        score = scores[key]
        assert score.interval is not None
        assert [row[key] for row in shown["classes"]] == pytest.approx(score.values.tolist())
        assert [row[f"{key}_interval"] for row in shown["classes"]] == score.interval.T.tolist()
        low, high = shown["intervals"][f"mean_{key}"]
        assert low <= shown[f"mean_{key}"] <= high
    heading = run(pred.root, truth.root, "--surface", "--csv").splitlines()[0].split(",")
    assert {f"{key}{end}" for key in KEYS for end in ("", "_low", "_high")} <= set(heading)


def test_it_is_off_unless_asked_for(sides: tuple[Dataset, Dataset]) -> None:
    pred, truth = sides
    assert segdata.evaluate(pred, truth).surface is None
    with pytest.raises(OptionError, match="give --surface too"):
        segdata.evaluate(pred, truth, tolerance=2)
    with pytest.raises(OptionError, match="--tolerance 2 miles: must be"):
        segdata.evaluate(pred, truth, surface=True, tolerance="2 miles")


def test_distances_are_told_in_their_unit_and_not_in_per_cent(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    pred, truth = sides
    page = tmp_path / "page.html"
    text = run(pred.root, truth.root, "--surface", "--tolerance", "1", "--html", page)
    found = segdata.evaluate(pred, truth, surface=True, tolerance=1)
    distance = f"{found.surface.hausdorff[0]:.2f}"
    assert "surfaces: tolerance 1 px" in text
    for shown in (text, page.read_text()):
        assert "Hausdorff 95 (px)" in shown
        assert distance in shown
        assert f"{100 * found.surface.hausdorff[0]:.2f}" not in shown
    assert "surface Dice" in text
    assert f"{100 * found.surface.dice[0]:.2f}" in text


def test_classes_on_one_side_are_told(tmp_path: Path) -> None:
    mask = np.zeros((12, 12), int)
    mask[4:8, 4:8] = 1
    truth = make(tmp_path / "truth", {"a": mask, "b": mask})
    pred = make(tmp_path / "pred", {"a": 0 * mask, "b": 0 * mask})
    text = run(pred.root, truth.root, "--surface")
    assert "images with a class on one side alone, so left out of its distances: car 2" in text
    assert "no image has it in both truth and prediction, so without Hausdorff 95 and ASSD: car" in text


def test_metres_are_those_of_the_ground(tmp_path: Path) -> None:
    """Pixels of 2 m: twice the distances, and the same surface Dice at twice the tolerance."""
    mask, image = patches(42, 49), np.zeros((42, 49, 3), np.uint8)
    windows = {"a": Window(0, 0, 42, 30), "b": Window(0, 19, 42, 30)}
    truth = scenes(tmp_path / "truth", image, mask, windows)
    pred = make(tmp_path / "pred", {id: moved(mask[w.slices], 2) for id, w in windows.items()})
    pixels = segdata.evaluate(pred, truth, surface=True, tolerance="1.5").surface
    metres = segdata.evaluate(pred, truth, surface=True, tolerance="3m").surface
    np.testing.assert_allclose(metres.dice, pixels.dice)
    np.testing.assert_allclose(metres.hausdorff, 2 * pixels.hausdorff)
    np.testing.assert_allclose(metres.assd, 2 * pixels.assd)
    assert metres.to_json()["surface"]["unit"] == "m"
    tiles = segdata.tile(truth, tmp_path / "tiles", size=15)
    np.testing.assert_allclose(segdata.evaluate(pred, tiles, surface=True, tolerance="3m").surface.sums, metres.sums)


def test_degrees_are_metres_too(tmp_path: Path) -> None:
    """At 60 degrees north a degree of longitude is about half as long."""
    mask = patches(28, 35)
    truth = make(tmp_path / "truth", {"a": mask}, images="copy", fields={"a": {"image": "images/a.tif"}})
    path = truth.root / "images/a.tif"
    write_tiff(path, np.zeros((28, 35), np.uint8))
    with rasterio.open(path, "r+") as file:
        file.crs, file.transform = "EPSG:4326", rasterio.Affine(1e-5, 0, 10, 0, -1e-5, 60)
    pred = make(tmp_path / "pred", {"a": moved(mask, 2)})
    found = segdata.evaluate(pred, truth, surface=True, tolerance="1m").surface
    expected = Surface.of(mask, moved(mask, 2), truth.labels, 1.0, "m", (1.114, 0.558))
    np.testing.assert_allclose(found.hausdorff, expected.hausdorff, rtol=2e-3)


@pytest.mark.parametrize("pixels", [1, 3, 6, 7])
def test_a_tolerance_in_metres_is_as_many_pixels(tmp_path: Path, pixels: int) -> None:
    """3 pixels of 0.1 m are 0.30000000000000004 m in float64, and within 0.3 m."""
    mask = np.zeros((24, 30), np.uint8)
    mask[8:16, 5:12] = 1
    truth = make(tmp_path / "truth", {"a": mask}, images="copy", fields={"a": {"image": "images/a.tif"}})
    write_tiff(truth.root / "images/a.tif", np.zeros((24, 30), np.uint8), pixel=0.1)
    pred = make(tmp_path / "pred", {"a": np.roll(mask, pixels, 1)})
    found = segdata.evaluate(pred, truth, surface=True, tolerance=f"{pixels / 10}m").surface
    assert found.dice[1] == 1
    assert found.to_json()["surface"]["tolerance"] == pixels / 10


def test_metres_of_web_mercator_are_those_of_the_ground(tmp_path: Path) -> None:
    """At 60 degrees north its metres are about half as long."""
    mask = patches(28, 35)
    truth = make(tmp_path / "truth", {"a": mask}, images="copy", fields={"a": {"image": "images/a.tif"}})
    path = truth.root / "images/a.tif"
    write_tiff(path, np.zeros((28, 35), np.uint8))
    with rasterio.open(path, "r+") as file:
        file.crs, file.transform = "EPSG:3857", rasterio.Affine(2, 0, 1_000_000, 0, -2, 8_399_738)
    pred = make(tmp_path / "pred", {"a": moved(mask, 2)})
    found = segdata.evaluate(pred, truth, surface=True, tolerance="1m").surface
    expected = Surface.of(mask, moved(mask, 2), truth.labels, 1.0, "m", (1.0008, 1.0025))
    np.testing.assert_allclose(found.hausdorff, expected.hausdorff, rtol=1e-4)


@pytest.mark.parametrize(("tilt", "fits"), [((2, 1, 1, -2), True), ((2, 1, 0, -2), False)])
def test_a_grid_may_be_turned_but_not_slanted(tmp_path: Path, tilt: tuple[float, ...], fits: bool) -> None:
    mask = patches(28, 35)
    truth = make(tmp_path / "truth", {"a": mask}, images="copy", fields={"a": {"image": "images/a.tif"}})
    write_tiff(truth.root / "images/a.tif", np.zeros((28, 35), np.uint8))
    with rasterio.open(truth.root / "images/a.tif", "r+") as file:
        file.transform = rasterio.Affine(tilt[0], tilt[1], 500_000, tilt[2], tilt[3], 4_600_000)
    pred = make(tmp_path / "pred", {"a": moved(mask, 2)})
    if not fits:
        with pytest.raises(DataError, match=r"no rectangles on the ground: warp it first .*\[image.square\]"):
            segdata.evaluate(pred, truth, surface=True, tolerance="2m")
        return
    found = segdata.evaluate(pred, truth, surface=True, tolerance="2m").surface
    expected = Surface.of(mask, moved(mask, 2), truth.labels, 2.0, "m", (5**0.5, 5**0.5))
    np.testing.assert_allclose(found.sums, expected.sums)


def test_a_system_that_is_not_of_the_earth_has_no_metres(tmp_path: Path) -> None:
    mask = patches(28, 35)
    truth = make(tmp_path / "truth", {"a": mask}, images="copy", fields={"a": {"image": "images/a.tif"}})
    write_tiff(truth.root / "images/a.tif", np.zeros((28, 35), np.uint8), crs='LOCAL_CS["site",UNIT["metre",1]]')
    with pytest.raises(DataError, match=r"does not say where it lies.*\[surface.metres\]"):
        segdata.evaluate(truth, truth, surface=True, tolerance="2m")


def test_metres_without_a_place_are_refused_with_a_way_out(sides: tuple[Dataset, Dataset]) -> None:
    pred, truth = sides
    with pytest.raises(DataError, match=r"val/0: does not say where it lies.*--tolerance 2 \[surface.metres\]"):
        segdata.evaluate(pred, truth, surface=True, tolerance="2m")
    assert segdata.evaluate(pred, truth, surface=True, tolerance="2").surface is not None


def test_tiles_are_the_image_that_they_are_of(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    pred, truth = sides
    whole = segdata.evaluate(pred, truth, surface=True).surface
    tiles = [segdata.tile(side, tmp_path / f"tiles{i}", size=16, overlap=4) for i, side in enumerate(sides)]
    np.testing.assert_allclose(segdata.evaluate(*tiles, surface=True).surface.sums, whole.sums)
    few = replace(truth, samples=truth.samples[:2])
    assert segdata.evaluate(pred, few, surface=True).class_scores[-1].interval is None
