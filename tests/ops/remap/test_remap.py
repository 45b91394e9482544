"""Remapping: classes by name, pixel for pixel what NumPy makes of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import segdata
from carry_files import contents, make, random_masks, rows
from segdata.cli import COMMANDS, main
from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError, OptionError
from segdata.files.places import file_digest
from segdata.labels import BACKGROUND, IGNORE
from segdata.ops.remap.command import remap as remap_command
from segdata.ops.remap.operation import remap

NAMES = ("background", "cat", "dog", "emu")
if "remap" not in COMMANDS:
    main.add_command(remap_command)


def expected(name: str, renames: dict[str, str], only: list[str], drop: list[str], unlisted: str | None) -> str:
    """What a class becomes, spelt out case by case."""
    new = renames.get(name, name)
    if name in drop:
        return IGNORE
    if name == BACKGROUND:
        return new
    if only:
        listed = name in only or new in only
        default = "ignore"
    elif renames:
        listed = name in renames
        default = "keep"
    else:
        return new
    if listed:
        return new
    return {"keep": new, "ignore": IGNORE, "background": BACKGROUND}[unlisted or default]


@settings(max_examples=40)
@given(
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from([*NAMES, "pet", "ignore"]), max_size=3),
    st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
    st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
    st.sampled_from([None, "keep", "ignore", "background"]),
)
def test_every_pixel_is_what_it_is_told_to_be(
    tmp_path_factory: Any, renames: dict[str, str], only: list[str], drop: list[str], unlisted: Any
) -> None:
    tmp_path = tmp_path_factory.mktemp("remap")
    source = make(tmp_path / "d", random_masks(4, classes=4), names=NAMES)
    target = {name: expected(name, renames, only, drop, unlisted) for name in NAMES}
    options = {"map": renames, "only": only, "drop": drop, "unlisted": unlisted}
    both = set(only) & set(drop) - set(renames.values())
    if not (renames or only or drop) or both or set(target.values()) == {IGNORE}:
        with pytest.raises(OptionError, match="both name" if both else r"nothing to change|no class is left"):
            remap(source, tmp_path / "r", **options)
        return
    made = remap(source, tmp_path / "r", **options)
    assert made.labels.names == tuple(dict.fromkeys(name for name in target.values() if name != IGNORE))
    table = np.full(256, 255, np.uint8)
    for i, name in enumerate(NAMES):
        table[i] = 255 if target[name] == IGNORE else made.labels.names.index(target[name])
    for sample in Dataset.open(tmp_path / "r"):
        before = source.read_mask(source.sample(sample.id))
        mask = made.read_mask(sample)
        np.testing.assert_array_equal(mask, table[before])
        values, counts = np.unique(mask, return_counts=True)
        assert sample.counts == dict(zip(values.tolist(), counts.tolist(), strict=True))
        assert sample.sha256 == file_digest(made.root / sample.mask)
        assert not os.path.samefile(made.root / sample.mask, source.root / f"masks/{sample.id}.png")
    receipt = made.read_receipt()
    assert {c["source_name"]: c["class"] for c in receipt["classes"]} == target
    assert receipt["unmapped"] == [name for name in NAMES if target[name] == IGNORE]
    assert sum(receipt["pixels"].values()) == 4 * 48


def test_the_options_mean_what_they_mean_to_convert(samples: Path, tmp_path: Path) -> None:
    """Converting with options, and converting and then remapping with them, is the same."""
    options: dict[str, Any] = {"map": {"car": "vehicle", "boat": "vehicle"}, "drop": ["dog"], "unlisted": "keep"}
    direct = segdata.convert("coco", samples / "coco", tmp_path / "direct", **options)
    whole = segdata.convert("coco", samples / "coco", tmp_path / "whole")
    made = remap(whole, tmp_path / "made", **options)
    assert made.labels == direct.labels
    assert [(s.id, s.counts, s.image) for s in made] == [(s.id, s.counts, s.image) for s in direct]
    for sample in made:
        np.testing.assert_array_equal(made.read_mask(sample), direct.read_mask(direct.sample(sample.id)))
        np.testing.assert_array_equal(made.read_image(sample), direct.read_image(direct.sample(sample.id)))


def test_a_new_name_alone_copies_the_masks(tmp_path: Path) -> None:
    source = make(tmp_path / "d", random_masks(3, prefix="train/"), fields={"train/001": {"scores": "scores/x.tif"}})
    (tmp_path / "d/scores").mkdir()
    (tmp_path / "d/scores/x.tif").write_bytes(b"scores")
    made = remap(source, tmp_path / "r", map={"car": "automobile"})
    assert made.labels.names == ("road", "automobile", "sign")
    assert all((made.root / s.mask).read_bytes() == (source.root / s.mask).read_bytes() for s in made)
    assert not any(os.path.samefile(made.root / s.mask, source.root / s.mask) for s in made)
    assert [s.scores for s in made] == [None, "scores/train/001.tif", None]
    merged = remap(source, tmp_path / "m", map={"car": "road"})
    assert [s.scores for s in merged] == [None] * 3


def test_fewer_classes_make_8_bits_of_16(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(300)]
    source = make(tmp_path / "d", {"x": np.array([[0, 299, 65535, 7]])}, names=names)
    made = remap(source, tmp_path / "r", only=["c299", "c7"])
    mask = made.read_mask(made.samples[0])
    assert (mask.dtype, mask.tolist()) == (np.uint8, [[255, 1, 255, 0]])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "nothing to change: give --map"),
        ({"unlisted": "ignore"}, "nothing to change"),
        ({"map": {"cta": "x"}}, "no class 'cta' in the source: did you mean cat"),
        ({"only": ["horse"]}, "no class 'horse'"),
        ({"drop": list(NAMES)}, "no class is left"),
    ],
)
def test_bad_options(tmp_path: Path, options: Any, words: str) -> None:
    source = make(tmp_path / "d", random_masks(2), names=NAMES)
    with pytest.raises(OptionError, match=words):
        remap(source, tmp_path / "r", **options)
    assert not (tmp_path / "r").exists()


def test_destinations(tmp_path: Path) -> None:
    source = make(tmp_path / "d", random_masks(2))
    before = contents(tmp_path / "d")
    with pytest.raises(OptionError, match="is the destination and an input"):
        remap(source, tmp_path / "d", drop=["car"], overwrite=True)
    remap(source, tmp_path / "r", map={"car": "automobile"})  # linked
    with pytest.raises(DatasetError, match="exists already"):
        remap(source, tmp_path / "r", drop=["car"])
    remap(source, tmp_path / "r", drop=["sign"], overwrite=True)
    assert Dataset.open(tmp_path / "r").labels.names == ("road", "car")
    assert contents(tmp_path / "d") == before, "what is linked elsewhere is never written to"


def test_provenance(tmp_path: Path) -> None:
    make(tmp_path / "d", random_masks(2))
    remap(tmp_path / "d", tmp_path / "r", map={"car": "road"}, drop=["sign"])
    assert json.loads((tmp_path / "r/dataset.json").read_text())["made_by"] == {
        "tool": "segdata",
        "version": segdata.__version__,
        "operation": "remap",
        "options": {"map": {"car": "road"}, "only": [], "drop": ["sign"], "unlisted": None},
        "seed": None,
        "inputs": [{"name": "d", "sha256": file_digest(tmp_path / "d" / "manifest.jsonl")}],
    }


def test_the_command(tmp_path: Path) -> None:
    make(tmp_path / "d", {"x": rows((3, 2, 1, 4))}, names=NAMES)
    (tmp_path / "map.csv").write_text("cat,pet\n")
    arguments = [
        "remap",
        tmp_path / "d",
        tmp_path / "r",
        "--map",
        "dog=pet",
        "--map-file",
        tmp_path / "map.csv",
        "--drop",
        "emu",
    ]
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "class       pixels  made of",
        "----------  ------  ----------",
        "background       3  background",
        "pet              3  cat, dog",
        "ignore           4  emu",
        "",
        f"dataset:     {tmp_path / 'r'}: 1 masks, 2 classes (segdata info {tmp_path / 'r'})",
    ]
    bad = CliRunner().invoke(main, ["remap", str(tmp_path / "d"), str(tmp_path / "s"), "--only", "dgo"])
    assert (bad.exit_code, bad.stderr) == (1, "error: no class 'dgo' in the source: did you mean dog?\n")
