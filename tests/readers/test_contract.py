"""segdata.json honoured: what a person says goes first, nothing in it is taken on trust, and what is not used is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import segdata
from carry_files import make, random_masks
from segdata import DataError, Dataset
from segdata.dataset.contract import CONTRACT

NAMES = ("background", "car", "tree")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make(tmp_path / "d", random_masks(2, prefix="train/"), names=NAMES, images="copy")


def notes(made: Dataset) -> str:
    """The notes of a receipt."""
    return "\n".join(made.read_receipt()["notes"])


def change(out: Path, **more: Any) -> None:
    """Say something else in the contract of an export."""
    said = json.loads((out / CONTRACT).read_text())
    (out / CONTRACT).write_text(json.dumps({**said, **more}))


def test_images_that_are_given_are_taken_though_the_export_has_none(dataset: Dataset, tmp_path: Path) -> None:
    out, images = tmp_path / "out", dataset.root / "images"
    segdata.export("labelme", dataset, out, images="none")
    bare = segdata.convert("auto", out, tmp_path / "bare")
    assert bare.images == "none"
    assert "there are no images, as segdata.json says" in notes(bare)
    assert segdata.convert("auto", out, tmp_path / "there", image_dir=images).images == "reference"
    with pytest.raises(DataError, match=r"--image-dir DIR"):
        segdata.convert("auto", out, tmp_path / "copied", images="copy")
    shutil.copytree(images, out, dirs_exist_ok=True)
    copied = segdata.convert("auto", out, tmp_path / "copied", images="copy")
    assert copied.images == "copy"
    assert all(np.array_equal(copied.read_image(one), dataset.read_image(dataset.sample(one.id))) for one in copied)


def test_a_class_file_that_is_given_says_which_classes_there_are(dataset: Dataset, tmp_path: Path) -> None:
    segdata.export("hf", dataset, tmp_path / "out", images="none")
    made = segdata.convert("auto", tmp_path / "out", tmp_path / "back", classes=["a", "b", "c"])
    assert made.labels.names == ("a", "b", "c")
    assert "those of --classes, not of segdata.json" in notes(made)
    for sample in dataset:
        np.testing.assert_array_equal(made.read_mask(made.sample(sample.id)), dataset.read_mask(sample))


def test_the_contract_of_other_files_is_not_used_and_told(dataset: Dataset, tmp_path: Path) -> None:
    segdata.export("voc", dataset, tmp_path / "voc")
    segdata.export("folders", dataset, tmp_path / "folders")
    shutil.copy(tmp_path / "folders" / CONTRACT, tmp_path / "voc")
    made = segdata.convert("voc", tmp_path / "voc", tmp_path / "back")
    assert "segdata.json is not used: it is of files that are read as masks" in notes(made)
    with pytest.raises(DataError, match=r"segdata\.json says that masks lies here: remove it if that is not so"):
        segdata.convert("auto", tmp_path / "voc", tmp_path / "auto")
    (tmp_path / "voc" / CONTRACT).unlink()
    assert segdata.convert("auto", tmp_path / "voc", tmp_path / "auto").labels.names == NAMES


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"reader": "later"}, "format 'later'"),
        ({"options": {"later": "x"}}, "option 'later'"),
        ({"options": {"split": "train"}}, "option 'split'"),
        ({"options": {"mask_dir": True}}, "option 'mask_dir'"),
        ({"options": {"mask_dir": {"a": "b"}}}, "option 'mask_dir'"),
        ({"options": {"mask_dir": 5}}, "option 'mask_dir'"),
        ({"options": {"mask_dir": ["masks"]}}, "not a label contract"),
        ({"options": {"values": {"1": 2}}}, "not a label contract"),
        ({"options": {"mask_dir": "s3://bucket/masks"}}, "leads out of the folder"),
        ({"options": {"image_dir": "https://example.org/images"}}, "leads out of the folder"),
    ],
)
def test_what_no_export_says_is_refused_with_the_way_out(
    dataset: Dataset, tmp_path: Path, said: dict[str, Any], told: str
) -> None:
    out = tmp_path / "out"
    segdata.export("folders", dataset, out)
    change(out, **said)
    for format in ("auto", "masks"):
        with pytest.raises(DataError, match=told) as error:
            segdata.convert(format, out, tmp_path / "back")
        assert "or remove it" in str(error.value)
    with pytest.raises(DataError, match=told):
        segdata.detect(out)
    (out / CONTRACT).unlink()
    assert segdata.convert("auto", out, tmp_path / "back").labels.names == NAMES


@pytest.mark.parametrize("layout", ["plain", "lightly", "smp"])
def test_images_that_were_put_where_the_export_would_have_them_are_found(
    layout: str, dataset: Dataset, tmp_path: Path
) -> None:
    segdata.export("folders", dataset, tmp_path / "out", images="none", layout=layout)
    segdata.export("folders", dataset, tmp_path / "full", images="copy", layout=layout)
    for there in (tmp_path / "full").rglob("*.png"):
        path = tmp_path / "out" / there.relative_to(tmp_path / "full")
        path.parent.mkdir(exist_ok=True, parents=True)
        shutil.copy(there, path)
    assert segdata.convert("auto", tmp_path / "out", tmp_path / "back", images="link").images == "link"
