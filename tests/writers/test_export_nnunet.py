"""Exports to nnU-Net: they come back pixel by pixel, hold nnU-Net's own rules, and what it does not read is refused."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import segdata
from carry_files import make, random_masks
from drawn_masks import ODD_NAMES, drawn_sets, same_pixels
from segdata import DataError, Dataset, OptionError, Report, Run
from segdata.cli import main
from segdata.files.tiff import encode_tiff
from segdata.labels import class_name
from segdata.writers.nnunet import VALIDATION, name_cases

NAMES = tuple({class_name(name): name for name in ODD_NAMES}.values())
"""Those that nnU-Net's labels tell apart."""

THREE = {**random_masks(2, prefix="train/"), **random_masks(2, prefix="val/v"), **random_masks(1, prefix="test/a/")}


def export(dataset: Dataset, out: Path, **options: Any) -> dict[str, Any]:
    """Export, and return the receipt."""
    return segdata.export("nnunet", dataset, out, **options).to_json()


def card(out: Path) -> Any:
    """What dataset.json says."""
    return json.loads((out / "dataset.json").read_text())


def expected_ids(dataset: Dataset) -> dict[str, str]:
    """The id of each sample once it has come back: by its part and fold, and its name."""
    folds = {"test": "test", **dict.fromkeys(VALIDATION, "val")}
    return {one.sample.id: f"{folds.get(str(one.sample.split), 'train')}/{one.name}" for one in name_cases(dataset)}


def obeys(out: Path, dataset: Dataset) -> None:
    """Check what `verify_dataset_integrity` of nnU-Net wants of labels: 0, 1, 2 ..., ignore last, and no other value."""
    labels: dict[str, int] = card(out)["labels"]
    assert list(labels.values()) == list(range(len(labels)))
    assert labels["background"] == 0
    assert "ignore" not in labels or list(labels)[-1] == "ignore"
    for one in name_cases(dataset):
        values = np.array(Image.open(out / f"labels{one.split}/{one.name}.png"))
        assert values.shape == one.sample.size
        assert values.max() < len(labels)
        ignored = values == labels.get("ignore", -1)
        np.testing.assert_array_equal(ignored, dataset.read_mask(one.sample) == dataset.labels.ignore)
    assert card(out)["numTraining"] == sum(one.split == "Tr" for one in name_cases(dataset))


@pytest.mark.slow
@settings(max_examples=60)
@given(drawn=drawn_sets(most=300, names=NAMES), with_images=st.booleans())
def test_masks_come_back(tmp_path_factory: pytest.TempPathFactory, drawn: Any, with_images: bool) -> None:
    names, masks = drawn
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", masks, names=names, images="reference" if with_images else "none")
    export(dataset, root / "out", images="link" if with_images else "none")
    obeys(root / "out", dataset)
    back = segdata.convert("auto", root / "out", root / "back", allow_empty=True)
    same_pixels(back, dataset, expected_ids(dataset))
    for sample in dataset if with_images else ():
        here = back.sample(expected_ids(dataset)[sample.id])
        np.testing.assert_array_equal(back.read_image(here), dataset.read_image(sample))


@pytest.mark.slow
@settings(max_examples=30)
@given(drawn=drawn_sets(most=300, names=NAMES))
def test_without_the_contract_classes_come_back_by_name(tmp_path_factory: pytest.TempPathFactory, drawn: Any) -> None:
    names, masks = drawn
    root = tmp_path_factory.mktemp("e")
    dataset = make(root / "d", masks, names=names)
    export(dataset, root / "out", images="none")
    (root / "out/segdata.json").unlink()
    fold = {"fold": 0} if (root / "out/splits_final.json").exists() else {}
    back = segdata.convert("nnunet", root / "out", root / "back", allow_empty=True, images="none", **fold)
    here = np.array([*(back.labels.id(class_name(name)) for name in names), back.labels.ignore])
    for sample in dataset:
        mask = dataset.read_mask(sample).astype(int)
        mask[mask == dataset.labels.ignore] = len(names)
        found = back.read_mask(back.sample(expected_ids(dataset)[sample.id]))
        np.testing.assert_array_equal(found, here[mask])


