"""Small COCO inputs of trial users, from the command line: pixels, classes, exit codes and messages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import segdata
from trial_files import run, trial

pytestmark = pytest.mark.data

CAT = np.zeros((8, 10), np.uint8)
CAT[1:5, 1:5] = 1


def convert(source: Path, out: Path, *options: str) -> tuple[int, str]:
    """The exit code of `convert coco`, and what a person reads."""
    result = run("convert", "coco", source, out, *options)
    return result.exit_code, result.output


def masks(out: Path) -> dict[str, Any]:
    dataset = segdata.Dataset.open(out)
    return {sample.id: dataset.read_mask(sample) for sample in dataset}


@pytest.mark.parametrize(
    ("name", "options", "id", "classes"),
    [
        ("string_imgid", "", "train/a", "background cat dog"),
        ("string_annid", "", "train/a", "background cat dog"),
        ("string_catid", "", "train/a", "background cat dog"),
        ("no_annid", "", "train/a", "background cat dog"),
        ("null_crowd", "", "train/a", "background cat dog"),
        ("fn_posix_abs", "--image-match name", "train/a", "background cat dog"),
        ("fn_url", "--image-match name", "train/a", "background cat dog"),
        ("fn_parent", "--image-match name", "train/a", "background cat dog"),
        ("fn_win_rel", "", "train/sub/a", "background cat dog"),
        ("fn_win_rel", "--image-match name", "train/sub/a", "background cat dog"),
        ("ls_proj", "--image-match name", "90fbb0c7-a", "background cat"),
        ("cat_background", "", "train/a", "background cat dog"),
        ("cat_space", "", "train/a", "background cat Cat"),
        ("roboflow_root", "", "train/a", "background peix taca"),
    ],
)
def test_one_cat(name: str, options: str, id: str, classes: str, tmp_path: Path) -> None:
    code, text = convert(trial(f"conversion/{name}"), tmp_path / "d", *options.split())
    assert (code, list(masks(tmp_path / "d"))) == (0, [id]), text
    np.testing.assert_array_equal(masks(tmp_path / "d")[id], CAT)
    dataset = segdata.Dataset.open(tmp_path / "d")
    assert dataset.labels.names == tuple(classes.split())
    assert dataset.read_image(dataset.samples[0]).shape[:2] == (8, 10)


@pytest.mark.parametrize("name", ["fn_posix_abs", "fn_url", "fn_parent", "ls_proj"])
def test_file_names_of_other_places_name_the_option(name: str, tmp_path: Path) -> None:
    code, text = convert(trial(f"conversion/{name}"), tmp_path / "d")
    assert (code, "give --image-match name" in text) == (1, True), text
    assert not (tmp_path / "d").exists()
    code, text = convert(trial(f"conversion/{name}"), tmp_path / "n", "--images", "none", "--image-match", "name")
    assert (code, [np.array_equal(mask, CAT) for mask in masks(tmp_path / "n").values()]) == (0, [True]), text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cat_background", "0 'background': taken for the background"),
        ("cat_space", "categories 1 'cat ', 3 'cat': one class, 'cat'"),
        ("cat_space", "--map 'Cat=cat'"),
        ("roboflow_root", "category 0 'peixos' only heads the others"),
        ("no_annid", "1 annotations have no id"),
    ],
)
def test_what_became_of_categories_and_ids_is_told(name: str, words: str, tmp_path: Path) -> None:
    code, text = convert(trial(f"conversion/{name}"), tmp_path / "d")
    assert (code, words in text) == (0, True), text


def test_cases_are_merged_as_the_note_says(tmp_path: Path) -> None:
    assert convert(trial("conversion/cat_space"), tmp_path / "d", "--map", "Cat=cat")[0] == 0
    assert segdata.Dataset.open(tmp_path / "d").labels.names == ("background", "cat")


def test_masks_that_are_all_crowds_are_refused(tmp_path: Path) -> None:
    code, text = convert(trial("conversion/cvat_masks"), tmp_path / "d")
    assert (code, (tmp_path / "d").exists()) == (1, False)
    assert "1 of 1 annotations" in text
    assert "--crowd class" in text
    assert convert(trial("conversion/cvat_masks"), tmp_path / "c", "--crowd", "class")[0] == 0
    expected = np.zeros((8, 10), np.uint8)
    expected[2:5, 3:7] = 1
    np.testing.assert_array_equal(masks(tmp_path / "c")["default/a"], expected)
    code, text = convert(trial("conversion/cvat_masks"), tmp_path / "i", "--crowd", "ignore")
    assert (code, "nothing is painted" in text) == (1, True)
    code, text = convert(trial("conversion/cvat_masks"), tmp_path / "i", "--crowd", "ignore", "--allow-empty")
    assert (code, "crowds:      1 of 1 annotations" in text) == (0, True)


def test_masks_among_polygons_are_warned_of(tmp_path: Path) -> None:
    code, text = convert(trial("conversion/cvat_mixed"), tmp_path / "d")
    assert code == 0
    assert "crowds:      1 of 2 annotations" in text
    assert "warning: " in text
    assert "--crowd class" in text
    receipt = segdata.Dataset.open(tmp_path / "d").read_receipt()
    assert receipt["crowds"] == {"annotations": 1, "became": "ignore"}
    code, text = convert(trial("conversion/cvat_mixed"), tmp_path / "c", "--crowd", "class")
    assert (code, "warning: " in text) == (0, False)
    assert 2 not in masks(tmp_path / "c")["default/a"]
    assert 255 not in masks(tmp_path / "c")["default/a"]


@pytest.mark.parametrize("name", ["bbox_only", "seg_bbox4"])
@pytest.mark.parametrize("boxes", ["ignore", "drop"])
def test_nothing_painted_is_an_error(name: str, boxes: str, tmp_path: Path) -> None:
    options = ["--boxes", boxes, "--images", "none"]
    code, text = convert(trial(f"conversion/{name}"), tmp_path / "d", *options)
    assert (code, "nothing is painted" in text, "box" in text) == (1, True, True), text
    assert list(tmp_path.iterdir()) == []
    assert convert(trial(f"conversion/{name}"), tmp_path / "d", *options, "--allow-empty")[0] == 0
    (mask,) = masks(tmp_path / "d").values()
    np.testing.assert_array_equal(mask, CAT * (255 if boxes == "ignore" else 0))


def test_a_box_among_outlines_is_ignored_or_as_told(tmp_path: Path) -> None:
    expected = CAT * 255
    expected[5:7, 5:8] = 2
    code, text = convert(trial("conversion/bbox_mixed"), tmp_path / "d")
    assert (code, "boxes:       1 of 2 annotations" in text) == (0, True), text
    np.testing.assert_array_equal(masks(tmp_path / "d")["train/a"], expected)
    assert segdata.Dataset.open(tmp_path / "d").read_receipt()["boxes"] == {"annotations": 1, "became": "ignore"}
    code, text = convert(trial("conversion/bbox_mixed"), tmp_path / "b", "--boxes", "drop")
    assert (code, "1 left out: has a box and no segmentation" in text) == (0, True), text
    np.testing.assert_array_equal(masks(tmp_path / "b")["train/a"], np.where(expected == 255, 0, expected))
    code, text = convert(trial("conversion/bbox_mixed"), tmp_path / "s", "--boxes", "stop")
    assert (code, "annotation 1" in text, "--boxes ignore" in text) == (1, True, True), text


@pytest.mark.parametrize(
    ("name", "ids"),
    [("train_val_json", ["train/a", "val/a"]), ("train_val_annjson", ["train/a", "valid/a"])],
)
def test_splits_of_other_names(name: str, ids: list[str], tmp_path: Path) -> None:
    for format in ("coco", "auto"):
        result = run("convert", format, trial(f"conversion/{name}"), tmp_path / format)
        assert result.exit_code == 0, result.output
        found = masks(tmp_path / format)
        assert list(found) == ids
        assert all(np.array_equal(mask, CAT) for mask in found.values())
    assert convert(trial(f"conversion/{name}"), tmp_path / "v", "--split", ids[1].split("/")[0])[0] == 0
    assert list(masks(tmp_path / "v")) == ids[1:]


def test_splits_can_be_named(tmp_path: Path) -> None:
    shutil.copytree(trial("conversion/train_val_json"), tmp_path / "s")
    for old, new in (("train", "one"), ("val", "two")):
        (tmp_path / f"s/annotations/{old}.json").rename(tmp_path / f"s/annotations/{new}.json")
    code, text = convert(tmp_path / "s", tmp_path / "d")
    assert (code, "--annotations SPLIT=FILE" in text) == (1, True), text
    given = [f"--annotations=train={tmp_path}/s/annotations/one.json", "--annotations=val=annotations/two.json"]
    assert convert(tmp_path / "s", tmp_path / "d", *given)[0] == 0
    assert list(masks(tmp_path / "d")) == ["train/a", "val/a"]
    code, text = convert(tmp_path / "s", tmp_path / "e", "--annotations", "train=three.json")
    assert (code, "three.json" in text) == (1, True)


@pytest.mark.parametrize("name", ["lvis_two_folders", "lvis_train"])
def test_lvis_in_its_official_layout(name: str, tmp_path: Path) -> None:
    code, text = convert(trial(f"conversion/{name}"), tmp_path / "d")
    assert code == 0, text
    dataset = segdata.Dataset.open(tmp_path / "d")
    first = next(sample for sample in dataset if sample.id.endswith("1"))
    np.testing.assert_array_equal(dataset.read_mask(first), np.where(CAT == 1, 0, 255))
    assert first.image is not None
    assert first.image.endswith("train2017/000000000001.jpg")
    if name == "lvis_two_folders":
        assert {Path(str(sample.image)).parent.name for sample in dataset} == {"train2017", "val2017"}


def cityscapes_panoptic(root: Path) -> Path:
    """What `createPanopticImgs.py` of cityscapesScripts writes for one image, beside the image as Cityscapes has it."""
    city = "aachen_000000_000019"
    folder = root / "gtFine/cityscapes_panoptic_train"
    folder.mkdir(parents=True)
    (root / "leftImg8bit/train/aachen").mkdir(parents=True)
    Image.new("RGB", (10, 8)).save(root / f"leftImg8bit/train/aachen/{city}_leftImg8bit.png")
    segments = np.zeros((8, 10, 3), np.uint8)
    segments[1:5, 1:5] = (26000 % 256, 26000 // 256, 0)
    segments[6:] = (7, 0, 0)
    Image.fromarray(segments).save(folder / f"{city}_gtFine_panoptic.png")
    found = [{"id": 26000, "category_id": 26, "area": 16, "bbox": [1, 1, 4, 4], "iscrowd": 0},
             {"id": 7, "category_id": 7, "area": 20, "bbox": [0, 6, 10, 2], "iscrowd": 0}]  # fmt: skip
    data = {
        "images": [{"id": city, "width": 10, "height": 8, "file_name": f"{city}_gtFine_leftImg8bit.png"}],
        "annotations": [{"image_id": city, "file_name": f"{city}_gtFine_panoptic.png", "segments_info": found}],
        "categories": [
            {"id": 7, "name": "road", "color": [128, 64, 128], "supercategory": "flat", "isthing": 0},
            {"id": 26, "name": "car", "color": [0, 0, 142], "supercategory": "vehicle", "isthing": 1},
        ],
    }
    (root / "gtFine/cityscapes_panoptic_train.json").write_text(json.dumps(data))
    return root


def test_panoptic_files_of_cityscapes_scripts(tmp_path: Path) -> None:
    root = cityscapes_panoptic(tmp_path / "s")
    expected = np.full((8, 10), 255, np.uint8)
    expected[1:5, 1:5], expected[6:] = 1, 0
    assert convert(root / "gtFine", tmp_path / "d", "--images", "none")[0] == 0
    ((id, mask),) = masks(tmp_path / "d").items()
    assert id == "train/aachen_000000_000019_gtFine_leftImg8bit"
    np.testing.assert_array_equal(mask, expected)
    where = ["--image-dir", str(root / "leftImg8bit")]
    code, text = convert(root / "gtFine", tmp_path / "i", *where)
    assert (code, "give --image-match name" in text) == (1, True), text
    assert convert(root / "gtFine", tmp_path / "i", *where, "--image-match", "name")[0] == 0
    dataset = segdata.Dataset.open(tmp_path / "i")
    assert dataset.read_image(dataset.samples[0]).shape == (8, 10, 3)
    np.testing.assert_array_equal(dataset.read_mask(dataset.samples[0]), expected)
