"""BDD100K: masks as its toolkit drew them, what values of masks mean, where files lie, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import segdata
from reader_samples import reader_sample
from segdata.errors import DataError, OptionError, Report
from segdata.readers.bdd100k import agg as agg
from segdata.readers.bdd100k.frames import Found, read_frames
from segdata.readers.bdd100k.reader import fits, read
from segdata.readers.cityscapes.rules import class_labels
from segdata.readers.paint import encode

HERE = Path(__file__).parent
GOLDEN, REAL = HERE / "golden/bdd100k", HERE / "real/bdd100k"

Json = dict[str, Any]

HEIGHT, WIDTH = 10, 20
SQUARE = [[2, 2], [9, 2], [9, 7], [2, 7]]


def label(category: Any = "car", points: Any = SQUARE, types: str = "LLLL", **more: Any) -> Json:
    """A label of one path."""
    return {"id": "1", "category": category, "poly2d": [{"vertices": points, "types": types, "closed": True}], **more}


def frames(*labels: Any, name: Any = "a.jpg") -> list[Json]:
    """A list of one frame."""
    return [{"name": name, "labels": list(labels), "size": {"width": WIDTH, "height": HEIGHT}}]


def write(root: Path, content: Any, *, split: str = "train", kind: str = "polygons", folder: str = "sem_seg") -> Path:
    """A set of one file of frames, and an image of 10 x 20 pixels (height x width)."""
    path = root / f"labels/{folder}/{kind}/{folder}_{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    picture(root / f"images/10k/{split}/a.jpg")
    return root


def picture(path: Path, value: int | None = None) -> Path:
    """An image, or a mask of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8) if value is None else np.full((HEIGHT, WIDTH), value, np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def mask_of(root: Path, **options: Any) -> NDArray[Any]:
    """The mask of a set of one image."""
    source = read(root, **options)
    (item,) = source.items
    return item.annotation.draw(source.labels.table({i: i for i in range(len(source.labels.classes))})).mask


# As the toolkit draws


def test_every_pixel_is_as_the_toolkit_drew_it(tmp_path: Path) -> None:
    dataset = segdata.convert("bdd100k", GOLDEN, tmp_path / "d", images="none")
    assert len(dataset) == len(list((GOLDEN / "masks").rglob("*.png"))) == 16
    for sample in dataset:
        truth = np.array(Image.open(GOLDEN / f"masks/{sample.id}.png"))
        np.testing.assert_array_equal(dataset.read_mask(sample), truth, sample.id)


def test_the_mask_that_the_toolkit_expects_of_its_own_example(tmp_path: Path) -> None:
    dataset = segdata.convert("bdd100k", REAL, tmp_path / "d", images="none", split="train")
    (sample,) = dataset
    np.testing.assert_array_equal(dataset.read_mask(sample), np.array(Image.open(REAL / "semseg_mask.png")))
    assert dataset.read_receipt()["annotations"]["painted"] == 4


def test_run_lengths_of_the_toolkit_are_read(tmp_path: Path) -> None:
    dataset = segdata.convert("bdd100k", REAL, tmp_path / "d", images="none", from_="rles")
    (sample,) = dataset
    assert (sample.id, sample.size) == ("val/7d06fefd-f7be05a6", (720, 1280))
    assert dataset.read_receipt()["annotations"] == {**dataset.read_receipt()["annotations"], "in": 9, "painted": 9}


def test_masks_and_run_lengths_of_the_sample_are_the_same(tmp_path: Path) -> None:
    root, _ = reader_sample("bdd100k", tmp_path)
    masks = segdata.convert("bdd100k", root, tmp_path / "m", images="none")
    rles = segdata.convert("bdd100k", root, tmp_path / "r", images="none", from_="rles")
    assert [sample.id for sample in masks] == [sample.id for sample in rles]
    for one, other in zip(masks, rles, strict=True):
        np.testing.assert_array_equal(masks.read_mask(one), rles.read_mask(other))


def test_vertices_of_old_are_read(tmp_path: Path) -> None:
    old = {"category": "car", "poly2d": [[x, y, letter] for (x, y), letter in zip(SQUARE, "LCCL", strict=True)]}
    a, b = write(tmp_path / "a", frames(old)), write(tmp_path / "b", frames(label(types="LCCL")))
    np.testing.assert_array_equal(mask_of(a), mask_of(b))
    assert (mask_of(a) == 13).any()


@pytest.mark.parametrize("overlap", [None, "last", "first", "smallest", "ignore"])
def test_what_is_on_top(overlap: Any, tmp_path: Path) -> None:
    everything = [[0, 0], [20, 0], [20, 10], [0, 10]]
    mask = mask_of(write(tmp_path, frames(label("road", everything), label("car"))), overlap=overlap)
    assert mask[4, 4] == {"first": 0, "ignore": 255}.get(overlap, 13)
    assert mask[9, 19] == 0


@pytest.mark.parametrize("size", [(29, 58), (57, 113), (720, 1280), (1080, 1920), (7, 2000)])
def test_a_square_of_whole_pixels_is_where_it_is(size: tuple[int, int]) -> None:
    """Also in images for which matplotlib makes a figure that is too small by a pixel, and in strips."""
    height, width = size
    for points in (
        [(0, 0), (width, 0), (width, height), (0, height)],
        [(3, 2), (width - 4, 2), (width - 4, 6), (3, 6)],
    ):
        (left, top), (right, bottom) = points[0], points[2]
        truth = np.zeros(size, np.uint8)
        truth[top:bottom, left:right] = 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(agg, "AT_ONCE", 2**10)
            strips = agg.fill_paths([(points, "LLLL")], height, width)
        assert strips == agg.fill_paths([(points, "LLLL")], height, width) == encode(truth, height, width)


@pytest.mark.parametrize(("x", "column"), [(2.49, 2), (2.5, 3), (2.51, 3)])
def test_corners_are_moved_to_the_nearest_pixel(x: float, column: int) -> None:
    found = agg.fill_paths([([(x, 0), (9, 0), (9, 9), (x, 9)], "LLLL")], 720, 1280)
    assert found == agg.fill_paths([([(column, 0), (9, 0), (9, 9), (column, 9)], "LLLL")], 720, 1280)


# What values mean


@pytest.mark.parametrize("labels", ["lane", "lane_direction", "lane_style"])
def test_the_bits_of_lanes(labels: Any, tmp_path: Path) -> None:
    values = np.array([[*range(64), 255]], np.uint8)
    path = tmp_path / "labels/lane/masks/val/a.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(values).save(path)
    found = mask_of(tmp_path, labels=labels, images=False)
    names = read(tmp_path, labels=labels, images=False).labels.names
    shift, bits = {"lane": (0, 7), "lane_direction": (5, 1), "lane_style": (4, 1)}[labels]
    truth = np.where(values & 8, len(names) - 1, values >> shift & bits)
    np.testing.assert_array_equal(found, truth)
    assert names[-1] == "background"


def test_drivable_areas_have_a_background(tmp_path: Path) -> None:
    picture(tmp_path / "m/labels/drivable/masks/train/a.png", 1)
    picture(tmp_path / "m/images/100k/train/a.jpg")
    assert (mask_of(tmp_path / "m", labels="drivable") == 1).all()
    root = write(tmp_path / "p", frames(label("direct"), label("road")), folder="drivable")
    mask = mask_of(root, labels="drivable")
    assert (mask[4, 4], mask[0, 0]) == (0, 2)


def test_semantic_classes_are_those_of_cityscapes(tmp_path: Path) -> None:
    root, _ = reader_sample("bdd100k", tmp_path)
    assert read(root).labels == class_labels("train")


# Where files lie


@pytest.mark.parametrize(
    ("mask", "image"),
    [
        ("labels/sem_seg/masks/train/a.png", "images/10k/train/a.jpg"),
        ("labels/sem_seg/masks/train/a.png", "images/100k/train/a.png"),
        ("bdd100k/labels/sem_seg/masks/train/a.png", "bdd100k/images/10k/train/a.jpg"),
        ("sem/bdd100k/labels/sem_seg/masks/train/a.png", "pics/bdd100k/images/10k/train/a.jpg"),
        ("labels/sem_seg/masks/train/a.png", "10k/train/a.jpg"),
        ("seg/labels/train/a_train_id.png", "seg/images/train/a.jpg"),
    ],
)
def test_where_masks_and_images_lie(mask: str, image: str, tmp_path: Path) -> None:
    picture(tmp_path / mask, 3)
    picture(tmp_path / image)
    (item,) = read(tmp_path).items
    assert (item.id, item.split, item.image) == ("train/a", "train", str(tmp_path / image))
    assert fits(tmp_path) is None


@pytest.mark.parametrize("folder", ["elsewhere", "elsewhere/train"])
def test_the_folder_of_the_images(folder: str, tmp_path: Path) -> None:
    picture(tmp_path / "labels/sem_seg/masks/train/a.png", 3)
    picture(tmp_path / folder / "a.jpg")
    with pytest.raises(DataError, match="--image-dir"):
        read(tmp_path)
    assert [item.image for item in read(tmp_path, image_dir="elsewhere").items] == [str(tmp_path / folder / "a.jpg")]
    with pytest.raises(OptionError, match="no such folder"):
        read(tmp_path, image_dir="nowhere")


def test_which_files_are_read(tmp_path: Path) -> None:
    root, _ = reader_sample("bdd100k", tmp_path)
    assert [read(root, images=False, **o).options["from"] for o in ({}, {"from_": "polygons"})] == ["masks", "polygons"]
    assert [item.id for item in read(root, split="val").items] == ["val/val-0000", "val/val-0001"]
    with pytest.raises(OptionError, match="there are train, val"):
        read(root, split="test")
    with pytest.raises(OptionError, match="--overlap first"):
        read(root, overlap="first")
    with pytest.raises(DataError, match="give --from masks"):
        read(root, labels="drivable", from_="rles")


def test_the_way_to_other_labels_is_told(tmp_path: Path) -> None:
    picture(tmp_path / "labels/lane/masks/train/a.png", 255)
    with pytest.raises(DataError, match="give --labels lane"):
        read(tmp_path, images=False)
    assert (mask_of(tmp_path, labels="lane", images=False) == 8).all()


# Frames


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(frames(label())),
        json.dumps(frames(label()), indent=3),
        json.dumps({"config": None, "groups": [], "frames": frames(label())}),
        json.dumps(
            {"frames": frames(label()), "config": {"imageSize": None, "categories": [{"name": "frames"}]}}, indent=1
        ),
        "\ufeff" + json.dumps(frames(label(attributes={"é": "ü"})), ensure_ascii=False),
    ],
)
def test_a_frame_is_found_again_in_its_file(text: str, tmp_path: Path) -> None:
    root = write(tmp_path, text)
    assert (mask_of(root) == 13).sum() == 35
    path = root / "labels/sem_seg/polygons/sem_seg_train.json"
    (frame,) = read_frames(str(path))
    assert isinstance(frame, Found)
    assert json.loads(path.read_bytes()[frame.start : frame.end])["name"] == "a.jpg"


