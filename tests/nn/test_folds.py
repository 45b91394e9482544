"""Cross-validation: a training per fold, and predictions of each fold by the model that has not seen it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("albumentations")

from click.testing import CliRunner, Result  # noqa: E402

import segdata  # noqa: E402
from segdata.cli import main  # noqa: E402
from segdata.errors import DatasetError, OptionError  # noqa: E402
from segdata.nn.folds import train_folds  # noqa: E402
from segdata.nn.options import read_config  # noqa: E402
from train_files import QUICK, scenes  # noqa: E402

UNET: dict[str, Any] = {**QUICK, "model": "unet", "model_options": {"width": 4}, "epochs": 1}
FLAGS = [
    "--model-option",
    "width=4",
    "--epochs",
    "1",
    "--batch",
    "4",
    "--threads",
    "1",
    "--images",
    "0",
    "--no-tensorboard",
]


def folds(root: Path, number: int = 3, samples: int = 12) -> segdata.Dataset:
    """Scenes in folds, and a split besides that belongs to none."""
    dataset = scenes(root, train=samples, val=2)
    parts = [f"fold{i % number}" for i in range(samples)] + ["test", "test"]
    placed = [msgspec.structs.replace(s, split=part) for s, part in zip(dataset, parts, strict=True)]
    segdata.Dataset(root, dataset.labels, placed, {}, "copy").save()
    return segdata.Dataset.open(root)


def run(*arguments: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def test_all_folds_are_trained_predicted_and_evaluated(tmp_path: Path) -> None:
    dataset = folds(tmp_path / "d")
    out = run("train", tmp_path / "d", tmp_path / "cv", "--folds", *FLAGS)
    assert [line.split(":")[0] for line in out.stdout.splitlines()] == [
        "fold0",
        "fold1",
        "fold2",
        "mean",
        "all at once",
    ]
    for fold in ("fold0", "fold1", "fold2"):
        config = read_config(tmp_path / "cv" / fold / "config.yaml")
        assert config["val_split"] == fold
        assert set(config["train_split"].split(",")) == {"fold0", "fold1", "fold2"} - {fold}
    run("predict", tmp_path / "cv", tmp_path / "d", tmp_path / "p", "--split", "folds")
    pooled = segdata.Dataset.open(tmp_path / "p")
    assert {s.id for s in pooled} == {s.id for s in dataset if s.split != "test"}
    for fold in ("fold0", "fold1", "fold2"):
        alone = segdata.predict(str(tmp_path / "cv" / fold / "best.pt"), dataset, tmp_path / fold, split=fold)
        for sample in alone:
            np.testing.assert_array_equal(alone.read_mask(sample), pooled.read_mask(pooled.sample(sample.id)))
    text = run("evaluate", tmp_path / "p", tmp_path / "d", "--split", "fold0,fold1,fold2", "--json").stdout
    assert json.loads(text)


def test_one_training_on_folds_is_told_how(tmp_path: Path) -> None:
    folds(tmp_path / "d")
    said = run("train", tmp_path / "d", tmp_path / "run", *FLAGS, code=1).output
    way = said.partition("give ")[2].partition(", or --folds")[0]
    assert shlex.split(way) == ["--train-split", "!fold0", "--val-split", "fold0"]
    run("train", tmp_path / "d", tmp_path / "run", *FLAGS, *shlex.split(way))


def test_a_cross_validation_goes_on_where_it_was(tmp_path: Path) -> None:
    from test_train import Stopped, same, stop_after, tensors

    dataset = folds(tmp_path / "d")
    whole = train_folds(dataset, tmp_path / "whole", **QUICK)
    with pytest.raises(Stopped):
        train_folds(dataset, tmp_path / "cut", **QUICK, watch=stop_after(6))
    assert {path.name for path in (tmp_path / "cut").iterdir()} == {"fold0", "fold1"}
    with pytest.raises(DatasetError, match=r"fold1/best.pt: there is no such file.*segdata train .* goes on") as caught:
        segdata.predict(str(tmp_path / "cut"), dataset, tmp_path / "p", split="folds", trust_code=True)
    command = str(caught.value).partition(": segdata ")[2].removesuffix(" goes on")
    run(*shlex.split(command))  # with the options of the folds before, or it would be refused
    cut = train_folds(dataset, tmp_path / "cut", **QUICK)
    for fold in whole:
        assert cut[fold].rows[-1]["train_loss"] == whole[fold].rows[-1]["train_loss"]
        assert same(*(tensors(tmp_path / name / fold / "last.pt") for name in ("whole", "cut")))
    again = train_folds(dataset, tmp_path / "cut", **QUICK)
    assert again == cut


def test_what_cannot_be_a_cross_validation_is_refused(tmp_path: Path) -> None:
    plain, dataset = scenes(tmp_path / "plain"), folds(tmp_path / "d")
    with pytest.raises(DatasetError, match=r"no folds .*: segdata split .* NEW --folds 5"):
        train_folds(plain, tmp_path / "cv", **QUICK)
    with pytest.raises(OptionError, match="--folds and --val-share"):
        train_folds(dataset, tmp_path / "cv", **QUICK, val_share=0.2)
    segdata.train(plain, tmp_path / "run", **QUICK)
    with pytest.raises(DatasetError, match="which is no fold of this dataset"):
        train_folds(dataset, tmp_path / "run", **QUICK)
    with pytest.raises(OptionError, match="takes the folder of a cross-validation"):
        segdata.predict(str(tmp_path / "run" / "best.pt"), dataset, tmp_path / "p", split="folds")
    with pytest.raises(DatasetError, match=r"is a folder: give its best.pt; .* segdata predict --split folds"):
        segdata.predict(str(tmp_path / "run"), dataset, tmp_path / "p")
    assert not (tmp_path / "cv").exists()


def test_a_model_that_may_have_seen_a_fold_does_not_predict_it(tmp_path: Path) -> None:
    dataset = folds(tmp_path / "d")
    train_folds(dataset, tmp_path / "cv", **UNET)
    (tmp_path / "cv" / "fold0").rename(tmp_path / "cv" / "x")
    (tmp_path / "cv" / "fold1").rename(tmp_path / "cv" / "fold0")
    (tmp_path / "cv" / "x").rename(tmp_path / "cv" / "fold1")
    with pytest.raises(DatasetError, match="was validated on fold1, so it may have learnt from fold0"):
        segdata.predict(str(tmp_path / "cv"), dataset, tmp_path / "p", split="folds")
    other = folds(tmp_path / "other", number=2)
    train_folds(other, tmp_path / "cv2", **UNET)
    moved = folds(tmp_path / "moved", number=2, samples=10)
    with pytest.raises(DatasetError, match="was trained on another dataset"):
        segdata.predict(str(tmp_path / "cv2"), moved, tmp_path / "p", split="folds")
    assert not (tmp_path / "p").exists()
