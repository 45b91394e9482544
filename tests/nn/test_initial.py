"""`--init`: from a checkpoint to other classes, by name; and what does not fit, with the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import segdata  # noqa: E402
from segdata.errors import DatasetError  # noqa: E402
from segdata.labels import Labels  # noqa: E402
from segdata.nn import checkpoint, models  # noqa: E402
from segdata.nn.initial import normalised_apart, start_from  # noqa: E402
from segdata.nn.models import MODELS  # noqa: E402
from segdata.nn.options import Training  # noqa: E402
from segdata.recipes.recipe import Recipe  # noqa: E402
from segdata.recipes.settings import Normalise  # noqa: E402
from train_files import QUICK, scenes  # noqa: E402

LIGHT = "mobilenet_v2"
OLD = ("ground", "red", "blue")
NEW = ("blue", "green", "ground", "Red")


def made(options: Training, names: tuple[str, ...], *, bands: int = 3, seed: int = 0) -> Any:
    """A model of these options and classes, every tensor of it random."""
    torch.manual_seed(seed)
    model = models.build(
        options.model, encoder=options.encoder, bands=bands, classes=len(names), head=options.head, **options.model_options
    )  # fmt: skip
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.1, 1)
    return model


def base(path: Path, options: Training, names: tuple[str, ...] = OLD, *, bands: int = 3) -> dict[str, Any]:
    """Write a checkpoint, and give its state."""
    state = made(options, names, bands=bands).state_dict()
    checkpoint.write(
        path, checkpoint.of(options, state, labels=Labels.of(names), bands=bands, recipe={"version": 1}, dataset="x")
    )
    return dict(state)


def started(path: Path, options: Training, names: tuple[str, ...] = NEW, *, bands: int = 3) -> tuple[Any, Any]:
    """The state of a model before and after it took the checkpoint."""
    model = made(options, names, bands=bands, seed=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    start_from(model, str(path), options, Labels.of(names), bands)
    return before, model.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_classes_of_the_same_name_are_carried_over(model: str, tmp_path: Path, capsys: Any) -> None:
    """Every tensor of every model: whole where it has no class axis, else row by row, and other rows stay as they were."""
    options = Training.of({"model": model, "encoder": LIGHT})
    old = base(tmp_path / "base.pt", options)
    before, after = started(tmp_path / "base.pt", options)
    heads = [name for name, value in after.items() if value.shape != old[name].shape]
    assert heads
    for name, value in after.items():
        if name not in heads:
            assert torch.equal(value, old[name]), name
            continue
        axes = [i for i, n in enumerate(value.shape) if n != old[name].shape[i]]
        expected = before[name].clone()
        pairs = [(0, 2), (2, 0)]  # blue, ground
        if axes == [0]:
            for new, was in pairs:
                expected[new] = old[name][was]
        else:
            assert axes == [0, 1], "an upscore of classes to classes"
            for new, was in pairs:
                for new2, was2 in pairs:
                    expected[new, new2] = old[name][was, was2]
        assert torch.equal(value, expected), name
        assert not torch.equal(value, before[name])
    told = capsys.readouterr().err
    assert told.endswith("carried over by name: blue, ground; new: green, Red; not used: red\n")


def test_as_many_classes_in_another_order_change_places(tmp_path: Path) -> None:
    options = Training.of({"model_options": {"width": 4}})
    old = base(tmp_path / "base.pt", options)
    _, after = started(tmp_path / "base.pt", options, ("blue", "ground", "red"))
    assert torch.equal(after["classify.bias"], old["classify.bias"][[2, 0, 1]])
    assert torch.equal(after["classify.weight"], old["classify.weight"][[2, 0, 1]])


def test_the_same_classes_are_taken_whole(tmp_path: Path, capsys: Any) -> None:
    options = Training.of({"model": "pspnet", "encoder": LIGHT, "model_options": {"auxiliary": False}})
    old = base(tmp_path / "base.pt", options)
    _, after = started(tmp_path / "base.pt", options, OLD)
    assert all(torch.equal(value, old[name]) for name, value in after.items())
    assert capsys.readouterr().err == ""
    before, after = started(tmp_path / "base.pt", Training.of({"model": "pspnet", "encoder": LIGHT}), OLD)
    new = [name for name, value in after.items() if torch.equal(value, before[name]) and "num_batches" not in name]
    assert new == [name for name in after if name.startswith("auxiliary_head.") and "num_batches" not in name]
    assert "all classes are carried over; the auxiliary head is new" in capsys.readouterr().err
    base(tmp_path / "other.pt", Training.of({"model": "pspnet", "encoder": LIGHT}))
    started(tmp_path / "other.pt", options, OLD)  # the base has one, this training has not


@pytest.mark.parametrize(
    ("heads", "names", "rows"),
    [
        (("sigmoid", "sigmoid"), (OLD, NEW), {0: 2, 2: 0}),
        (("softmax", "sigmoid"), (OLD, NEW), None),
        (("sigmoid", "softmax"), (OLD, NEW), None),
        (("sigmoid", "sigmoid"), (("ground", "pet"), ("ground", "pet")), {0: 0}),
        (("sigmoid", "sigmoid"), (("ground", "pet"), ("pet", "ground")), None),  # the one output has the other sign
        (("sigmoid", "sigmoid"), (("ground", "pet"), ("ground", "cat")), None),
        (("sigmoid", "sigmoid"), (("ground", "pet"), ("ground", "pet", "cat")), None),
        (("sigmoid", "sigmoid"), (("ground", "pet", "cat"), ("ground", "pet")), None),
        (("softmax", "softmax"), (("ground", "pet"), ("pet",)), {0: 1}),
        (("softmax", "softmax"), (("ground", "pet"), ("cat", "dog")), None),
    ],
)
def test_heads(heads: Any, names: Any, rows: dict[int, int] | None, tmp_path: Path, capsys: Any) -> None:
    first, second = (Training.of({"model_options": {"width": 4}, "head": head}) for head in heads)
    old = base(tmp_path / "base.pt", first, names[0])["classify.bias"]
    before, after = started(tmp_path / "base.pt", second, names[1])
    expected = before["classify.bias"].clone()
    for new, was in (rows or {}).items():
        expected[new] = old[was]
    assert torch.equal(after["classify.bias"], expected)
    assert ("the head is new" in capsys.readouterr().err) == (rows is None)


def test_other_bands_fit(tmp_path: Path, capsys: Any) -> None:
    for number, given in enumerate(({"model_options": {"width": 4}}, {"model": "train_files:small"})):
        options, path = Training.of(given), tmp_path / f"base{number}.pt"
        old = base(path, options)
        _, after = started(path, options, bands=4)
        first = next(iter(after))
        torch.testing.assert_close(after[first], old[first][:, [0, 1, 2, 0]] * 0.75)
        assert "fitted from 3 to 4 bands" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ({"encoder": LIGHT}, {}, f"of another one: give --model unet --encoder {LIGHT}$"),
        ({}, {"encoder": LIGHT}, "give --model unet, without --encoder$"),
        ({"model_options": {"width": 8}}, {}, "give --model unet --model-option width=8$"),
        (
            {"model": "segnet", "encoder": LIGHT},
            {"encoder": LIGHT},
            "--model segnet .*--encoder-weights instead of --init$",
        ),
    ],
)
def test_another_model_is_refused_with_its_options(old: Any, new: Any, message: str, tmp_path: Path) -> None:
    base(tmp_path / "base.pt", Training.of(old))
    for names in (OLD, NEW):
        with pytest.raises(DatasetError, match=message) as caught:
            started(tmp_path / "base.pt", Training.of(new), names)
        assert str(caught.value).startswith(f"{tmp_path / 'base.pt'}: ")


def test_its_own_contract_is_believed_only_if_it_is_whole(tmp_path: Path) -> None:
    options = Training.of({"model_options": {"width": 4}})
    base(tmp_path / "base.pt", options)
    found = torch.load(tmp_path / "base.pt", weights_only=True)
    for change, message in (
        ({"labels": Labels.of(OLD[:2]).to_json()}, "label contract is damaged: its model has 3 classes"),
        ({"state": {**found["state"], "classify.bias": torch.ones(4)}}, "classify.bias is not as in unet"),
        ({"state": {**found["state"], "more": torch.ones(4)}}, "more is not as in unet"),
    ):
        torch.save({**found, **change}, tmp_path / "bad.pt")
        with pytest.raises(DatasetError, match=message):
            started(tmp_path / "bad.pt", options)


@pytest.mark.parametrize(
    ("theirs", "ours", "told"),
    [
        ("imagenet", "imagenet", False),
        ("imagenet", Normalise((0.5,) * 3, (0.25,) * 3), False),  # a dataset's own
        ("imagenet", Normalise((127 / 255,) * 3, (128 / 255,) * 3), True),
        ("none", "imagenet", True),
        ("none", "none", False),
        (Normalise((0.4,) * 3, (0.2,) * 3), Normalise((0.4,) * 4, (0.1,) * 4), False),  # other bands
    ],
)
def test_weights_that_learnt_from_other_pixels_are_told(theirs: Any, ours: Any, told: bool) -> None:
    one, other = Recipe(normalise_by=theirs), Recipe(normalise_by=ours)
    assert normalised_apart(one, other) == normalised_apart(other, one) == told


def test_a_start_from_other_pixels_is_noted_and_the_recipe_beside_it_is_the_way_out(
    tmp_path: Path, capsys: Any
) -> None:
    dataset = scenes(tmp_path / "d")
    (tmp_path / "own.yaml").write_text("normalise: none\n")
    small = {**QUICK, "model": "unet", "model_options": {"width": 2, "depth": 1}}
    segdata.train(dataset, tmp_path / "a", **small, recipe=str(tmp_path / "own.yaml"))
    init = str(tmp_path / "a" / "best.pt")
    segdata.train(dataset, tmp_path / "b", **small, init=init)
    assert "normalised otherwise" in capsys.readouterr().err
    segdata.train(dataset, tmp_path / "c", **small, init=init, recipe=str(tmp_path / "a" / "recipe.yaml"))
    assert "normalised otherwise" not in capsys.readouterr().err
