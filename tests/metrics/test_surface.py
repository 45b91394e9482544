"""Surfaces against their definition by brute force, and against what DeepMind's and MONAI's libraries answered."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.errors import DataError, OptionError
from segdata.files.images import read_mask
from segdata.labels import Labels
from segdata.metrics.base import Case
from segdata.metrics.surface import Surface, measure, read_tolerance
from surface_files import CASES, CLASSES, surface_case

Array = NDArray[Any]

GOLDEN = json.loads((Path(__file__).parent / "golden" / "surface.json").read_text())


def labels(classes: int) -> Labels:
    return Labels.of([f"class {i}" for i in range(classes)])


def scores(found: Surface) -> Array:
    """(K, 3): surface Dice, Hausdorff 95, ASSD."""
    return np.stack([score.values for score in found.by_class()], axis=1)


@pytest.mark.parametrize("name", CASES)
def test_deepmind_says_the_same(name: str) -> None:
    """Lengths, distances and percentiles of one class in one image; pixels with two sides too."""
    steps, tolerance = CASES[name]
    found = Surface.of(*surface_case(name), labels(CLASSES), tolerance, "m", steps)
    expected = np.array(GOLDEN["surface_distance"][name], float)
    assert np.isfinite(expected).any()
    np.testing.assert_allclose(scores(found), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_monai_has_the_same_surface_dice(name: str) -> None:
    """Its distances are others: between pixels at edges, not between surface elements."""
    steps, tolerance = CASES[name]
    found = Surface.of(*surface_case(name), labels(CLASSES), tolerance, "m", steps)
    expected = np.array(GOLDEN["monai"][name], float)
    np.testing.assert_allclose(scores(found)[:, 0], expected, rtol=0, atol=1e-5)


def elements(held: Array, steps: tuple[float, float]) -> list[tuple[float, float, float]]:
    """(y, x, length) of the surface of a mask, corner by corner."""
    around = np.pad(held.astype(int), 1)
    out = []
    for y in range(around.shape[0] - 1):
        for x in range(around.shape[1] - 1):
            four = around[y : y + 2, x : x + 2]
            if not 0 < four.sum() < 4:
                continue
            diagonal = math.hypot(*steps)
            if four.sum() != 2:
                length = diagonal / 2
            elif four[0, 0] == four[1, 1]:
                length = diagonal
            else:
                length = steps[1] if four[0, 0] == four[0, 1] else steps[0]
            out.append((y * steps[0], x * steps[1], length))
    return out


def by_hand(truth: Array, pred: Array, steps: tuple[float, float], tolerance: float) -> list[float]:
    """Of two masks of one class: surface Dice, ASSD, and the bounds of Hausdorff 95, as rounding may decide at 95 %."""
    sides = [elements(truth, steps), elements(pred, steps)]
    if not any(sides):
        return [math.nan] * 4
    near = whole = total = 0.0
    low, high = [], []
    for own, other in (sides, sides[::-1]):
        found = sorted(
            (min((math.hypot(y - v, x - u) for v, u, _ in other), default=math.inf), length) for y, x, length in own
        )
        near += sum(length for distance, length in found if distance <= tolerance)
        total += sum(length * distance for distance, length in found if other)
        reached = np.cumsum([length for _, length in found])
        for ends, slack in ((low, -1e-9), (high, 1e-9)):
            place = int(np.searchsorted(reached, 0.95 * (reached[-1] if found else 0) + slack))
            ends.append(found[min(place, len(found) - 1)][0] if found else 0)
        whole += sum(length for _, length in found)
    if not all(sides):
        return [near / whole, *[math.nan] * 3]
    return [near / whole, total / whole, max(low), max(high)]


@st.composite
def masks(draw: st.DrawFn) -> tuple[Array, Array, int]:
    """Truth and prediction of blobs, in 8 and 16 bits, with ignored pixels in both."""
    classes = draw(st.sampled_from([1, 3, 300]))
    names = labels(classes)
    shape = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([1, 3, 6]))

    def one() -> Array:
        small = rng.integers(0, min(classes, 3), (-(-shape[0] // scale), -(-shape[1] // scale))) * (classes // 3 or 1)
        small = np.minimum(small, classes - 1)
        small[rng.random(small.shape) < 0.15] = names.ignore
        return np.kron(small, np.ones((scale, scale), int))[: shape[0], : shape[1]].astype(names.dtype)

    return one(), one(), classes


@settings(max_examples=40)
@given(masks(), st.sampled_from([(1.0, 1.0), (0.5, 2.0), (1.0, 0.3)]), st.sampled_from([0.0, 0.7, 1.0, 2.5]))
def test_they_are_what_the_definition_says(
    case: tuple[Array, Array, int], steps: tuple[float, float], tolerance: float
) -> None:
    """What truth ignores is no class on either side."""
    truth, pred, classes = case
    names = labels(classes)
    found = scores(Surface.of(truth, pred, names, tolerance, "m", steps))
    known = truth != names.ignore
    held = np.unique(np.concatenate([truth[known], pred[known]]))
    for class_id in (int(i) for i in held if i != names.ignore):
        expected = by_hand((truth == class_id) & known, (pred == class_id) & known, steps, tolerance)
        assert found[class_id, [0, 2]].tolist() == pytest.approx(expected[:2], abs=1e-9, nan_ok=True)
        if not math.isnan(expected[2]):
            assert expected[2] - 1e-9 <= found[class_id, 1] <= expected[3] + 1e-9
    assert np.isnan(np.delete(found, held[held < classes], axis=0)).all()


@settings(max_examples=30)
@given(masks())
def test_what_is_right_in_every_labelled_pixel_is_perfect(case: tuple[Array, Array, int]) -> None:
    """Whatever is predicted where truth is ignored."""
    truth, other, classes = case
    names = labels(classes)
    found = scores(Surface.of(truth, np.where(truth == names.ignore, other, truth), names, 0.0))
    known = ~np.isnan(found[:, 0])
    assert set(np.flatnonzero(known).tolist()) == {int(v) for v in np.unique(truth) if v != names.ignore}
    assert found[known].tolist() == [[1.0, 0.0, 0.0]] * int(known.sum())


def test_an_outline_that_is_moved() -> None:
    """Two half planes: the border moves by 3 px, the rest of the outline is the image's edge."""
    truth = np.zeros((20, 30), np.uint8)
    truth[:, 15:] = 1
    pred = np.roll(truth, 3, 1)
    pred[:, :10] = 0
    found = Surface.of(truth, pred, labels(2), 2.0)
    assert found.hausdorff.tolist() == [3.0, 3.0]
    whole = 2 * (14 + 19) + 2 * (11 + 19) + 8 * math.sqrt(0.5)
    far = 19 + 2 * math.sqrt(0.5) + 15  # truth's border with its ends, and all of the prediction's that no edge is near
    assert found.sums[1, 1] == pytest.approx(whole)
    assert found.dice[1] == pytest.approx(1 - far / whole)


