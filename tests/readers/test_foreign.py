"""Formats that are not read: each is named from names and first bytes, and where a set lies is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from segdata.errors import OptionError
from segdata.readers import READERS, nearest
from segdata.readers.detect import detect, format_of

VIA = {"x.jpg1": {"filename": "x.jpg", "regions": [{"shape_attributes": {"name": "polygon"}, "region_attributes": {}}]}}
SUPERANNOTATE = {
    "metadata": {"name": "x.jpg"},
    "instances": [{"type": "polygon", "classId": 1, "points": [0, 0, 1, 1, 2, 0]}],
}
DATUMARO = {"info": {}, "categories": {"label": {"labels": []}}, "items": [{"id": "x", "annotations": []}]}
SAM = {
    "image": {"image_id": 1},
    "annotations": [{"segmentation": {"size": [2, 3], "counts": "06"}, "predicted_iou": 0.9}],
}
CASES = {
    "VIA 2": ("via_project.json", json.dumps({"_via_settings": {}, "_via_img_metadata": VIA}), "a VIA project"),
    "VIA regions": ("train/regions.json", json.dumps(VIA), "a VIA project"),
    "Labelbox": ("export.ndjson", json.dumps({"data_row": {"id": "1"}}), "a Labelbox export"),
    "SuperAnnotate": ("x.jpg___objects.json", json.dumps(SUPERANNOTATE), "a SuperAnnotate export"),
    "Datumaro": ("annotations/train.json", json.dumps(DATUMARO), "a Datumaro set"),
    "SA-1B": ("sa_1.json", json.dumps(SAM), "an SA-1B set"),
    "VOC boxes": (
        "Annotations/x.xml",
        "<annotation><object><bndbox></bndbox></object></annotation>",
        "a set of VOC boxes",
    ),
    "YOLO detection": ("labels/x.txt", "3 0.5 0.5 1e-1 0.25\n3 0.5 0.5 0.1 0.2\n", "a YOLO detection set"),
    "run lengths": ("train.csv", "ImageId,EncodedPixels\nx.jpg,1 3\n", "a table of run lengths"),
    "Arrow": ("train/data-00000-of-00001.arrow", "", "Arrow of Hugging Face"),
    "TFRecord": ("train-00000.tfrecord", "", "TFRecord"),
    "volumes": ("imagesTr/la_003.nii.gz", "", "a set of volumes"),
    "ZIP": ("task.zip", "", "an archive"),
    "tar": ("images.tar.gz", "", "an archive"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_foreign_format_is_named(name: str, tmp_path: Path) -> None:
    file, text, what = CASES[name]
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    (tmp_path / "README.txt").write_text("A set of images.\n")
    (tmp_path / "odd.json").write_text("{}")
    if what != "an archive":
        Image.new("L", (3, 2)).save(tmp_path / Path(file).parent / "x.png")
    found = detect(tmp_path)
    assert found.format is None
    assert (found.hint or "").startswith(f"this is {what} ({file}): ")
    with pytest.raises(OptionError) as caught:
        format_of(tmp_path)
    assert len(str(caught.value).replace(str(tmp_path), "")) <= 120
    assert (detect(tmp_path / file).hint or "").startswith(f"this is {what}")


NEAR = {
    "labelme": ("images/deep/x.json", '{"shapes": [{"label": "a", "points": [[0, 0]]', "labelme"),
    "Label Studio": (
        "project-1.json",
        '{"brushlabels": ["a"], "image": "x.png"}',
        "labelstudio",
    ),
    "Supervisely": ("ds0/ann/x.jpg.json", '{"objects": [{"classTitle": "a"}]}', "supervisely"),
    "BDD100K": ("labels/x.json", '{"frames": [{"poly2d": [', "bdd100k"),
    "CVAT": ("annotations.xml", "<annotations><task name=''></annotations>", "cvat"),
    "LabelMe": ("a/b/x.xml", "<annotation><object><polygon>", "labelmexml"),
    "YOLO segmentation": ("x.txt", "3 0.1 0.2 0.3 0.4 0.5 0.6\n", "yolo"),
    "nnU-Net": ("imagesTr/a_0000.png", "", "nnunet"),
    "Parquet": ("data/train-00000-of-00001.parquet", "PAR1", "hf"),
    "Mapillary": ("config_v2.0.json", '{"labels": [{"readable": "Bird"', "mapillary"),
    "ADE20K": ("ADE_train_00000001.json", "{}", "ade20k"),
    "SBD": ("cls/2008_000002.mat", "", "sbd"),
    "COCO-Stuff": ("stuffthingmaps/x.png", "", "cocostuff"),
    "Cityscapes": ("x_gtFine_polygons.json", "{}", "cityscapes"),
    "VOC": ("SegmentationClass/x.png", "", "voc"),
    "pets": ("annotations/trimaps/x.png", "", "pets"),
    "COCO": ("a.json", '{"images": [], "annotations": []}', "coco"),
}


@pytest.mark.parametrize("name", NEAR)
def test_what_is_missing_from_the_nearest_format_is_told(name: str, tmp_path: Path) -> None:
    file, text, format = NEAR[name]
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    found = detect(tmp_path)
    assert found.format is None
    assert found.hint == f"it is most like {format} ({file}), but {found.reasons[format]}"
    with pytest.raises(OptionError, match="it is most like"):
        format_of(tmp_path)


def test_every_format_that_is_like_another_is_known() -> None:
    assert {format for format, _ in nearest.KINDS} <= READERS.keys()


def test_what_is_none_of_them_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("1 apple 2 pears\n")
    (tmp_path / "more.json").write_text('{"shape": 3}')
    assert detect(tmp_path).hint is None


@pytest.mark.parametrize(
    ("moved", "given", "lies"),
    [
        ("a/set", "a", "a/set"),
        ("a/b/set", "a", "a/b/set"),
        ("set", "set/annotations/trimaps", "set"),
        ("set", "set/images", "set"),
    ],
)
def test_a_set_above_or_below_is_told(moved: str, given: str, lies: str, samples: Path, tmp_path: Path) -> None:
    shutil.copytree(samples / "pets", tmp_path / moved)
    assert detect(tmp_path / given).hint == f"the set lies in {tmp_path / lies} (pets): give that folder"
    assert detect(tmp_path / lies).format == "pets"


def test_several_sets_below_are_listed(samples: Path, tmp_path: Path) -> None:
    for name in ("pets", "coco"):
        shutil.copytree(samples / name, tmp_path / name)
    assert detect(tmp_path).hint == (
        f"several sets lie here: give one of {tmp_path / 'coco'} (coco), {tmp_path / 'pets'} (pets)"
    )


def test_a_tar_of_folders_is_no_shard(samples: Path, tmp_path: Path) -> None:
    packed = shutil.make_archive(str(tmp_path / "camvid"), "tar", samples / "masks")
    found = detect(packed)
    assert (found.format, found.hint) == (None, "this is an archive (camvid.tar): unpack it, and give the folder")
    assert detect(tmp_path).hint == found.hint
