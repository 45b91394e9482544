"""Painting against a painter that looks at one pixel at a time, and run lengths against pycocotools and plain Python."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from pycocotools import mask as coco_rle
from pycocotools.coco import COCO

import segdata.readers.paint as painting
from segdata.errors import DataError, OptionError
from segdata.labels import Labels
from segdata.readers.paint import FEW, Contest, Overlap, Painted, Shape, compress, encode, paint, rasterize, union

POLICIES: tuple[Overlap, ...] = get_args(Overlap)
LABELS = {count: Labels.of([f"class {i}" for i in range(count)]) for count in (1, 3, 254, 255, 256, 300)}


def rle(pixels: NDArray[Any]) -> bytes:
    return bytes(coco_rle.encode(np.asfortranarray(pixels, np.uint8))["counts"])


@dataclass
class Claim:
    """A shape as a plain array."""

    pixels: NDArray[np.bool_]
    value: int
    annotation: int

    def shape(self) -> Shape:
        return Shape(self.value, rle(self.pixels), self.annotation)


def brute_paint(
    claims: Sequence[Claim], size: tuple[int, int], labels: Labels, background: int, overlap: Overlap
) -> Painted:
    """The documented rules, a pixel at a time."""
    if overlap == "first":
        order = list(claims)
    elif overlap == "last":
        order = list(reversed(claims))
    else:  # fewest pixels on top, on a tie the higher annotation id
        order = sorted(claims, key=lambda c: (int(c.pixels.sum()), -c.annotation))
    mask = np.full(size, background, labels.dtype)
    pairs: Counter[tuple[int, int]] = Counter()
    contested = 0
    for y, x in np.ndindex(size):
        values = list(dict.fromkeys(c.value for c in order if c.pixels[y, x]))  # top first, each class once
        pairs.update((values[0], other) for other in values[1:])
        contested += len(values) > 1
        if values:
            mask[y, x] = labels.ignore if overlap == "ignore" and len(values) > 1 else values[0]
    contests = [
        Contest(labels.ignore if overlap == "ignore" else first, first, second, n)
        for (first, second), n in pairs.items()
    ]
    areas = np.array([c.pixels.sum() for c in claims], np.int64)
    shown = np.array([(mask[c.pixels] == c.value).any() for c in claims], bool)
    return Painted(mask, areas, shown, contests, contested)


def assert_same(found: Painted, expected: Painted) -> None:
    assert found.mask.dtype == expected.mask.dtype
    assert found.mask.tolist() == expected.mask.tolist()
    if found.counts is not None:
        assert list(found.counts.items()) == sorted(Counter(expected.mask.ravel().tolist()).items())
    assert found.areas.tolist() == expected.areas.tolist()
    assert found.shown.tolist() == expected.shown.tolist()
    assert Counter(found.contests) == Counter(expected.contests)
    assert found.contested == expected.contested


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[Claim], tuple[int, int], Labels]:
    """A few random shapes of a few classes on a small image, ignore among them."""
    labels = LABELS[draw(st.sampled_from(sorted(LABELS)))]
    size = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    count = len(labels.classes)
    value = st.sampled_from(sorted({0, count // 2, count - 1, labels.ignore}))
    claims = [
        Claim(draw(npst.arrays(np.bool_, size)), draw(value), annotation)
        for annotation in draw(st.lists(st.integers(0, 30), max_size=8, unique=True))
    ]
    return claims, size, labels


@given(scenes(), st.sampled_from(POLICIES), st.sampled_from(["zero", "ignore"]), st.sampled_from([0, 3, FEW]))
def test_painting_is_what_a_slow_painter_paints(
    scene: tuple[list[Claim], tuple[int, int], Labels], overlap: Overlap, background: str, few: int
) -> None:
    """Whether all pairs of classes are counted in a table or, of more than `few` classes, those that meet are listed."""
    claims, size, labels = scene
    value = 0 if background == "zero" else labels.ignore
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(painting, "FEW", few)
        found = paint([c.shape() for c in claims], *size, labels, background=value, overlap=overlap)
    assert found.mask.shape == size
    assert_same(found, brute_paint(claims, size, labels, value, overlap))


@pytest.mark.parametrize("overlap", POLICIES)
def test_many_classes_on_one_pixel(overlap: Overlap) -> None:
    """More classes a pixel than the painter keeps at hand, and every value of 8 and of 16 bits."""
    for count in (255, 300):
        labels = LABELS[count]
        rng = np.random.default_rng(count)
        claims = [Claim(rng.random((6, 5)) < 0.6, value, value) for value in [*range(count), labels.ignore]]
        found = paint([c.shape() for c in claims], 6, 5, labels, background=0, overlap=overlap)
        assert_same(found, brute_paint(claims, (6, 5), labels, 0, overlap))


def test_as_many_classes_as_16_bits_hold() -> None:
    """Memory grows with the classes, not with their pairs: a table of these would take 34 GB."""
    count = 65534
    labels = Labels.of([f"class {i}" for i in range(count)])
    rles = [compress([n, 1, count - 1 - n], 1, count) for n in range(count)]
    shapes = [*(Shape(n, rles[n], n) for n in range(count)), Shape(7, rles[9], count)]
    found = paint(shapes, 1, count, labels, background=labels.ignore, overlap="last")
    assert found.contests == [Contest(7, 7, 9, 1)]
    assert found.mask.tolist() == [[7 if n == 9 else n for n in range(count)]]


def test_larger_images() -> None:
    """Runs that span columns, and empty and full shapes."""
    rng = np.random.default_rng(5)
    size, labels = (97, 131), LABELS[3]
    claims = [Claim(np.ones(size, bool), 0, 1), Claim(np.zeros(size, bool), 1, 2)]
    for annotation in range(3, 14):
        pixels = np.zeros(size, bool)
        y, x = rng.integers(0, 90), rng.integers(0, 120)
        pixels[y : y + rng.integers(1, 60), x : x + rng.integers(1, 60)] = True
        claims.append(Claim(pixels, int(rng.choice([0, 1, 2, 255])), annotation))
    for overlap in POLICIES:
        found = paint([c.shape() for c in claims], *size, labels, background=255, overlap=overlap)
        assert_same(found, brute_paint(claims, size, labels, 255, overlap))


def square(y: int, x: int, side: int, size: tuple[int, int] = (6, 6)) -> NDArray[np.bool_]:
    pixels = np.zeros(size, bool)
    pixels[y : y + side, x : x + side] = True
    return pixels


def test_on_a_tie_the_higher_annotation_is_on_top_whatever_the_order() -> None:
    low, high = Shape(1, rle(square(0, 0, 3)), 7), Shape(2, rle(square(1, 1, 3)), 2**70)
    for shapes in ([low, high], [high, low]):
        painted = paint(shapes, 6, 6, LABELS[3], background=0)
        assert painted.mask[1:3, 1:3].tolist() == [[2, 2], [2, 2]]
        assert painted.contests == [Contest(2, 2, 1, 4)]
    first = paint([low, high], 6, 6, LABELS[3], background=0, overlap="first")
    assert first.contests == [Contest(1, 1, 2, 4)]


def test_a_class_over_itself_is_no_conflict() -> None:
    shapes = [Shape(1, rle(square(0, 0, 3)), 1), Shape(1, rle(square(1, 1, 3)), 2)]
    for overlap in POLICIES:
        painted = paint(shapes, 6, 6, LABELS[3], background=0, overlap=overlap)
        assert painted.contested == 0
        assert painted.contests == []
        assert painted.mask.tolist() == (square(0, 0, 3) | square(1, 1, 3)).astype(int).tolist()


def test_a_pixel_counts_once_for_each_class_that_lost_it() -> None:
    """Two shapes of one class under a third: one contest of the pixel, not two."""
    values = [2, 1, 1, 0]
    shapes = [Shape(value, rle(square(0, 0, side)), side) for side, value in enumerate(values, 1)]
    painted = paint(shapes, 6, 6, LABELS[3], background=0)
    assert Counter(painted.contests) == Counter([Contest(2, 2, 1, 1), Contest(2, 2, 0, 1), Contest(1, 1, 0, 8)])
    assert painted.contested == 9


def test_a_hidden_shape_is_not_shown() -> None:
    shapes = [Shape(1, rle(square(1, 1, 2)), 1), Shape(2, rle(square(1, 1, 2)), 2), Shape(2, rle(square(0, 0, 0)), 3)]
    assert paint(shapes, 6, 6, LABELS[3], background=0).shown.tolist() == [False, True, False]
    assert paint(shapes, 6, 6, LABELS[3], background=0, overlap="ignore").shown.tolist() == [False, False, False]


@pytest.mark.parametrize("background", [0, 255])
def test_no_shapes_are_background(background: int) -> None:
    painted = paint([], 2, 3, LABELS[3], background=background)
    assert painted.mask.tolist() == [[background] * 3] * 2
    assert painted.mask.dtype == np.uint8
    assert (painted.areas.shape, painted.shown.shape, painted.contests, painted.contested) == ((0,), (0,), [], 0)


def test_an_unknown_policy_lists_the_known_ones() -> None:
    with pytest.raises(OptionError, match="'biggest': there are smallest, first, last, ignore"):
        paint([], 2, 3, LABELS[3], background=0, overlap="biggest")  # type: ignore[arg-type]


# --- polygons


def ann_to_mask(polygons: list[list[float]], height: int, width: int) -> NDArray[np.uint8]:
    """What pycocotools' user sees."""
    coco = COCO()
    coco.imgs = {1: {"id": 1, "height": height, "width": width}}
    pixels: NDArray[np.uint8] = coco.annToMask({"image_id": 1, "segmentation": polygons, "iscrowd": 0})
    return pixels


