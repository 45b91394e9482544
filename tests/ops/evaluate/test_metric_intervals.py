"""Intervals of the scores of metrics, against evaluations that leave out one image, or one group."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from carry_files import make
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.metrics.base import ClassScore, Metric
from segdata.metrics.boundary import Boundary
from segdata.metrics.intervals import without_each
from segdata.metrics.student import t_quantile
from segdata.ops.evaluate.operation import evaluate
from segdata.ops.evaluate.page import evaluate_page
from segdata.words import distance, span

KEYS = ("boundary_iou", "boundary_f")


def sides(root: Path, groups: tuple[str, ...] = ()) -> tuple[Dataset, Dataset]:
    """A prediction and truth of seven images; class c is in two of them, class d in none."""
    rng = np.random.default_rng(0)
    masks: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    for i in range(7):
        small = rng.choice([0, 1, 255, *([2] if i < 2 else [])], (4, 5))
        truth = np.kron(small, np.ones((7, 6), int))
        masks[f"val/{i}"] = truth, np.where(rng.random(truth.shape) < 0.04 * (i + 1), 1 - truth % 2, truth % 255)
    fields = {id: {"group": group} for id, group in zip(masks, groups, strict=False)}
    names = ("a", "b", "c", "d")
    truth = make(root / "truth", {id: one for id, (one, _) in masks.items()}, names=names, fields=fields)
    return make(root / "pred", {id: two for id, (_, two) in masks.items()}, names=names), truth


@pytest.fixture(autouse=True)
def _on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Boundary, "intervals", True)


def left_out(pred: Dataset, truth: Dataset, ids: set[str]) -> Boundary:
    """Evaluated without some images."""
    rest = replace(truth, samples=tuple(sample for sample in truth if sample.id not in ids))
    return evaluate(pred, rest, boundary_f=True, draws=0).metrics["boundary"]  # type: ignore[return-value]


def expected(value: float, others: list[float], units: int) -> tuple[float, float]:
    """The jackknife with Student's t on the scale of the logit, as the docstring of intervals.py says it."""
    reach = t_quantile(0.975, units - 1) * math.sqrt(sum((value - other) ** 2 for other in others))
    ends = [math.log(value / (1 - value)) + sign * reach / (value * (1 - value)) for sign in (-1, 1)]
    low, high = (1 / (1 + math.exp(-end)) for end in ends)
    return low, high


def test_they_are_those_of_leaving_out_each_image(tmp_path: Path) -> None:
    pred, truth = sides(tmp_path)
    found = evaluate(pred, truth, boundary_f=True)
    rest = [left_out(pred, truth, {sample.id}) for sample in truth]
    for number, score in enumerate(found.class_scores):
        assert score.key == KEYS[number]
        assert score.interval is not None
        for c in (0, 1):
            others = [float(one.by_class()[number].values[c]) for one in rest]
            wanted = expected(float(score.values[c]), others, 7)
            assert score.interval[:, c].tolist() == pytest.approx(wanted, abs=1e-9)
        assert np.isnan(score.interval[:, 2:]).all(), "two images hold it; none does"
        assert score.mean_interval is not None
        assert score.mean_interval[0] < np.nanmean(score.values) < score.mean_interval[1]


def test_groups_are_left_out_as_one(tmp_path: Path) -> None:
    pred, truth = sides(tmp_path, tuple("xxyyzzw"))
    found = evaluate(pred, truth)
    (score,) = found.class_scores
    groups = [{s.id for s in truth if s.group == group} for group in "xyzw"]
    others = [float(left_out(pred, truth, ids).iou[0]) for ids in groups]
    assert score.interval is not None
    assert score.interval[:, 0].tolist() == pytest.approx(expected(float(score.values[0]), others, 4), abs=1e-9)


def test_they_are_in_json_csv_text_and_page(tmp_path: Path) -> None:
    pred, truth = sides(tmp_path)
    found = evaluate(pred, truth)
    (score,) = found.class_scores
    assert score.interval is not None
    assert score.mean_interval is not None
    shown = found.to_json()
    json.dumps(shown, allow_nan=False)
    assert shown["classes"][0]["boundary_iou_interval"] == score.interval[:, 0].tolist()
    assert shown["classes"][2]["boundary_iou_interval"] == [None, None]
    assert shown["intervals"]["mean_boundary_iou"] == score.mean_interval.tolist()
    heading, *rows = found.rows()
    ends = [heading.index(f"boundary_iou_{end}") for end in ("low", "high")]
    assert [rows[0][i] for i in ends] == score.interval[:, 0].tolist()
    assert [rows[-1][i] for i in ends] == score.mean_interval.tolist()
    page = tmp_path / "page.html"
    result = CliRunner().invoke(main, ["evaluate", str(pred.root), str(truth.root), "--html", str(page)])
    assert result.exit_code == 0, result.output
    for part in (score.interval[:, 0], score.interval[:, 1], score.mean_interval):
        assert span(*part) in result.stdout
    assert "boundary IoU and its 95 % interval" in page.read_text()


