"""`segdata train auto` as a whole: plan, training, tuning and bundle; after a stop; with folds; and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("albumentations")

from click.testing import CliRunner, Result  # noqa: E402

import segdata  # noqa: E402
from segdata.cli import main  # noqa: E402
from segdata.errors import DatasetError, OptionError  # noqa: E402
from segdata.nn.auto import operation, tuning  # noqa: E402
from segdata.nn.auto.plan_file import options, plan_text, read_plan  # noqa: E402
from segdata.nn.auto.rules import Choice  # noqa: E402
from segdata.nn.options import Training, read_config  # noqa: E402
from train_files import QUICK, scenes  # noqa: E402

LENGTH = {"epochs": 2, "steps": 2}


def run(*arguments: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def planned(path: Path, **more: Any) -> Path:
    """A plan of a small net."""
    values = {**QUICK, **LENGTH, **more}
    path.write_text(plan_text(tuple(Choice(k, v, "because") for k, v in values.items() if v is not None)))
    return path


def test_a_plan_is_a_configuration_and_comes_back_as_it_was(tmp_path: Path) -> None:
    plan = (
        Choice("lr", 1e-05, "slow # but sure"), Choice("crop", [32, 64], "large: cut"),
        Choice("model_options", {"width": 4}, "x"), Choice("recipe", "light", "ü"), Choice("channels_last", True, "y"),
    )  # fmt: skip
    path = tmp_path / "plan.yaml"
    path.write_text(plan_text(plan, ("what it is",)))
    assert read_plan(path) == plan
    assert read_config(path) == options(plan)
    assert Training.choose(path, {}).crop == (32, 64)
    path.write_text("lr: 0.1\nepoch: 3\n")
    with pytest.raises(OptionError, match="no option 'epoch'"):
        read_plan(path)


def test_a_plan_is_followed_to_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights are those of `segdata train` with the plan as configuration; the bundle predicts."""
    monkeypatch.setattr(tuning, "LEAST", 1000)
    dataset = scenes(tmp_path / "d")
    plan = planned(tmp_path / "p.yaml")
    out = run("train", "auto", tmp_path / "d", tmp_path / "r", "--plan", plan, "--json")
    found = json.loads(out.stdout)
    assert found["trained"][0]["updates"] == 4
    assert found["tuning"]["reason"].startswith("4 validation images are too few")
    segdata.train(dataset, tmp_path / "same", config=tmp_path / "r/plan.yaml")
    one, other = (torch.load(tmp_path / name / "last.pt", weights_only=True)["state"] for name in ("r", "same"))
    assert all(torch.equal(one[key], other[key]) for key in one)
    masks = segdata.predict(tmp_path / "r/bundle.pt", dataset, tmp_path / "masks", split="val", trust_code=True)
    assert len(masks) == 4
    before = {path: path.stat().st_mtime_ns for path in sorted((tmp_path / "r").rglob("*.pt"))}
    run("train", "auto", tmp_path / "d", tmp_path / "r")
    assert {path: path.stat().st_mtime_ns for path in before} == before, "what is whole was made again"
    planned(plan, lr=0.5)
    assert "another plan" in run("train", "auto", tmp_path / "d", tmp_path / "r", "--plan", plan, code=1).stderr


def test_what_was_stopped_goes_on_with_its_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = scenes(tmp_path / "d")
    plan = planned(tmp_path / "p.yaml", epochs=3)
    whole = operation.train_auto(dataset, tmp_path / "whole", plan=plan, tune=False)

    class Stop(Exception):
        pass

    def begin(fold: str) -> dict[str, Any]:
        def watch(progress: Any) -> None:
            if (progress.epoch, progress.step) == (2, 1):
                raise Stop

        return {"watch": watch}

    with pytest.raises(Stop):
        operation.train_auto(dataset, tmp_path / "r", plan=plan, tune=False, begin=begin)
    monkeypatch.setattr(operation, "timed", None)  # nothing is probed again
    again = operation.train_auto(dataset, tmp_path / "r", budget="7h", tune=False)
    assert again.plan == whole.plan
    one, other = (
        torch.load(root / "last.pt", weights_only=True)["state"] for root in (tmp_path / "r", tmp_path / "whole")
    )
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_the_length_is_found_by_a_probe(tmp_path: Path) -> None:
    """Without epochs and steps in the plan; more of a budget gives more updates."""
    scenes(tmp_path / "d")
    plan = planned(tmp_path / "p.yaml", epochs=None, steps=None)
    updates = []
    for budget in ("20s", "200m"):
        found = operation.train_auto(tmp_path / "d", tmp_path / budget, plan=plan, plan_only=True, budget=budget)
        values = options(found.plan)
        updates.append(values["epochs"] * values["steps"])
        assert sorted(path.name for path in (tmp_path / budget).iterdir()) == ["plan.yaml"]
    assert updates[0] < updates[1]


