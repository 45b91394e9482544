"""Scenes and sequences in blocks: no pixel and no near number on two sides of a split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import segdata
from carry_files import make
from segdata.dataset.blocks import divide
from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Tiling
from segdata.errors import OptionError
from segdata.ops.split.operation import split
from segdata.ops.split.result import read_report
from segdata.windows import Window

HALVES = {"a": 0.5, "b": 0.5}


def tiled(root: Path, size: tuple[int, int], windows: list[Window], scenes: int = 1) -> Dataset:
    """Scenes of a size in these windows; the masks are 2 x 2, since only the windows count."""
    masks, fields = {}, {}
    for scene in range(scenes):
        for number, window in enumerate(windows):
            id = f"s{scene}_{number:04d}"
            masks[id] = np.zeros((2, 2))
            fields[id] = {"parent": f"s{scene}", "window": window, "tiling": Tiling(parent=size)}
    return make(root, masks, names=("road",), fields=fields)


def sliding(size: tuple[int, int], tile: int, step: int) -> list[Window]:
    ys, xs = (range(0, side - tile + 1, step) for side in size)
    return [Window(y, x, tile, tile) for y in ys for x in xs]


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(8, 60), st.integers(8, 60)), st.integers(1, 9), st.integers(1, 9), st.integers(1, 4),
    st.integers(1, 4), st.integers(0, 5), st.integers(0, 2**16),
)  # fmt: skip
def test_no_pixel_is_on_both_sides(
    tmp_path_factory: Any, size: tuple[int, int], tile: int, step: int, rows: int, columns: int, gap: int, seed: int
) -> None:
    tile = min(tile, *size)
    source = tiled(tmp_path_factory.mktemp("d") / "d", size, sliding(size, tile, step))
    blocks = divide(source, f"block:{rows}x{columns}", gap)
    assigned = np.random.default_rng(seed).integers(0, 3, len(blocks.groups.names))
    seen = np.zeros((3, *size), np.bool_)
    for sample, group, stays in zip(source, blocks.groups.of, blocks.stay(assigned), strict=True):
        assert sample.window is not None
        y, x, h, w = sample.window
        if stays:
            seen[assigned[group], y : y + h, x : x + w] = True
        else:  # it is left out for a reason: with its margin it reaches out of its block
            assert (rows, columns) != (1, 1)
    places = [np.argwhere(one) for one in seen]
    for one in range(3):
        for other in range(one):
            if len(places[one]) and len(places[other]):
                apart = np.abs(places[one][:, None] - places[other][None]).max(axis=2).min()
                assert apart > gap


def test_what_lies_inside_a_block_stays(tmp_path: Path) -> None:
    source = tiled(tmp_path / "d", (40, 40), sliding((40, 40), 10, 5))
    made = split(source, tmp_path / "s", ratios=HALVES, by="block:2x2")
    inside = {
        sample.id for sample in source
        if sample.window and all(start // 20 == (start + 9) // 20 for start in sample.window[:2])
    }  # fmt: skip
    assert inside <= {sample.id for sample in made}
    report = read_report(made)
    assert report.across == len(source) - len(made) > 0
    assert sum(report.samples.values()) == len(made)
    receipt = made.read_receipt()
    assert receipt["images"] == {"in": 49, "split": len(made), "skipped": report.across}
    assert {one["sample"] for one in receipt["skipped"]} == {s.id for s in source} - {s.id for s in made}


def test_blocks_become_groups_and_check_takes_them(tmp_path: Path) -> None:
    source = tiled(tmp_path / "d", (60, 60), sliding((60, 60), 10, 10), scenes=2)
    made = split(source, tmp_path / "s", by="block:3x3", allow_missing=["all"])
    assert made.splits == ("test", "train", "val")
    where = {(sample.group, sample.split) for sample in made}
    assert len(where) == 18
    assert all(str(sample.group).startswith(f"{sample.parent} block ") for sample in made)
    assert len(made) == len(source), "tiles that lie in one block each, without a gap, all stay"
    with_gap = split(source, tmp_path / "g", ratios=HALVES, by="block:2x2", gap=3)
    assert 0 < len(with_gap) < len(source)
    assert made.made_by["options"]["by"] == "block:3x3"


def test_folds_of_blocks(tmp_path: Path) -> None:
    source = tiled(tmp_path / "d", (64, 64), sliding((64, 64), 8, 4))
    made = split(source, tmp_path / "s", folds=4, by="block:4x4", gap=2)
    assert made.splits == ("fold0", "fold1", "fold2", "fold3")
    assert len(made.split("!fold0")) == len(made) - len(made.split("fold0"))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 200), min_size=8, max_size=40, unique=True), st.integers(1, 6), st.integers(0, 9), st.data()
)
def test_no_near_number_is_on_both_sides(
    tmp_path_factory: Any, numbers: list[int], parts: int, gap: int, data: st.DataObject
) -> None:
    assume(max(numbers) - min(numbers) <= 10 * (len(numbers) - 1))
    root = tmp_path_factory.mktemp("d") / "d"
    source = make(root, {f"cam_{n}": np.zeros((2, 2)) for n in numbers}, names=("road",))
    blocks = divide(source, f"block:{parts}", gap)
    assert len(blocks.groups.names) <= parts
    assigned = np.array(data.draw(st.lists(st.integers(0, 1), min_size=parts, max_size=parts)))
    kept = [
        (int(sample.id[4:]), assigned[group])
        for sample, group, stays in zip(source, blocks.groups.of, blocks.stay(assigned), strict=True) if stays
    ]  # fmt: skip
    apart = [abs(a - b) for a, split_a in kept for b, split_b in kept if split_a != split_b]
    assert all(number > gap for number in apart)
    assert len(kept) == len(source) or gap


def test_tiles_of_a_frame_are_in_one_block(tmp_path: Path) -> None:
    masks = {f"v_{n:03d}_{x}": np.zeros((2, 2)) for n in range(20) for x in (0, 1)}
    source = make(tmp_path / "d", masks, names=("road",), fields={id: {"parent": id[:-2]} for id in masks})
    made = split(source, tmp_path / "s", ratios=HALVES, by="block:4")
    assert len({(sample.parent, sample.split) for sample in made}) == 20


def test_images_in_no_sequence_stay_together(tmp_path: Path) -> None:
    masks = {**{f"v_{n}": np.zeros((2, 2)) for n in range(12)}, **{f"w{n}": np.zeros((2, 2)) for n in range(3)}}
    made = split(make(tmp_path / "d", masks, names=("road",)), tmp_path / "s", ratios=HALVES, by="block:3")
    assert len({sample.split for sample in made if sample.id.startswith("w")}) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"by": "block:0x2"}, "--by block:0x2: must be block:ROWSxCOLUMNS"),
        ({"by": "blocks"}, "must be block:ROWSxCOLUMNS, as block:2x3, for tiles of a scene, or block:N"),
        ({"by": "block:2x2", "gap": -1}, "--gap -1: must be 0 or more"),
        ({"gap": 3}, "give --by too"),
        ({"by": "block:2x2", "group_by": "parent"}, "--by and --group-by: give one of them"),
        ({"by": "block:1x1"}, "1 groups .* cannot fill 3 splits"),
        ({"by": "block:8x8"}, "splits would have no sample, since .* give fewer blocks"),
        ({"by": "block:2x2", "gap": 99}, "splits would have no sample.* a smaller --gap"),
    ],
)
def test_divisions_that_do_not_do(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    source = tiled(tmp_path / "d", (40, 40), sliding((40, 40), 10, 3))
    with pytest.raises(OptionError, match=words):
        split(source, tmp_path / "s", **options)


def test_what_can_not_be_divided(tmp_path: Path) -> None:
    source = make(tmp_path / "d", {id: np.zeros((2, 2)) for id in "abcdef"}, names=("road",))
    with pytest.raises(OptionError, match=r"6 samples are no tiles of a scene \(a, b, c and 3 more\): cut tiles first"):
        split(source, tmp_path / "s", by="block:2x2")
    with pytest.raises(OptionError, match="no ids look like frames of a sequence"):
        split(source, tmp_path / "s", by="block:4")


def test_a_scene_from_tile_to_split(tmp_path: Path) -> None:
    """The tiles that `segdata.tile` cuts, virtual ones too."""
    rng = np.random.default_rng(0)
    scene = make(tmp_path / "d", {"scene": rng.integers(0, 3, (96, 128))}, images="copy")
    for virtual in (False, True):
        tiles = segdata.tile(scene, tmp_path / f"t{virtual}", size=16, overlap=0.5, virtual=virtual)
        made = split(tiles, tmp_path / f"s{virtual}", ratios={"train": 0.7, "val": 0.3}, by="block:3x4")
        seen = np.zeros((2, 96, 128), np.bool_)
        for sample in made:
            assert sample.window is not None
            seen[made.splits.index(str(sample.split))][sample.window.slices] = True
        assert seen.any(axis=(1, 2)).all()
        assert not seen.all(axis=0).any()
