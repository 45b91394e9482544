"""The nnU-Net reader: masks and names are nnU-Net's own, what its rules forbid is told, and every way out runs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import segdata
import trial_files
from reader_samples import reader_sample
from segdata.errors import DataError, OptionError, SegdataError
from segdata.files.opening import open_image
from segdata.files.reading import AS_IT_IS
from segdata.readers.detect import detect
from segdata.readers.nnunet.reader import read
from segdata.readers.source import Source

GOLDEN = Path(__file__).parent / "golden/nnunet"

LABELS = {"background": 0, "x": 1, "y": 2}

SIZE = (12, 17)


def make(root: Path, labels: Any = None, cases: Any = ("a", "b"), channels: Any = ("0000",), **more: Any) -> Path:
    """A set with random masks of the values 0 to 2, and RGB images; `more` are keys of dataset.json, None leaves one out."""
    random = np.random.default_rng(len(str(root)))
    ending = more.pop("saved_as", ".png")
    for name in cases:
        save(root / f"labelsTr/{name}{ending}", random.integers(0, 3, SIZE).astype(np.uint8))
        for channel in channels:
            save(root / f"imagesTr/{name}_{channel}{ending}", random.integers(0, 256, (*SIZE, 3)).astype(np.uint8))
    card = {"channel_names": {"0": "R"}, "labels": LABELS if labels is None else labels, "numTraining": len(cases)}
    card = {**card, "file_ending": ".png", **more}
    (root / "dataset.json").write_text(json.dumps({key: value for key, value in card.items() if value is not None}))
    return root


def save(path: Path, pixels: NDArray[Any]) -> None:
    """Write an image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def masks(source: Source) -> dict[str, NDArray[Any]]:
    """The mask of every item, 65535 for ignored pixels."""
    remap = source.labels.table({**{i: i for i in range(len(source.labels.classes))}, source.labels.ignore: None})
    drawn = {item.id: item.annotation.draw(remap).mask.astype(np.uint16) for item in source.items}
    return {id: np.where(mask == source.labels.ignore, 65535, mask) for id, mask in drawn.items()}


def refused(root: Path, kind: type[SegdataError] = DataError, **options: Any) -> str:
    """The one line that reading or drawing ends with."""
    with pytest.raises(kind) as caught:
        masks(read(root, **options))
    return str(caught.value)


@pytest.mark.parametrize("seed", ["6", "14", "23"])
def test_masks_are_those_that_nnunet_reads(seed: str) -> None:
    source = read(GOLDEN / seed / "source", images=False)
    names = json.loads((GOLDEN / seed / "masks/names.json").read_text())
    assert set(source.labels.names) == set(names)
    found = masks(source)
    assert len(found) == len(list((GOLDEN / seed / "masks").glob("*.png"))) == 3
    places = np.array([*(names.index(name) for name in source.labels.names), *[65535] * 65536])
    for id, mask in found.items():
        truth = np.array(Image.open(GOLDEN / seed / f"masks/{id.removeprefix('train/')}.png"))
        np.testing.assert_array_equal(places[mask], truth)


def test_values_are_those_of_dataset_json(tmp_path: Path) -> None:
    root = make(tmp_path, {"y": 2, "ignore": 3, "background": 0, "x": 1})
    save(root / "labelsTr/a.png", np.array([[0, 1, 2, 3]], np.uint8))
    source = read(root, images=False)
    assert source.labels.names == ("background", "x", "y")
    np.testing.assert_array_equal(masks(source)["train/a"], [[0, 1, 2, 65535]])
    assert not source.receipt.warnings
    assert [item.exif for item in source.items] == ["raw", "raw"]


def test_labels_of_version_1_are_by_value(tmp_path: Path) -> None:
    labels = {"0": "background", "2": "x", "1": "y"}
    source = read(make(tmp_path / "1", labels, channel_names=None, modality={"0": "R"}, file_ending=None), images=False)
    assert source.labels.names == ("background", "y", "x")
    same = {"0": "0", "1": "1", "2": "2"}
    assert read(make(tmp_path / "2", same, file_ending=None), images=False).labels.names == ("0", "1", "2")
    numbers = {"background": "0", "1": "2", "2": "1"}  # of version 2, as nnU-Net reads them: names that are numbers
    assert read(make(tmp_path / "3", numbers), images=False).labels.names == ("background", "2", "1")
    assert read(make(tmp_path / "4", {"background": 0, "x": 1.0, "y": "2"}), images=False).labels.names == tuple(LABELS)


