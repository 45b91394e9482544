"""Filling as Agg does: what is surely inside and surely outside, clipping, and curves that stay near their lines."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.kernels.agg import fill_box
from segdata.kernels.curves import flatten

HEIGHT, WIDTH = 9, 12

Corner = tuple[float, float]

corners = st.tuples(st.integers(-6, WIDTH + 6).map(float), st.integers(-6, HEIGHT + 6).map(float))
parts = st.tuples(st.floats(-6, WIDTH + 6, width=16), st.floats(-6, HEIGHT + 6, width=16))


def fill(
    points: list[Corner], top: int = 0, left: int = 0, height: int = HEIGHT, width: int = WIDTH
) -> NDArray[np.uint8]:
    """The pixels of a polygon, in a box of the image."""
    box = np.array([top, left, height, width, HEIGHT, WIDTH])
    return fill_box(np.array(points, np.float64), np.array([len(points)]), box)


def areas(points: list[Corner]) -> NDArray[np.float64]:
    """(H, W) how much of each pixel is in a polygon that does not cross itself."""
    polygon = shapely.Polygon(points)
    pixels = [shapely.box(x, y, x + 1, y + 1) for y in range(HEIGHT) for x in range(WIDTH)]
    return np.asarray(shapely.area(shapely.intersection(polygon, pixels))).reshape(HEIGHT, WIDTH)


@given(st.lists(parts, min_size=3, max_size=3, unique=True))
def test_a_pixel_is_filled_if_more_than_a_bit_of_it_is_inside(points: list[Corner]) -> None:
    found, there = fill(points), areas(points)
    assert found[there > 12 / 256].all()  # rounded corners move each edge by half a unit of 1/256 at most
    near = shapely.buffer(shapely.Polygon(points), 2 / 256)
    away = [near.disjoint(shapely.box(x, y, x + 1, y + 1)) for y in range(HEIGHT) for x in range(WIDTH)]
    assert not found[np.array(away).reshape(HEIGHT, WIDTH)].any()


@given(st.lists(corners, min_size=3, max_size=9), st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1))
def test_a_box_holds_what_the_image_holds_there(points: list[Corner], top: int, left: int) -> None:
    """Boxes that hold the polygon on the image, as callers ask for them."""
    whole = fill(points)
    rows, columns = np.nonzero(whole)
    if len(rows):
        top, left = min(top, rows.min()), min(left, columns.min())
        np.testing.assert_array_equal(fill(points, top, left, HEIGHT - top, WIDTH - left), whole[top:, left:])


@given(st.lists(corners, min_size=3, max_size=9))
def test_going_round_twice_fills_no_less(points: list[Corner]) -> None:
    assert (fill([*points, *points]) >= fill(points)).all()


@pytest.mark.parametrize("points", [[(2.0, 3.0)], [(2.0, 3.0), (9.0, 7.0)], [(2.0, 3.0)] * 5])
def test_what_has_no_area_fills_nothing(points: list[Corner]) -> None:
    assert not fill(points).any()


@given(st.lists(st.floats(-60, 60, width=16), min_size=4, max_size=4), st.floats(3, 90))
def test_a_curve_to_the_right_stays_near_its_lines(ys: list[float], step: float) -> None:
    array = np.array([(i * step, y) for i, y in enumerate(ys)])
    lines = flatten(array, np.array([False, True, False, False]))
    assert (lines[[0, -1]] == array[[0, -1]]).all()
    t = np.linspace(0, 1, 500)[:, None]
    a, b, c, d = array
    exact = (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
    assert shapely.distance(shapely.LineString(lines), shapely.points(exact)).max() < 1.0


def test_a_path_without_curves_stays_as_it_is() -> None:
    array = np.arange(10.0).reshape(5, 2)
    np.testing.assert_array_equal(flatten(array, np.array([True, False, False, False, False])), array)


def test_a_curve_that_comes_too_short_goes_on_with_the_first_point_and_zero() -> None:
    array = np.array([[5.0, 6.0], [1.0, 2.0]])
    full = np.array([[5.0, 6.0], [1.0, 2.0], [5.0, 6.0], [0.0, 0.0]])
    np.testing.assert_array_equal(
        flatten(array, np.array([False, True])), flatten(full, np.array([False, True, False, False]))
    )
