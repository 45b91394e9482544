"""Checkpoints from strangers: whatever is in them is refused in one line, before memory is taken and without another file."""

from __future__ import annotations

import contextlib
import copy
import pickle
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from segdata.cli import main
from segdata.errors import DatasetError, OptionError, SegdataError
from segdata.labels import Labels
from segdata.nn import checkpoint, models
from segdata.nn.models import sources, weights
from segdata.nn.options import Training
from segdata.nn.predictor import load
from segdata.nn.saved import load_saved

LABELS = Labels.of(["ground", "red", "blue"])
BIG = 10**9


def whole(model: str = "unet", **options: Any) -> dict[str, Any]:
    """A checkpoint as a training writes it."""
    chosen = Training.of({"model": model, "model_options": options, "val_share": 0.5})
    net = models.build(model, bands=3, classes=3, **options)
    return checkpoint.of(chosen, net.state_dict(), labels=LABELS, bands=3, recipe={}, dataset="0" * 64)


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    """A small one."""
    return whole(width=4, depth=2)


def opened(found: Any, path: Path) -> Any:
    """What the library makes of a file of it."""
    torch.save(found, path)
    return load(path)


@pytest.mark.parametrize("name", models.MODELS)
def test_every_model_comes_back(tmp_path: Path, name: str) -> None:
    """Its shapes can be had without memory, and are those that it has."""
    found = whole(name, **{k: v for k, v in {"width": 8}.items() if k in models.model_options(name)})
    again = opened(found, tmp_path / "model.pt").model.state_dict()
    assert all(torch.equal(again[key], value) for key, value in found["state"].items())


Edit = Callable[[dict[str, Any]], Any]


def put(*keys: str, value: Any) -> Edit:
    """Put a value somewhere."""

    def edit(found: dict[str, Any]) -> None:
        for key in keys[:-1]:
            found = found[key]
        found[keys[-1]] = value

    return edit


def take(*keys: str) -> Edit:
    """Take a value away."""

    def edit(found: dict[str, Any]) -> None:
        for key in keys[:-1]:
            found = found[key]
        del found[keys[-1]]

    return edit


FIRST = "classify.weight"

