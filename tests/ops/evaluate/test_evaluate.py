"""Evaluation of datasets: against independent implementations on real masks, and what must be said rather than zipped away."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from carry_files import make
from convention_files import CITYSCAPES
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Tiling
from segdata.errors import DataError, DatasetError, OptionError, Report
from segdata.executors.run import Run
from segdata.files.images import read_mask
from segdata.metrics.confusion import Confusion
from segdata.metrics.conventions import CONVENTIONS, with_version
from segdata.ops.evaluate.operation import evaluate
from segdata.ops.evaluate.sums import cityscapes_categories
from segdata.resize import resize_mask
from segdata.tiling.tiles import read_stitched
from segdata.windows import Window

Array = NDArray[Any]


def noisy(masks: dict[str, Array], *, wrong: float = 0.3, seed: int = 0, classes: int = 3) -> dict[str, Array]:
    """Predictions: some pixels of another class, none void."""
    rng = np.random.default_rng(seed)
    out = {}
    for id, mask in masks.items():
        guess = np.where(mask >= classes, 0, mask)
        out[id] = np.where(rng.random(mask.shape) < wrong, rng.integers(0, classes, mask.shape), guess)
    return out


def truth_masks(count: int = 5, seed: int = 1, size: tuple[int, int] = (20, 30)) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        f"val/{i}": np.kron(rng.choice([0, 1, 2, 255], (4, 6)), np.ones((size[0] // 4, size[1] // 6), int))
        for i in range(count)
    }


@pytest.fixture
def truth(tmp_path: Path) -> Dataset:
    return make(tmp_path / "truth", truth_masks())


@pytest.fixture
def pred(tmp_path: Path) -> Dataset:
    return make(tmp_path / "pred", noisy(truth_masks()))


def tiles(root: Path, wholes: dict[str, Array], size: int, stride: int, **options: Any) -> Dataset:
    """Tiles of whole masks, overlapping where the stride is less; the last shifted inwards."""
    masks, fields = {}, {}
    for parent, mask in wholes.items():
        height, width = mask.shape
        for y in sorted({*range(0, max(height - size, 0), stride), max(height - size, 0)}):
            for x in sorted({*range(0, max(width - size, 0), stride), max(width - size, 0)}):
                window = Window(y, x, min(size, height), min(size, width))
                id = f"{parent}@{y:06d}_{x:06d}"
                masks[id] = np.pad(
                    mask[window.slices], ((0, size - window.height), (0, size - window.width)), constant_values=255
                )
                fields[id] = {"parent": parent, "window": window, "split": "val"}
    return make(root, masks, fields=fields, **options)


# Equal to others


@pytest.mark.data
def test_real_masks_give_what_numpy_gives(shared_data: Path, tmp_path: Path) -> None:
    """CamVid's masks, predicted by their neighbours in time: one matrix over the set, and every mean, by plain NumPy."""
    paths = sorted((shared_data / "camvid" / "valannot").glob("*.png"))[:12]
    real = [np.where(mask == 11, 255, mask).astype(np.uint8) for mask in map(read_mask, paths)]
    names = [f"class {i}" for i in range(11)]
    truth = make(tmp_path / "t", {f"{i:02d}": m for i, m in enumerate(real)}, names=names)
    pred = make(tmp_path / "p", {f"{i:02d}": m for i, m in enumerate(real[1:] + real[:1])}, names=names)
    found = evaluate(pred, truth)
    t, p = (np.concatenate([m.ravel() for m in masks]).astype(int) for masks in (real, real[1:] + real[:1]))
    t, p = t[t != 255], p[t != 255]
    matrix = np.bincount(t * 256 + p, minlength=2**16).reshape(256, 256)[:11]
    np.testing.assert_array_equal(found.confusion.counts, np.column_stack([matrix[:, :11], matrix[:, 255]]))
    tp = np.diag(matrix).astype(float)
    rows, columns = matrix.sum(1), matrix.sum(0)[:11]
    with np.errstate(invalid="ignore"):
        iou, recall = tp / (rows + columns - tp), tp / rows
    said = found.to_json()
    assert said["mean_iou"] == pytest.approx(np.nanmean(iou))
    assert said["mean_accuracy"] == pytest.approx(np.nanmean(recall))
    assert said["pixel_accuracy"] == pytest.approx((t == p).mean())
    assert said["frequency_weighted_iou"] == pytest.approx(np.nansum(rows / rows.sum() * iou))
    assert said["rejected"] == (p == 255).sum() > 0
    worst = min(range(12), key=lambda i: Confusion.of(real[i], (real[1:] + real[:1])[i], truth.labels).mean_iou)
    assert said["images"][0]["id"] == f"{worst:02d}"


