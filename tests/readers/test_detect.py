"""Telling formats apart: the samples, the real sets, and what each lacks when one thing is taken away."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import segdata
import segdata.files.images
from reader_samples import reader_sample
from segdata.errors import DataError, OptionError
from segdata.files.listing import folders_in
from segdata.readers import READERS
from segdata.readers.coco import splits as coco_splits
from segdata.readers.detect import FORMATS, detect, format_of

SAMPLES = {
    "coco": "coco",
    "coco/annotations/instances_val2017.json": "coco",
    "voc": "voc",
    "voc/VOCdevkit": "voc",
    "voc/VOCdevkit/VOC2012": "voc",
    "cityscapes": "cityscapes",
    "pets": "pets",
    "vector": "vector",
    "webdataset": "webdataset",
    "masks": "masks",
    "webdataset/val-000000.tar": "webdataset",
    "vector/labels/field_0.geojson": "vector",
    ".": None,
    "README.md": None,
}
REAL = {
    "camvid": "masks",
    "pets": "pets",
    "voc/genuine": "voc",
    "voc/labelme/data_dataset_voc": "voc",
    "voc/labelme/data_annotated": "labelme",
    "coco/mini": "coco",
    "coco/panoptic": "coco",
    "coco/lvis/lvis_val_100.json": "coco",
    "coco/taco": "coco",
    "hires/scenes": "masks",
    "hires/geotiff": None,
}


def test_every_format_is_asked_and_masks_last() -> None:
    assert sorted(READERS) == sorted(FORMATS)
    assert FORMATS[-1] == "masks"


@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples(name: str, samples: Path) -> None:
    found = detect(samples / name)
    assert found.format == SAMPLES[name]
    assert found.reasons.keys() == set(FORMATS) - {found.format}
    assert all(found.reasons.values())
    hint = {} if found.hint is None else {"hint": found.hint}
    assert json.loads(json.dumps(found.to_json())) == {"format": found.format, "reasons": found.reasons, **hint}


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_real_sets(name: str, shared_data: Path) -> None:
    assert detect(shared_data / name).format == REAL[name]


@pytest.mark.data
def test_a_set_made_from_another_beside_it_is_told(shared_data: Path) -> None:
    """As labelme's examples have it: labels, and the VOC set that was made of them."""
    for name, other in (("voc/labelme", "data_dataset_voc (voc)"), ("voc", "genuine (voc)")):
        found = detect(shared_data / name)
        assert found.format is None
        assert "it is labelme" in str(found.hint)
        assert other in str(found.hint)
        with pytest.raises(OptionError, match="name labelme in place of auto"):
            format_of(shared_data / name)


def test_a_set_of_another_format_below_one_is_told(samples: Path, tmp_path: Path) -> None:
    root, _ = reader_sample("labelme", tmp_path / "made")
    shutil.copytree(root, tmp_path / "set")
    shutil.copytree(samples / "masks", tmp_path / "set/masks_of_it")
    segdata.convert("labelme", root, tmp_path / "set/converted")
    assert detect(tmp_path / "set").format == "labelme"
    shutil.copytree(samples / "voc", tmp_path / "set/voc")
    found = detect(tmp_path / "set")
    assert found.format is None
    assert "voc (voc): name labelme in place of auto" in str(found.hint)
    segdata.convert("labelme", tmp_path / "set", tmp_path / "d", images="none")


@pytest.mark.parametrize(
    ("format", "part"), [("bdd100k", "labels/sem_seg"), ("bdd100k", "labels/drivable/masks"), ("nnunet", "labelsTr")]
)
def test_a_part_of_a_set_points_to_the_whole(format: str, part: str, tmp_path: Path) -> None:
    root, _ = reader_sample(format, tmp_path / "made")
    assert f"the set lies in {root} ({format})" in str(detect(root / part).hint)


@pytest.mark.parametrize("format", READERS)
def test_exactly_one_format_fits_each_sample(format: str, tmp_path: Path) -> None:
    """What is masks in folders may fit `masks`, too, which gives way."""
    root, _ = reader_sample(format, tmp_path)
    fits = {name for name in READERS if import_module(READERS[name]).fits(root) is None}
    assert fits - {"masks"} == {format} - {"masks"}
    assert detect(root).format == format


HERE = Path(__file__).parent
MADE = [folder for kind in ("golden", "real") for folder in sorted((HERE / kind).iterdir()) if folder.name in READERS]


