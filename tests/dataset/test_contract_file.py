"""segdata.json: what it says, what it may not say, and that a folder is ours by it alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from segdata import DataError, DatasetError, Labels
from segdata.dataset.contract import CONTRACT, EXPORT, Contract
from segdata.dataset.destination import state_of


def contract(**more: Any) -> Contract:
    """One of an export of two classes."""
    return Contract(
        **{
            "format": "yolo", "reader": "yolo", "options": {"task": "segment"}, "labels": Labels.of(["a", "b"]),
            "names": {"a": 0, "b": 1, "ignore": None}, "images": "link", "made_by": {"tool": "segdata"}, "holds": ["labels"],
            **more,
        }
    )  # fmt: skip


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / CONTRACT).write_bytes(contract().to_bytes())
    assert Contract.read(tmp_path) == contract()


def test_a_folder_without_it_has_none(tmp_path: Path) -> None:
    assert Contract.read(tmp_path) is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"segdata": 2}, "upgrade segdata"),
        ({"names": {"a": 2}}, "2 is no class id"),
        ({"ignore": 254}, "ignore is 254"),
        ({"classes": [{"id": 1, "name": "a", "color": [0, 0, 0]}]}, "class ids must be 0, 1, 2"),
        ({"options": {"mask_dir": "../other"}}, "leads out of the folder"),
        ({"options": {"mask_dir": "/etc"}}, "leads out of the folder"),
        ({"options": {"values": {"1": ["/etc/passwd"]}}}, "leads out of the folder"),
        ({"holds": 3}, "not a label contract"),
    ],
)
def test_a_damaged_one_is_refused_with_the_way_out(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    (tmp_path / CONTRACT).write_text(json.dumps({**contract().to_json(), **change}))
    with pytest.raises(DataError, match=told) as error:
        Contract.read(tmp_path)
    assert "export again, or remove it" in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"segdata": 1}', "\xff"])
def test_what_is_no_contract_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / CONTRACT).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match="not a label contract"):
        Contract.read(tmp_path)


def test_a_folder_is_an_export_by_it_and_whole_by_its_receipt(tmp_path: Path) -> None:
    assert state_of(tmp_path, EXPORT) == "free"
    (tmp_path / CONTRACT).write_bytes(contract().to_bytes())
    (tmp_path / "labels").mkdir()
    assert state_of(tmp_path, EXPORT) == "unfinished"
    (tmp_path / "receipt.json").write_text("{}")
    assert state_of(tmp_path, EXPORT) == "whole"


def test_files_that_are_not_of_the_export_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / CONTRACT).write_bytes(contract().to_bytes())
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match=r"notes\.txt"):
        state_of(tmp_path, EXPORT)
