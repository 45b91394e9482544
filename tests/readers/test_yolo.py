"""Ultralytics segmentation: masks as its own loader drew them, where images and labels lie, and what is refused."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import segdata
from segdata.errors import DataError, OptionError, Report, SegdataError
from segdata.readers.detect import detect
from segdata.readers.paint import Overlap
from segdata.readers.yolo import fits, read
from segdata.readers.yolo_images import label_path
from segdata.readers.yolo_lines import Outline, Task, pixels, read_outlines, resampled

HERE = Path(__file__).parent
GOLDEN, REAL = HERE / "golden/yolo", HERE / "real/yolo"
TRIANGLE = "0 0.1 0.1 0.9 0.1 0.9 0.9"
NAMES = "names: [cat, dog]\n"


def build(root: Path, files: dict[str, str]) -> Path:
    """Write texts, and an image of 20 x 10 pixels for every name that is one."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".jpg", ".png", ".gif"):
            Image.new("RGB", (20, 10), text or "grey").save(path)
        else:
            path.write_text(text)
    return root


def one(root: Path, text: str, yaml: str = f"train: images\n{NAMES}") -> Path:
    """A set of one image with these lines."""
    return build(root, {"images/a.png": "", "labels/a.txt": text, "data.yaml": yaml})


def mask_of(root: Path, out: Path, **options: Any) -> NDArray[Any]:
    """The mask of a set of one image."""
    dataset = segdata.convert("yolo", root, out, **options)
    return dataset.read_mask(dataset.samples[0])


def ids(root: Path, **options: Any) -> list[str]:
    """The ids that are read, those of images without labels with a `-`."""
    return [item.id + ("" if item.annotation.files else "-") for item in read(root, **options).items]


# As Ultralytics draws


@pytest.mark.parametrize("task", get_args(Task))
def test_every_pixel_is_as_the_loader_of_ultralytics_drew_it(task: Task, tmp_path: Path) -> None:
    dataset = segdata.convert("yolo", GOLDEN / "source", tmp_path / "d", task=task)
    drawn = {path.name: path for path in (GOLDEN / task).glob("*.png")}
    assert len(dataset) == len(drawn) == 24
    for sample in dataset:
        truth = np.array(Image.open(drawn[f"{Path(str(sample.image)).name}.png"]))
        np.testing.assert_array_equal(dataset.read_mask(sample), truth, sample.id)
    assert dataset.labels.names == ("background", "person", "car", "dog", "cow", "boat", "bench")
    skipped = dataset.read_receipt()["skipped"]
    assert {line["code"] for line in skipped} == {"yolo.duplicate"}


def test_the_golden_source_is_what_the_generator_writes(tmp_path: Path) -> None:
    with generator() as tool:
        tool.make_odd_yolo(tmp_path, 18, 24)
    texts = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.txt")}
    assert texts == {name: (GOLDEN / "source" / name).read_text() for name in texts}
    assert len(texts) == len(list((GOLDEN / "source").rglob("*.txt")))


