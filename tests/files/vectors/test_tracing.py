"""Outlines of regions and their bridges: against regions that scipy finds, polygons that shapely fills, and pycocotools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from pycocotools import mask as coco
from scipy import ndimage

from segdata.files.vectors.bridges import bridged, bridged_rings
from segdata.files.vectors.tracing import Outlines, trace_outlines

MASKS = st.one_of(
    npst.arrays(dtype, npst.array_shapes(min_dims=2, max_dims=2, max_side=16), elements=st.sampled_from(values))
    for dtype, values in ((np.uint8, [0, 1]), (np.uint8, [0, 1, 2, 255]), (np.uint16, [0, 300, 65535]))
)
NESTED = np.pad(np.pad(np.pad(np.ones((1, 2), np.uint8), 1), 1, constant_values=1), 2)
DIAGONAL = np.eye(5, dtype=np.uint8)
KNOT = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)
"""A region whose hole touches its outside at a corner."""


def regions(mask: NDArray[Any], skip: tuple[int, ...] = ()) -> list[tuple[int, int, NDArray[np.bool_]]]:
    """The first pixel, the value and the pixels of each region, as scipy labels them, in order."""
    found = []
    for value in sorted(set(np.unique(mask).tolist()) - set(skip)):
        numbered, count = ndimage.label(mask == value)
        found += [(int((numbered == i).argmax()), value, numbered == i) for i in range(1, count + 1)]
    return sorted(found, key=lambda region: region[0])


def rings_of_each(outlines: Outlines) -> Iterator[list[NDArray[np.int32]]]:
    """The rings of each region."""
    rings = np.split(outlines.points, outlines.rings[1:-1])
    for begin, end in zip(outlines.parts, outlines.parts[1:], strict=False):
        yield rings[begin:end]


def signed_area(ring: NDArray[np.int32]) -> float:
    """The shoelace formula with y down: above 0 if a ring goes clockwise on screen."""
    (x, y), (x1, y1) = ring.astype(float).T, np.roll(ring, -1, axis=0).astype(float).T
    return float((x * y1 - x1 * y).sum() / 2)


@settings(max_examples=300)
@given(MASKS, st.sets(st.sampled_from([0, 1, 255]), max_size=2))
def test_outlines_are_those_of_the_regions(mask: NDArray[Any], skip: set[int]) -> None:
    outlines, expected = trace_outlines(mask, skip), regions(mask, tuple(skip))
    assert outlines.values.tolist() == [value for _, value, _ in expected]
    assert outlines.areas.tolist() == [int(pixels.sum()) for _, _, pixels in expected]
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
    for (first, _, pixels), rings in zip(expected, rings_of_each(outlines), strict=True):
        polygon = shapely.Polygon(rings[0], rings[1:])
        assert shapely.is_valid(polygon), shapely.is_valid_reason(polygon)
        np.testing.assert_array_equal(shapely.contains_xy(polygon, x, y), pixels)
        assert rings[0][0].tolist() == [first % mask.shape[1], first // mask.shape[1]]
        assert sum(map(signed_area, rings)) == pixels.sum() == signed_area(rings[0]) + sum(map(signed_area, rings[1:]))
        assert signed_area(rings[0]) > 0 > max(map(signed_area, rings[1:]), default=-1)


@settings(max_examples=300)
@given(MASKS)
def test_rings_have_corners_alone_and_come_in_order(mask: NDArray[Any]) -> None:
    for rings in rings_of_each(trace_outlines(mask)):
        for ring in rings:
            flat = np.diff(ring, axis=0, append=ring[:1]) != 0
            assert (flat.sum(axis=1) == 1).all()
            assert (flat[:, 0] != np.roll(flat[:, 0], 1)).all()  # each point is a turn
            assert len(np.unique(ring, axis=0)) == len(ring)
            assert ring[0].tolist() == min(ring.tolist(), key=lambda point: point[::-1])
        firsts = [ring[0].tolist()[::-1] for ring in rings]
        assert firsts == sorted(firsts)


@settings(max_examples=300)
@given(MASKS, st.sets(st.sampled_from([0, 1]), max_size=1))
def test_bridges_keep_every_pixel(mask: NDArray[Any], skip: set[int]) -> None:
    check_bridges(mask, tuple(skip))


@pytest.mark.parametrize(
    "mask", [NESTED, 1 - NESTED, DIAGONAL, 1 - DIAGONAL, KNOT, KNOT[:, ::-1], np.zeros((1, 1), np.uint8)]
)
def test_bridges_of_holes_islands_and_diagonals(mask: NDArray[Any]) -> None:
    check_bridges(mask)


@pytest.mark.parametrize("values", [2, 3, 9])
def test_bridges_of_large_random_masks(values: int) -> None:
    check_bridges(np.random.default_rng(values).integers(0, values, (60, 70)).astype(np.uint8) // (values - 1))


def check_bridges(mask: NDArray[Any], skip: tuple[int, ...] = ()) -> None:
    """Fill each region's one ring as pycocotools does: its pixels, and lines along the edges of pixels."""
    height, width = mask.shape
    points, ends = bridged(trace_outlines(mask, skip))
    rings = np.split(points, ends[:-1])
    expected = regions(mask, skip)
    for (_, _, pixels), ring in zip(expected, rings if expected else [], strict=True):
        assert ((np.diff(ring, axis=0, append=ring[:1]) != 0).sum(axis=1) == 1).all()
        assert signed_area(ring) == pixels.sum()
        drawn = coco.decode(coco.frPyObjects([ring.astype(float).ravel().tolist()], height, width))[..., 0]
        np.testing.assert_array_equal(drawn, pixels)


