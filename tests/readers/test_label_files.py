"""Mask files of formats that declare all their values: some rows at a time and at once they mean, and say, the same."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segdata
from reader_samples import reader_sample
from segdata.errors import DataError
from segdata.labels import Labels
from segdata.readers import label_bands
from segdata.readers.label_files import LabelFile, Meaning

VALUES = np.kron(np.arange(12).reshape(4, 3), np.ones((8, 10))).astype(np.uint8)
LABELS = Labels.of(["a", "b"])
REMAP = LABELS.table({0: 0, 1: 1})

MASK_FOLDERS = {"annotations", "labels", "labelsTr", "labelsTs"}


@pytest.fixture
def banded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every TIFF is large, and 8 rows are read at a time."""
    for name, value in (("LARGE", 1), ("STRIP", 1), ("BLOCK", 8)):
        monkeypatch.setattr(label_bands, name, value)


def rows(file: LabelFile) -> Any:
    with file.bands(REMAP) as found:
        return None if found is None else np.concatenate(list(found.rows))


def test_rows_are_those_of_the_whole(tmp_path: Path, banded: None) -> None:
    for suffix in (".tif", ".png"):
        Image.fromarray(VALUES).save(tmp_path / f"a{suffix}")
    meaning = Meaning({value: value % 3 if value % 3 < 2 else None for value in range(12)})
    whole = LabelFile(str(tmp_path / "a.png"), meaning)
    assert rows(whole) is None
    np.testing.assert_array_equal(whole.draw(REMAP).mask, np.where(VALUES % 3 < 2, VALUES % 3, 255))
    np.testing.assert_array_equal(rows(LabelFile(str(tmp_path / "a.tif"), meaning)), whole.draw(REMAP).mask)


def test_what_is_not_declared_is_told_alike(tmp_path: Path, banded: None) -> None:
    """All values of the mask, not those of the first rows that have one, and the way out of the format."""
    Image.fromarray(VALUES).save(tmp_path / "a.tif")
    file = LabelFile(str(tmp_path / "a.tif"), Meaning(dict.fromkeys(range(5), 0), way_out="ask its maker"))
    problems = []
    for draw in (rows, lambda file: file.draw(REMAP)):
        with pytest.raises(DataError) as caught:
            draw(file)
        problems.append(caught.value.problem)
    assert problems[0] == problems[1]
    told = "values that no class is declared for: 5, 6, 7, 8, 9, 10, 11: ask its maker"
    assert (problems[0].code, problems[0].message, problems[0].file) == ("mask.values", told, file.path)


def test_a_large_mask_in_a_shard(tmp_path: Path, banded: None) -> None:
    data = io.BytesIO()
    Image.fromarray(VALUES % 2).save(data, "TIFF")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        info = tarfile.TarInfo("a.mask.tif")
        info.size = len(data.getvalue())
        tar.addfile(info, io.BytesIO(data.getvalue()))
    dataset = segdata.convert("webdataset", tmp_path, tmp_path / "d", images="none", classes=["a", "b"])
    np.testing.assert_array_equal(dataset.read_mask(dataset.samples[0]), VALUES % 2)


@pytest.mark.parametrize("format", ["ade20k", "cocostuff", "mapillary", "nnunet"])
def test_values_that_were_saved_as_three_equal_channels(tmp_path: Path, format: str) -> None:
    root, _ = reader_sample(format, tmp_path)
    segdata.convert(format, root, tmp_path / "before", images="none")
    samples = {sample.id: sample.sha256 for sample in segdata.Dataset.open(tmp_path / "before")}
    masks = [path for path in root.rglob("*.png") if set(path.parts) & MASK_FOLDERS]
    for number, path in enumerate(masks):
        with Image.open(path) as image:
            values = np.array(image)
        opaque = [np.full_like(values, 255)] if number % 2 else []
        Image.fromarray(np.stack([values] * 3 + opaque, 2)).save(path)
    assert masks
    segdata.convert(format, root, tmp_path / "after", images="none")
    assert {sample.id: sample.sha256 for sample in segdata.Dataset.open(tmp_path / "after")} == samples
