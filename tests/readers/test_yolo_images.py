"""Where the images and labels of Ultralytics sets lie, and what is told of those that are not read."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from segdata.errors import OptionError
from segdata.readers.detect import detect
from segdata.readers.yolo.images import label_path
from segdata.readers.yolo.reader import fits, read
from yolo_files import NAMES, TRIANGLE, A, build, ids, mask_of, one


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("images/train/a.jpg", "labels/train/a.txt"),
        ("train/images/a.b.jpg", "train/labels/a.b.txt"),
        ("images/x/images/a.jpg", "images/x/labels/a.txt"),
        ("Images/a.jpg", "Images/a.txt"),
        ("train/a.jpg", "train/a.txt"),
        ("a.jpg", "a.txt"),
        ("my.images/a.jpg", "my.images/a.txt"),
    ],
)
def test_the_label_file_of_an_image(image: str, label: str) -> None:
    assert label_path(image) == label


B = {"images/val/b.png": "", "labels/val/b.txt": ""}
ROBOFLOW = {
    "train/images/x_jpg.rf.1.jpg": "", "train/labels/x_jpg.rf.1.txt": TRIANGLE,
    "valid/images/y.jpg": "", "valid/labels/y.txt": TRIANGLE,
}  # fmt: skip
LAYOUTS: dict[str, tuple[dict[str, str], list[str]]] = {
    "folders": ({**A, **B, "data.yaml": f"path: ../datasets/x\ntrain: images/train\nval: images/val\ntest:\n{NAMES}"},
                ["train/a", "val/b"]),
    "no yaml": ({**A, **B, "classes.txt": "cat\ndog\n"}, ["train/a", "val/b"]),
    "any yaml": ({**A, **B, "coco8-seg.yml": "train: images/train\nval: images/val\nnames: {0: cat, 1: dog}"},
                 ["train/a", "val/b"]),
    "yaml without splits": ({**A, **B, "data.yaml": NAMES}, ["train/a", "val/b"]),
    "no labels": ({"images/train/a.jpg": "", **B, "data.yaml": f"train: images/train\nval: images/val\n{NAMES}"},
                  ["train/a-", "val/b"]),
    "nested path": ({**{f"in/{k}": v for k, v in A.items()}, "data.yaml": f"path: in\ntrain: images/train\n{NAMES}"},
                    ["train/a"]),
    "Roboflow": ({**ROBOFLOW, "data.yaml": f"train: ../train/images\nval: ../valid/images\ntest: ../test/images\n{NAMES}"},
                 ["train/x_jpg.rf.1", "val/y"]),
    "Roboflow without yaml": ({**ROBOFLOW, "classes.txt": "cat\n"}, ["train/x_jpg.rf.1", "val/y"]),
    "CVAT": ({**A, "train.txt": "data/images/train/a.jpg\n", "data.yaml": f"path: .\ntrain: train.txt\n{NAMES}"},
             ["train/a"]),
    "Datumaro": ({**A, **B, "train.txt": "./images/train/a.jpg\n", "val.txt": "\ufeff./images/val/b.png\n\n",
                  "data.yaml": f"val: val.txt\ntrain: train.txt\n{NAMES}"}, ["train/a", "val/b"]),
    "lists without yaml": ({"images/a.jpg": "", "labels/a.txt": TRIANGLE, "images/b.jpg": "", "train.txt": "images/a.jpg\n",
                            "val.txt": "images/b.jpg", "classes.txt": "cat"}, ["train/a", "val/b-"]),
    "far away": ({**A, **B, "data.yaml": f"path: /c/x\ntrain: /c/x/images/train\nval: D:\\x\\images\\val\n{NAMES}"},
                        ["train/a", "val/b"]),
    "list of folders": ({**A, **B, "data.yaml": f"train: [images/train, images/val]\n{NAMES}"},
                        ["train/train/a", "train/val/b"]),
    "list of images": ({**A, "data.yaml": f"train:\n- images/train/a.jpg\n{NAMES}"}, ["train/a"]),
    "accents in two pieces": ({"images/e\u0301/a.jpg": "", "labels/e\u0301/a.txt": TRIANGLE, "images/e\u0301/o\u0308.png": "",
                               "labels/e\u0301/o\u0308.txt": "", "train.txt": "./images/\xe9/a.jpg\nimages/e\u0301/o\u0308.png",
                               "data.yaml": f"train: train.txt\n{NAMES}"}, ["train/a", "train/\xf6"]),
    "quoted keys": ({**A, "data.yaml": '"train": images/train\n"names": {"0": "cat"}\n'}, ["train/a"]),
    "validation": ({**A, **B, "data.yaml": f"train: images/train\nvalidation: images/val\n{NAMES}"}, ["train/a", "val/b"]),
    "beside": ({"s/a.jpg": "", "s/a.txt": TRIANGLE, "s/b/c.png": "", "data.yaml": f"train: s\n{NAMES}"},
               ["train/a", "train/b/c-"]),
    "same folder twice": ({**A, "data.yaml": f"train: images/train\nval: images/train\n{NAMES}"}, ["train/a"]),
    "two endings": ({**A, "images/train/a.png": "", "data.yaml": f"train: images/train\n{NAMES}"},
                    ["train/a.jpg", "train/a.png"]),
    "hidden and others": ({**A, "images/train/._a.jpg": "", "images/train/c.gif": "", "labels/train/._a.txt": "x",
                           "images/train/D.JPG": "", "data.yaml": f"train: images/train\n{NAMES}"},
                          ["train/D-", "train/a"]),
    "no split": ({"images/a.jpg": "", "labels/a.txt": TRIANGLE, "classes.txt": "cat"}, ["a"]),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout(name: str, tmp_path: Path) -> None:
    files, expected = LAYOUTS[name]
    root = build(tmp_path, files)
    assert ids(root) == expected
    assert fits(root) is None or name == "no labels"
    assert detect(root).format == "yolo" or name == "no labels"
    for item in read(root).items:
        assert Path(str(item.image)).is_file()


def test_the_yaml_as_the_source_and_by_option(tmp_path: Path) -> None:
    root = build(tmp_path / "set", {**A, "data.yaml": f"train: images/train\n{NAMES}"})
    (tmp_path / "mine.yaml").write_text("train: images/train\nnames: [bird]\n")
    assert ids(root / "data.yaml") == ["train/a"]
    assert fits(root / "data.yaml") is None
    assert read(root, data=tmp_path / "mine.yaml").labels.names == ("background", "bird")
    build(root, {"classes.txt": "tree\n"})
    assert read(root, classes="classes.txt").labels.names == ("background", "tree")
    assert read(root, classes=["sky"], background="ignore").labels.names == ("sky",)
    (root / "data.yaml").rename(root / "one.yaml")
    (root / "two.yaml").write_text(NAMES)
    with pytest.raises(OptionError, match=r"holds one\.yaml, two\.yaml: name the one that is meant with --data"):
        read(root)
    assert ids(root, data="one.yaml") == ["train/a"]
    with pytest.raises(OptionError, match=r"--data no\.yaml: there is no such file"):
        read(root, data="no.yaml")


def test_one_split_reads_all_its_images(tmp_path: Path) -> None:
    root = build(tmp_path, {**A, "data.yaml": f"train: images/train\nval: images/train\ntest: images/test\n{NAMES}"})
    assert ids(root, split="val") == ["val/a"]
    warnings = read(root).receipt.warnings
    assert (
        "val: 1 of its 1 images are of an earlier split, too, and in that alone (--split val reads them all)"
        in warnings
    )
    assert "data.yaml: test: images/test: there is no such folder or list, it is left out" in warnings
    with pytest.raises(OptionError, match="no split 'dev': there are test, train, val"):
        read(root, split="dev")


def test_what_is_background_and_what_is_not_read_is_told(tmp_path: Path) -> None:
    files = {**A, **B, "images/train/c.jpg": "", "images/train/d.gif": "", "labels/train/e.txt": TRIANGLE}
    root = build(
        tmp_path, {**files, "images/val/f.jpg": "", "data.yaml": f"train: images/train\nval: images/val\n{NAMES}"}
    )
    assert read(root).receipt.notes == [
        "images/train: 1 files are no images for Ultralytics by their ending, and are left out: d.gif",
        "train: 2 images, of which 1 have no label file: these are background",
        "val: 2 images, of which 1 have no label file and 1 an empty one: these are background",
        "labels/train: 1 texts are of no image, and are not read: e.txt",
    ]
    shutil.rmtree(root / "labels/val")
    warned = read(root).receipt.warnings
    where = "where Ultralytics has it, as labels/val/b.txt is of images/val/b.png"
    assert warned == [f"val: 2 images, all background: none has its label file {where}"]


def test_background_by_name_and_classes_of_one_name(tmp_path: Path) -> None:
    root = one(
        tmp_path / "set", "0 0 0 1 0 1 1\n3 0 0 0 1 1 1", "train: images\nnames: {0: background, 1: no, 3: 'no '}\n"
    )
    source = read(root)
    assert source.labels.names == ("background", "no")
    assert [(row.source_id, row.class_id) for row in source.classes] == [(0, 0), (1, 1), (3, 1)]
    assert set(np.unique(mask_of(root, tmp_path / "d"))) == {0, 1}
    assert set(np.unique(mask_of(root, tmp_path / "e", background="ignore"))) <= {0, 1, 255}
