"""The matrix of the images that fit, against `segdata evaluate` of a dataset of just these."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from carry_files import make
from segdata.dataset.sample import Sample
from segdata.metrics.confusion import plain
from segdata.ops.evaluate.operation import evaluate
from segdata.ops.evaluate.result import Evaluation
from viewed import NAMES, Made, Viewed, scene


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "grouped"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return scene(tmp_path_factory.mktemp("scene"), grouped=request.param)


def plains(values: Any) -> list[float | None] | None:
    return None if np.isnan(values).any() else [plain(v) for v in values]


def same(matrix: dict[str, Any], found: Evaluation) -> None:
    """Every number of a matrix is that of an evaluation."""
    assert matrix["counts"] == found.confusion.counts.tolist()
    assert matrix["iou"] == [plain(v) for v in found.confusion.iou]
    assert matrix["mean_iou"] == plain(found.confusion.mean_iou)
    assert matrix["pixel_accuracy"] == plain(found.confusion.pixel_accuracy)
    assert (matrix["images"], matrix["units"], matrix["resampled"]) == (len(found.images), found.units, found.resampled)
    if found.intervals:
        assert matrix["interval"] == plains(found.intervals["mean_iou"])
        assert matrix["pixel_accuracy_interval"] == plains(found.intervals["pixel_accuracy"])
        assert matrix["iou_intervals"] == [plains(bounds) for bounds in found.intervals["iou"].T]
    else:
        assert matrix["interval"] is matrix["iou_intervals"] is None
    for caution in found.cautions:
        assert caution.replace(": --resample", ": segdata evaluate --resample") in matrix["cautions"]


FILTERS: dict[str, tuple[dict[str, str], Callable[[Sample], bool]]] = {
    "all": ({}, lambda s: True),
    "val": ({"split": "val"}, lambda s: s.split == "val"),
    "few": ({"text": "/04"}, lambda s: s.id == "train/04"),
    "with a class": ({"class": "car:0.3.."}, lambda s: s.counts.get(1, 0) / (s.height * s.width) >= 0.3),
    "ordered": ({"split": "val", "sort": "-id"}, lambda s: s.split == "val"),
}


@pytest.mark.parametrize("of", [0, 1])
@pytest.mark.parametrize("name", FILTERS)
def test_matrix_is_that_of_evaluate(made: Made, viewed: Viewed, name: str, of: int) -> None:
    query, keep = FILTERS[name]
    known = {sample.id for sample in made.preds[of]}
    chosen = made.truth.select(lambda s: keep(s) and s.id in known)
    if not chosen.samples:
        assert viewed.get("matrix", {**query, "of": of})["images"] == 0
        return
    same(viewed.get("matrix", {**query, "of": of}), evaluate(made.preds[of], chosen))


@pytest.mark.parametrize("query", [{}, {"split": "val"}, {"iou": "0.2..0.9"}])
def test_cells_of_images_sum_to_those_of_the_matrix(made: Made, viewed: Viewed, query: dict[str, str]) -> None:
    matrix = viewed.get("matrix", query)
    ids = viewed.ids(**query)
    for i in range(3):
        for j in range(4):
            value = 255 if j == 3 else j
            given = made.given[0]
            pixels = sum(int(((made.masks[id] == i) & (given[id] == value)).sum()) for id in ids if id in given)
            assert matrix["counts"][i][j] == pixels


def test_comparison_is_that_of_evaluate(made: Made, viewed: Viewed) -> None:
    matrix = viewed.get("matrix", {"of": 0, "other": 1})["comparison"]
    found = evaluate(made.preds[0], made.truth, other=made.preds[1]).comparison
    assert found is not None
    value, bounds = found.difference["mean_iou"]
    assert (matrix["images"], matrix["other_name"]) == (found.images, "other")
    assert matrix["mean_iou"] == list(found.scores["mean_iou"])
    assert (matrix["difference"], matrix["interval"], matrix["better"]) == (value, plains(bounds), plain(found.better))
    for mine, iou, interval in zip(matrix["classes"], found.iou, found.iou_interval.T, strict=True):
        assert mine == {"difference": plain(iou), "interval": plains(interval)}


def test_nothing_fits(viewed: Viewed) -> None:
    matrix = viewed.get("matrix", {"text": "no such id", "other": 1})
    assert matrix["images"] == matrix["units"] == 0
    assert matrix["mean_iou"] is None
    assert np.array(matrix["counts"]).sum() == 0
    assert matrix["comparison"]["difference"] is None


def test_it_says_how_the_numbers_come_about(viewed: Viewed, made: Made) -> None:
    matrix = viewed.get("matrix")
    unit = "one group of images" if made.truth.samples[0].group else "one image"
    assert f"by leaving out {unit} at a time" in matrix["policy"]
    assert "4 of the 12 samples that fit have no prediction, and are not counted" in matrix["cautions"]
    assert "too few" in viewed.get("matrix", {"id": "val/05"})["policy"]


def test_predictions_that_there_are_not_are_refused(viewed: Viewed) -> None:
    assert viewed.get("matrix", {"of": 2}, status=422)["error"]["code"] == "of"
    assert viewed.get("matrix", {"other": "x"}, status=422)["error"]["code"] == "other"


def test_frames_of_a_video_are_told_of(made: Made, tmp_path: Path) -> None:
    masks = {f"film_{n:04}": mask for n, mask in enumerate(made.masks.values())}
    truth = make(tmp_path / "truth", masks, names=NAMES)
    pred = make(tmp_path / "pred", {id: np.roll(mask, 1, axis=0) for id, mask in masks.items()}, names=NAMES)
    shown = Viewed(truth, [pred])
    shown.ended("evaluate")
    same(shown.get("matrix"), found := evaluate(pred, truth))
    assert any("ids run on from film_0000" in text for text in found.cautions)
