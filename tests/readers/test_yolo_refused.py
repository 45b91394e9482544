"""Lines, YAMLs and paths of Ultralytics sets that are refused, each with its reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import segdata
from segdata.errors import DataError, Report
from segdata.readers.yolo.lines import read_outlines
from segdata.readers.yolo.reader import fits, read
from yolo_files import NAMES, TRIANGLE, A, build, ids, one

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
    with pytest.raises(DataError, match="its 3999 outlines would have 20001 points each, as the longest has 20000"):
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