def test_regions_are_the_last_that_hold_a_value(tmp_path: Path) -> None:
    regions = {"background": 0, "kidney": [1, 2, 3], "masses": [2, 3], "tumor": 2}
    source = read(make(tmp_path / "1", regions, regions_class_order=[1, 3, 2]), images=False)
    assert source.labels.names == ("background", "kidney", "tumor", "masses")
    assert "each value has the class of the last region" in source.receipt.notes[0]
    assert not source.receipt.warnings
    source = read(make(tmp_path / "2", regions, regions_class_order=[1, 2, 3]), images=False)
    assert source.receipt.warnings[0].startswith("regions_class_order: is [1, 2, 3]")
    source = read(make(tmp_path / "3", {"background": 0, "whole": [1, 2], "core": [2]}), images=False)
    assert source.labels.names == ("background", "whole", "core")
    merged = read(make(tmp_path / "4", {"background": 0, "whole": [1, 2]}, regions_class_order=[1]), images=False)
    assert merged.labels.names == ("background", "whole")
    assert "no value is left for 'core'" in refused(make(tmp_path / "5", {"background": 0, "core": 2, "whole": [1, 2]}))
    single = read(make(tmp_path / "6", {"background": [0], "x": [1], "y": [2]}), images=False)
    assert (single.labels.names, single.receipt.notes) == (("background", "x", "y"), [])


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"background": 0, "x": 1, "y": 3}, "there is no 2"),
        ({"background": 0, "ignore": 1, "y": 2}, "ignore to be the highest value, here it is 1 of 2"),
        ({"clear": 0, "x": 1, "y": 2}, "background to be 0, here 0 is 'clear'"),
        ({"x": 1, "y": 2}, "here 0 is 'no label'"),
    ],
)
def test_rules_of_nnunet_that_are_broken_are_warnings(labels: Any, told: str, tmp_path: Path) -> None:
    (warning,) = read(make(tmp_path, labels), images=False).receipt.warnings
    assert told in warning


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"background": 0, "x": 1, "y": 1}, "'x' and 'y' are both 1: give each a value of its own"),
        ({"background": 0, "x": True}, "has the value True: must be a whole number"),
        ({"background": 0, "x": -1}, "has the value -1"),
        ({"background": 0, "x": 1.5}, "has the value 1.5"),
        ({"background": 0, "x": 70000}, "has the value 70000"),
        ({"background": 0, "x": None}, "has the value None"),
        ({"background": 0, "x": {}}, "has the value {}"),
        ({"background": 0, "x": []}, "is [], and must be a number or numbers"),
        ({"background": 0, "ignore": [1]}, "'ignore' is [1], and must be a number"),
        ({"background": 0, " ": 1}, "has no name"),
        ({}, "names no label"),
        (["background"], "Expected `object`, got `array`"),
        (5, "Expected `object`"),
        ({"background": 0, "x": 1}, "values that no class is declared for: 2: name its label in dataset.json"),
    ],
)
def test_labels_that_are_not_plain_are_refused(labels: Any, told: str, tmp_path: Path) -> None:
    message = refused(make(tmp_path, labels), images=False)
    assert told in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"labels": ' + "[" * 90_000, '{"labels": {"a": NaN}}', "\udcff"]
)
def test_a_damaged_dataset_json_is_one_message(text: str, tmp_path: Path) -> None:
    root = make(tmp_path)
    (root / "dataset.json").write_bytes(f'{text} "labels"'.encode(errors="surrogateescape"))
    message = refused(root)
    assert f"{root / 'dataset.json'}: " in message
    assert "[nnunet." in message


def test_volumes_are_refused_with_the_reason(tmp_path: Path) -> None:
    for number, more in enumerate(
        ({"file_ending": ".nii.gz"}, {"file_ending": "nrrd"}, {"overwrite_image_reader_writer": "Tiff3DIO"})
    ):
        message = refused(make(tmp_path / str(number), **more))
        assert "label images are volumes" in message
        assert message.endswith("[nnunet.volume]")
    (tmp_path / "v1/labelsTr").mkdir(parents=True)
    (tmp_path / "v1/labelsTr/a.nii.gz").write_bytes(b"")
    root = make(tmp_path / "v1", {"0": "background", "1": "x"}, cases=(), file_ending=None)
    assert "(.nii.gz)" in refused(root)
    assert detect(root).format == "nnunet"


