"""What trials found about splits, folds, groups and leaks: from the command line, on inputs made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

import trial_files
from carry_files import make, random_masks
from segdata.dataset.dataset import Dataset


def run(*arguments: object, code: int = 0) -> Result:
    return trial_files.run(*arguments, code=code)


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Images and masks of six videos, four frames each, in two folders."""
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (tmp_path / f"src/{name}").mkdir(parents=True)
    for video in range(6):
        for frame in range(0, 80, 20):
            stem = f"vid{video}_{frame:03d}"
            Image.fromarray(rng.integers(0, 256, (16, 24, 3), np.uint8)).save(tmp_path / f"src/images/{stem}.png")
            Image.fromarray(rng.integers(0, 3, (16, 24), np.uint8)).save(tmp_path / f"src/masks/{stem}.png")
    (tmp_path / "src/classes.csv").write_text("id,name\n0,sky\n1,road\n2,car\n")
    return tmp_path / "src"


def masks(source: Path) -> list[Any]:
    folders = ["--image-dir", "images", "--mask-dir", "masks", "--classes", source / "classes.csv"]
    return ["convert", "masks", source, source.parent / "d", *folders]


# Groups


@pytest.mark.parametrize("table", [False, True])
def test_groups_from_convert_to_evaluate(videos: Path, table: bool) -> None:
    rule = "regex:^(vid[0-9])_"
    if table:
        lines = [f"{path.name};{path.name[:4]}" for path in (videos / "images").iterdir()]
        (videos / "who.csv").write_text("\n".join(["image;group", *lines]))
        rule = str(videos / "who.csv")
    out = run(*masks(videos), "--group", rule).stdout
    assert "6 groups of images, the largest 'vid0' of 4" in out
    root = videos.parent
    assert {sample.group for sample in Dataset.open(root / "d")} == {f"vid{i}" for i in range(6)}
    assert "24 images in 6 groups, 3 classes" in run("stats", root / "d").stdout
    run("split", root / "d", root / "s", "--ratios", "train=0.5,val=0.5")
    where = {(sample.group, sample.split) for sample in Dataset.open(root / "s")}
    assert len(where) == 6, "a group is in two splits"
    found = json.loads(run("stats", root / "s", "--json").stdout)
    assert found["groups"] == 6
    assert [part["groups"] for part in found["splits"].values()] == [3, 3]
    assert [one["groups"] for one in found["classes"]] == [6, 6, 6]
    told = json.loads(run("evaluate", root / "s", root / "d", "--json", "--draws", 10).stdout)
    assert (told["intervals"]["of"], told["intervals"]["units"]) == ("groups", 6)


def test_a_conversion_with_other_groups_is_another_one(videos: Path) -> None:
    (videos / "who.csv").write_text(
        "id,group\n" + "".join(f"vid{v}_{f:03d},{v % 2}\n" for v in range(6) for f in range(0, 80, 20))
    )
    run(*masks(videos), "--group", videos / "who.csv")
    assert "is finished already" in run(*masks(videos), "--group", videos / "who.csv").stderr
    run(*masks(videos), "--group", "regex:^(vid[0-9])_", code=1)
    (videos / "who.csv").write_text((videos / "who.csv").read_text().replace(",1\n", ",2\n"))
    assert "exists already" in run(*masks(videos), "--group", videos / "who.csv", code=1).stderr
    run(*masks(videos), "--group", videos / "who.csv", "--overwrite")
    assert {sample.group for sample in Dataset.open(videos.parent / "d")} == {"0", "2"}


def test_check_finds_groups_across_splits(tmp_path: Path) -> None:
    for split, frames in (("train", (1, 2)), ("val", (3, 4))):
        for name in ("images", "masks"):
            folder = tmp_path / f"src/{split}/{name}"
            folder.mkdir(parents=True)
            for frame in frames:
                noise = np.random.default_rng(frame).integers(0, 2, (8, 8), np.uint8)
                Image.fromarray(noise * (255 if name == "images" else 1)).save(folder / f"v_{frame}.png")
    (tmp_path / "c.csv").write_text("id,name\n0,sky\n1,road\n")
    run(
        "convert", "masks", tmp_path / "src", tmp_path / "d", "--image-dir", "{split}/images",
        "--mask-dir", "{split}/masks", "--classes", tmp_path / "c.csv", "--group", "regex:^(.*)_[0-9]+$",
    )  # fmt: skip
    assert (
        "the group 'v' is in several splits: train (2), val (2) [leak.group]"
        in run("check", tmp_path / "d", code=1).stdout
    )