def test_the_json_is_what_is_promised(truth: Dataset, pred: Dataset) -> None:
    result = CliRunner().invoke(main, ["evaluate", str(pred.root), str(truth.root), "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    whole = sum((Confusion.of(truth.read_mask(s), pred.read_mask(s), truth.labels) for s in truth), Confusion.empty(3))
    assert said["mean_iou"] == pytest.approx(whole.mean_iou)
    assert said["confusion"] == whole.counts[:, :3].tolist()
    assert (said["rejected"], said["absent"]) == (0, [])
    for i, row in enumerate(said["classes"]):
        assert (row["id"], row["name"]) == (i, truth.labels.names[i])
        for name in ("iou", "dice", "precision", "recall"):
            assert row[name] == pytest.approx(float(getattr(whole, name)[i]))


def test_a_perfect_prediction_is_exactly_one(truth: Dataset) -> None:
    found = evaluate(truth, truth, boundary_f=True).to_json()
    for name in (
        "mean_iou",
        "mean_dice",
        "mean_accuracy",
        "pixel_accuracy",
        "frequency_weighted_iou",
        "mean_boundary_iou",
        "mean_boundary_f",
    ):
        assert found[name] == 1.0, name
    assert found["intervals"]["mean_iou"] == [1.0, 1.0]


def test_many_classes(tmp_path: Path) -> None:
    """LVIS has 1,230: 16-bit masks, most classes absent."""
    rng = np.random.default_rng(0)
    masks = {str(i): rng.choice([0, 5, 300, 1229, 65535], (30, 40)) for i in range(3)}
    names = [f"class {i}" for i in range(1230)]
    truth = make(tmp_path / "t", masks, names=names)
    pred = make(
        tmp_path / "p", {k: np.where(m == 300, 7, np.where(m == 65535, 9, m)) for k, m in masks.items()}, names=names
    )
    found = evaluate(pred, truth)
    assert found.confusion.iou[[0, 5, 300, 7, 1229]].tolist() == [1, 1, 0, 0, 1]
    assert found.confusion.mean_iou == 3 / 5
    assert len(found.absent) == 1225
    assert np.isnan(found.confusion.iou[9]), "predicted only where truth is void"


def test_a_constant_model(truth: Dataset, tmp_path: Path) -> None:
    constant = make(tmp_path / "p", {s.id: np.ones(s.size, int) for s in truth})
    found = evaluate(constant, truth).to_json()
    total = sum(s.counts.get(1, 0) for s in truth)
    labelled = sum(n for s in truth for v, n in s.counts.items() if v != 255)
    assert [c["iou"] for c in found["classes"]] == [0, total / labelled, 0]
    assert found["classes"][0]["precision"] is None, "never predicted"
    assert found["mean_iou"] == pytest.approx(total / labelled / 3)


# Void


def test_predicted_void_is_a_miss_in_the_last_column(truth: Dataset, tmp_path: Path) -> None:
    rejecting = {s.id: np.where(np.arange(s.size[1]) < 7, 255, truth.read_mask(s)) for s in truth}
    found = evaluate(make(tmp_path / "p", rejecting), truth)
    away = sum(int((truth.read_mask(s)[:, :7] != 255).sum()) for s in truth)
    assert found.confusion.rejected == found.to_json()["rejected"] == away
    assert found.confusion.counts[:, :3].sum() == np.diag(found.confusion.counts).sum()
    assert found.confusion.precision.tolist() == [1, 1, 1], "nothing wrong is claimed"
    assert found.confusion.pixel_accuracy == 1 - away / found.confusion.total
    assert sum(p.rejected for p in found.images) == away


def test_truth_of_void_alone(tmp_path: Path) -> None:
    masks = {"a": np.full((4, 5), 255), "b": np.full((4, 5), 255)}
    truth, pred = make(tmp_path / "t", masks), make(tmp_path / "p", {k: 0 * m for k, m in masks.items()})
    found = evaluate(pred, truth, boundary_f=True)
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["mean_iou"] is None
    assert found.absent == ["road", "car", "sign"]
    result = CliRunner().invoke(main, ["evaluate", str(pred.root), str(truth.root)])
    assert "truth is ignored everywhere: nothing has a score" in result.stdout


# What belongs together


def test_missing_and_extra_predictions_are_listed(truth: Dataset, tmp_path: Path) -> None:
    masks = noisy(truth_masks())
    del masks["val/3"]
    pred = make(tmp_path / "p", {**masks, "val/9": np.zeros((20, 30), int)})
    found = evaluate(pred, truth)
    assert (found.missing, found.extra, len(found.images)) == (("val/3",), ("val/9",), 4)
    result = CliRunner().invoke(main, ["evaluate", str(pred.root), str(truth.root)])
    assert "1 samples of truth have no prediction: val/3" in result.stdout
    assert "1 predictions have no truth: val/9" in result.stdout
    with pytest.raises(DatasetError, match="1 of 5 samples have no prediction: val/3"):
        evaluate(pred, truth, missing="stop")
    missed = evaluate(pred, truth, missing="miss")
    lost = sum(n for v, n in truth.sample("val/3").counts.items() if v != 255)
    assert missed.confusion.rejected == lost
    assert missed.confusion.total == found.confusion.total + lost
    assert missed.missing == ("val/3",)


def test_a_split_of_truth(truth: Dataset, tmp_path: Path) -> None:
    both = truth_masks() | {f"train/{i}": m for i, m in enumerate(truth_masks(2, 5).values())}
    whole, pred = make(tmp_path / "t", both), make(tmp_path / "p", both)
    found = evaluate(pred, whole, split="train")
    assert (len(found.images), found.missing, found.extra) == (2, (), ())
    with pytest.raises(DatasetError, match="no split 'test'"):
        evaluate(pred, whole, split="test")


def test_what_cannot_be_compared(truth: Dataset, pred: Dataset, tmp_path: Path) -> None:
    other = make(tmp_path / "o", {"other/0": np.zeros((4, 4), int)})
    with pytest.raises(DatasetError, match=r"predicts no sample of .*truth: its ids are other/0, those of truth val/0"):
        evaluate(other, truth)
    renamed = make(tmp_path / "r", noisy(truth_masks()), names=["road", "sign", "car"])
    with pytest.raises(
        DatasetError, match="class 1 is 'sign' in r, 'car' in truth: bring them together with segdata remap"
    ):
        evaluate(renamed, truth)
    fewer = make(tmp_path / "f", noisy(truth_masks(), classes=2), names=["road", "car"])
    with pytest.raises(DatasetError, match="f has 2 classes, truth 3"):
        evaluate(fewer, truth)
    empty = make(tmp_path / "e", {})
    with pytest.raises(DatasetError, match="there is nothing to evaluate: it has no samples"):
        evaluate(pred, empty)
    with pytest.raises(DatasetError, match="its ids are none"):
        evaluate(empty, truth)
    for options in (
        {"missing": "no"},
        {"resample": "no"},
        {"draws": -1},
        {"seed": -1},
        {"boundary_width": 0},
        {"background": "sky"},
    ):
        with pytest.raises(OptionError):
            evaluate(pred, truth, **options)  # type: ignore[arg-type]


def test_wrong_sizes_and_values_are_named(truth: Dataset, tmp_path: Path) -> None:
    masks = noisy(truth_masks())
    small = make(tmp_path / "s", {**masks, "val/2": masks["val/2"][:10]})
    with pytest.raises(DataError, match=r"val/2: the prediction is 30 x 10, truth 30 x 20 .*\[evaluate.size\]"):
        evaluate(small, truth)
    run = Run(report=Report("skip"))
    found = evaluate(small, truth, run=run)
    assert (found.left_out, len(found.images), len(run.report.problems)) == (("val/2",), 4, 1)
    for missing in ("list", "miss"):
        alone = truth.select(lambda s: s.id == "val/2")
        with pytest.raises(DataError, match=r"every image was left out, 1 in all; val/2: the prediction is 30 x 10"):
            evaluate(small, alone, missing=missing, run=Run(report=Report("skip")))  # type: ignore[arg-type]
    foreign = make(tmp_path / "v", masks)
    Image.fromarray((masks["val/1"] + 5).astype(np.uint8)).save(foreign.root / "masks/val/1.png")
    with pytest.raises(DataError, match=r"v/masks/val/1.png: val/1: the mask holds values that are no class: 5 "):
        evaluate(foreign, truth)


# Tiles


@pytest.mark.parametrize("stride", [16, 10])
def test_tiles_count_each_pixel_once(tmp_path: Path, stride: int) -> None:
    """Whatever the overlap, the matrix is that of whole images: of the truth itself exactly, of size and padding too."""
    wholes = truth_masks(3, 7, (40, 60)) | {"val/small": truth_masks(1, 8, (8, 12))["val/0"]}
    truth = make(tmp_path / "t", wholes)
    cut = tiles(tmp_path / "tt", wholes, 16, stride)
    for pair in ((cut, cut), (cut, truth)):
        found = evaluate(*pair)
        assert found.confusion.mean_iou == 1.0
        assert found.confusion.total == sum(int((m != 255).sum()) for m in wholes.values())
        assert sorted(p.id for p in found.images) == sorted(wholes)
        assert found.boundary is not None
        assert np.nanmin(found.boundary.iou) == 1.0
    whole = evaluate(truth, truth)
    np.testing.assert_array_equal(found.boundary.counts, whole.boundary.counts)


def test_overlapping_predictions_are_taken_from_the_middle(tmp_path: Path) -> None:
    """Two tiles that disagree where they overlap: each pixel is that of the tile whose edge is farther away."""
    fields = {f"p@{x}": {"parent": "p", "window": Window(0, x, 4, 10), "split": None} for x in (0, 6)}
    pred = make(tmp_path / "p", {"p@0": np.zeros((4, 10), int), "p@6": np.ones((4, 10), int)}, fields=fields)
    stitched = read_stitched(pred, pred.samples, (4, 16))
    assert stitched.mask[0].tolist() == [0] * 8 + [1] * 8
    assert stitched.owner is not None
    assert stitched.owner[0].tolist() == stitched.mask[0].tolist()


def test_tiles_that_are_not_predicted_are_listed(tmp_path: Path) -> None:
    wholes = {"a": truth_masks(1, 3, (32, 48))["val/0"]}
    truth = tiles(tmp_path / "t", wholes, 16, 16)
    kept = {s.id: truth.read_mask(s) for s in truth if s.window != Window(16, 32, 16, 16)}
    fields = {s.id: {"parent": s.parent, "window": s.window, "split": None} for s in truth}
    pred = make(tmp_path / "p", kept, fields=fields)
    found = evaluate(pred, truth)
    lost = int((wholes["a"][16:, 32:] != 255).sum())
    assert found.missing == ("a@000016_000032",)
    assert (found.uncovered, found.confusion.mean_iou) == (lost, 1.0)
    assert evaluate(pred, truth, missing="miss").confusion.rejected == lost
    with pytest.raises(DatasetError, match=f"{lost} pixels of truth are in no tile of the prediction: a@000016_000032"):
        evaluate(pred, truth, missing="stop")


# Means, categories, intervals, comparisons


def test_with_and_without_background(tmp_path: Path) -> None:
    truth = make(tmp_path / "t", truth_masks(), names=["background", "car", "sign"])
    pred = make(tmp_path / "p", noisy(truth_masks()), names=["background", "car", "sign"])
    found = evaluate(pred, truth)
    counts = found.confusion.counts
    said = found.to_json()["without_background"]
    assert said["background"] == "background"
    assert said["mean_iou"] == pytest.approx(found.confusion.iou[1:].mean())
    assert said["pixel_accuracy"] == pytest.approx((counts[1, 1] + counts[2, 2]) / counts[1:].sum())
    other = evaluate(pred, truth, background="sign").to_json()["without_background"]
    assert other["mean_iou"] == pytest.approx(found.confusion.iou[:2].mean())


def test_categories_of_cityscapes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    masks = {"a": rng.integers(0, 19, (30, 40))}
    truth = make(tmp_path / "t", masks, names=CITYSCAPES)
    within = {"a": np.where(masks["a"] == 13, 14, masks["a"])}
    found = evaluate(make(tmp_path / "p", within, names=CITYSCAPES), truth)
    assert found.to_json()["mean_category_iou"] == 1.0, "a car taken for a truck is a vehicle"
    assert found.confusion.mean_iou < 1
    assert [len(ids) for ids in found.categories.values()] == [2, 3, 3, 2, 1, 2, 6]
    assert not cityscapes_categories(make(tmp_path / "o", masks, names=[*CITYSCAPES[:-1], "bike"]).labels)


def test_groups_are_drawn_together(tmp_path: Path) -> None:
    """Images that repeat one another say no more than one: intervals are wider than if they were drawn alone."""
    masks = truth_masks(12)
    fields = {id: {"group": str(i // 4)} for i, id in enumerate(masks)}
    truth = make(tmp_path / "t", masks, fields=fields)
    rng = np.random.default_rng(0)
    wrong = [0.1, 0.5, 0.3]
    guessed = {
        id: np.where(rng.random(m.shape) < wrong[i // 4], 0, np.where(m == 255, 0, m))
        for i, (id, m) in enumerate(masks.items())
    }
    pred = make(tmp_path / "p", guessed)
    grouped, alone = evaluate(pred, truth), evaluate(pred, truth, resample="image")
    assert (grouped.units, grouped.resampled, alone.units, alone.resampled) == (3, "groups", 12, "images")
    widths = [np.ptp(found.intervals["mean_iou"]) for found in (grouped, alone)]
    assert widths[0] > widths[1]
    assert not evaluate(pred, truth, draws=0).intervals


def test_two_predictions_are_compared_image_by_image(truth: Dataset, tmp_path: Path) -> None:
    """A prediction that is better everywhere is told apart, though the intervals of both overlap."""
    good, bad = (make(tmp_path / f"p{w}", noisy(truth_masks(), wrong=w, seed=3)) for w in (0.3, 0.36))
    found = evaluate(good, truth, other=bad)
    alone = [evaluate(p, truth) for p in (good, bad)]
    comparison = found.comparison
    assert comparison is not None
    value, bounds = comparison.difference["mean_iou"]
    assert value == pytest.approx(alone[0].confusion.mean_iou - alone[1].confusion.mean_iou)
    assert 0 < bounds[0] < value < bounds[1]
    assert 0.99 < comparison.better < 1
    assert alone[0].intervals["mean_iou"][0] < alone[1].intervals["mean_iou"][1], "they overlap"
    np.testing.assert_allclose(comparison.iou, alone[0].confusion.iou - alone[1].confusion.iou)
    same = evaluate(good, truth, other=good).comparison
    assert same is not None
    assert same.difference["mean_iou"][1].tolist() == [0, 0]
    text = CliRunner().invoke(main, ["evaluate", str(good.root), str(truth.root), "--compare", str(bad.root)]).stdout
    assert "PRED minus p0.36" in text
    assert "it is 99.7 % sure that the mean IoU of PRED is the higher" in text


def test_csv_and_conventions(truth: Dataset, pred: Dataset) -> None:
    arguments = ["evaluate", str(pred.root), str(truth.root)]
    rows = list(csv.DictReader(io.StringIO(CliRunner().invoke(main, [*arguments, "--csv"]).stdout)))
    found = evaluate(pred, truth)
    assert [row["name"] for row in rows] == ["road", "car", "sign", "(mean)"]
    assert float(rows[1]["iou"]) == found.confusion.iou[1]
    assert float(rows[3]["iou"]) == found.confusion.mean_iou
    text = CliRunner().invoke(main, [*arguments, "--conventions"]).stdout
    for library in CONVENTIONS:
        assert with_version(library) in text
    assert CliRunner().invoke(main, [*arguments, "--json", "--csv"]).exit_code == 2


def test_scaled_tiles_count_source_pixels(tmp_path: Path) -> None:
    """Tiles at half or twice the scale are brought back: every source pixel counts once, by whole images as by tiles."""
    whole = np.kron(truth_masks(1, 4, (40, 60))["val/0"], np.ones((2, 2), int))
    truth = make(tmp_path / "t", {"a": whole})
    for scale in (0.5, 2.0):
        fields, masks = {}, {}
        for x in (0, 40, 80):
            window = Window(0, x, 80, 40)
            size = (round(80 * scale), round(40 * scale))
            masks[f"a@{x}"] = np.pad(resize_mask(whole[window.slices], size), ((0, 4), (0, 4)), constant_values=255)
            tiling = Tiling(parent=(80, 120), scale=scale)
            fields[f"a@{x}"] = {"parent": "a", "window": window, "tiling": tiling}
        cut = make(tmp_path / f"c{scale}", masks, fields=fields)
        for against in (cut, truth):
            found = evaluate(cut, against)
            assert (found.confusion.mean_iou, found.confusion.total) == (1.0, (whole != 255).sum())
