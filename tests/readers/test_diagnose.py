"""Diagnoses of masks: each kind on planted pixels, and that declared values never meet one."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from segdata.labels import tally
from segdata.readers.diagnose import (
    diagnose_colors,
    diagnose_lossy,
    diagnose_values,
    in_between,
    luma,
    midpoint,
    pack,
    pack_color,
    unpack_color,
)

Array = np.ndarray[Any, Any]
COLORS = np.array([(0, 0, 0), (128, 64, 128), (70, 130, 180), (220, 20, 60), (0, 0, 142)], np.uint8)


def scene(classes: int, seed: int = 0, size: tuple[int, int] = (96, 128)) -> Array:
    """Labels as they are: discs of the classes 1..K-1 upon class 0, every class present."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(size, np.uint8)
    for value in [*rng.integers(1, classes, 3 * classes).tolist(), *range(1, classes)]:
        y, x, r = rng.integers(10, size[0] - 10), rng.integers(10, size[1] - 10), rng.integers(5, 14)
        cv2.circle(mask, (int(x), int(y)), int(r), value, -1)
    for value in range(classes):
        mask[2 * value : 2 * value + 2, :3] = value
    return mask


def named(k: int, start: int = 0) -> dict[int, str | None]:
    """K classes by value."""
    return {start + i: f"class {i}" for i in range(k)}


