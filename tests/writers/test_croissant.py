"""croissant.json of exports: what it says of the files is so, and mlcroissant would find no fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import segdata
from carry_files import make
from croissant_rules import issues, names
from segdata.errors import OptionError
from segdata.writers.croissant import pattern_of


def read(root: Path) -> dict[str, Any]:
    """The document in a folder."""
    document: dict[str, Any] = json.loads((root / "croissant.json").read_text(encoding="utf-8"))
    return document


def records(root: Path, name: str) -> list[dict[str, Any]]:
    """The inline data of a record set."""
    found: list[dict[str, Any]] = next(one for one in read(root)["recordSet"] if one["@id"] == name)["data"]
    return found


IDS = ("a", "train/a", "train/b", "val/a b", "val/[c]", "train/x/y.z", "ü,é")


@given(ids=st.lists(st.sampled_from(IDS), min_size=1, unique=True))
@pytest.mark.parametrize("images", ["copy", "none"])
def test_files_records_and_names_agree(images: str, ids: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("export")
    dataset = make(root / "d", {id: np.eye(4, 5, dtype=np.uint8) for id in ids}, images=images)
    out = root / "out"
    segdata.export("folders", dataset, out, images=images)
    assert issues(out) == []
    wanted = sorted(id if "/" in id or not dataset.splits else f"unsplit/{id}" for id in ids)
    assert names(out, "masks") == wanted
    if images == "copy":
        assert names(out, "images") == wanted


def test_the_classes_are_told_with_what_is_ignored(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {"a": np.zeros((2, 3))}, names=["road", 'a "b", c', "ü"])
    segdata.export("folders", dataset, tmp_path / "out", images="none")
    rows = records(tmp_path / "out", "classes")
    assert [(row["classes/value"], row["classes/name"], row["classes/ignored"]) for row in rows] == [
        (0, "road", False), (1, 'a "b", c', False), (2, "ü", False), (255, "ignore", True)
    ]  # fmt: skip


def test_300_classes_have_values_of_16_bits(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {"a": np.full((2, 3), 299)}, names=[f"c{i}" for i in range(300)])
    segdata.export("folders", dataset, tmp_path / "out", images="none")
    assert issues(tmp_path / "out") == []
    assert [row["classes/value"] for row in records(tmp_path / "out", "classes")] == [*range(300), 65535]


def test_splits_have_their_uses(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {f"{split}/a": np.zeros((2, 3)) for split in ("train", "val", "test", "new")})
    segdata.export("folders", dataset, tmp_path / "out", images="none")
    assert [tuple(row.values()) for row in records(tmp_path / "out", "splits")] == [
        ("new", "cr:Split"), ("test", "cr:TestSplit"), ("train", "cr:TrainingSplit"), ("val", "cr:ValidationSplit")
    ]  # fmt: skip
    masks = next(one for one in read(tmp_path / "out")["recordSet"] if one["@id"] == "masks")
    assert [field["@id"] for field in masks["field"]] == ["masks/name", "masks/split", "masks/mask"]


def test_many_folders_are_not_listed_one_by_one(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {f"{i}/x/a": np.zeros((2, 3)) for i in range(150)})
    segdata.export("folders", dataset, tmp_path / "out", images="none")
    assert issues(tmp_path / "out") == []
    assert read(tmp_path / "out")["distribution"][0]["includes"] == ["masks/**/*.png", "masks/*.png"]


def test_what_nobody_said_is_not_invented(tmp_path: Path) -> None:
    segdata.export("folders", make(tmp_path / "d", {"a": np.zeros((2, 3))}), tmp_path / "out", images="none")
    document = read(tmp_path / "out")
    assert document["license"] == "NOASSERTION"
    assert not {"url", "creator"} & set(document)


def test_what_a_person_says_is_written_and_remembered(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {"a": np.zeros((2, 3))})
    said = {
        "license": "https://creativecommons.org/licenses/by/4.0/", "url": "https://example.org/d", "cite_as": "@misc{d}",
        "published": "2026-01-31", "data_version": "2.1.0",
    }  # fmt: skip
    segdata.export("folders", dataset, tmp_path / "out", images="none", creator=["Ann", "org:A lab"], **said)
    document = read(tmp_path / "out")
    keys = {
        "license": "license",
        "url": "url",
        "cite_as": "citeAs",
        "published": "datePublished",
        "data_version": "version",
    }
    assert {name: document[key] for name, key in keys.items()} == said
    assert [(one["@type"], one["name"]) for one in document["creator"]] == [
        ("sc:Person", "Ann"),
        ("sc:Organization", "A lab"),
    ]
    options = json.loads((tmp_path / "out/segdata.json").read_text())["made_by"]["options"]
    assert {**said, "creator": ["Ann", "org:A lab"]}.items() <= options.items()
    assert issues(tmp_path / "out") == []


@pytest.mark.parametrize(
    "wrong",
    [{"published": "31.1.2026"}, {"published": "20260131"}, {"data_version": "2"}, {"url": "example"}, {"creator": [""]},
     {"creator": ["org:"]}, {"license": ""}, {"cite_as": ""}],
)  # fmt: skip
def test_what_is_said_must_be_of_its_kind(wrong: dict[str, Any], tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {"a": np.zeros((2, 3))})
    flag = f"--{next(iter(wrong)).replace('_', '-')}"
    with pytest.raises(OptionError, match=flag):
        segdata.export("folders", dataset, tmp_path / "out", images="none", **wrong)
    assert not (tmp_path / "out").exists()


def test_a_pattern_has_what_stands_before_and_after_the_name() -> None:
    pattern = pattern_of("gtFine/*_gtFine_labelIds.png")
    assert [one and one[1] for one in map(pattern.match, ["gtFine/val/a/b_gtFine_labelIds.png", "gtFine/x.png"])] == [
        "val/a/b", None
    ]  # fmt: skip
