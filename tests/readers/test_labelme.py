"""labelme: equal to what labelme draws, wherever the image is, and what is no shape is told."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools import mask as coco_rle

import segdata
from reader_samples import sample_tools
from segdata.errors import DataError, OptionError, Report
from segdata.readers.labelme import reader as labelme
from segdata.readers.labelme.draw import Pen, mask_runs, shape_runs
from segdata.readers.labelme.images import Images

GOLDEN = Path(__file__).parent / "golden/labelme"

tools = sample_tools("sample_labelme")

CAT = {"label": "cat", "points": [[2, 2], [20, 3], [18, 15]], "group_id": None, "shape_type": "polygon", "flags": {}}
SIZE = (20, 30)


def png(height: int = 20, width: int = 30, orientation: int = 1) -> bytes:
    kind = "PNG" if orientation == 1 else "JPEG"
    return bytes(tools.image_bytes(np.full((height, width, 3), 90, np.uint8), kind, orientation))


def put(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def labels(*shapes: dict[str, Any], image: Any = "a.png", data: bytes | None = None, **more: Any) -> dict[str, Any]:
    return dict(tools.label_file(list(shapes) or [CAT], image, SIZE, data, **more))


def decoded(rle: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(coco_rle.decode({"size": list(size), "counts": rle}))


# Drawing


def test_masks_are_those_of_labelme(tmp_path: Path) -> None:
    dataset = segdata.convert("labelme", GOLDEN / "source", tmp_path / "d")
    assert len(dataset) == 20
    for sample in dataset:
        truth = np.array(Image.open(GOLDEN / f"masks/{sample.id}.png"))
        assert (dataset.read_mask(sample) == truth).all(), sample.id


def test_the_masks_of_labelmes_own_example(shared_data: Path, tmp_path: Path) -> None:
    """They were drawn years ago, by a Pillow whose polygons have one pixel less in all three images."""
    root = shared_data / "voc/labelme"
    dataset = segdata.convert("labelme", root / "data_annotated", tmp_path / "d", classes=root / "labels.txt")
    differ = 0
    for sample in dataset:
        truth = np.array(Image.open(root / f"data_dataset_voc/SegmentationClass/{sample.id}.png"))
        differ += int((dataset.read_mask(sample) != truth).sum())
    assert len(dataset) == 3
    assert differ <= 1


def drawn_whole(kind: str, points: list[tuple[float, float]], size: tuple[int, int]) -> NDArray[np.uint8]:
    """What labelme does: each shape on a canvas of its own, as large as the image."""
    image = Image.new("L", (size[1], size[0]))
    draw = ImageDraw.Draw(image)
    (x, y), (p, q) = points[0], points[-1]
    r = 5 if kind == "point" else math.sqrt((x - p) ** 2 + (y - q) ** 2)
    if kind == "polygon":
        draw.polygon(points, outline=1, fill=1)
    elif kind == "rectangle":
        draw.rectangle(((min(x, p), min(y, q)), (max(x, p), max(y, q))), outline=1, fill=1)
    elif kind in ("circle", "point"):
        draw.ellipse(((x - r, y - r), (x + r, y + r)), outline=1, fill=1)
    else:
        draw.line(points, fill=1, width=10)
    return np.array(image)


COORDINATE = st.floats(-60, 120, width=32) | st.integers(-20, 80).map(float)


@given(
    st.sampled_from(["polygon", "rectangle", "circle", "point", "line", "linestrip"]),
    st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=8),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
@example("line", [(-3.5, -0.5), (70.0, 59.99), (0.0, 0.0)], (60, 60))
def test_a_part_of_the_canvas_is_as_good_as_all(
    kind: str, points: list[tuple[float, float]], size: tuple[int, int]
) -> None:
    count = {"rectangle": 2, "circle": 2, "line": 2, "point": 1}.get(kind, len(points))
    runs = shape_runs(kind, points[:count], size, Pen())
    assert (decoded(runs, size) == drawn_whole(kind, points[:count], size)).all()


@pytest.mark.parametrize(
    ("drawing", "corner", "place"),
    [("6", (4.0, 3.0), (3, 4)), ("6", (4.6, 3.7), (3, 4)), ("7", (4.6, 3.7), (4, 5)), ("7", (-1.2, 0.4), (0, -1)),
     ("6", (-2.0, -1.0), (-1, -2))],
)  # fmt: skip
def test_a_mask_lies_in_its_box(drawing: Any, corner: tuple[float, float], place: tuple[int, int]) -> None:
    bits = np.random.default_rng(3).integers(0, 2, (5, 6)).astype(np.uint8)
    points = [corner, (corner[0] + 5, corner[1] + 4)]
    runs, told = mask_runs(tools.text_of(tools.image_bytes(bits * 255, "PNG")), points, SIZE, Pen(drawing=drawing))
    canvas = np.zeros((40, 50), np.uint8)  # ten rows and columns more on every side
    canvas[10 + place[0] : 15 + place[0], 10 + place[1] : 16 + place[1]] = bits
    assert told is None
    assert (decoded(runs, SIZE) == canvas[10:30, 10:40]).all()


def test_a_mask_of_another_size_than_its_box_is_told(tmp_path: Path) -> None:
    text = tools.text_of(tools.image_bytes(np.ones((5, 6), np.uint8), "PNG"))
    put(tmp_path / "s/a.json", labels({**CAT, "shape_type": "mask", "points": [[1, 1], [4, 3]], "mask": text}))
    put(tmp_path / "s/a.png", png())
    dataset = segdata.convert("labelme", tmp_path / "s", tmp_path / "d")
    expected = np.zeros(SIZE, np.uint8)
    expected[1:4, 1:5] = 1
    assert (dataset.read_mask(dataset.samples[0]) == expected).all()
    assert "its box is 4 x 3 and its mask 6 x 5" in dataset.read_receipt()["repaired"][0]["message"]


def test_lines_and_points_have_the_width_that_is_asked_for(tmp_path: Path) -> None:
    line = {**CAT, "shape_type": "line", "points": [[0, 10], [29, 10]]}
    point = {**CAT, "label": "dog", "shape_type": "point", "points": [[15, 10]]}
    put(tmp_path / "s/a.json", labels(line, point))
    put(tmp_path / "s/a.png", png())

    def rows(**options: Any) -> list[int]:
        dataset = segdata.convert("labelme", tmp_path / "s", tmp_path / "d", overwrite=True, **options)
        mask = dataset.read_mask(dataset.samples[0])
        return [int((mask == value).any(axis=1).sum()) for value in (1, 2)]

    assert rows() == [10, 11]
    assert rows(line_width=3, point_size=2) == [3, 5]
    assert rows(point_size=0) == [10, 0]
    with pytest.raises(DataError, match="nothing is painted"):
        rows(line_width=0, point_size=0)
    with pytest.raises(OptionError, match="from 0 to 1000"):
        rows(line_width=-1)


def test_line_strips_of_labelme_7_have_round_joints(tmp_path: Path) -> None:
    strip = {**CAT, "shape_type": "linestrip", "points": [[3, 15], [15, 4], [26, 15]]}
    put(tmp_path / "s/a.json", labels(strip))
    put(tmp_path / "s/a.png", png())
    pixels = []
    for drawing in ("6", "7"):
        dataset = segdata.convert("labelme", tmp_path / "s", tmp_path / "d", overwrite=True, drawing=drawing)
        pixels.append(int(dataset.read_mask(dataset.samples[0]).sum()))
    assert pixels[0] < pixels[1]


# What has no pixels, and what is refused

NONE = {
    "points": ("labelme.points", {"shape_type": "points"}),
    "two corners": ("polygon.degenerate", {"points": [[1, 1], [5, 5]]}),
    "a circle of three": ("polygon.degenerate", {"shape_type": "circle"}),
    "no label": ("labelme.unnamed", {"label": " "}),
    "off the image": ("polygon.empty", {"points": [[50, 50], [60, 50], [55, 60]]}),
}


@pytest.mark.parametrize("case", NONE)
def test_a_shape_without_pixels_is_listed(case: str, tmp_path: Path) -> None:
    code, change = NONE[case]
    put(tmp_path / "s/a.json", labels(CAT, {**CAT, **change}))
    put(tmp_path / "s/a.png", png())
    receipt = segdata.convert("labelme", tmp_path / "s", tmp_path / "d").read_receipt()
    assert receipt["annotations"] == {"in": 2, "painted": 1, "skipped": 1, "hidden": 0}
    assert [(line["code"], line["annotation"]) for line in receipt["skipped"]] == [(code, 1)]


REFUSED = {
    "NaN": ("polygon.nan", {"points": [[float("nan"), 1], [2, 3], [4, 5]]}),
    "far": ("polygon.far", {"points": [[1e9, 1], [2, 3], [4, 5]]}),
    "a type": ("labelme.shape", {"shape_type": "cuboid"}),
    "text": ("labelme.object", {"points": [["1", 1], [2, 3], [4, 5]]}),
    "half a letter": ("labelme.label", {"label": "\ud800"}),
    "no mask": ("labelme.mask", {"shape_type": "mask", "points": [[1, 1], [2, 2]]}),
    "no PNG": ("labelme.mask", {"shape_type": "mask", "points": [[1, 1], [2, 2]], "mask": "aGVsbG8="}),
    "a box that is inside out": ("labelme.mask", {"shape_type": "mask", "points": [[9, 9], [2, 2]], "mask": "MASK"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_shape_is_one_error_or_leaves_its_image_out(case: str, tmp_path: Path) -> None:
    code, change = REFUSED[case]
    text = tools.text_of(tools.image_bytes(np.ones((5, 6), np.uint8), "PNG"))
    change = {key: text if value == "MASK" else value for key, value in change.items()}
    put(tmp_path / "s/a.json", labels(CAT, {**CAT, **change}))
    put(tmp_path / "s/b.json", labels())
    put(tmp_path / "s/a.png", png())
    with pytest.raises(DataError) as caught:
        segdata.convert("labelme", tmp_path / "s", tmp_path / "d")
    assert caught.value.problem.code == code
    assert str(tmp_path / "s/a.json") in str(caught.value)
    assert caught.value.problem.annotation == 1
    dataset = segdata.convert("labelme", tmp_path / "s", tmp_path / "d", run=segdata.Run(report=Report("skip")))
    assert [sample.id for sample in dataset] == ["b"]


# Images


@pytest.mark.parametrize(
    ("label_file", "name", "image"),
    [("a.json", "a.png", "a.png"), ("labels/a.json", "..\\images\\a.png", "images/a.png"),
     ("labels/a.json", "../images/a.png", "images/a.png"), ("x/a.json", "C:\\Users\\me\\x\\a.png", "x/a.png"),
     ("x/a.json", "/home/me/x/a.png", "x/a.png"), ("ann/a.json", "a.png", "img/a.png"), ("é/ü.json", "ö.png", "é/ö.png"),
     ("a.json", "./sub\\a.png", "sub/a.png"), ("A.JSON", "a.PNG", "a.PNG"),
     ("l/a.json", "https://host/i/a.png?key=1", "i/a.png")],
)  # fmt: skip
def test_an_image_is_found(label_file: str, name: str, image: str, tmp_path: Path) -> None:
    put(tmp_path / label_file, labels(image=name))
    put(tmp_path / image, png())
    assert [item.image for item in labelme.read(tmp_path).items] == [str(tmp_path / image)]


def test_the_one_beside_the_label_file_is_taken(tmp_path: Path) -> None:
    for split in ("train", "val"):
        put(tmp_path / f"labels/{split}/a.json", labels(image="C:\\a.png"))
        put(tmp_path / f"labels/{split}/a.png", png())
        put(tmp_path / f"images/{split}/a.png", png())
    here = [item.image for item in labelme.read(tmp_path / "labels").items]
    assert here == [str(tmp_path / f"labels/{split}/a.png") for split in ("train", "val")]
    given = [item.image for item in labelme.read(tmp_path / "labels", image_dir=tmp_path / "images").items]
    assert given == [str(tmp_path / f"images/{split}/a.png") for split in ("train", "val")]


def test_of_files_of_one_name_the_one_in_a_folder_of_the_same_name_is_taken_and_told(tmp_path: Path) -> None:
    for number in (1, 2):
        put(tmp_path / f"labels/{number}/a.json", labels())
        put(tmp_path / f"images/{number}/a.png", png())
    found = labelme.read(tmp_path)
    assert [item.image for item in found.items] == [str(tmp_path / f"images/{number}/a.png") for number in (1, 2)]
    assert found.receipt.notes == [
        "2 images are not in the folders that label files say, and were found by the last parts of their names, such as "
        "images/1/a.png for labels/1/a.png"
    ]
    given = labelme.read(tmp_path / "labels/1", image_dir=tmp_path / "images/1")
    assert (given.items[0].image, given.receipt.notes) == (str(tmp_path / "images/1/a.png"), [])


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "../../etc/passwd", "x" * 300, "a\0b", "", None, "..", "."])
def test_no_image_outside_of_the_source_is_taken(name: Any, tmp_path: Path) -> None:
    put(tmp_path / "a.png", png())
    put(tmp_path / "s/a.json", labels(image=name))
    with pytest.raises(DataError) as caught:
        labelme.read(tmp_path / "s")
    assert caught.value.problem.code == "image.missing"
    assert caught.value.problem.sample == "a"
    if name == "../a.png":
        assert "--image-dir DIR" in str(caught.value)
        assert labelme.read(tmp_path / "s", image_dir=tmp_path).items[0].image == str(tmp_path / "a.png")


@pytest.mark.parametrize("images", ["reference", "copy"])
@pytest.mark.parametrize("escaped", [False, True])
def test_an_image_within_the_label_file(images: Any, escaped: bool, tmp_path: Path) -> None:
    pixels = np.asarray(np.random.default_rng(0).integers(0, 256, (*SIZE, 3)), np.uint8)
    text = json.dumps(labels(image="gone.png", data=tools.image_bytes(pixels, "PNG")))
    put(tmp_path / "s/a.json", (text.replace("/", "\\/").replace("+", "\\u002B") if escaped else text).encode())
    dataset = segdata.convert("labelme", tmp_path / "s", tmp_path / "d", images=images)
    sample = dataset.samples[0]
    assert (dataset.read_image(sample) == pixels).all()
    assert str(sample.image).endswith(".png")
    if images == "reference":  # the labels are edited, so that the image is elsewhere in the file
        put(tmp_path / "s/a.json", text.replace('"cat"', '"tomcat"').encode())
        with pytest.raises(DataError, match="convert again"):
            dataset.read_image(sample)


def test_keys_of_the_same_name_in_other_data_are_no_image(tmp_path: Path) -> None:
    other = {
        "note": '"imageData": "AAAA"',
        "more": {"imageData": "", "imagePath": "b.png"},
        "list": [{"imageData": "\\"}],
    }
    put(tmp_path / "s/a.json", {**other, **labels(data=png()), "last": {"imageData": "BBBB"}})
    dataset = segdata.convert("labelme", tmp_path / "s", tmp_path / "d")
    assert (dataset.read_image(dataset.samples[0]) == 90).all()


def test_an_image_within_is_raw_and_one_beside_is_upright(tmp_path: Path) -> None:
    turned = png(30, 20, 6)  # 20 high and 30 wide once it is upright
    put(tmp_path / "beside/a.json", labels(image="a.jpg"))
    put(tmp_path / "beside/a.jpg", turned)
    put(tmp_path / "within/a.json", labels(data=turned, imageHeight=30, imageWidth=20))
    put(tmp_path / "old/a.json", labels(image="a.jpg", imageHeight=30, imageWidth=20))
    put(tmp_path / "old/a.jpg", turned)
    square = labels(image="a.jpg", imageHeight=20, imageWidth=20)
    put(tmp_path / "square/a.json", square)
    put(tmp_path / "square/a.jpg", png(20, 20, 6))
    found = {}
    for name in ("beside", "within", "old", "square"):
        sample = segdata.convert("labelme", tmp_path / name, tmp_path / "d" / name).samples[0]
        found[name] = (sample.size, sample.exif)
    assert found == {
        "beside": ((20, 30), "upright"), "within": ((30, 20), "raw"), "old": ((30, 20), "raw"),
        "square": ((20, 20), "upright"),
    }  # fmt: skip


def test_an_image_within_whose_exif_data_turn_it_to_the_stated_size_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "s/a.json", labels(image="a.jpg", data=png(30, 20, 6)))
    put(tmp_path / "images/a.jpg", png(30, 20, 6))
    with pytest.raises(DataError, match=r"EXIF orientation turns it.*--image-dir DIR"):
        segdata.convert("labelme", tmp_path / "s", tmp_path / "d")
    dataset = segdata.convert("labelme", tmp_path / "s", tmp_path / "d", image_dir=tmp_path / "images")
    assert dataset.samples[0].size == SIZE


def test_the_size_is_that_of_the_image(tmp_path: Path) -> None:
    put(tmp_path / "s/a.json", labels(imageHeight=None, imageWidth=None))
    put(tmp_path / "s/b.json", labels(image="a.png", imageHeight=2, imageWidth=3))
    put(tmp_path / "s/a.png", png())
    dataset = segdata.convert("labelme", tmp_path / "s", tmp_path / "d")
    assert [sample.size for sample in dataset] == [SIZE, SIZE]
    assert [line["sample"] for line in dataset.read_receipt()["repaired"]] == ["b"]
    with pytest.raises(DataError, match="states no size"):
        segdata.convert("labelme", tmp_path / "s", tmp_path / "e", images="none")
    assert dataset.read_receipt()["warnings"] == [
        "images that several label files name, each of which is a sample: a.png"
    ]


def test_shapes_of_a_larger_copy_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "s/a.json", labels())
    put(tmp_path / "s/a.png", png(10, 15))
    put(tmp_path / "large/a.png", png())
    with pytest.raises(DataError, match=r"states 30 x 20 .* 15 x 10 .*: --image-dir DIR"):
        segdata.convert("labelme", tmp_path / "s", tmp_path / "d")
    dataset = segdata.convert("labelme", tmp_path / "s", tmp_path / "d", image_dir=tmp_path / "large")
    assert dataset.samples[0].size == SIZE


# Classes, and files of others


def test_labels_txt_orders_the_classes(tmp_path: Path) -> None:
    shapes = [{**CAT, "label": label} for label in ("dog", "__ignore__", "_background_")]
    put(tmp_path / "a.json", labels(*shapes))
    put(tmp_path / "a.png", png())
    found = labelme.read(tmp_path)
    assert found.labels.names == ("background", "dog")
    put(tmp_path / "labels.txt", b"__ignore__\n_background_\ncat\ndog\n")
    found = labelme.read(tmp_path)
    assert found.labels.names == ("background", "cat", "dog")
    assert [given.name for given in found.inputs] == ["labels.txt"]
    assert labelme.read(tmp_path, background="ignore").labels.names == ("background", "cat", "dog")
    put(tmp_path / "labels.txt", b"__ignore__\n_background_\ncat\n")
    with pytest.raises(DataError, match=r"annotation 0: no class 'dog'.*labelme\.label"):
        segdata.convert("labelme", tmp_path, tmp_path.parent / "d")


def test_background_need_not_be_the_first_class(tmp_path: Path) -> None:
    put(tmp_path / "s/a.json", labels())
    put(tmp_path / "s/a.png", png())
    names = ["dog", "background", "cat"]
    dataset = segdata.convert("labelme", tmp_path / "s", tmp_path / "d", classes=names)
    mask = dataset.read_mask(dataset.samples[0])
    assert (mask[0, 0], mask[5, 15]) == (1, 2)
    dataset = segdata.convert("labelme", tmp_path / "s", tmp_path / "e", classes=names, background="ignore")
    mask = dataset.read_mask(dataset.samples[0])
    assert mask[0, 0] == dataset.labels.ignore
    assert dataset.labels.names[mask[5, 15]] == "cat"


def test_files_of_others_are_noted_and_damaged_ones_refused(tmp_path: Path) -> None:
    put(tmp_path / "s/a.json", labels(flags={"blurry": True, "dark": False}))
    put(tmp_path / "s/a.png", png())
    for name, content in {
        "instances.json": {"images": []},
        "list.json": [1],
        ".hidden.json": b"{",
        "._a.json": b"\0",
    }.items():
        put(tmp_path / "s" / name, content)
    notes = labelme.read(tmp_path / "s").receipt.notes
    assert "not read, as they have no shapes of labelme: instances.json, list.json" in notes
    assert "flags of images, which masks do not hold: blurry (1)" in notes
    for damaged in (b"", b"{", json.dumps(labels()).encode()[:-20], b"[" * 10**5):
        put(tmp_path / "s/b.json", damaged)
        with pytest.raises(DataError, match=r"b\.json.*labelme\.json"):
            labelme.read(tmp_path / "s")
        report = Report("skip")
        assert [item.id for item in labelme.read(tmp_path / "s", report=report).items] == ["a"]
        assert len(report.problems) == 1


@pytest.mark.parametrize(
    "content",
    [{"shapes": []}, {"shapes": [{"label": "a"}]}, {"shapes": "x", "imagePath": "a"}, {"imagePath": "a.png"},
     {"images": [], "annotations": []}, {"shapes": [{"points": []}], "imagePath": "a"}, [], {"objects": [], "imgHeight": 3}],
)  # fmt: skip
def test_json_of_others_does_not_fit(content: Any, tmp_path: Path) -> None:
    put(tmp_path / "a.json", content)
    assert labelme.fits(tmp_path) is not None
    put(tmp_path / "b.json", {"imageData": "x" * 10**5, "imagePath": "b.png", "shapes": [CAT]})
    assert labelme.fits(tmp_path) is None
    assert labelme.fits(tmp_path / "b.json") is None


def test_images_that_are_not_wanted_are_not_looked_for(tmp_path: Path) -> None:
    put(tmp_path / "a.json", labels())
    assert labelme.read(tmp_path, images=False).items[0].image is None
    assert Images(tmp_path, None, wanted=False).given is None
