"""What intervals leave out: blocks of images in a row, groups that there must be, and ids that look like frames."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from carry_files import make
from segdata.dataset.dataset import Dataset
from segdata.errors import OptionError
from segdata.ops.evaluate.operation import evaluate
from segdata.tiling.tiles import pair_up
from segdata.tiling.units import frames, in_blocks


def dataset(root: Path, ids: list[str]) -> Dataset:
    return make(root, {id: np.zeros((2, 3), int) for id in ids})


def units(truth: Dataset, resample: str) -> dict[str, list[str]]:
    """The ids of each unit, in order."""
    out: dict[str, list[str]] = {}
    for pair in in_blocks(pair_up(truth.samples, [truth.samples], group=False), resample):
        out.setdefault(pair.unit, []).append(pair.id)
    return out


def test_blocks_are_of_neighbours_by_number(tmp_path: Path) -> None:
    truth = dataset(tmp_path / "t", [f"f{i}" for i in range(25)])
    found = units(truth, "block:10")
    assert sorted(len(ids) for ids in found.values()) == [8, 8, 9], "of about one size, 10 at most"
    for ids in found.values():
        numbers = sorted(int(id[1:]) for id in ids)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_no_block_is_of_two_sequences(tmp_path: Path) -> None:
    truth = dataset(
        tmp_path / "t", [*(f"val/a_{i:03d}" for i in range(7)), *(f"val/b_{i:03d}" for i in range(8)), "val/x"]
    )
    found = units(truth, "block:5")
    assert Counter(len(ids) for ids in found.values()) == Counter([4, 3, 4, 4, 1])
    assert all(len({id.split("_")[0] for id in ids}) == 1 for ids in found.values())


def test_ids_of_no_sequence_are_blocked_in_order(tmp_path: Path) -> None:
    truth = dataset(tmp_path / "t", list("hgfedcba"))
    assert list(map(sorted, units(truth, "block:4").values())) == [list("abcd"), list("efgh")]


def test_what_looks_like_frames_is_told_once_images_are_units(tmp_path: Path) -> None:
    truth = dataset(tmp_path / "t", [f"val/drive_{i:04d}" for i in range(0, 400, 20)])
    found = evaluate(truth, truth)
    assert found.frames == ("val/drive_0000", "val/drive_0380")
    (note,) = [note for note in found.cautions if "--resample block:6" in note]
    assert "ids run on from val/drive_0000 to val/drive_0380" in note
    blocks = evaluate(truth, truth, resample="block:5")
    assert (blocks.units, blocks.resampled, blocks.frames) == (4, "blocks of 5 images", None)
    assert frames(pair_up(truth.samples, [], group=False)) == found.frames


def test_groups_that_there_are_not(tmp_path: Path) -> None:
    truth = dataset(tmp_path / "t", list("abcdef"))
    said = "--resample group: no sample of t has a group: --resample image, or --resample block:10"
    with pytest.raises(OptionError, match=said):
        evaluate(truth, truth, resample="group")
    for way_out in ("image", "block:10"):
        assert evaluate(truth, truth, resample=way_out).confusion.mean_iou == 1
    for wrong in ("block", "block:0", "block:-1", "block:x", "images", ""):
        with pytest.raises(OptionError, match=f"--resample {wrong}: must be image, group, or block:N"):
            evaluate(truth, truth, resample=wrong)
