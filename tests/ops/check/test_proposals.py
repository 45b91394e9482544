"""Every split that check proposes can be made, and repairs what it is proposed for."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import segdata
from carry_files import make
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Tiling
from segdata.ops.check.findings import Checked
from segdata.ops.check.operation import check
from segdata.windows import Window


def commands(checked: Checked) -> list[str]:
    """The splits among the repairs, as they are written there."""
    repairs = {finding.repair for finding in checked.findings}
    return sorted(found[0] for repair in repairs if (found := re.search(r"segdata split .*?(?=, or keep|$)", repair)))


def follow(checked: Checked, folder: Path) -> list[Dataset]:
    """The datasets that the proposed splits make; the test fails where one is refused."""
    made = []
    for number, command in enumerate(commands(checked)):
        to = folder / f"s{number}"
        words = [str(to) if word == "DST" else word for word in shlex.split(command)[1:]]
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, f"{command}\n{result.output}"
        made.append(Dataset.open(to))
    return made


@pytest.mark.parametrize("seed", range(30))
def test_proposals_can_be_made(tmp_path: Path, seed: int) -> None:
    """Random datasets: few and many images, classes in one or in all, groups and tiles across splits, odd names of splits."""
    rng = np.random.default_rng(seed)
    splits = [
        ["train", "val"],
        ["train", "val", "test"],
        ["a b", "c,d"],
        ["fold0", "fold1", "fold2", "fold3", "fold4"],
        ["x"],
    ]
    names = [None, *splits[seed % len(splits)]] if seed % 3 == 0 else splits[seed % len(splits)]
    masks, fields = {}, {}
    for i in range(int(rng.integers(1, 25))):
        id = f"{'im' if seed % 2 else 'x'}_{i:03d}" if seed % 4 else "abcdefghijklmnopqrstuvwxyz"[i]
        mask = np.where(rng.random((6, 6)) < 0.03, 2, rng.random((6, 6)) < 0.2).astype(np.uint8)
        fields[id] = {"split": names[int(rng.integers(len(names)))]}
        if seed % 5 in (1, 2) and rng.random() < 0.8:
            fields[id]["group"] = f"g{rng.integers(4)}"
        if seed % 5 in (2, 3) and rng.random() < 0.8:
            fields[id]["parent"] = f"p{rng.integers(3)}"
        masks[id] = mask
    make(tmp_path / "d", masks, fields=fields)
    for made in follow(check(tmp_path / "d"), tmp_path):
        assert (
            not {f.code for f in check(made).findings} & {"leak.group", "split.none", "split.partial"} or len(made) < 3
        )


def tiles(root: Path, side: int, step: int, split: Any) -> Dataset:
    """One scene of 64 x 64 in tiles; `split` (number, window) names the split of each."""
    masks, fields = {}, {}
    places = [(y, x) for y in range(0, 64 - side + 1, step) for x in range(0, 64 - side + 1, step)]
    for number, (y, x) in enumerate(places):
        id = f"scene_{y:02d}_{x:02d}"
        masks[id] = np.full((4, 4), number % 3)
        window = Window(y, x, side, side)
        fields[id] = {
            "parent": "scene",
            "window": window,
            "tiling": Tiling(parent=(64, 64)),
            "split": split(number, window),
        }
    return make(root, masks, fields=fields)


@pytest.mark.parametrize(("side", "step"), [(8, 8), (8, 4), (16, 16), (16, 8)])
def test_a_scene_whose_tiles_are_in_several_splits_is_divided(tmp_path: Path, side: int, step: int) -> None:
    tiles(tmp_path / "d", side, step, lambda number, _: ("train", "val")[number % 2])
    checked = check(tmp_path / "d", splits_only=True)
    assert [f.level for f in checked.findings if f.code == "leak.parent"] == ["error"]
    assert any("--by block:" in command for command in commands(checked))
    for made in follow(checked, tmp_path):
        again = check(made, splits_only=True)
        assert again.ok
        assert "split.blocks" in {finding.code for finding in again.findings}


def test_groups_do_not_hide_tiles_that_overlap(tmp_path: Path) -> None:
    source = tiles(tmp_path / "d", 8, 4, lambda _, window: "train" if window.x < 32 else "val")
    lines = (tmp_path / "d/manifest.jsonl").read_text().splitlines()
    edited = [
        line.replace('"group":null', f'"group":"{sample.split}"') for line, sample in zip(lines, source, strict=True)
    ]
    (tmp_path / "d/manifest.jsonl").write_text("\n".join(edited))
    (leak,) = [f for f in check(tmp_path / "d", splits_only=True).findings if f.level == "error"]
    assert leak.code == "leak.parent"


def smooth(rng: np.random.Generator, height: int, width: int) -> Image.Image:
    """Soft noise of about the detail of a photograph."""
    coarse = rng.integers(0, 256, (height // 8, width // 8, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def frames(root: Path, *, film: bool, images: str = "copy") -> Dataset:
    """40 images that run on, of a film that pans or of different things; every second one is in val."""
    masks = {f"cam_{n:03d}": np.arange(128 * 128).reshape(128, 128) % 3 for n in range(40)}
    made = make(
        root, masks, images=images, fields={id: {"split": ("train", "val")[n % 2]} for n, id in enumerate(masks)}
    )
    rng = np.random.default_rng(1)
    world = smooth(rng, 128, 1024)
    for n, sample in enumerate(made if images == "copy" else ()):
        image = world.crop((4 * n, 0, 4 * n + 128, 128)) if film else smooth(rng, 128, 128)
        image.save(root / str(sample.image))
    return Dataset.open(root)


def test_frames_in_two_splits_are_told(tmp_path: Path) -> None:
    frames(tmp_path / "d", film=True)
    checked = check(tmp_path / "d", splits_only=True)
    (leak,) = [finding for finding in checked.findings if finding.code == "leak.frames"]
    assert leak.level == "warning"
    assert (
        "images follow one another, and 40 of 40 are within 5 frames of one in another split (cam_#: cam_000 in train"
        in leak.message
    )
    assert "--by block:" in leak.repair
    for made in follow(checked, tmp_path):
        if made.made_by["options"].get("by"):
            assert "leak.frames" not in {finding.code for finding in check(made, splits_only=True).findings}


def test_numbered_images_that_do_not_look_alike_are_no_frames(tmp_path: Path) -> None:
    frames(tmp_path / "d", film=False)
    assert "leak.frames" not in {finding.code for finding in check(tmp_path / "d").findings}


def test_ids_alone_are_a_note(tmp_path: Path) -> None:
    frames(tmp_path / "d", film=False, images="none")
    (leak,) = [finding for finding in check(tmp_path / "d").findings if finding.code == "leak.frames"]
    assert leak.level == "note"
    assert leak.repair.startswith("nothing, if they are not of one sequence; else segdata split")


def test_each_split_counts_its_own_frames(tmp_path: Path) -> None:
    masks = {f"{split}/im_{n:03d}": np.zeros((4, 4)) for split in ("train", "val") for n in range(12)}
    make(tmp_path / "d", masks, names=("road",))
    assert "leak.frames" not in {finding.code for finding in check(tmp_path / "d").findings}


def test_a_class_that_cannot_be_in_every_split(tmp_path: Path) -> None:
    masks = {f"{split}/{i}": np.zeros((4, 4), int) for split in ("train", "val") for i in "abcd"}
    masks["train/a"][0, 0] = 1
    make(tmp_path / "d", masks, names=("road", "rare"))
    (finding,) = [f for f in check(tmp_path / "d").findings if f.code == "class.split"]
    assert (
        finding.repair == "add images of rare: too few hold them for all splits; or merge the classes (segdata remap)"
    )
    masks["train/b"][0, 0] = 1
    segdata_root = make(tmp_path / "e", masks, names=("road", "rare")).root
    (finding,) = [f for f in check(segdata_root).findings if f.code == "class.split"]
    (made,) = follow(check(segdata_root), tmp_path)
    assert "class.split" not in {f.code for f in check(made).findings}
    assert segdata.stats(made).splits["val"].counts.pixels[1] == 1
