"""The COCO reader on what other tools write: splits, ids, names of files and categories, crowds and boxes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_rle

import segdata
from coco_files import annotation, coco, write
from segdata.errors import DataError, OptionError, Report
from segdata.readers.coco.reader import read


def lay(root: Path, labels: Sequence[str], images: Sequence[str], data: Any = None) -> Path:
    """A folder with the same label file in several places, and with images."""
    for name in labels:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps(coco([annotation()], images=1) if data is None else data))
    for name in images:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16)).save(root / name, format="PNG")
    return root


def named(*names: str) -> dict[str, Any]:
    """Labels of images of these names, each with an annotation."""
    data = coco([annotation(i, image_id=i) for i in range(1, len(names) + 1)], images=len(names))
    for image, name in zip(data["images"], names, strict=True):
        image["file_name"] = name
    return data


# Splits


@pytest.mark.parametrize(
    ("labels", "images", "splits"),
    [
        (["annotations/Train.json", "annotations/Val.json"], ["Train/001.png", "Val/001.png"], ["Train", "Val"]),
        (["annotations_train.json", "annotations_val.json"], ["train/001.png", "val/001.png"], ["train", "val"]),
        (["train/labels.json", "val/labels.json"], ["train/images/001.png", "val/images/001.png"], ["train", "val"]),
        (["annotations/train/x.json", "annotations/test/x.json"], ["images/001.png"], ["test", "train"]),
        (["a/train/_annotations.coco.json", "a/valid/_annotations.coco.json"],
         ["a/train/001.png", "a/valid/001.png"], ["train", "valid"]),
        (["labels/train.json", "labels/val.json"], ["images/train/001.png", "images/val/001.png"], ["train", "val"]),
        (["train/annotations/x.json", "val/annotations/x.json"],
         ["train/images/001.png", "val/images/001.png"], ["train", "val"]),
        (["train2017.json", "test-dev2017.json"], ["images/001.png"], ["test-dev", "train"]),
    ],
)  # fmt: skip
def test_splits_by_words(labels: list[str], images: list[str], splits: list[str], tmp_path: Path) -> None:
    lay(tmp_path / "s", labels, images)
    source = read(tmp_path / "s")
    assert [item.id for item in source.items] == [f"{split}/001" for split in splits]
    assert all(item.image is not None and Path(item.image).is_file() for item in source.items)


def test_json_that_is_no_label_file_is_left_and_one_that_is_cut_off_is_not(tmp_path: Path) -> None:
    root = lay(tmp_path / "s", ["train.json", "val.json"], ["images/001.png"])
    (root / "package.json").write_text('{"name": 1}')
    source = read(root)
    assert len(source.items) == 2
    assert source.receipt.notes == ["package.json has no images and no annotations and no categories: not read"]
    (root / "val.json").write_text((root / "val.json").read_text()[:-20])
    with pytest.raises(DataError, match=r"val\.json: not valid JSON"):
        read(root)


def test_a_label_file_in_a_folder_that_is_no_split_is_told_and_can_be_named(tmp_path: Path) -> None:
    files = ["minitrain/labels.json", "val/labels.json"]
    root = lay(tmp_path / "s", files, ["minitrain/001.png", "val/001.png"])
    source = read(root)
    assert {item.split for item in source.items} == {"val"}
    assert any(note.startswith("minitrain/labels.json: not read, as its folder") for note in source.receipt.notes)
    both = read(root, annotations={"minitrain": files[0], "val": files[1]})
    assert {item.split for item in both.items} == {"minitrain", "val"}


@pytest.mark.parametrize(
    "name",
    [
        "/data/local-files/?d=x%2F001.png", "/data/local-files/?d=x%5C001.png", "/data/local-files?d=x/001.png",
        "http://localhost:8080/data/local-files/?d=x%2F001.png", "file:///C:/y/x%5C001.png",
    ],
)  # fmt: skip
def test_encoded_names(name: str, tmp_path: Path) -> None:
    root = lay(tmp_path / "s", ["labels.json"], ["x/001.png"], named(name))
    assert [item.image for item in read(root, image_match="name").items] == [str(root / "x/001.png")]


def test_splits_that_are_not_plain_are_named(tmp_path: Path) -> None:
    root = lay(tmp_path / "s", ["all.json", "train.json"], ["images/001.png"])
    with pytest.raises(OptionError, match=r"which split all\.json is for .* --annotations SPLIT=FILE"):
        read(root)
    source = read(root, annotations={"a": "all.json", "b": str(root / "train.json")})
    assert [item.split for item in source.items] == ["a", "b"]
    assert [item.split for item in read(root, annotations={"a": "all.json", "b": "train.json"}, split="b").items] == [
        "b"
    ]
    with pytest.raises(DataError, match="no such file"):
        read(root, annotations={"a": "none.json"})
    with pytest.raises(OptionError, match="is a label file itself"):
        read(root / "all.json", annotations={"a": "train.json"})


# Ids


@pytest.mark.parametrize("as_text", ["image", "category", "both"])
def test_an_id_is_one_whether_number_or_text(as_text: str, tmp_path: Path) -> None:
    data = coco([annotation(1), annotation(2, image_id=2, category_id=3)])
    plain = segdata.convert("coco", write(tmp_path / "a", data), tmp_path / "plain", images="none")
    for row in data["annotations"]:
        if as_text != "category":
            row["image_id"] = str(row["image_id"])
        if as_text != "image":
            row["category_id"] = str(row["category_id"])
    if as_text == "both":
        for row in (*data["images"], *data["categories"], *data["annotations"]):
            row["id"] = str(row["id"])
    made = segdata.convert("coco", write(tmp_path / "b", data), tmp_path / "d", images="none")
    assert [s.sha256 for s in made] == [s.sha256 for s in plain]
    assert made.read_receipt() == plain.read_receipt()


def test_ids_that_are_words_keep_leading_zeros_apart_and_break_ties(tmp_path: Path) -> None:
    data = named("a.png", "b.png")
    data["images"][0]["id"], data["images"][1]["id"] = "007", "7"
    data["categories"] = [{"id": "dog", "name": "dog"}, {"id": "ant", "name": "ant"}]
    data["annotations"] = [annotation("z", "007", "dog"), annotation("y", "007", "ant"), annotation("x", 7, "ant")]  # type: ignore[arg-type]
    dataset = segdata.convert("coco", write(tmp_path, data), tmp_path / "d", images="none")
    assert dataset.labels.names == ("background", "ant", "dog")
    assert [s.counts for s in dataset] == [{0: 220, 2: 100}, {0: 220, 1: 100}]


def test_annotations_without_an_id_are_numbered(tmp_path: Path) -> None:
    data = coco([annotation(5), annotation(), annotation(category_id=3)], images=1)
    del data["annotations"][1]["id"]
    data["annotations"][2]["id"] = None
    dataset = segdata.convert("coco", write(tmp_path, data), tmp_path / "d", images="none")
    assert dataset.samples[0].counts == {0: 220, 2: 100}  # 7, the last one, is on top
    assert "2 annotations have no id: they are called 6 to 7 here" in dataset.read_receipt()["notes"][0]


# Images


@pytest.mark.parametrize(
    ("names", "files"),
    [
        (["/d/cam1/x.png", "/d/cam2/x.png"], ["images/cam1/x.png", "images/cam2/x.png"]),
        (["C:\\me\\x.png", "C:\\me\\y.png"], ["images/x.png", "images/y.png"]),
        (["file:///me/my%20photo.png"], ["images/my photo.png"]),
        (["http://h:8080/data/local-files/?d=images/x.png"], ["images/x.png"]),
        (["s3://bucket/k/x.png?a=b/c"], ["images/x.png"]),
        (["x.png", "/abs/y.png"], ["images/x.png", "images/y.png"]),
        (["\\\\server\\share\\x.png"], ["images/x.png"]),
        (["../x.png"], ["images/x.png"]),
        (["data/images/x.png"], ["images/x.png"]),
        ([normalize("NFC", "caf\u00e9.png")], ["images/" + normalize("NFD", "caf\u00e9.png")]),
        (["/d/x.png"], ["images/train/x.png", "images/val/x.png"]),
    ],
)
def test_images_by_the_last_parts(names: list[str], files: list[str], tmp_path: Path) -> None:
    root = lay(tmp_path / "s", ["annotations/instances_train.json"], files, named(*names))
    with pytest.raises(DataError, match="give --image-match name"):
        read(root)
    source = read(root, image_match="name")
    assert [str(item.image) for item in source.items] == [str(root / file) for file in files[: len(names)]]
    assert len(read(root, image_match="name", images=False).items) == len(names)


def test_ambiguous_last_parts_are_refused(tmp_path: Path) -> None:
    root = lay(tmp_path / "s", ["a.json"], ["images/1/x.png", "images/2/x.png"], named("/d/x.png"))
    with pytest.raises(DataError, match=r"1/x\.png, 2/x\.png.* --image-dir DIR") as caught:
        read(root, image_match="name")
    assert caught.value.problem.code == "image.ambiguous"
    assert str(read(root, image_match="name", image_dir=root / "images/2").items[0].image).endswith("2/x.png")
    two = lay(
        tmp_path / "t", ["a.json"], ["images/2/x.png", "images/y.png"], named("/d/1/x.png", "/d/2/x.png", "/d/y.png")
    )
    report = Report("skip")
    assert [item.id for item in read(two, image_match="name", report=report).items] == ["y"]
    assert [problem.code for problem in report.problems] == ["image.ambiguous"] * 2
    with pytest.raises(DataError, match=r"no file below .* is called 'z\.png'"):
        read(lay(tmp_path / "u", ["a.json"], ["y.png"], named("/d/y.png", "/d/z.png")), image_match="name")


def test_lvis_images_of_two_folders_with_one_name(tmp_path: Path) -> None:
    data = named("", "")
    for image, url in zip(data["images"], ("train2017/1.png", "val2017/1.png"), strict=True):
        del image["file_name"]
        image.update(coco_url=f"http://x.org/{url}", not_exhaustive_category_ids=[])
    root = lay(tmp_path / "s", ["lvis_v1_val.json"], ["coco/train2017/1.png", "coco/val2017/1.png"], data)
    items = read(root, image_dir=root / "coco").items
    assert [item.id for item in items] == ["val/train2017/1", "val/val2017/1"]
    data["images"][1]["coco_url"] = "http://x.org/../../1.png"
    with pytest.raises(DataError, match=r"not a path under the image folder"):
        read(lay(root, ["lvis_v1_val.json"], [], data), image_dir=root / "coco")


# Categories

CATEGORIES: dict[str, tuple[list[tuple[Any, ...]], tuple[str, ...], str]] = {
    "Background": ([(0, "Background"), (1, "cat")], ("background", "cat"), "taken for the background"),
    "VOC's background": ([(1, "cat"), (2, "_background_")], ("background", "cat"), "taken for the background"),
    "one name twice": ([(1, "cat"), (2, "cat")], ("background", "cat"), "1 'cat', 2 'cat': one class"),
    "spaces": ([(1, " cat"), (2, "cat\u00a0")], ("background", "cat"), "one class, 'cat'"),
    "composed accents": ([(1, "caf\u00e9"), (2, "cafe\u0301")], ("background", "caf\u00e9"), "one class"),
    "case": ([(1, "cat"), (2, "CAT")], ("background", "cat", "CAT"), "differ in case alone: --map 'CAT=cat'"),
    "a root": ([(0, "pets", "none"), (1, "cat", "pets")], ("background", "cat"), "0 'pets' only heads"),
    "a root of its own": ([(0, "pets", "pets"), (1, "cat", "pets")], ("background", "cat"), "0 'pets' only heads"),
    "a used root": ([(1, "pets", "none"), (2, "cat", "pets")], ("background", "pets", "cat"), ""),
    "no root": ([(0, "pets", "none"), (1, "cat", "pets"), (2, "car", "x")], ("background", "pets", "cat", "car"), ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CATEGORIES)
def test_categories_are_merged_and_told(case: str, tmp_path: Path) -> None:
    rows, names, words = CATEGORIES[case]
    data = coco([annotation()], images=1)
    data["categories"] = [dict(zip(("id", "name", "supercategory"), row, strict=False)) for row in rows]
    dataset = segdata.convert("coco", write(tmp_path, data), tmp_path / "d", images="none")
    assert dataset.labels.names == names
    notes = dataset.read_receipt()["notes"]
    assert any(words in note for note in notes) if words else notes == []


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name_is_refused_by_its_id(name: str, tmp_path: Path) -> None:
    data = coco([annotation()], images=1)
    data["categories"][2]["name"] = name
    with pytest.raises(DataError, match="category 3 has an empty name"):
        segdata.convert("coco", write(tmp_path, data), tmp_path / "d", images="none")


# Crowds and boxes


@pytest.mark.parametrize(("crowds", "outcome"), [(1, "told"), (3, "warned"), (17, "warned"), (18, "refused")])
def test_many_crowds_are_objects(crowds: int, outcome: str, tmp_path: Path) -> None:
    rows = [annotation(i, iscrowd=i <= crowds) for i in range(1, 21)]
    source = write(tmp_path, coco(rows, images=1))
    if outcome == "refused":
        with pytest.raises(DataError, match="--crowd class"):
            segdata.convert("coco", source, tmp_path / "d", images="none")
    else:
        receipt = segdata.convert("coco", source, tmp_path / "d", images="none").read_receipt()
        assert receipt["crowds"] == {"annotations": crowds, "became": "ignore"}
        assert ("warnings" in receipt) == (outcome == "warned")
    for crowd in ("class", "drop", "ignore"):
        receipt = segdata.convert(
            "coco", source, tmp_path / crowd, images="none", crowd=crowd, allow_empty=True
        ).read_receipt()
        assert (receipt["crowds"]["became"], "warnings" in receipt) == (crowd, False)


@pytest.mark.parametrize("box", [[3, 2, 5, 6], [-4.5, -3, 9, 9], [15, 12, 40, 40]])
@pytest.mark.parametrize("segmentation", ["absent", None, [], [[]], "the box", "corners"])
def test_boxes_have_the_pixels_of_pycocotools(segmentation: Any, box: list[float], tmp_path: Path) -> None:
    row = annotation(bbox=box, segmentation=segmentation)
    if segmentation == "absent":
        del row["segmentation"]
    elif isinstance(segmentation, str):
        x, y, width, height = box
        row["segmentation"] = [box if segmentation == "the box" else [x, y, x + width, y + height]]
    far = annotation(2, category_id=3, segmentation=[[9, 9, 13, 9, 13, 12, 9, 12]])
    source = write(tmp_path, coco([row, far], images=1))
    dataset = segdata.convert("coco", source, tmp_path / "d", images="none")
    expected = coco_rle.decode(coco_rle.frPyObjects(np.array([box], float), 16, 20))[:, :, 0] * 255
    expected[9:12, 9:13] = 2
    np.testing.assert_array_equal(dataset.read_mask(dataset.samples[0]), expected)
    dropped = segdata.convert("coco", source, tmp_path / "b", images="none", boxes="drop")
    np.testing.assert_array_equal(dropped.read_mask(dropped.samples[0]), np.where(expected == 255, 0, expected))
    for made, became in ((dataset, "ignore"), (dropped, "drop")):
        assert made.read_receipt()["boxes"] == {"annotations": 1, "became": became}
    with pytest.raises(DataError, match="--boxes ignore"):
        segdata.convert("coco", source, tmp_path / "s", images="none", boxes="stop")