def test_sets_sum_lengths_and_average_distances() -> None:
    """Surface Dice is one fraction of the set; a distance is the mean of the images that have the class on both sides."""
    parts = [Surface.of(*surface_case(name), labels(CLASSES), 1.0) for name in ("blobs", "ragged", "one side")]
    whole = reduce(add, parts)
    near, length = (sum(part.sums[:, i] for part in parts) for i in (0, 1))
    np.testing.assert_allclose(whole.dice[:3], near[:3] / length[:3])
    assert np.isnan(whole.dice[3])
    each = np.array([part.hausdorff for part in parts])
    np.testing.assert_allclose(whole.hausdorff[:3], np.nanmean(each[:, :3], axis=0))
    assert whole.to_json()["surface"]["classes"][1] == {
        "id": 1, "name": "class 1", "images": 2, "only_truth": 0, "only_pred": 1,
    }  # fmt: skip
    assert "class 1 1" in whole.lines()[1]
    assert "class 2 1" in whole.lines()[1]
    assert whole.sections()[0].table[2] == ["class 1", 2, 0, 1]


def test_a_class_on_one_side_is_missed_and_has_no_distance() -> None:
    truth = np.zeros((9, 9), np.uint8)
    pred = truth.copy()
    pred[3:6, 3:6] = 1
    found = scores(Surface.of(truth, pred, labels(2), 100.0))
    assert found[1].tolist() == pytest.approx([0, math.nan, math.nan], nan_ok=True)
    assert found[0, 0] == 1, "its edge is near everywhere"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2", (2, "px")),
        (2, (2, "px")),
        (1.5, (1.5, "px")),
        ("3px", (3, "px")),
        (" .5 m ", (0.5, "m")),
        ("0", (0, "px")),
    ],
)
def test_tolerances(text: str, expected: tuple[float, str]) -> None:
    assert read_tolerance(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "2 cm", "m", "1e3", "two", "9" * 400])