@settings(max_examples=100)
@given(MASKS)
def test_bridges_between_corners_that_lie_anywhere(mask: NDArray[Any]) -> None:
    height, width = mask.shape
    outlines = trace_outlines(mask)
    for (_, _, pixels), rings in zip(regions(mask), rings_of_each(outlines), strict=True):
        joined = bridged_rings([ring.astype(float) for ring in rings[:1] + rings[:0:-1]])
        drawn = coco.decode(coco.frPyObjects([joined.ravel().tolist()], height, width))[..., 0]
        np.testing.assert_array_equal(drawn, pixels)
        slanted = bridged_rings([ring @ [[1.0, 0.25], [-0.5, 1.0]] for ring in rings])
        assert abs(signed_area(slanted)) == pytest.approx(1.125 * pixels.sum())


def test_bridges_go_left_and_back() -> None:
    mask = np.ones((4, 5), np.uint8)
    mask[1, 2] = mask[2, 3] = 0
    outlines = trace_outlines(mask, skip=(0,))
    points, ends = bridged(outlines)
    assert outlines.joins.tolist() == [[-1, -1], [0, 0], [6, 3]]
    assert ends.tolist() == [len(points)]
    bridges = [[0, 1], [2, 1], [2, 2], [3, 2], [3, 3], [4, 3], [4, 2], [3, 2], [3, 1], [2, 1], [0, 1]]
    assert points.tolist() == [[0, 0], [5, 0], [5, 4], [0, 4], *bridges]


def test_masks_of_any_memory_order() -> None:
    mask = np.random.default_rng(0).integers(0, 3, (9, 12)).astype(np.uint8)
    turned = trace_outlines(np.asfortranarray(mask)[::1])
    assert all(np.array_equal(a, b) for a, b in zip(turned, trace_outlines(mask), strict=True))


def test_all_skipped() -> None:
    outlines = trace_outlines(np.full((3, 4), 255, np.uint8), skip=(255,))
    assert [len(part) for part in outlines] == [0, 1, 1, 0, 0, 0]
    assert [part.shape for part in bridged(outlines)] == [(0, 2), (0,)]
