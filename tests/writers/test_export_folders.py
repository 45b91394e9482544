"""Exports to folders: they come back pixel by pixel, trainers' configs find every file, and what they cannot hold is refused."""

from __future__ import annotations

import csv
import io
import json
import os
import runpy
import shlex
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import segdata
from carry_files import make, random_masks
from drawn_masks import drawn_sets, same_pixels
from segdata import Dataset, OptionError
from segdata.cli import main
from segdata.writers.folders.configs import find_roles
from segdata.writers.folders.layouts import LAYOUTS, LayoutName
from segdata.writers.names import name_samples

NAMES = get_args(LayoutName)

TRAINERS = [name for name in NAMES if name != "plain"]


def export(dataset: Dataset, out: Path, **options: Any) -> dict[str, Any]:
    """Export, and return the receipt."""
    return segdata.export("folders", dataset, out, **options).to_json()


def set_of_two(root: Path, **more: Any) -> Dataset:
    """Four samples of the splits train and val, with images."""
    masks = {**random_masks(2, prefix="train/"), **random_masks(2, prefix="val/", seed=1)}
    return make(root, masks, **{"images": "reference", **more})


def expected_ids(dataset: Dataset, layout: str) -> dict[str, str]:
    """The id of each sample once it has come back: its split, and its name."""
    splits = any(sample.split for sample in dataset)
    named = name_samples(dataset, flat=LAYOUTS[layout].flat, unsplit="unsplit" if splits else None)  # type: ignore[index]
    return {one.sample.id: one.path for one in named}


@pytest.mark.parametrize("layout", NAMES)
@settings(max_examples=25)
@given(drawn=drawn_sets(), with_images=st.booleans())
def test_masks_come_back(tmp_path_factory: pytest.TempPathFactory, layout: str, drawn: Any, with_images: bool) -> None:
    names, masks = drawn
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", masks, names=names, images="reference" if with_images else "none")
    images = "link" if with_images else "none"
    if layout != "plain" and len(names) > 255:
        with pytest.raises(OptionError, match="--layout plain holds them in 16 bits"):
            export(dataset, root / "out", layout=layout, images=images)
        return
    export(dataset, root / "out", layout=layout, images=images)
    back = segdata.convert(
        "auto", root / "out", root / "back", allow_empty=True, images="reference" if with_images else "none"
    )
    same_pixels(back, dataset, expected_ids(dataset, layout))
    for sample in dataset if with_images else ():
        here = back.sample(expected_ids(dataset, layout)[sample.id])
        np.testing.assert_array_equal(back.read_image(here), dataset.read_image(sample))


@pytest.mark.parametrize("layout", NAMES)
@settings(max_examples=12)
@given(drawn=drawn_sets())
def test_without_the_contract_the_table_of_classes_says_it_all(
    tmp_path_factory: pytest.TempPathFactory, layout: str, drawn: Any
) -> None:
    names, masks = drawn
    if layout != "plain" and len(names) > 255:
        names, masks = names[:255], {id: np.minimum(mask, 254) for id, mask in masks.items()}
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", masks, names=names)
    export(dataset, root / "out", layout=layout, images="none")
    (root / "out/segdata.json").unlink()
    splits = any(sample.split for sample in dataset)
    mask_dir = LAYOUTS[layout].masks if splits else LAYOUTS[layout].alone[1]  # type: ignore[index]
    given: dict[str, Any] = {"mask_dir": mask_dir, "classes": str(root / "out/classes.csv"), "images": "none"}
    back = segdata.convert("masks", root / "out", root / "back", allow_empty=True, **given)
    same_pixels(back, dataset, expected_ids(dataset, layout))
    del given["classes"]
    alone = segdata.convert("masks", root / "out", root / "alone", allow_empty=True, **given)
    same_pixels(alone, dataset, expected_ids(dataset, layout))


