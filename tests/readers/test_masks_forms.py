"""Forms of names: what is found, what is left to the user, and folders of like names. Merged masks against brute force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from segdata.errors import DataError, OptionError, Report
from segdata.labels import Labels, choose_classes
from segdata.readers.label_files import LabelFile, Meaning
from segdata.readers.label_merged import MergedFiles
from segdata.readers.masks.forms import find_form
from segdata.readers.masks.reader import fits, read

FOUND: dict[str, tuple[list[str], list[str], tuple[str, str]]] = {
    "suffix": (["a.jpg", "b.jpg"], ["a_mask.png", "b_mask.png"], ("{stem}", "{stem}_mask")),
    "prefix": (["img_1.JPG", "img_2.JPG"], ["mask_1.PNG", "mask_2.PNG"], ("img_{stem}", "mask_{stem}")),
    "both ends": (["21_training.tif"], ["21_manual1.gif"], ("{stem}_training", "{stem}_manual1")),
    "capital": (["001.png"], ["001Mask.png"], ("{stem}", "{stem}Mask")),
    "the image's ending": (["a.jpg", "b.png"], ["a.jpg.png", "b.png.png"], ("{name}", "{name}.png")),
    "case": (["IMG_1.jpg", "IMG_2.jpg"], ["img_1_gt.png", "img_2_gt.png"], ("{stem}", "{stem}_gt")),
    "images say it": (["a_rgb.jpg", "b_rgb.jpg"], ["a.png", "b.png"], ("{stem}_rgb", "{stem}")),
    "other kinds": (["a.jpg", "b.jpg"], ["a_color.png", "a_mask.png", "b_color.png", "b_mask.png"], ("{stem}", "{stem}_mask")),
    "several": (["a.jpg", "b.jpg"], ["a_0.png", "a_1.png", "b_0.png"], ("{stem}", "{stem}_*")),
    "one mask missing": (["a.jpg", "b.jpg", "c.jpg"], ["a_mask.png", "b_mask.png"], ("{stem}", "{stem}_mask")),
    "folders": (["x/a.jpg", "y/a.jpg"], ["x/a_gt.png", "y/a_gt.png"], ("{stem}", "{stem}_gt")),
}  # fmt: skip
IN_ONE = {
    "suffix": (["a.jpg", "a_mask.png", "b.jpg", "b_mask.png"], ("{stem}", "{stem}_mask")),
    "endings": (["a.jpg", "a.png", "b.jpg", "b.png"], ("{stem}.jpg", "{stem}.png")),
    "a folder each": (["s1/rgb.png", "s1/label.png", "s2/rgb.png", "s2/label.png"], ("{stem}/rgb", "{stem}/label")),
    "folders of masks": (
        ["s1/images/s1.png", "s1/masks/p.png", "s1/masks/q.png", "s2/images/s2.png", "s2/masks/r.png"],
        ("{stem}/images/*", "{stem}/masks/*"),
    ),
}
DOUBTFUL = {
    "other names": (["cat.jpg", "dog.jpg"], ["tree.png", "house.png"]),
    "numbers that only end alike": ([f"{i}.jpg" for i in range(1, 10)], [f"mask_1{i}.png" for i in range(1, 10)]),
    "letters within": (["a.jpg"], ["banana.png"]),
    "stereo": (["left_1.png"], ["right_1.png"]),
    "other frames": (["photo_1.png"], ["photo_2_mask.png"]),
    "two kinds of masks": (["a.jpg", "b.jpg"], ["a_gt.png", "a_mask.png", "b_gt.png", "b_mask.png"]),
    "most are odd": (["a.jpg", "cow.jpg", "hen.jpg"], ["a_mask.png", "barn.png", "field.png"]),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_is_found(name: str) -> None:
    images, masks, expected = FOUND[name]
    form = find_form(images, masks, one=False)
    assert form is not None
    assert ((form.images, form.masks), form.certain) == (expected, True)


@pytest.mark.parametrize("name", IN_ONE)
def test_what_is_found_in_one_folder(name: str) -> None:
    files, expected = IN_ONE[name]
    form = find_form(files, files, one=True)
    assert form is not None
    assert ((form.images, form.masks), form.certain) == (expected, True)


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_is_left_to_the_user(name: str) -> None:
    form = find_form(*DOUBTFUL[name], one=False)
    assert form is None or not form.certain


def test_photographs_beside_each_other_are_no_pairs() -> None:
    files = [f"{name}.{ending}" for name in ("a", "b", "a_small", "b_small") for ending in ("jpg",)]
    form = find_form(files, files, one=True)
    assert form is None or not form.certain


def touch(root: Path, *paths: str) -> Path:
    """Small images at these paths; masks are of value 1."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 3), 1).save(root / path)
    return root


@pytest.mark.parametrize(
    ("paths", "ids"),
    [
        (("train/a.jpg", "train_masks/a_mask.png"), ["train/a"]),
        (("data/train/image/a.jpg", "data/train/mask/a.png"), ["train/a"]),
        (("train_img/a.jpg", "train_gt/a.png", "val_img/b.jpg", "val_gt/b.png"), ["train/a", "val/b"]),
        (("Images/a.jpg", "Ground_Truth/a.png"), ["a"]),
        (("original_images/1.jpg", "label_images_semantic/1.png"), ["1"]),
        (("img_dir/val/a.jpg", "ann_dir/val/a_labelTrainIds.png"), ["val/a"]),
        (("val/x.jpg", "val/x_mask.png", "other/readme.jpg"), ["val/x"]),
    ],
)
def test_folders_of_like_names(paths: tuple[str, ...], ids: list[str], tmp_path: Path) -> None:
    root = touch(tmp_path, *paths)
    assert fits(root) is None
    assert [item.id for item in read(root, classes=["a", "b"]).items] == ids


