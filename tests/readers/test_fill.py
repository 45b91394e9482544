"""Polygons on the box around them against OpenCV on the whole image."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as coco_rle

from segdata.errors import DataError
from segdata.readers.fill import FARTHEST, fill_opencv

sizes = st.tuples(st.integers(1, 24), st.integers(1, 24))
near = st.integers(-12, 36)
corners = st.tuples(near, near) | st.tuples(near, near) | st.tuples(st.integers(-2000, 2000), st.integers(-2000, 2000))
rings = st.lists(corners, max_size=7)
SQUARE = [(2, 2), (9, 2), (9, 9), (2, 9)]


def ring(points: list[tuple[int, int]]) -> NDArray[np.int32]:
    return np.array(points, np.int32).reshape(-1, 2)


def pixels(rle: bytes, height: int, width: int) -> NDArray[np.uint8]:
    decoded: NDArray[np.uint8] = coco_rle.decode({"size": [height, width], "counts": rle})
    return decoded


@given(st.lists(rings, max_size=4), sizes)
@example([SQUARE, [(4, 4), (7, 4), (7, 7), (4, 7)]], (12, 12))
@example([[(-5, 3), (30, 11)]], (12, 20))
@example([[(3, 3)]], (5, 5))
@example([[(30, 30), (40, 30), (40, 40)]], (12, 12))
@example([[(-9, -9), (-1, 30), (-4, 2)]], (12, 12))
def test_the_pixels_are_those_of_opencv_on_the_whole_image(
    polygons: list[list[tuple[int, int]]], size: tuple[int, int]
) -> None:
    whole = np.zeros(size, np.uint8)
    given = [ring(points) for points in polygons]
    if shown := [one for one in given if len(one)]:
        cv2.fillPoly(whole, shown, (1,))
    np.testing.assert_array_equal(pixels(fill_opencv(given, *size), *size), whole)


def test_rings_of_one_polygon_leave_holes_and_keep_their_outlines() -> None:
    found = pixels(fill_opencv([ring(SQUARE), ring([(4, 4), (7, 4), (7, 7), (4, 7)])], 12, 12), 12, 12)
    assert found.sum() == 8 * 8 - 2 * 2
    assert not found[5:7, 5:7].any()


@pytest.mark.parametrize("corner", [(FARTHEST + 1, 3), (3, FARTHEST + 1), (-FARTHEST - 1, 3), (3, -(2**31))])
def test_corners_too_far_away_are_refused(corner: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="more than 16777216 pixels away: correct it"):
        fill_opencv([ring([(1, 1), corner, (5, 5)])], 10, 10)