@pytest.mark.parametrize(
    ("config", "own", "size"),
    [
        ({"imageSize": {"width": 5, "height": 4}}, {"width": 9, "height": 8}, (4, 5)),
        ({"imageSize": None}, {"width": 9, "height": 8}, (8, 9)),
        (None, None, (720, 1280)),
    ],
)
def test_whose_size_a_mask_has(config: Any, own: Any, size: tuple[int, int], tmp_path: Path) -> None:
    root = write(tmp_path, {"frames": [{"name": "a", "size": own, "labels": None}], "config": config})
    assert mask_of(root, images=False).shape == size


ONE, TWO = frames(label(), name="a.jpg")[0], frames(label(), label("road"), name="b.jpg")[0]


@pytest.mark.parametrize(
    "content",
    [
        [ONE, TWO],
        {"frames": [ONE, TWO], "groups": [{"name": "g", "frames": [{"name": "no frame"}]}]},
        {"groups": [{"name": "g"}], "config": {"x": {"frames": [{"name": "no"}]}}, "frames": [ONE, TWO]},
        {'a\\"frames': [{"name": "no"}], "frames": [ONE, TWO], "z": [{"name": "no"}, {"frames": [{"name": "no"}]}]},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("chunk", [2**22, 7, 64])
def test_frames_alone_are_found_whatever_stands_beside_them(
    content: Any, indent: int | None, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segdata.readers.json_spans.CHUNK", chunk)
    path = tmp_path / "f.json"
    path.write_text(json.dumps(content, indent=indent), "utf-8")
    found = read_frames(str(path))
    assert [(one.name, one.count) for one in found if isinstance(one, Found)] == [("a.jpg", 1), ("b.jpg", 2)]
    data = path.read_bytes()
    assert [json.loads(data[one.start : one.end]) for one in found if isinstance(one, Found)] == [ONE, TWO]


def test_what_is_no_frame_is_told_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "f.json"
    path.write_text(json.dumps([ONE, None, 7, TWO]), "utf-8")
    found = read_frames(str(path))
    assert [one.name if isinstance(one, Found) else one.sample for one in found] == [
        "a.jpg",
        "frame 1",
        "frame 2",
        "b.jpg",
    ]
    for text in (json.dumps([ONE, TWO])[:-1], json.dumps([ONE, TWO])[:-9], "[1, " + json.dumps([ONE])[1:]):
        path.write_text(text, "utf-8")
        with pytest.raises(DataError, match=r"not a (list of frames|frame of BDD100K)"):
            read_frames(str(path))


def test_labels_of_no_class_are_counted(tmp_path: Path) -> None:
    labels = [label(), label("pedestrian"), {"category": "car", "box2d": {}}, label(None), label(points=[[90, 90]] * 4)]
    dataset = segdata.convert("bdd100k", write(tmp_path / "s", frames(*labels)), tmp_path / "d")
    assert [(line["code"], line["annotation"]) for line in dataset.read_receipt()["skipped"]] == [
        ("bdd100k.category", 1), ("bdd100k.outline", 2), ("bdd100k.category", 3), ("polygon.empty", 4),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ("", "bdd100k.json", "list of frames"),
        ("[{", "bdd100k.json", "cut off"),
        ("7", "bdd100k.json", "list of frames"),
        ("[" * 10**5, "bdd100k.json", "list of frames"),
        ([7], "bdd100k.json", "frame 0: not a frame"),
        ([{"labels": []}], "bdd100k.json", "frame 0.*name"),
        (frames(label(), name="../../b.jpg"), "image.missing", "b.jpg"),
        ([*frames(label()), *frames(label())], "image.twice", "two images"),
        (frames(7), "bdd100k.object", "annotation 0"),
        (frames(label(types="LL")), "bdd100k.types", "4 vertices"),
        (frames(label(types="LLLX")), "bdd100k.types", "a letter L or C"),
        (frames(label(points=[[1, 2], [3, 4], [5, 1e9], [2, 2]])), "polygon.far", "pixels away"),
        ([{"name": "a", "size": {"width": 10**6, "height": 10**6}}], "image.too_large", "more than the limit"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(content: Any, code: str, message: str, tmp_path: Path) -> None:
    root = write(tmp_path / "s", content)
    with pytest.raises(DataError, match=message) as caught:
        segdata.convert("bdd100k", root, tmp_path / "d")
    assert caught.value.problem.code == code
    assert str(caught.value.problem.file).endswith("sem_seg_train.json")


def test_one_odd_frame_of_many_is_left_out(tmp_path: Path) -> None:
    root = write(tmp_path / "s", [*frames(label()), {"labels": []}, *frames(label(types="L"), name="b.jpg")])
    picture(root / "images/10k/train/b.jpg")
    dataset = segdata.convert("bdd100k", root, tmp_path / "d", run=segdata.Run(report=Report("skip")))
    assert [sample.id for sample in dataset] == ["train/a"]
    assert dataset.read_receipt()["images"] == {"in": 3, "converted": 1, "skipped": 2}


def test_run_lengths_of_another_size_are_refused(tmp_path: Path) -> None:
    content = frames({"category": "car", "rle": {"counts": "a", "size": [3, 4]}})
    with pytest.raises(DataError, match="4 x 3, its image 20 x 10"):
        mask_of(write(tmp_path, content, kind="rles"))
    content = frames({"category": "car", "rle": {"counts": "~~~é", "size": [HEIGHT, WIDTH]}})
    with pytest.raises(DataError, match="damaged"):
        mask_of(write(tmp_path, content, kind="rles"))


def test_lanes_are_read_from_masks_alone(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="labels/lane/masks"):
        read(write(tmp_path, frames(label("road curb")), folder="lane"), labels="lane")


def test_what_is_no_bdd100k(tmp_path: Path) -> None:
    assert "labels/sem_seg" in str(fits(tmp_path))
    with pytest.raises(DataError, match="give the folder that holds labels/ and images/"):
        read(tmp_path)