@pytest.mark.parametrize("by", ["regex:(.)$", "parent", "group"])
def test_keep_groups(tmp_path: Path, by: str) -> None:
    masks = random_masks(24)
    fields = {id: {"group": f"g{i % 6}"} for i, id in enumerate(masks)} if by == "group" else {}
    make(tmp_path / "d", masks, fields=fields)
    options = ["--ratios", "a=0.5,b=0.5", "--group-by", by, "--allow-missing", "all"]
    run("split", tmp_path / "d", tmp_path / "s", *options, "--keep-groups")
    run("split", tmp_path / "d", tmp_path / "t", *options)
    before = {sample.id: sample.group for sample in Dataset.open(tmp_path / "d")}
    assert {sample.id: sample.group for sample in Dataset.open(tmp_path / "t")} == before
    for sample in Dataset.open(tmp_path / "s"):
        assert sample.group == {"regex:(.)$": sample.id[-1], "parent": sample.id, "group": before[sample.id]}[by]


def test_groups_of_one_name_stay_apart(tmp_path: Path) -> None:
    """An image without a group may be called like another one's group."""
    make(tmp_path / "d", random_masks(12), fields={"001": {"group": "000"}, "002": {"group": "000"}})
    run("split", tmp_path / "d", tmp_path / "s", "--ratios", "a=0.5,b=0.5", "--keep-groups", "--allow-missing", "all")
    groups = {sample.id: sample.group for sample in Dataset.open(tmp_path / "s")}
    assert groups["001"] == groups["002"] != groups["000"]
    assert len(set(groups.values())) == 11


# Folds


def noisy(dataset: Dataset, split: str, root: Path) -> Path:
    """Predictions of one fold, as a dataset: truth with every fifth pixel wrong."""
    fold = dataset.split(split)
    wrong = np.arange(16 * 24).reshape(16, 24) % 5 == 0
    masks = {sample.id: (dataset.read_mask(sample) + wrong) % 3 for sample in fold}
    fields = {sample.id: {"split": sample.split, "group": sample.group} for sample in fold}
    make(root, masks, names=dataset.labels.names, fields=fields)
    return root


def test_folds_from_split_to_one_evaluation(videos: Path) -> None:
    """Each fold is predicted by a model that did not see it; the predictions are joined and evaluated over all samples."""
    root = videos.parent
    run(*masks(videos), "--group", "regex:^(vid[0-9])_")
    run("split", root / "d", root / "folds", "--folds", 3)
    folds = Dataset.open(root / "folds")
    for fold in folds.splits:
        counted = json.loads(run("stats", folds.root, "--split", f"!{fold}", "--json").stdout)
        assert counted["images"] == len(folds) - len(folds.split(fold))
        assert counted["splits"].keys() == {*folds.splits} - {fold}
        noisy(folds, fold, root / f"pred-{fold}")
    run("join", *(root / f"pred-{fold}" for fold in folds.splits), root / "pred")
    told = json.loads(
        run("evaluate", root / "pred", root / "folds", "--json", "--missing", "stop", "--draws", 10).stdout
    )
    assert len(told["images"]) == 24
    assert told["pixel_accuracy"] == pytest.approx(1 - np.mean(np.arange(16 * 24) % 5 == 0))
    two = json.loads(
        run("evaluate", root / "pred", root / "folds", "--split", "fold0,fold2", "--json", "--draws", 0).stdout
    )
    assert len(two["images"]) == len(folds.split("fold0")) + len(folds.split("fold2"))


