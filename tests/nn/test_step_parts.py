"""A batch in parts: its gradient is the whole batch's, also if a part is nearly void; and the learning rate of an encoder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("albumentations")

import segdata  # noqa: E402
from segdata import caches  # noqa: E402
from segdata.errors import OptionError  # noqa: E402
from segdata.executors.run import Run  # noqa: E402
from segdata.nn import losses, precision  # noqa: E402
from segdata.nn.data import Batch  # noqa: E402
from segdata.nn.distributed import World  # noqa: E402
from segdata.nn.optimizers import optimizer_of, set_rate  # noqa: E402
from segdata.nn.options import Training  # noqa: E402
from segdata.nn.precision import precision_of  # noqa: E402
from segdata.nn.state import start  # noqa: E402
from segdata.nn.step import Step, computing  # noqa: E402
from segdata.nn.task import prepare  # noqa: E402
from train_files import QUICK, scenes, small  # noqa: E402

HERE = World(torch.device("cpu"))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> segdata.Dataset:
    return scenes(tmp_path_factory.mktemp("step") / "d")


def batch_of(shares: list[float], size: int = 16) -> Batch:
    """An image per share, of whose pixels that share is labelled; classes differ in how often they occur."""
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.integers(0, 256, (len(shares), size, size, 3), np.uint8))
    target = random.choice(3, (len(shares), size, size), p=[0.8, 0.15, 0.05]).astype(np.uint8)
    for number, share in enumerate(shares):
        target[number][random.random((size, size)) >= share] = 255
    return Batch(images, torch.from_numpy(target), [str(i) for i in range(len(shares))])


def parts_of(batch: Batch, number: int) -> list[Batch]:
    each = len(batch.ids) // number
    cuts = [slice(i * each, (i + 1) * each) for i in range(number)]
    return [Batch(batch.images[cut], batch.target[cut], batch.ids[cut]) for cut in cuts]


def gradient(dataset: segdata.Dataset, parts: list[Batch], **options: Any) -> Any:
    """The gradient of a step, and its loss."""
    task = prepare(
        dataset, Training.of({**QUICK, "model": "train_files:plain", "optimizer": "sgd", "batch": 8, **options}), Run()
    )
    learn = Step(task, start(task, HERE), HERE, lambda step: 0.0)
    held = []
    learn.state.optimizer.register_step_pre_hook(  # before it is set to zero
        lambda *_: held.append(torch.cat([p.grad.flatten() for p in learn.state.model.parameters()]).double())
    )
    learn(parts, 0)
    return held[0], learn.last_loss()


SHARES = [1.0, 0.9, 0.01, 0.0, 0.5, 0.02, 1.0, 0.3]


@pytest.mark.parametrize("loss", ["ce", "ce(smoothing=0.1)", "bce", "focal", "0.5*ce+0.5*focal"])
@pytest.mark.parametrize("class_weights", [None, "inverse"])
@pytest.mark.parametrize("number", [2, 4, 8])
def test_parts_have_the_gradient_of_the_whole_batch(
    dataset: segdata.Dataset, loss: str, class_weights: str | None, number: int
) -> None:
    batch = batch_of(SHARES)
    options = {"loss": loss, "class_weights": class_weights}
    whole, value = gradient(dataset, [batch], **options)
    parts, other = gradient(dataset, parts_of(batch, number), accumulate=number, **options)
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-6)
    assert other == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("loss", ["dice", "lovasz", "ohem", "ce+dice"])
def test_parts_of_other_losses_count_by_their_labelled_pixels(dataset: segdata.Dataset, loss: str) -> None:
    """Each part is a batch of its own; one that is nearly void hardly counts."""
    parts = parts_of(batch_of([1.0, 0.005]), 2)
    together, value = gradient(dataset, parts, loss=loss, batch=2, accumulate=2)
    alone = [gradient(dataset, [part], loss=loss) for part in parts]
    masses = [int((part.target != 255).sum()) for part in parts]
    expected = sum(g * m for (g, _), m in zip(alone, masses, strict=True)) / sum(masses)
    torch.testing.assert_close(together, expected, rtol=1e-4, atol=1e-6)
    assert value == pytest.approx(sum(v * m for (_, v), m in zip(alone, masses, strict=True)) / sum(masses), rel=1e-5)


def test_a_batch_without_a_labelled_pixel_changes_nothing(dataset: segdata.Dataset) -> None:
    found, value = gradient(dataset, parts_of(batch_of([0.0, 0.0]), 2), batch=2, accumulate=2)
    assert value == 0
    assert not found.any()


def test_the_mass_of_a_target_is_the_divisor_of_the_mean() -> None:
    target = torch.tensor([[[0, 0, 1, 255]]], dtype=torch.uint8)
    assert losses.build("ce", classes=2, ignore=255).mass(target) == 3
    assert losses.build("ce", classes=2, ignore=255, weights=[1, 4]).mass(target) == 6


# The encoder's rate


@pytest.mark.parametrize("kind", ["adamw", "adam", "sgd"])
def test_the_encoder_has_its_part_of_the_rate(kind: str) -> None:
    model = small(3, 2)
    optimizer = optimizer_of(model, Training(optimizer=kind, encoder_rate=0.1, weight_decay=0.3))  # type: ignore[arg-type]
    set_rate(optimizer, 0.5)
    rates = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    for name, p in model.named_parameters():
        rate, decay = rates[id(p)]
        assert rate == pytest.approx(0.05 if "encoder" in name else 0.5)
        assert decay == (0.3 if p.ndim > 1 else 0)
    assert len(rates) == len(list(model.parameters()))
    assert len(optimizer_of(model, Training()).param_groups) == 2  # as older checkpoints have


def test_the_rate_of_an_encoder_that_is_not_there(dataset: segdata.Dataset, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--encoder-rate: this model has no `encoder`"):
        segdata.train(dataset, tmp_path / "run", **{**QUICK, "model": "train_files:plain"}, encoder_rate=0.1)
    assert not (tmp_path / "run").exists()


def test_an_encoder_rate_is_stored_and_gone_on_with(dataset: segdata.Dataset, tmp_path: Path) -> None:
    from test_train import Stopped, same, stop_after, tensors

    options = {**QUICK, "epochs": 3, "encoder_rate": 0.2, "schedule": "cosine"}
    segdata.train(dataset, tmp_path / "whole", **options)
    with pytest.raises(Stopped):
        segdata.train(dataset, tmp_path / "cut", **options, watch=stop_after(3))
    segdata.train(dataset, tmp_path / "cut", **options)
    assert same(tensors(tmp_path / "whole" / "last.pt"), tensors(tmp_path / "cut" / "last.pt"))
    assert "encoder_rate: 0.2" in (tmp_path / "cut" / "config.yaml").read_text()


# Precision


def test_a_cpu_without_the_instructions_computes_in_float32(
    dataset: segdata.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(precision, "has_instructions", lambda name: False)
    monkeypatch.setattr(caches, "_told", set())
    for name in ("bf16", "fp16"):
        plain = segdata.train(dataset, tmp_path / "plain", **QUICK, overwrite=True)
        mixed = segdata.train(dataset, tmp_path / name, **QUICK, precision=name)
        assert [row["train_loss"] for row in mixed.rows] == [row["train_loss"] for row in plain.rows]
        assert f"this CPU has no instructions for {name}" in capsys.readouterr().err
        assert precision_of(Training(precision=name), torch.device("cuda")) == precision.DTYPES[name]  # type: ignore[arg-type]


def test_torch_that_cannot_tell_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ops:
        mkldnn = object()

    monkeypatch.setattr(torch, "ops", Ops())
    assert precision_of(Training(precision="bf16"), CPU) == torch.bfloat16
    assert precision_of(Training(), CPU) == torch.float32


# Determinism


class Scattered(torch.nn.Module):
    """Has an operation that torch gives no deterministic form."""

    def __init__(self) -> None:
        super().__init__()
        self.net = small(3, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.net(image)
        out.detach().clone().put_(torch.tensor([0]), torch.tensor([1.0]))
        return out


def scattered(bands: int, classes: int) -> torch.nn.Module:
    """The factory of `--model test_step_parts:scattered`."""
    return Scattered()


def test_deterministic_training_uses_only_what_gives_the_same_bits(dataset: segdata.Dataset, tmp_path: Path) -> None:
    with computing(Training(deterministic=True)):
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"]
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.deterministic
    exact = segdata.train(dataset, tmp_path / "exact", **QUICK, deterministic=True)
    usual = segdata.train(dataset, tmp_path / "usual", **QUICK)
    assert [r["train_loss"] for r in exact.rows] == pytest.approx([r["train_loss"] for r in usual.rows], rel=1e-4)
    options = {**QUICK, "model": "test_step_parts:scattered", "deterministic": True}
    with pytest.raises(
        OptionError, match=r"^--deterministic: put_ does not have .*: choose another model or loss"
    ) as e:
        segdata.train(dataset, tmp_path / "run", **options)
    assert "\n" not in str(e.value)


def test_cudnn_is_not_turned_off() -> None:
    with computing(Training()):
        assert torch.backends.cudnn.enabled
        assert torch.backends.cudnn.benchmark
