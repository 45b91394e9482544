"""Refining predicted masks, against the array functions; and tuning, against the evaluation of what it made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from predictors import Plain
from refine_files import COLORS, LABELS, datasets, sample, saved, scene
from segdata import (
    DataError,
    Dataset,
    DatasetError,
    Labels,
    OptionError,
    Refinement,
    Report,
    Run,
    Window,
    dense_crf,
    evaluate,
    predict,
    refine,
    tune,
)
from segdata.cli import main
from segdata.files.gdal import load_rasterio
from segdata.files.geo import Geo
from segdata.files.opening import open_image
from segdata.files.scores import read_scores, write_scores
from segdata.files.tiff import TiffWriter
from segdata.metrics.intervals import FEWEST
from segdata.ops.refine import tune as refine_tune
from segdata.ops.refine.text import tuned_lines
from segdata.refinement import apply as refining_module
from segdata.refinement.apply import windows_for
from segdata.refinement.crf import label_probs
from segdata.refinement.morphology import Step, tidy
from segdata.refinement.settings import CrfSettings, as_bytes

GENTLE = CrfSettings(iterations=3, bilateral_sxy=20)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    """Predictions and truth of eight images. Not to be written to."""
    return datasets(tmp_path_factory.mktemp("made"))


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")


def files_of(dataset: Dataset) -> dict[str, bytes]:
    return {str(p.relative_to(dataset.root)): p.read_bytes() for p in dataset.root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("scores", [True, False])
def test_masks_are_those_of_the_array_functions(made: tuple[Dataset, Dataset], tmp_path: Path, scores: bool) -> None:
    pred, _ = made
    steps = (Step("close", (1,), 5), Step("min_area", None, area=20))
    out = refine(pred, tmp_path / "out", Refinement(GENTLE, steps), scores=scores)
    assert [s.id for s in out] == [s.id for s in pred]
    for before, after in zip(pred, out, strict=True):
        mask, void = pred.read_mask(before), pred.read_mask(before) == 255
        probs = read_scores(pred.root / str(before.scores)) if scores else label_probs(mask, 3, 255)
        expected = dense_crf(pred.read_image(before), probs, iterations=3, bilateral_sxy=20).argmax(axis=0)
        expected = tidy(np.where(void, 255, expected).astype(np.uint8), steps, LABELS)
        assert np.array_equal(out.read_mask(after), expected)
        assert after.counts == {int(v): int(n) for v, n in zip(*np.unique(expected, return_counts=True), strict=True)}
        assert np.array_equal(out.read_image(after), pred.read_image(before))
        assert after.scores is None
    receipt = out.read_receipt()
    assert receipt["images"] == {"in": 8, "refined": 8, "skipped": 0}
    assert sum(p["before"] for p in receipt["pixels"].values()) == sum(p["after"] for p in receipt["pixels"].values())


def test_by_default_a_crf_alone(made: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    pred, _ = made
    out = refine(pred.root, tmp_path / "out")
    probs = read_scores(pred.root / str(pred.samples[0].scores))
    expected = dense_crf(pred.read_image(pred.samples[0]), probs).argmax(axis=0)
    known = pred.read_mask(pred.samples[0]) != 255
    assert np.array_equal(out.read_mask(out.samples[0])[known], expected[known])


def test_large_images_go_by_windows(
    made: tuple[Dataset, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows cover an image once, stay within memory, and give nearly what the whole does."""
    pred, _ = made
    near = Refinement(CrfSettings(iterations=3, bilateral_sxy=6))
    whole = refine(pred, tmp_path / "whole", near)
    monkeypatch.setattr(refining_module, "MARGIN", 18)
    monkeypatch.setattr(refining_module, "MEMORY", 56**2 * (150 + 12 * 3))
    windows = windows_for((60, 72), 3)
    assert len(windows) == 12
    cover = np.zeros((60, 72), int)
    for inner, outer in windows:
        cover[inner.slices] += 1
        assert inner.meet(outer) == inner
        assert outer.height * outer.width <= 56**2
    assert (cover == 1).all()
    parts = refine(pred, tmp_path / "parts", near)
    same = [(whole.read_mask(a) == parts.read_mask(b)).mean() for a, b in zip(whole, parts, strict=True)]
    assert 0.99 < min(same) < 1


