"""Supervisely: masks as its SDK drew them, where annotations and images lie, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import segdata
from segdata.errors import DataError, OptionError, Report
from segdata.readers.supervisely.reader import fits, read
from segdata.readers.supervisely.shapes import draw_box, draw_line, draw_polygons, read_bits, whole

HERE = Path(__file__).parent
GOLDEN, REAL = HERE / "golden/supervisely", HERE / "real/supervisely"

Json = dict[str, Any]

TRIANGLE = [[1, 1], [12, 2], [6, 8]]
CLASSES = [
    {"title": "car", "shape": "polygon", "color": "#FF0000"},
    {"title": "mask", "shape": "bitmap", "color": "#00FF00"},
    {"title": "thing", "shape": "any", "color": "#0000FF"},
]


def figure(title: str = "car", kind: str = "polygon", exterior: Any = TRIANGLE, **more: Any) -> Json:
    """A figure of points."""
    points = {"exterior": exterior, "interior": []}
    return {"classTitle": title, "geometryType": kind, "points": points, "tags": [], **more}


def bitmap(data: str, origin: Any = (3, 4)) -> Json:
    """A figure of a bitmap."""
    return {"classTitle": "mask", "geometryType": "bitmap", "bitmap": {"data": data, "origin": list(origin)}}


def png(pixels: NDArray[Any]) -> bytes:
    """The bytes of a PNG."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def packed(data: bytes) -> str:
    """Deflated, in base64."""
    return base64.b64encode(zlib.compress(data)).decode()


def project(
    root: Path, objects: Any, *, name: str = "ds/a.png", sheet: str = "", meta: Any = None, **more: Any
) -> Path:
    """A project of one image of 10 x 20 pixels (height x width)."""
    folder, _, image = name.rpartition("/")
    (root / folder / "ann").mkdir(parents=True, exist_ok=True)
    (root / folder / "img").mkdir(exist_ok=True)
    (root / "meta.json").write_text(json.dumps({"classes": CLASSES, "tags": []} if meta is None else meta))
    text = {"size": {"height": 10, "width": 20}, "objects": objects, "tags": [], **more}
    (root / folder / "ann" / (sheet or f"{image}.json")).write_text(json.dumps(text))
    Image.new("RGB", (20, 10), "grey").save(root / folder / "img" / image)
    return root


def mask_of(root: Path, **options: Any) -> NDArray[Any]:
    """The mask of a project of one image."""
    (item,) = read(root, **options).items
    source = read(root, **options)
    return item.annotation.draw(source.labels.table({i: i for i in range(len(source.labels.classes))})).mask


# As the SDK draws


@pytest.mark.parametrize(
    ("root", "truth"),
    [
        (GOLDEN / "project", GOLDEN / "masks"),
        (REAL / "instance", REAL / "masks/instance"),
        (REAL / "vector", REAL / "masks/vector"),
    ],
    ids=["golden", "instance", "vector"],
)
def test_every_pixel_is_as_the_sdk_drew_it(root: Path, truth: Path, tmp_path: Path) -> None:
    dataset = segdata.convert("supervisely", root, tmp_path / "d", images="none")
    drawn = {path.relative_to(truth).with_suffix("").as_posix(): path for path in truth.rglob("*.png")}
    assert {sample.id for sample in dataset} == set(drawn)
    for sample in dataset:
        np.testing.assert_array_equal(dataset.read_mask(sample), np.array(Image.open(drawn[sample.id])), sample.id)
    titles = [one["title"] for one in json.loads((root / "meta.json").read_text())["classes"]]
    assert dataset.labels.names == ("background", *titles)


def test_graphs_are_counted_and_not_drawn(tmp_path: Path) -> None:
    dataset = segdata.convert("supervisely", REAL / "keypoints", tmp_path / "d", images="none", allow_empty=True)
    receipt = dataset.read_receipt()
    assert (receipt["annotations"]["in"], receipt["annotations"]["skipped"]) == (2, 2)
    assert {line["code"] for line in receipt["skipped"]} == {"supervisely.shape"}


@given(st.tuples(*[st.integers(-8, 28)] * 4))
def test_rectangles_hold_both_corners(corners: tuple[int, int, int, int]) -> None:
    a, b, c, d = corners
    truth = np.zeros((10, 20), np.uint8)
    truth[max(0, min(b, d)) : max(0, max(b, d) + 1), max(0, min(a, c)) : max(0, max(a, c) + 1)] = 1
    np.testing.assert_array_equal(decode(draw_box(whole([(a, b), (c, d)]), (10, 20))), truth)


