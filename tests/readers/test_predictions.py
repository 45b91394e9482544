"""Scores of other models against NumPy, and which sample a file's name tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import segdata
from carry_files import make
from segdata.dataset.dataset import Dataset
from segdata.errors import DataError, DatasetError, OptionError
from segdata.files.scores import HALF_STEP, read_scores

SIZE = (300, 7)
"""(height, width), more rows than are read at once."""


@pytest.fixture
def truth(tmp_path: Path) -> Dataset:
    rng = np.random.default_rng(0)
    return make(tmp_path / "t", {f"val/{i}": rng.choice([0, 1, 2, 255], SIZE) for i in range(2)})


def probabilities(seed: int = 1) -> NDArray[np.float64]:
    """(K, H, W)."""
    values = np.random.default_rng(seed).random((3, *SIZE)) ** 3
    return np.asarray(values / values.sum(axis=0))


FORMS: dict[str, Any] = {
    "khw": lambda p: p,
    "hwk": lambda p: np.moveaxis(p, 0, 2),
    "batch": lambda p: p[None],
    "float32": lambda p: p.astype(np.float32),
    "float16": lambda p: p.astype(np.float16),
    "fortran": lambda p: np.asfortranarray(p),
    "logits": lambda p: np.log(p) + 7,
    "log": lambda p: np.log(p),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_every_form_of_an_array_gives_the_same_scores(truth: Dataset, tmp_path: Path, form: str, ending: str) -> None:
    for number, sample in enumerate(truth):
        path = tmp_path / "src" / f"{sample.id}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = FORMS[form](probabilities(number))
        np.save(path, values) if ending == "npy" else np.savez_compressed(path, probs=values)
    made = segdata.convert("predictions", tmp_path / "src", tmp_path / "out", like=truth.root)
    for number, sample in enumerate(made):
        right = probabilities(number)
        held = read_scores(made.root / str(sample.scores))
        assert np.abs(held - right).max() <= HALF_STEP + (1e-3 if form == "float16" else 1e-6)
        sure = np.sort(right, axis=0)[-1] - np.sort(right, axis=0)[-2] > 2e-3
        assert (made.read_mask(sample) == right.argmax(axis=0))[sure].all()
    assert segdata.evaluate(made, truth).calibration is not None
    assert len(segdata.suspects(made, truth).images) == 2


def save(tmp_path: Path, values: NDArray[Any], name: str = "val/0.npy") -> Path:
    (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
    np.save(tmp_path / "src" / name, values)
    return tmp_path / "src"


def test_what_is_not_known_is_ignored(truth: Dataset, tmp_path: Path) -> None:
    values = probabilities()
    values[:, :5] = 0
    made = segdata.convert("predictions", save(tmp_path, values), tmp_path / "out", like=truth.root)
    mask = made.read_mask(made.samples[0])
    assert (mask[:5] == 255).all()
    assert (mask[5:] == values[:, 5:].argmax(axis=0)).all()


def with_nan(values: NDArray[np.float64]) -> NDArray[np.float64]:
    values[1, 280, 3] = np.nan
    return values


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda p: p[:2], {}, r"its shape is \(2, 300, 7\), but truth has 3 classes and 300 x 7"),
        (lambda p: p[:, :9], {}, r"its shape is \(3, 9, 7\)"),
        (lambda p: p / 2, {}, "do not sum up to 1 .*: say what they are, --kind logits or --kind probabilities"),
        (lambda p: p * 3 - 1, {"kind": "probabilities"}, "no probabilities: --kind logits reads others"),
        (with_nan, {}, "1 pixels are NaN or infinite, the first at row 280, column 3"),
        (lambda p: p.argmax(axis=0), {}, "holds int64, scores are floats: are these class ids"),
        (lambda p: p, {"axes": "hwk"}, "its shape is"),
        (lambda p: np.array([{"a": 1}], object), {}, "cannot be read as an array of numbers"),
    ],
)
def test_what_is_no_score_is_refused(
    truth: Dataset, tmp_path: Path, change: Any, options: dict[str, Any], message: str
) -> None:
    root = save(tmp_path, change(probabilities()))
    with pytest.raises(DataError, match=message):
        segdata.convert("predictions", root, tmp_path / "out", like=truth.root, **options)


def test_as_many_classes_as_rows_and_columns_may_lie_either_way(tmp_path: Path) -> None:
    truth = make(tmp_path / "t", {"a": np.zeros((3, 3), int)})
    values = np.zeros((3, 3, 3))
    values[1, :, :] = 1
    root = save(tmp_path, values, "a.npy")
    with pytest.raises(DataError, match="may be khw or hwk: --axes says which"):
        segdata.convert("predictions", root, tmp_path / "out", like=truth.root)
    made = segdata.convert("predictions", root, tmp_path / "out", like=truth.root, axes="khw")
    assert (made.read_mask(made.samples[0]) == 1).all()


def test_arrays_of_npz_are_named(truth: Dataset, tmp_path: Path) -> None:
    (tmp_path / "src/val").mkdir(parents=True)
    np.savez(tmp_path / "src/val/0.npz", probs=probabilities(), features=np.zeros(4))
    with pytest.raises(DataError, match=r"holds 2 arrays \(probs, features\): --array NAME says which"):
        segdata.convert("predictions", tmp_path / "src", tmp_path / "out", like=truth.root)
    made = segdata.convert("predictions", tmp_path / "src", tmp_path / "out", like=truth.root, array="probs")
    assert len(made) == 1


def test_scores_are_of_all_classes(truth: Dataset, tmp_path: Path) -> None:
    root = save(tmp_path, probabilities())
    with pytest.raises(OptionError, match="convert first, then remap"):
        segdata.convert("predictions", root, tmp_path / "out", like=truth.root, map={"road": "car"})
    with pytest.raises(OptionError, match="give the dataset that was predicted with --like"):
        segdata.convert("predictions", root, tmp_path / "out")


def test_names_that_fit_nothing_are_told_with_the_pattern(truth: Dataset, tmp_path: Path) -> None:
    root = save(tmp_path, probabilities(), "val/0_softmax.npy")
    with pytest.raises(DataError, match=r"1 files have the name of no sample .*--match '\{stem\}_softmax' fits"):
        segdata.convert("predictions", root, tmp_path / "out", like=truth.root)
    made = segdata.convert("predictions", root, tmp_path / "out", like=truth.root, match="{stem}_softmax")
    assert [s.id for s in made] == ["val/0"]
    assert made.read_receipt()["notes"] == ["1 samples have no file: val/1"]
    save(tmp_path, probabilities(), "0_softmax.npy")
    with pytest.raises(DatasetError, match=r"several names may be of val/0|val/0"):
        segdata.convert("predictions", root, tmp_path / "o2", like=make(tmp_path / "u", {"x/val/0": np.zeros(SIZE, int)}).root,
                        match="{stem}_softmax")  # fmt: skip
