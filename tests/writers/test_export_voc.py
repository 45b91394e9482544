"""Exports to PASCAL VOC: they come back pixel by pixel, by index and by colour, with lists that every program reads."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import segdata
from carry_files import make, random_masks
from drawn_masks import ODD_NAMES, drawn_sets, same_pixels
from segdata import Dataset, OptionError
from segdata.files.png import is_palette_png
from segdata.files.voc_colors import VOC_VOID
from segdata.labels import Labels
from segdata.writers.voc import DEVKIT, mask_colors, name_in_lists

NAMES = tuple(name for name in ODD_NAMES if ":" not in name and name != "#hash")


def export(dataset: Dataset, out: Path, **options: Any) -> dict[str, Any]:
    """Export, and return the receipt."""
    return segdata.export("voc", dataset, out, **options).to_json()


def expected_ids(dataset: Dataset) -> dict[str, str]:
    """The id of each sample once it has come back: its list, and its name."""
    return {one.sample.id: one.path for one in name_in_lists(dataset)}


@pytest.mark.parametrize("devkit", [False, True])
@settings(max_examples=25)
@given(drawn=drawn_sets(names=NAMES, most=255), with_images=st.booleans())
def test_masks_come_back(tmp_path_factory: pytest.TempPathFactory, devkit: bool, drawn: Any, with_images: bool) -> None:
    names, masks = drawn
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", masks, names=names, images="reference" if with_images else "none")
    export(dataset, root / "out", devkit=devkit, images="link" if with_images else "none")
    back = segdata.convert(
        "auto", root / "out", root / "back", allow_empty=True, images="reference" if with_images else "none"
    )
    same_pixels(back, dataset, expected_ids(dataset))
    for sample in dataset if with_images else ():
        here = back.sample(expected_ids(dataset)[sample.id])
        np.testing.assert_array_equal(back.read_image(here), dataset.read_image(sample))


@settings(max_examples=25)
@given(drawn=drawn_sets(names=NAMES, most=255))
def test_without_the_contract_classes_come_back_by_the_labelmap(
    tmp_path_factory: pytest.TempPathFactory, drawn: Any
) -> None:
    names, masks = drawn
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", masks, names=names)
    export(dataset, root / "out", images="none")
    (root / "out/segdata.json").unlink()
    back = segdata.convert("voc", root / "out", root / "back", allow_empty=True, images="none", all_lists=True)
    assert back.labels.names == dataset.labels.names
    same_pixels(back, Dataset(dataset.root, back.labels, dataset.samples), expected_ids(dataset))


def read_by_color(out: Path, name: str) -> np.ndarray[Any, Any]:
    """(H, W) class ids by the colours of the labelmap alone, 255 for ignored, as Datumaro and CVAT read masks."""
    lines = (out / "labelmap.txt").read_text("utf-8").splitlines()[1:]
    colors = {tuple(map(int, line.split(":")[1].split(","))): i for i, line in enumerate(lines)}
    assert len(colors) == len(lines)
    with Image.open(out / f"SegmentationClass/{name}.png") as file:
        pixels = np.array(file.convert("RGB"))
    ids = np.array([[colors[tuple(pixel)] for pixel in row] for row in pixels.tolist()])
    return np.where(ids == len(lines) - 1, 255, ids)


@settings(max_examples=25)
@given(drawn=drawn_sets(names=NAMES, most=255))
def test_colours_say_the_same_as_indices(tmp_path_factory: pytest.TempPathFactory, drawn: Any) -> None:
    names, masks = drawn
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", masks, names=names)
    export(dataset, root / "out", images="none")
    for one in name_in_lists(dataset):
        mask = dataset.read_mask(one.sample)
        file = root / f"out/SegmentationClass/{one.name}.png"
        assert is_palette_png(file.read_bytes())
        np.testing.assert_array_equal(np.array(Image.open(file)), mask)
        np.testing.assert_array_equal(read_by_color(root / "out", one.name), mask)


colors = st.tuples(*[st.sampled_from([0, 128, 224, 192, 255])] * 3)


@given(st.lists(st.one_of(st.none(), colors, st.just(VOC_VOID), st.just((0, 0, 0))), min_size=1, max_size=255))
def test_each_class_has_a_colour_of_its_own(given: list[Any]) -> None:
    labels = Labels.of(["background", *(f"c{i}" for i in range(1, len(given)))], given)
    made = mask_colors(labels)
    assert len({*made, VOC_VOID}) == len(given) + 1
    assert made[0] == (0, 0, 0)
    free = [label.color not in (*made[: label.id], VOC_VOID, (0, 0, 0)) for label in labels.classes]
    assert all(made[i] == label.color for i, label in enumerate(labels.classes) if i and free[i])


def test_the_files_are_where_programs_look(tmp_path: Path) -> None:
    ids = ("train/a", "train/b", "val_2/a", "val_2/c/d", "lone one")
    dataset = make(tmp_path / "d", dict.fromkeys(ids, random_masks(1)["000"]), images="reference")
    receipt = export(dataset, tmp_path / "out", devkit=True)
    year = tmp_path / "out" / DEVKIT
    lists = {path.name: path.read_text().split() for path in (year / "ImageSets/Segmentation").iterdir()}
    digits = {id: hashlib.sha256(id.encode()).hexdigest()[:8] for id in ids}
    assert lists == {
        "train.txt": [f"a-{digits['train/a']}", "b"],
        "val-2.txt": [f"a-{digits['val_2/a']}", "c_d"],
        "default.txt": ["lone_one"],
    }
    assert all((year / f"JPEGImages/{name}.jpg").is_file() for names in lists.values() for name in names)
    assert receipt["notes"] == [
        "ImageSets: has the lists default, val-2, and torchvision reads train, val, trainval alone: "
        "segdata split makes train and val",
        "1 samples that are in no split are in the list default",
        "JPEGImages: 5 images are not JPEG, and called .jpg all the same: torchvision looks for no other name",
    ]


def test_the_labelmap_is_as_cvat_writes_it(tmp_path: Path) -> None:
    export(make(tmp_path / "d", random_masks(1), names=("background", "a b", "c")), tmp_path / "out", images="none")
    blue, green = ((tmp_path / "out/labelmap.txt").read_text().splitlines())[2:4]
    assert (tmp_path / "out/labelmap.txt").read_text().splitlines() == [
        "# label:color_rgb:parts:actions", "background:0,0,0::", blue, green, "ignored:224,224,192::"
    ]  # fmt: skip
    assert blue.startswith("a b:")
    assert blue.endswith("::")


# Refusals


def test_more_classes_than_a_palette_holds_are_refused(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", random_masks(1), names=[f"c{i}" for i in range(256)])
    with pytest.raises(OptionError, match="256 classes: a palette holds 255"):
        export(dataset, tmp_path / "out", images="none")


@pytest.mark.parametrize("name", ["a:b", "#a", "ignored", "ignore", " a", "a\nb"])
def test_names_that_a_labelmap_cannot_hold_are_refused(tmp_path: Path, name: str) -> None:
    dataset = make(tmp_path / "d", random_masks(1), names=["x", "other", name])
    with pytest.raises(OptionError, match="segdata remap --map"):
        export(dataset, tmp_path / "out", images="none")
    export(segdata.remap(dataset, tmp_path / "r", map={name: "other1"}), tmp_path / "out", images="none")


def test_splits_that_would_be_one_list_are_refused(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {**random_masks(1, prefix="a_b/"), **random_masks(1, prefix="a-b/")})
    with pytest.raises(OptionError, match=r"would both be in a-b.txt: --split exports one of them"):
        export(dataset, tmp_path / "out", images="none")
    export(dataset.split("a_b"), tmp_path / "out", images="none")


def test_samples_in_no_split_are_told(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {**random_masks(1), **random_masks(1, prefix="val/")})
    notes = segdata.export("voc", dataset, tmp_path / "out", images="none").to_json()["notes"]
    assert any("1 samples that are in no split" in note and "in the list default" in note for note in notes)