def outlines(polygons: Sequence[Any], height: int, width: int) -> list[bytes]:
    points = np.concatenate([np.zeros((0, 2)), *(np.array(p, np.float64) for p in polygons)])
    return rasterize(points, np.cumsum([len(p) for p in polygons], dtype=np.int64), height, width)


COORDINATES = st.one_of(
    st.floats(-10, 50, width=32), st.integers(-5, 45).map(float), st.integers(0, 80).map(lambda i: i / 2)
)
POLYGONS = st.lists(st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=9), min_size=1, max_size=4)


@given(POLYGONS, st.integers(1, 40), st.integers(1, 40))
@example([[(0.0, 0.0), (0.0, 0.0), (0.0, 0.0)]], 5, 5)
@example([[(0.0, 0.0), (5.0, 0.0), (5.0, 4.0), (0.0, 4.0)]], 4, 5)
def test_polygons_are_ann_to_mask(polygons: list[list[tuple[float, float]]], height: int, width: int) -> None:
    expected = ann_to_mask([np.ravel(points).tolist() for points in polygons], height, width)
    rles = outlines(polygons, height, width)
    assert rles == [rle["counts"] for rle in coco_rle.frPyObjects([np.ravel(p) for p in polygons], height, width)]
    whole = union(rles, height, width)
    painted = paint([Shape(1, whole, 1)], height, width, LABELS[3], background=0)
    assert np.array_equal(painted.mask, expected)
    assert painted.areas.tolist() == [expected.sum()]