def test_what_is_no_tolerance_is_refused(text: str) -> None:
    with pytest.raises(
        OptionError, match=r"must be a number of pixels, such as 2, or of metres on the ground, such as 0\.5m"
    ):
        read_tolerance(text)


def test_options_that_do_not_go_together() -> None:
    case = Case(*surface_case("blobs"), labels(CLASSES))
    assert measure(case) is None
    with pytest.raises(OptionError, match="--tolerance is for surface Dice: give --surface too"):
        measure(case, tolerance="2")
    known: list[Callable[[], tuple[float, float] | None] | None] = [None, lambda: None, lambda: (0.0, 1.0)]
    for ground in known:
        unplaced = Case(case.truth, case.pred, case.labels, ground=ground)
        with pytest.raises(DataError, match="give pixels, such as --tolerance 2"):
            measure(unplaced, surface=True, tolerance="2m")
        assert measure(unplaced, surface=True, tolerance="2") is not None
    placed = Case(case.truth, case.pred, case.labels, ground=lambda: (0.5, 2.0))
    found = measure(placed, surface=True, tolerance="1.5m")
    assert found is not None
    expected = Surface.of(case.truth, case.pred, case.labels, 1.5, "m", (0.5, 2.0))
    np.testing.assert_array_equal(found.sums, expected.sums)
    assert found.by_class()[1].heading == "Hausdorff 95 (m)"


@pytest.mark.data
def test_real_masks(shared_data: Path) -> None:
    """Corners by NumPy, distances by OpenCV's transform, which is exact in 32 bits."""
    import cv2

    paths = sorted((shared_data / "camvid" / "valannot").glob("*.png"))[:2]
    truth, pred = (np.where(mask == 11, 255, mask).astype(np.uint8) for mask in map(read_mask, paths))
    found = scores(Surface.of(truth, pred, labels(11), 5.0))
    known = truth != 255
    for class_id in range(11):
        maps, sums = [], []
        for side in (truth, pred):
            around = np.pad((side == class_id) & known, 1).astype(int)
            four = around[:-1, :-1] + around[:-1, 1:] + around[1:, :-1] + around[1:, 1:]
            across = around[:-1, :-1] == around[1:, 1:]
            turned = four == 2
            length = np.where(turned, np.where(across, math.sqrt(2), 1.0), math.sqrt(0.5))
            maps.append((four > 0) & (four < 4))
            sums.append(length)
        if not (maps[0].any() and maps[1].any()):
            continue
        total = near = whole = 0.0
        for own, other, length in ((maps[0], maps[1], sums[0]), (maps[1], maps[0], sums[1])):
            apart = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[own]
            exact = np.sqrt(np.rint(apart.astype(float) ** 2))
            near += length[own][exact <= 5].sum()
            total += (length[own] * exact).sum()
            whole += length[own].sum()
        assert found[class_id, 0] == pytest.approx(near / whole, abs=1e-9)
        assert found[class_id, 2] == pytest.approx(total / whole, abs=1e-9)
