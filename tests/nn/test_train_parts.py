"""The parts of training, each against torch's own or a plain computation: rates, order, averages, pixels, memory, probes."""

from __future__ import annotations

import html
import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("albumentations")

from click.testing import CliRunner, Result  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import segdata  # noqa: E402
from segdata.cli import main  # noqa: E402
from segdata.errors import DatasetError, MissingDependency, SegdataError  # noqa: E402
from segdata.labels import Labels  # noqa: E402
from segdata.nn import data, text  # noqa: E402
from segdata.nn.cache import Cache  # noqa: E402
from segdata.nn.compare import compare  # noqa: E402
from segdata.nn.curves import _look, class_curves, draw_curves, read_rows, spread, write_rows  # noqa: E402
from segdata.nn.data import Order  # noqa: E402
from segdata.nn.distributed import World  # noqa: E402
from segdata.nn.optimizers import (  # noqa: E402
    Average,
    optimizer_of,
    rate,
)
from segdata.nn.options import Training, config_text, need_extra, read_config  # noqa: E402
from segdata.nn.probes import find_rate, overfit_one_batch, steepest  # noqa: E402
from segdata.nn.standardise import Standardise  # noqa: E402
from segdata.nn.state import best_row, gave_up  # noqa: E402
from segdata.nn.task import chance_of, turn_items  # noqa: E402
from segdata.nn.train import Progress  # noqa: E402
from segdata.recipes.recipe import Recipe  # noqa: E402
from segdata.words import share  # noqa: E402
from train_files import NAMES, QUICK, scenes, small, written  # noqa: E402