def test_the_ending_is_that_of_dataset_json(tmp_path: Path) -> None:
    for number, ending in enumerate((".tif", ".bmp", ".png")):
        assert len(read(make(tmp_path / str(number), saved_as=ending, file_ending=ending)).items) == 2
    assert len(read(make(tmp_path / "dot", file_ending="png")).items) == 2
    assert "holds files .png (2), and file_ending in dataset.json is .tif" in refused(
        make(tmp_path / "a", file_ending=".tif")
    )
    assert "file_ending is '7'" in refused(make(tmp_path / "b", file_ending=7))
    assert "file_ending is '.xyz'" in refused(make(tmp_path / "c", file_ending=".xyz"))


def test_several_channels_are_refused_and_both_ways_out_run(tmp_path: Path) -> None:
    cases, channels = ("s_0000", "s_0001", "0002"), ("0000", "0001", "0002")
    names = {"0": "T2", "1": "ADC", "2": "DWI"}
    root = make(tmp_path / "set", cases=cases, channels=channels, channel_names=names)
    for path in (root / "imagesTr").iterdir():
        save(path, np.array(Image.open(path))[:, :, 0])
    message = refused(root)
    assert "has 3 channels in files of their own, 0000 (T2), 0001 (ADC), 0002 (DWI)" in message
    for channel in ("0001", "1", "ADC"):
        items = read(root, channel=channel).items
        assert [Path(str(item.image)).name for item in items] == [f"{name}_0001.png" for name in sorted(cases)]
    assert "there are 0000 (T2), 0001 (ADC)" in refused(root, OptionError, channel="T1")
    assert "has no channel 0007: there are 0000, 0001" in refused(root, channel="7")
    assert len(read(root, images=False).items) == 3
    found = re.search(r"segdata (stack .*?), then --image-dir STACKED", message)
    assert found is not None
    stack = [part.replace("STACKED", str(tmp_path / "stacked")) for part in shlex.split(found[1])]
    trial_files.run(*stack, code=0)
    for item in read(root, image_dir=tmp_path / "stacked").items:
        with open_image(str(item.image), reading=AS_IT_IS) as image:
            pixels = image.read()
        stem = item.id.removeprefix("train/")
        files = [root / f"imagesTr/{stem}_{channel}.png" for channel in channels]
        np.testing.assert_array_equal(pixels, np.stack([np.array(Image.open(file)) for file in files], axis=2))


def test_images_lie_elsewhere(tmp_path: Path) -> None:
    root = make(tmp_path / "set")
    shutil.move(root / "imagesTr", tmp_path / "elsewhere")
    assert "there is no imagesTr/a_0000.*: put it there" in refused(root)
    items = read(root, image_dir=tmp_path / "elsewhere").items
    assert [Path(str(item.image)).name for item in items] == ["a_0000.png", "b_0000.png"]
    for name in ("a", "b"):
        (tmp_path / f"elsewhere/{name}_0000.png").rename(tmp_path / f"elsewhere/{name}.png")
    assert [Path(str(item.image)).name for item in read(root, image_dir=tmp_path / "elsewhere").items] == [
        "a.png",
        "b.png",
    ]
    (tmp_path / "nowhere").mkdir()
    assert "nowhere holds no a.* and no a_0000.*" in refused(root, image_dir=tmp_path / "nowhere")


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    root = make(tmp_path)
    (root / "labelsTr/a.png").unlink()
    assert "train/a: there is no labelsTr/a.png: put it there, or take a_0000.png away" in refused(root)
    assert read(root, images=False).receipt.warnings == [
        "dataset.json: numTraining is 2, and labelsTr/ has 1 label images"
    ]
    (root / "labelsTr/b.png").unlink()
    assert "labelsTr: holds nothing" in refused(root)
    assert "there is no dataset.json beside labelsTr/" in refused(tmp_path / "labelsTr")


def test_folds_make_train_and_val(tmp_path: Path) -> None:
    root, _ = reader_sample("nnunet", tmp_path)
    plain = read(root)
    assert {item.split for item in plain.items} == {"train", "test"}
    assert "--fold 0 makes train and val of its first fold" in plain.receipt.notes[-1]
    source = read(root, fold=1)
    assert [item.id for item in source.items if item.split == "val"] == ["val/scene_001"]
    assert [item.id for item in read(root, fold=1, split="val").items] == ["val/scene_001"]
    assert "splits_final.json has the folds 0 to 3" in refused(root, OptionError, fold=4)
    assert "no split 'trainval': there are test, train, val" in refused(root, OptionError, fold=1, split="trainval")
    (tmp_path / "other.json").write_text('[{"train": ["scene_000", "scene_001"], "val": ["scene_002"]}]')
    source = read(root, fold=0, splits_file=tmp_path / "other.json")
    assert [item.id for item in source.items if item.split is None] == ["scene_003"]
    assert "1 cases are in neither split of the fold: scene_003" in source.receipt.notes
    for text, told in (
        ('[{"train": ["scene_000"], "val": ["scene_000"]}]', "has scene_000 in train and in val"),
        ('[{"train": ["nobody"], "val": []}]', "train/nobody: the fold names it, and there is no such case"),
        ('{"train": []}', "a list of folds with train and val"),
    ):
        (tmp_path / "other.json").write_text(text)
        assert told in refused(root, fold=0, splits_file=tmp_path / "other.json")
    (root / "splits_final.json").unlink()
    assert "--splits-file FILE names it" in refused(root, OptionError, fold=0)