def test_an_interval_that_hides_something_is_told(tmp_path: Path) -> None:
    """Class a is right nowhere as an object; class b has distances in two images alone."""
    masks = {str(i): np.kron([[0, 0, 1], [0, 0, 1]], np.ones((6, 6), int)) for i in range(5)}
    truth = make(tmp_path / "truth", masks, names=("a", "b"))
    other = {id: np.where(np.indices(mask.shape).sum(axis=0) % 2, 255, 0) for id, mask in masks.items()}
    for id in ("0", "1"):
        other[id] = np.where(masks[id] == 1, 1, other[id])
    found = evaluate(make(tmp_path / "pred", other, names=("a", "b")), truth, objects=True, surface=True)
    told = "so that the interval has no width, and hides what others may show: a"
    assert any(
        note.startswith("the same object precision, object recall, ") and note.endswith(told) for note in found.cautions
    )
    few = "in fewer than 3 images, so without an interval, and unknown in the intervals of means: b"
    assert any(note.endswith(few) and "Hausdorff 95, ASSD" in note for note in found.cautions)
    (shown,) = [score.interval for score in found.class_scores if score.key == "assd"]
    assert shown is not None
    assert np.isnan(shown[:, 1]).all()


def test_a_perfect_mean_is_not_sure_of_classes_in_few_images(tmp_path: Path) -> None:
    """Class b is in two images: it may be anything from 0 to 1, so the mean of all has the variance 1 / 12 / 2^2."""
    masks = {str(i): np.kron([[0, 1 if i < 2 else 0]], np.ones((6, 6), int)) for i in range(6)}
    truth = make(tmp_path / "truth", masks, names=("a", "b"))
    found = evaluate(truth, truth, objects=True)
    low = 1 - t_quantile(0.975, 5) * math.sqrt(1 / 12) / 2
    assert found.intervals["mean_iou"].tolist() == pytest.approx([low, 1])
    assert found.intervals["mean_panoptic_quality"].tolist() == pytest.approx([low, 1])
    assert found.intervals["iou"][:, 0].tolist() == [1, 1]


def test_without_intervals_there_are_none(tmp_path: Path) -> None:
    pred, truth = sides(tmp_path)
    few = replace(truth, samples=truth.samples[:2])
    for found in (evaluate(pred, truth, draws=0), evaluate(pred, few)):
        (score,) = found.class_scores
        assert score.interval is score.mean_interval is None
        assert "boundary_iou_interval" not in found.to_json()["classes"][0]
        assert not any("boundary_iou_" in str(name) for name in found.rows()[0])


class Words(Metric):
    """A metric whose values tell what was added."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def __add__(self, other: Words) -> Words:
        """All words of both."""
        return Words(*self.words, *other.words)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8])
def test_without_each_is_the_sum_of_the_others(count: int) -> None:
    names = [str(i) for i in range(count)]
    found = [set(one.words) for one in without_each([Words(name) for name in names], Words("zero"))]
    assert found == [{"zero", *names} - {name} for name in names]


class Far(Boundary):
    """Boundary IoU that is told as a distance: ten times as much, in px."""

    def by_class(self) -> list[ClassScore]:
        """One distance; the classes that have none are told why."""
        return [ClassScore("far", "distance", 10 * self.iou, unit="px", absent="nowhere near")]


def test_a_distance_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in per cent, with an interval that may go beyond 1 but not below 0."""
    monkeypatch.setattr(Boundary, "by_class", Far.by_class)
    pred, truth = sides(tmp_path)
    found = evaluate(pred, truth)
    (score,) = found.class_scores
    assert score.interval is not None
    assert score.mean_interval is not None
    bound = 10 * np.array([left_out(pred, truth, {sample.id}).iou[0] for sample in truth])
    reach = t_quantile(0.975, 6) * math.sqrt(((score.values[0] - bound) ** 2).sum())
    ends = [score.values[0] * math.exp(sign * reach / score.values[0]) for sign in (-1, 1)]
    assert score.interval[:, 0].tolist() == pytest.approx(ends)
    assert score.mean_interval[0] > 0
    assert score.mean_interval[1] > 1
    page = tmp_path / "page.html"
    result = CliRunner().invoke(main, ["evaluate", str(pred.root), str(truth.root)])
    evaluate_page(found, pred, truth, str(page))
    for text in (result.stdout, page.read_text()):
        assert "distance (px)" in text
        assert distance(score.values[0]) in text
        assert f"{100 * score.values[0]:.2f}" not in text
    assert span(*score.interval[:, 0], told=distance) in result.stdout
    assert found.unscored == [], "class d is absent, and told so already"
