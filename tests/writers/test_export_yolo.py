"""Exports to YOLO: polygons that are exactly their regions by the rules of both loaders, splits, names, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import segdata
from segdata.errors import DataError, OptionError
from segdata.readers.yolo.lines import resampled
from segdata.writers.yolo import lines
from segdata.writers.yolo.lines import coordinates, label_lines, prove
from stats_files import make_dataset

NAMES = ("background", "person", "car", "dog")


@st.composite
def masks(draw: st.DrawFn) -> NDArray[np.uint8]:
    """Blocks and noise of four values, with islands in holes, lines and single pixels, at the border too; 255 is ignored."""
    height, width = draw(st.tuples(st.integers(1, 24), st.integers(1, 24)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size, most = draw(st.tuples(st.integers(1, 6), st.integers(1, 4)))
    blocks = rng.integers(0, most, (height // size + 1, width // size + 1), np.uint8)
    mask = blocks.repeat(size, 0).repeat(size, 1)[:height, :width].copy()
    for _ in range(draw(st.integers(0, 4))):
        middle, radius = (int(rng.integers(width)), int(rng.integers(height))), int(rng.integers(1, 12))
        cv2.circle(mask, middle, radius, (int(rng.integers(4)),), int(rng.choice([-1, 1])))
    mask[rng.random((height, width)) < draw(st.sampled_from([0, 0, 0.05, 1]))] = draw(st.sampled_from([0, 3, 255]))
    return mask


def polygons(text: bytes) -> list[tuple[int, NDArray[np.float32]]]:
    """Class numbers and float32 points of lines, as loaders parse them."""
    parts = [line.split() for line in text.decode().splitlines()]
    return [(int(number), np.array(points, np.float32).reshape(-1, 2)) for number, *points in parts]


def cut(points: NDArray[np.float32], size: tuple[int, int], count: int) -> NDArray[np.int32]:
    """What Ultralytics fills: `count` points, cut to whole pixels."""
    made = resampled(points, count) if count else points
    return (made * np.array(size[::-1], np.float32)).astype(np.int32)


def rounded(points: NDArray[np.float32], size: tuple[int, int], count: int) -> NDArray[np.int32]:
    """What supervision fills."""
    return np.round(points * np.array(size[::-1], np.int64)).astype(np.int32)


@given(masks())
def test_each_region_is_a_polygon_of_exactly_its_pixels(mask: NDArray[np.uint8]) -> None:
    found = polygons(label_lines(mask, {1: 0, 2: 1, 3: 2}, (0, 255)))
    regions = [part == i for v in (1, 2, 3) for part, n in [ndimage.label(mask == v)] for i in range(1, n + 1)]
    longest = max((len(points) for _, points in found), default=0)
    for loader, count in ((cut, 0), (cut, max(1000, longest + 1)), (cut, longest + 37), (rounded, 0)):
        drawn = set()
        for number, points in found:
            layer = np.zeros(mask.shape, np.uint8)
            cv2.fillPoly(layer, [loader(points, mask.shape, count)], (1,))
            assert set(mask[layer > 0].tolist()) == {number + 1}
            drawn.add(layer.tobytes())
        assert drawn == {region.astype(np.uint8).tobytes() for region in regions}
        assert len(found) == len(regions)


@given(masks())
def test_polygons_do_not_touch_themselves(mask: NDArray[np.uint8]) -> None:
    shapely = pytest.importorskip("shapely")
    for _, points in polygons(label_lines(mask, {0: 0, 1: 1, 2: 2, 3: 3}, (255,))):
        assert shapely.Polygon(points.astype(np.float64)).is_valid


@pytest.mark.parametrize("size", [1, 2, 3, 10, 11, 640, 999, 1000, 1001, 4096, 99_991, 2**18])
def test_a_coordinate_is_its_pixel_cut_or_rounded(size: int) -> None:
    texts = coordinates(size)
    read = np.array([row.tobytes().decode() for row in texts], np.float32)
    pixels = np.repeat(np.arange(size), 2)
    np.testing.assert_array_equal((read * np.float32(size)).astype(np.int32), pixels)
    np.testing.assert_array_equal(np.round(read * np.int64(size)), pixels)
    assert read.min() > 0
    assert read.max() < 1
    assert (np.diff(read) > 0).all()


def test_a_side_that_float32_cannot_divide_is_refused() -> None:
    with pytest.raises(DataError, match="float32 cannot tell the pixels of a side of 1,500,000 apart: cut tiles"):
        coordinates(1_500_000)


def test_what_would_be_drawn_otherwise_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 2:6] = 1
    none, square = np.array([0]), np.array([[4, 4], [11, 4], [11, 9], [4, 9]], np.int32)
    ends, values = np.array([4]), np.array([1])
    prove(mask, none, square, ends, values)
    for wrong in (square + 2, square[[0, 2, 1, 3]], np.array([[4, 4], [11, 4], [11, 9], [4, 8]], np.int32)):
        with pytest.raises(DataError, match="pixels would be drawn otherwise"):
            prove(mask, none, wrong.astype(np.int32), ends, values)
    with pytest.raises(DataError, match="12 pixels would be drawn otherwise"):
        prove(mask, none, square, ends, np.array([2]))
    with pytest.raises(DataError, match="12 pixels would be drawn otherwise"):  # twice the same
        prove(mask, none, np.concatenate((square, square)), np.array([4, 8]), np.array([1, 1]))
    with pytest.raises(DataError, match="52 pixels would be drawn otherwise"):
        prove(mask, np.array([1]), square, ends, values)
    monkeypatch.setattr(lines, "trace_halves", lambda *_: (square, ends, np.array([0]), np.array([12])))
    with pytest.raises(DataError, match="pixels would be drawn otherwise"):
        label_lines(mask, {0: 0, 1: 1}, ())


@pytest.mark.slow
@settings(max_examples=25)
@given(st.lists(masks(), min_size=1, max_size=3), st.booleans())
def test_a_round_trip_with_and_without_the_contract(
    tmp_path_factory: pytest.TempPathFactory, given: list[NDArray[np.uint8]], with_background: bool
) -> None:
    root = tmp_path_factory.mktemp("trip")
    if not with_background:
        given = [np.where(mask == 0, 255, mask - np.uint8(mask < 255)) for mask in given]
    truths = {f"{('train', 'val')[i % 2]}/{i}": mask for i, mask in enumerate(given)}
    dataset = make_dataset(root / "data", truths, NAMES[not with_background :], images=True)
    segdata.export("yolo", dataset, root / "out", ignored="background")
    back = segdata.convert("auto", root / "out", root / "back", allow_empty=True)
    assert back.labels == dataset.labels
    for sample in back:
        truth = truths[sample.id]
        found = back.read_mask(sample)
        counts = truth != 255
        np.testing.assert_array_equal(found[counts], truth[counts])
        assert set(found[~counts].tolist()) <= {0 if with_background else 255}
    (root / "out/segdata.json").unlink()
    plain = segdata.convert("auto", root / "out", root / "plain", allow_empty=True)
    assert plain.labels.names == NAMES
    for sample in plain:
        truth = truths[sample.id]
        names = np.array([*dataset.labels.names, *[""] * (255 - len(dataset.labels.names)), "background"])
        assert (np.array(NAMES)[plain.read_mask(sample)][truth != 255] == names[truth][truth != 255]).all()


def test_ignored_pixels_are_asked_about(tmp_path: Path) -> None:
    mask = np.array([[0, 1, 255], [0, 2, 255]], np.uint8)
    dataset = make_dataset(tmp_path / "data", {"a": mask, "b": mask % 3}, NAMES, images=True)
    with pytest.raises(
        OptionError, match="1 of 2 samples have ignored pixels, which YOLO cannot hold: choose --ignored class"
    ):
        segdata.export("yolo", dataset, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    kept = segdata.export("yolo", dataset, tmp_path / "class", ignored="class")
    assert kept.receipt["cannot_hold"] == {}
    assert yaml.safe_load((tmp_path / "class/data.yaml").read_text())["names"][3] == "ignore"
    back = segdata.convert("auto", tmp_path / "class", tmp_path / "back")
    np.testing.assert_array_equal(back.read_mask(back.samples[0]), mask)
    lost = segdata.export("yolo", dataset, tmp_path / "background", ignored="background")
    assert lost.receipt["cannot_hold"]["ignored"] == {
        "images": 1, "pixels": 2, "regions": 1, "keep": "--ignored class",
    }  # fmt: skip
    dropped = segdata.export("yolo", dataset, tmp_path / "drop", ignored="drop")
    assert len(dropped) == 1
    assert [path.name for path in (tmp_path / "drop/labels/train").iterdir()] == ["b.txt"]


@pytest.mark.parametrize(
    ("ids", "told", "folders"),
    [
        (["train/a", "val/a", "test/b"], {"train", "val", "test"}, {"train", "val", "test"}),
        (["train/a", "valid/a"], {"train", "val", "splits"}, {"train", "valid"}),
        (["fold 1/a", "fold 2/a/b"], {"splits"}, {"fold_1", "fold_2"}),
        (["a", "b"], {"train", "splits"}, {"train"}),
        (["a", "train/b", "c"], {"train", "splits"}, {"train", "unsplit"}),
        (["a", "trainval/b", "test/c"], {"train", "test", "splits"}, {"trainval", "test", "unsplit"}),
        (["val/a.b", "val/.c"], {"val"}, {"val"}),
        (
            ["images/a", "labels/a", "train/images/a", "train/labels/a"],
            {"train", "splits"},
            {"images-1", "labels", "train"},
        ),
    ],
)
def test_splits_come_back_as_they_were(ids: list[str], told: set[str], folders: set[str], tmp_path: Path) -> None:
    mask = np.eye(12, dtype=np.uint8)
    dataset = make_dataset(tmp_path / "data", dict.fromkeys(ids, mask), NAMES, images=True)
    segdata.export("yolo", dataset, tmp_path / "out")
    data = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert {key for key, value in data.items() if value} == told | {"nc", "names"}
    assert {"train", "val"} <= data.keys()
    assert {path.name for path in (tmp_path / "out/labels").iterdir()} == folders
    assert {path.name for path in (tmp_path / "out/images").iterdir()} == folders
    back = segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    assert all((back.read_mask(one) == mask).all() for one in back)
    assert {(one.split, one.id) for one in back} == {
        (one.split, f"{one.split}/{flat(one)}" if one.split else flat(one)) for one in dataset
    }


def flat(sample: segdata.Sample) -> str:
    """The name of a sample in an export."""
    name = sample.id.removeprefix(f"{sample.split}/").replace("/", "_")
    return f"_{name[1:]}" if name.startswith(".") else name


def test_notes_tell_what_ultralytics_leaves_out(tmp_path: Path) -> None:
    dataset = make_dataset(
        tmp_path / "data", {"a": np.ones((9, 20), np.uint8), "b": np.ones((20, 20), np.uint8)}, NAMES, images=True
    )
    exported = segdata.export("yolo", dataset, tmp_path / "out")
    assert exported.receipt["notes"] == [
        "2 samples are in no split: they are in images/train",
        "Ultralytics wants the splits train and val, and there is no val: segdata split makes them",
        "images with a side of less than 10 pixels, which Ultralytics does not read: 1",
    ]


ODD = [
    "a b", "a, b", "\"it's\"", "é", "e\u0301x", "日本", "# no", "x: y", "yes", "12", "null", "back\\slash",
    "\x7f\u2028z", "\U0001f469\u200d\U0001f680",
]  # fmt: skip


def test_names_come_back_whatever_they_hold(tmp_path: Path) -> None:
    names = ["background", *ODD]
    mask = np.arange(len(names), dtype=np.uint8).repeat(3)[None].repeat(2, 0)
    dataset = make_dataset(tmp_path / "data", {"train/a": mask}, names, images=True)
    segdata.export("yolo", dataset, tmp_path / "out")
    data = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    assert data["names"] == dict(enumerate(ODD))
    assert data["nc"] == len(ODD)
    back = segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    assert back.labels == dataset.labels
    np.testing.assert_array_equal(back.read_mask(back.samples[0]), mask)


def test_300_classes(tmp_path: Path) -> None:
    mask = np.arange(300, dtype=np.uint16).reshape(15, 20)
    dataset = make_dataset(tmp_path / "data", {"train/a": mask}, [f"c{i}" for i in range(300)], images=True)
    segdata.export("yolo", dataset, tmp_path / "out")
    back = segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    assert back.labels == dataset.labels
    np.testing.assert_array_equal(back.read_mask(back.samples[0]), mask)


def test_nothing_but_background_is_an_empty_label_file(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", {"train/a": np.zeros((12, 12), np.uint8)}, NAMES, images=True)
    segdata.export("yolo", dataset, tmp_path / "out")
    assert (tmp_path / "out/labels/train/a.txt").read_bytes() == b""


def with_image(root: Path, image: Path, **options: Any) -> segdata.Dataset:
    """A dataset of an image with a mask of its size."""
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    (root / "images" / image.name).write_bytes(image.read_bytes())
    Image.fromarray(np.tri(12, 14, dtype=np.uint8)).save(root / "masks" / f"{image.stem}.png")
    return segdata.convert("masks", root, root / "data", classes=["background", "a"], **options)


def save_tiff(path: Path, values: NDArray[Any]) -> None:
    """A TIFF of (H, W, C) values."""
    from segdata.files.tiff import encode_tiff

    path.write_bytes(encode_tiff(values))


@pytest.mark.parametrize(
    ("kind", "bands", "ending"),
    [("uint8", 3, ".tif"), ("uint8", 1, ".tif"), ("uint16", 1, ".tif"), ("uint16", 3, ".tif")],
)
def test_tiffs_that_both_loaders_read_are_linked(kind: str, bands: int, ending: str, tmp_path: Path) -> None:
    save_tiff(tmp_path / "a.tif", np.ones((12, 14, bands), kind))
    segdata.export("yolo", with_image(tmp_path / "set", tmp_path / "a.tif"), tmp_path / "out")
    assert (tmp_path / f"out/images/train/a{ending}").is_symlink()


def test_other_tiffs_are_refused_and_the_ways_out_lead_out(tmp_path: Path) -> None:
    save_tiff(tmp_path / "a.tif", np.ones((12, 14, 5), np.uint8))
    dataset = with_image(tmp_path / "set", tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"its 5 bands of uint8 fit no .* --bands.*, or --images none"):
        segdata.export("yolo", dataset, tmp_path / "out")
    exported = segdata.export("yolo", dataset, tmp_path / "none", images="none")
    assert len(exported) == 1
    assert not (tmp_path / "none/images").exists()
    three = with_image(tmp_path / "three", tmp_path / "a.tif", bands="3,2,1")
    assert segdata.export("yolo", three, tmp_path / "bands").receipt["written_as_pixels"] == 1
    assert (tmp_path / "bands/images/train/a.png").is_file()


def test_turned_images_and_endings_of_other_programs_become_pixels(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    Image.new("RGB", (12, 14), "red").save(tmp_path / "turned.jpg", exif=exif)
    Image.new("RGB", (14, 12), "red").save(tmp_path / "odd.gif")
    Image.new("RGB", (14, 12), "red").save(tmp_path / "false.jpg", "GIF")
    for name, written in (("turned.jpg", "turned.png"), ("odd.gif", "odd.png"), ("false.jpg", "false.png")):
        dataset = with_image(tmp_path / name[:3], tmp_path / name)
        exported = segdata.export("yolo", dataset, tmp_path / f"out {name}")
        assert exported.receipt["written_as_pixels"] == 1
        with Image.open(tmp_path / f"out {name}/images/train" / written) as image:
            assert (image.size, dict(image.getexif())) == ((14, 12), {})


@pytest.mark.slow
def test_real_masks_come_back(shared_data: Path, tmp_path: Path) -> None:
    dataset = segdata.convert("coco", shared_data / "coco/mini", tmp_path / "data")
    exported = segdata.export("yolo", dataset, tmp_path / "out", ignored="class")
    assert exported.receipt["cannot_hold"] == {}
    back = segdata.convert("auto", tmp_path / "out", tmp_path / "back")
    assert json.dumps(back.labels.to_json()) == json.dumps(dataset.labels.to_json())
    for one, other in zip(dataset, back, strict=True):
        assert one.id.rpartition("/")[2] == other.id.rpartition("/")[2]
        np.testing.assert_array_equal(dataset.read_mask(one), back.read_mask(other))
