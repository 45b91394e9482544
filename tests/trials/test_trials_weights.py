"""From the command line: starting from one's own checkpoint, typos, splits of other names, and one image into a PNG."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from segdata.dataset.dataset import Dataset  # noqa: E402
from train_files import QUICK, scenes  # noqa: E402
from trial_files import run  # noqa: E402

pytestmark = pytest.mark.torch

FLAGS = "--model train_files:small --epochs 1 --batch 4 --threads 1 --images 0 --no-tensorboard --device cpu"


def refused(*words: object) -> str:
    """The one line of a refusal."""
    result = run(*words)
    assert result.exit_code == 1, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return str(lines[0])


def trained(root: Path, *words: object) -> Any:
    result = run("train", *words, *shlex.split(FLAGS))
    assert result.exit_code == 0, result.output
    return result


def test_from_ones_own_checkpoint_to_other_classes(tmp_path: Path) -> None:
    scenes(tmp_path / "a")
    scenes(tmp_path / "b", names=("blue", "ground", "car"))
    trained(tmp_path, tmp_path / "a", tmp_path / "base")
    base = tmp_path / "base/best.pt"
    result = trained(tmp_path, tmp_path / "b", tmp_path / "run", "--init", base, "--lr", "1e-9")
    assert f"--init {base}: carried over by name: blue, ground; new: car; not used: red" in result.stderr
    old, new = (torch.load(path, weights_only=True) for path in (base, tmp_path / "run/last.pt"))
    torch.testing.assert_close(
        new["state"]["net.head.1.weight"][:2], old["state"]["net.head.1.weight"][[2, 0]], atol=1e-6, rtol=1e-5
    )
    assert [c["name"] for c in new["labels"]["classes"]] == ["blue", "ground", "car"]
    result = trained(tmp_path, tmp_path / "b", tmp_path / "enc", "--encoder-weights", base)
    assert f"tensors of {base} under net.encoder.*; left out: net.head.1.weight, net.head.1.bias" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "unett"], "no model 'unett': did you mean unet?"),
        (["--model", "DeepLabV3+"], "did you mean deeplabv3"),
        (["--encoder", "resnet-50"], "no encoder 'resnet-50': did you mean resnet50"),
        (["--encoder", "MobileNetV2"], "no encoder 'MobileNetV2': did you mean mobilenet_v2?"),
        (["--loss", "ce+dise"], "no loss 'dise': did you mean dice?"),
        (["--class-weights", "enett"], "no weights 'enett': did you mean enet?"),
        (["--recipe", "lihgt"], "no recipe 'lihgt': did you mean light?"),
        (["--model", "train_files:smal"], "no attribute 'smal'"),
        (["--model", "nothing_here:net"], "No module named 'nothing_here'"),
        (["--model-option", "widht=3"], "unet has no option 'widht'"),
        (["--init", "no.pt"], "--init no.pt: cannot be read: there is no such file"),
        (["--encoder-weights", "no.pth", "--encoder", "resnet18"], "'no.pth': no such file"),
        (["--weights-file", "no.json"], "--weights-file no.json: cannot be read"),
    ],
)
def test_a_typo_is_refused_before_the_dataset_is_looked_at(words: list[str], message: str, tmp_path: Path) -> None:
    """There is no dataset at all."""
    assert message in refused("train", tmp_path / "none", tmp_path / "run", *words)
    assert message in refused("train", tmp_path / "none", tmp_path / "run", *words, "--lr-find")


def test_a_typo_in_a_file_of_options_is_answered_too(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("optimizer: adamm\n")
    line = refused("train", tmp_path / "none", tmp_path / "run", "--config", tmp_path / "c.yaml")
    assert "--optimizer: invalid enum value 'adamm': did you mean adam or adamw?" in line


def renamed(root: Path, names: dict[str, str]) -> None:
    """Give the splits of a dataset of scenes other names."""
    dataset = scenes(root)
    samples = [
        type(s)(**{f: getattr(s, f) for f in s.__struct_fields__} | {"split": names[str(s.split)]}) for s in dataset
    ]
    replace(dataset, samples=samples).save()
    assert set(Dataset.open(root).splits) == set(names.values())


@pytest.mark.parametrize(
    ("train", "val", "way"),
    [
        ("train", "valid", "--val-split valid"),
        ("train", "validation", "--val-split validation"),
        ("TRAIN", "VAL", "--train-split TRAIN --val-split VAL"),
        ("Training", "Validation", "--train-split Training --val-split Validation"),
        ("train2017", "val2017", "--train-split train2017 --val-split val2017"),
        ("training", "dev", "--train-split training --val-split dev"),
        ("default", "default", "--train-split default --val-share 0.2"),
        ("train", "testing", "--val-share 0.2"),
        ("train", "test", "--val-share 0.2"),
        ("training", "test", "--train-split training --val-share 0.2"),
    ],
)
def test_the_way_out_of_splits_of_other_names_runs(train: str, val: str, way: str, tmp_path: Path) -> None:
    renamed(tmp_path / "d", {"train": train, "val": val})
    line = refused("train", tmp_path / "d", tmp_path / "run", *shlex.split(FLAGS))
    found = re.search(r"give (--[^()]*?)(\)|$)", line) or re.search(r"\(give (.*?)\)", line)
    assert found is not None, line
    assert found[1] == way
    assert f"there are {', '.join(dict.fromkeys(sorted((train, val))))}" in line or train in line
    trained(tmp_path, tmp_path / "d", tmp_path / "run", *shlex.split(found[1]))


def test_a_split_that_was_typed_wrong_is_answered(tmp_path: Path) -> None:
    scenes(tmp_path / "d")
    line = refused("train", tmp_path / "d", tmp_path / "run", "--val-split", "vla")
    assert "no split 'vla' to validate on: there are train, val: give --val-split val" in line
    renamed(tmp_path / "e", {"train": "left", "val": "right"})
    line = refused("train", tmp_path / "e", tmp_path / "run")
    assert line.endswith("there are left, right: name them with --train-split and --val-split")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model that was trained on scenes, and an image of them."""
    import segdata

    dataset = scenes(tmp_path / "d")
    segdata.train(dataset, tmp_path / "run", **{**QUICK, "epochs": 8})
    image = Image.open(tmp_path / "d/images/val/009.png")
    image.save(tmp_path / "photo.jpg", quality=95)
    return tmp_path / "run/best.pt"