def test_a_split_that_is_none_lists_those_that_are(videos: Path) -> None:
    run(*masks(videos))
    run("split", videos.parent / "d", videos.parent / "folds", "--folds", 3)
    for text in ("fold7", "!fold7", "fold0,fold7"):
        assert (
            "no split 'fold7': there are fold0, fold1, fold2"
            in run("stats", videos.parent / "folds", "--split", text, code=1).stderr
        )


def test_join_tells_groups_that_become_one(tmp_path: Path) -> None:
    for name in "ab":
        make(tmp_path / name, {f"{name}{i}": np.zeros((2, 2)) for i in range(2)}, fields={f"{name}0": {"group": "7"}})
    out = run("join", tmp_path / "a", tmp_path / "b", tmp_path / "j").stdout
    assert "note:        1 groups are in several of the datasets, and stay one each: 7" in out


# Blocks and frames


def test_one_scene_is_tiled_and_divided(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    make(tmp_path / "d", {"scene": rng.integers(0, 3, (96, 128))}, images="copy")
    run("tile", tmp_path / "d", tmp_path / "t", "--size", 16, "--overlap", 0.5)
    assert (
        "1 groups (scene) cannot fill 2 splits"
        in run("split", tmp_path / "t", tmp_path / "s", "--ratios", "train=0.7,val=0.3", code=1).stderr
    )
    out = run("split", tmp_path / "t", tmp_path / "s", "--ratios", "train=0.7,val=0.3", "--by", "block:2x3").stdout
    assert "samples, which reach from one block into another split's (receipt.json lists them)" in out
    seen = np.zeros((2, 96, 128), np.bool_)
    for sample in Dataset.open(tmp_path / "s"):
        assert sample.window is not None
        seen[sample.split == "val"][sample.window.slices] = True
    assert not seen.all(axis=0).any()
    told = run("check", tmp_path / "s", "--splits").stdout
    assert "in blocks that share no pixel" in told
    assert "not looked for: crops of one scene that were scaled, or turned by other than right angles" in told


# Odd datasets

TWELVE = [f"f{i * 10**25}" for i in range(12)]

ODD: dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {
    "empty": ({}, {}),
    "one image": ({"a": np.zeros((3, 3))}, {}),
    "all ignored": ({f"{split}/{i}": np.full((3, 3), 255) for i in range(3) for split in ("train", "val")}, {}),
    "one pixel": ({f"{split}/{i}": np.zeros((1, 1)) for i in range(3) for split in ("train", "val")}, {}),
    "odd splits": (
        {str(i): np.zeros((4, 4)) for i in range(6)},
        {str(i): {"split": ("a,b", "", "!x", "=", " ", "../x")[i]} for i in range(6)},
    ),
    "huge numbers": (
        {id: np.zeros((4, 4)) for id in TWELVE},
        {id: {"split": ("a", "b")[i % 2]} for i, id in enumerate(TWELVE)},
    ),
    "counts that cannot be": (
        {str(i): np.zeros((4, 4)) for i in range(6)},
        {str(i): {"counts": {0: 2**62}} for i in range(6)},
    ),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize(
    "command",
    [
        "stats", "stats --recount", "stats --objects --json", "stats --split !train", "check", "check --splits --json",
        "split DST", "split DST --folds 2 --allow-missing all", "split DST --group-by group", "split DST --group-by sequence",
        "split DST --by block:2x2", "split DST --by block:3 --gap 2 --allow-missing all", "split DST --group-by regex:(x?)",
        "join OTHER DST",
    ],
)  # fmt: skip
def test_odd_datasets_end_in_one_line(tmp_path: Path, name: str, command: str) -> None:
    masks, fields = ODD[name]
    make(tmp_path / "d", masks, fields=fields)
    make(tmp_path / "o", {"q": np.zeros((2, 2))})
    verb, *words = command.replace("DST", str(tmp_path / "s")).replace("OTHER", str(tmp_path / "o")).split()
    result = trial_files.run(verb, tmp_path / "d", *words)
    if result.exit_code:
        assert result.exit_code == 1
        assert verb == "check" or len(result.stderr.strip().splitlines()) == 1