def test_parts_and_folds_are_those_of_the_splits(tmp_path: Path) -> None:
    export(make(tmp_path / "d", THREE, images="copy"), out := tmp_path / "Dataset007_Three")
    held = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    cases = {"Tr": ["000", "001", "v000", "v001"], "Ts": ["a_000"]}
    files = {f"{kind}{part}/{name}{end}.png" for part, names in cases.items() for name in names
             for kind, end in (("images", "_0000"), ("labels", ""))}  # fmt: skip
    own = {"dataset.json", "splits_final.json"}
    assert held == files | own | {"segdata.json", "croissant.json", "receipt.json"}
    assert json.loads((out / "splits_final.json").read_text()) == [{"train": ["000", "001"], "val": ["v000", "v001"]}]
    assert card(out) == {
        "channel_names": {"0": "R", "1": "G", "2": "B"},
        "labels": {"background": 0, "road": 1, "car": 2, "sign": 3, "ignore": 4},
        "numTraining": 4,
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }


def test_the_test_alone_comes_back(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", THREE, images="copy")
    export(dataset, tmp_path / "out", split="test")
    back = segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    same_pixels(back, dataset.split("test"), {"test/a/000": "test/a_000"})


def test_what_is_not_held_is_told(tmp_path: Path) -> None:
    masks = {**random_masks(2, prefix="extra/"), **random_masks(1, prefix="valid/", seed=3)}
    receipt = export(make(tmp_path / "d", masks), tmp_path / "out", images="none")
    assert receipt["cannot_hold"]["splits"]["images"] == 3
    assert [note.split(":")[0] for note in receipt["notes"]] == [
        "nnU-Net finds a set by its folder's name",
        "no class is called background, which nnU-Net wants as label 0",
        "splits_final.json holds one fold, train and val",
        "there are no images",
    ]
    dataset = make(tmp_path / "b", random_masks(2), names=("x", "_Background", "y"), images="copy")
    assert export(dataset, tmp_path / "Dataset001_b")["notes"] == []


def test_there_is_no_label_of_ignored_pixels_without_such_pixels(tmp_path: Path) -> None:
    export(make(tmp_path / "d", {"a": np.zeros((2, 3))}), tmp_path / "out", images="none")
    assert card(tmp_path / "out")["labels"] == {"background": 0, "road": 1, "car": 2, "sign": 3}


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("a", "ignore"), "a class is called ignore"),
        (("a", "__ignore__"), "a class is called __ignore__"),
        (("background", "_Background_"), "are one in label files"),
        (("a", "a "), "are one in label files"),
    ],
)
def test_names_that_come_back_otherwise_are_refused_with_the_way_out(
    tmp_path: Path, names: Sequence[str], told: str
) -> None:
    dataset = make(tmp_path / "d", {"a": np.zeros((2, 3))}, names=names)
    with pytest.raises(OptionError, match=told) as error:
        export(dataset, tmp_path / "out", images="none")
    given = shlex.split(re.findall("segdata remap (.*) renames", str(error.value))[0])
    done = CliRunner().invoke(main, ["remap", str(tmp_path / "d"), str(tmp_path / "renamed"), *given])
    assert done.exit_code == 0, done.output
    export(Dataset.open(tmp_path / "renamed"), tmp_path / "out", images="none")


def test_more_labels_than_nnunet_holds_are_refused(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {"a": np.zeros((2, 3))}, names=[f"c{i}" for i in range(2**15)])
    with pytest.raises(OptionError, match="nnU-Net holds labels up to 32,767"):
        export(dataset, tmp_path / "out", images="none")


# Images


def with_images(root: Path, images: Sequence[Any]) -> Dataset:
    """A dataset of an image each: Pillow's, with what `save` is given, or bytes of a TIFF."""
    for number, image in enumerate(images):
        path = root / f"images/{number}{'.tif' if isinstance(image, bytes) else image[1]}"
        (root / "masks").mkdir(parents=True, exist_ok=True)
        path.parent.mkdir(exist_ok=True)
        if isinstance(image, bytes):
            path.write_bytes(image)
        else:
            image[0].save(path, **image[2])
        Image.fromarray(np.random.default_rng(number).integers(0, 3, (8, 12), np.uint8)).save(
            root / f"masks/{number}.png"
        )
    folders = {"image_dir": "images", "mask_dir": "masks"}
    return segdata.convert("masks", root, root / "d", classes=["background", "x", "y"], **folders)


def tiff(bands: int, dtype: Any) -> bytes:
    """A TIFF of noise."""
    return encode_tiff(np.random.default_rng(bands).integers(0, 200, (8, 12, bands)).astype(dtype))


def noise(mode: str = "RGB", size: tuple[int, int] = (12, 8)) -> Image.Image:
    """A Pillow image of noise."""
    pixels = np.random.default_rng(len(mode)).integers(0, 256, (size[1], size[0], 4), np.uint8)
    return Image.fromarray(pixels).convert("RGB").convert(mode) if mode != "RGBA" else Image.fromarray(pixels)