def test_one_image_into_a_png(model: Path, tmp_path: Path) -> None:
    """Its values are those of the dataset that the same command makes with a folder, and its palette shows the classes."""
    words = ("predict", model, tmp_path / "photo.jpg")
    result = run(*words, tmp_path / "out.png", "--trust-code")
    assert result.exit_code == 0, result.output
    assert run(*words, tmp_path / "folder", "--trust-code").exit_code == 0
    with Image.open(tmp_path / "out.png") as opened, Image.open(tmp_path / "folder/masks/photo.png") as mask:
        assert opened.mode == "P"
        assert np.array_equal(np.asarray(opened), np.asarray(mask))
        labels = Dataset.open(tmp_path / "folder").labels
        assert np.array_equal(np.asarray(opened.convert("RGB")), labels.palette()[np.asarray(mask)])
    assert f"mask: {tmp_path / 'out.png'}: 32 x 24, values are class ids" in result.stdout
    assert re.search(r"^ +1  red +#[0-9a-f]{6} +[\d.]+ %$", result.stdout, re.MULTILINE)
    assert not list(tmp_path.glob("out*.partial"))
    before = (tmp_path / "out.png").read_bytes()
    assert "out.png: exists: choose another name, or --overwrite" in refused(
        *words, tmp_path / "out.png", "--trust-code"
    )
    assert run(*words, tmp_path / "out.png", "--trust-code", "--overwrite").exit_code == 0
    assert (tmp_path / "out.png").read_bytes() == before


def test_what_does_not_fit_into_one_file_is_refused(model: Path, tmp_path: Path) -> None:
    photo, words = tmp_path / "photo.jpg", ("predict", model)
    for more, message in (
        ((photo, "out.jpg"), "out.jpg: a mask is written as a PNG, which loses nothing: call it out.png"),
        ((photo, "out.TIF"), "call it out.png"),
        ((photo, "out.png", "--scores"), "--scores: not for one image into out.png: name a folder, such as out"),
        ((photo, "out.png", "--entropy"), "--entropy: not for one image"),
        ((tmp_path / "d/images", "out.png"), "is none: name a folder, such as out"),
        ((tmp_path / "none.jpg", "out.png"), "none.jpg is none"),
        ((tmp_path / "d/images/val/009.png", tmp_path / "d/images/val/009.png", "--overwrite"), "is what is read"),
    ):
        assert message in refused(*words, *more, "--trust-code")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    for how in ((), ("--on-error", "skip")):
        assert "broken.jpg" in refused(*words, tmp_path / "broken.jpg", tmp_path / "out.png", "--trust-code", *how)
    assert not (tmp_path / "out.png").exists()


def test_predict_takes_a_gpu_as_train_does(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is one, by itself; `--device cpu` leaves it."""
    from segdata.nn import predictor

    asked = []

    def chosen(name: str) -> Any:
        asked.append(name)
        return torch.device("cpu")

    monkeypatch.setattr(predictor, "choose_device", chosen)
    for number, words in enumerate(((), ("--device", "cpu"), ("--device", "cuda:1"))):
        assert (
            run("predict", model, tmp_path / "photo.jpg", tmp_path / f"{number}.png", "--trust-code", *words).exit_code
            == 0
        )
    assert asked == ["auto", "cpu", "cuda:1"]
    monkeypatch.undo()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert predictor.choose_device("auto") == torch.device("cuda", 0)