def test_a_table_of_other_classes_in_the_folder_of_the_user_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = set_of_two(tmp_path / "d")
    export(dataset, tmp_path / "out")
    (tmp_path / "classes.csv").write_text("id,name\n0,car\n1,road\n2,sign\n255,ignore\n")
    monkeypatch.chdir(tmp_path)
    back = segdata.convert("auto", "out", "back")
    same_pixels(back, dataset, {sample.id: sample.id for sample in dataset})


@pytest.mark.parametrize("layout", NAMES)
def test_files_of_classes_hold_any_name(tmp_path: Path, layout: str) -> None:
    names = ["a, b", 'say "x"', "猫", "no", "12", "it's: {x}"]
    export(make(tmp_path / "d", random_masks(2), names=names), tmp_path / "out", layout=layout, images="none")
    assert (tmp_path / "out/classes.txt").read_text("utf-8").split("\n") == [*names, ""]
    rows = list(csv.reader(io.StringIO((tmp_path / "out/classes.csv").read_text("utf-8"))))
    assert [row[:2] for row in rows[1:]] == [*([str(i), name] for i, name in enumerate(names)), ["255", "ignore"]]


def test_masks_are_the_files_of_the_dataset_byte_for_byte(tmp_path: Path) -> None:
    dataset = set_of_two(tmp_path / "d")
    export(dataset, tmp_path / "out")
    for sample in dataset:
        assert (tmp_path / f"out/masks/{sample.id}.png").read_bytes() == (tmp_path / "d" / sample.mask).read_bytes()


def test_a_mask_that_is_another_one_than_was_written_is_refused(tmp_path: Path) -> None:
    dataset = set_of_two(tmp_path / "d")
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "d" / dataset.sample("val/000").mask)
    with pytest.raises(segdata.DataError, match="not those that were written") as error:
        export(dataset, tmp_path / "out")
    assert error.value.problem.sample == "val/000"
    assert not (tmp_path / "out").exists()


def test_a_palette_mask_of_another_program_becomes_grey(tmp_path: Path) -> None:
    dataset = set_of_two(tmp_path / "d")
    sample = dataset.sample("val/000")
    mask = Image.fromarray(dataset.read_mask(sample)).convert("P")
    mask.putpalette(list(range(256)) * 3)
    mask.save(tmp_path / "d" / sample.mask)
    export(dataset, tmp_path / "out")
    with Image.open(tmp_path / "out/masks/val/000.png") as written:
        assert written.mode == "L"
        np.testing.assert_array_equal(np.array(written), dataset.read_mask(sample))


def test_virtual_tiles_are_cut(tmp_path: Path) -> None:
    dataset = set_of_two(tmp_path / "d")
    tiles = segdata.tile(dataset, tmp_path / "t", size=4, virtual=True)
    receipt = export(tiles, tmp_path / "out", layout="mmseg")
    assert receipt["written_as_pixels"] == len(tiles)
    back = segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    same_pixels(back, tiles, expected_ids(tiles, "mmseg"))
    for sample in tiles:
        np.testing.assert_array_equal(back.read_image(back.sample(sample.id)), tiles.read_image(sample))


# Configs


def test_a_folder_whose_names_are_usual_has_the_roles() -> None:
    assert find_roles([None]) == {"train": None}
    assert find_roles(["Train", "val", "validation", "x"]) == {"train": "Train", "val": "val"}
    assert find_roles(["fold0", "testing"]) == {"test": "testing"}


@pytest.mark.parametrize("layout", ["ultralytics", "lightly"])
def test_yaml_names_folders_and_classes(tmp_path: Path, layout: str) -> None:
    names = ["a: b", "no", "12", '"', "猫", "null", "#x", "{y}"]
    export(set_of_two(tmp_path / "d", names=names), tmp_path / "out", layout=layout)
    data = yaml.safe_load((tmp_path / "out/data.yaml").read_text("utf-8"))
    assert data["names" if layout == "ultralytics" else "classes"] == dict(enumerate(names))
    for split in ("train", "val"):
        images = data[split] if layout == "ultralytics" else data[split]["images"]
        masks = images.replace("images", data["masks_dir"]) if layout == "ultralytics" else data[split]["masks"]
        assert sorted(os.listdir(tmp_path / "out" / images)) == sorted(os.listdir(tmp_path / "out" / masks))
    assert "path" not in data