def exif(orientation: int) -> Image.Exif:
    """An orientation."""
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def test_images_that_nnunet_reads_otherwise_are_written_as_pixels(tmp_path: Path) -> None:
    deep = Image.fromarray(np.random.default_rng(0).integers(0, 65536, (8, 12), np.uint16))
    frames = {"save_all": True, "append_images": [noise("L").convert("RGB")]}
    dataset = with_images(
        tmp_path,
        [
            (noise(), ".png", {}), (noise("L"), ".png", {}), (noise("RGBA"), ".png", {}), (noise("P"), ".png", {}),
            (deep, ".png", {}), (noise(), ".jpg", {}), (noise(size=(8, 12)), ".png", {"exif": exif(6)}),
            (noise(), ".png", {"transparency": (1, 2, 3)}), (noise(), ".png", frames), (noise(), ".gif", {}), tiff(3, np.uint8),
        ],
    )  # fmt: skip
    receipt = export(dataset, tmp_path / "out")
    assert receipt["written_as_pixels"] == len(dataset) - 1
    assert (tmp_path / "out/imagesTr/0_0000.png").is_symlink()
    for one in name_cases(dataset):
        with Image.open(tmp_path / f"out/imagesTr/{one.name}_0000.png") as image:
            assert image.mode == "RGB"
            np.testing.assert_array_equal(np.array(image), dataset.read_image(one.sample))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 5])
def test_images_of_other_bands_are_tiffs_as_their_labels_are(tmp_path: Path, bands: int, dtype: Any) -> None:
    dataset = with_images(tmp_path, [tiff(bands, dtype), tiff(bands, dtype)])
    export(dataset, out := tmp_path / "out")
    if bands in (1, 3) and dtype == np.uint8:  # grey becomes RGB
        assert card(out)["file_ending"] == ".png"
        return
    assert (card(out)["file_ending"], len(card(out)["channel_names"])) == (".tif", bands)
    options: dict[str, Any] = {}
    if bands in (2, 5):
        with pytest.raises(DataError) as error:
            segdata.convert("auto", out, tmp_path / "back")
        command = re.findall(r"together: segdata (stack .*), then", str(error.value))[0]
        command = command.replace("STACKED", str(tmp_path / "stacked"))
        assert CliRunner().invoke(main, shlex.split(command)).exit_code == 0
        options = {"image_dir": tmp_path / "stacked"}
    back = segdata.convert("auto", out, tmp_path / "back", **options)
    for sample in dataset:
        here = back.sample(f"train/{sample.id}")
        np.testing.assert_array_equal(back.read_mask(here), dataset.read_mask(sample))
        np.testing.assert_array_equal(back.read_image(here), dataset.read_image(sample))


def test_images_unlike_the_first_are_refused_or_skipped(tmp_path: Path) -> None:
    hole = np.full((8, 12, 1), np.nan, np.float32)
    for name, images, told in (
        ("deep", [(noise(), ".png", {}), tiff(3, np.uint16)], "1: has 3 bands of uint16, and the first image of the set 3"),
        ("more", [tiff(1, np.uint16), tiff(2, np.uint16)], "1: has 2 bands of uint16, and the first image of the set 1"),
        ("nan", [tiff(1, np.float32), encode_tiff(hole)], "1: has pixels that are NaN"),
    ):  # fmt: skip
        dataset = with_images(tmp_path / name, images)
        with pytest.raises(DataError, match=told):
            export(dataset, tmp_path / f"{name}-out")
        assert not (tmp_path / f"{name}-out").exists()
        receipt = export(dataset, tmp_path / f"{name}-out", run=Run(report=Report("skip")))
        assert receipt["images"] == {"in": 2, "exported": 1, "skipped": 1}
        assert card(tmp_path / f"{name}-out")["numTraining"] == 1


def test_tiles_that_are_virtual_are_cut(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {"train/a": random_masks(1)["000"]}, images="copy")
    tiles = segdata.tile(dataset, tmp_path / "tiles", size=4, virtual=True)
    export(tiles, tmp_path / "out")
    back = segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    same_pixels(back, tiles, expected_ids(tiles))
    for sample in tiles:
        np.testing.assert_array_equal(
            back.read_image(back.sample(expected_ids(tiles)[sample.id])), tiles.read_image(sample)
        )


def test_samples_in_no_split_are_told(tmp_path: Path) -> None:
    dataset = make(tmp_path / "d", {**random_masks(1), **random_masks(1, prefix="val/")})
    notes = segdata.export("nnunet", dataset, tmp_path / "out", images="none").to_json()["notes"]
    assert any("1 samples that are in no split" in note and "for training, in labelsTr/" in note for note in notes)