def jpeg(pixels: Array, quality: int = 90) -> Array:
    """Pixels after JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def grown(pixels: Array, factor: int = 3) -> Array:
    """Pixels resized with smoothing."""
    height, width = pixels.shape[:2]
    return cv2.resize(pixels, (width * factor, height * factor), interpolation=cv2.INTER_CUBIC)


def instances(count: int = 30, dtype: type = np.uint8) -> Array:
    """Separate discs, numbered from 1."""
    mask = np.zeros((120, 160), dtype)
    for i in range(count):
        y, x = divmod(i, 8)
        mask[15 * y + 2 : 15 * y + 12, 20 * x + 3 : 20 * x + 15] = i + 1
    return mask


VOIDED = np.where(scene(5, 3) == 2, 255, scene(5, 3)).astype(np.uint8)
CASES: dict[str, tuple[Array, dict[int, str | None], str, str]] = {
    "0..K-1 plus 255": (VOIDED, named(5), "void", "--values 255=ignore"),
    "0, 1 plus 255": (np.where(scene(3) == 2, 255, scene(3)).astype(np.uint8), named(2), "void", "--values 255=ignore"),
    "16-bit void": (np.where(scene(5) == 2, np.uint16(65535), scene(5)), named(5), "void", "--values 65535=ignore"),
    "0/255": (scene(2) * 255, named(2), "binary", "--threshold 128"),
    "0/65535": (scene(2).astype(np.uint16) * 65535, named(2), "binary", "--threshold 32768"),
    "0/255, no table": (scene(2) * 255, {}, "binary", "--threshold 128"),
    "1..K": (scene(5) + 1, named(5), "off_by_one", "--offset -1"),
    "0..K": (scene(6), named(5), "off_by_one", "--values 5=ignore if it marks ignored pixels, or --offset -1 if 0 does"),
    "class * 1000": (
        scene(4).astype(np.uint16) * 1000 + 3, {**named(3), 3: None}, "instances",
        "--values '1000..1999=class 1' --values '2000..2999=class 2' --values 3000..3999=ignore",
    ),
    "times 50": (scene(3) * 50, named(3), "stretched", "--values '50=class 1' --values '100=class 2'"),
    "times 257": (scene(3).astype(np.uint16) * 257, named(9), "stretched", "--values '257=class 1' --values '514=class 2'"),
    "smooth edges": (cv2.GaussianBlur(scene(2) * 255, (3, 3), 0), named(2), "smoothed", "--threshold 128"),
    "enlarged": (grown(scene(2) * 255), named(2), "smoothed", "--threshold 128"),
    "was a JPEG": (jpeg(scene(2) * 255), named(2), "smoothed", "--threshold 128"),
    "smooth 16-bit": (grown(scene(2).astype(np.uint16) * 65535), named(2), "smoothed", "--threshold 32768"),
    "smooth classes": (grown(scene(4) * 20), {0: "a", 20: "b", 40: "c", 60: "d"}, "smoothed", "no option restores them"),
    "instances": (instances(), named(2), "instances", "--threshold 1"),
    "16-bit instances": (instances(dtype=np.uint16) , named(2), "instances", "--threshold 1"),
    "instances from 3 on": (
        np.where(instances(12) > 0, instances(12) + 2, 0).astype(np.uint8), named(2), "instances", "--threshold 1",
    ),
    "instances by sevens": (instances(30) * 7, named(2), "instances", "--threshold 1"),
    "instances by hundreds": (instances(30, np.uint16) * 137, named(2), "instances", "--threshold 1"),
    "instances and void": (
        np.where(instances(31) == 31, 255, instances(31) * 7).astype(np.uint8), {**named(2), 255: None}, "instances",
        "--values 1..210=NAME",
    ),
    "smooth, times 100": (cv2.GaussianBlur(scene(3) * 100, (5, 5), 1), named(3), "smoothed", "no option restores them"),
    "sparse ids": (scene(12) * 20, {0: "a", 100: "b"}, "values", "--values 20..80=ignore --values 120..220=ignore (or"),
    "alternating ids": (
        scene(24), {i: f"class {i}" for i in range(0, 24, 2)}, "values", "--classes FILE that lists them all, id,name",
    ),
    "instances of many": (instances(), named(4), "instances", "--values 1..30=NAME"),
    "unlisted": (np.where(scene(4) == 3, 77, scene(4)), named(3), "values", "--values 77=ignore (or =NAME)"),
    "no table": (scene(4), {}, "values", "--classes FILE"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    mask, classes, kind, option = CASES[name]
    found = diagnose_values(mask, classes)
    assert found is not None
    assert (found.kind, found.option.startswith(option)) == (kind, True), found


def test_a_photograph_is_no_mask() -> None:
    rng = np.random.default_rng(0)
    photo = cv2.GaussianBlur(rng.integers(0, 256, (80, 90, 3), np.uint8), (0, 0), 2)
    found = diagnose_values(photo[..., 0], named(12))
    assert found is not None
    assert (found.kind, found.option) == ("image", "--mask-dir DIR")
    assert diagnose_colors(photo, [(0, 0, 0)], 2, coded=True).kind == "image"
    assert diagnose_colors(photo, [], 12, coded=False).kind == "image"


def test_what_other_masks_hold_counts_too() -> None:
    """One mask of 0 and 255 among masks of three classes is not binary."""
    mask = scene(2) * 255
    found = diagnose_values(mask, named(2), {0: 10, 1: 20, 255: 7})
    assert found is not None
    assert (found.kind, "7 pixels" in found.message) == ("void", True)


@given(hnp.arrays(np.uint8, (9, 11), elements=st.integers(0, 40)), st.dictionaries(st.integers(0, 40), st.just("x")))
def test_declared_values_have_no_diagnosis_and_all_others_one(mask: Array, declared: dict[int, str | None]) -> None:
    found = diagnose_values(mask, declared)
    assert (found is None) == (set(mask.ravel().tolist()) <= declared.keys())
    assert found is None or (found.message and found.option)
    assert diagnose_values(mask, {**declared, **dict.fromkeys(np.unique(mask).tolist(), "y")}) is None


@given(
    hnp.arrays(st.sampled_from([np.uint8, np.uint16]), hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)),
    st.dictionaries(st.integers(0, 65535), st.none() | st.text(min_size=1, max_size=3), max_size=5),
)
def test_any_values_at_all(mask: Array, declared: dict[int, str | None]) -> None:
    found = diagnose_values(mask, declared)
    assert (found is None) == (set(mask.ravel().tolist()) <= declared.keys())


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9).map(lambda s: (*s, 3))),
    st.lists(st.tuples(*[st.integers(0, 255)] * 3), max_size=4),
    st.integers(0, 5),
)
def test_any_colors_at_all(rgb: Array, known: list[tuple[int, int, int]], classes: int) -> None:
    known = known or [(1, 2, 3)]
    if not {unpack_color(value) for value in tally(pack(rgb))} <= set(known):
        assert diagnose_colors(rgb, known, classes, coded=True).option
    assert diagnose_colors(rgb, known, classes, coded=False).option
    assert diagnose_lossy(rgb, classes).kind == "jpeg"


# Colours


def test_colours_coded_by_class() -> None:
    rgb = COLORS[scene(5)]
    known = [tuple(color) for color in COLORS.tolist()]
    assert diagnose_colors(rgb, known, 5, coded=False).option == "--colors"
    unlisted = diagnose_colors(rgb, [], 5, coded=False)
    assert (unlisted.kind, unlisted.option) == ("colors", "--colors, with a --classes table of name,r,g,b")
    counts = np.bincount(scene(5).ravel())
    assert all(f"{color} ({counts[i]:,} pixels)" in unlisted.message for i, color in enumerate(known))
    some_known = diagnose_colors(rgb, known[:3], 5, coded=False)
    assert "the class table has not" in some_known.message
    assert (str(known[0]) in some_known.message, str(known[4]) in some_known.message) == (False, True)


def test_an_unknown_colour_is_named_with_its_place() -> None:
    rgb = COLORS[scene(4)]
    rgb[40:43, 60:70] = (9, 8, 7)
    found = diagnose_colors(rgb, [tuple(color) for color in COLORS.tolist()], 5, coded=True)
    assert found.kind == "unknown_colors"
    assert "(9, 8, 7) (30 pixels), first at row 40, column 60" in found.message
    assert found.option == "--values 9,8,7=ignore (or =NAME)"


def test_many_unknown_colours_are_for_the_class_table() -> None:
    colors = np.random.default_rng(0).integers(0, 256, (12, 3)).astype(np.uint8)
    found = diagnose_colors(np.repeat(colors[None].repeat(40, axis=0), 10, axis=1), [(1, 2, 3)], 1, coded=True)
    assert (found.kind, found.option) == ("unknown_colors", "--classes FILE that lists them all, name,r,g,b")
    assert "and 4 more" in found.message


@pytest.mark.parametrize("spoil", [grown, jpeg], ids=["enlarged", "jpeg"])
@pytest.mark.parametrize("coded", [True, False])
def test_in_between_colours(spoil: Any, coded: bool) -> None:
    known = [tuple(color) for color in COLORS.tolist()]
    many = diagnose_colors(spoil(COLORS[scene(5)]), known, 5, coded=coded)
    assert (many.kind, many.option.startswith("no option")) == ("smoothed", True)
    two = diagnose_colors(spoil(np.array([(0, 0, 0), (255, 255, 0)], np.uint8)[scene(2)]), [], 2, coded=coded)
    assert (two.kind, two.option[:14]) == ("smoothed", "--threshold 11")


def test_jpeg() -> None:
    two = diagnose_lossy(jpeg(np.repeat((scene(2) * 255)[..., None], 3, axis=2)), 2)
    assert two.option.startswith("--threshold 12")
    assert diagnose_lossy(jpeg(COLORS[scene(5)]), 5).option.startswith("no option")


# The parts


@given(hnp.arrays(np.uint8, (5, 7, 3)))
def test_luma_is_pillows(rgb: Array) -> None:
    pillow = np.asarray(Image.fromarray(rgb).convert("L")).astype(int)
    assert np.abs(luma(rgb).astype(int) - pillow).max() <= 1


@given(hnp.arrays(np.uint8, (4, 6, 4)))
def test_packing_keeps_the_colour(rgba: Array) -> None:
    packed = pack(rgba)
    assert (pack(rgba[..., :3]) == packed).all()
    for y, x in np.ndindex(4, 6):
        assert unpack_color(int(packed[y, x])) == tuple(rgba[y, x, :3].tolist())
        assert pack_color(unpack_color(int(packed[y, x]))) == packed[y, x]


@given(hnp.arrays(np.uint8, (12, 19), elements=st.sampled_from([0, 10, 100, 200, 255])), st.integers(0, 2**32 - 1))
def test_in_between_equals_brute_force(pixels: Array, seed: int) -> None:
    firm = np.random.default_rng(seed).random(pixels.shape) < 0.7
    got = in_between(pixels, firm)
    for y, x in np.ndindex(*pixels.shape):
        near = np.s_[max(0, y - 8) : y + 9, max(0, x - 8) : x + 9]
        values = pixels[near][firm[near]].astype(int)
        low, high = (values.min(), values.max()) if len(values) else (0, 0)
        slack = (high - low) // 8
        assert got[y, x] == (low < high and low - slack <= pixels[y, x] <= high + slack)


def test_midpoint() -> None:
    gray = np.repeat((scene(2) * 200)[..., None], 3, axis=2)
    assert midpoint(gray) == 100
    assert midpoint(COLORS[scene(5)]) is None
    assert midpoint(np.zeros((4, 4, 3), np.uint8)) is None
    assert midpoint(np.array([[(0, 128, 0), (255, 0, 0)]], np.uint8)) is None  # of one brightness