@contextmanager
def generator() -> Iterator[Any]:
    """The program that makes samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE.parents[1] / "tools"))
        import sample_yolo

        yield sample_yolo
    for name in ("sample_yolo", "sample_canvas", "sample_scenes"):
        sys.modules.pop(name, None)


corner = st.tuples(st.floats(0, 1, width=32), st.floats(0, 1, width=32))


@given(st.lists(corner, min_size=1, max_size=12), st.integers(0, 40))
def test_an_outline_keeps_its_corners_and_gets_points_between_them(
    corners: list[tuple[float, float]], more: int
) -> None:
    points = np.array(corners, np.float32)
    count = len(points) + 1 + more
    found = resampled(points, count)
    assert found.shape == (count, 2)
    closed = [*corners, corners[0]]
    steps = sorted([*range(len(closed)), *(len(corners) * i / max(more - 1, 1) for i in range(more))])
    for at, point in zip(steps, found.tolist(), strict=True):
        before = min(int(at), len(corners) - 1)
        share = at - before
        wanted = [a + share * (b - a) for a, b in zip(closed[before], closed[before + 1], strict=True)]
        assert point == pytest.approx(wanted, abs=1e-6)


def brute_mask(lines: list[tuple[int, NDArray[np.int32]]], size: tuple[int, int], policy: Overlap) -> NDArray[Any]:
    """Class numbers from 1, a whole image for each outline."""
    layers = []
    for number, points in lines:
        layer = np.zeros(size, np.uint8)
        cv2.fillPoly(layer, [points], (1,))
        layers.append((number + 1, layer > 0))
    order = {"smallest": sorted(layers, key=lambda one: -int(one[1].sum())), "first": layers[::-1]}.get(policy, layers)
    mask, claims = np.zeros(size, np.uint8), [np.zeros(size, np.bool_), np.zeros(size, np.bool_)]
    for value, layer in order:
        mask[layer] = value
        claims[value - 1] |= layer
    if policy == "ignore":
        mask[claims[0] & claims[1]] = 255
    return mask


@pytest.mark.parametrize("task", get_args(Task))
@pytest.mark.parametrize("policy", get_args(Overlap))
def test_every_overlap_against_whole_images(policy: Overlap, task: Task, tmp_path: Path) -> None:
    chance = random.Random(5)
    for number in range(20):
        lines = [(chance.randrange(2), [chance.random() for _ in range(2 * chance.randrange(3, 9))]) for _ in range(5)]
        text = "\n".join(f"{name} {' '.join(map(repr, values))}" for name, values in lines)
        root = one(tmp_path / str(number), text)
        outlines = [Outline(i, n, np.array(v, np.float32).reshape(-1, 2)) for i, (n, v) in enumerate(lines)]
        points = zip((n for n, _ in lines), pixels(outlines, (10, 20), task), strict=True)
        expected = brute_mask(list(points), (10, 20), policy)
        found = mask_of(root, tmp_path / f"{number}-out", overlap=policy, task=task, allow_empty=True)
        np.testing.assert_array_equal(found, expected)


def test_coordinates_are_of_the_upright_image(tmp_path: Path) -> None:
    root = one(tmp_path / "set", "1 0 0 0.5 0 0.5 1 0 1")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (20, 10)).save(root / "images/a.png", exif=exif)
    mask = mask_of(root, tmp_path / "d")
    assert mask.shape == (20, 10)
    assert mask[:, :5].all()
    assert not mask[:, 7:].any()
    assert segdata.Dataset.open(tmp_path / "d").samples[0].exif == "upright"


def test_of_two_objects_as_large_the_later_is_on_top_and_copies_are_removed(tmp_path: Path) -> None:
    root = one(tmp_path / "set", f"{TRIANGLE}\n1{TRIANGLE[1:]}\n{TRIANGLE}\n")
    dataset = segdata.convert("yolo", root, tmp_path / "d")
    assert set(np.unique(dataset.read_mask(dataset.samples[0]))) == {0, 2}
    receipt = dataset.read_receipt()
    assert receipt["annotations"] == {"in": 3, "painted": 2, "skipped": 1, "hidden": 1}
    assert [(line["code"], line["annotation"]) for line in receipt["skipped"]] == [("yolo.duplicate", 2)]
    assert [line["annotation"] for line in receipt["hidden"]] == [0]


# Where images and labels lie


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


A, B = {"images/train/a.jpg": "", "labels/train/a.txt": TRIANGLE}, {"images/val/b.png": "", "labels/val/b.txt": ""}
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
    assert warned == ["val: 2 images, all background: none has a label file in labels/ for images/, or beside it"]


def test_background_by_name_and_classes_of_one_name(tmp_path: Path) -> None:
    root = one(
        tmp_path / "set", "0 0 0 1 0 1 1\n3 0 0 0 1 1 1", "train: images\nnames: {0: background, 1: no, 3: 'no '}\n"
    )
    source = read(root)
    assert source.labels.names == ("background", "no")
    assert [(row.source_id, row.class_id) for row in source.classes] == [(0, 0), (1, 1), (3, 1)]
    assert set(np.unique(mask_of(root, tmp_path / "d"))) == {0, 1}
    assert set(np.unique(mask_of(root, tmp_path / "e", background="ignore"))) <= {0, 1, 255}


# What is refused

BAD_LINES = {
    "0 0.1 0.1 0.2 0.2": "5 numbers are a box, which has no pixels",
    f"{TRIANGLE}\n0 0.1 0.1 0.2 0.2": "5 numbers are a box, beside outlines",
    "0 0.1 0.1 0.2 0.2 0.3": "6 numbers are no class and pairs of x and y",
    "0 0.1 0.1 0.2 0.2 0.3 0.3 0.4": "8 numbers are no class",
    "0": "1 numbers are no class",
    "0 0.1 0.1": "3 numbers are no class",
    "cat 0.1 0.1 0.2 0.2 0.3 0.3": "'cat' is no number: correct it",
    "0,0.1,0.1,0.2,0.2,0.3,0.3": "1 numbers are no class",
    "0 0.1 0.1 nan 0.2 0.3 0.3": "NaN or too large",
    "0 0.1 0.1 1e99 0.2 0.3 0.3": "NaN or too large",
    "nan 0.1 0.1 0.2 0.2 0.3 0.3": "begins with nan",
    "-1 0.1 0.1 0.2 0.2 0.3 0.3": "begins with -1, which is no class number",
    "0.5 0.1 0.1 0.2 0.2 0.3 0.3": "begins with 0.5",
    "1e30 0.1 0.1 0.2 0.2 0.3 0.3": "begins with 1e\\+30",
    "7 0.1 0.1 0.2 0.2 0.3 0.3": r"no class 7: data\.yaml names 0, 1: add it there, or correct it",
    "0 10 10 200 10 200 150": "x is 10 to 200, y 10 to 150, .*: divide x by the width of the image and y by its height",
    "0 -0.9 0.1 0.2 0.2 0.3 0.3": "x is -0.9 to 0.3, .*: correct it",
    "0 0.5 0.1 1.6 0.2 0.6 0.3": "x is 0.5 to 1.6, .*: correct it",
}


@pytest.mark.parametrize("text", BAD_LINES)
def test_a_line_that_is_refused(text: str, tmp_path: Path) -> None:
    root = one(tmp_path / "set", text)
    build(root, {"images/b.png": "", "labels/b.txt": TRIANGLE})
    with pytest.raises(DataError, match=BAD_LINES[text]) as caught:
        segdata.convert("yolo", root, tmp_path / "d")
    problem = caught.value.problem
    assert (Path(str(problem.file)).name, problem.sample) == ("a.txt", "train/a")
    assert problem.annotation == text.count("\n")
    dataset = segdata.convert("yolo", root, tmp_path / "d", run=segdata.Run(report=Report("skip")))
    assert [sample.id for sample in dataset] == ["train/b"]
    receipt = dataset.read_receipt()
    lines = text.count("\n") + 1
    assert receipt["annotations"] == {"in": lines + 1, "painted": 1, "skipped": lines, "hidden": 0}


def test_lines_in_every_spelling_that_the_loader_reads(tmp_path: Path) -> None:
    text = "\ufeff\n 1.0\t.1 1e-1 +.5 0.1 0.5 5e-1 \r\n\n0 0.2 0.2\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8", newline="")
    first, second = read_outlines(str(tmp_path / "a.txt"))
    assert (first.number, first.class_number, second.number) == (0, 1, 1)
    np.testing.assert_allclose(first.points, [(0.1, 0.1), (0.5, 0.1), (0.5, 0.5)], rtol=1e-6)
    assert second.points.shape == (1, 2)


def test_an_outline_may_reach_beyond_the_image(tmp_path: Path) -> None:
    root = one(tmp_path / "set", "0 0.5 0.2 1.3 0.2 1.3 0.8 0.5 0.8")
    dataset = segdata.convert("yolo", root, tmp_path / "d")
    assert dataset.read_mask(dataset.samples[0])[2:8, 10:].all()
    assert [line["code"] for line in dataset.read_receipt()["clipped"]] == ["polygon.clipped"]


def test_key_points_and_oriented_boxes(tmp_path: Path) -> None:
    root = one(tmp_path / "pose", "0 0.5 0.5 0.2 0.2 0.1 0.1", f"train: images\nkpt_shape: [1, 2]\n{NAMES}")
    assert fits(root) == "labels/a.txt has key points"
    with pytest.raises(DataError, match="7 numbers are a box and key points, as kpt_shape says"):
        segdata.convert("yolo", root, tmp_path / "d")
    root = one(tmp_path / "obb", "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5")
    assert "has four points, as oriented boxes (OBB) have" in read(root).receipt.warnings[0]
    root = one(tmp_path / "boxes", "0 0.1 0.1 0.5 0.1")
    assert fits(root) == "labels/a.txt has boxes, and no outlines of three points or more"


BAD_YAML = {
    "names: [cat\n": "not a YAML of names, train, val",
    "names: cat\n": "names is no list of names",
    "names: []\n": "names holds no names",
    "names: [[cat]]\n": "names holds no names, or something that is none",
    "names: {x: cat}\n": "a key of names is no class number",
    "nc: 3\nnames: [cat]\n": "nc is 3, but there are 1 names",
    "nc: many\n": "nc is 'many', and must be a number of classes",
    "names: [cat]\ntrain: {a: b}\n": "train is no path and no list of paths",
    "names: [cat]\nkpt_shape: [a]\n": "Expected `int`|length",
    "- names\n": "Expected `object`",
    "a: &a [cat]\nnames: *a\n": "an alias is not read",
    "names: [cat]\ntrain: /other/place\n": "train: /other/place is not in SRC: give the folder that holds it as SRC",
    "names: [cat]\ntrain: labels\n": r"there are no images \(.*\) in labels",
    "": "there is no data.yaml with names, and no classes.txt",
}


@pytest.mark.parametrize("text", BAD_YAML)
def test_a_yaml_that_is_refused(text: str, tmp_path: Path) -> None:
    root = one(tmp_path, TRIANGLE, text)
    with pytest.raises(DataError, match=BAD_YAML[text]):
        read(root, data="data.yaml" if text else None)


def test_a_yaml_that_is_no_text(tmp_path: Path) -> None:
    root = one(tmp_path, TRIANGLE)
    (root / "data.yaml").write_bytes(b"names: [caf\xe9]\n")
    with pytest.raises(DataError, match=r"data\.yaml: cannot be read: it is not text in UTF-8"):
        read(root)


def test_outlines_that_would_be_resampled_for_hours(tmp_path: Path) -> None:
    """Every outline gets as many points as the longest."""
    longest = "0" + " 0.5" * 40000
    root = one(tmp_path / "set", "\n".join([longest, *(f"0 0.1 0.1 0.5 0.{i:04} 0.5 0.5" for i in range(1, 4000))]))
    with pytest.raises(DataError, match="its 4000 outlines would have 20001 points each, as the longest has 20000"):
        segdata.convert("yolo", root, tmp_path / "d")
    segdata.convert("yolo", root, tmp_path / "d", task="semantic")


def test_a_class_of_nc_alone_has_a_number_for_a_name(tmp_path: Path) -> None:
    root = one(tmp_path, TRIANGLE, "train: images\nnc: 2.0\n")
    source = read(root)
    assert source.labels.names == ("background", "class_0", "class_1")
    assert source.receipt.notes == ["data.yaml: nc says how many classes there are, and nothing names them"]


def test_images_that_a_list_names_and_that_are_not_there(tmp_path: Path) -> None:
    files = {**A, "images/val/zz.jpg": "", "train.txt": "images/train/a.jpg\nimages/train/zz.jpg\n"}
    root = build(tmp_path, {**files, "data.yaml": f"train: train.txt\n{NAMES}"})
    with pytest.raises(DataError, match=r"train\.txt: train/zz: there is no images/train/zz\.jpg: put it there"):
        read(root)
    assert [item.id for item in read(root, report=Report("skip")).items] == ["train/a"]


def test_nothing_outside_the_source_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("root:x:0:0")
    root = build(tmp_path / "set", {"images/a.png": "", "data.yaml": f"train: images\n{NAMES}"})
    (root / "labels").mkdir()
    (root / "labels/a.txt").symlink_to(secret)
    with pytest.raises(DataError, match=r"labels/a\.txt: train/a: a link leads out of SRC"):
        read(root)
    (root / "labels/a.txt").unlink()
    (root / "list.txt").symlink_to(secret)
    for train, message in (
        ("list.txt", "a link leads out of SRC"),
        ("../secret.txt", "is not in SRC"),
        (secret, "is not in SRC"),
    ):
        (root / "data.yaml").write_text(f"train: {train}\n{NAMES}")
        with pytest.raises(DataError, match=message):
            read(root)


def test_a_source_that_is_named_by_a_link_or_from_the_root(tmp_path: Path) -> None:
    root = build(
        tmp_path / "set", {**A, "data.yaml": f"path: {tmp_path}/set\ntrain: {tmp_path}/set/images/train\n{NAMES}"}
    )
    (tmp_path / "link").symlink_to(root)
    assert ids(root) == ids(tmp_path / "link") == ["train/a"]
    assert read(root).receipt.notes == read(tmp_path / "link").receipt.notes == []


def test_the_size_of_an_image_that_is_not_one(tmp_path: Path) -> None:
    root = one(tmp_path / "set", TRIANGLE)
    (root / "images/a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="cannot be decoded"):
        segdata.convert("yolo", root, tmp_path / "d", images="none")


# Other programs' sets, and damage


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("segmentation", None),
        ("oriented_boxes", None),
        ("pose", "yolo.keypoints"),
        ("detection_with_list_of_imgs", "yolo.box"),
    ],
)
def test_the_sets_of_datumaro(name: str, code: str | None, tmp_path: Path) -> None:
    root = REAL / name
    assert (fits(root) is None) == (code is None)
    if code is not None:
        with pytest.raises(DataError) as caught:
            segdata.convert("yolo", root, tmp_path / "d")
        assert caught.value.problem.code == code
        return
    dataset = segdata.convert("auto", root, tmp_path / "d")
    assert dataset.labels.names == ("background", *(f"label_{i}" for i in range(10)))
    assert dataset.samples[0].size == (10, 15)
    assert set(dataset.samples[0].counts) == {0, 3, 5}


@pytest.fixture
def shared() -> Path:
    root = HERE.parents[2] / "shared/trials/conversion"
    if not root.is_dir():
        pytest.skip(f"{root} is not there")
    return root


def test_the_sets_that_users_tried(shared: Path, tmp_path: Path) -> None:
    assert set(np.unique(mask_of(shared / "yoloseg", tmp_path / "d"))) == {0, 1}
    there = read(shared / "dm/yolo_ultralytics_poly")
    assert [item.id for item in there.items] == ["train/f_1", "train/f_2", "val/f_3"]
    assert there.labels.names == ("background", "road", "crack")


SPOILT = (b"\xff", b"-", b" ", b"\n", b"9e9", b"nan", b"", b"[", b"\0")


@pytest.mark.parametrize("seed", range(40))
def test_damage_gives_one_message(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    root = shutil.copytree(GOLDEN / "source", tmp_path / "set")
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.suffix in (".txt", ".yaml", ".png"))
    for path in chance.sample(files, 4):
        data = bytearray(path.read_bytes())
        for _ in range(chance.choice((1, 2, 8))):
            at = chance.randrange(len(data) + 1)
            data[at : at + chance.choice((0, 1, 5))] = chance.choice(
                (b"\xff", b"-", b" ", b"\n", b"9e9", b"nan", b"", b"[", b"\0")
            )
        path.write_bytes(data[: chance.choice((len(data), len(data), len(data) // 2))])
    run = segdata.Run(report=Report(chance.choice(("stop", "skip"))))
    with suppress(SegdataError):  # nothing else may come, and no warning
        segdata.convert("yolo", root, tmp_path / "d", run=run)
