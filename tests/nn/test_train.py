"""Training: that it learns, that it can be stopped anywhere, and that what would go wrong later is refused before."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("albumentations")

from click.testing import CliRunner  # noqa: E402
from PIL import Image  # noqa: E402

import segdata  # noqa: E402
from segdata.cli import main  # noqa: E402
from segdata.errors import DataError, DatasetError, OptionError, SegdataError  # noqa: E402
from segdata.nn import precision  # noqa: E402
from segdata.nn.curves import read_rows  # noqa: E402
from segdata.nn.data import Order  # noqa: E402
from segdata.nn.predictor import load  # noqa: E402
from segdata.nn.text import closing_lines  # noqa: E402
from segdata.pages.sheet import BETWEEN, GAP  # noqa: E402
from segdata.words import share  # noqa: E402
from train_files import QUICK, scenes, written  # noqa: E402


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> segdata.Dataset:
    return scenes(tmp_path_factory.mktemp("scenes") / "d")


class Stopped(Exception):
    """What a test stops a training with."""


def stop_after(steps: int) -> Callable[[Any], None]:
    seen = []

    def watch(progress: Any) -> None:
        seen.append(progress)
        if len(seen) == steps:
            raise Stopped

    return watch


def tensors(path: Path) -> dict[str, Any]:
    """Every tensor and number of a checkpoint by its place, without times."""
    out: dict[str, Any] = {}

    def walk(value: Any, place: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{place}/{key}")
        elif isinstance(value, list):
            for i, inner in enumerate(value):
                walk(inner, f"{place}/{i}")
        elif "seconds" not in place:
            out[place] = value

    walk(torch.load(path, weights_only=True), "")
    return out


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(
        torch.equal(a[k], b[k]) if isinstance(a[k], torch.Tensor) else a[k] == b[k] or a[k] != a[k] for k in a
    )


def test_it_learns_and_leaves_what_it_should(dataset: segdata.Dataset, tmp_path: Path) -> None:
    options = {**QUICK, "epochs": 12, "images": 2, "tensorboard": True}
    result = segdata.train(dataset, tmp_path / "run", **options)
    assert result.best["mean_iou"] > 0.8 > result.rows[0]["mean_iou"]
    assert result.parameters == 8 * 3 * 9 + 16 + 8 * 3 + 3
    masks = [dataset.read_mask(sample) for sample in dataset.split("val")]
    always = [sum((segdata.Confusion.of(m, np.full_like(m, c), dataset.labels) for m in masks), segdata.Confusion.empty(3))
              for c in range(3)]  # fmt: skip
    assert result.constant == max(always, key=lambda confusion: confusion.pixel_accuracy).mean_iou
    assert f"(most frequent class everywhere: mIoU {share(result.constant)})" in "\n".join(closing_lines("run", result))
    held = {path.name for path in (tmp_path / "run").iterdir()}
    assert held == {
        "config.yaml", "recipe.yaml", "run.json", "last.pt", "best.pt", "metrics.csv", "curves.png", "profile.jsonl",
        "events", "samples",
    }  # fmt: skip
    rows = read_rows(tmp_path / "run" / "metrics.csv")
    assert rows == [{k: v for k, v in row.items() if v == v} for row in result.rows]
    assert [row["step"] for row in rows] == [2 * i for i in range(1, 13)]
    height, width, _ = segdata.read_image(tmp_path / "run" / "samples" / "epoch_0012.jpg").shape
    assert height > 2 * 240
    assert width == 3 * 320 + 2 * BETWEEN + 2 * GAP
    assert segdata.read_image(tmp_path / "run" / "curves.png").std() > 5


def test_validation_is_what_the_predictor_gives_at_the_source_size(tmp_path: Path) -> None:
    """The checkpoint alone, its recipe and plain counting come to the numbers that training told."""
    dataset = scenes(tmp_path / "d", sizes=[(24, 32)] * 8 + [(24, 32), (31, 40), (17, 23)])
    result = segdata.train(dataset, tmp_path / "run", **{**QUICK, "epochs": 3}, resize=(16, 16), ema=0.5)
    predictor = load(tmp_path / "run" / "last.pt", trust_code=True)
    total = segdata.Confusion.empty(3)
    for sample in dataset.split("val"):
        image, truth = dataset.read_image(sample), dataset.read_mask(sample)
        probs = predictor(predictor.recipe.prepare(image)[None])
        assert probs.shape == (1, 3, 16, 16)
        np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
        whole = torch.nn.functional.interpolate(torch.from_numpy(probs).log(), truth.shape, mode="bilinear")
        total += segdata.Confusion.of(truth, whole[0].argmax(0).numpy(), dataset.labels)
    assert total.total == sum(n for s in dataset.split("val") for v, n in s.counts.items() if v != 255)
    assert result.rows[-1]["pixel_accuracy"] == pytest.approx(total.pixel_accuracy, abs=2e-3)
    assert result.rows[-1]["mean_iou"] == pytest.approx(total.mean_iou, abs=5e-3)


EVERYTHING: dict[str, Any] = {
    **QUICK, "epochs": 4, "accumulate": 2, "ema": 0.9, "clip": 1.0, "recipe": "standard", "warmup": 0.5,
    "class_weights": "median_frequency", "sampler": "class_aware", "crop": (16, 16),
}  # fmt: skip


@pytest.mark.parametrize("changed", [{}, {"optimizer": "sgd", "crop": None, "ema": None, "schedule": "onecycle"}])
def test_a_stopped_run_comes_to_the_same_bits(
    dataset: segdata.Dataset, tmp_path: Path, changed: dict[str, Any]
) -> None:
    """Stopped in the middle of epochs, with and without a checkpoint written there, and with the cache on and off."""
    options = {**EVERYTHING, **changed}
    segdata.train(dataset, tmp_path / "whole", **options)
    for steps, minutes, cache in ((3, 1e-9, "yes"), (5, 10.0, "no"), (2, 1e-9, "no")):
        with pytest.raises(Stopped):
            segdata.train(
                dataset, tmp_path / "cut", **options, watch=stop_after(steps), save_minutes=minutes, cache=cache
            )
    result = segdata.train(dataset, tmp_path / "cut", **options)
    whole, cut = tensors(tmp_path / "whole" / "last.pt"), tensors(tmp_path / "cut" / "last.pt")
    assert same(
        {k: v for k, v in whole.items() if "/options/" not in k}, {k: v for k, v in cut.items() if "/options/" not in k}
    )
    assert len(whole) > 20
    assert (tmp_path / "cut" / "config.yaml").read_text() == (tmp_path / "whole" / "config.yaml").read_text()
    again = segdata.train(dataset, tmp_path / "cut", **options)  # finished: returned as it is
    assert again == result


def test_workers_load_the_same(dataset: segdata.Dataset, tmp_path: Path) -> None:
    options = {**EVERYTHING, "epochs": 1}
    one = segdata.train(dataset, tmp_path / "one", **options)
    two = segdata.train(dataset, tmp_path / "two", **options, workers=2)
    assert one.rows[0]["train_loss"] == two.rows[0]["train_loss"]
    skip = ("/options/", "seconds")
    parts = [
        {k: v for k, v in tensors(tmp_path / name / "last.pt").items() if not any(s in k for s in skip)}
        for name in ("one", "two")
    ]
    assert same(*parts)


def test_a_run_of_other_options_or_data_is_not_gone_on_with(dataset: segdata.Dataset, tmp_path: Path) -> None:
    segdata.train(dataset, tmp_path / "run", **QUICK)
    with pytest.raises(DatasetError, match=r"other options \(--lr 0.02 there, 0.5 now\).*--config .*config.yaml alone"):
        segdata.train(dataset, tmp_path / "run", **{**QUICK, "lr": 0.5})
    other = scenes(tmp_path / "other", train=9)
    with pytest.raises(DatasetError, match="the dataset has changed since"):
        segdata.train(other, tmp_path / "run", **QUICK)
    renamed = scenes(tmp_path / "renamed", names=("ground", "red", "green"))
    with pytest.raises(DatasetError, match=r"class 2 is 'blue' in .*\.pt, 'green' in the dataset: train again"):
        segdata.train(renamed, tmp_path / "run", **QUICK)
    segdata.train(renamed, tmp_path / "new", **QUICK, init=str(tmp_path / "run" / "best.pt"))  # by name: test_initial
    with pytest.raises(DatasetError, match="holds files that are not from a run"):
        segdata.train(dataset, dataset.root, **QUICK)
    segdata.train(renamed, tmp_path / "run", **QUICK, overwrite=True)


def test_fine_tuning_starts_from_a_checkpoint(dataset: segdata.Dataset, tmp_path: Path) -> None:
    first = segdata.train(dataset, tmp_path / "a", **{**QUICK, "epochs": 8})
    init = str(tmp_path / "a" / "last.pt")
    frozen = {**QUICK, "epochs": 1, "lr": 1e-6, "init": init, "freeze_encoder": True}
    second = segdata.train(dataset, tmp_path / "b", **frozen)
    assert second.rows[0]["mean_iou"] == pytest.approx(first.rows[-1]["mean_iou"], abs=0.02)
    states = [torch.load(tmp_path / name / "last.pt", weights_only=True)["state"] for name in "ab"]
    kept = [name for name in states[0] if torch.equal(states[0][name], states[1][name])]
    assert kept == [name for name in states[0] if "encoder" in name]
    thawed = segdata.train(dataset, tmp_path / "c", **{**frozen, "epochs": 2, "lr": 0.01}, unfreeze_at=2)
    assert len(thawed.rows) == 2
    state = torch.load(tmp_path / "c" / "last.pt", weights_only=True)["state"]
    assert not any(torch.equal(states[0][name], state[name]) for name in state)


@pytest.mark.parametrize(
    "changed", [{"precision": "bf16", "channels_last": True}, {"precision": "fp16", "head": "sigmoid", "loss": "bce"}]
)
def test_mixed_precision(
    dataset: segdata.Dataset, tmp_path: Path, changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Learns as in float32, keeps float32 weights, and is gone on with to the same bits, even if this CPU is slow at it."""
    monkeypatch.setattr(precision, "has_instructions", lambda name: True)
    options = {**QUICK, "epochs": 8, **changed}
    whole = segdata.train(dataset, tmp_path / "whole", **options)
    assert whole.best["mean_iou"] > 0.6
    with pytest.raises(Stopped):
        segdata.train(dataset, tmp_path / "cut", **options, watch=stop_after(7))
    assert segdata.train(dataset, tmp_path / "cut", **options).rows[-1]["train_loss"] == whole.rows[-1]["train_loss"]
    states = [torch.load(tmp_path / name / "last.pt", weights_only=True)["state"] for name in ("whole", "cut")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert {value.dtype for value in states[0].values()} == {torch.float32, torch.int64}


def test_progress_tells_step_loss_and_time_left(dataset: segdata.Dataset, tmp_path: Path) -> None:
    seen: list[Any] = []
    result = segdata.train(dataset, tmp_path / "run", **{**QUICK, "batch": 2}, watch=seen.append)
    assert [(p.epoch, p.step) for p in seen] == [(e, s) for e in (1, 2) for s in (1, 2, 3, 4)]
    assert all((p.epochs, p.steps) == (2, 4) for p in seen)
    assert seen[0].left > 0 == seen[-1].left
    assert seen[3].row == {}
    assert seen[4].row == result.rows[0]
    assert seen[3].loss == pytest.approx(result.rows[0]["train_loss"], rel=0.5)
    assert math.isnan(seen[0].loss), "no step's loss is known yet"
    assert seen[4].loss == result.rows[0]["train_loss"], "after the first step of an epoch, that of the last one"


def test_early_stopping_and_the_best(dataset: segdata.Dataset, tmp_path: Path) -> None:
    options = {**QUICK, "epochs": 30, "lr": 1e-9, "patience": 2, "best": "loss"}
    result = segdata.train(dataset, tmp_path / "run", **options)
    losses = [row["val_loss"] for row in result.rows]
    assert len(losses) < 30
    assert result.best["val_loss"] == min(losses)
    assert len(losses) == losses.index(min(losses)) + 3
    best = torch.load(tmp_path / "run" / "best.pt", weights_only=True)
    assert best["metrics"]["epoch"] == losses.index(min(losses)) + 1
    assert segdata.train(dataset, tmp_path / "run", **options) == result


def test_a_value_that_is_no_class_is_told_before_the_first_step(tmp_path: Path) -> None:
    dataset = scenes(tmp_path / "d")
    path = dataset.root / "masks/val/009.png"
    mask = np.array(Image.open(path))
    mask[5, :7] = 9
    Image.fromarray(mask).save(path)
    with pytest.raises(
        DataError,
        match=r"masks/val/009.png: val/009: .* 9 \(7 pixels\).*\[mask.values\]",
    ):
        segdata.train(dataset, tmp_path / "run", **QUICK)
    assert not (tmp_path / "run").exists()
    told = CliRunner().invoke(main, ["train", str(dataset.root), str(tmp_path / "run")])
    assert told.exit_code == 1
    assert "[mask.values]" in told.stderr
    assert "--on-error" not in told.stderr  # which it has not


def test_a_class_without_pixels_is_refused_unless_told(tmp_path: Path) -> None:
    dataset = scenes(tmp_path / "d", names=("ground", "red", "blue", "green"))
    with pytest.raises(DatasetError, match=r"no pixel to train on of 'green': .*--allow-missing CLASS or all"):
        segdata.train(dataset, tmp_path / "run", **QUICK)
    with pytest.raises(OptionError, match="no such class: did you mean green"):
        segdata.train(dataset, tmp_path / "run", **QUICK, allow_missing=("gren",))
    result = segdata.train(dataset, tmp_path / "run", **QUICK, allow_missing=("green",))
    assert "iou/green" in result.rows[0]


def test_a_class_without_pixels_to_validate_on_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Training says what it means, and gives the class no IoU, or 0 if it is predicted."""
    dataset = scenes(tmp_path / "d")
    samples = [s if s.split == "train" or 2 not in s.counts else None for s in dataset]
    some = [s for s in samples if s is not None]
    path = dataset.root / "masks/val/008.png"
    mask = np.array(Image.open(path))
    mask[mask == 2] = 0
    some.append(
        written(dataset.root, "val/008", "val", np.array(Image.open(dataset.root / "images/val/008.png")), mask)
    )
    segdata.Dataset(dataset.root, dataset.labels, some, {}, "copy").save()
    rows = segdata.train(dataset.root, tmp_path / "run", **QUICK).rows
    told = capsys.readouterr().err
    assert "note: no pixel to validate on of 'blue': such a class cannot be measured: its IoU is 0 if" in told
    assert all(row["iou/blue"] == 0 or row["iou/blue"] != row["iou/blue"] for row in rows)
    segdata.train(dataset.root, tmp_path / "allowed", **QUICK, allow_missing=("blue",))
    assert capsys.readouterr().err == ""


def test_splits_by_expression(tmp_path: Path) -> None:
    """Several splits, or all but one; and never the same samples in both."""
    dataset = scenes(tmp_path / "d", train=12, val=0)
    folds = [msgspec.structs.replace(s, split=f"fold{i % 3}") for i, s in enumerate(dataset)]
    segdata.Dataset(dataset.root, dataset.labels, folds, {}, "copy").save()
    two = segdata.train(dataset.root, tmp_path / "a", **QUICK, train_split="fold1,fold2", val_split="fold0")
    rest = segdata.train(dataset.root, tmp_path / "b", **QUICK, train_split="!fold0", val_split="fold0")
    assert [row["val_loss"] for row in two.rows] == [row["val_loss"] for row in rest.rows]
    with pytest.raises(DatasetError, match="--train-split !fold1 holds fold0, which --val-split fold0 holds too") as e:
        segdata.train(dataset.root, tmp_path / "c", **QUICK, train_split="!fold1", val_split="fold0")
    way = str(e.value).partition("--train-split '")[2].partition("'")[0]
    assert len(segdata.train(dataset.root, tmp_path / "c", **QUICK, train_split=way, val_split="fold0").rows) == 2
    with pytest.raises(DatasetError, match="no split 'fold7'"):
        segdata.train(dataset.root, tmp_path / "d", **QUICK, train_split="!fold7", val_split="fold0")


def test_what_to_validate_on(tmp_path: Path) -> None:
    dataset = scenes(tmp_path / "d", val=0, train=10)
    with pytest.raises(DatasetError, match=r"no split 'val' to validate on: .*--val-share"):
        segdata.train(dataset, tmp_path / "run", **QUICK)
    from segdata.nn.task import hold_out

    train, val = hold_out(dataset, 0.3, 0)
    assert len(val) == 3
    assert {s.id for s in train} | {s.id for s in val} == {s.id for s in dataset}
    assert len(train) == 7
    assert len(segdata.train(dataset, tmp_path / "run", **QUICK, val_share=0.3).rows) == 2


def test_weights_of_classes(dataset: segdata.Dataset, tmp_path: Path) -> None:
    from segdata.nn.options import Training
    from segdata.nn.task import class_weights

    stats = segdata.stats(dataset, split="train")
    (tmp_path / "w.json").write_text(json.dumps(stats.weights_json("enet")))
    train = dataset.split("train")
    given = class_weights(train, Training.of({"weights_file": str(tmp_path / "w.json")}))
    named = class_weights(train, Training.of({"class_weights": "enet"}))
    assert given == named == tuple(stats.weights["enet"].tolist())
    other = scenes(tmp_path / "other", names=("ground", "blue", "red"))
    with pytest.raises(DatasetError, match="has weights of other classes"):
        segdata.train(other, tmp_path / "run", **QUICK, weights_file=str(tmp_path / "w.json"))
    with pytest.raises(OptionError, match="no weights 'rare'"):
        segdata.train(dataset, tmp_path / "run", **QUICK, class_weights="rare")


def test_a_loss_that_is_no_number_names_the_samples(dataset: segdata.Dataset, tmp_path: Path) -> None:
    """The number is that of the step whose loss it was: the second, after the first made the weights huge."""
    for steps, number in (
        (5, 2),
        (2, 2),
        (1, 2),
    ):  # found out by the next step, at the end of an epoch, in the next epoch
        options = {**QUICK, "lr": 1e30, "epochs": 5, "optimizer": "sgd", "steps": steps, "warmup": 0.0}
        with pytest.raises(SegdataError, match=rf"the loss is (nan|inf) in step {number}, on train/00\d, train/") as e:
            segdata.train(dataset, tmp_path / f"run{steps}", **options)
        assert "--clip 1" in str(e.value)
        train, order = dataset.split("train"), Order(np.arange(8), 4, 0)
        ids = [train.samples[key.sample].id for key in order.keys(number - 1)]
        assert f"on {', '.join(ids)}: look at" in str(e.value)


def test_a_gpu_that_is_not_there(dataset: segdata.Dataset, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(OptionError, match=r"--device cuda: torch .* finds 0 GPUs.*--device cpu"):
        segdata.train(dataset, tmp_path / "run", **QUICK, device="cuda")
    with pytest.raises(OptionError, match="no such device"):
        segdata.train(dataset, tmp_path / "run", **QUICK, device="gpu")


def test_options_are_checked(dataset: segdata.Dataset, tmp_path: Path) -> None:
    for given, message in (
        ({"learning_rate": 1}, "training has no option 'learning_rate'"),
        ({"epoch": 3}, "did you mean epochs"),
        ({"lr": "fast"}, "--lr: expected `float`, got `str`"),
        ({"lr": 0}, "--lr: expected `float` > 0"),
        ({"batch": 3, "accumulate": 2}, "cannot be computed in"),
        ({"schedule": "step"}, "--schedule: invalid enum value 'step'"),
        ({"class_weights": "enet", "weights_file": "w"}, "give one of them"),
        ({"loss": "ces"}, "ces"),
        ({"recipe": "stret"}, "did you mean street"),
        ({"warmup": 3}, "--warmup 3: is longer than all of --epochs 2"),
        ({"crops": 3}, "--crops 3: of which size"),
        ({"train_split": "val"}, "--train-split and --val-split are both 'val'"),
        ({"val_split": "val", "val_share": 0.3}, "--val-split and --val-share: give one of them"),
        ({"model": "unet", "encoder": "resnet18", "freeze_encoder": True}, "would keep random weights"),
        ({"model": "train_files:plain", "freeze_encoder": True}, "has no `encoder`"),
        ({"model": "unett"}, "no model 'unett'"),
        ({"model_options": {"wide": 3}}, "'wide'"),
        ({"init": "nowhere.pt"}, "nowhere.pt: cannot be read"),
        ({"model": "unet", "encoder": "resnet18", "encoder_weights": "nowhere.pth"}, "no such file"),
        ({"accumulate": 8, "batch": 4}, "cannot be computed in"),
    ):
        with pytest.raises((OptionError, DatasetError), match=message):
            segdata.train(dataset, tmp_path / "run", **{**QUICK, **given})
        assert not (tmp_path / "run").exists()


def test_what_is_refused_leaves_a_run_as_it_was(dataset: segdata.Dataset, tmp_path: Path) -> None:
    segdata.train(dataset, tmp_path / "run", **QUICK)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    changed = scenes(tmp_path / "changed", train=9)
    for given, overwrite, data in (
        ({"model": "unett"}, True, dataset),
        ({"init": str(tmp_path / "run" / "no.pt")}, True, dataset),
        ({"lr": 0.5}, False, dataset),
        ({}, False, changed),
    ):
        with pytest.raises((OptionError, DatasetError)):
            segdata.train(data, tmp_path / "run", **{**QUICK, **given}, overwrite=overwrite)
        assert before == {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(OptionError, match="holds an input"):
        segdata.train(dataset, tmp_path / "run", **QUICK, init=str(tmp_path / "run" / "last.pt"), overwrite=True)
    again = segdata.train(dataset, tmp_path / "new", **QUICK, init=str(tmp_path / "run" / "last.pt"), overwrite=True)
    assert len(again.rows) == 2


def test_splits_that_are_one_are_taken_where_both_are_named(dataset: segdata.Dataset, tmp_path: Path) -> None:
    both = {**QUICK, "train_split": "val", "val_split": "val"}
    rows = segdata.train(dataset, tmp_path / "run", **both).rows
    again = segdata.train(dataset, tmp_path / "again", config=tmp_path / "run" / "config.yaml").rows
    assert [row["train_loss"] for row in again] == [row["train_loss"] for row in rows]
    assert segdata.train(dataset, tmp_path / "part", **QUICK, train_split="val", val_share=0.5).rows


def test_a_configuration_file_gives_the_same_run(dataset: segdata.Dataset, tmp_path: Path) -> None:
    result = segdata.train(dataset, tmp_path / "a", **QUICK, schedule="cosine")
    again = segdata.train(dataset, tmp_path / "b", config=tmp_path / "a" / "config.yaml")
    assert [r["train_loss"] for r in again.rows] == [r["train_loss"] for r in result.rows]
    (tmp_path / "bad.yaml").write_text("- 1\n")
    with pytest.raises(OptionError, match="not a configuration"):
        segdata.train(dataset, tmp_path / "c", config=tmp_path / "bad.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1\nb: {2\n")
    with pytest.raises(OptionError, match=r"bad.yaml: not a configuration: .*, line 2, column 2") as e:
        segdata.train(dataset, tmp_path / "c", config=tmp_path / "bad.yaml")
    assert "\n" not in str(e.value)
    with pytest.raises(OptionError, match=r"^none.yaml: cannot be read: No such file or directory$"):
        segdata.train(dataset, tmp_path / "c", config="none.yaml")


def test_damaged_checkpoints(dataset: segdata.Dataset, tmp_path: Path) -> None:
    segdata.train(dataset, tmp_path / "run", **QUICK)
    path = tmp_path / "run" / "last.pt"
    whole = path.read_bytes()
    for data, message in ((whole[: len(whole) // 2], "or a damaged one"), (b"", "not a checkpoint")):
        path.write_bytes(data)
        with pytest.raises(DatasetError, match=message):
            load(path)
    torch.save({"state": 1}, path)
    with pytest.raises(DatasetError, match="not a checkpoint of segdata"):
        load(path)
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(DatasetError, match="No such file"):
        load(path)
