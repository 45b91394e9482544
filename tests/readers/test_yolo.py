"""Ultralytics segmentation: masks as its own loader drew them, sets of other programs, and damage."""

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
from segdata.errors import DataError, Report, SegdataError
from segdata.readers.paint import Overlap
from segdata.readers.yolo.lines import Outline, Task, pixels, resampled
from segdata.readers.yolo.reader import fits, read
from yolo_files import TRIANGLE, mask_of, one

HERE = Path(__file__).parent
GOLDEN, REAL = HERE / "golden/yolo", HERE / "real/yolo"
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


unit = st.floats(0, 1, width=32)


@given(st.lists(st.tuples(unit, unit), min_size=2, max_size=8), st.integers(0, 1000), st.integers(1, 90))
def test_an_outline_along_the_axes_is_drawn_as_if_it_were_resampled(
    corners: list[tuple[float, float]], more: int, side: int
) -> None:
    """Each corner is reached over the x of the one before and its own y."""
    both = zip(corners, corners[1:] + corners[:1], strict=True)
    points = np.array([point for (x, y), (u, v) in both for point in ((x, y), (x, v))], np.float32)
    (found,) = pixels([Outline(0, 0, points)], (side, 70), "segment")
    assert len(found) == len(points)
    scale = np.array([70, side], np.float32)
    wanted = (resampled(points, len(points) + 1 + more) * scale).astype(np.int32)
    masks = [np.zeros((side + 1, 71), np.uint8) for _ in range(2)]
    for mask, ring in zip(masks, (found, wanted), strict=True):
        cv2.fillPoly(mask, [ring], (1,))
    np.testing.assert_array_equal(*masks)


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