def run(*arguments: Any, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> segdata.Dataset:
    return scenes(tmp_path_factory.mktemp("parts") / "d")


# Rates


def torchs(schedule: str, steps: int) -> list[float]:
    """The rates of torch's own schedulers."""
    kinds = torch.optim.lr_scheduler
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    made = {
        "poly": lambda: kinds.PolynomialLR(optimizer, steps, power=0.9),
        "cosine": lambda: kinds.CosineAnnealingLR(optimizer, steps),
        "onecycle": lambda: kinds.OneCycleLR(optimizer, 0.1, total_steps=steps, cycle_momentum=False),
        "constant": lambda: kinds.ConstantLR(optimizer, 1.0),
    }[schedule]()
    out = []
    for _ in range(steps):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        made.step()
    return out


@pytest.mark.parametrize("schedule", ["poly", "cosine", "onecycle", "constant"])
def test_rates_are_those_of_torch(schedule: str) -> None:
    for epochs, steps in ((4, 5), (1, 7), (10, 1)):
        options = Training(lr=0.1, schedule=schedule, epochs=epochs)  # type: ignore[arg-type]
        ours = [rate(options, steps, i) for i in range(epochs * steps)]
        assert ours == pytest.approx(torchs(schedule, epochs * steps), rel=1e-9)


def test_a_warm_up_rises_in_a_line_and_then_the_schedule_begins() -> None:
    options = Training(lr=0.1, schedule="cosine", epochs=4, warmup=0.8)
    rates = [rate(options, 5, i) for i in range(20)]
    assert rates[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert rates[4:] == pytest.approx(torchs("cosine", 16))
    assert rate(Training(lr=0.1, epochs=1, warmup=9), 1, 0) == 0.1  # a warm-up longer than all of it


# Order


@given(st.integers(1, 9), st.integers(1, 7), st.integers(0, 5), st.integers(0, 40))
def test_every_turn_meets_every_item_once(number: int, batch: int, seed: int, first: int) -> None:
    items = np.arange(number)
    order = Order(items, batch, seed)
    steps = -(-3 * number // batch)
    keys = [key for step in range(steps) for key in order.keys(step)]
    assert [(key.turn, key.crop) for key in keys] == [(i // number, 0) for i in range(steps * batch)]
    for turn in range(steps * batch // number):
        assert sorted(key.sample for key in keys if key.turn == turn) == list(range(number))
    assert (
        Order(items, batch, seed).keys(first) == [k for s in range(first + 1) for k in order.keys(s)][first * batch :]
    )


def test_turns_differ_and_so_do_seeds() -> None:
    orders = {
        tuple(k.sample for k in Order(np.arange(50), 50, seed).keys(turn)) for seed in range(3) for turn in range(3)
    }
    assert len(orders) == 9


def test_class_aware_sampling_draws_classes_alike(tmp_path: Path) -> None:
    """A class that few samples hold is met as often as one that all hold."""
    dataset = scenes(tmp_path / "d", train=20, val=0)
    counts = [{0: 9, 1: 1} if i < 18 else {0: 9, 2: 1} for i in range(20)]
    samples = [segdata.Sample(**{**_fields(s), "counts": c}) for s, c in zip(dataset, counts, strict=True)]
    rare = segdata.Dataset(dataset.root, dataset.labels, samples)
    chance = chance_of(rare, np.arange(20), "class_aware")
    assert chance is not None
    by_hand = [1 / 20 + (1 / 18 if i < 18 else 1 / 2) for i in range(20)]
    np.testing.assert_allclose(chance, np.array(by_hand) / sum(by_hand))
    drawn = Counter(k.sample for s in range(500) for k in Order(np.arange(20), 20, 0, chance).keys(s))
    assert drawn[19] / 10_000 == pytest.approx(chance[19], abs=0.02)


def _fields(sample: segdata.Sample) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in sample.__struct_fields__}


# Samples


def test_crops_cover_a_sample_and_lie_where_its_classes_are(tmp_path: Path) -> None:
    dataset = scenes(tmp_path / "d", size=(48, 64)).split("train")
    recipe = Recipe.from_dict({"normalise": "none", "crop": {"size": [16, 16], "class_aware": 1.0}})
    items = turn_items(dataset, recipe, None)
    assert len(items) == 12 * 8
    assert len(turn_items(dataset, recipe, 2)) == 16
    train = data.Training(dataset, recipe, 0)
    order = Order(items, 8, 0)
    rare = 0
    for step in range(12):
        for key in order.keys(step):
            id, image, mask = train[key]  # type: ignore[misc]
            assert id == dataset.samples[key.sample].id
            assert image.shape == (16, 16, 3)
            whole, truth = dataset.read_image(dataset.sample(id)), dataset.read_mask(dataset.sample(id))
            places = np.lib.stride_tricks.sliding_window_view(whole, (16, 16, 3))[:, :, 0]
            (y, x) = np.argwhere((places == image).all((2, 3, 4)))[0]
            np.testing.assert_array_equal(truth[y : y + 16, x : x + 16], mask)
            rare += bool((mask > 0).any())
    assert rare > 80  # nine tenths of a sample are ground


def test_cached_samples_are_the_same(dataset: segdata.Dataset) -> None:
    train = dataset.split("train")
    for plain in (
        {"normalise": "none", "resize": {"short": 12}, "transforms": [{"HorizontalFlip": {"p": 0.5}}]},
        {"normalise": "none", "resize": {"short": 12}, "crop": {"size": [8, 8], "scale": [0.5, 2]}},
    ):
        recipe = Recipe.from_dict(plain)
        one, two = (data.Training(train, recipe, 3, source) for source in (None, Cache(train, recipe)))
        for key in Order(np.arange(len(train)), 8, 3).keys(0):
            a, b = one[key], two[key]
            assert a[0] == b[0]  # type: ignore[index]
            np.testing.assert_array_equal(a[1], b[1])  # type: ignore[index]
            np.testing.assert_array_equal(a[2], b[2])  # type: ignore[index]
        assert one[data.Key(0, 0, 0)][1].shape[0] in (8, 12)  # type: ignore[index]


def test_samples_of_other_sizes_are_padded_with_void() -> None:
    random = np.random.default_rng(0)
    sizes = ((4, 6), (5, 3))
    items = [
        (str(i), random.integers(0, 99, (*s, 2)).astype(np.uint16), np.full(s, i, np.uint8))
        for i, s in enumerate(sizes)
    ]
    batch = data.together(items, 255)  # type: ignore[arg-type]
    assert isinstance(batch, data.Batch)
    assert batch.images.shape == (2, 5, 6, 2)
    assert batch.ids == ["0", "1"]
    for (_, image, mask), (h, w), pixels, target in zip(items, sizes, batch.images, batch.target, strict=True):
        np.testing.assert_array_equal(pixels.numpy()[:h, :w], image)
        np.testing.assert_array_equal(target.numpy()[:h, :w], mask)
        assert (target.numpy() == 255).sum() == 30 - h * w
        assert not pixels.numpy()[h:].any()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("by", ["imagenet", "none", {"mean": [0.1, 0.5, 0.2], "std": [0.3, 0.2, 0.9]}])
def test_pixels_are_standardised_as_the_recipe_does(dtype: str, by: Any) -> None:
    recipe = Recipe.from_dict({"normalise": by})
    random = np.random.default_rng(0)
    high = 1 if dtype == "float32" else np.iinfo(dtype).max
    pixels = (random.random((2, 5, 7, 3)) * high).astype(dtype)
    if dtype == "float32":
        pixels[0, 0, 0] = np.nan
    ours = Standardise(recipe, 3)(data.to_tensor(pixels)).numpy()
    np.testing.assert_allclose(ours, np.stack([recipe.normalise(p) for p in pixels]), atol=2e-5)


# What changes the weights


def test_the_moving_average_is_that_of_its_definition() -> None:
    torch.manual_seed(0)
    model = small(3, 2)
    average = Average(model, 0.9)  # type: ignore[arg-type]
    expected = {name: value.clone().double() for name, value in model.state_dict().items()}
    for step in range(1, 30):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
        model(torch.randn(2, 3, 4, 4))
        average.update(model, step)
        decay = min(0.9, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            moved = decay * expected[name] + (1 - decay) * value.double()
            expected[name] = moved if value.is_floating_point() else value.double()
    for name, value in average.model.state_dict().items():
        torch.testing.assert_close(value.double(), expected[name], rtol=1e-4, atol=1e-5)


def test_biases_and_normalisation_do_not_decay() -> None:
    model = small(3, 2)
    for kind in ("adam", "adamw", "sgd"):
        optimizer = optimizer_of(model, Training(optimizer=kind, weight_decay=0.3))  # type: ignore[arg-type]
        shapes = {g["weight_decay"]: [p.ndim for p in g["params"]] for g in optimizer.param_groups}
        assert shapes == {0.3: [4, 4], 0.0: [1, 1, 1]}


def test_the_best_row_and_when_to_give_up() -> None:
    rows: list[dict[str, float]] = [{"mean_iou": v, "val_loss": 1 - v} for v in (0.1, 0.5, 0.5, float("nan"), 0.4)]
    assert best_row(rows, Training()) == 1
    assert best_row(rows[:1], Training(best="loss")) == 0
    assert best_row([{"train_loss": 1.0}], Training()) is None
    assert gave_up(rows, Training(patience=3))
    assert not gave_up(rows, Training(patience=4))
    assert not gave_up(rows, Training())


# Before a long training


def test_one_batch_is_learnt_by_heart_or_not(dataset: segdata.Dataset, tmp_path: Path) -> None:
    good = overfit_one_batch(dataset, **{**QUICK, "lr": 0.05}, recipe="none")
    assert good.passed
    assert good.accuracy >= 0.98
    assert good.last < good.first / 2
    assert not overfit_one_batch(dataset, **{**QUICK, "lr": 1e-9}, number=20).passed
    flags = ("--model", "train_files:small", "--batch", 4, "--threads", 1)
    out = run("train", dataset.root, tmp_path / "run", "--overfit-one-batch", "--lr", 1e-9, *flags, code=1).stdout
    assert "failed: look at the images under their masks" in out
    assert not (tmp_path / "run").exists()


def test_a_learning_rate_is_found(dataset: segdata.Dataset, tmp_path: Path) -> None:
    """Losses that fall fastest at a known place; then that of a real net, which must train."""
    rates = np.geomspace(1e-5, 1, 50)
    losses = 1 / (1 + np.exp(4 * (np.log10(rates) + 2))) + (rates > 0.5)
    assert steepest(tuple(rates), tuple(losses)) == pytest.approx(0.01, rel=0.3)
    found = find_rate(dataset, tmp_path / "run", **QUICK)
    assert 1e-4 < found.suggested < 1
    assert [r["loss"] for r in read_rows(tmp_path / "run" / "lr.csv")] == list(found.losses)
    assert segdata.read_image(tmp_path / "run" / "lr.png").std() > 5
    assert len(segdata.train(dataset, tmp_path / "run", **{**QUICK, "lr": found.suggested}).rows) == 2


class Hungry(torch.nn.Module):
    """Has room for so many values of an image at once."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.net, self.room = small(3, 3), room

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if image.numel() > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 99.00 GiB")
        out: torch.Tensor = self.net(image)
        return out


def hungry(bands: int, classes: int, room: int) -> torch.nn.Module:
    """The factory of `--model test_train_parts:hungry`."""
    return Hungry(room)


@pytest.mark.parametrize(
    ("room", "message"),
    [
        (2 * 3 * 64 * 96, r"8 images of 64 x 96 at once are too many, 2 fit: --accumulate 4 trains the same"),
        (1 * 3 * 64 * 96, r"1 fit: --accumulate 8"),
        (3 * 32 * 48, r"even one; 32 x 32 fits: --crop 32x32 --accumulate 8"),
        (3, r"the model alone hardly fits: choose a smaller one"),
    ],
)
def test_want_of_memory_says_what_fits(tmp_path: Path, room: int, message: str) -> None:
    dataset = scenes(tmp_path / "d", size=(64, 96))
    with pytest.raises(SegdataError, match=f"out of memory.*: .*{message}"):
        segdata.train(
            dataset, tmp_path / "run", **{**QUICK, "model": "test_train_parts:hungry", "batch": 8},
            model_options={"room": room},
        )  # fmt: skip


def test_want_of_memory_counts_finer_masks_too(tmp_path: Path) -> None:
    dataset = scenes(tmp_path / "d", size=(128, 192))
    with pytest.raises(SegdataError, match=r"8 images of 64 x 96 at once are too many, 2 fit: --accumulate 4"):
        segdata.train(
            dataset, tmp_path / "run", **{**QUICK, "model": "test_train_parts:hungry", "batch": 8},
            model_options={"room": 2 * 3 * 64 * 96}, short_side=64, mask_scale=2,
        )  # fmt: skip


@pytest.mark.parametrize(("scale", "learnt"), [(1, 0.0), (2, 1.0)])
def test_finer_masks_teach_lines_that_resized_masks_do_not_show(tmp_path: Path, scale: int, learnt: float) -> None:
    """Lines of a pixel lie between the pixels that a mask of half the size keeps."""
    samples = []
    for number, split in enumerate(["train"] * 4 + ["val"] * 2):
        image = np.random.default_rng(number).integers(0, 60, (24, 32, 3)).astype(np.uint8)
        mask = np.zeros((24, 32), np.uint8)
        for x in range(2 * number, 32, 12):
            image[:, x : x + 2], mask[:, x], mask[:, x + 1] = 230, 1, 255
        samples.append(written(tmp_path / "d", f"s{number}", split, image, mask))
    segdata.Dataset(tmp_path / "d", Labels.of(["ground", "line"]), samples, {"tool": "test"}, "copy").save()
    options = {**QUICK, "epochs": 40, "short_side": 12, "mask_scale": scale, "recipe": "none", "val_every": 40}
    result = segdata.train(tmp_path / "d", tmp_path / "run", **options)
    assert result.best["iou/line"] == pytest.approx(learnt, abs=0.05)
    assert overfit_one_batch(tmp_path / "d", **{**options, "val_every": 1}).passed


class Greedy(torch.nn.Module):
    """Runs out of memory in training or in validation, and takes no image of 32 x 32, as some models do."""

    def __init__(self, when: str) -> None:
        super().__init__()
        self.net, self.when = small(3, 3), when

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if self.training == (self.when == "training") and image.shape[2] > 32:
            raise RuntimeError("std::bad_alloc")
        if self.when == "training":
            raise ValueError("Expected more than 1 value per channel when training")
        out: torch.Tensor = self.net(image)
        return out


def greedy(bands: int, classes: int, when: str) -> torch.nn.Module:
    """The factory of `--model test_train_parts:greedy`."""
    return Greedy(when)


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize("live", [False, True])
def test_progress_is_a_line_a_minute_where_nobody_watches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], live: bool
) -> None:
    """One estimate after ten seconds; then, in a file, a line a minute, without carriage returns."""
    clock = Clock()
    monkeypatch.setattr(text, "time", clock)
    monkeypatch.setattr("sys.stderr.isatty", lambda: live)
    show = text.Show()
    for step in range(1, 201):
        clock.now = 2.0 * step
        show(Progress(1, 9, step, 1000, 0.5, 2.0 * (1000 - step), {}, 3 * 2**30))
    told = capsys.readouterr().err
    (estimate,) = [line for line in told.replace("\r", "\n").splitlines() if "a step" in line]
    assert estimate.strip() == "about 33 min 10 s left: 2 s a step, 3.0 GiB of memory so far"
    assert ("\r" in told) == live
    if not live:
        lines = told.splitlines()
        assert len(lines) == 1 + 400 // 62
        assert lines[1] == "epoch 1/9  step 31/1000  loss 0.5000  32 min 18 s left"


@pytest.mark.parametrize(
    ("when", "message"), [("training", "the model alone hardly fits"), ("validation", "a smaller --val-batch")]
)
def test_want_of_memory_is_told_whenever_it_comes(tmp_path: Path, when: str, message: str) -> None:
    """Also where a trial of a smaller size fails for another reason."""
    dataset = scenes(tmp_path / "d", size=(64, 96))
    options = {**QUICK, "model": "test_train_parts:greedy", "model_options": {"when": when}}
    with pytest.raises(SegdataError, match=rf"^out of memory \(std::bad_alloc\): .*{message}"):
        segdata.train(dataset, tmp_path / "run", **options)


def test_a_batch_that_cannot_be_divided_among_processes() -> None:
    from segdata.errors import OptionError
    from segdata.nn.step import step_batches

    class Task:
        options = Training(batch=6, accumulate=2)

    with pytest.raises(OptionError, match="--batch 6 cannot be divided into 2 parts of 2 processes"):
        next(step_batches(Task(), World(torch.device("cpu"), 0, 2), [0]))  # type: ignore[arg-type]


# Files and commands


def test_rows_read_back_as_they_were(tmp_path: Path) -> None:
    rows = [
        {"epoch": 1, "step": 3, "train_loss": 0.1 + 0.2},
        {"epoch": 2, "step": 6, "train_loss": 1e-9, "iou/a,b": 0.5},
    ]
    write_rows(tmp_path / "m.csv", rows)
    assert read_rows(tmp_path / "m.csv") == rows
    assert (tmp_path / "m.csv").read_text().splitlines()[1] == "1,3,0.30000000000000004,"


def test_a_configuration_reads_back_as_it_was(tmp_path: Path) -> None:
    options = Training.of(
        {
            "crop": [64, 96],
            "allow_missing": ["a", "b"],
            "model_options": {"width": 8},
            "ema": 0.99,
            "recipe": {"normalise": "none"},
        }
    )
    (tmp_path / "c.yaml").write_text(config_text(options))
    assert Training.of(read_config(tmp_path / "c.yaml")) == options


def test_train_and_compare_from_the_command_line(dataset: segdata.Dataset, tmp_path: Path) -> None:
    flags = (
        "--model",
        "train_files:small",
        "--batch",
        4,
        "--epochs",
        2,
        "--threads",
        1,
        "--images",
        0,
        "--no-tensorboard",
    )
    first = run("train", dataset.root, tmp_path / "one", *flags, "--model-option", "width=4", "--resize", 16)
    assert "trained:     2 epochs, 4 steps" in first.stdout
    assert [line.split("  ")[0] for line in first.stderr.splitlines()] == [
        "device:", "model:", "samples:", "updates:", "batch norm:", "epoch 1/2", "epoch 2/2"
    ]  # fmt: skip
    run(
        "train",
        dataset.root,
        tmp_path / "two",
        "--config",
        tmp_path / "one" / "config.yaml",
        "--lr",
        0.05,
        "--ema",
        0.9,
    )
    config = read_config(tmp_path / "two" / "config.yaml")
    assert (config["lr"], config["ema"], config["resize"], config["tensorboard"]) == (0.05, 0.9, [16, 16], False)
    table = run("compare", tmp_path / "one", tmp_path / "two", "--classes", "--out", tmp_path / "c.png").stdout
    best = {trial.name: trial.about.best for trial in compare([tmp_path / "one", tmp_path / "two"])}
    for name, row in best.items():
        (line,) = (line for line in table.splitlines() if line.startswith(name))
        assert f"{100 * row['mean_iou']:.2f}" in line
        assert "train_files:small" in line
    assert all(name in table for name in NAMES)
    assert segdata.read_image(tmp_path / "c.png").std() > 5
    found = json.loads(run("compare", tmp_path / "one", "--json").stdout)
    assert found[0]["last"] == read_rows(tmp_path / "one" / "metrics.csv")[-1]
    assert found[0]["parameters"] == 4 * 27 + 8 + 4 * 3 + 3
    assert "no finished epoch of a training" in run("compare", tmp_path, code=1).stderr
    (tmp_path / "one" / "run.json").write_text("{")
    with pytest.raises(DatasetError, match=r"run.json, metrics.csv or config.yaml is damaged"):
        compare([tmp_path / "one"])


def run_of(folder: Path, ious: list[float], **options: Any) -> Path:
    """A run's folder as a training leaves it, with these mIoU; the last is the best."""
    folder.mkdir()
    rows = [
        {"epoch": n, "train_loss": 1 / n, "val_loss": 2 / n, "pixel_accuracy": v, "mean_iou": v, "seconds": 10.0 * n}
        for n, v in enumerate(ious, 1)
    ]
    write_rows(folder / "metrics.csv", rows)
    about = {"segdata": "1", "model": "unet", "parameters": 1234, "labels": "a", "dataset": "b", "device": "cpu"}
    about |= {"processes": 1, "epochs": len(ious), "best_by": "mean_iou", "best": rows[-1]}
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "config.yaml").write_text("".join(f"{k}: {v}\n" for k, v in {"lr": 0.1, "seed": 0, **options}.items()))
    return folder


def test_runs_that_differ_in_the_seed_are_summed_up(tmp_path: Path) -> None:
    ious = {"small-0": [0.2, 0.5], "small-1": [0.4, 0.6], "small-2": [0.3, 0.7]}
    runs = [run_of(tmp_path / name, values, seed=n) for n, (name, values) in enumerate(ious.items())]
    alone = run_of(tmp_path / "fast", [0.1, 0.65], lr=0.5)
    lines = run("compare", *runs, alone, "--out", tmp_path / "c.png").stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("setting"))
    told = [line.split() for line in lines[start + 2 : start + 4]]
    assert told[0] == ["fast", "1", "1,234", "0.5000", "1.0000", "65.00", "65.00", "65.00", "65.00", "20", "s"]
    assert told[1] == ["small", "3", "1,234", "0.5000", "1.0000", "60.00", "60.00", "50.00", "70.00", "20", "s"]
    assert "setting" not in run("compare", runs[0], alone).stdout
    assert segdata.read_image(tmp_path / "c.png").std() > 5


def test_a_band_spans_what_every_repeat_measured() -> None:
    repeats = [
        [{"epoch": 1, "x": 1.0}, {"epoch": 2, "x": 4.0}, {"epoch": 3, "x": 9.0}],
        [{"epoch": 1, "x": 3.0}, {"epoch": 2, "x": math.nan}, {"epoch": 3, "x": 5.0}, {"epoch": 4, "x": 0.0}],
    ]
    assert spread(repeats, "x") == ([1, 3], [2, 7], [1, 5], [3, 9])


def drawn(path: Path, runs: dict[str, list[list[dict[str, float]]]], **options: Any) -> str:
    """The SVG of curves, with its texts as texts."""
    import matplotlib

    with matplotlib.rc_context({"svg.fonttype": "none"}):
        draw_curves(path, runs, **options)
    return path.read_text()


def rows_of(epochs: int, classes: list[str]) -> list[dict[str, float]]:
    measured = {"pixel_accuracy": 0.5, "class_accuracy": 0.4, "mean_iou": 0.3}
    ious = {f"iou/{name}": 1 - number / len(classes) for number, name in enumerate(classes)}
    return [{"epoch": e, "train_loss": 1.0, "val_loss": 2.0, **measured, **ious} for e in range(1, epochs + 1)]


@pytest.mark.parametrize("epochs", [1, 3])
def test_curves_name_every_class_in_a_look_of_its_own(tmp_path: Path, epochs: int) -> None:
    names = ["_sky", "$road$", "car & <van>", *(f"c{n}" for n in range(93))]
    rows = rows_of(epochs, names)
    text = drawn(tmp_path / "c.svg", {"run": [rows]}, classes=True)
    for number, name in enumerate(names):
        assert f">{html.escape(name, quote=False)}  {share(1 - number / len(names))}<" in text
    looks = [_look(number) for number in range(len(names))]
    assert len({(look["color"], look["marker"]) for look in looks}) == len(names)
    assert list(class_curves(rows)) == names


def test_dashes_mean_training_and_nothing_else(tmp_path: Path) -> None:
    """A dashed line for each run's training loss, and one in the key."""
    runs = {"one": [rows_of(3, [])], "_two$": [rows_of(3, []), rows_of(3, [])], "three": [rows_of(3, [])]}
    text = drawn(tmp_path / "c.svg", runs)
    assert len(re.findall(r"stroke-dasharray: [^;\"]*", text)) == len(runs) + 1
    for name in "one", "_two$ (2 runs)", "three", "validation", "training", "per cent":
        assert f">{name}<" in text


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else real(name))
    with pytest.raises(MissingDependency, match=r"training needs torch: pip install 'segdata\[train\]'"):
        need_extra()
