"""Exports to labelme: they come back pixel by pixel with ids, splits and groups, and Pillow and OpenCV fill the same pixels."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import segdata
from carry_files import make, random_masks
from drawn_masks import drawn_sets, same_pixels
from predictors import ByColour
from segdata import DataError, Dataset, OptionError
from segdata.labels import Labels, class_name

SHAPES = ("polygon", "mask")


def export(dataset: Dataset, out: Path, **options: Any) -> dict[str, Any]:
    """Export without images, and return the receipt."""
    return segdata.export("labelme", dataset, out, **{"images": "none", **options}).to_json()


def back(out: Path, to: Path, format: str = "auto", **options: Any) -> Dataset:
    return segdata.convert(format, out, to, **{"images": "none", "allow_empty": True, **options})


def same_ids(dataset: Dataset) -> dict[str, str]:
    return {sample.id: sample.id for sample in dataset}


def names_on(dataset: Dataset, id: str) -> list[str]:
    """What the pixels of a sample are called, in order."""
    mask = dataset.read_mask(dataset.sample(id))
    return [class_name(dataset.labels.name(value)) for value in mask.ravel().tolist()]


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


def drawn(content: dict[str, Any], *, by_opencv: bool) -> NDArray[Any]:
    """The labels on the pixels of an image, as labelme draws shapes (Pillow), or supervision (OpenCV); "" where there is none."""
    size = content["imageHeight"], content["imageWidth"]
    drawn = np.full(size, "", object)
    for shape in content["shapes"]:
        pixels = np.zeros(size, np.uint8)
        if shape["shape_type"] == "mask":
            (x0, y0), (x1, y1) = shape["points"]
            pixels[y0 : y1 + 1, x0 : x1 + 1] = np.asarray(Image.open(io.BytesIO(base64.b64decode(shape["mask"]))))
        elif by_opencv:
            cv2.fillPoly(pixels, [np.array(shape["points"], np.int32)], color=(1,))
        else:
            image = Image.fromarray(pixels)
            ImageDraw.Draw(image).polygon([tuple(point) for point in shape["points"]], outline=1, fill=1)
            pixels = np.asarray(image)
        assert not drawn[pixels > 0].any()  # no shape lies over another
        drawn[pixels > 0] = shape["label"]
    return drawn


@pytest.mark.parametrize("shapes", SHAPES)
@settings(max_examples=40)
@given(
    drawn=drawn_sets(),
    objects=st.sampled_from(["regions", "classes"]),
    with_contract=st.booleans(),
    group=st.none() | st.just("g"),
)
def test_masks_come_back_with_ids_splits_and_groups(
    tmp_path_factory: pytest.TempPathFactory,
    shapes: str,
    drawn: Any,
    objects: str,
    with_contract: bool,
    group: str | None,
) -> None:
    names, masks = drawn
    assume(len({class_name(name) for name in names}) == len(names))
    masks = {id: mask for id, mask in masks.items() if id != "b/C"}  # some file systems take it for b/c
    assume(masks)
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", masks, names=names, fields={id: {"group": group} for id in masks})
    export(dataset, root / "out", shapes=shapes, objects=objects)
    if not with_contract:
        (root / "out/segdata.json").unlink()
    found = back(root / "out", root / "back", "auto" if with_contract else "labelme")
    if with_contract:
        same_pixels(found, dataset, same_ids(dataset))
    for sample in dataset:
        there = found.sample(sample.id)
        assert (there.split, there.group) == (sample.split, sample.group)
        assert names_on(found, sample.id) == names_on(dataset, sample.id)


@pytest.mark.parametrize("shapes", SHAPES)
@settings(max_examples=40)
@given(drawn_set=drawn_sets(most=4), by_opencv=st.booleans())
def test_programs_that_draw_edges_fill_the_same_pixels(
    tmp_path_factory: pytest.TempPathFactory, shapes: str, drawn_set: Any, by_opencv: bool
) -> None:
    names, masks = drawn_set
    assume(len({class_name(name) for name in names}) == len(names))
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", {f"{i}": mask for i, mask in enumerate(masks.values())}, names=names)
    export(dataset, root / "out", shapes=shapes)
    called = {"ignore": "__ignore__", "background": ""}
    for sample in dataset:
        on_pixels = map(dataset.labels.name, dataset.read_mask(sample).ravel().tolist())
        expected = [called.get(class_name(name), name) for name in on_pixels]
        there = drawn(read(root / f"out/images/{sample.id}.json"), by_opencv=by_opencv)
        assert there.ravel().tolist() == expected


# Files


def test_label_files_have_the_keys_that_labelme_wants(tmp_path: Path) -> None:
    dataset = make(
        tmp_path / "d",
        {"train/a/b": np.array([[1, 1], [255, 0]], np.uint8)},
        names=["background", "cat"],
        images="copy",
    )
    export(dataset, tmp_path / "out", images="link")
    content = read(tmp_path / "out/train/a/b.json")
    shape = {"group_id": None, "description": "", "shape_type": "polygon", "flags": {}}
    assert content == {
        "version": "6.0.2",
        "flags": {},
        "shapes": [
            {"label": "cat", "points": [[0, 0], [1, 0], [1, 0]], **shape},
            {"label": "__ignore__", "points": [[0, 1]] * 3, **shape},
        ],
        "imagePath": "b.png",
        "imageData": None,
        "imageHeight": 2,
        "imageWidth": 2,
        "segdata": {"id": "train/a/b", "split": "train", "height": 2, "width": 2},
    }
    assert (tmp_path / "out/train/a/b.png").is_symlink()
    assert (tmp_path / "out/labels.txt").read_text() == "__ignore__\n_background_\ncat\n"


def test_one_split_alone_is_read_of_files_that_segdata_wrote(tmp_path: Path) -> None:
    masks = {**random_masks(2, prefix="train/"), **random_masks(1, prefix="fold 1/"), "alone": random_masks(1)["000"]}
    export(make(tmp_path / "d", masks), tmp_path / "out")
    assert [sample.id for sample in back(tmp_path / "out", tmp_path / "back", split="fold 1")] == ["fold 1/000"]
    with pytest.raises(OptionError, match="no split 'test': there are fold 1, train"):
        back(tmp_path / "out", tmp_path / "other", split="test")


def test_copies_of_a_label_file_are_samples_of_their_own_names(tmp_path: Path) -> None:
    export(make(tmp_path / "d", random_masks(1)), tmp_path / "out")
    (tmp_path / "out/images/copy.json").write_bytes((tmp_path / "out/images/000.json").read_bytes())
    assert [sample.id for sample in back(tmp_path / "out", tmp_path / "back")] == ["images/000", "images/copy"]


@pytest.mark.parametrize("name", ["a, b", "12", "#1", "x: y", "- x", 'say "x"', "a  b ", "{y}", "two\nlines"])
def test_without_labels_txt_names_that_it_cannot_hold_come_back(tmp_path: Path, name: str) -> None:
    dataset = make(tmp_path / "d", random_masks(2), names=["background", name, "cat"])
    receipt = export(dataset, tmp_path / "out")
    assert receipt["notes"] == [f"there is no labels.txt, which cannot hold the name {name!r}"]
    assert not (tmp_path / "out/labels.txt").exists()
    same_pixels(back(tmp_path / "out", tmp_path / "back"), dataset, same_ids(dataset))


def test_images_that_labelme_does_not_show_are_written_as_they_are_read(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", random_masks(2), images="copy")
    cv2.imwrite(str(tmp_path / "d/images/000.png"), np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000)
    receipt = export(dataset, tmp_path / "out", images="link")
    assert receipt["written_as_pixels"] == 1
    written = Image.open(tmp_path / "out/images/000.png")
    np.testing.assert_array_equal(np.asarray(written), dataset.read_image(dataset.sample("000")))
    assert written.mode == "RGB"
    assert (tmp_path / "out/images/001.png").is_symlink()


def test_images_of_a_folder_stay_as_they_are_unless_exif_turns_them(tmp_path: Path) -> None:
    """A prediction reads all of them upright; files that are upright anyway are no new ones."""
    (tmp_path / "images").mkdir()
    for name, orientation in (("plain", 1), ("turned", 6)):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new("RGB", (8, 6), (200, 0, 0)).save(tmp_path / f"images/{name}.jpg", exif=exif)
    predicted = segdata.predict(ByColour(Labels.of(["road", "car"])), tmp_path / "images", tmp_path / "d")
    receipt = export(predicted, tmp_path / "out", images="link")
    assert receipt["written_as_pixels"] == 1
    assert (tmp_path / "out/images/plain.jpg").is_symlink()
    with Image.open(tmp_path / "out/images/turned.png") as image:
        assert image.size == (6, 8)


# What cannot be held


def test_ignored_pixels_are_kept_unless_told_otherwise(tmp_path: Path) -> None:
    masks = {"a": np.array([[0, 255], [255, 1]], np.uint8), "b": np.array([[0, 1]], np.uint8)}
    dataset = make(tmp_path / "d", masks, names=["background", "cat"])
    assert export(dataset, tmp_path / "class")["cannot_hold"] == {}
    same_pixels(back(tmp_path / "class", tmp_path / "again"), dataset, same_ids(dataset))
    receipt = export(dataset, tmp_path / "out", ignored="background")
    assert receipt["cannot_hold"] == {
        "ignored": {"images": 1, "pixels": 2, "regions": 2, "keep": "--ignored class"},
    }
    found = back(tmp_path / "out", tmp_path / "back")
    assert found.read_mask(found.sample("a")).tolist() == [[0, 0], [0, 1]]
    receipt = export(dataset, tmp_path / "drop", ignored="drop")
    assert receipt["images"] == {"in": 2, "exported": 1, "skipped": 1}


def test_a_class_of_the_name_for_ignored_pixels_is_refused(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", random_masks(1), names=["background", "__ignore__", "cat"])
    with pytest.raises(OptionError, match="a class is called __ignore__, as ignored pixels are: segdata remap"):
        export(dataset, tmp_path / "out")


def test_what_labelme_changed_later_is_told(tmp_path: Path) -> None:
    """It writes a label that is new into label files alone, no split, and nothing of images that nobody labelled."""
    dataset = make(tmp_path / "d", random_masks(3, prefix="train/"), images="copy")
    export(dataset, tmp_path / "out", images="copy")
    content = read(tmp_path / "out/train/000.json")
    content["shapes"].append({**content["shapes"][0], "label": "dog"})
    (tmp_path / "out/train/000.json").write_text(json.dumps(content))
    (tmp_path / "out/train/001.json").unlink()
    del content["segdata"]
    (tmp_path / "out/train/002.png").rename(tmp_path / "out/train/new.png")
    (tmp_path / "out/train/002.json").unlink()
    (tmp_path / "out/train/new.json").write_text(json.dumps({**content, "imagePath": "new.png"}))
    with pytest.raises(DataError, match=r"no class 'dog': .* add it to labels\.txt"):
        back(tmp_path / "out", tmp_path / "none", images="copy")
    with open(tmp_path / "out/labels.txt", "a") as lines:
        lines.write("dog\n")
    found = back(tmp_path / "out", tmp_path / "back", images="copy")
    assert found.labels.names == (*dataset.labels.names, "dog")
    assert [(sample.id, sample.split) for sample in found] == [("train/000", "train"), ("train/new", None)]
    notes = found.read_receipt()["notes"]
    assert "images without a label file, left out: 1, such as train/001.png" in notes
    assert "label files that segdata did not write, in no split: 1, such as train/new" in notes