def test_no_image_is_left_out_without_a_word(tmp_path: Path) -> None:
    root = touch(tmp_path, "images/1.jpg", "images/8/2.jpg", "masks/1_mask.png", "masks/8/2_mask.png")
    assert [item.id for item in read(root, classes=["a", "b"]).items] == ["1", "8/2"]


def test_masks_of_one_name_but_for_case_are_not_paired_twice(tmp_path: Path) -> None:
    root = touch(tmp_path, "images/a.jpg", "images/A.jpg", "masks/a.png")
    if len(list((root / "images").iterdir())) < 2:
        pytest.skip("this file system takes a and A for one")
    report = Report("skip")
    source = read(root, classes=["a", "b"], report=report)
    assert [Path(item.image or "").name for item in source.items] == ["a.jpg"]
    assert [problem.code for problem in report.problems] == ["masks.unpaired"]


# Merging


LABELS = Labels.of(["background", "cat", "dog"])
REMAP = choose_classes(LABELS, {}, (), (), None)
VALUES = {0: 0, 1: 1, 2: 2, 255: None}


def brute(masks: list[Any], overlap: str) -> tuple[Any, int]:
    """Pixel by pixel: the merged mask, and how many pixels are contested."""
    out, contested = np.zeros_like(masks[0]), 0
    for place in np.ndindex(out.shape):
        held = [(int(mask[place]), at) for at, mask in enumerate(masks) if mask[place] not in (0, 255)]
        if not held:
            out[place] = 255 if any(mask[place] == 255 for mask in masks) else 0
            continue
        rank = {"last": lambda one: -one[1], "smallest": lambda one: ((masks[one[1]] == one[0]).sum(), one[1])}
        out[place] = min(held, key=rank.get(overlap, lambda one: one[1]))[0]
        if len({value for value, _ in held}) > 1:
            contested += 1
            out[place] = 255 if overlap == "ignore" else out[place]
    return out, contested


@given(
    st.lists(hnp.arrays(np.uint8, (4, 5), elements=st.sampled_from([0, 0, 1, 2, 255])), min_size=2, max_size=4),
    st.sampled_from(["smallest", "first", "last", "ignore"]),
)
def test_merging_equals_brute_force(tmp_path_factory: pytest.TempPathFactory, masks: list[Any], overlap: Any) -> None:
    root = tmp_path_factory.mktemp("masks")
    for at, mask in enumerate(masks):
        Image.fromarray(mask).save(root / f"{at}.png")
    files = tuple(LabelFile(str(root / f"{at}.png"), Meaning(VALUES)) for at in range(len(masks)))
    drawn = MergedFiles(files, 0, overlap).draw(REMAP)
    expected, contested = brute(masks, overlap)
    np.testing.assert_array_equal(drawn.mask, expected)
    assert drawn.receipt.contested == contested == sum(one.pixels for one in drawn.receipt.contests)
    assert (drawn.receipt.annotations, drawn.receipt.painted) == (len(masks), len(masks))


def test_masks_of_different_sizes_are_refused(tmp_path: Path) -> None:
    for at, size in enumerate(((4, 3), (5, 3))):
        Image.new("L", size, 1).save(tmp_path / f"{at}.png")
    files = tuple(LabelFile(str(tmp_path / f"{at}.png"), Meaning(VALUES)) for at in range(2))
    with pytest.raises(DataError, match=r"differ in size, 4 x 3 and 5 x 3"):
        MergedFiles(files, 0, "first").draw(REMAP)


def test_where_0_is_ignored_class_0_is_kept(tmp_path: Path) -> None:
    """What is nothing in a mask is what value 0 means, and not the first class."""
    touch(tmp_path, "images/a.jpg")
    for at, value in ((0, 1), (1, 2)):
        mask = np.zeros((3, 4), np.uint8)
        mask[at] = value
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / f"masks/a_{at}.png")
    source = read(tmp_path, values=("0=ignore", "1=cat", "2=dog"), overlap="smallest", mask_pattern="{stem}_*")
    remap = choose_classes(source.labels, {}, (), (), None)
    drawn = source.items[0].annotation.draw(remap).mask
    assert [int(row[0]) for row in drawn] == [0, 1, 255]


def test_match_is_the_mask_pattern_by_the_name_that_evaluate_has(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.jpg", "images/b.jpg", "masks/a_truth.png", "masks/b_truth.png", "masks/b_old.png")
    by_match, by_pattern = (
        read(tmp_path, values=("1=cat",), **{option: "{stem}_truth"}) for option in ("match", "mask_pattern")
    )
    assert by_match.items == by_pattern.items
    assert [item.annotation.files[0].rsplit("/")[-1] for item in by_match.items] == ["a_truth.png", "b_truth.png"]
    with pytest.raises(OptionError, match="--match and --mask-pattern"):
        read(tmp_path, values=("1=cat",), match="{stem}_truth", mask_pattern="{stem}_old")
