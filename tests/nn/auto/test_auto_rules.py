"""The rules by examples: what each kind of dataset gives, and that every plan is one that a training takes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

pytest.importorskip("torch")

from segdata.nn.auto import rules
from segdata.nn.auto.fingerprint import Fingerprint
from segdata.nn.auto.plan_file import options
from segdata.nn.auto.rules import Length, Machine, plan_for
from segdata.nn.options import Training

CAMVID = Fingerprint(
    train_split="train", val_split="val", images=367, val_images=101, units=367, size=(360, 480), largest=360, same=True, bands=3,
    dtype="uint8", span=None, placed=False, classes=("sky", "building", "pole", "road", "car"),
    shares=(0.16, 0.3, 0.01, 0.5, 0.03),
    held=(1, 1, 1, 1, 0.9), areas=(5e4, 9e4, 200, 8e4, 900), thickness=(60, 40, 3.1, 90, 20), measured=200,
)  # fmt: skip


def but(**changes: Any) -> Fingerprint:
    return msgspec.structs.replace(CAMVID, **changes)


PETS = but(train_split="trainval", val_split=None, images=78, val_images=0, units=78, size=(375, 500), largest=500, same=False,
           classes=("pet", "background"), shares=(0.3, 0.7), held=(1, 1), areas=(4e4, 9e4), thickness=(60, 80))  # fmt: skip
TILES = but(images=24, placed=True, size=(256, 256), largest=256, classes=("other", "building"), shares=(0.995, 0.005),
            held=(1, 0.3), areas=(9e4, 300), thickness=(100, 12))  # fmt: skip
DEEP = but(bands=4, dtype="uint16", span=(120.0, 3200.0))
GREY = but(bands=1)
ONE = but(images=1, val_images=0, val_split=None, units=1)
MANY = but(images=100_000, val_images=5000, units=100_000, size=(480, 640), same=False)
LARGE = but(size=(1024, 2048), largest=1024)
SMALL = but(size=(24, 32), largest=24)
ALL = {
    "camvid": CAMVID, "pets": PETS, "tiles": TILES, "deep": DEEP, "grey": GREY, "one": ONE, "many": MANY, "large": LARGE,
    "small": SMALL,
}  # fmt: skip


def plan(facts: Fingerprint, *, weights: bool = True, gpu: bool = False, side: int | None = None) -> dict[str, Any]:
    return options(plan_for(facts, Machine(gpu, weights), side))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("machine", [Machine(gpu, weights) for gpu in (False, True) for weights in (False, True)])
def test_every_plan_is_one_that_a_training_takes(name: str, machine: Machine) -> None:
    for side in rules.sides(ALL[name]):
        made = (*plan_for(ALL[name], machine, side), *rules.length(Length(10, 40), "x"))
        assert len({one.name for one in made}) == len(made)
        assert all(one.reason for one in made)
        Training.of(options(made))


def test_camvid_at_half_size() -> None:
    """The recipe of docs/training.md."""
    found = plan(CAMVID)
    wanted = {
        "short_side": 180, "recipe": "street", "encoder": "efficientnet_lite0", "encoder_weights": "imagenet",
        "encoder_rate": 0.1, "loss": "ce+dice", "lr": 0.002, "weight_decay": 0.01, "schedule": "cosine",
        "batch": 8, "train_split": "train",
        "val_split": "val", "sampler": "uniform",
    }  # fmt: skip
    assert wanted.items() <= found.items()
    scratch = plan(CAMVID, weights=False)
    assert scratch["model_options"] == {"width": 24, "stem": 2}
    assert "encoder" not in scratch
    reason = next(one.reason for one in plan_for(CAMVID, Machine()) if one.name == "short_side")
    assert reason.endswith("under 2 pixels wide there: pole")


def test_pets() -> None:
    found = plan(PETS)
    assert found["resize"] == [184, 184]
    assert (found["recipe"], found["train_split"], found["val_share"]) == ("strong", "trainval", 0.2)
    assert "val_split" not in found


def test_tiles_of_a_map_are_cut_and_rare_classes_drawn() -> None:
    found = plan(TILES)
    assert found["crop"] == [160, 160]
    assert not {"resize", "short_side"} & found.keys()
    assert (found["recipe"], found["sampler"]) == ("aerial", "class_aware")


def test_large_images_are_cut() -> None:
    found = plan(LARGE)
    assert found["crop"] == [160, 160]
    assert found["recipe"] == "street"


def test_bands_and_values() -> None:
    assert (plan(DEEP)["recipe"], plan(DEEP)["scale_values"]) == ("aerial", [120.0, 3200.0])
    assert plan(GREY)["recipe"] == "medical"


def test_one_image_is_validated_on_itself_and_told() -> None:
    made = plan_for(ONE, Machine())
    assert options(made)["val_split"] == "train"
    assert "says nothing" in next(one.reason for one in made if one.name == "val_split")


def test_many_images() -> None:
    assert plan(MANY)["recipe"] == "street"
    assert plan(but(images=100_000, classes=("a", "b", "c", "d", "e")))["recipe"] == "standard"


def test_a_class_that_most_images_lack_is_drawn_more_often() -> None:
    assert plan(but(shares=(0.2, 0.3, 0.001, 0.4, 0.099), held=(1, 1, 0.1, 1, 1)))["sampler"] == "class_aware"
    assert plan(but(shares=(0.2, 0.3, 0.001, 0.4, 0.099), held=(1, 1, 0.9, 1, 1)))["sampler"] == "uniform"


def test_a_gpu_takes_larger_batches_and_bf16() -> None:
    assert (plan(CAMVID, gpu=True)["batch"], plan(CAMVID, gpu=True)["precision"]) == (16, "bf16")


@pytest.mark.parametrize("name", ALL)
def test_the_largest_side_at_which_enough_updates_fit_is_taken(name: str) -> None:
    facts = ALL[name]
    sides = rules.sides(facts)
    assert list(sides) == sorted(set(sides), reverse=True)
    assert sides[0] <= max(32, facts.side)
    for number, side in enumerate(sides):
        updates = {one: 1000 if i >= number else 999 for i, one in enumerate(sides)}
        assert rules.best_side(facts, updates, 1000) == side
    assert rules.best_side(facts, dict.fromkeys(sides, 0), 1000) == sides[-1]


def test_the_average_is_that_of_the_recipes() -> None:
    assert (rules.ema(1600), rules.ema(3220)) == (0.99, 0.995)
    assert (rules.ema(1), rules.ema(10**6)) == (0.9, 0.999)
