"""The COCO reader: equal to pycocotools on every pixel, and one clear message for everything that is wrong."""

from __future__ import annotations

import collections
import hashlib
import json
import os
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_rle
from pycocotools.coco import COCO

import segdata
from coco_files import SQUARE, annotation, coco, write
from segdata.cli import main
from segdata.dataset.ids import sample_ids
from segdata.errors import DataError, OptionError, Report, SegdataError
from segdata.readers.coco.reader import read
from segdata.readers.coco.splits import split_of


def convert(source: Path, out: Path, **options: Any) -> segdata.Dataset:
    options.setdefault("images", "none")
    return segdata.convert("coco", source, out, **options)


def problem_of(source: Path, out: Path, **options: Any) -> segdata.Problem:
    """The problem that stops a conversion, which must leave nothing behind."""
    with pytest.raises(DataError) as caught:
        convert(source, out, **options)
    assert not out.exists()
    return caught.value.problem


def masks_by_stem(dataset: segdata.Dataset) -> dict[str, np.ndarray[Any, Any]]:
    return {Path(sample.id).name: dataset.read_mask(sample) for sample in dataset}


# Oracles on real files


@pytest.mark.data
@pytest.mark.parametrize("overlap", ["smallest", "first", "last"])
def test_mini_equals_pycocotools(shared_data: Path, tmp_path: Path, overlap: str) -> None:
    source = shared_data / "coco/mini/annotations/instances_train2017.json"
    dataset = convert(source, tmp_path / "d", overlap=overlap)
    truth = COCO(str(source))
    ids = {label.name: label.id for label in dataset.labels.classes}
    masks = masks_by_stem(dataset)
    for image in truth.imgs.values():
        expected = np.zeros((image["height"], image["width"]), np.uint8)
        shapes = [(a, truth.annToMask(a)) for a in truth.imgToAnns[image["id"]]]
        if overlap == "smallest":
            shapes.sort(key=lambda pair: (-int(pair[1].sum()), pair[0]["id"]))
        elif overlap == "first":
            shapes.reverse()
        for a, mask in shapes:
            expected[mask == 1] = 255 if a["iscrowd"] else ids[truth.cats[a["category_id"]]["name"]]
        np.testing.assert_array_equal(masks[Path(image["file_name"]).stem], expected)


