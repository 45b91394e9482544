"""What the viewer finds out in the background, against brute force and the operations of the command line."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from carry_files import make
from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError
from segdata.ops.check.operation import check
from segdata.ops.evaluate.operation import evaluate
from segdata.ops.suspects.operation import suspects
from segdata.ops.tile.operation import tile
from segdata.ops.view import analyses, hooks
from segdata.ops.view.alike import grouped
from segdata.ops.view.answers import BROKEN
from viewed import IGNORE, NAMES, Made, Viewed

NEVER = 5.0


def column(viewed: Viewed, name: str) -> dict[str, float]:
    """The values of samples by id, as the page gets them; without those that are unknown."""
    found = viewed.get("samples", {"count": 500})["samples"]
    return {one["id"]: one["values"][name] for one in found if one["values"][name] is not None}


@pytest.mark.parametrize("of", [0, 1])
def test_columns_are_those_of_evaluate(made: Made, viewed: Viewed, of: int) -> None:
    found = evaluate(made.preds[of], made.truth)
    for name, score in (("iou", "mean_iou"), ("accuracy", "pixel_accuracy")):
        expected = {image.id: getattr(image, score) for image in found.images}
        assert column(viewed, analyses.numbered(name, of)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("of", [0, 1])
@pytest.mark.parametrize("class_id", range(3))
def test_iou_of_a_class_is_brute_force(made: Made, viewed: Viewed, of: int, class_id: int) -> None:
    expected = {}
    for id, given in made.given[of].items():
        known = made.masks[id] != IGNORE
        a, b = (made.masks[id] == class_id) & known, (given == class_id) & known
        if (a | b).any():
            expected[id] = (a & b).sum() / (a | b).sum()
    name = analyses.numbered(f"iou.{NAMES[class_id]}", of)
    worst = sorted(expected, key=lambda id: expected[id])
    assert viewed.ids(sort=name)[: len(worst)] == worst
    assert column(viewed, name) == pytest.approx(expected, rel=1e-5)
    assert viewed.ids(**{name: "0.3..0.6"}) == sorted(id for id, iou in expected.items() if 0.3 <= iou <= 0.6)


@pytest.mark.parametrize("of", [0, 1])
@pytest.mark.parametrize("true", range(3))
@pytest.mark.parametrize("given", [0, 1, 2, IGNORE])
def test_images_of_a_cell_are_brute_force(made: Made, viewed: Viewed, of: int, true: int, given: int) -> None:
    pixels = {id: int(((made.masks[id] == true) & (mask == given)).sum()) for id, mask in made.given[of].items()}
    expected = sorted((id for id, n in pixels.items() if n), key=lambda id: (-pixels[id], id))
    name = analyses.numbered("cell", of)
    names = (NAMES[true], "ignore" if given == IGNORE else NAMES[given])
    assert viewed.ids(**{name: ":".join(names), "sort": f"-{name}"}) == expected


def test_images_of_a_bin_and_confidence_are_brute_force(made: Made, viewed: Viewed) -> None:
    sure = {id: probs.max(axis=0)[made.masks[id] != IGNORE].astype(float) for id, probs in made.probs.items()}
    assert column(viewed, "confidence") == pytest.approx({id: values.mean() for id, values in sure.items()}, rel=1e-5)
    for number in range(15):
        pixels = {
            id: int(((values > number / 15) & (values <= (number + 1) / 15)).sum()) for id, values in sure.items()
        }
        expected = sorted((id for id, n in pixels.items() if n), key=lambda id: (-pixels[id], id))
        assert viewed.ids(bin=number, sort="-bin") == expected


def test_bins_sum_to_the_calibration_of_evaluate(made: Made, viewed: Viewed) -> None:
    whole = evaluate(made.preds[0], made.truth).calibration
    for query, calibration in (
        ({}, whole),
        ({"split": "val"}, evaluate(made.preds[0], made.truth, split="val").calibration),
    ):
        found = viewed.get("reliability", query)
        for mine, theirs in zip(found["bins"], calibration.bins.to_json(), strict=True):
            assert mine == pytest.approx(theirs)
        assert found["ece"] == pytest.approx(calibration.ece)


def test_suspicion_is_that_of_suspects(made: Made, viewed: Viewed) -> None:
    found = suspects(made.preds[0], made.truth)
    assert column(viewed, "suspicion") == pytest.approx({one.sample: 1 - one.score for one in found.images}, rel=1e-5)
    worst = [one.sample for one in found.images]
    assert viewed.ids(sort="-suspicion")[: len(worst)] == worst


def test_findings_are_those_of_check(made: Made, viewed: Viewed) -> None:
    found = check(made.truth)
    assert found.findings
    codes = viewed.get("findings")
    assert {one["code"] for one in codes} == {one.code for one in found.findings}
    for one in codes:
        ids = {id for finding in found.findings if finding.code == one["code"] for id in finding.samples}
        assert viewed.ids(finding=one["code"]) == sorted(ids)
        assert one["samples"] == len(ids)
    assert viewed.ids(finding="any") == sorted({id for finding in found.findings for id in finding.samples})
    for id in made.masks:
        own = [finding for finding in found.findings if id in finding.samples]
        told = viewed.get(f"findings/{viewed.row(id)}")
        assert [(one["code"], one["message"], one["repair"]) for one in told] == [
            (f.code, f.message, f.repair) for f in own
        ]
    assert "there are" in viewed.get("samples", {"finding": "nothing.such"}, status=422)["error"]["message"]


def test_duplicates_lie_side_by_side(viewed: Viewed) -> None:
    assert viewed.ids(duplicates="yes", sort="duplicates") == ["train/00", "train/01"]
    assert viewed.ids(duplicates="1") == ["train/00", "train/01"]
    assert viewed.ids(sort="-duplicates")[:2] == ["train/00", "train/01"]
    assert viewed.get("samples", {"duplicates": "7"}, status=422)["error"]["code"] == "duplicates"


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_connected_components(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, 30, (12, 2)).tolist()
    near = np.eye(30, dtype=bool)
    for a, b in pairs:
        near[a, b] = near[b, a] = True
    for _ in range(30):
        near = near @ near
    found = grouped([(a, b) for a, b in pairs], 30)
    members = sorted({i for pair in pairs for i in pair})
    assert set(np.flatnonzero(found)) == set(members)
    for a in members:
        for b in members:
            assert (found[a] == found[b]) == near[a, b]


def test_what_is_known_of_columns_is_told(viewed: Viewed) -> None:
    told = {one["name"]: one for one in viewed.get("about")["columns"]}
    assert told["suspicion"]["low_is_bad"] is False
    assert told["iou"]["low_is_bad"] is True
    assert told["iou@1"]["title"] == "Mean IoU (other)"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"cell": "road"}, "cell"), ({"cell": "road:moon"}, "cell"), ({"cell": "ignore:road"}, "cell"), ({"bin": "15"}, "bin"),
        ({"bin": "x"}, "bin"), ({"sort": "cell"}, "sort"), ({"iou.car": "high"}, "iou.car"), ({"duplicates": "no"}, "duplicates"),
    ],
)  # fmt: skip
def test_bad_values_are_refused(viewed: Viewed, query: dict[str, str], code: str) -> None:
    assert viewed.get("samples", query, status=422)["error"]["code"] == code


def test_names_of_cells_may_have_colons() -> None:
    labels = make_labels(["a", "a:b", "b", "b:b"])
    assert hooks.cell_of("a:b:b", labels) == (0, 3)  # the first that fits
    assert hooks.cell_of("a:b:ignore", labels) == (1, 4)
    assert hooks.cell_of("b:b:a:b", labels) == (3, 1)


def make_labels(names: Sequence[str]) -> Any:
    from segdata.labels import Labels

    return Labels.of(names)


def test_without_predictions_it_says_what_is_lacking(made: Made) -> None:
    shown = Viewed(made.truth)
    assert "takes predictions" in shown.state("evaluate")["needs"]
    assert shown.post("analyses/evaluate", status=422)["error"]["code"] == "analysis"
    assert shown.get("matrix", status=422)["error"]["code"] == "of"
    assert shown.get("samples", {"cell": "road:car"}, status=409)["error"]["code"] == "analysis.absent"
    assert shown.post("analyses/nothing", status=404)["error"]["code"] == "analysis"


def test_without_scores_and_images_it_says_what_is_lacking(made: Made, tmp_path: Path) -> None:
    shown = Viewed(make(tmp_path / "bare", made.masks, names=NAMES), made.preds[1:])
    for name in ("suspects", "confidence"):
        assert "predict again with --scores" in shown.state(name)["needs"]
    assert shown.state("duplicates")["needs"] == "its samples have no images"


def test_predictions_of_other_images_fail_with_the_reason(made: Made, tmp_path: Path) -> None:
    shown = Viewed(made.truth, [make(tmp_path / "else", {"moon": made.masks["val/11"]}, names=NAMES)])
    ended = shown.ended("evaluate")
    assert ended["state"] == "failed"
    assert "predicts no sample" in ended["message"]
    assert "predicts no sample" in shown.get("matrix", status=409)["error"]["message"]


def test_a_bad_file_is_left_out_and_named(made: Made, tmp_path: Path) -> None:
    given = dict(made.given[0])
    pred = make(tmp_path / "pred", given, names=NAMES)
    (pred.root / "masks/val/06.png").write_bytes(b"no image")
    shown = Viewed(made.truth, [pred])
    ended = shown.ended("evaluate")
    assert ended["message"] == "7 of 12 samples are predicted; left out, as they cannot be read: val/06"
    assert set(column(shown, "iou")) == set(given) - {"val/06"}


def test_samples_that_are_tiles_have_the_numbers_of_their_image(made: Made, tmp_path: Path) -> None:
    truth, pred = (tile(one, tmp_path / f"tiles{n}", size=16) for n, one in enumerate((made.truth, made.preds[1])))
    shown = Viewed(truth, [pred])
    assert "samples are tiles" in shown.ended("evaluate")["message"]
    found = evaluate(pred, truth)
    ious = {image.id: image.mean_iou for image in found.images}
    mine = column(shown, "iou")
    assert mine == pytest.approx({s.id: ious[str(s.parent)] for s in truth if s.parent in ious}, rel=1e-5)
    matrix = shown.get("matrix")
    assert matrix["counts"] == found.confusion.counts.tolist()
    assert "samples are tiles" in matrix["cautions"][0]
    regions = shown.get(f"regions/{shown.row(truth.samples[-1].id)}", {"cell": "road:road"}, status=404)
    assert regions["error"]["code"] == "prediction"


@dataclass
class Slow:
    """An analysis that goes on until it may end, and says how many run at a time."""

    may_end: threading.Event = field(default_factory=threading.Event)
    running: int = 0
    most: int = 0

    def find(self, sides: Sequence[Dataset], run: Any) -> Any:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for _ in run.track(iter(lambda: self.may_end.wait(0.005), None), 100):
                if self.may_end.is_set():
                    break
        finally:
            self.running -= 1
        return self

    columns: Any = field(default_factory=dict)
    message: str = "slow"


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    """Instead of all analyses, two slow ones."""
    one = Slow()
    monkeypatch.setattr(analyses, "ANALYSES", tuple(analyses.Analysis(name, name, None, one.find) for name in "ab"))
    return one


def waited(condition: Any) -> bool:
    end = time.monotonic() + NEVER
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(condition())


def test_one_runs_at_a_time_and_tells_how_far_it_is(made: Made, slow: Slow) -> None:
    shown = Viewed(made.truth)
    for name in "ab":
        shown.post(f"analyses/{name}")
    assert waited(lambda: shown.state("a")["done"] > 0 or shown.state("b")["done"] > 0)
    assert shown.get("findings/0", status=404)["error"]["code"] == "analysis"
    slow.may_end.set()
    assert waited(lambda: all(shown.state(name)["state"] == "ready" for name in "ab"))
    assert slow.most == 1


@pytest.mark.parametrize("how", ["reload", "close"])
def test_closing_and_opening_anew_end_what_runs(made: Made, slow: Slow, how: str) -> None:
    shown = Viewed(made.truth.root)
    shown.post("analyses/a")
    assert waited(lambda: slow.running)
    shown.post("reload", status=200) if how == "reload" else shown.session.close()
    assert waited(lambda: not slow.running)
    assert shown.state("a")["state"] == "absent"


def test_what_was_found_is_forgotten_with_the_edition(made: Made) -> None:
    shown = Viewed(made.truth.root, [one.root for one in made.preds])
    shown.ended("evaluate")
    shown.ended("duplicates")
    assert shown.ids(duplicates="yes")
    shown.post("reload", status=200)
    assert shown.state("duplicates")["state"] == "absent"
    assert shown.get("samples", {"duplicates": "yes"}, status=409)["error"]["code"] == "analysis.absent"
    assert shown.ended("evaluate")["state"] == "ready"  # it starts by itself


def test_an_error_of_the_viewer_is_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(sides: Any, run: Any) -> Any:
        raise KeyError("a bug")

    def wrong(sides: Any, run: Any) -> Any:
        raise DatasetError("there is nothing")

    heard: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", heard.append)
    both = {"a": broken, "b": wrong}
    monkeypatch.setattr(analyses, "ANALYSES", tuple(analyses.Analysis(name, name, None, f) for name, f in both.items()))
    shown = Viewed(made.truth)
    assert shown.ended("a")["message"] == BROKEN
    assert waited(lambda: len(heard) == 1)
    assert shown.ended("b") == {**shown.state("b"), "state": "failed", "message": "there is nothing"}


def test_columns_of_real_images(shared_data: Path, tmp_path: Path) -> None:
    """CamVid, predicted as itself shifted by 9 columns."""
    names = [f"class {i}" for i in range(11)]
    masks = {}
    for path in sorted((shared_data / "camvid" / "valannot").glob("*.png"))[:5]:
        values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        masks[path.stem] = np.where(values < 11, values, IGNORE).astype(np.uint8)
    given = {id: np.where(mask == IGNORE, 3, np.roll(mask, 9, axis=1)) for id, mask in masks.items()}
    shown = Viewed(make(tmp_path / "truth", masks, names=names), [make(tmp_path / "pred", given, names=names)])
    assert shown.ended("evaluate")["state"] == "ready"
    expected = {}
    for id, mask in masks.items():
        known = mask != IGNORE
        both = [((mask == k) & known, (given[id] == k) & known) for k in range(11)]
        expected[id] = np.mean([(a & b).sum() / (a | b).sum() for a, b in both if (a | b).any()])
    assert column(shown, "iou") == pytest.approx(expected, rel=1e-5)