def test_the_config_for_mmsegmentation_is_python_that_finds_the_files(tmp_path: Path) -> None:
    dataset = set_of_two(tmp_path / "d", names=["it's", '"', "猫\\"])
    path = (tmp_path / "d" / str(dataset.sample("train/001").image)).resolve()
    Image.open(path).save(path.with_suffix(".jpg"))
    image = str(dataset.sample("train/001").image).replace(".png", ".jpg")
    dataset = make(
        tmp_path / "d", {s.id: dataset.read_mask(s) for s in dataset}, names=dataset.labels.names, images="reference",
        fields={"train/001": {"image": image}},
    )  # fmt: skip
    export(dataset, tmp_path / "out", layout="mmseg")
    text = (tmp_path / "out/mmseg_dataset.py").read_text("utf-8").replace("{{ fileDirname }}", str(tmp_path / "out"))
    (tmp_path / "read.py").write_text(text, "utf-8")
    config = runpy.run_path(str(tmp_path / "read.py"))
    assert config["metainfo"]["classes"] == dataset.labels.names
    assert config["metainfo"]["palette"] == [list(label.color) for label in dataset.labels.classes]
    datasets = config["train_dataloader"]["dataset"]["datasets"]
    assert [one["img_suffix"] for one in datasets] == [".jpg", ".png"]
    for one in [*datasets, config["val_dataloader"]["dataset"]]:
        images, masks = (Path(one["data_root"], one["data_prefix"][key]) for key in ("img_path", "seg_map_path"))
        found = [path.stem for path in images.iterdir() if path.name.endswith(one["img_suffix"])]
        assert found
        assert all((masks / f"{stem}{one['seg_map_suffix']}").is_file() for stem in found)


@pytest.mark.torch
def test_the_module_for_smp_reads_images_and_masks(tmp_path: Path) -> None:
    dataset = set_of_two(tmp_path / "d", names=["it's", '"', "猫"])
    export(dataset, tmp_path / "out", layout="smp")
    module = runpy.run_path(str(tmp_path / "out/smp_dataset.py"))
    assert module["CLASSES"] == dataset.labels.names
    assert module["IGNORE"] == 255
    split = module["Split"]("val")
    for i in range(len(split)):
        image, mask = split[i]
        sample = dataset.sample(f"val/{split.names[i][:-4]}")
        np.testing.assert_array_equal(mask, dataset.read_mask(sample))
        np.testing.assert_array_equal(np.round(image.transpose(1, 2, 0) * 255), dataset.read_image(sample))


@pytest.mark.parametrize("layout", TRAINERS)
def test_the_receipt_tells_of_splits_that_the_config_does_not_have(tmp_path: Path, layout: str) -> None:
    masks = {**random_masks(2, prefix="train/"), **random_masks(2, prefix="fold1/"), "lone": random_masks(1)["000"]}
    receipt = export(make(tmp_path / "d", masks, images="reference"), tmp_path / "out", layout=layout)
    config = LAYOUTS[layout].config[0]  # type: ignore[index]
    asked = "train, val" if layout == "lightly" else "train, val, test"
    notes = [note for note in receipt["notes"] if "does not read" not in note]
    assert notes == [
        f"1 samples are in no split: they are in {LAYOUTS[layout].folders('unsplit')[1]}",  # type: ignore[index]
        f"{config}: does not name fold1, unsplit, as the trainer knows {asked} alone",
        f"{config}: has no val: segdata split makes such splits",
    ]


