"""Boundary IoU and boundary F against their definitions by brute force, and against OpenCV's erosion."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.errors import OptionError
from segdata.files.images import read_mask
from segdata.labels import Labels
from segdata.metrics.boundary import Boundary, band_width, disc, tolerance

Array = NDArray[Any]


def labels(classes: int) -> Labels:
    return Labels.of([f"class {i}" for i in range(classes)])


def eroded(mask: Array, width: int) -> Array:
    """`width` erosions by a 3 x 3 square, outside as 0: OpenCV's, the border given it as pixels."""
    out = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    out = cv2.erode(out, np.ones((3, 3), np.uint8), iterations=width, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return out[1:-1, 1:-1].astype(bool)


def bands_by_erosion(truth: Array, pred: Array, classes: int, ignore: int, width: int, *, paper: bool = False) -> Array:
    """(K, 3): in both bands, in truth's, in the prediction's; void of truth removed before, or only after, as in the paper."""
    known = truth != ignore
    pred = pred if paper else np.where(known, pred, ignore)
    out = []
    for c in range(classes):
        t, p = truth == c, pred == c
        in_t, in_p = t & ~eroded(t, width) & known, p & ~eroded(p, width) & known
        out.append([(in_t & in_p).sum(), in_t.sum(), in_p.sum()])
    return np.array(out)


def contours_by_hand(mask: Array, ignore: int) -> set[tuple[int, int]]:
    """Pixels that have a pixel of another class among their eight neighbours."""
    h, w = mask.shape
    return {
        (y, x)
        for y in range(h)
        for x in range(w)
        if mask[y, x] != ignore
        and any(
            mask[v, u] not in (mask[y, x], ignore)
            for v in range(max(y - 1, 0), min(y + 2, h))
            for u in range(max(x - 1, 0), min(x + 2, w))
        )
    }


@st.composite
def masks(draw: st.DrawFn) -> tuple[Array, Array, int]:
    """Truth and prediction of blobs, in 8 and 16 bits, with void in both."""
    classes = draw(st.sampled_from([1, 2, 4, 300]))
    names = labels(classes)
    shape = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([1, 4, 9]))

    def one() -> Array:
        small = rng.integers(0, min(classes, 5), (-(-shape[0] // scale), -(-shape[1] // scale))) * (classes // 5 or 1)
        small = np.minimum(small, classes - 1)
        small[rng.random(small.shape) < 0.15] = names.ignore
        return np.kron(small, np.ones((scale, scale), int))[: shape[0], : shape[1]].astype(names.dtype)

    return one(), one(), classes


@settings(max_examples=40)
@given(masks(), st.integers(1, 6))
def test_bands_are_what_erosion_leaves(case: tuple[Array, Array, int], width: int) -> None:
    truth, pred, classes = case
    found = Boundary.of(truth, pred, labels(classes), width=width, papers=True)
    assert found.paper is not None
    expected = bands_by_erosion(truth, pred, classes, labels(classes).ignore, width)
    np.testing.assert_array_equal(found.counts[:, :3], expected)
    expected = bands_by_erosion(truth, pred, classes, labels(classes).ignore, width, paper=True)
    np.testing.assert_array_equal(found.paper.stacked.T, expected[:, [0, 1, 2]])


@settings(max_examples=40)
@given(masks(), st.integers(1, 6))
def test_what_is_right_in_every_labelled_pixel_has_1(case: tuple[Array, Array, int], width: int) -> None:
    """Whatever is predicted where truth is ignored, which is in no count either: boundary IoU and boundary F."""
    truth, other, classes = case
    ignore = labels(classes).ignore
    pred = np.where(truth == ignore, other, truth)
    found = Boundary.of(truth, pred, labels(classes), width=width, contours=True)
    assert set(found.iou[~np.isnan(found.iou)]) <= {1.0}
    assert set(found.f[~np.isnan(found.f)]) <= {1.0}
    same = Boundary.of(truth, truth, labels(classes), width=width, contours=True)
    np.testing.assert_array_equal(found.counts[:, :7], same.counts[:, :7])


@settings(max_examples=40)
@given(masks())
def test_contours_and_what_is_near(case: tuple[Array, Array, int]) -> None:
    truth, pred, classes = case
    ignore = labels(classes).ignore
    found = Boundary.of(truth, pred, labels(classes), contours=True).counts[:, 3:7]
    radius = tolerance(*truth.shape)
    pred = np.where(truth == ignore, ignore, pred)
    sides = [contours_by_hand(mask, ignore) for mask in (truth, pred)]
    expected = np.zeros((classes, 4), int)
    for side, (own, other) in enumerate(((0, 1), (1, 0))):
        mask = (truth, pred)[own]
        against = (truth, pred)[other]
        for y, x in sides[own]:
            near = any(
                (y - v) ** 2 + (x - u) ** 2 <= radius**2 and against[v, u] == mask[y, x] for v, u in sides[other]
            )
            expected[mask[y, x], 2 * side : 2 * side + 2] += (1, near)
    np.testing.assert_array_equal(found, expected)


def test_the_edge_of_the_image_counts_as_boundary() -> None:
    """A class that fills the image has a band all around, whose IoU tells a hole apart."""
    full = np.zeros((20, 30), np.uint8)
    found = Boundary.of(full, full, labels(1), width=2)
    assert found.bands.truth.tolist() == [20 * 30 - 16 * 26]
    assert found.iou.tolist() == [1]


def test_void_beside_a_class_makes_a_boundary() -> None:
    """In truth and in the prediction; in the paper's bands in truth alone. Its own pixels are away."""
    truth = np.zeros((9, 9), np.uint8)
    truth[:, 4] = 255
    found = Boundary.of(truth, np.zeros((9, 9), np.uint8), labels(1), width=1, papers=True)
    assert found.paper is not None
    assert found.bands.truth.tolist() == [2 * (9 * 4 - 7 * 2)]
    assert found.iou.tolist() == [1]
    assert found.paper.truth.tolist() == found.bands.truth.tolist() == found.bands.pred.tolist()
    assert found.paper.pred.tolist() == [32 - 2], "the frame, less the two void pixels in it"


def test_widths_follow_the_diagonal() -> None:
    assert band_width(1024, 2048) == round(0.02 * math.hypot(1024, 2048)) == 46
    assert band_width(3, 4) == tolerance(3, 4) == 1
    assert tolerance(1024, 2048) == 17
    truth = np.random.default_rng(0).integers(0, 2, (200, 300)).astype(np.uint8)
    whole, same = (Boundary.of(truth, truth, labels(2), width=w) for w in (None, 7))
    np.testing.assert_array_equal(whole.counts, same.counts)
    with pytest.raises(OptionError, match="--boundary-width 0: must be 1 or more"):
        Boundary.of(truth, truth, labels(2), width=0)


def test_a_band_wider_than_the_image_is_all_of_it() -> None:
    truth = np.zeros((5, 7), np.uint8)
    for width in (4, 100, 2**40):
        assert Boundary.of(truth, truth, labels(1), width=width).bands.truth.tolist() == [35]


def test_counts_are_summed_over_the_set() -> None:
    """Not the mean of the images' scores."""
    a, b = np.zeros((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    a[2:8, 2:8] = 1
    b[3:9, 3:9] = 1
    parts = [Boundary.of(a, a, labels(3), width=1), Boundary.of(a, b, labels(3), width=1)]
    both = parts[0] + parts[1]
    assert both.iou[1] == (20 + 2) / (20 + 38), "two frames of 20 pixels that meet in 2"
    assert np.isnan(both.iou[2])
    nothing = np.empty((0, 4), np.uint8)
    assert not Boundary.of(nothing, nothing, labels(3)).counts.any()


def test_boundary_f_by_hand() -> None:
    """Two half planes whose border is moved by one pixel are near; by four, they are not."""
    truth = np.zeros((40, 40), np.uint8)
    truth[:, 20:] = 1
    for moved, expected in ((0, 1.0), (1, 1.0), (4, 0.0)):
        pred = np.roll(truth, moved, 1)
        pred[:, :10] = 0
        assert Boundary.of(truth, pred, labels(2), contours=True).f.tolist() == [expected] * 2
    alone = Boundary.of(np.zeros((9, 9), np.uint8), np.zeros((9, 9), np.uint8), labels(2), contours=True)
    assert np.isnan(alone.f).all(), "no contour on either side"


def test_a_disc_is_round_and_begins_at_its_middle() -> None:
    assert disc(1).tolist() == [[0, 0], [-1, 0], [0, -1], [0, 1], [1, 0]]
    assert len(disc(17)) == sum(1 for y in range(-17, 18) for x in range(-17, 18) if y * y + x * x <= 289)


@pytest.mark.data
def test_real_masks(shared_data: Path) -> None:
    paths = sorted((shared_data / "camvid" / "valannot").glob("*.png"))[:3]
    real = [np.where(mask == 11, 255, mask).astype(np.uint8) for mask in map(read_mask, paths)]
    width = band_width(*real[0].shape)
    for truth, pred in ((real[0], real[1]), (real[1], real[2])):
        found = Boundary.of(truth, pred, labels(11))
        np.testing.assert_array_equal(found.counts[:, :3], bands_by_erosion(truth, pred, 11, 255, width))