BAD: dict[str, Edit] = {
    "width": put("model", "options", value={"width": BIG, "depth": 2}),
    "width, allowed": put("model", "options", value={"width": 2**14, "depth": 4}),
    "depth": put("model", "options", value={"width": 4, "depth": BIG}),
    "depth, allowed": put("model", "options", value={"width": 1, "depth": 2**14}),
    "width of nothing": put("model", "options", "width", value=float("nan")),
    "no option": put("model", "options", "nose", value=1),
    "long option": put("model", "options", "decoder", value="x" * 10**6),
    "nested option": put("model", "options", "decoder", value=[[[1]]]),
    "classes": put("model", "classes", value=-3),
    "many classes": put("model", "classes", value=BIG),
    "other classes": put("model", "classes", value=4),
    "a share of classes": put("model", "classes", value=2.5),
    "bands": put("model", "bands", value=BIG),
    "no bands": take("model", "bands"),
    "bands of text": put("model", "bands", value="3"),
    "head": put("model", "head", value="tail"),
    "model": put("model", "name", value="no such"),
    "model of no text": put("model", "name", value=3),
    "no name": take("model", "name"),
    "model as list": put("model", value=[1]),
    "encoder": put("model", "encoder", value="../../x"),
    "hub": put("model", "name", value="smp:Unet/tu-hf_hub:owner/model"),
    "format": put("format", value="1"),
    "format of nothing": put("format", value=float("nan")),
    "later format": put("format", value=BIG),
    "no labels": put("labels", value=None),
    "labels in disorder": put("labels", "classes", value=[{"id": 5, "name": "x", "color": [0, 0, 0]}]),
    "labels of nothing": put("labels", "classes", value=[None]),
    "label colours": put("labels", "classes", value=[{"id": 0, "name": "x", "color": "red"}]),
    "label names": put("labels", "classes", value=[{"id": 0, "name": 7, "color": [0, 0, 0]}]),
    "fewer labels": lambda found: found["labels"]["classes"].pop(),
    "recipe": put("recipe", value=3),
    "recipe of nonsense": put("recipe", value={"resize": {"short": -3}}),
    "recipe of text": put("recipe", value={"transforms": "x"}),
    "state": put("state", value=[1]),
    "state of numbers": lambda found: found.update(state=dict.fromkeys(found["state"], 1.0)),
    "state by number": lambda found: found.update(state=dict(enumerate(found["state"].values()))),
    "a weight is missing": take("state", FIRST),
    "a weight too many": put("state", "more", value=torch.zeros(3)),
    "a weight of another shape": put("state", FIRST, value=torch.zeros(3, 4, 1, 2)),
    "a weight without numbers": put("state", FIRST, value=torch.zeros(3, 4, 1, 1, device="meta")),
    "a sparse weight": put("state", FIRST, value=torch.zeros(3, 4, 1, 1).to_sparse()),
    "a weight of one number": put("state", FIRST, value=torch.zeros(1).expand(3, 4, 1, 1)),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_is_refused_in_a_line(good: dict[str, Any], tmp_path: Path, name: str) -> None:
    found = copy.deepcopy(good)
    BAD[name](found)
    path = tmp_path / "model.pt"
    with pytest.raises(SegdataError) as caught:
        opened(found, path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    result = CliRunner().invoke(main, ["predict", str(path), str(tmp_path), str(tmp_path / "out")])
    assert (result.exit_code, result.stderr) == (1, f"error: {caught.value}\n")


@pytest.mark.parametrize("option", ["encoder_weights", "weights", "encoder_name", "encoder", "bands", "name"])
@pytest.mark.parametrize("value", ["imagenet", "secret.pt", "https://127.0.0.1:9/x.pt"])
@pytest.mark.parametrize("name", ["unet", "deeplabv3", "smp:Unet/resnet34"])
def test_no_other_weights_are_fetched(
    good: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, value: str, name: str
) -> None:
    def never(*_: object, **__: object) -> Any:
        raise AssertionError("another file was asked for")

    for room, door in ((weights, "weights_file"), (weights, "read_state"), (sources, "download_url_to_file")):
        monkeypatch.setattr(room, door, never)
    found = copy.deepcopy(good)
    found["model"].update(name=name, options={option: value}, encoder="resnet18" if name == "deeplabv3" else None)
    found["options"]["encoder_weights"] = found["options"]["init"] = value
    with pytest.raises(DatasetError, match=f"not a checkpoint of segdata: '{option}' is no option of a model"):
        opened(found, tmp_path / "model.pt")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_any_value_anywhere(
    good: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    found = copy.deepcopy({key: value for key, value in good.items() if key != "state"})
    place: Any = found
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(VALUES)
        break
    said = ""
    try:
        opened({**found, "state": good["state"]}, tmp_path_factory.getbasetemp() / "any.pt")
    except SegdataError as error:
        said = str(error)
    assert "\n" not in said


class Deep:
    """Nested lists deeper than Python's stack."""

    def __reduce__(self) -> Any:
        return list, ()


def damaged() -> dict[str, bytes]:
    """Bytes that are no file of torch.save, of all kinds."""
    file = BytesIO()
    torch.save({"format": 1, "state": {"x": torch.zeros(100)}}, file)
    data = file.getvalue()
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    return {
        **{f"cut at {at}": data[:at] for at in (0, 1, 4, 30, 200, len(data) // 2, len(data) - 1)},
        "zeros": bytes(1000),
        "text": b"weights",
        "deep": pickle.dumps(deep, protocol=2),
        "deeper": b"\x80\x02" + b"(" * 10**6 + b"l" * 10**6 + b".",
        "other objects": pickle.dumps(Deep(), protocol=2),
        "many bytes": b"\x80\x02cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x7f\x85R.",
        "no memo": b"\x80\x02h\x05.",
        "no end": b"\x80\x02]",
        "flipped": bytes(b ^ 0x55 if 60 < i < 90 else b for i, b in enumerate(data)),
    }


@pytest.mark.parametrize("name", damaged())
def test_damaged_files_are_refused_in_a_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(damaged()[name])
    with pytest.raises(DatasetError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: not a checkpoint")
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=200))
def test_no_bytes_end_in_another_exception(data: bytes) -> None:
    for start in (b"", b"\x80\x02", b"PK\x03\x04"):
        with contextlib.suppress(ValueError):
            load_saved(BytesIO(start + data))


@pytest.mark.parametrize(
    "edit", [take("train"), take("dataset"), put("train", value=3), put("train", value={"model": None})]
)
def test_a_training_does_not_go_on_from_anything(good: dict[str, Any], tmp_path: Path, edit: Edit) -> None:
    import segdata
    from train_files import scenes

    dataset = scenes(tmp_path / "data")
    options = {
        "epochs": 1,
        "recipe": "none",
        "model_options": {"width": 4, "depth": 2},
        "val_split": "val",
        "tensorboard": False,
    }
    segdata.train(dataset, tmp_path / "run", **options)
    path = tmp_path / "run" / "last.pt"
    found = torch.load(path, weights_only=True)
    edit(found)
    torch.save(found, path)
    with pytest.raises(DatasetError, match=r"last\.pt: (holds no state to go on from|its training state is damaged)"):
        segdata.train(dataset, tmp_path / "run", **{**options, "epochs": 1})


def test_a_recipe_does_not_ask_for_more_pixels_than_memory_holds(good: dict[str, Any], tmp_path: Path) -> None:
    predictor = opened({**good, "recipe": {"resize": {"exact": [BIG, BIG]}}}, tmp_path / "model.pt")
    with pytest.raises(SegdataError, match="more than the limit"):
        predictor.recipe.prepare(np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(OptionError):
        models.build("unet", bands=3, classes=3, nose=1)