def test_random_polygons_are_pycocotools_to_the_byte() -> None:
    """Of every kind: inside, outside, at half pixels, on a few corners again and again, in one row, and far too large."""
    rng = np.random.default_rng(23)
    for _ in range(20):
        height, width = (int(side) for side in rng.integers(1, 48, 2))
        size = np.array([width, height])
        polygons: list[NDArray[np.float64]] = []
        for corners in rng.integers(3, 9, 40):
            inside = rng.uniform(0, 1, (corners, 2)) * size
            beyond = rng.uniform(-2, 3, (corners, 2)) * size
            few = rng.integers(0, 3, (corners, 2)).astype(float)
            polygons += [inside, beyond, np.round(2 * inside) / 2, few, inside * [1, 0] + [0, 1], 20 * beyond]
        theirs = [rle["counts"] for rle in coco_rle.frPyObjects([points.ravel() for points in polygons], height, width)]
        assert rasterize(np.concatenate(polygons), np.cumsum([len(p) for p in polygons]), height, width) == theirs


def test_a_hole_of_the_same_object_is_filled_as_pycocotools_does() -> None:
    """Parts of one object are joined, not subtracted."""
    outer, inner = [(1, 1), (9, 1), (9, 9), (1, 9)], [(3, 3), (6, 3), (6, 6), (3, 6)]
    whole = union(outlines([outer, inner], 10, 10), 10, 10)
    assert paint([Shape(1, whole, 1)], 10, 10, LABELS[3], background=0).areas.tolist() == [64]


def test_nothing_to_rasterize() -> None:
    assert outlines([], 5, 5) == []


@pytest.mark.data
def test_real_polygons_are_pycocotools_to_the_byte(shared_data: Path) -> None:
    compared = 0
    for path in (shared_data / "coco" / "taco").glob("*.json"):
        table = json.loads(path.read_text())
        sizes = {image["id"]: (image["height"], image["width"]) for image in table["images"]}
        for annotation in table["annotations"]:
            polygons = [part for part in annotation["segmentation"] if len(part) >= 6]
            size = sizes[annotation["image_id"]]
            theirs = [rle["counts"] for rle in coco_rle.frPyObjects([np.array(p, float) for p in polygons], *size)]
            assert outlines([np.reshape(p, (-1, 2)) for p in polygons], *size) == theirs
            compared += len(polygons)
    assert compared > 4000


