"""clDice: skeletons against scikit-image's own, against full passes without shortcuts, and by hand."""

from __future__ import annotations

import json
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.files.images import read_mask
from segdata.labels import Labels
from segdata.metrics.base import Case
from segdata.metrics.cldice import ClDice, measure, removable, skeletons

Array = NDArray[Any]

HERE = Path(__file__).parent / "golden"
GOLDEN = json.loads((HERE / "objects.json").read_text())
"""What scikit-image says, by tools/bench/golden_objects.py."""

AROUND = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]


def labels(classes: int) -> Labels:
    return Labels.of([f"class {i}" for i in range(classes)])


def by_passes(binary: Array) -> Array:
    """The skeleton of one class: all pixels are looked at in every pass, until two in a row take none away."""
    padded = np.pad(binary, 1)
    idle = turn = 0
    while idle < 2:
        near = sum(np.roll(padded, (-y, -x), (0, 1)).astype(int) << bit for bit, (y, x) in enumerate(AROUND))
        lost = padded & removable()[turn % 2][near]
        padded, turn, idle = padded & ~lost, turn + 1, 0 if lost.any() else idle + 1
    return padded[1:-1, 1:-1]


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 20), st.integers(1, 20)), st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 6]),
    st.sampled_from([2, 300]),
)  # fmt: skip
def test_each_class_is_thinned_alone(shape: tuple[int, int], seed: int, scale: int, classes: int) -> None:
    """All at once, and only beside what was lost, gives what full passes over one class give."""
    rng, names = np.random.default_rng(seed), labels(classes)
    small = rng.choice([0, 1, classes - 1, names.ignore], (-(-shape[0] // scale), -(-shape[1] // scale)))
    mask = np.kron(small, np.ones((scale, scale), int))[: shape[0], : shape[1]].astype(names.dtype)
    before = mask.copy()
    found = skeletons(mask, names.ignore)
    np.testing.assert_array_equal(mask, before, "the mask stays as it is")
    assert found.dtype == mask.dtype
    for value in (0, 1, classes - 1):
        np.testing.assert_array_equal(found == value, by_passes(mask == value))


def as_skimage(pairs: list[tuple[Array, Array]], answers: list[dict[str, Any]], classes: int) -> None:
    """Each pixel of each skeleton, the counts, and the score of the makers' formula where it has one."""
    for (truth, pred), answer in zip(pairs, answers, strict=True):
        found = ClDice.of(truth, pred, labels(classes))
        sides = [skeletons(one, 255) for one in (np.where(truth == 255, truth, pred), truth)]
        assert {str(c) for c in range(classes) if (truth == c).any() or (sides[0] == c).any()} <= answer.keys()
        for c, (*counts, score, given_, true) in answer.items():
            sums = [zlib.crc32(np.packbits(side == int(c)).tobytes()) for side in sides]
            assert sums == [given_, true]
            assert found.counts[int(c)].tolist() == counts
            if score is not None:
                assert found.cldice[int(c)] == pytest.approx(score, rel=0, abs=1e-12)


def test_scikit_image_itself_says_the_same() -> None:
    with np.load(HERE / "objects.npz") as drawn:
        pairs = list(zip(drawn["truth"], drawn["pred"], strict=True))
    as_skimage(pairs, GOLDEN["drawn"]["clDice"], 5)


@pytest.mark.data
def test_scikit_image_says_the_same_of_real_masks(shared_data: Path) -> None:
    read = [read_mask(shared_data / "camvid/valannot" / name) for name in GOLDEN["camvid"]["files"]]
    real = [np.where(mask == 11, 255, mask).astype(np.uint8) for mask in read]
    as_skimage(list(pairwise(real)), GOLDEN["camvid"]["clDice"], 11)


def test_a_line_of_any_width_is_its_middle() -> None:
    mask = np.full((20, 40), 255, np.uint8)
    mask[5:14, 3:37] = 0
    rows, columns = np.nonzero(skeletons(mask, 255) == 0)
    assert set(rows.tolist()) <= {8, 9, 10}
    assert len(rows) == len(set(columns.tolist())), "one pixel wide"
    assert skeletons(np.full((1, 1), 7, np.uint8), 255).tolist() == [[7]], "a single pixel stays"
    line = np.full((3, 9), 255, np.uint8)
    line[1, 2:7] = 1
    np.testing.assert_array_equal(skeletons(line, 255), line)


def road(width: int, gap: int = 0) -> Array:
    mask = np.zeros((40, 100), np.uint8)
    mask[20 - width : 20 + width + 1, 10:90] = 1
    mask[:, 50 : 50 + gap] = 0
    return mask


def test_width_does_not_count_but_a_gap_does() -> None:
    truth = road(4)
    thin = ClDice.of(truth, road(1), labels(2))
    assert thin.precision[1] == 1
    assert thin.sensitivity[1] > 0.97
    assert thin.cldice[1] > 0.98
    gap = ClDice.of(truth, road(4, gap=20), labels(2))
    assert gap.precision[1] == 1
    assert gap.sensitivity[1] == pytest.approx(1 - 20 / gap.counts[1, 2])


def test_a_class_without_a_skeleton() -> None:
    """In neither side it has no score; in one alone it has 0, where the makers' formula divides 0 by 0."""
    found = ClDice.of(road(2), np.zeros((40, 100), np.uint8), labels(3))
    np.testing.assert_array_equal(found.cldice[1:], [0, np.nan])
    np.testing.assert_array_equal(found.precision[1:], [np.nan, np.nan])
    np.testing.assert_array_equal(found.sensitivity[1:], [0, np.nan])
    nothing = ClDice.of(np.zeros((0, 5), np.uint8), np.zeros((0, 5), np.uint8), labels(2))
    assert not nothing.counts.any()


def test_what_is_right_in_every_labelled_pixel_has_1() -> None:
    """Whatever the prediction is where truth ignores it."""
    truth = road(3)
    truth[15:22, 40:60] = 255
    for filled in (0, 1, 2, 255):
        pred = np.where(truth == 255, np.uint8(filled), truth)
        found = ClDice.of(truth, pred, labels(3))
        assert found.cldice[:2].tolist() == [1, 1]
        assert np.isnan(found.cldice[2])


def test_a_prediction_that_rejects_has_no_skeleton_there() -> None:
    pred = road(3)
    pred[:, 50:] = 255
    found = ClDice.of(road(3), pred, labels(2))
    assert found.precision[1] == 1
    assert 0.4 < found.sensitivity[1] < 0.6


def test_it_must_be_asked_for() -> None:
    case = Case.empty(labels(2))
    assert measure(case) is None
    assert measure(case, cldice=True) is not None
