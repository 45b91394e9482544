"""Polygons through the centres of pixels: Pillow and OpenCV, which draw edges, too, give the same pixels back."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata.files.vectors.centres import Centred, trace_centres


@st.composite
def masks(draw: Any) -> NDArray[Any]:
    """Noise, blocks, regions full of holes, islands in holes, and single rows and pixels."""
    height, width = draw(st.integers(1, 16)), draw(st.integers(1, 16))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["noise", "blocks", "holes", "rings", "diagonals"]))
    y, x = np.mgrid[:height, :width]
    if kind == "rings":
        return (np.minimum.reduce([y, x, height - 1 - y, width - 1 - x]) % draw(st.integers(1, 4))).astype(np.uint8)
    if kind == "diagonals":
        return ((x + y) % 2).astype(np.uint8)
    noise = rng.integers(0, draw(st.integers(1, 5)), (height, width))
    noise = rng.random((height, width)) < 0.85 if kind == "holes" else noise
    noise = np.kron(noise, np.ones((2, 3), int)) if kind == "blocks" else noise
    return noise.astype(draw(st.sampled_from([np.uint8, np.uint16])))


def regions_of(mask: NDArray[Any]) -> list[tuple[int, NDArray[np.bool_]]]:
    """The connected regions of a mask, by OpenCV: value and pixels (H, W) of each, in order of their first pixels."""
    found = []
    for value in np.unique(mask):
        number, labels = cv2.connectedComponents((mask == value).astype(np.uint8), connectivity=4)
        found += [(int(value), labels == i) for i in range(1, number)]
    return sorted(found, key=lambda one: int(one[1].ravel().argmax()))


def filled_by_pillow(points: NDArray[np.int32], size: tuple[int, ...]) -> NDArray[np.bool_]:
    image = Image.new("L", size[::-1])
    ImageDraw.Draw(image).polygon([tuple(point) for point in points.tolist()], fill=1, outline=1)
    return np.asarray(image) > 0


def filled_by_opencv(points: NDArray[np.int32], size: tuple[int, ...]) -> NDArray[np.bool_]:
    image = np.zeros(size, np.uint8)
    cv2.fillPoly(image, [points], color=(1,))
    return image > 0


def parts(found: Centred) -> list[NDArray[np.int32]]:
    return np.split(found.points, found.ends[:-1])


@pytest.mark.parametrize("fill", [filled_by_pillow, filled_by_opencv])
@given(mask=masks())
def test_polygons_are_filled_to_exactly_the_pixels_of_their_regions(fill: Any, mask: NDArray[Any]) -> None:
    found = trace_centres(mask)
    expected = regions_of(mask)
    assert found.values.tolist() == [value for value, _ in expected]
    assert found.areas.tolist() == [int(pixels.sum()) for _, pixels in expected]
    for points, (_, pixels) in zip(parts(found), expected, strict=True):
        np.testing.assert_array_equal(fill(points, mask.shape), pixels)


@given(mask=masks())
def test_edges_are_straight_and_no_point_is_idle(mask: NDArray[Any]) -> None:
    for points in parts(trace_centres(mask)):
        steps = np.sign(np.diff(points, axis=0, append=points[:1]))
        assert (np.count_nonzero(steps, axis=1) <= 1).all()  # along rows or columns
        assert len(points) >= 3
        if len(points) > 3:
            assert np.count_nonzero(steps, axis=1).all()
            assert (steps != np.roll(steps, 1, axis=0)).any(axis=1).all()


def test_one_pixel_and_one_line_have_three_points() -> None:
    found = trace_centres(np.array([[1, 0, 0, 2]], np.uint8))
    assert [points.tolist() for points in parts(found)] == [[[0, 0]] * 3, [[1, 0], [2, 0], [2, 0]], [[3, 0]] * 3]


def test_values_to_skip_have_no_polygons() -> None:
    found = trace_centres(np.array([[0, 1], [2, 2]], np.uint8), skip=(0, 2))
    assert found.values.tolist() == [1]
    assert found.points.tolist() == [[1, 0]] * 3
    assert trace_centres(np.zeros((2, 2), np.uint8), skip=(0,)).points.shape == (0, 2)