@given(st.data())
def test_a_bitmap_lies_at_its_origin(data: st.DataObject) -> None:
    bits = np.array(data.draw(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=6)))
    x, y = data.draw(st.integers(-5, 22)), data.draw(st.integers(-7, 12))
    truth = np.zeros((40, 40), np.uint8)
    truth[10 + y : 10 + y + len(bits), 10 + x : 14 + x] = bits
    found = np.zeros((10, 20), np.uint8)
    found |= decode_bits(read_bits(packed(png(bits.astype(np.uint8) * 255)), (10, 20), alpha=False), y, x)
    np.testing.assert_array_equal(found, truth[10:20, 10:30])


def decode(rle: bytes) -> NDArray[np.uint8]:
    """(10, 20) of run lengths."""
    from pycocotools import mask as coco_rle

    return np.asarray(coco_rle.decode({"size": [10, 20], "counts": rle}))


def decode_bits(bits: NDArray[np.uint8], y: int, x: int) -> NDArray[np.uint8]:
    """(10, 20) of a bitmap at a row and column."""
    from segdata.readers.paint import encode

    return decode(encode(bits, 10, 20, y, x))


def test_holes_are_taken_away_with_their_outlines() -> None:
    outer, hole = whole([(1, 1), (9, 1), (9, 8), (1, 8)]), whole([(3, 3), (6, 3), (6, 6), (3, 6)])
    truth = np.zeros((10, 20), np.uint8)
    truth[1:9, 1:10] = 1
    truth[3:7, 3:7] = 0
    np.testing.assert_array_equal(decode(draw_polygons([[outer, hole]], (10, 20))), truth)


def test_a_line_that_leaves_the_image_is_cut() -> None:
    truth = np.zeros((10, 20), np.uint8)
    truth[4] = 1
    np.testing.assert_array_equal(decode(draw_line(whole([(-9, 4), (40, 4)]), (10, 20))), truth)
    assert not decode(draw_line(whole([(-9, 4), (-3, 4)]), (10, 20))).any()


def test_parts_of_pixels_are_rounded_down(tmp_path: Path) -> None:
    whole_, parts = (
        mask_of(project(tmp_path / name, [figure(exterior=points)]))
        for name, points in (("a", TRIANGLE), ("b", [[x + 0.9, y + 0.5] for x, y in TRIANGLE]))
    )
    np.testing.assert_array_equal(whole_, parts)


@pytest.mark.parametrize("overlap", ["last", "first", "smallest", "ignore"])
def test_what_is_on_top(overlap: str, tmp_path: Path) -> None:
    box = [[0, 0], [19, 9]]
    objects = [figure("thing", "rectangle", box), figure("car", "polygon", [[2, 2], [8, 2], [8, 7], [2, 7]])]
    mask = mask_of(project(tmp_path, objects), overlap=overlap)
    assert mask[4, 4] == {"last": 1, "first": 3, "smallest": 1, "ignore": 255}[overlap]
    assert mask[0, 0] == 3


def test_files_of_old_are_read(tmp_path: Path) -> None:
    old = {"bitmap": None, "type": "polygon", "classTitle": "thing", "tags": ["x"], "description": "", **figure()}
    del old["geometryType"]
    mask = mask_of(project(tmp_path / "a", [{**old, "classTitle": "thing"}], sheet="a.json", tags=["train"]))
    np.testing.assert_array_equal(mask == 3, mask_of(project(tmp_path / "b", [figure()])) == 1)
    bits = np.ones((2, 3, 3), np.uint8) * 9
    mask = mask_of(project(tmp_path / "c", [bitmap(base64.b64encode(png(bits)).decode())]))
    assert np.argwhere(mask == 2).tolist() == [[y, x] for y in (4, 5) for x in (3, 4, 5)]


# Classes


def test_classes_are_those_of_the_project_in_its_order(tmp_path: Path) -> None:
    meta = {
        "classes": [
            *CLASSES,
            {"title": "__bg__", "shape": "bitmap", "color": "red"},
            {"title": "neutral", "shape": "odd"},
        ]
    }
    root = project(
        tmp_path, [figure(), figure("__bg__", exterior=TRIANGLE, geometryType="polygon", bitmap=None)], meta=meta
    )
    source = read(root)
    assert source.labels.names == ("background", "car", "mask", "thing", "neutral")
    assert source.labels.classes[1].color == (255, 0, 0)
    assert [(row.source_id, row.class_id) for row in source.classes][-2:] == [("__bg__", 0), ("neutral", 4)]
    assert any("--drop neutral" in note for note in source.receipt.notes)
    assert read(root, background="ignore").labels.names == ("car", "mask", "thing", "background", "neutral")


