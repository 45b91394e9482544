"""Which ids look like frames: names as sets have them, and names that only hold numbers."""

from __future__ import annotations

import random

import pytest

from segdata.dataset.sequences import in_order, sequences


@pytest.mark.parametrize(
    ("ids", "name", "step"),
    [
        ([f"0001TP_{6690 + 30 * i:06d}" for i in range(20)], "0001TP_#", 30),
        ([f"Seq05VD_f{5100 + 30 * i:05d}" for i in range(9)], "Seq05VD_f#", 30),
        ([f"clip7/frame{i}" for i in range(12)], "clip7/frame#", 1),
        ([f"{i:010d}" for i in range(12)], "#", 1),
        ([f"{i:06d}_left" for i in range(0, 60, 5)], "#_left", 5),
        ([f"aachen_{i:06d}_000019" for i in range(30)], "aachen_#_000019", 1),
        ([f"CAM_{1532402927612460 + 500_000 * i + i % 3 * 900}" for i in range(12)], "CAM_#", 500_900),
        ([f"Video 2 (frame {i})" for i in range(1, 9)], "Video 2 (frame #)", 1),
    ],
)
def test_frames_are_seen(ids: list[str], name: str, step: float) -> None:
    random.Random(0).shuffle(ids)
    (found,) = sequences(ids)
    assert (found.name, found.step) == (name, pytest.approx(step, rel=0.01))
    assert sorted(found.ids) == sorted(ids)
    assert list(found.ids) == sorted(ids, key=in_order)
    assert list(found.numbers) == sorted(found.numbers)


@pytest.mark.parametrize(
    "ids",
    [
        [f"{n:012d}" for n in random.Random(1).sample(range(581_921), 300)],
        [f"2007_{n:06d}" for n in random.Random(2).sample(range(9_900), 200)],
        ["a", "b", "c", "d", "e", "f"],
        [f"{letter}_1" for letter in "abcdefgh"],
        [f"f{i}" for i in range(4)],
        [],
    ],
)
def test_other_names_are_no_frames(ids: list[str]) -> None:
    """COCO, VOC, words, a number that never changes, too few."""
    assert sequences(ids) == []


def test_frames_of_a_random_split_are_seen() -> None:
    ids = [f"drive/{n:05d}" for n in sorted(random.Random(3).sample(range(1000), 200))]
    assert [run.ids for run in sequences(ids)] == [tuple(ids)]


def test_several_sequences_and_what_is_in_none() -> None:
    ids = [*(f"b{i:02d}" for i in range(9)), *(f"a{i:02d}" for i in range(7)), "other", "x_1"]
    assert [(run.name, len(run.ids)) for run in sequences(ids)] == [("a#", 7), ("b#", 9)]


def test_a_sequence_lies_across_splits() -> None:
    """A folder that is no split is part of the name."""
    ids = [f"{'train' if i % 2 else 'val'}/v_{i}" for i in range(12)]
    assert [run.name for run in sequences(ids)] == ["train/v_#", "val/v_#"]
    (found,) = sequences(ids, splits=["train", "val"])
    assert found.numbers == tuple(range(12))


def test_the_order_is_that_of_numbers() -> None:
    assert sorted(["f10", "f9", "f9b", "e11", "f"], key=in_order) == ["e11", "f", "f9", "f9b", "f10"]
