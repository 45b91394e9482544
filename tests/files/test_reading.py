"""How the images of a dataset are read is part of dataset.json, and goes from dataset to dataset."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError
from segdata.files.reading import AS_IT_IS, Reading
from segdata.ops.join.operation import join
from segdata.ops.split.operation import split
from tests.helpers.carry_files import make, random_masks

ASKED = Reading(bands=(3, "nir", 1), alpha=False)


def asked(root: Path, reading: Reading = ASKED) -> Dataset:
    """A dataset whose images are to be read so."""
    made = replace(make(root, random_masks(4)), reading=reading)
    made.save()
    return made


def card(root: Path) -> Any:
    return json.loads((root / "dataset.json").read_text())


def test_a_reading_is_kept_in_the_card(tmp_path: Path) -> None:
    asked(tmp_path / "d")
    assert Dataset.open(tmp_path / "d").reading == ASKED
    assert card(tmp_path / "d")["reading"] == {"bands": [3, "nir", 1], "alpha": False}


def test_a_dataset_that_is_read_as_its_files_say_has_no_word_of_it(tmp_path: Path) -> None:
    asked(tmp_path / "d", AS_IT_IS)
    assert "reading" not in card(tmp_path / "d")


@pytest.mark.parametrize("bad", [{"bands": "all"}, {"alpha": "yes"}, {"bands": [1.5]}, 7])
def test_a_reading_that_is_none_is_refused(tmp_path: Path, bad: Any) -> None:
    asked(tmp_path / "d")
    (tmp_path / "d/dataset.json").write_text(json.dumps(card(tmp_path / "d") | {"reading": bad}))
    with pytest.raises(DatasetError, match="not a dataset card"):
        Dataset.open(tmp_path / "d")


def test_datasets_made_of_one_are_read_alike(tmp_path: Path) -> None:
    made = split(asked(tmp_path / "d"), tmp_path / "s", ratios={"train": 0.5, "val": 0.5})
    assert Dataset.open(made.root).reading == ASKED


def test_datasets_that_are_read_differently_are_not_joined(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="read otherwise"):
        join([asked(tmp_path / "a"), asked(tmp_path / "b", AS_IT_IS)], tmp_path / "both")