def test_a_class_file_sets_the_order(tmp_path: Path) -> None:
    root = project(tmp_path, [figure()])
    assert (mask_of(root, classes=["thing", "mask", "car"])[3, 6], mask_of(root)[3, 6]) == (3, 1)
    with pytest.raises(DataError, match="no class 'car'"):
        mask_of(root, classes=["thing", "mask"])


def test_nothing_drawn_is_background_or_ignored(tmp_path: Path) -> None:
    root = project(tmp_path, [figure()])
    assert (mask_of(root)[9, 19], mask_of(root, background="ignore")[9, 19]) == (0, 255)


# Files and splits


def test_datasets_lie_in_one_another(tmp_path: Path) -> None:
    for name in ("one/a.png", "one/datasets/two/a.png", "one/datasets/two/datasets/three/b.jpg"):
        project(tmp_path, [figure()], name=name)
    (tmp_path / "one/img_info").mkdir()
    source = read(tmp_path)
    assert [item.id for item in source.items] == ["one/a", "one/two/a", "one/two/three/b"]
    assert {item.split for item in source.items} == {None}
    assert [item.id for item in read(tmp_path, images=False).items] == [item.id for item in source.items]
    assert [item.exif for item in source.items] == ["upright"] * 3


def test_links_to_the_folders_above_have_an_end(tmp_path: Path) -> None:
    project(tmp_path, [figure()])
    for name in ("one", "two"):
        (tmp_path / name).symlink_to(tmp_path)
        (tmp_path / "ds" / name).symlink_to(tmp_path / "ds")
    assert [item.id for item in read(tmp_path).items] == ["ds/a"]


@pytest.mark.parametrize(("names", "found"), [(("train", "val"), ["train", "val"]), (("train", "other"), [None, None])])
def test_datasets_are_splits_if_all_are_called_so(
    names: tuple[str, ...], found: list[str | None], tmp_path: Path
) -> None:
    for name in names:
        project(tmp_path, [figure()], name=f"{name}/a.png")
    items = {item.id: item.split for item in read(tmp_path).items}
    assert items == {f"{name}/a": split for name, split in zip(names, found, strict=True)}
    assert {item.split for item in read(tmp_path, splits="dataset").items} == set(names)
    assert {item.split for item in read(tmp_path, splits="none").items} == {None}
    assert [item.id for item in read(tmp_path, splits="dataset", split=names[0]).items] == [f"{names[0]}/a"]
    with pytest.raises(OptionError, match="there are"):
        read(tmp_path, splits="dataset", split="elsewhere")


def test_tags_of_images_are_splits(tmp_path: Path) -> None:
    for name, tags in (("a", [{"name": "Val", "id": 3}]), ("b", ["train", "night"]), ("c", None)):
        project(tmp_path, [figure()], name=f"ds/{name}.png", tags=tags)
    assert {item.id: item.split for item in read(tmp_path, splits="tag").items} == {
        "Val/ds/a": "Val", "train/ds/b": "train", "ds/c": None,
    }  # fmt: skip
    project(tmp_path, [figure()], name="ds/d.png", tags=[{"name": "val"}, {"name": "train"}])
    with pytest.raises(DataError, match="has the tags train and val"):
        read(tmp_path, splits="tag")
    source = read(tmp_path, splits="tag", report=Report("skip"))
    assert len(source.items) == 3
    assert len(source.receipt.skipped_images) == 1


def test_an_image_without_annotation_is_told(tmp_path: Path) -> None:
    root = project(tmp_path, [figure()])
    Image.new("RGB", (4, 4)).save(root / "ds/img/b.png")
    with pytest.raises(DataError, match="no ann/ file") as caught:
        read(root)
    assert caught.value.problem.sample == "ds/b"
    assert [item.id for item in read(root, report=Report("skip")).items] == ["ds/a"]


def test_two_images_of_one_name_keep_their_endings(tmp_path: Path) -> None:
    project(tmp_path, [figure()])
    project(tmp_path, [], name="ds/a.jpg")
    assert [item.id for item in read(tmp_path).items] == ["ds/a.jpg", "ds/a.png"]
    assert [item.id for item in read(tmp_path, images=False).items] == ["ds/a.jpg", "ds/a.png"]


def test_one_odd_file_of_many_is_left_out(tmp_path: Path) -> None:
    for name in "abc":
        project(tmp_path / "p", [figure()], name=f"ds/{name}.png")
    (tmp_path / "p/ds/ann/b.png.json").write_text("{")
    dataset = segdata.convert("supervisely", tmp_path / "p", tmp_path / "d", run=segdata.Run(report=Report("skip")))
    assert [sample.id for sample in dataset] == ["ds/a", "ds/c"]