def test_a_new_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation, "find_spec", lambda name: None)
    scenes(tmp_path / "d")
    out = run("train", "auto", tmp_path / "d", tmp_path / "r", "--budget", "10s", "--plan-only", "--threads", 1)
    assert "segdata train auto DATASET RUN --plan" in out.stdout
    assert "ImageNet weights are not installed" in out.stdout
    found = read_config(tmp_path / "r/plan.yaml")
    assert (found["short_side"], found["recipe"], found["threads"]) == (32, "strong", 1)
    assert found["warmup"] <= found["epochs"]


def test_folds_become_an_ensemble(tmp_path: Path) -> None:
    dataset = scenes(tmp_path / "d", train=9, val=3)
    plan = planned(tmp_path / "p.yaml", epochs=1, steps=1)
    found = operation.train_auto(dataset, tmp_path / "r", plan=plan, folds=3, tune=False)
    assert list(found.trained) == ["fold0", "fold1", "fold2"]
    splits = [
        (c["train_split"], c["val_split"]) for c in (read_config(tmp_path / f"r/fold{i}/config.yaml") for i in range(3))
    ]
    assert splits == [("fold1,fold2", "fold0"), ("fold0,fold2", "fold1"), ("fold0,fold1", "fold2")]
    folds, names = operation.folded(dataset, 3, 0)
    assert names == ("fold0", "fold1", "fold2")
    assert sorted(s.id for s in folds) == sorted(s.id for s in dataset)
    held = torch.load(tmp_path / "r/bundle.pt", weights_only=True)
    assert len(held["members"]) == 3
    assert held["plan"] == (tmp_path / "r/plan.yaml").read_text()
    with pytest.raises(OptionError, match="3 folds already: give --folds 3"):
        operation.folded(folds, 4, 0)
    assert operation.folded(folds, 3, 1)[0] is folds
    with pytest.raises(OptionError, match="--folds 20: 12 groups of images cannot be split in 20"):
        operation.folded(dataset, 20, 0)


def test_tuning_sees_validation_images_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = scenes(tmp_path / "d", val=9)
    asked: list[segdata.Dataset] = []
    whole = tuning.tune

    def tune(pred: Any, truth: segdata.Dataset, **more: Any) -> Any:
        asked.append(truth)
        return whole(pred, truth, **more)

    monkeypatch.setattr(tuning, "tune", tune)
    found = operation.train_auto(dataset, tmp_path / "r", plan=planned(tmp_path / "p.yaml"), budget="10h")
    assert {s.split for s in asked[0]} == {"val"}
    assert found.tuning is not None
    assert (tmp_path / "r/refinement.json").exists() == found.tuning.kept
    assert ("refinement" in torch.load(tmp_path / "r/bundle.pt", weights_only=True)) == found.tuning.kept


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = scenes(tmp_path / "d")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").touch()
    for folds in (None, 2):
        with pytest.raises(DatasetError, match=r"mine\.txt"):
            operation.train_auto(dataset, tmp_path / "full", folds=folds)
    with pytest.raises(OptionError, match="--folds 1: must be 2 or more"):
        operation.train_auto(dataset, tmp_path / "r", folds=1)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(OptionError, match="one process"):
        operation.train_auto(dataset, tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_a_dataset_called_auto_is_trained_on_as_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes(tmp_path / "auto")
    monkeypatch.chdir(tmp_path)
    planned(tmp_path / "p.yaml", epochs=1, steps=1)
    run("train", "./auto", "r", "--config", "p.yaml")
    assert (tmp_path / "r/best.pt").exists()
    assert "Missing argument 'RUN'" in run("train", "auto", "r", code=2).stderr
