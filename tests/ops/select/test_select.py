"""Selecting samples: a plain comprehension over the manifest is the oracle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import segdata
from carry_files import contents, make, random_masks
from segdata import Dataset, select
from segdata.cli import main
from segdata.errors import DatasetError, OptionError
from segdata.files.places import file_digest

IDS = [f"train/{i:03d}" for i in range(4)] + [f"val/{i:03d}" for i in range(4, 7)]


def dataset(root: Path, **more: Any) -> Dataset:
    """Seven samples in two splits."""
    masks = random_masks(4, prefix="train/") | random_masks(3, prefix="val/", first=4, seed=1)
    return make(root, masks, **more)


some_ids = st.none() | st.lists(st.sampled_from(IDS), max_size=7)


@settings(max_examples=40)
@given(some_ids, some_ids, st.sampled_from([None, "train", "val", "!val", "train,val"]), st.sampled_from([None, "new"]))
def test_what_is_kept_is_what_was_asked_for(
    tmp_path_factory: Any, ids: Any, without: Any, split: str | None, to_split: str | None
) -> None:
    tmp_path = tmp_path_factory.mktemp("select")
    source = dataset(tmp_path / "d", images="copy")
    splits = {"train": {"train"}, "val": {"val"}, "!val": {"train"}}.get(split or "", {"train", "val"})
    kept = [
        s
        for s in source
        if (to_split or ids is None or s.id in ids) and s.id not in (without or []) and s.split in splits
    ]
    options = {"ids": ids, "without": without, "split": split, "to_split": to_split}
    if (ids is None and (to_split or (without is None and split is None))) or not kept:
        with pytest.raises(OptionError, match=r"nothing to select|give --ids too|is left"):
            select(source, tmp_path / "r", **options)
        assert not (tmp_path / "r").exists()
        return
    made = select(source, tmp_path / "r", **options)
    moved = {s.id for s in kept if to_split and s.id in ids}
    new = {s.id: f"{to_split}/{s.id[-3:]}" if s.id in moved else s.id for s in kept}
    assert sorted(s.id for s in made) == sorted(new.values())
    for old in kept:
        sample = made.sample(new[old.id])
        assert sample.split == (to_split if old.id in moved else old.split)
        assert (sample.sha256, sample.counts) == (old.sha256, old.counts)
        assert (made.root / sample.mask).read_bytes() == (source.root / old.mask).read_bytes()
        np.testing.assert_array_equal(made.read_image(sample), source.read_image(old))
    receipt = made.read_receipt()
    assert receipt["images"] == {"in": 7, "kept": len(kept), "left_out": 7 - len(kept), "skipped": 0}
    assert receipt["select"]["moved"] == len(moved)
    assert contents(made.root) == contents(select(source, tmp_path / "again", **options).root)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "train/001\nval/005\n"),
        ("a.txt", "\ufefftrain/001\r\n\r\n  val/005 \r\ntrain/001"),
        ("a.csv", "id,weather\ntrain/001,fog\nval/005,\n"),
        ("a.CSV", "id;weather\ntrain/001;fog\nval/005;sun\n"),
        ("a.csv", "train/001\nval/005\n"),
    ],
)
def test_lists_in_files(tmp_path: Path, name: str, text: str) -> None:
    source = dataset(tmp_path / "d")
    (tmp_path / name).write_text(text)
    made = select(source, tmp_path / "r", ids=tmp_path / name)
    assert [s.id for s in made] == ["train/001", "val/005"]
    rest = select(source, tmp_path / "w", without=str(tmp_path / name))
    assert sorted(s.id for s in [*made, *rest]) == IDS
    given = select(source, tmp_path / "g", ids=["val/005", "train/001"])
    assert contents(given.root) == contents(made.root), "a list and its ids are the same"


def test_a_list_of_pick_is_one(tmp_path: Path) -> None:
    """Ids that a spreadsheet would run have a mark in front there."""
    source = make(tmp_path / "d", {"=1+1": np.zeros((2, 2)), "b": np.zeros((2, 2))})
    (tmp_path / "next.csv").write_text("id,uncertainty\n'=1+1,0.5\n")
    assert [s.id for s in select(source, tmp_path / "r", ids=tmp_path / "next.csv")] == ["=1+1"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "nothing to select: give --ids, --without or --split"),
        ({"to_split": "new"}, "nothing to select"),
        ({"split": "val", "to_split": "new"}, "--to-split: give --ids too"),
        ({"ids": IDS[:1], "to_split": "a/b"}, "'a/b' is no name for a split"),
        ({"ids": ["train/01"]}, "--ids: 1 of 1 ids are not of .*: train/01: did you mean train/001"),
        ({"without": ["x", *IDS, "y"]}, "--without: 2 of 9 ids are not of .*: x, y: there are "),
        ({"without": IDS}, "none of its 7 samples is left"),
        ({"ids": []}, "none of its 7 samples is left"),
        ({"split": "tset"}, "no split 'tset': there are train, val"),
        ({"ids": "a.json"}, "--ids a.json: must be a list of ids: .txt"),
        ({"ids": "none.txt"}, "--ids none.txt: cannot be read"),
        ({"without": Path("none.csv")}, "--without none.csv: cannot be read"),
    ],
)
def test_bad_options(tmp_path: Path, options: Any, words: str) -> None:
    source = dataset(tmp_path / "d")
    with pytest.raises((OptionError, DatasetError), match=words):
        select(source, tmp_path / "r", **options)
    assert not (tmp_path / "r").exists()


def test_a_list_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OptionError, match="is not text in UTF-8"):
        select(dataset(tmp_path / "d"), tmp_path / "r", ids=tmp_path / "a.txt")


def test_names_that_are_alike_without_their_split_stay_apart(tmp_path: Path) -> None:
    source = make(tmp_path / "d", {id: np.full((2, 2), i) for i, id in enumerate(["train/a", "val/a", "new/a"])})
    made = select(source, tmp_path / "r", ids=["train/a", "val/a"], to_split="new")
    assert [s.id for s in made] == ["new/a", "new/train/a", "new/val/a"]
    assert {s.id: list(s.counts) for s in made} == {"new/a": [2], "new/train/a": [0], "new/val/a": [1]}


def test_virtual_tiles_and_groups_stay_whole(tmp_path: Path) -> None:
    """Some tiles of an image, which share its mask; groups, windows and parents go along."""
    fields = {id: {"group": id[-1]} for id in IDS}
    tiles = segdata.tile(dataset(tmp_path / "d", images="copy", fields=fields), tmp_path / "t", size=4, virtual=True)
    ids = [s.id for s in tiles][::3]
    made = select(tiles, tmp_path / "r", ids=ids)
    assert [s.id for s in made] == ids
    for sample in made:
        old = tiles.sample(sample.id)
        assert (sample.group, sample.parent, sample.window) == (old.group, old.parent, old.window)
        np.testing.assert_array_equal(made.read_mask(sample), tiles.read_mask(old))
        np.testing.assert_array_equal(made.read_image(sample), tiles.read_image(old))
    moved = select(tiles, tmp_path / "m", ids=ids, to_split="new")
    assert len(moved) == len(tiles)
    for old in tiles:
        (sample,) = [s for s in moved if s.id.partition("/")[2] == old.id.partition("/")[2]]
        assert sample.split == ("new" if old.id in ids else old.split)
        np.testing.assert_array_equal(moved.read_mask(sample), tiles.read_mask(old))


def test_a_manifest_in_parts(tmp_path: Path) -> None:
    source = dataset(tmp_path / "d")
    source.save(part=2)
    made = select(tmp_path / "d", tmp_path / "r", without=IDS[::2], split="train")
    assert [s.id for s in made] == ["train/001", "train/003"]


def test_destinations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = dataset(tmp_path / "d")
    before = contents(tmp_path / "d")
    with pytest.raises(OptionError, match="is the destination and an input"):
        select(source, tmp_path / "d", split="val", overwrite=True)
    (tmp_path / "r").mkdir()
    (tmp_path / "r/notes").write_text("mine")
    with pytest.raises(DatasetError, match="holds files that are not segdata's"):
        select(source, tmp_path / "r", split="val")
    (tmp_path / "r/notes").unlink()
    select(source, tmp_path / "r", split="val")
    select(source, tmp_path / "r", split="val")
    assert "is finished already" in capsys.readouterr().err
    with pytest.raises(DatasetError, match="exists already"):
        select(source, tmp_path / "r", split="train")
    assert len(select(source, tmp_path / "r", split="train", overwrite=True)) == 4
    assert contents(tmp_path / "d") == before


def test_provenance(tmp_path: Path) -> None:
    dataset(tmp_path / "d")
    made = select(tmp_path / "d", tmp_path / "r", ids=["val/004", "val/004"])
    options = made.made_by["options"]
    assert made.made_by["inputs"] == [{"name": "d", "sha256": file_digest(tmp_path / "d/manifest.jsonl")}]
    assert options["ids"]["number"] == 1
    assert (options["without"], options["split"], options["to_split"]) == (None, None, None)
    other = select(tmp_path / "d", tmp_path / "o", ids=["val/005"])
    assert other.made_by["options"]["ids"]["sha256"] != options["ids"]["sha256"]


def test_a_bad_sample_is_left_out_and_listed(tmp_path: Path) -> None:
    source = dataset(tmp_path / "d")
    (tmp_path / "d/masks/val/004.png").unlink()
    result = CliRunner().invoke(main, ["select", str(source.root), str(tmp_path / "r"), "--split", "val"])
    assert result.exit_code == 1
    assert "val/004" in result.stderr
    result = CliRunner().invoke(
        main, ["select", str(source.root), str(tmp_path / "r"), "--split", "val", "--on-error", "skip"]
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "samples:     7 in = 2 kept + 4 left out + 1 skipped"
    receipt = json.loads((tmp_path / "r/receipt.json").read_text())
    assert receipt["images"] == {"in": 7, "kept": 2, "left_out": 4, "skipped": 1}
    assert [one["sample"] for one in receipt["skipped"]] == ["val/004"]


def test_the_command(tmp_path: Path) -> None:
    dataset(tmp_path / "d")
    (tmp_path / "night.txt").write_text("train/000\nval/004\n")
    names = [str(tmp_path / name) for name in ("d", "r", "night.txt")]
    arguments = ["select", *names[:2], "--ids", names[2], "--to-split", "night"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "samples:     7 in = 7 kept + 0 left out",
        "moved:       2 samples to night",
        f"dataset:     {names[1]}: 7 masks, 3 classes (segdata info {names[1]})",
    ]
    assert Dataset.open(names[1]).splits == ("night", "train", "val")