def test_folds_lie_beside_the_raw_data(tmp_path: Path) -> None:
    root = make(tmp_path / "nnUNet_raw/Dataset001_A")
    folds = tmp_path / "nnUNet_preprocessed/Dataset001_A/splits_final.json"
    folds.parent.mkdir(parents=True)
    folds.write_text('[{"train": ["a"], "val": ["b"]}]')
    for source in (tmp_path, root.parent, root):
        assert [item.id for item in read(source, fold=0).items] == ["train/a", "val/b"]
        assert detect(source).format == "nnunet"
    make(tmp_path / "nnUNet_raw/Dataset002_B")
    assert "holds Dataset001_A, Dataset002_B: give the folder of one" in refused(tmp_path, OptionError)


def test_the_test_needs_labels(tmp_path: Path) -> None:
    root = make(tmp_path)
    save(root / "imagesTs/q_0000.png", np.zeros((*SIZE, 3), np.uint8))
    assert "imagesTs: 1 images without a file in labelsTs/ are left out" in read(root).receipt.notes
    save(root / "labelsTs/q.png", np.zeros(SIZE, np.uint8))
    assert [item.id for item in read(root, split="test").items] == ["test/q"]


def test_cases_may_be_listed_with_their_paths(tmp_path: Path) -> None:
    root = make(tmp_path / "set", channels=("0000", "0001"))

    def listed(label: str, *images: str) -> Path:
        card = json.loads((root / "dataset.json").read_text())
        card["dataset"] = {"k": {"label": label, "images": list(images)}}
        (root / "dataset.json").write_text(json.dumps(card))
        return root

    absolute = str((root / "imagesTr/b_0001.png").resolve())
    (item,) = read(listed("./labelsTr/a.png", "imagesTr/a_0001.png", absolute), channel="1").items
    assert (item.id, Path(str(item.image)).name) == ("train/k", "b_0001.png")
    np.testing.assert_array_equal(
        masks(read(root, images=False))["train/k"], np.array(Image.open(root / "labelsTr/a.png"))
    )
    for label in ("../labelsTr/a.png", "/etc/hostname", "labelsTr/../../a.png"):
        assert "leads out of the set's folder" in refused(listed(label, "imagesTr/a_0000.png"))
    (root / "labelsTr/out.png").symlink_to("/etc/hostname")
    assert "leads out of the set's folder" in refused(listed("labelsTr/out.png", "imagesTr/a_0000.png"))
    assert "there is no label image of k" in refused(listed("labelsTr/none.png", "imagesTr/a_0000.png"))
    assert "imagesTr/none.png: put it there" in refused(listed("labelsTr/a.png", "imagesTr/none.png"))


def test_one_bad_file_among_many_is_left_out(tmp_path: Path) -> None:
    root = make(tmp_path / "set", cases=("a", "b", "c"))
    save(root / "labelsTr/b.png", np.full((*SIZE, 3), (0, 0, 1), np.uint8))
    said = trial_files.run("convert", "auto", root, tmp_path / "d", "--on-error", "skip", code=0).output
    assert "3 in = 2 converted + 1 left out" in said
    dataset = segdata.Dataset.open(tmp_path / "d")
    assert [sample.id for sample in dataset] == ["train/a", "train/c"]
    said = trial_files.run("convert", "auto", root, tmp_path / "e", code=1).output
    assert "labelsTr/b.png: train/b: a PNG of RGB colours" in said


def test_endings_in_capital_letters_are_the_same(tmp_path: Path) -> None:
    root = make(tmp_path / "set")
    found = masks(read(root))
    for file in (root / "labelsTr").iterdir():
        file.rename(file.with_suffix(".PNG"))
    assert {id: mask.tolist() for id, mask in masks(read(root)).items()} == {
        id: mask.tolist() for id, mask in found.items()
    }
