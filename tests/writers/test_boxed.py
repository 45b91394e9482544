"""Objects in boxes: run lengths and bitmaps say the same pixels as the mask, box by box."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.kernels.digits import pairs_text
from segdata.writers.boxed import box_objects
from segdata.writers.objects import Objects, number_objects, parts_of


@st.composite
def masks(draw: Any) -> NDArray[Any]:
    shape = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = draw(st.lists(st.sampled_from([0, 1, 2, 254, 255, 300, 65535]), min_size=1, max_size=4))
    mask = np.array(values)[rng.integers(0, len(values), shape)]
    return np.kron(mask, np.ones(draw(st.sampled_from([(1, 1), (3, 2)])), int)).astype(np.uint16)


def decoded(counts: str, height: int, width: int) -> NDArray[np.int64]:
    """Run lengths along rows as pixels."""
    numbers = [int(number) for number in counts.split(", ")]
    assert all(numbers[1:])
    return np.repeat(np.arange(len(numbers)) % 2, numbers).reshape(height, width)


@given(mask=masks(), skip=st.sets(st.sampled_from([0, 1, 300])), objects=st.sampled_from(["regions", "classes"]))
def test_boxes_hold_all_pixels(mask: NDArray[Any], skip: set[int], objects: Objects) -> None:
    boxed = box_objects(mask, objects, skip)
    expected = np.where(np.isin(mask, list(skip)), -1, mask.astype(int))
    by_counts, by_bitmaps = np.full(mask.shape, -1), np.full(mask.shape, -1)
    for (value, box, counts), (same, again, bitmap) in zip(boxed.counts(), boxed.bitmaps(), strict=True):
        assert (value, box) == (same, again)
        there = decoded(counts, box.height, box.width)
        np.testing.assert_array_equal(there, bitmap)
        assert there.any(axis=0)[[0, -1]].all()  # no box is too large
        assert there.any(axis=1)[[0, -1]].all()
        window = np.s_[box.top : box.top + box.height, box.left : box.left + box.width]
        by_counts[window][there > 0] = value
        by_bitmaps[window][bitmap > 0] = value
    np.testing.assert_array_equal(by_counts, expected)
    np.testing.assert_array_equal(by_bitmaps, expected)


@given(mask=masks())
def test_regions_are_those_of_opencv(mask: NDArray[Any]) -> None:
    numbered = number_objects(mask, "regions", ())
    for value in np.unique(mask).tolist():
        number, _ = cv2.connectedComponents((mask == value).astype(np.uint8), connectivity=4)
        assert np.count_nonzero(numbered.values == value) == number - 1
        assert numbered.areas[numbered.values == value].sum() == np.count_nonzero(mask == value)
        assert len(box_objects(mask, "regions", {*np.unique(mask).tolist()} - {value}).values) == number - 1
    whole = number_objects(mask, "classes", ())
    assert [whole.values.tolist(), whole.areas.tolist()] == [
        one.tolist() for one in np.unique(mask, return_counts=True)
    ]


@given(
    numbers=st.lists(st.lists(st.tuples(*[st.integers(0, 2**31 - 1)] * 2), min_size=1, max_size=5), max_size=4),
)
def test_points_are_written_as_python_writes_them(numbers: list[list[tuple[int, int]]]) -> None:
    points = np.array([point for part in numbers for point in part], np.int32).reshape(-1, 2)
    ends = np.cumsum([len(part) for part in numbers]).astype(np.int64)
    expected = [";".join(f"{x},{y}" for x, y in part) for part in numbers]
    assert [*parts_of(*pairs_text(points, ends))] == expected


def test_no_object_is_no_text() -> None:
    assert [*box_objects(np.zeros((2, 2), np.uint8), "regions", (0,)).counts()] == []
    assert [*parts_of(np.zeros(0, np.uint8), np.zeros(0, np.int64))] == []
