"""What trial users met in `evaluate` and in commands that read a dataset as it does, from the command line."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from carry_files import make
from segdata.dataset.dataset import Dataset
from segdata.ops.evaluate.operation import evaluate
from segdata.readers.predictions import opening
from trial_files import run, trial


@pytest.fixture(scope="session")
def statistics() -> Path:
    """The small datasets of the trial."""
    return trial("statistics")


@pytest.mark.data
@pytest.mark.parametrize("more", [(), ("--json",), ("--csv",), ("--missing", "miss"), ("--boundary-f",)])
def test_every_image_left_out_is_one_error(statistics: Path, more: tuple[str, ...]) -> None:
    result = run("evaluate", statistics / "e_half", statistics / "et", "--on-error", "skip", *more)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "every image was left out, 6 in all; p0: the prediction is" in result.stderr
    assert "the prediction is 30 x 20, truth 60 x 40" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "bad", "good"), ("evaluate", "good", "bad"), ("stats", "bad", "--recount"), ("stats", "bad", "--objects"),
        ("refine", "bad", "out"), ("tile", "bad", "out", "--size", "4"), ("remap", "bad", "out", "--map", "road=car"),
        ("export", "webdataset", "bad", "out"),
    ],
    ids=lambda command: " ".join(command[:3]),
)  # fmt: skip
def test_nothing_that_can_be_read_is_an_error_of_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("good", "bad"):
        make(tmp_path / name, {id: [[0, 1, 2, 255]] * 4 for id in ("a", "b")}, images="copy")
    shutil.rmtree(tmp_path / "bad/masks")
    result = run(*command, "--on-error", "skip")
    assert result.exit_code == 1, result.output
    assert "every image was left out, 2 in all" in result.stderr
    assert not (tmp_path / "out").exists()


# Predictions of other programs


@pytest.fixture
def truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Six masks in two splits, in the working folder, with their images."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    masks = {f"{s}/{i:02d}": rng.choice([0, 1, 2, 255], (6, 8)) for s in ("train", "val") for i in range(3)}
    return make(tmp_path / "truth", masks, images="copy")


def guesses(truth: Dataset) -> dict[str, NDArray[np.uint8]]:
    rng = np.random.default_rng(1)
    masks = {s.id: truth.read_mask(s) for s in truth}
    return {
        id: np.where(rng.random(m.shape) < 0.3, 1, np.where(m == 255, 0, m)).astype(np.uint8) for id, m in masks.items()
    }


def write(folder: str, guessed: dict[str, NDArray[np.uint8]], name: str) -> None:
    for id, mask in guessed.items():
        split, _, stem = id.partition("/")
        path = Path(folder, name.format(id=id, split=split, stem=stem, flat=f"{split}_{stem}"))
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)


@pytest.mark.parametrize(
    ("name", "match", "split"),
    [
        ("{id}.png", None, None),
        ("{id}.TIF", None, None),
        ("out/{id}.png", None, None),
        ("{flat}.png", None, None),
        ("{id}_pred.png", "{stem}_pred", None),
        ("PRED-{flat}-v2.png", "PRED-{stem}-v2.png", None),
        ("{split}/deep/pred_{stem}.png", None, "refused"),
        ("{stem}.png", None, "val"),
        ("{stem}_colour_off.png", "{stem}_colour_off", "val"),
    ],
)  # fmt: skip
def test_a_folder_of_masks_is_a_prediction(truth: Dataset, name: str, match: str | None, split: str | None) -> None:
    """Whatever the files are called: the numbers are those of a dataset of the same masks."""
    guessed = {
        id: mask for id, mask in guesses(truth).items() if split is None or id.startswith("val") or split == "refused"
    }
    write("pred", guessed, name)
    Path("pred/read me.txt").write_text("not a mask")
    Path("pred/.DS_Store").write_text("not a mask")
    given = [*(["--match", match] if match else []), *(["--split", split] if split == "val" else [])]
    result = run("evaluate", "pred", "truth", "--json", *given)
    if split == "refused":
        assert (result.exit_code, "files have the name of no sample" in result.stderr) == (1, True)
        return
    assert result.exit_code == 0, result.output
    right = evaluate(make(Path("right"), guessed), truth, split=split)
    said = json.loads(result.stdout)
    assert said["confusion"] == right.confusion.counts[:, :-1].tolist()
    assert (said["missing"], said["extra"]) == ([], [])
    if match:
        refused = run("evaluate", "pred", "truth", *given[2:])
        assert refused.exit_code == 1
        assert f"--match '{match.removesuffix('.png')}' fits" in refused.stderr, "the way out is the pattern"


def test_what_matches_nothing_is_listed(truth: Dataset) -> None:
    guessed = guesses(truth)
    del guessed["val/01"]
    write("pred", guessed | {"val/77": guessed["val/00"]}, "{id}.png")
    result = run("evaluate", "pred", "truth")
    assert result.exit_code == 0
    assert "1 samples of truth have no prediction: val/01" in result.stdout
    assert "1 predictions have no truth: val/77" in result.stdout


def test_two_samples_of_one_name_are_not_guessed(truth: Dataset) -> None:
    write("pred", {id: m for id, m in guesses(truth).items() if id.startswith("val")}, "{stem}.png")
    result = run("evaluate", "pred", "truth")
    assert result.exit_code == 1
    assert "the name 00 may be of train/00, val/00: put it in a folder of that name, or give --split" in result.stderr
    assert run("evaluate", "pred", "truth", "--split", "val").exit_code == 0


READ = opening.READ.format(pred="pred", card="truth/dataset.json")


def colored(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.array([[9, 0, 0], [0, 9, 0], [0, 0, 9]], np.uint8)[mask]


@pytest.mark.parametrize(
    ("code", "said", "more"),
    [
        (lambda m: 10 * m + 20, "holds values that are no class: 20 ", ["20=road", "30=car", "40=sign"]),
        (lambda m: m.astype(np.uint16), "has 16 bits per pixel", []),
        (colored, "RGB colours", ["9,0,0=road", "0,9,0=car", "0,0,9=sign"]),
    ],
)
def test_masks_of_another_coding_are_refused_and_the_way_out_runs(
    truth: Dataset, code: Any, said: str, more: list[str]
) -> None:
    guessed = guesses(truth)
    write("pred", {id: code(mask) for id, mask in guessed.items()}, "{id}.png")
    result = run("evaluate", "pred", "truth")
    assert result.exit_code == 1
    assert "pred/train/00.png: train/00: " in result.stderr
    assert said in result.stderr
    assert READ in result.stderr
    given = READ.split()[1:]
    given += ["--colors"] if "--colors" in result.stderr else []
    result = run(*given, *(part for one in more for part in ("--values", one)))
    assert result.exit_code == 0, result.output
    right = evaluate(make(Path("right"), guessed), truth)
    found = json.loads(run("evaluate", "DST", "truth", "--json").stdout)
    assert found["confusion"] == right.confusion.counts[:, :-1].tolist()


def test_masks_of_0_and_255_are_two_classes_rather_than_one_and_ignore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    masks = {f"val/{i}": rng.integers(0, 2, (6, 8)) for i in range(3)}
    truth = make(tmp_path / "truth", masks, names=["ground", "house"])
    guessed = {id: np.where(rng.random(m.shape) < 0.2, 1 - m, m).astype(np.uint8) for id, m in masks.items()}
    write("pred", {id: 255 * mask for id, mask in guessed.items()}, "{id}.png")
    result = run("evaluate", "pred", "truth")
    assert result.exit_code == 1
    assert "its masks hold ground (0) and ignore (255) alone" in result.stderr
    assert f"{READ} --values 255=house" in result.stderr
    given = READ.split()[1:]
    assert run(*given, "--values", "255=house").exit_code == 0
    right = evaluate(make(Path("right"), guessed, names=["ground", "house"]), truth)
    said = json.loads(run("evaluate", "DST", "truth", "--json").stdout)
    assert said["confusion"] == right.confusion.counts[:, :-1].tolist()


def test_scores_in_arrays_name_the_command_that_reads_them(truth: Dataset) -> None:
    for sample in truth:
        path = Path("pred", f"{sample.id}_softmax.npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full((3, *sample.size), 1 / 3, np.float32))
    result = run("evaluate", "pred", "truth")
    assert (result.exit_code, "segdata convert predictions pred DST --like TRUTH" in result.stderr) == (1, True)
    refused = run("convert", "predictions", "pred", "DST", "--like", "truth")
    assert "--match '{stem}_softmax' fits" in refused.stderr
    assert run("convert", "predictions", "pred", "DST", "--like", "truth", "--match", "{stem}_softmax").exit_code == 0
    result = run("evaluate", "DST", "truth")
    assert "calibration: ECE" in result.stdout
    assert run("suspects", "DST", "truth").exit_code == 0
    assert run("refine", "DST", "refined", "--tune", "truth").exit_code == 0


# Sides


def test_swapped_sides_are_told(truth: Dataset) -> None:
    pred = replace(make(Path("pred"), guesses(truth)), made_by={"operation": "predict"})
    pred.save()
    assert run("evaluate", "pred", "truth").exit_code == 0
    result = run("evaluate", "truth", "pred")
    assert result.exit_code == 1
    assert "pred: is a prediction, as its dataset.json says, and truth is none" in result.stderr
    assert "evaluate pred truth" in result.stderr
    assert "segdata remap --map road=road" in result.stderr
    assert run("evaluate", "pred", "pred").exit_code == 0
    assert run("remap", "pred", "labels", "--map", "road=road").exit_code == 0, "the way out of who means it"
    assert run("evaluate", "truth", "labels").exit_code == 0


def test_predictions_of_a_dataset_are_evaluated_against_its_splits(truth: Dataset) -> None:
    """Ids that `split` changed are found again by their images, in every command that compares."""
    pred = make(Path("pred"), guesses(truth), images="copy")
    for ours, theirs in zip(pred, truth, strict=True):
        Path(pred.image_path(ours)).write_bytes(Path(truth.image_path(theirs)).read_bytes())
    assert run("split", "truth", "folds", "--folds", "2", "--allow-missing", "sign").exit_code == 0
    result = run("evaluate", "pred", "folds", "--json")
    said = json.loads(result.stdout)
    assert said["confusion"] == evaluate(pred, truth).confusion.counts[:, :-1].tolist()
    assert (said["missing"], said["extra"]) == ([], [])
    assert run("refine", "pred", "refined", "--tune", "folds").exit_code == 0


def test_tiles_of_a_dataset_are_evaluated_against_its_splits_by_name(truth: Dataset) -> None:
    """A tile's image is its own, so only names tell; the refusal names the option that compares them."""
    assert run("tile", "truth", "tiles", "--size", "4").exit_code == 0
    assert run("split", "truth", "folds", "--folds", "2", "--allow-missing", "sign").exit_code == 0
    refused = run("evaluate", "tiles", "folds")
    assert (refused.exit_code, "--match '{stem}' compares the last parts of their ids" in refused.stderr) == (1, True)
    said = json.loads(run("evaluate", "tiles", "folds", "--match", "{stem}", "--json").stdout)
    assert (said["mean_iou"], said["missing"], said["extra"], len(said["images"])) == (1.0, [], [], 6)