@pytest.mark.slow
@pytest.mark.data
def test_each_annotation_of_mini_alone_equals_annToMask(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "coco/mini/annotations/instances_train2017.json"
    data = json.loads(source.read_text())
    truth = COCO(str(source))
    sizes = {image["id"]: image for image in data["images"]}
    data["images"] = [
        {**sizes[a["image_id"]], "id": a["id"], "file_name": f"{a['id']}.jpg"} for a in data["annotations"]
    ]
    alone = [{**a, "image_id": a["id"]} for a in data["annotations"]]
    dataset = convert(write(tmp_path, {**data, "annotations": alone}), tmp_path / "d", crowd="class")
    masks = masks_by_stem(dataset)
    assert len(masks) == 739
    for a in data["annotations"]:
        np.testing.assert_array_equal(masks[str(a["id"])] > 0, truth.annToMask(a) > 0)


@pytest.mark.data
def test_panoptic_equals_the_two_channel_pngs(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "coco/panoptic"
    dataset = convert(root / "panoptic_examples.json", tmp_path / "d")
    categories = {c["id"]: c["name"] for c in json.loads((root / "panoptic_examples.json").read_text())["categories"]}
    for stem, mask in masks_by_stem(dataset).items():
        truth = np.asarray(Image.open(root / "panoptic_examples_2ch_format" / f"{stem}.png").convert("RGB"))[:, :, 0]
        names = np.array([categories.get(i, "ignore") for i in range(256)])
        got = np.array([*dataset.labels.names, *["ignore"] * (256 - len(dataset.labels.names))])
        np.testing.assert_array_equal(got[mask], names[truth])
    assert "background" not in dataset.labels.names
    receipt = dataset.read_receipt()
    assert receipt["annotations"] == {"in": 50, "painted": 50, "skipped": 0, "hidden": 0}


@pytest.mark.data
def test_panoptic_and_its_run_lengths_agree(shared_data: Path, tmp_path: Path) -> None:
    root = shared_data / "coco/panoptic"
    png = convert(root / "panoptic_examples.json", tmp_path / "png")
    rle = convert(root / "panoptic_coco_detection_format.json", tmp_path / "rle", background="ignore", crowd="class")
    assert png.labels.digest == rle.labels.digest
    other = masks_by_stem(rle)
    for stem, mask in masks_by_stem(png).items():
        np.testing.assert_array_equal(mask, other[stem])


@pytest.mark.data
def test_lvis_takes_16_bits_and_leaves_the_rest_void(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "coco/lvis/lvis_val_100.json"
    dataset = convert(source, tmp_path / "d")
    assert (len(dataset.labels.classes), dataset.labels.ignore, dataset.labels.names[0]) == (1230, 65535, "acorn")
    assert any("LVIS" in note for note in dataset.read_receipt()["notes"])
    data = json.loads(source.read_text())
    ids = {c["id"]: dataset.labels.id(c["name"]) for c in data["categories"]}
    masks = masks_by_stem(dataset)
    by_image = collections.defaultdict(list)
    for a in data["annotations"]:
        by_image[a["image_id"]].append(a)
    for image in data["images"]:
        size = (image["height"], image["width"])
        expected = np.full(size, 65535, np.uint16)
        shapes = [
            (a, coco_rle.decode(coco_rle.merge(coco_rle.frPyObjects(a["segmentation"], *size))))
            for a in by_image[image["id"]]
        ]
        for a, mask in sorted(shapes, key=lambda pair: (-int(pair[1].sum()), pair[0]["id"])):
            expected[mask == 1] = ids[a["category_id"]]
        np.testing.assert_array_equal(masks[Path(image["file_name"]).stem], expected)


@pytest.mark.data
def test_lvis_background_can_be_overridden(shared_data: Path, tmp_path: Path) -> None:
    dataset = convert(shared_data / "coco/lvis/lvis_val_100.json", tmp_path / "d", background="class")
    assert dataset.labels.names[:2] == ("background", "acorn")
    assert dataset.read_receipt()["notes"] == []


@pytest.mark.slow
@pytest.mark.data
def test_taco_clips_what_is_out_of_bounds(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "coco/taco/annotations.json"
    dataset = convert(source, tmp_path / "d")
    receipt = dataset.read_receipt()
    assert receipt["annotations"] == {
        "in": 4784,
        "painted": 4784,
        "skipped": 0,
        "hidden": receipt["annotations"]["hidden"],
    }
    truth = COCO(str(source))
    outside = set()
    for a in truth.dataset["annotations"]:
        image = truth.imgs[a["image_id"]]
        points = np.concatenate([np.reshape(part, (-1, 2)) for part in a["segmentation"]])
        if points.min() < 0 or points[:, 0].max() > image["width"] or points[:, 1].max() > image["height"]:
            outside.add(a["id"])
    assert {line["annotation"] for line in receipt["clipped"]} == outside
    assert {line["annotation"] for line in receipt["repaired"]} == {309, 4040}  # ids that two images share
    touched = {truth.imgs[truth.anns[id]["image_id"]]["file_name"] for id in outside}
    ids = {label.name: label.id for label in dataset.labels.classes}
    for sample in dataset:
        image = next((i for i in truth.imgs.values() if i["file_name"].startswith(sample.id + ".")), None)
        assert image is not None
        if image["file_name"] in touched:
            expected = np.zeros((image["height"], image["width"]), np.uint8)
            shapes = [(a, truth.annToMask(a)) for a in truth.imgToAnns[image["id"]]]
            for a, mask in sorted(shapes, key=lambda pair: (-int(pair[1].sum()), pair[0]["id"])):
                expected[mask == 1] = ids[truth.cats[a["category_id"]]["name"]]
            np.testing.assert_array_equal(dataset.read_mask(sample), expected)


# What COCO means


def test_categories_follow_their_ids_after_background(tmp_path: Path) -> None:
    dataset = convert(write(tmp_path, coco([annotation()])), tmp_path / "d")
    assert dataset.labels.names == ("background", "cat", "dog", "emu")
    without = convert(write(tmp_path, coco([annotation()])), tmp_path / "e", background="ignore")
    assert without.labels.names == ("cat", "dog", "emu")
    assert set(np.unique(without.read_mask(without.samples[0]))) == {0, 255}
    assert without.samples[1].counts == {255: 320}  # an image without annotations


def test_a_category_of_id_0_is_not_lost(tmp_path: Path) -> None:
    data = coco([annotation(category_id=0)])
    data["categories"].append({"id": 0, "name": "ant"})
    dataset = convert(write(tmp_path, data), tmp_path / "d")
    assert dataset.labels.names == ("background", "ant", "cat", "dog", "emu")
    assert dataset.samples[0].counts[1] == 100


def test_a_category_called_background_is_the_background(tmp_path: Path) -> None:
    data = coco([annotation(category_id=0), annotation(2, category_id=3)])
    data["categories"].append({"id": 0, "name": "background"})
    dataset = convert(write(tmp_path, data), tmp_path / "d")
    assert dataset.labels.names == ("background", "cat", "dog", "emu")


@pytest.mark.parametrize(("crowd", "value"), [("ignore", 255), ("class", 2), ("drop", 0)])
@pytest.mark.parametrize("counts", ["plain", "compressed"])
def test_crowds(tmp_path: Path, crowd: str, value: int, counts: str) -> None:
    region = np.zeros((16, 20), np.uint8, order="F")
    region[3:9, 4:15] = 1
    rle = coco_rle.encode(region)
    runs = [20 * 16]
    if counts == "plain":
        flat = region.ravel(order="F")
        edges = np.flatnonzero(np.diff(flat)) + 1
        runs = np.diff([0, *edges, flat.size]).tolist()
        segmentation: dict[str, Any] = {"size": [16, 20], "counts": runs}
    else:
        segmentation = {"size": [16, 20], "counts": rle["counts"].decode()}
    data = coco([annotation(category_id=3, segmentation=segmentation, iscrowd=1)], images=1)
    dataset = convert(write(tmp_path, data), tmp_path / "d", crowd=crowd, allow_empty=True)
    np.testing.assert_array_equal(dataset.read_mask(dataset.samples[0]), region * value)
    receipt = dataset.read_receipt()
    assert receipt["annotations"]["skipped"] == (crowd == "drop")
    assert receipt["annotations"]["in"] == receipt["annotations"]["painted"] + receipt["annotations"]["skipped"]


def test_ties_and_same_class_overlap(tmp_path: Path) -> None:
    two = [annotation(9, category_id=1), annotation(4, category_id=3)]
    dataset = convert(write(tmp_path, coco(two, images=1)), tmp_path / "d")
    assert dataset.samples[0].counts == {0: 220, 1: 100}  # the higher id, 9, is on top
    receipt = dataset.read_receipt()
    assert receipt["contested"] == {
        "pixels": 100,
        "pairs": [{"classes": ["cat", "dog"], "winner": "cat", "pixels": 100}],
    }
    assert receipt["hidden"] == [
        {"code": "hidden", "message": "wholly under others", "file": "instances_train2017.json", "sample": "train/001",
         "annotation": 4}
    ]  # fmt: skip
    same = convert(write(tmp_path, coco([annotation(1), annotation(2)], images=1)), tmp_path / "e", overlap="ignore")
    assert same.samples[0].counts == {0: 220, 1: 100}
    assert same.read_receipt()["contested"]["pixels"] == 0
    neither = convert(write(tmp_path, coco(two, images=1)), tmp_path / "f", overlap="ignore", allow_empty=True)
    assert neither.samples[0].counts == {0: 220, 255: 100}
    assert neither.read_receipt()["contested"]["pairs"][0]["winner"] == "ignore"


def test_several_polygons_are_not_joined_and_the_first_of_four_numbers_is_no_box(tmp_path: Path) -> None:
    parts = [[1.0, 1.0, 5.0, 1.0, 5.0, 5.0, 1.0, 5.0], [10.0, 8.0, 15.0, 8.0, 15.0, 12.0, 10.0, 12.0]]
    first_bad = [annotation(segmentation=[[0.0, 0.0, 20.0, 16.0], *parts])]
    dataset = convert(write(tmp_path, coco(first_bad, images=1)), tmp_path / "d")
    expected = coco_rle.decode(coco_rle.merge(coco_rle.frPyObjects(parts, 16, 20)))
    np.testing.assert_array_equal(dataset.read_mask(dataset.samples[0]), expected)
    assert [line["annotation"] for line in dataset.read_receipt()["repaired"]] == [1]


@pytest.mark.parametrize(
    ("segmentation", "code"),
    [
        ([], "polygon.degenerate"),
        (None, "polygon.degenerate"),
        ([[1.0, 1.0, 9.0, 9.0]], "polygon.degenerate"),
        ([[]], "polygon.degenerate"),
        ([[3.0, 3.0, 3.0, 3.0, 3.0, 3.0]], "polygon.empty"),
        ([[1e9, 1.0, 1e9, 9.0, 9.0, 9.0]], "polygon.far"),
        ([[40.0, 40.0, 50.0, 40.0, 50.0, 50.0]], "polygon.empty"),
        ({"size": [16, 20], "counts": [320]}, "polygon.empty"),
    ],
)
def test_degenerate_geometry_gets_a_line_and_stops_nothing(tmp_path: Path, segmentation: Any, code: str) -> None:
    data = coco([annotation(5, segmentation=segmentation), annotation(6, category_id=3)])
    receipt = convert(write(tmp_path, data), tmp_path / "d").read_receipt()
    assert [(line["annotation"], line["code"]) for line in receipt["skipped"]] == [(5, code)]
    assert receipt["annotations"] == {"in": 2, "painted": 1, "skipped": 1, "hidden": 0}


def test_a_polygon_beyond_the_image_is_clipped_as_pycocotools_does(tmp_path: Path) -> None:
    part = [-5.0, -3.5, 30.0, 4.0, 12.0, 40.0]
    dataset = convert(write(tmp_path, coco([annotation(segmentation=[part])], images=1)), tmp_path / "d")
    expected = coco_rle.decode(coco_rle.merge(coco_rle.frPyObjects([part], 16, 20)))
    np.testing.assert_array_equal(dataset.read_mask(dataset.samples[0]), expected)
    assert [line["annotation"] for line in dataset.read_receipt()["clipped"]] == [1]


def test_splits_come_from_the_file_names() -> None:
    names = {
        "instances_train2017.json": "train",
        "instances_default.json": "default",
        "instances_val.json": "val",
        "lvis_v1_val.json": "val",
        "panoptic_val2017.json": "val",
        "annotations.json": None,
        "train_val.json": None,
        "trainer.json": None,
        "cityscapes_panoptic_train_trainId.json": "train",
        "test-dev2017.json": "test-dev",
        "val/annotations.json": "val",
        "train/_annotations.coco.json": "train",
    }
    assert {name: split_of(Path("x") / name, Path("x")) for name in names} == names


def test_a_root_with_two_splits(samples: Path, tmp_path: Path) -> None:
    dataset = segdata.convert("coco", samples / "coco", tmp_path / "d")
    assert dataset.splits == ("train", "val")
    assert (len(dataset.split("train")), len(dataset.split("val"))) == (24, 8)
    only = segdata.convert("coco", samples / "coco", tmp_path / "e", split="val")
    assert [s.id for s in only] == [s.id for s in dataset.split("val")]
    assert all(dataset.read_image(s).shape[:2] == dataset.read_mask(s).shape for s in dataset)
    with pytest.raises(OptionError, match="there are train, val"):
        read(samples / "coco", split="test")


def test_the_sample_masks_equal_pycocotools(samples: Path, tmp_path: Path) -> None:
    dataset = convert(samples / "coco", tmp_path / "d", split="train")
    truth = COCO(str(samples / "coco/annotations/instances_train2017.json"))
    ids = {label.name: label.id for label in dataset.labels.classes}
    masks = masks_by_stem(dataset)
    for image in truth.imgs.values():
        expected = np.zeros((image["height"], image["width"]), np.uint8)
        shapes = [(a, truth.annToMask(a)) for a in truth.imgToAnns[image["id"]]]
        for a, mask in sorted(shapes, key=lambda pair: (-int(pair[1].sum()), pair[0]["id"])):
            expected[mask == 1] = 255 if a["iscrowd"] else ids[truth.cats[a["category_id"]]["name"]]
        np.testing.assert_array_equal(masks[Path(image["file_name"]).stem], expected)


def test_images_beside_the_labels_of_each_split(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        folder = tmp_path / "set" / split
        folder.mkdir(parents=True)
        data = coco([annotation()], images=1)
        (folder / "_annotations.coco.json").write_text(json.dumps(data))
        Image.new("RGB", (20, 16)).save(folder / "001.png")
    dataset = segdata.convert("coco", tmp_path / "set", tmp_path / "d")
    assert [s.id for s in dataset] == ["train/001", "valid/001"]


# Names of images


def test_ids_that_collide_keep_the_extension(tmp_path: Path) -> None:
    data = coco([annotation()], images=3)
    for image, name in zip(data["images"], ["a/x.jpg", "a/x.png", "b\\x.png"], strict=True):
        image["file_name"] = name
    dataset = convert(write(tmp_path, data), tmp_path / "d")
    assert [s.id for s in dataset] == ["train/a/x.jpg", "train/a/x.png", "train/b/x"]
    assert [line["sample"] for line in dataset.read_receipt()["renamed"]] == ["train/a/x.jpg", "train/a/x.png"]


@pytest.mark.parametrize("name", ["../x.png", "/x.png", "a//b.png", "", "a/../../b.png", "a\u0000.png", "..\\x.png"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    data = coco([annotation()], images=1)
    data["images"][0]["file_name"] = name
    assert problem_of(write(tmp_path, data), tmp_path / "d").code == "image.name"


def test_lvis_v1_names_images_by_url(tmp_path: Path) -> None:
    data = coco([annotation()], images=1)
    data["images"][0] = {"id": 1, "height": 16, "width": 20, "coco_url": "http://x.org/val2017/0007.jpg"}
    assert convert(write(tmp_path, data), tmp_path / "d").samples[0].id == "train/0007"


def test_ids_keep_the_extension_until_none_collide(tmp_path: Path) -> None:
    data = coco([], images=3)
    for image, name in zip(data["images"], ["a.jpg", "a.png", "a.jpg.png"], strict=True):
        image["file_name"] = name
    dataset = convert(write(tmp_path, data), tmp_path / "d", allow_empty=True)
    assert [s.id for s in dataset] == ["train/a.jpg", "train/a.jpg.png", "train/a.png"]


names = st.lists(st.sampled_from(["a", "a.png", "b"]), min_size=1, max_size=3).map("/".join)


@given(st.lists(names.flatmap(lambda n: st.sampled_from([n, f"{n}.jpg", f"{n}.png"])), max_size=8))
def test_masks_of_any_images_can_be_written(tmp_path_factory: pytest.TempPathFactory, paths: list[str]) -> None:
    root = tmp_path_factory.mktemp("ids")
    found, _ = sample_ids(None, paths)
    ids = [id for id in found if isinstance(id, str)]
    assert len(set(ids)) == len(ids)
    for id in ids:
        (root / f"{id}.png").parent.mkdir(parents=True, exist_ok=True)
    for id in ids:
        (root / f"{id}.png").write_bytes(b"")
    for path, id in zip(paths, found, strict=True):
        if isinstance(id, str):
            assert id in (path, os.path.splitext(path)[0])
            assert paths.count(path) == 1
        elif paths.count(path) == 1:  # only a folder can be in the way of the longest id that there is
            assert any(other.startswith(f"{path}.png/") for other in paths)


def test_names_whose_masks_cannot_be_written_are_cut(tmp_path: Path) -> None:
    data = coco([], images=4)
    fits, long = "\u00e9" * 125 + "x.jpg", "\u00e9" * 126 + ".jpg"  # 255 and 256 bytes with .png
    for image, name in zip(data["images"], ["a.jpg", "a.png/b.jpg", fits, long], strict=True):
        image["file_name"] = name
    source = write(tmp_path, data)
    dataset = convert(source, tmp_path / "d", allow_empty=True)
    cut = "train/" + "\u00e9" * 90 + "-" + hashlib.sha256(f"train/{long[:-4]}".encode()).hexdigest()[:8]
    assert [s.id for s in dataset] == ["train/a.jpg", "train/a.png/b", cut, "train/" + fits[:-4]]
    assert cut in [line["sample"] for line in dataset.read_receipt()["renamed"]]
    data["images"][0]["file_name"] = "a"
    problem = problem_of(write(tmp_path, data), tmp_path / "e")
    assert (problem.sample, "folder a.png" in problem.message) == ("train/a", True)


# Bad input: (what is done to the data, the code, words that the message must have)

BAD: dict[str, tuple[Any, str, list[str]]] = {
    "category not listed": (lambda d: d["annotations"][0].update(category_id=99), "coco.category", ["99", "train/001"]),
    "image not listed": (lambda d: d["annotations"][0].update(image_id=99), "coco.image", ["99"]),
    "annotation ids twice": (lambda d: d["annotations"].append(annotation()), "coco.twice", ["train/001"]),
    "image ids twice": (lambda d: d["images"][1].update(id=1), "coco.twice", ["image id 1"]),
    "category ids twice": (lambda d: d["categories"][0].update(id=1), "coco.category", ["occurs twice"]),
    "names twice": (lambda d: d["images"][1].update(file_name="001.png"), "image.twice", ["train/001"]),
    "NaN": (lambda d: d["annotations"][0].update(segmentation=[[1, 2, float("nan"), 4, 5, 6]]), "polygon.nan", ["NaN"]),
    "infinity": (lambda d: d["annotations"][0].update(segmentation=[[1, 2, float("inf"), 4, 5, 6]]), "polygon.nan", []),
    "a word for a number": (
        lambda d: d["annotations"][0].update(segmentation=[["a", 2, 3, 4, 5, 6]]),
        "coco.segmentation",
        [],
    ),
    "one flat list": (lambda d: d["annotations"][0].update(segmentation=SQUARE[0]), "coco.segmentation", []),
    "an unknown key": (
        lambda d: d["annotations"][0].update(segmentation={"size": [16, 20], "counts": [320], "order": "C"}),
        "coco.segmentation",
        ["order"],
    ),
    "runs of another size": (
        lambda d: d["annotations"][0].update(segmentation={"size": [20, 16], "counts": [320]}),
        "rle.size",
        ["20 x 16", "16 x 20"],
    ),
    "runs too short": (
        lambda d: d["annotations"][0].update(segmentation={"size": [16, 20], "counts": [5, 5]}),
        "rle.size",
        [],
    ),
    "negative runs": (
        lambda d: d["annotations"][0].update(segmentation={"size": [16, 20], "counts": [330, -10]}),
        "rle.size",
        [],
    ),
    "garbage runs": (
        lambda d: d["annotations"][0].update(segmentation={"size": [16, 20], "counts": "hello \u00e9"}),
        "rle.size",
        [],
    ),
    "crowd of a wrong type": (
        lambda d: d["annotations"][0].update(iscrowd="0"),
        "coco.annotations",
        ["train/001", "annotation 1:", "iscrowd"],
    ),
    "an image id that is none": (
        lambda d: d["annotations"][0].update(image_id=[1]),
        "coco.annotations",
        ["which image it is on cannot be told"],
    ),
    "an annotation that is none": (
        lambda d: d["annotations"].__setitem__(0, 5),
        "coco.annotations",
        ["cannot be told"],
    ),
    "a category without a name": (lambda d: d["categories"][2].pop("name"), "coco.categories", ["name"]),
    "half a pixel": (lambda d: d["images"][0].update(height=15.5), "coco.images", ["height"]),
    "id of a wrong type": (lambda d: d["annotations"][0].update(category_id=[1]), "coco.annotations", ["category_id"]),
    "no height": (lambda d: d["images"][0].pop("height"), "coco.images", ["height"]),
    "no pixels": (lambda d: d["images"][0].update(height=0), "coco.size", ["20 x 0"]),
    "too many pixels": (lambda d: d["images"][0].update(height=10**6, width=10**6), "image.too_large", ["limit"]),
    "no categories": (lambda d: d.pop("categories"), "coco.keys", ["categories"]),
    "misspelt annotations": (lambda d: d.update(anotations=d.pop("annotations")), "coco.keys", ["anotations"]),
    "images no list": (lambda d: d.update(images={"a": 1}), "coco.type", ["images"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_labels_stop_with_one_message(tmp_path: Path, case: str) -> None:
    damage, code, words = BAD[case]
    data = coco([annotation(1), annotation(2, image_id=2, category_id=3)])
    damage(data)
    problem = problem_of(write(tmp_path, data), tmp_path / "d")
    assert problem.code == code
    assert problem.code == "image.too_large" or problem.file == str(tmp_path / "annotations/instances_train2017.json")
    assert all(word in str(problem) for word in words), str(problem)
    if code in ("polygon.nan", "coco.segmentation", "rle.size"):
        assert (problem.sample, problem.annotation) == ("train/001", 1)


SKIPPABLE = [case for case in BAD if BAD[case][1] not in ("coco.keys", "coco.type") and case != "category ids twice"]


@pytest.mark.parametrize("case", SKIPPABLE)
def test_bad_labels_can_be_skipped_and_the_arithmetic_closes(tmp_path: Path, case: str) -> None:
    data = coco([annotation(1), annotation(2, image_id=2, category_id=3), annotation(3, image_id=3)], images=3)
    BAD[case][0](data)
    run = segdata.Run(report=Report("skip"))
    dataset = convert(write(tmp_path, data), tmp_path / "d", run=run)
    assert run.report.problems
    assert "train/003" in [s.id for s in dataset]
    receipt = dataset.read_receipt()
    annotations, images = receipt["annotations"], receipt["images"]
    assert annotations["in"] == annotations["painted"] + annotations["skipped"] == len(data["annotations"])
    assert images["in"] == images["converted"] + images["skipped"] == 3
    assert len(receipt["skipped"]) == annotations["skipped"]


SPOILT = {
    "image ids twice": {"train/001", "train/002"},
    "names twice": {"train/001"},
    "crowd of a wrong type": {"train/001"},
    "id of a wrong type": {"train/001"},
    "an image id that is none": set(),
    "a category without a name": {"train/002", "train/004"},
}


@pytest.mark.parametrize("case", SPOILT)
def test_images_that_cannot_be_trusted_are_left_out_whole(tmp_path: Path, case: str) -> None:
    data = coco(
        [annotation(1), annotation(2, image_id=2, category_id=3), annotation(3, 3), annotation(4, 4, 3)], images=4
    )
    BAD[case][0](data)
    dataset = convert(write(tmp_path, data), tmp_path / "d", run=segdata.Run(report=Report("skip")))
    names = {f"train/{image['file_name'][:-4]}" for image in data["images"]}
    assert {sample.id for sample in dataset} == names - SPOILT[case]
    receipt = dataset.read_receipt()
    assert {line["sample"] for line in receipt["skipped_images"]} == SPOILT[case]
    whole = [s for s in dataset if s.id != "train/001" or case != "an image id that is none"]
    assert all(s.counts[0] == 220 for s in whole)
    lines = [line["message"] for line in receipt["skipped"]] + receipt["notes"]
    if case == "an image id that is none":
        assert any("annotations[0]" in line and "cannot be told" in line for line in lines)
    if case == "a category without a name":
        assert "categories[2]" in receipt["notes"][0]
        assert "category 3 is no class" in receipt["notes"][0]


@pytest.mark.parametrize("case", ["crowd of a wrong type", "an image id that is none", "a category without a name"])
def test_the_way_out_is_told_of_whatever_can_be_skipped(tmp_path: Path, case: str) -> None:
    data = coco([annotation(1)])
    BAD[case][0](data)
    source, out = write(tmp_path, data), tmp_path / "d"
    result = CliRunner().invoke(main, ["convert", "coco", str(source), str(out), "--images", "none"])
    assert result.exit_code == 1
    assert "--on-error skip" in result.stderr
    broken = CliRunner().invoke(main, ["convert", "coco", str(write(tmp_path, "{")), str(out), "--images", "none"])
    assert (broken.exit_code, "--on-error" in broken.stderr) == (1, False)


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_a_key_that_occurs_twice_is_refused(tmp_path: Path, key: str, indent: int | None) -> None:
    data = coco([annotation(1), annotation(2, image_id=2)], info={"images": 2, "annotations": ["annotations", "x"]})
    text = json.dumps(data, indent=indent)
    assert len(convert(write(tmp_path, text), tmp_path / "whole")) == 2
    twice = text[:-1] + f', "{key}": {json.dumps(data[key][:1])}}}'
    problem = problem_of(write(tmp_path, twice), tmp_path / "d")
    assert (problem.code, f'"{key}" occurs twice' in problem.message) == ("coco.keys", True)


def test_whole_numbers_may_be_written_as_floats(tmp_path: Path) -> None:
    region = {"size": [16, 20], "counts": [100, 20, 200]}
    data = coco([annotation(1), annotation(2, 2, 3, segmentation=region)])
    plain = convert(write(tmp_path, data), tmp_path / "plain")

    def floats(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: floats(item) for key, item in value.items()}
        if isinstance(value, list):
            return [floats(item) for item in value]
        return float(value) if isinstance(value, int) else value

    dataset = convert(write(tmp_path, floats(data)), tmp_path / "d")
    assert [s.sha256 for s in dataset] == [s.sha256 for s in plain]
    assert dataset.read_receipt() == plain.read_receipt()
    data["annotations"][1]["segmentation"]["counts"][0] = 100.5
    assert problem_of(write(tmp_path, data), tmp_path / "e").code == "coco.segmentation"


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "coco.json"), ("{", "coco.json"), ("[]", "coco.json"), ('{"images": [', "coco.json"), ("\u00ff", "coco.json"),
     ("[" * 100000, "coco.json"), ('{"images": [], "annotations": []}', "coco.keys")],
)  # fmt: skip
def test_files_that_are_not_coco(tmp_path: Path, text: str, code: str) -> None:
    assert problem_of(write(tmp_path, text), tmp_path / "d").code == code


def test_a_truncated_real_file_names_itself(samples: Path, tmp_path: Path) -> None:
    text = (samples / "coco/annotations/instances_train2017.json").read_text()
    problem = problem_of(write(tmp_path, text[: len(text) // 2]), tmp_path / "d")
    assert (problem.code, Path(str(problem.file)).name) == ("coco.json", "instances_train2017.json")


def test_nothing_there(tmp_path: Path) -> None:
    assert "no such file" in problem_of(tmp_path / "nowhere", tmp_path / "d").message
    (tmp_path / "empty").mkdir()
    assert "instances_*.json" in problem_of(tmp_path / "empty", tmp_path / "d").message


def test_images_elsewhere(tmp_path: Path) -> None:
    source = write(tmp_path, coco([annotation()]))
    problem = problem_of(source, tmp_path / "d", images="reference")
    assert problem.code == "coco.images"
    assert "--image-dir" in problem.message
    (tmp_path / "elsewhere").mkdir()
    for name in ("001.png", "002.png"):
        Image.new("RGB", (20, 16)).save(tmp_path / "elsewhere" / name)
    dataset = convert(source, tmp_path / "d", images="reference", image_dir=tmp_path / "elsewhere")
    assert dataset.samples[0].image == "../elsewhere/001.png"


def test_two_annotation_files_for_one_split_are_refused(tmp_path: Path) -> None:
    for name in ("instances_train2014.json", "instances_train2017.json"):
        write(tmp_path, coco([]), name)
    with pytest.raises(OptionError, match="one split"):
        read(tmp_path)


def test_categories_that_differ_between_splits_are_refused(tmp_path: Path) -> None:
    write(tmp_path, coco([annotation()]))
    other = coco([annotation()])
    other["categories"][0]["name"] = "ostrich"
    write(tmp_path, other, "instances_val2017.json")
    assert problem_of(tmp_path, tmp_path / "d").code == "coco.category"


def test_panoptic_bad_input(samples: Path, tmp_path: Path) -> None:
    folder = tmp_path / "annotations"
    folder.mkdir()
    source = samples / "coco/annotations"
    data = json.loads((source / "panoptic_val2017.json").read_text())
    pngs = folder / "panoptic_val2017"
    pngs.mkdir()
    for path in (source / "panoptic_val2017").glob("*.png"):
        (pngs / path.name).write_bytes(path.read_bytes())
    name = data["annotations"][0]["file_name"]
    target = folder / "panoptic_val2017.json"

    def code_of(changed: dict[str, Any]) -> str:
        target.write_text(json.dumps(changed))
        return problem_of(target, tmp_path / "d").code

    unlisted = json.loads(json.dumps(data))
    unlisted["annotations"][0]["segments_info"].pop()
    assert code_of(unlisted) == "panoptic.segment"
    unknown = json.loads(json.dumps(data))
    unknown["annotations"][0]["segments_info"][0]["category_id"] = 999
    assert code_of(unknown) == "coco.category"
    without = json.loads(json.dumps(data))
    without["annotations"].pop()
    assert code_of(without) == "coco.image"
    twice = json.loads(json.dumps(data))
    twice["annotations"].append(twice["annotations"][0])
    assert code_of(twice) == "coco.image"
    typed = json.loads(json.dumps(data))
    typed["annotations"][0]["segments_info"][0]["iscrowd"] = "0"
    assert code_of(typed) == "coco.annotations"
    for changed in (twice, typed):
        target.write_text(json.dumps(changed))
        run = segdata.Run(report=Report("skip"))
        left = convert(target, tmp_path / "skipped", run=run, overwrite=True)
        assert (len(run.report.problems), len(left)) == (1, len(data["images"]) - 1)
        receipt = left.read_receipt()["annotations"]
        assert receipt["in"] == receipt["painted"] + receipt["skipped"]
    secret = tmp_path / "secret.png"
    secret.write_bytes((pngs / name).read_bytes())
    for outside in ("../../secret.png", str(secret), f"a/../../../{secret.name}"):
        led = json.loads(json.dumps(data))
        led["annotations"][0]["file_name"] = outside
        assert code_of(led) == "panoptic.outside"
    with pytest.raises(OptionError, match="nothing overlaps"):
        convert(target, tmp_path / "d", overlap="smallest")
    Image.new("RGB", (7, 7)).save(pngs / name)
    assert code_of(data) == "panoptic.size"
    (pngs / name).unlink()
    assert code_of(data) == "image.missing"


# Fuzzing: whatever a file holds, the reader raises SegdataError or nothing

scalar = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(string.printable, max_size=5)
json_value = st.recursive(
    scalar, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=4), v, max_size=3)
)
points = st.lists(st.floats(-50, 50) | st.floats(), max_size=9)
rle_like = st.fixed_dictionaries(
    {"size": st.just([16, 20]) | json_value, "counts": st.text(max_size=9) | st.lists(st.integers(-1, 400), max_size=5)}
)
segmentations = st.lists(points, max_size=3) | rle_like | json_value


@given(segmentations, st.sampled_from([0, 1, True]))
@example({"size": [16, 20], "counts": "0" * 40}, 0)
@example({"size": [16, 20], "counts": "o" * 40}, 0)
@example([[1e308, 1e308, -1e308, 1, 2, 3]], 0)
def test_fuzz_segmentations(tmp_path_factory: pytest.TempPathFactory, segmentation: Any, crowd: int) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    source = write(root, coco([annotation(segmentation=segmentation, iscrowd=crowd)], images=1))
    try:
        receipt = convert(source, root / "d").read_receipt()
    except SegdataError:
        assert not (root / "d").exists()
    else:
        assert (
            receipt["annotations"]["in"] == receipt["annotations"]["painted"] + receipt["annotations"]["skipped"] == 1
        )


@given(st.dictionaries(st.sampled_from(["images", "annotations", "categories", "info"]), json_value))
def test_fuzz_files(tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    try:
        convert(write(root, data), root / "d")
    except SegdataError:
        assert not (root / "d").exists()


@given(st.binary(max_size=200))
def test_fuzz_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    root = tmp_path_factory.mktemp("fuzz")
    path = root / "instances_a.json"
    path.write_bytes(data)
    with pytest.raises(SegdataError):
        convert(path, root / "d")


@given(st.data())
def test_polygons_equal_annToMask_wherever_pycocotools_accepts(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    coordinate = st.floats(-30, 50, width=32)
    part = st.lists(coordinate, min_size=6, max_size=12)
    parts = data.draw(st.lists(part, min_size=1, max_size=3))
    expected = coco_rle.decode(coco_rle.merge(coco_rle.frPyObjects(parts, 16, 20)))
    root = tmp_path_factory.mktemp("polygon")
    dataset = convert(write(root, coco([annotation(segmentation=parts)], images=1)), root / "d", allow_empty=True)
    np.testing.assert_array_equal(dataset.read_mask(dataset.samples[0]), expected)
