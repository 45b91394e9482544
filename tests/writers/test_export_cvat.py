"""Exports to CVAT: they come back pixel by pixel, pycocotools draws the same, and what XML cannot hold is refused."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

import segdata
from carry_files import make, random_masks
from drawn_masks import drawn_sets, same_pixels
from segdata import Dataset, OptionError
from segdata.cli import main
from segdata.labels import class_name
from segdata.writers.names import name_samples

SHAPES = ("mask", "polygon")


def export(dataset: Dataset, out: Path, **options: Any) -> dict[str, Any]:
    """Export without images, and return the receipt."""
    return segdata.export("cvat", dataset, out, **{"images": "none", "ignored": "class", **options}).to_json()


def back(out: Path, to: Path, format: str = "auto", **options: Any) -> Dataset:
    return segdata.convert(format, out, to, **{"images": "none", "allow_empty": True, **options})


def ids_there(dataset: Dataset) -> dict[str, str]:
    """The id of each sample once it has come back: its split, and its name in that."""
    named = name_samples(dataset)
    return {one.sample.id: f"{one.sample.split}/{one.name}" if one.split else one.name for one in named}


def images_of(xml: Path) -> list[Any]:
    return [*ElementTree.parse(xml).getroot().iter("image")]


def drawn_by_pycocotools(image: Any) -> NDArray[Any]:
    """The labels on the pixels of an image, as CVAT and Datumaro draw its shapes; "" where there is none."""
    width, height = int(image.get("width")), int(image.get("height"))
    drawn = np.full((height, width), "", object)
    for shape in image:
        if shape.tag == "polygon":
            points = [float(number) for pair in shape.get("points").split(";") for number in pair.split(",")]
            pixels = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([points], height, width)))
        else:
            left, top, w, h = (int(shape.get(name)) for name in ("left", "top", "width", "height"))
            counts = [int(number) for number in shape.get("rle").split(",")]
            box = coco_mask.decode(coco_mask.frPyObjects({"size": [w, h], "counts": counts}, w, h)).T
            pixels = np.zeros((height, width), np.uint8)
            pixels[top : top + h, left : left + w] = box
        assert not drawn[pixels > 0].any()  # no shape lies over another
        drawn[pixels > 0] = shape.get("label")
    return drawn


@pytest.mark.parametrize("shapes", SHAPES)
@settings(max_examples=40)
@given(drawn=drawn_sets(), objects=st.sampled_from(["regions", "classes"]), with_contract=st.booleans())
def test_masks_come_back(
    tmp_path_factory: pytest.TempPathFactory, shapes: str, drawn: Any, objects: str, with_contract: bool
) -> None:
    names, masks = drawn
    assume(len({class_name(name) for name in names}) == len(names))
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", masks, names=names)
    export(dataset, root / "out", shapes=shapes, objects=objects)
    if with_contract:
        same_pixels(back(root / "out", root / "back"), dataset, ids_there(dataset))
        return
    (root / "out/segdata.json").unlink()
    found = back(root / "out", root / "back", "cvat")
    by_id = ids_there(dataset)
    for sample in dataset:
        there = found.sample(by_id[sample.id])
        assert there.split == sample.split
        assert names_on(found, there.id) == names_on(dataset, sample.id)


def names_on(dataset: Dataset, id: str) -> list[str]:
    """What the pixels of a sample are called, in order."""
    mask = dataset.read_mask(dataset.sample(id))
    return [class_name(dataset.labels.name(value)) for value in mask.ravel().tolist()]


@pytest.mark.parametrize("shapes", SHAPES)
@settings(max_examples=40)
@given(drawn=drawn_sets(most=4))
def test_shapes_are_drawn_by_pycocotools_to_the_same_pixels(
    tmp_path_factory: pytest.TempPathFactory, shapes: str, drawn: Any
) -> None:
    names, masks = drawn
    assume(len({class_name(name) for name in names}) == len(names))
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", {f"{i}": mask for i, mask in enumerate(masks.values())}, names=names)
    export(dataset, root / "out", shapes=shapes)
    for image, sample in zip(images_of(root / "out/annotations.xml"), dataset, strict=True):
        assert image.get("name") == f"{sample.id}.png"
        expected = [
            "" if class_name(name) == "background" else name
            for name in map(dataset.labels.name, dataset.read_mask(sample).ravel().tolist())
        ]
        assert drawn_by_pycocotools(image).ravel().tolist() == expected


# Files


def test_each_split_has_an_xml_and_a_folder_of_images(tmp_path: Path) -> None:
    masks = {
        **random_masks(2, prefix="train/"),
        **random_masks(1, prefix="fold 1/"),
        **random_masks(1, prefix="fold 2/"),
    }
    masks["alone"] = masks["train/000"]
    dataset = make(tmp_path / "d", masks, images="reference")
    export(dataset, tmp_path / "out", images="link")
    out = tmp_path / "out"
    assert sorted(path.name for path in out.glob("*.xml")) == ["default.xml", "fold_1.xml", "fold_2.xml", "train.xml"]
    assert [(one.get("id"), one.get("name")) for one in images_of(out / "train.xml")] == [
        ("0", "000.png"),
        ("1", "001.png"),
    ]
    assert ElementTree.parse(out / "fold_1.xml").findtext("meta/task/subset") == "fold 1"
    assert sorted(path.relative_to(out / "images").as_posix() for path in out.glob("images/*/*")) == [
        "default/alone.png", "fold_1/000.png", "fold_2/000.png", "train/000.png", "train/001.png",
    ]  # fmt: skip
    found = back(out, tmp_path / "back", images="reference")
    same_pixels(found, dataset, {sample.id: sample.id for sample in dataset})
    for sample in dataset:
        assert found.sample(sample.id).split == sample.split
        np.testing.assert_array_equal(found.read_image(found.sample(sample.id)), dataset.read_image(sample))


def test_ids_may_begin_as_the_xml_is_called(tmp_path: Path) -> None:
    """images/annotations is then a folder of some images, not that of the XML."""
    masks = {**random_masks(2, prefix="annotations/"), **random_masks(3, seed=1)}
    fields = {id: {"split": None} for id in masks}
    dataset = make(tmp_path / "d", masks, images="reference", fields=fields)
    export(dataset, tmp_path / "out", images="link")
    found = back(tmp_path / "out", tmp_path / "back", images="reference")
    same_pixels(found, dataset, {sample.id: sample.id for sample in dataset})
    for sample in dataset:
        np.testing.assert_array_equal(found.read_image(found.sample(sample.id)), dataset.read_image(sample))


def test_labels_are_listed_with_colours_and_without_background(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", random_masks(1), names=["road", "background", 'a, "b" <c> & ü'])
    export(dataset, tmp_path / "out")
    labels = ElementTree.parse(tmp_path / "out/annotations.xml").findall("meta/task/labels/label")
    colors = {label.name: "#{:02x}{:02x}{:02x}".format(*label.color) for label in dataset.labels.classes}
    told = {label.findtext("name"): label.findtext("color") for label in labels}
    assert told == {"road": colors["road"], 'a, "b" <c> & ü': colors['a, "b" <c> & ü'], "ignore": "#ffffff"}


def test_a_class_is_one_mask_if_asked(tmp_path: Path) -> None:
    mask = np.array([[1, 0, 1], [0, 2, 0]], np.uint8)
    dataset = make(tmp_path / "d", {"a": mask}, names=["background", "cat", "dog"])
    export(dataset, tmp_path / "regions")
    export(dataset, tmp_path / "classes", objects="classes")
    (regions,), (classes,) = (images_of(tmp_path / name / "annotations.xml") for name in ("regions", "classes"))
    assert [(one.get("label"), one.get("rle")) for one in regions] == [
        ("cat", "0, 1"),
        ("cat", "0, 1"),
        ("dog", "0, 1"),
    ]
    assert [(one.get("label"), one.get("rle")) for one in classes] == [("cat", "0, 1, 1, 1"), ("dog", "0, 1")]


def test_images_that_cvat_does_not_open_are_written_as_pixels(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", random_masks(2), images="copy")
    pixels = dataset.read_image(dataset.sample("000"))
    (tmp_path / "d/images/000.png").unlink()
    Image.fromarray(pixels).save(tmp_path / "d/images/000.ppm")
    (tmp_path / "d/manifest.jsonl").write_text(
        (tmp_path / "d/manifest.jsonl").read_text().replace("images/000.png", "images/000.ppm")
    )
    receipt = export(Dataset.open(tmp_path / "d"), tmp_path / "out", images="link")
    assert receipt["written_as_pixels"] == 1
    assert not (tmp_path / "out/images/000.png").is_symlink()
    assert (tmp_path / "out/images/001.png").is_symlink()
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/images/000.png")), pixels)


# What cannot be held


def test_ignored_pixels_are_asked_for(tmp_path: Path) -> None:
    masks = {"a": np.array([[0, 255], [255, 1]], np.uint8), "b": np.array([[0, 1]], np.uint8)}
    dataset = make(tmp_path / "d", masks, names=["background", "cat"])
    with pytest.raises(OptionError, match=r"1 of 2 samples have ignored pixels.*--ignored class"):
        export(dataset, tmp_path / "out", ignored=None)
    assert not (tmp_path / "out").exists()
    assert export(dataset, tmp_path / "class")["cannot_hold"] == {}
    receipt = export(dataset, tmp_path / "out", ignored="background")
    assert receipt["cannot_hold"] == {
        "ignored": {"images": 1, "pixels": 2, "regions": 2, "keep": "--ignored class"},
    }
    found = back(tmp_path / "out", tmp_path / "back")
    assert found.read_mask(found.sample("a")).tolist() == [[0, 0], [0, 1]]
    receipt = export(dataset, tmp_path / "drop", ignored="drop")
    assert receipt["images"] == {"in": 2, "exported": 1, "skipped": 1}


def test_without_a_class_of_that_name_background_is_ignored_pixels(tmp_path: Path) -> None:
    masks = {"a": np.array([[0, 255], [255, 1]], np.uint8)}
    dataset = make(tmp_path / "d", masks, names=["road", "cat"])
    assert export(dataset, tmp_path / "out", ignored="background")["cannot_hold"] == {}
    same_pixels(back(tmp_path / "out", tmp_path / "back"), dataset, {"a": "a"})


def test_background_that_was_added_later_is_ignored_and_told(tmp_path: Path) -> None:
    """No CVAT file tells it from what has no label, which is ignored in a dataset without such a class."""
    dataset = make(tmp_path / "d", {"a": np.array([[0, 1]], np.uint8)}, names=["road", "car"])
    export(dataset, tmp_path / "out")
    xml = tmp_path / "out/annotations.xml"
    xml.write_text(xml.read_text().replace("car", "background"))
    found = back(tmp_path / "out", tmp_path / "back")
    assert found.read_mask(found.sample("a")).tolist() == [[0, 255]]
    assert "background, which is no class of segdata.json, is ignored" in found.read_receipt()["notes"]


def test_names_that_no_xml_can_hold_are_refused_and_the_way_out_runs(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", random_masks(1), names=["road", "a\x01b", "sky"])
    with pytest.raises(OptionError, match=r"class 'a\\x01b': no XML can hold its characters: segdata remap"):
        export(dataset, tmp_path / "out")
    (tmp_path / "names.json").write_text(json.dumps({"a\x01b": "ab"}))
    command = f"remap {tmp_path / 'd'} {tmp_path / 'renamed'} --map-file {tmp_path / 'names.json'}"
    assert CliRunner().invoke(main, shlex.split(command)).exit_code == 0
    renamed = Dataset.open(tmp_path / "renamed")
    export(renamed, tmp_path / "out")
    same_pixels(back(tmp_path / "out", tmp_path / "back"), renamed, {"000": "000"})


def test_a_split_of_the_name_for_none_is_told(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", random_masks(1, prefix="default/"))
    assert export(dataset, tmp_path / "out")["notes"] == [
        "CVAT calls what is in no split default: samples of a split of this name come back without one"
    ]
    assert back(tmp_path / "out", tmp_path / "back").sample("000").split is None


def test_the_command_tells_what_it_wrote_and_one_line_what_it_refuses(tmp_path: Path) -> None:
    make(tmp_path / "d", random_masks(3))
    arguments = ["export", "cvat", str(tmp_path / "d"), str(tmp_path / "out"), "--images", "none"]
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1
    assert "--ignored class" in refused.output
    done = CliRunner().invoke(main, [*arguments, "--ignored", "class"])
    assert done.exit_code == 0, done.output
    assert "3 samples" in done.output