# What is refused


@pytest.mark.parametrize(
    ("objects", "code", "message"),
    [
        ([figure("cra")], "supervisely.label", "did you mean car"),
        ([{"points": None}], "supervisely.object", "classTitle"),
        ([None], "supervisely.object", "null"),
        ({}, "supervisely.json", "array"),
        ([figure(exterior=[[1, 2, 3]] * 3)], "supervisely.object", "length 2"),
        ([figure(exterior=[[1, float("nan")], [2, 3], [4, 5]])], "polygon.nan", "NaN"),
        ([figure(exterior=[[1, float("inf")], [2, 3], [4, 5]])], "polygon.nan", "infinite"),
        ([figure(exterior=[[1, 1e9], [2, 3], [4, 5]])], "polygon.far", "pixels away"),
        ([figure("mask")], "supervisely.figure", "must be a bitmap but is a polygon"),
        ([figure("thing", "rectangle")], "supervisely.figure", "must be a rectangle"),
        ([figure("thing", "cuboid", points=[[1, 2]], faces=[[0, 0, 0, 5]])], "supervisely.figure", "cuboid"),
        ([figure("thing", "oriented_bbox", points=[[1, 2], [8, 8]], angle=1e999)], "polygon.nan", "angle"),
        ([bitmap("abcde")], "supervisely.bitmap", "not base64"),
        ([bitmap("")], "supervisely.bitmap", "cut off"),
        ([bitmap(packed(b"not an image"))], "supervisely.bitmap", "no PNG"),
        ([bitmap(packed(bytes(10**7)))], "supervisely.bitmap", "far too many"),
        ([bitmap(packed(png(np.ones((5000, 5000), np.uint8))))], "supervisely.bitmap", "5000 x 5000"),
        ([bitmap(packed(png(np.ones((4, 4), np.uint8))[:-9]))], "supervisely.bitmap", "damaged"),
        ([bitmap(packed(png(np.ones((4, 4), np.uint8)))[:24])], "supervisely.bitmap", "cut off"),
        ([bitmap(packed(png(np.ones((4, 4, 3), np.uint8))))], "supervisely.bitmap", "without alpha"),
        ([bitmap(packed(png(np.ones((4, 4), np.uint8))), (1e12, 0))], "polygon.far", "pixels away"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(objects: Any, code: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        mask_of(project(tmp_path, objects))
    problem = caught.value.problem
    assert problem.code == code
    assert str(problem.file).endswith("ds/ann/a.png.json")
    assert problem.annotation == (None if code == "supervisely.json" else 0)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"tags": []}, "classes"),
        ({"classes": [{"shape": "any"}]}, "annotation 0.*title"),
        ({"classes": [*CLASSES, CLASSES[0]]}, "2 classes of the title 'car'"),
        ({"classes": CLASSES, "projectType": "videos"}, "project of videos"),
        ([], "not the classes of a project"),
    ],
)
def test_a_project_of_something_else_is_refused(meta: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(project(tmp_path, [figure()], meta=meta))


def test_the_folder_of_the_project_is_named(tmp_path: Path) -> None:
    project(tmp_path / "p", [figure()])
    with pytest.raises(DataError, match="give a folder in it that has one, p"):
        read(tmp_path)
    with pytest.raises(DataError, match="give the folder above it"):
        read(tmp_path / "p/ds")
    assert fits(tmp_path / "p") is None
    assert "meta.json" in str(fits(tmp_path))
    (tmp_path / "p/ds/ann/a.png.json").unlink()
    assert "ann" in str(fits(tmp_path / "p"))


@pytest.mark.parametrize("size", [{"height": 0, "width": 5}, {"height": 10**6, "width": 10**6}])
def test_a_size_that_none_can_have_is_refused(size: Json, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="size"):
        mask_of(project(tmp_path, [], size=size))


def test_figures_without_a_pixel_are_counted(tmp_path: Path) -> None:
    objects = [figure(), figure(exterior=[]), figure("thing", "blob"), figure(exterior=[[30, 1], [40, 2], [35, 9]])]
    dataset = segdata.convert("supervisely", project(tmp_path / "p", objects), tmp_path / "d")
    receipt = dataset.read_receipt()
    assert (receipt["annotations"]["in"], receipt["annotations"]["painted"]) == (4, 1)
    assert [(line["code"], line["annotation"]) for line in receipt["skipped"]] == [
        ("polygon.empty", 1), ("supervisely.shape", 2), ("polygon.empty", 3),
    ]  # fmt: skip
