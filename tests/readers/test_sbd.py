"""The SBD reader: masks are those of torchvision and SciPy, lists are believed, and what is wrong is one message."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import trial_files
from reader_samples import reader_sample
from segdata.errors import DataError, OptionError, Report, SegdataError
from segdata.readers import voc
from segdata.readers.detect import detect
from segdata.readers.sbd import CLASSES, read
from segdata.readers.source import Source

GOLDEN = Path(__file__).parent / "golden/sbd"


@pytest.fixture(scope="module")
def writer() -> Iterator[ModuleType]:
    """The generator of samples, which writes MAT files of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "tools"))
        import sample_sbd

        yield sample_sbd
    for name in ("sample_sbd", "sample_canvas", "sample_scenes"):
        sys.modules.pop(name, None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the sample: 4 images in train, 2 in val."""
    return reader_sample("sbd", tmp_path)[0] / "benchmark_RELEASE/dataset"


def masks(source: Source) -> dict[str, NDArray[Any]]:
    """The mask of every item."""
    remap = source.labels.table({i: i for i in range(len(source.labels.classes))})
    return {item.id: item.annotation.draw(remap).mask for item in source.items}


def refused(root: Path, kind: type[SegdataError] = DataError, **options: Any) -> str:
    """The one line that reading or drawing ends with."""
    with pytest.raises(kind) as caught:
        masks(read(root, **options))
    return str(caught.value)


@pytest.mark.parametrize("kind", ["cls", "inst"])
def test_masks_are_those_of_torchvision_and_scipy(kind: Any) -> None:
    found = masks(read(GOLDEN / "source", images=False, from_=kind))
    assert len(found) == 6
    for id, mask in found.items():
        np.testing.assert_array_equal(mask, np.array(Image.open(GOLDEN / f"masks/{kind}/{id}.png")))


def test_classes_are_those_of_voc() -> None:
    assert CLASSES == voc.CLASSES


def test_objects_and_classes_of_the_sample_agree(root: Path) -> None:
    classes, objects = masks(read(root)), masks(read(root, from_="inst"))
    assert classes.keys() == objects.keys()
    for id, mask in classes.items():
        np.testing.assert_array_equal(mask, objects[id])
    assert any(mask.any() for mask in classes.values())


def test_the_set_is_found_from_each_of_its_folders(root: Path) -> None:
    for folder in (root, root.parent, root.parents[1]):
        assert detect(folder).format == "sbd"
        assert len(read(folder).items) == 6


def test_lists_are_splits(root: Path) -> None:
    source = read(root)
    assert [item.split for item in source.items] == ["train"] * 4 + ["val"] * 2
    assert source.receipt.notes == ["not read: train_noval.txt in dataset (--split reads one of them)"]
    assert [item.split for item in read(root, split="train_noval").items] == ["train_noval"] * 3
    assert "no split 'trian', as dataset has no trian.txt: did you mean train?" in refused(
        root, OptionError, split="trian"
    )
    (root / "val.txt").write_text("2008_000009\n2008_000002\n")
    assert "is named 2 times, in train.txt, val.txt: keep one" in refused(root)
    source = read(root, report=Report("skip"))
    assert [item.id for item in source.items if item.split == "val"] == ["val/2008_000009"]
    assert "cls: 1 masks are left out, as no list that was read names them" in source.receipt.notes
    for name in ("train", "val", "train_noval"):
        (root / f"{name}.txt").unlink()
    assert [item.id for item in read(root).items][:2] == ["2008_000002", "2008_000003"]
    assert "leave --split out" in refused(root, OptionError, split="train")
    (root / "val.txt").write_text("\n")
    assert "val.txt: names no image" in refused(root, split="val")


def test_what_is_missing_is_told(root: Path) -> None:
    (root / "img/2008_000003.jpg").unlink()
    assert "train/2008_000003: there is no img/2008_000003.jpg: put it there" in refused(root)
    assert len(read(root, images=False).items) == 6
    (root / "cls/2008_000007.mat").unlink()
    assert "train/2008_000007: there is no cls/2008_000007.mat" in refused(root, images=False)
    (root / "train.txt").write_text("../../secret\n")
    assert "is not a path under the image folder" in refused(root, images=False)
    for path in (root / "cls").iterdir():
        path.unlink()
    (root / "cls").rmdir()
    assert "there is inst/: --from inst reads it" in refused(root)
    (root / "train.txt").unlink()
    assert len(read(root, from_="inst", images=False).items) == 2


def test_values_that_are_no_classes_are_refused(root: Path, writer: ModuleType, tmp_path: Path) -> None:
    array = np.array([[0, 21], [3, 255]], np.uint8)
    file = root / "cls/2008_000002.mat"
    writer.write_mat(file, {"GTcls": writer.record({"Segmentation": writer.numbers(array)})})
    said = trial_files.run("convert", "sbd", root, tmp_path / "d", code=1).output
    assert (
        f"{file}: train/2008_000002: values that no class is declared for: 21, 255: the set has VOC's classes" in said
    )
    writer.write_mat(file, {"GTcls": writer.numbers(array)})
    assert "its GTcls has no field Segmentation" in refused(root)
    said = trial_files.run("convert", "sbd", root, tmp_path / "d", "--on-error", "skip", code=0).output
    assert "6 in = 5 converted + 1 left out" in said


def test_objects_have_a_class_each(root: Path, writer: ModuleType) -> None:
    file = root / "inst/2008_000002.mat"

    def objects(categories: list[float], array: NDArray[Any]) -> None:
        held = {
            "Segmentation": writer.numbers(array),
            "Categories": writer.numbers(np.array([categories]).T.reshape(-1, 1)),
        }
        writer.write_mat(file, {"GTinst": writer.record(held)})

    objects([5.0, 20.0], np.array([[0, 1], [2, 2]], np.uint8))
    np.testing.assert_array_equal(masks(read(root, from_="inst"))["train/2008_000002"], [[0, 5], [20, 20]])
    objects([5.0], np.array([[0, 1], [2, 2]], np.uint8))
    assert "declared for: 2: each object has a line in Categories" in refused(root, from_="inst")
    objects([5.0, 21.0], np.array([[0, 1], [2, 2]], np.uint8))
    assert "objects of classes that there are not: 21" in refused(root, from_="inst")
    objects([], np.zeros((2, 2), np.uint8))
    np.testing.assert_array_equal(masks(read(root, from_="inst"))["train/2008_000002"], np.zeros((2, 2)))