# --- run lengths


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(1, 12))
def test_plain_counts(counts: list[int], height: int) -> None:
    """Runs alternate off and on, down the columns."""
    width = max(1, -(-sum(counts) // height))
    counts = [*counts, height * width - sum(counts)]
    flat = np.repeat(np.arange(len(counts)) % 2, counts)
    expected = flat.reshape(width, height).T
    painted = paint([Shape(1, compress(counts, height, width), 1)], height, width, LABELS[3], background=0)
    assert np.array_equal(painted.mask, expected)
    assert painted.areas.tolist() == [expected.sum()]


@given(npst.arrays(np.bool_, npst.array_shapes(min_dims=2, max_dims=2, max_side=30)))
def test_compressed_counts(pixels: NDArray[np.bool_]) -> None:
    painted = paint([Shape(1, rle(pixels), 1)], *pixels.shape, LABELS[3], background=0)
    assert np.array_equal(painted.mask, pixels)


def decode_by_the_book(text: bytes) -> list[int] | None:
    """The coding of rleFrString in maskApi.c in plain Python; None where it is broken, or a count has over 11 characters."""
    counts: list[int] = []
    position = 0
    while position < len(text):
        value = shift = 0
        while True:
            if position >= len(text) or shift > 50 or not 48 <= text[position] <= 111:
                return None
            c = text[position] - 48
            position += 1
            value |= (c & 31) << shift
            shift += 5
            if not c & 32:
                value -= (1 << shift) if c & 16 else 0
                break
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
    return counts


def is_damaged(text: bytes, size: int) -> bool:
    counts = decode_by_the_book(text)
    return counts is None or min(counts, default=0) < 0 or sum(counts) != size


def assert_refused_or_right(text: bytes, height: int, width: int) -> None:
    good = Shape(2, rle(np.ones((height, width), bool)), 1)
    shapes = [good, Shape(1, text, 77), good]
    if is_damaged(text, height * width):
        with pytest.raises(DataError) as caught:
            paint(shapes, height, width, LABELS[3], background=0)
        assert (caught.value.problem.code, caught.value.problem.annotation) == ("rle.size", 77)
        assert f"{height} x {width} image (height x width)" in caught.value.problem.message
    else:
        counts = decode_by_the_book(text) or []
        expected = np.repeat(np.arange(len(counts)) % 2, counts).reshape(width, height).T
        painted = paint(shapes[1:2], height, width, LABELS[3], background=0)
        assert np.array_equal(painted.mask, expected)


@given(
    st.one_of(st.binary(max_size=60), st.lists(st.integers(48, 111), max_size=60).map(bytes)),
    st.integers(1, 9),
    st.integers(1, 9),
)
@example(b"", 3, 3)
@example(b"9", 3, 3)
@example(b"8", 3, 3)
@example(b":", 3, 3)
@example(b"\xff\xff", 3, 3)
@example("é9".encode(), 3, 3)
@example(b"o" * 40, 3, 3)
@example(b"o" * 11 + b"9", 3, 3)
@example(b"0" * 100, 3, 3)
def test_damaged_run_lengths(text: bytes, height: int, width: int) -> None:
    assert_refused_or_right(text, height, width)


@given(npst.arrays(np.bool_, npst.array_shapes(min_dims=2, max_dims=2, max_side=12)), st.data())
def test_nearly_right_run_lengths(pixels: NDArray[np.bool_], data: st.DataObject) -> None:
    """One character changed, dropped or added, or the image of another size."""
    text = bytearray(rle(pixels))
    height, width = pixels.shape
    at = data.draw(st.integers(0, len(text) - 1))
    match data.draw(st.sampled_from(["change", "drop", "add", "size"])):
        case "change":
            text[at] = data.draw(st.integers(0, 255))
        case "drop":
            del text[at]
        case "add":
            text.insert(at, data.draw(st.integers(48, 111)))
        case "size":
            height += data.draw(st.integers(1, 3))
    assert_refused_or_right(bytes(text), height, width)


@pytest.mark.parametrize("extra", [[(1, 0)], [(0, 1)], [(0, 1), (1, 1)]])
def test_run_lengths_of_another_image_name_their_annotation(extra: list[tuple[int, int]]) -> None:
    """Of several, one of the damaged ones is named."""
    good = Shape(1, rle(np.ones((4, 5), bool)), 1)
    bad = [Shape(1, rle(np.ones((4 + y, 5 + x), bool)), 50 + i) for i, (y, x) in enumerate(extra)]
    with pytest.raises(DataError, match=r"annotation 5\d: its run lengths are damaged or do not cover the 4 x 5 image"):
        paint([good, *bad, good], 4, 5, LABELS[3], background=0)


@given(
    npst.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 1)),
    st.integers(-4, 8), st.integers(-4, 8), st.integers(1, 8), st.integers(1, 8),
)  # fmt: skip
def test_bitmaps_are_encoded_as_pycocotools_does(
    bitmap: NDArray[np.uint8], y: int, x: int, height: int, width: int
) -> None:
    whole = np.zeros((height + 40, width + 40), np.uint8)
    whole[20 + y : 20 + y + bitmap.shape[0], 20 + x : 20 + x + bitmap.shape[1]] = bitmap
    there = np.asfortranarray(whole[20 : 20 + height, 20 : 20 + width])
    assert encode(bitmap, height, width, y, x) == coco_rle.encode(there)["counts"]
