"""Objects and clDice in an evaluation: sums over the set, tiles, intervals, what is told and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import segdata
from carry_files import make
from moved_masks import moved, moved_pair
from segdata import Dataset
from segdata.cli import main
from segdata.errors import OptionError
from segdata.metrics.cldice import ClDice
from segdata.metrics.intervals import FEWEST
from segdata.metrics.objects import Objects

KEYS = ("object_precision", "object_recall", "object_f1", "segmentation_quality", "panoptic_quality", "cldice")


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Dataset, Dataset]:
    return moved_pair(tmp_path, 1)


def run(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, ["evaluate", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.stderr


def test_counts_are_summed_over_the_set_and_shown(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    pred, truth = sides
    page = tmp_path / "page.html"
    found = segdata.evaluate(pred, truth, objects=True, cldice=True, object_sizes=(40.0,), object_connectivity=4)
    masks = [truth.read_mask(sample) for sample in truth]
    parts = [Objects.of(m, moved(m, 1), truth.labels, sizes=(40,), connectivity=4).matches for m in masks]
    for field in ("matched", "missed", "wrong", "iou"):
        assert getattr(found.objects.matches, field).tolist() == sum(getattr(p, field) for p in parts).tolist()
    lines = [ClDice.of(m, moved(m, 1), truth.labels).counts for m in masks]
    assert found.cldice.counts.tolist() == sum(lines).tolist()
    options = ["--objects", "--cldice", "--object-sizes", "40", "--object-connectivity", "4"]
    shown = json.loads(run(pred.root, truth.root, *options, "--json"))
    assert [size["name"] for size in shown["objects"]["sizes"]] == ["below 40", "40 and more"]
    assert shown["objects"]["connectivity"] == 4
    for score in found.class_scores:
        if score.key in KEYS:
            assert [row[score.key] for row in shown["classes"]] == pytest.approx(score.values.tolist())
            low, high = shown["intervals"][f"mean_{score.key}"]
            assert low <= shown[f"mean_{score.key}"] <= high
    text = run(pred.root, truth.root, *options, "--html", page)
    assert "pixels that touch at a corner are not connected" in text
    for told in ("clDice", "topology precision", "object F1", "PQ", "below 40"):
        assert told in text
        assert told in page.read_text()
    assert '<th class="text">objects</th><th class="text">pixels</th><th>true</th>' in page.read_text()
    assert '<th class="text">class</th><th>true</th>' in page.read_text()
    assert "- is what that library cannot be asked" in page.read_text()
    heading = run(pred.root, truth.root, *options, "--csv").splitlines()[0].split(",")
    assert {f"{key}{end}" for key in KEYS for end in ("", "_low", "_high")} <= set(heading)


def test_intervals_leave_out_one_image_at_a_time(sides: tuple[Dataset, Dataset]) -> None:
    """A score that one image alone changes has a wider interval than if all say the same."""
    pred, truth = sides
    same = make(pred.root.parent / "same", {sample.id: truth.read_mask(sample) for sample in truth})
    for a, wide in ((same, False), (pred, True)):
        scores = {score.key: score for score in segdata.evaluate(a, truth, objects=True, cldice=True).class_scores}
        for key in KEYS:
            bounds = scores[key].interval
            assert bounds is not None
            known = ~np.isnan(bounds[0])
            assert ((bounds[1] - bounds[0])[known] > 0).any() == wide
            assert (bounds[0][known] <= scores[key].values[known]).all()
    few = replace(truth, samples=truth.samples[: FEWEST - 1])
    assert segdata.evaluate(pred, few, objects=True).class_scores[-1].interval is None


def test_tiles_are_the_image_that_they_are_of(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    """No object is cut by a tile."""
    pred, truth = sides
    whole = segdata.evaluate(pred, truth, objects=True, cldice=True)
    tiles = [segdata.tile(side, tmp_path / f"tiles{i}", size=16, overlap=4) for i, side in enumerate(sides)]
    again = segdata.evaluate(*tiles, objects=True, cldice=True)
    assert again.objects.to_json() == whole.objects.to_json()
    assert again.cldice.counts.tolist() == whole.cldice.counts.tolist()


def test_images_without_a_prediction_are_missed(sides: tuple[Dataset, Dataset]) -> None:
    pred, truth = sides
    some = replace(pred, samples=pred.samples[:3])
    found = segdata.evaluate(some, truth, objects=True, missing="miss").objects.matches
    assert (found.matched + found.missed).sum() == segdata.evaluate(
        pred, truth, objects=True
    ).objects.matches.truth.sum()


def test_wrong_options_are_refused_before_anything_is_read(sides: tuple[Dataset, Dataset]) -> None:
    pred, truth = sides
    assert segdata.evaluate(pred, truth).objects is None
    with pytest.raises(OptionError, match="--object-connectivity 6: must be 4 or 8"):
        segdata.evaluate(pred, truth, objects=True, object_connectivity=6)
    assert "give --objects too" in run(pred.root, truth.root, "--object-sizes", "10", code=1)
    assert "must be whole pixels above 0 that ascend" in run(
        pred.root, truth.root, "--objects", "--object-sizes", "9,4", code=1
    )
    assert "must be numbers" in run(pred.root, truth.root, "--objects", "--object-sizes", "big", code=2)
