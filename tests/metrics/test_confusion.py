"""The confusion matrix and its scores against loops, NumPy and what is worked out by hand."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.files.images import read_mask
from segdata.labels import Labels
from segdata.metrics.confusion import Confusion, mean, pair_counts


def labels(classes: int) -> Labels:
    return Labels.of([f"class {i}" for i in range(classes)])


def plain(truth: NDArray[Any], pred: NDArray[Any], classes: int, ignore: int) -> NDArray[np.int64]:
    """The definition, pixel by pixel."""
    counts = np.zeros((classes, classes + 1), np.int64)
    for t, p in zip(truth.ravel().tolist(), pred.ravel().tolist(), strict=True):
        if t != ignore:
            counts[t, classes if p == ignore else p] += 1
    return counts


@st.composite
def masks(draw: st.DrawFn) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Truth and prediction of runs, as label maps are, in 8 and 16 bits, and how many classes there are."""
    classes = draw(st.sampled_from([1, 2, 5, 63, 64, 65, 255, 256, 1230]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    names = labels(classes)
    n = draw(st.integers(0, 300))

    def one() -> NDArray[Any]:
        values = rng.integers(0, classes, 40).astype(names.dtype)
        values[rng.random(40) < 0.2] = names.ignore
        return np.resize(np.repeat(values, rng.integers(1, 1 + draw(st.sampled_from([1, 5, 40])), 40)), n)

    return one(), one(), classes


@given(masks())
def test_it_counts_what_a_loop_counts(case: tuple[NDArray[Any], NDArray[Any], int]) -> None:
    truth, pred, classes = case
    found = Confusion.of(truth, pred, labels(classes))
    np.testing.assert_array_equal(found.counts, plain(truth, pred, classes, labels(classes).ignore))
    assert found.total == (truth != labels(classes).ignore).sum()


@given(masks(), st.integers(0, 300))
def test_parts_add_up_to_the_whole(case: tuple[NDArray[Any], NDArray[Any], int], cut: int) -> None:
    truth, pred, classes = case
    parts = [Confusion.of(truth[part], pred[part], labels(classes)) for part in (slice(cut), slice(cut, None))]
    assert sum(parts, Confusion.empty(classes)) == Confusion.of(truth, pred, labels(classes))


def test_other_layouts_and_integers_count_the_same() -> None:
    """A transposed view, booleans, and the int64 that argmax gives."""
    rng = np.random.default_rng(0)
    truth, pred = rng.integers(0, 3, (2, 20, 30)).astype(np.uint8)
    whole = Confusion.of(truth, pred, labels(3))
    assert Confusion.of(truth.T, pred.T, labels(3)) == whole
    assert Confusion.of(truth[::-1], pred.astype(np.int64)[::-1], labels(3)) == whole
    assert Confusion.of(truth == 1, pred == 1, labels(2)).counts.sum() == 600


def test_what_cannot_be_is_refused() -> None:
    good = np.zeros((4, 6), np.uint8)
    for truth, pred, message in (
        (good, good[:3], "truth is 6 x 4, the prediction 6 x 3: they must be of one size"),
        (good, good + 7, "the prediction has values that are no class: 7"),
        (good + 254, good, "truth has values that are no class: 254"),
        (good, good.astype(int) - 1, "the prediction has values that are no class: -1"),
        (good, good.astype(int) + 300, "the prediction has values that are no class: 300"),
        (good, good.astype(float), "the prediction is of dtype float64"),
    ):
        with pytest.raises(ValueError, match=message):
            Confusion.of(truth, pred, labels(3))
    with pytest.raises(ValueError, match="truth has values that are no class: 300"):
        Confusion.of(np.full(9, 300, np.uint16), np.zeros(9, np.uint16), labels(290))


def test_scores_by_hand() -> None:
    """Class 0: 6 of 8 found, 2 missed (one rejected), 1 false; class 1: 1 of 2; class 2 only predicted; class 3 in neither."""
    counts = np.array([[6, 1, 0, 0, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    counts[0, 2], counts[0, 0] = 1, 5
    found = Confusion(counts)
    assert found.iou.tolist()[:3] == [5 / 9, 1 / 3, 0]
    assert np.isnan(found.iou[3])
    assert found.dice.tolist()[:3] == [10 / 14, 2 / 4, 0]
    assert found.precision.tolist()[:3] == [5 / 6, 1 / 2, 0]
    assert found.recall.tolist()[:2] == [5 / 8, 1 / 2]
    assert np.isnan(found.recall[2:]).all(), "no true pixel, no recall"
    assert found.mean_iou == pytest.approx((5 / 9 + 1 / 3 + 0) / 3)
    assert found.mean_accuracy == pytest.approx((5 / 8 + 1 / 2) / 2)
    assert found.pixel_accuracy == 6 / 10
    assert found.frequency_weighted_iou == pytest.approx((8 * 5 / 9 + 2 * 1 / 3) / 10)
    assert (found.rejected, found.total, found.absent) == (1, 10, [3])


def test_nothing_has_no_score() -> None:
    found = Confusion.of(np.full((3, 3), 255, np.uint8), np.zeros((3, 3), np.uint8), labels(2))
    assert found == Confusion.empty(2)
    for value in (found.mean_iou, found.mean_accuracy, found.pixel_accuracy, found.frequency_weighted_iou, *found.iou):
        assert np.isnan(value)
    assert found.absent == [0, 1]


def test_a_constant_prediction() -> None:
    truth = np.repeat(np.array([0, 1, 2], np.uint8), [10, 70, 20])
    found = Confusion.of(truth, np.ones(100, np.uint8), labels(3))
    assert found.iou.tolist() == [0, 0.7, 0]
    assert (found.pixel_accuracy, found.mean_accuracy) == (0.7, pytest.approx(1 / 3))


def test_counts_beyond_what_floats_hold() -> None:
    """2^24 + 1 is lost in float32, and 2^53 + 1 in float64: sums stay whole."""
    one = Confusion(np.array([[2**53, 1, 0], [0, 2**24 + 1, 0]]))
    whole = one + one + Confusion(np.array([[1, 0, 0], [0, 0, 0]]))
    assert whole.counts.tolist() == [[2**54 + 1, 2, 0], [0, 2**25 + 2, 0]]
    big = np.zeros(2**24 + 3, np.uint8)
    assert Confusion.of(big, big, labels(2)).counts[0, 0] == 2**24 + 3


def test_groups_of_classes() -> None:
    """Confusions inside a group are right; true pixels of a class without one are away, predicted ones are missed."""
    counts = np.arange(1, 21).reshape(4, 5)
    found = Confusion(counts).merge([0, 0, 1, None])
    assert found.counts.tolist() == [[1 + 2 + 6 + 7, 3 + 8, 4 + 5 + 9 + 10], [11 + 12, 13, 14 + 15]]
    assert Confusion(counts).merge([0, 1, 2, 3]) == Confusion(counts)


def test_pairs_hold_void_of_truth_too() -> None:
    truth = np.array([255, 255, 0, 1], np.uint8)
    pred = np.array([0, 255, 255, 1], np.uint8)
    assert pair_counts(truth, pred, labels(2)).tolist() == [[0, 255, 1], [1, 1, 1], [255, 0, 1], [255, 255, 1]]


def test_the_mean_leaves_out_what_is_not() -> None:
    assert mean(np.array([1.0, np.nan, 0.5])) == 0.75
    assert np.isnan(mean(np.array([np.nan])))


@pytest.mark.data
def test_real_masks_agree_with_numpy(shared_data: Path) -> None:
    """CamVid's masks against their neighbours in time, which are like predictions: much the same, much not."""
    paths = sorted((shared_data / "camvid" / "valannot").glob("*.png"))[:20]
    real = [np.where(mask == 11, 255, mask).astype(np.uint8) for mask in map(read_mask, paths)]
    found, expected = Confusion.empty(11), np.zeros((256, 256), np.int64)
    for truth, pred in pairwise(real):
        found += Confusion.of(truth, pred, labels(11))
        expected += np.bincount(truth.ravel().astype(int) * 256 + pred.ravel(), minlength=2**16).reshape(256, 256)
    np.testing.assert_array_equal(found.counts, expected[:11][:, [*range(11), 255]])
    assert 0.2 < found.mean_iou < 0.9