def test_more_classes_than_a_byte_holds(tmp_path: Path) -> None:
    labels = Labels.of([f"class {i}" for i in range(300)])
    pred, _ = datasets(tmp_path, 1, (24, 30), labels=labels)
    out = refine(pred, tmp_path / "out", Refinement(GENTLE, (Step("majority"),)))
    mask = out.read_mask(out.samples[0])
    assert mask.dtype == np.uint16
    assert np.array_equal(mask == 65535, pred.read_mask(pred.samples[0]) == 65535)


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    pred, _ = datasets(tmp_path, 2)
    first = pred.samples[0]
    with pytest.raises(DatasetError, match="no images, which a CRF needs"):
        refine(replace(pred, images="none"), tmp_path / "a")
    view = msgspec.structs.replace(first, crop=Window(0, 0, 4, 4))
    with pytest.raises(DatasetError, match="views into larger masks"):
        refine(replace(pred, samples=[view]), tmp_path / "b")
    write_scores(pred.root / str(first.scores), (9, 9), 3, [(0, 0, np.full((3, 9, 9), 1 / 3))])
    with pytest.raises(DataError, match=r"test/000: the scores are of 3 classes, 9 x 9, the mask of 3 classes, "):
        refine(pred, tmp_path / "c")
    assert not (tmp_path / "c").exists()
    write_scores(pred.root / str(first.scores), first.size, 2, [(0, 0, np.full((2, *first.size), 0.5))])
    report = Report("skip")
    out = refine(pred, tmp_path / "d", run=Run(report=report))
    assert [s.id for s in out] == ["val/001"]
    assert report.problems[0].code == "scores.size"


def test_a_geotiff_keeps_its_place(tmp_path: Path) -> None:
    pred, _ = datasets(tmp_path, 1)
    only = pred.samples[0]
    geo = Geo(load_rasterio().crs.CRS.from_epsg(32633).to_wkt(), (2.0, 0.0, 500000.0, 0.0, -2.0, 4000000.0), 255)
    mask = pred.read_mask(only)
    with TiffWriter(pred.root / "masks/a.tif", *only.size, 1, np.uint8, tags=geo.tags()) as file:
        file.write(0, 0, mask[None])
    there = msgspec.structs.replace(only, mask="masks/a.tif")
    out = refine(replace(pred, samples=[there]), tmp_path / "out", Refinement(GENTLE))
    assert out.samples[0].mask == f"masks/{only.id}.tif"
    with open_image(out.root / out.samples[0].mask) as raster:
        assert raster.geo.transform == geo.transform
        assert raster.geo.nodata == 255
        assert raster.geo.crs is not None
    png = refine(pred, tmp_path / "png", Refinement(GENTLE))
    assert np.array_equal(out.read_mask(out.samples[0]), png.read_mask(png.samples[0]))


@pytest.mark.parametrize("kept", [True, False])
def test_predicted_and_refined_at_once(made: tuple[Dataset, Dataset], tmp_path: Path, kept: bool) -> None:
    """The same masks as by predict with scores, then refine."""
    _, truth = made

    def model(images: NDArray[Any]) -> NDArray[Any]:
        away = np.abs(images[:, :, :, None].astype(float) - COLORS).sum(axis=-1) / 60
        weights = np.exp(-away + np.sin(np.arange(images.shape[2]))[:, None])
        return (weights / weights.sum(axis=-1, keepdims=True)).transpose(0, 3, 1, 2)

    settings = Refinement(GENTLE, (Step("min_area", area=12),))
    (tmp_path / "settings.json").write_text(json.dumps(settings.to_json(LABELS)))
    first = predict(Plain(LABELS, model), truth, tmp_path / "pred", scores=True)
    expected = refine(first, tmp_path / "refined", settings)
    found = predict(Plain(LABELS, model), truth, tmp_path / "found", scores=kept, refinement=tmp_path / "settings.json")
    assert [s.sha256 for s in found] == [s.sha256 for s in expected]
    assert [s.counts for s in found] == [s.counts for s in expected]
    assert [s.sha256 for s in found] != [s.sha256 for s in first]
    assert [s.scores is not None for s in found] == [kept] * len(truth)
    assert (found.root / "scores").exists() == kept
    assert found.made_by["options"]["refinement"] == settings.to_json(LABELS)
    steps = predict(Plain(LABELS, model), truth, tmp_path / "steps", refinement=Refinement(None, settings.steps))
    assert not (steps.root / "scores").exists()


# Settings