@pytest.mark.parametrize("made", MADE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_other_format_fits_what_tools_and_makers_of_one_wrote(made: Path) -> None:
    found = {detect(folder).format for folder in (made, *(made / name for name in folders_in(made, 2)))}
    assert found <= {made.name, None, "masks"}


def test_no_image_is_opened(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(*_: Any, **__: Any) -> Any:
        raise AssertionError("an image was opened")

    monkeypatch.setattr(Image, "open", opened)
    monkeypatch.setattr(segdata.files.images, "decode_lazily", opened)
    for name in ("coco", "voc", "cityscapes", "pets", "voc/VOCdevkit/VOC2012"):
        assert detect(samples / name).format


@pytest.mark.parametrize(
    ("sample", "taken", "reason"),
    [
        ("coco", "annotations", "there is no annotations/*.json, */_annotations.coco.json or *.json"),
        ("voc/VOCdevkit", "VOC2012/SegmentationClass", "there is no SegmentationClass/"),
        ("voc/VOCdevkit", "VOC2012/JPEGImages", "there is no JPEGImages/ beside"),
        ("cityscapes", "leftImg8bit", "there is no leftImg8bit/"),
        ("cityscapes", "gtFine", "there is no gtFine/ and no gtCoarse/"),
        ("pets", "annotations/trimaps", "there is no annotations/trimaps/"),
        ("pets", "images", "there is no images/"),
    ],
)
def test_what_is_missing_is_named(sample: str, taken: str, reason: str, samples: Path, tmp_path: Path) -> None:
    shutil.copytree(samples / sample, tmp_path / "copy")
    gone = tmp_path / "copy" / taken
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    found = detect(tmp_path / "copy")
    name = sample.partition("/")[0]
    assert found.format in (None, "masks")
    assert found.reasons[name].startswith(reason)


def test_label_files_of_cityscapes_are_missing(samples: Path, tmp_path: Path) -> None:
    shutil.copytree(samples / "cityscapes", tmp_path / "copy")
    for path in (tmp_path / "copy").rglob("*_gtFine_*"):
        if "color" not in path.name:
            path.unlink()
    assert detect(tmp_path / "copy").reasons["cityscapes"].startswith("gtFine/ holds no <split>/<city>/")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"images": [], "annotations": []}', "a.json has no categories"),
        ('{"shapes": []}', "a.json has no images and no annotations and no categories"),
        ("[1]", "a.json is not JSON, or no JSON object"),
        ('{"images": [', "a.json is not JSON, or no JSON object"),
        ("[" * 50_000, "a.json is not JSON, or no JSON object"),
    ],
)
def test_json_that_is_not_coco(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    (tmp_path / "._a.json").write_bytes(b"\x00\x05\x16\x07")
    for source in (tmp_path, tmp_path / "a.json"):
        assert detect(source).reasons["coco"] == reason


@pytest.mark.parametrize("first", [True, False])
def test_of_large_json_the_ends_are_read(first: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coco_splits, "GLANCE", 1000)
    filler = {"info": {"words": ["x" * 50] * 100}}
    coco: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    (tmp_path / "a.json").write_text(json.dumps({**coco, **filler} if first else {**filler, **coco}))
    assert detect(tmp_path).format == "coco"
    (tmp_path / "a.json").write_text(json.dumps(filler))
    assert detect(tmp_path).reasons["coco"] == "neither end of a.json shows images, annotations, categories"


def test_masks_give_way_to_a_layout_of_its_own_and_two_of_those_are_not_plain(samples: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    shutil.copytree(samples / "pets", both)
    assert format_of(both) == "pets"
    assert detect(both).reasons["masks"] == "fits too, but pets has a layout of its own"
    shutil.copytree(samples / "voc", both, dirs_exist_ok=True)
    found = detect(both)
    assert found.format is None
    assert "so does voc" in found.reasons["pets"]
    assert "so does pets" in found.reasons["voc"]
    with pytest.raises(OptionError, match="name it in place of auto"):
        format_of(both)


def test_a_dataset_needs_no_converting(samples: Path, tmp_path: Path) -> None:
    segdata.convert("coco", samples / "coco", tmp_path / "d", images="copy")
    found = detect(tmp_path / "d")
    assert found.format is None
    already = "it is a segdata dataset already, which needs no converting"
    assert set(found.reasons.values()) == {already}
    with pytest.raises(OptionError) as caught:
        format_of(tmp_path / "d")
    assert str(caught.value).count(already) == 1


def test_a_folder_of_exports_is_none_itself(samples: Path, tmp_path: Path) -> None:
    dataset = segdata.convert("voc", samples / "voc", tmp_path / "data", images="copy")
    for format in ("folders", "voc"):
        segdata.export(format, dataset, tmp_path / "exports" / format, images="copy")
    with pytest.raises(OptionError, match=r"exports lie below it: .*or give one of \S+folders, \S+voc$"):
        format_of(tmp_path / "exports")
    assert format_of(tmp_path / "exports/voc") == "voc"


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file or folder"):
        detect(tmp_path / "nowhere")
    assert detect(tmp_path).format is None
