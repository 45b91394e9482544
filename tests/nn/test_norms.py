"""Batch normalisation measured anew: against plain sums, kept in checkpoints, and training that goes on as without."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("albumentations")

import segdata  # noqa: E402
from segdata.executors.run import Run  # noqa: E402
from segdata.nn import norms  # noqa: E402
from segdata.nn.distributed import World  # noqa: E402
from segdata.nn.options import Training  # noqa: E402
from segdata.nn.predictor import load  # noqa: E402
from segdata.nn.state import start  # noqa: E402
from segdata.nn.step import Step, step_batches  # noqa: E402
from segdata.nn.task import prepare  # noqa: E402
from train_files import QUICK, scenes, small  # noqa: E402

HERE = World(torch.device("cpu"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> segdata.Dataset:
    return scenes(tmp_path_factory.mktemp("norms") / "d")


def test_statistics_are_the_means_of_those_of_the_batches() -> None:
    torch.manual_seed(0)
    model = small(3, 2)
    with torch.no_grad():
        model(torch.randn(4, 3, 9, 9))  # what was there before does not matter
    batches = [3 + 2 * torch.randn(4, 3, 9, 9) for _ in range(3)]
    (norm,) = norms.norms_of(model).values()
    count = norm.num_batches_tracked
    model.eval()
    norms.measure(model, [norm], batches, HERE)
    with torch.no_grad():
        seen = [model.encoder[0](batch).double() for batch in batches]
    mean = sum(x.mean((0, 2, 3)) for x in seen) / 3
    var = sum(x.var((0, 2, 3)) for x in seen) / 3
    torch.testing.assert_close(norm.running_mean.double(), mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(norm.running_var.double(), var, rtol=1e-5, atol=1e-6)
    assert (norm.momentum, norm.num_batches_tracked, norm.training) == (0.1, count, False)


@pytest.mark.parametrize(("momentum", "few"), [(0.1, 1000), (0.01, 10_000), (None, math.inf), (0.0, 0)])
def test_few_updates_follow_from_the_momentum(momentum: float | None, few: float) -> None:
    model = small(3, 2)
    model.encoder[1].momentum = momentum
    assert norms.few_updates(model) == few
    assert norms.few_updates(torch.nn.Conv2d(3, 2, 1)) == 0


def test_images_are_bounded_and_seen_only_before_a_validation(dataset: segdata.Dataset) -> None:
    task = prepare(dataset, Training.of({**QUICK, "epochs": 4, "steps": 300, "val_every": 2}), Run())
    again = {step: norms.steps_again(task, step, 1000) for step in range(task.last)}
    assert {step: steps for step, steps in again.items() if steps} == {
        599: range(472, 600)
    }  # 1199 is past the first 1000
    assert len(again[599]) * task.options.batch == norms.IMAGES
    assert norms.steps_again(task, 1199, math.inf) == range(1072, 1200)


@pytest.mark.parametrize("options", [{}, {"ema": 0.9}, {"accumulate": 2}, {"precision": "bf16"}])
def test_training_goes_on_as_if_nothing_had_been_measured(
    dataset: segdata.Dataset, tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same losses and weights as without; only the statistics in the checkpoint differ, and its validation."""
    options = {**QUICK, "epochs": 3, **options}
    new = segdata.train(dataset, tmp_path / "new", **options)
    monkeypatch.setattr(norms, "FEW", 0)
    old = segdata.train(dataset, tmp_path / "old", **options)
    assert [row["train_loss"] for row in new.rows] == [row["train_loss"] for row in old.rows]
    assert new.rows[-1]["mean_iou"] > old.rows[-1]["mean_iou"]
    kept, before = (torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("new", "old"))
    differ = [name for name in kept["state"] if not torch.equal(kept["state"][name], before["state"][name])]
    assert [name.rpartition(".")[2] for name in differ] == ["running_mean", "running_var"]
    (running,) = kept["train"]["running"].values()
    for kind, value in zip(("mean", "var"), running, strict=True):
        (name,) = (name for name in differ if name.endswith(kind))
        assert torch.equal(value, before["state"][name])
    assert before["train"]["running"] is None


def test_the_checkpoint_has_the_statistics_of_the_last_images(dataset: segdata.Dataset, tmp_path: Path) -> None:
    options = {**QUICK, "epochs": 2}
    segdata.train(dataset, tmp_path / "run", **options)
    task = prepare(dataset, Training.of(options), Run())
    model = load(tmp_path / "run" / "last.pt", trust_code=True).model
    learn = Step(task, start(task, HERE), HERE)
    (norm,) = norms.norms_of(model).values()
    before = norm.running_mean.clone(), norm.running_var.clone()
    images = [learn.images(part) for parts in step_batches(task, HERE, [2, 3]) for part in parts]
    norms.measure(model.eval(), [norm], images, HERE)
    torch.testing.assert_close((norm.running_mean, norm.running_var), before)


def test_a_frozen_encoder_keeps_its_statistics(dataset: segdata.Dataset, tmp_path: Path) -> None:
    segdata.train(dataset, tmp_path / "base", **QUICK)
    init = str(tmp_path / "base" / "last.pt")
    for name, more in (("plain", {}), ("average", {"ema": 0.9})):
        segdata.train(dataset, tmp_path / name, **QUICK, init=init, freeze_encoder=True, **more)
        was, now = (torch.load(path, weights_only=True)["state"] for path in (init, tmp_path / name / "last.pt"))
        fixed = [key for key in was if "encoder" in key and "num_batches" not in key]
        assert fixed
        assert all(torch.equal(was[key], now[key]) for key in fixed)


def test_a_model_without_statistics_trains(dataset: segdata.Dataset, tmp_path: Path) -> None:
    assert segdata.train(dataset, tmp_path / "run", **{**QUICK, "model": "train_files:plain"}).rows


def test_a_checkpoint_from_before_is_gone_on_with(dataset: segdata.Dataset, tmp_path: Path) -> None:
    """It has no `running`, and its optimizer no factors."""
    from test_train import Stopped, stop_after

    with pytest.raises(Stopped):
        segdata.train(dataset, tmp_path / "run", **QUICK, watch=stop_after(3))
    found = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    del found["train"]["running"]
    for group in found["train"]["optimizer"]["param_groups"]:
        del group["factor"]
    torch.save(found, tmp_path / "run" / "last.pt")
    assert len(segdata.train(dataset, tmp_path / "run", **QUICK).rows) == 2