def test_settings_as_a_file(tmp_path: Path) -> None:
    steps = (Step("open", (2,), 5, "square"), Step("largest", (0, 1), keep=2))
    for given in (Refinement(GENTLE, steps), Refinement(None), Refinement()):
        path = tmp_path / "settings.json"
        path.write_text(json.dumps({**given.to_json(LABELS), "searched": {"more": 1}}))
        assert Refinement.read(path, LABELS) == given
    with pytest.raises(DatasetError, match=r"settings.json: made for other classes"):
        Refinement.read(path, Labels.of(["a", "b", "c"]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "not a JSON object"),
        ("{", "not settings"),
        ('{"format": 9}', "upgrade segdata"),
        ('{"crf": {"iteration": 3}}', "did you mean iterations"),
        ('{"crf": {"iterations": -1}}', "0 or more"),
        ('{"crf": {"bilateral_sxy": 0}}', "positive"),
        ('{"crf": {"bilateral_sxy": "wide"}}', "must be numbers"),
        ('{"morphology": [{"op": "opne"}]}', "did you mean open"),
        ('{"morphology": [{"op": "open", "classes": ["wodo"]}]}', "did you mean wood"),
        ('{"morphology": [3]}', "not settings"),
        ('{"morphology": [{"op": "open", "size": "3"}]}', "not settings"),
    ],
)
def test_bad_settings(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(text)
    with pytest.raises(OptionError, match=said):
        Refinement.read(path, LABELS)
    with pytest.raises(OptionError, match="No such file"):
        Refinement.read(tmp_path / "none.json", LABELS)


def test_images_of_other_types_are_stretched() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    assert as_bytes(image) is image
    wide = (1000 + 40 * rng.integers(0, 256, (20, 30, 5))).astype(np.uint16)
    found = as_bytes(wide)
    assert found.shape == wide.shape
    assert (found.min(), found.max()) == (0, 255)
    assert np.allclose(as_bytes(wide * 2.0), found, atol=0.01)
    broken = wide.astype(np.float32)
    broken[3, 4], broken[:, :, 2] = np.nan, 7
    assert np.isfinite(as_bytes(broken)).all()
    assert as_bytes(broken)[3, 4].tolist() == [0] * 5
    mask, probs = np.zeros((20, 30), np.uint8), np.full((3, 20, 30), 1 / 3, np.float32)
    assert (Refinement()(mask, LABELS, image=wide, probs=probs) < 3).all()


def test_a_refinement_of_arrays() -> None:
    image, truth, probs = scene(1, (50, 60))
    mask = probs.argmax(axis=0).astype(np.uint8)
    mask[:3] = 255
    found = Refinement()(mask, LABELS, image=image, probs=probs)
    assert (found[:3] == 255).all()
    known = (truth != 255) & (mask != 255)
    assert (found == truth)[known].mean() > (mask == truth)[known].mean() + 0.05
    assert np.array_equal(Refinement(None)(mask, LABELS), mask)
    void = np.full((5, 6), 255, np.uint8)
    assert (Refinement()(void, LABELS, image=np.zeros((5, 6, 3), np.uint8)) == 255).all()
    with pytest.raises(OptionError, match="needs the image"):
        Refinement()(mask, LABELS)


# Tuning


def test_tuned_differences_are_those_of_evaluate(made: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    """By another road: refine with what was found, and evaluate both before and after."""
    pred, truth = made
    tuned = tune(pred, truth, split="val", held_out="test", draws=200)
    assert tuned.refinement.crf is not None
    out = refine(pred, tmp_path / "out", tuned.refinement)
    assert tuned.held_out is not None
    for split, found in (("val", tuned.searched), ("test", tuned.held_out)):
        for dataset, side in ((pred, "before"), (out, "after")):
            real = evaluate(dataset, truth, split=split)
            assert real.boundary is not None
            for change, classes in ((found.iou, real.confusion.iou), (found.boundary, real.boundary.iou)):
                assert np.allclose(getattr(change, side), [classes.mean(), *classes])
        assert found.images == len(truth.split(split))
        if found.images < FEWEST:
            assert np.isnan([found.iou.low, found.iou.high]).all(), "too few images for an interval"
        else:
            gain = found.iou.after - found.iou.before
            assert ((found.iou.low <= gain) & (gain <= found.iou.high)).all()
    json.dumps(tuned.to_json(), allow_nan=False)
    assert tuned.searched.iou.after[0] > tuned.searched.iou.before[0] + 0.05
    gains = {t.name: t.gain for t in tuned.trials if t.name.startswith("crf")}
    assert next(t.gain for t in tuned.trials if t.kept) == max(gains.values())


def test_nothing_is_kept_where_nothing_helps(made: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    _, truth = made
    tuned = tune(truth, truth, draws=50)
    assert tuned.refinement == Refinement(None)
    assert tuned.searched.iou.before[0] == tuned.searched.iou.after[0] == 1
    out = refine(truth, tmp_path / "out", tuned.refinement)
    assert all(np.array_equal(out.read_mask(a), truth.read_mask(b)) for a, b in zip(out, truth, strict=True))


def test_steps_are_kept_one_by_one_where_they_help(tmp_path: Path) -> None:
    """Truth with specks of one class and without images: what removes specks is found, and never makes it worse."""
    rng = np.random.default_rng(0)
    pred, truth = [], []
    for number in range(8):
        right = scene(number, (60, 70))[1]
        specked = np.where(rng.random(right.shape) < 0.03, 1, right).astype(np.uint8)
        truth.append(sample(tmp_path / "truth", f"val/{number}", right))
        pred.append(sample(tmp_path / "pred", f"val/{number}", specked))
    datasets = [
        replace(saved(tmp_path / name, LABELS, of), images="none") for name, of in (("pred", pred), ("truth", truth))
    ]
    tuned = tune(*datasets, draws=100)
    assert tuned.refinement.crf is None
    assert tuned.refinement.steps
    assert tuned.held_out is not None
    for part in (tuned.searched, tuned.held_out):
        assert part.iou.after[0] > part.iou.before[0] + 0.01
    assert (tuned.searched.images, tuned.held_out.images) == (6, 2)
    gains = [t.gain for t in tuned.trials if t.kept]
    assert len(gains) == len(tuned.refinement.steps)
    assert sum(gains) == pytest.approx(tuned.searched.iou.after[0] - tuned.searched.iou.before[0])


def test_what_loses_on_images_held_out_is_dropped(tmp_path: Path) -> None:
    """Specks are errors where the search looks, and real on the images that it does not see."""
    rng = np.random.default_rng(0)
    pred, truth = [], []
    for number in range(10):
        right = scene(number, (60, 70))[1]
        specked = np.where(rng.random(right.shape) < 0.03, 1, right).astype(np.uint8)
        split = "val" if number < 6 else "test"
        truth.append(sample(tmp_path / "truth", f"{split}/{number}", right if split == "val" else specked))
        pred.append(sample(tmp_path / "pred", f"{split}/{number}", specked))
    p, t = (
        replace(saved(tmp_path / name, LABELS, of), images="none") for name, of in (("pred", pred), ("truth", truth))
    )
    tuned = tune(p, t, split="val", held_out="test", draws=100)
    assert tuned.held_out is not None
    assert tuned.searched.iou.after[0] > tuned.searched.iou.before[0]
    assert tuned.held_out.iou.after[0] < tuned.held_out.iou.before[0] == 1
    assert tuned.refinement == Refinement(None)
    assert not any(trial.kept for trial in tuned.trials)
    assert "kept:       nothing: what gains where it was tuned loses on the images held out" in tuned_lines(tuned)[0]
    assert Refinement.from_json(json.loads(json.dumps(tuned.to_json())), LABELS) == Refinement(None)
    with pytest.raises(DatasetError, match=r"predicts no sample of .*truth, split test"):
        tune(p.split("val"), t, split="val", held_out="test")


@pytest.mark.slow
def test_what_is_held_out(made: tuple[Dataset, Dataset]) -> None:
    pred, truth = made
    grouped = replace(truth, samples=[msgspec.structs.replace(s, group=f"g{i % 4}") for i, s in enumerate(truth)])
    for seed in range(3):
        seen, unseen = refine_tune._divide(pred, grouped, None, 0.5, seed)
        groups = [{t.group for _, t in part} for part in (seen, unseen)]
        assert [len(g) for g in groups] == [2, 2]
        assert not groups[0] & groups[1]
        assert len(seen) + len(unseen) == 8
        assert all(p.id == t.id for p, t in seen + unseen)
    assert refine_tune._divide(pred, truth, None, 0, 0)[1] == []
    alone, together = (tune(pred, t, held_out=0, draws=50).searched for t in (truth, grouped))
    assert alone.images == together.images == 8
    assert np.array_equal(alone.iou.after, together.iou.after)
    assert not np.array_equal(alone.iou.low, together.iou.low)
    for options, said in (
        ({"held_out": "test"}, "with --split"),
        ({"held_out": "val", "split": "val"}, "with --split"),
        ({"held_out": 1.0}, "below 1"),
        ({"draws": 0}, "--draws must be 1 or more"),
        ({"seed": -1}, "--seed 0 or more"),
        ({"split": "val", "held_out": 0.9}, "images to tune on"),
    ):
        with pytest.raises(OptionError, match=said):
            tune(pred, truth, **options)  # type: ignore[arg-type]


def test_tuning_refuses_other_classes_and_strangers(made: tuple[Dataset, Dataset]) -> None:
    pred, truth = made
    with pytest.raises(DatasetError, match="label contracts differ"):
        tune(pred, replace(truth, labels=Labels.of(["ground", "water", "forest"])))
    with pytest.raises(DatasetError, match="predicts no sample"):
        tune(replace(pred, samples=[]), truth)


def test_tuning_leaves_out_what_is_bad(tmp_path: Path) -> None:
    pred, truth = datasets(tmp_path, 5, (40, 44))
    (tmp_path / "images/val/002.png").unlink()
    report = Report("skip")
    tuned = tune(pred, truth, held_out=0, draws=20, run=Run(report=report))
    assert tuned.searched.images == 4
    assert tuned.held_out is None
    assert {p.sample for p in report.problems} == {"val/002"}


# The command


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_command(made: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    pred, truth = made
    done = run("refine", pred.root, tmp_path / "out", "--tune", truth.root, "--split", "val", "--held-out", "0.3")
    assert done.exit_code == 0, done.output
    assert "kept:       crf " in done.output
    assert "held out, 1 images" in done.output
    settings = json.loads((tmp_path / "out.json").read_text())
    assert settings["crf"]["iterations"] == 5
    assert settings["searched"]["iou"]["mean"]["after"] > settings["searched"]["iou"]["mean"]["before"]
    assert run("refine", pred.root, tmp_path / "again", "--settings", tmp_path / "out.json").exit_code == 0
    first, again = (Dataset.open(tmp_path / name) for name in ("out", "again"))
    assert [s.sha256 for s in first] == [s.sha256 for s in again]
    steps = ["--step", "close:size=5,shape=square,classes=wood+water", "--step", "min_area:area=20"]
    assert run("refine", pred.root, tmp_path / "steps", *steps).exit_code == 0
    expected = Refinement(None, (Step("close", (2, 1), 5, "square"), Step("min_area", area=20)))
    assert Dataset.open(tmp_path / "steps").made_by["options"]["refinement"] == expected.to_json(LABELS)
    assert run("refine", pred.root, tmp_path / "both", "--crf-option", "iterations=2", *steps).exit_code == 0
    both = Dataset.open(tmp_path / "both").made_by["options"]["refinement"]
    assert both["crf"]["iterations"] == 2
    assert len(both["morphology"]) == 2


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--settings", "x", "--crf"], 2, "choose one"),
        (["--seed", "3"], 2, "--seed goes with --tune"),
        (["--no-crf", "--crf-option", "iterations=3"], 2, "--crf-option goes with --crf"),
        (["--step", "open:size"], 2, "not KEY=VALUE"),
        (["--step", "open:size=4"], 1, "must be odd"),
        (["--step", "close:size=foo"], 1, "size 'foo': must be a whole number"),
        (["--step", "min_area:area=nan"], 1, "area nan: must be a whole number"),
        (["--step", "largest:keep=x"], 1, "keep 'x': must be a whole number"),
        (["--crf-option", "iterations=2.5"], 1, "2.5 iterations: must be a whole number"),
        (["--crf-option", "gaussian_compat=nan"], 1, "must be numbers"),
        (["--step", "opens"], 1, "did you mean open"),
        (["--settings", "nowhere.json"], 1, "nowhere.json: cannot be read: No such file"),
    ],
)
def test_command_refuses(
    made: tuple[Dataset, Dataset], tmp_path: Path, options: list[str], code: int, said: str
) -> None:
    done = run("refine", made[0].root, tmp_path / "out", *options)
    assert done.exit_code == code
    assert said in done.output
    assert not (tmp_path / "out").exists()