def test_the_receipt_tells_of_images_that_ultralytics_does_not_read(tmp_path: Path) -> None:
    masks = {"train/a": np.zeros((10, 10), np.uint8), "val/b": np.zeros((9, 10), np.uint8)}
    dataset = make(tmp_path / "d", masks, images="reference")
    told = "images with a side of less than 10 pixels, which the trainer does not read: 1"
    assert export(dataset, tmp_path / "out", layout="ultralytics")["notes"] == [told]
    assert export(dataset, tmp_path / "other", layout="lightly")["notes"] == []


def test_without_images_there_is_no_config(tmp_path: Path) -> None:
    receipt = export(set_of_two(tmp_path / "d"), tmp_path / "out", layout="mmseg", images="none")
    assert not (tmp_path / "out/mmseg_dataset.py").exists()
    assert receipt["notes"] == ["there is no mmseg_dataset.py, as there are no images"]


# Refusals


@pytest.mark.parametrize("name", [" a", "a ", "a\nb", "a\tb", "a\u2028b", "\ufeffa", " =a"])
def test_names_that_no_line_holds_are_refused_and_the_way_out_works(tmp_path: Path, name: str) -> None:
    dataset = make(tmp_path / "d", random_masks(2), names=["x", name, "y"])
    with pytest.raises(OptionError, match=r"segdata remap --map.* renames it") as error:
        export(dataset, tmp_path / "out", images="none")
    assert "\n" not in str(error.value)
    (tmp_path / "names.json").write_text(json.dumps({name: "other"}))
    way_out = shlex.split(
        str(error.value).partition("segdata remap ")[2].partition(" (JSON")[0].partition(" renames")[0]
    )
    way_out = [str(tmp_path / "names.json") if word == "FILE" else word for word in way_out]
    done = CliRunner().invoke(main, ["remap", str(tmp_path / "d"), str(tmp_path / "r"), *way_out])
    assert done.exit_code == 0, done.output
    export(segdata.Dataset.open(tmp_path / "r"), tmp_path / "out", images="none")


@pytest.mark.parametrize("names", [("ignore", "a"), ("__ignore__", "a"), ("background", "_background_")])
def test_names_that_readers_take_for_others_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    dataset = make(tmp_path / "d", random_masks(2, classes=2), names=names)
    with pytest.raises(OptionError, match="segdata remap --map"):
        export(dataset, tmp_path / "out", images="none")


def test_splits_whose_folders_would_be_one_are_refused(tmp_path: Path) -> None:
    masks = {**random_masks(1, prefix="a/"), **random_masks(1, prefix="aannot/")}
    dataset = make(tmp_path / "d", masks, images="reference")
    with pytest.raises(OptionError, match="aannot would be a folder of two splits"):
        export(dataset, tmp_path / "out", layout="smp")
    export(dataset.split("a"), tmp_path / "out", layout="smp")


def test_an_unknown_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="plain"):
        export(set_of_two(tmp_path / "d"), tmp_path / "out", layout="keras")


def test_the_receipt_is_what_the_export_returns(tmp_path: Path) -> None:
    receipt = export(set_of_two(tmp_path / "d"), tmp_path / "out")
    assert json.loads((tmp_path / "out/receipt.json").read_text()) == receipt
    assert receipt["images"] == {"in": 4, "exported": 4, "skipped": 0}
    assert receipt["cannot_hold"] == {}


@pytest.mark.parametrize("format", ["folders", "voc", "nnunet", "webdataset", "hf", "cityscapes", "labelme"])
def test_names_as_long_as_file_systems_hold_come_back(format: str, tmp_path: Path) -> None:
    masks = {f"train/{'a' * 251}": np.array([[0, 1]]), f"train/{'a' * 250}b": np.array([[1, 0]])}
    dataset = make(tmp_path / "d", masks)
    more: dict[str, Any] = {} if format == "webdataset" else {"images": "none"}
    made = segdata.export(format, dataset, tmp_path / "out", **more)
    back = made if isinstance(made, Dataset) else segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    assert {bytes(back.read_mask(sample)) for sample in back} == {b"\0\1", b"\1\0"}
