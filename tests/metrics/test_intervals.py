"""Intervals against leaving units out one by one, and against what statistics says of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.labels import Labels
from segdata.metrics import intervals
from segdata.metrics.confusion import Confusion, Tally, pair_counts
from segdata.metrics.intervals import FEWEST, Columns, spread
from segdata.metrics.student import t_below, t_quantile

LABELS = Labels.of(["a", "b", "c", "d"])

SCORES = ("iou", "dice", "mean_iou", "mean_dice", "mean_accuracy", "pixel_accuracy", "frequency_weighted_iou")


def images(count: int, seed: int = 0) -> tuple[list[np.ndarray], list[Confusion]]:
    """Pairs and matrices of noisy images; class d is in some alone."""
    rng = np.random.default_rng(seed)
    pairs, matrices = [], []
    for i in range(count):
        truth = rng.choice([0, 1, 2, 255, *([3] if i % 3 == 0 else [])], (8, 9)).astype(np.uint8)
        pred = np.where(rng.random((8, 9)) < 0.7, np.where(truth == 255, 0, truth), rng.integers(0, 3, (8, 9)))
        pred[0, 0] = 255
        pairs.append(pair_counts(truth, pred, LABELS))
        matrices.append(Confusion.of(truth, pred, LABELS))
    return pairs, matrices


def columns_of(truth: list[list[int]], hits: list[list[int]]) -> Columns:
    """From pixels by unit and class; the pixels that are missed go to the next class, if it is there."""
    t, h = np.array(truth), np.array(hits)
    return Columns.from_counts(np.stack([h, t, h], axis=1))


def dense(columns: Columns) -> np.ndarray:
    """(U, 3, K), from the entries."""
    out = np.zeros((columns.units, 3, columns.classes), int)
    out[columns.unit, :, columns.class_id] = columns.tally.stacked.T
    return out


def test_columns_are_the_tallies_of_the_images() -> None:
    pairs, matrices = images(7)
    columns = Columns.of(pairs, 4)
    np.testing.assert_array_equal(dense(columns), [m.tally.stacked for m in matrices])
    assert columns.mean_iou.tolist() == pytest.approx([m.mean_iou for m in matrices])
    assert columns.total.iou.tolist() == pytest.approx(sum(matrices, Confusion.empty(4)).iou.tolist())
    pooled = dense(columns.summed(np.array([0, 1, 0, 1, 0, 1, 0]), 2))
    assert pooled[1, 1].tolist() == (matrices[1] + matrices[3] + matrices[5]).tally.truth.tolist()


@pytest.mark.parametrize("cells", [1, 8, 20])
def test_columns_are_counted_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    pairs, matrices = images(7)
    monkeypatch.setattr(intervals, "CELLS", cells)
    order = np.random.default_rng(0).permutation(sum(map(len, pairs)))
    unit = np.repeat(np.arange(7), [len(rows) for rows in pairs])
    columns = Columns.of_rows(unit[order], np.concatenate(pairs)[order], 7, 4)
    np.testing.assert_array_equal(dense(columns), [m.tally.stacked for m in matrices])


def test_columns_of_counts_are_those_of_pairs() -> None:
    pairs, matrices = images(5)
    one, two = Columns.of(pairs, 4), Columns.from_counts(np.stack([matrix.tally.stacked for matrix in matrices]))
    assert (one.unit.tolist(), one.class_id.tolist()) == (two.unit.tolist(), two.class_id.tolist())
    np.testing.assert_array_equal(one.tally.stacked, two.tally.stacked)
    assert (one.units, one.classes) == (two.units, two.classes)


@pytest.mark.parametrize("score", SCORES)
def test_errors_are_those_of_leaving_out_each_image(score: str) -> None:
    """By summing matrices anew without each image; all classes are in three images or more."""
    pairs, matrices = images(9)
    whole = sum(matrices, Confusion.empty(4)).tally
    others = [sum(matrices[:i] + matrices[i + 1 :], Confusion.empty(4)).tally for i in range(9)]
    found = spread(Columns.of(pairs, 4), score)
    value = np.atleast_1d(getattr(whole, score))
    assert found.value.tolist() == pytest.approx(value.tolist())
    expected = np.sqrt(sum((value - np.atleast_1d(getattr(other, score))) ** 2 for other in others))
    assert found.error.tolist() == pytest.approx(expected.tolist())


def test_the_interval_of_a_mean_is_the_one_of_statistics() -> None:
    """Images of one class and equal size, right or wrong as a whole: pixel accuracy is a mean, whose error is known."""
    n, right = 400, 300
    hits = np.repeat([10, 0], [right, n - right])
    tally = Tally(hits, np.full(n, 10), hits)
    columns = Columns(np.arange(n), np.zeros(n, int), tally, n, 1)
    low, high = spread(columns, "pixel_accuracy").interval()[:, 0]
    error = 1.96 * np.sqrt(0.75 * 0.25 / n)
    assert low == pytest.approx(0.75 - error, abs=0.004)
    assert high == pytest.approx(0.75 + error, abs=0.004)


counts = st.integers(3, 9).flatmap(
    lambda units: st.lists(
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=3),
        min_size=units,
        max_size=units,
    )
)


@given(counts, st.sampled_from(SCORES))
def test_an_interval_contains_its_score_and_stays_within_0_and_1(
    given_counts: list[list[tuple[int, int, int]]], score: str
) -> None:
    parts = np.array(given_counts).transpose(0, 2, 1)  # (U, 3, K): hits, misses, false alarms
    tallies = np.stack([parts[:, 0], parts[:, 0] + parts[:, 1], parts[:, 0] + parts[:, 2]], axis=1)
    found = spread(Columns.from_counts(tallies), score)
    low, high = found.interval()
    known = ~np.isnan(low)
    assert (np.isnan(low) == np.isnan(high)).all()
    assert (known == (~np.isnan(found.value) & (found.units >= FEWEST))).all()
    assert (low[known] >= 0).all()
    assert (high[known] <= 1).all()
    assert ((low <= found.value) & (found.value <= high))[known].all()


def test_a_class_in_two_images_has_no_interval_and_makes_that_of_the_mean_wide() -> None:
    """Not the interval of the other classes, which draws without it would give."""
    truth = [[10, 10 if i < 2 else 0] for i in range(40)]
    columns = columns_of(truth, [[9, 0] for _ in truth])
    low, high = spread(columns, "iou").interval()
    assert np.isnan([low[1], high[1]]).all()
    assert (low[0], high[0]) == pytest.approx((9 / 11, 9 / 11)) or low[0] <= 0.9 <= high[0]
    found = spread(columns, "mean_iou")
    assert found.error[0] == pytest.approx(math.sqrt(1 / 12) / 2)
    low, high = found.interval()[:, 0]
    assert low < 0.25 < found.value[0] < 0.7 < high


def test_a_class_that_is_gone_counts_as_0() -> None:
    columns = columns_of([[10, 0], [10, 0], [10, 0], [10, 8]], [[10, 0], [10, 0], [10, 0], [10, 4]])
    alone = spread(columns, "mean_iou", paired=True)
    assert alone.error[0] == pytest.approx((4 / 8) / 2), "without the last image its class has 0, not no score"
    assert spread(columns, "mean_iou").error[0] == pytest.approx(math.sqrt(1 / 12) / 2), "it is in one image alone"


def test_a_difference_is_paired() -> None:
    """One side is better by the same in every image: no image matters for the difference, though it does for each side."""
    truth = [[10], [20], [30], [40]]
    sides = [columns_of(truth, [[t[0] * part // 10] for t in truth]) for part in (8, 7)]
    one, two = (spread(side, "mean_accuracy", paired=True) for side in sides)
    found = one - two
    assert found.value[0] == pytest.approx(0.1)
    assert found.error[0] == pytest.approx(0, abs=1e-12)
    same = one - one
    assert same.interval().tolist() == [[0], [0]]
    assert same.sureness().tolist() == [0.5]


def test_sureness_is_the_level_whose_interval_ends_at_0() -> None:
    pairs = [images(8, seed)[0] for seed in (0, 3)]
    found = spread(Columns.of(pairs[0], 4), "mean_iou", paired=True) - spread(Columns.of(pairs[1], 4), "mean_iou")
    sure = float(found.sureness()[0])
    ends = found.interval(level=abs(2 * sure - 1))[:, 0]
    assert min(abs(ends)) == pytest.approx(0, abs=1e-9)


def test_of_few_units_there_is_no_interval() -> None:
    for count in (0, 1, 2):
        columns = Columns.of(images(count)[0], 4)
        for score in SCORES:
            assert np.isnan(spread(columns, score).interval()).all()
            assert np.isnan(spread(columns, score).sureness()).all()
    assert not np.isnan(spread(Columns.of(images(3)[0], 4), "mean_iou").interval()).any()


@pytest.mark.parametrize(
    ("freedom", "expected"),
    [(1, 12.706205), (2, 4.302653), (3, 3.182446), (9, 2.262157), (29, 2.045230), (120, 1.979930), (10**6, 1.959966)],
)
def test_quantiles_are_those_of_the_tables(freedom: int, expected: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(expected, abs=1e-6)
    assert t_quantile(0.025, freedom) == pytest.approx(-expected, abs=1e-6)
    assert t_below(expected, freedom) == pytest.approx(0.975, abs=1e-7)
    assert t_below(0, freedom) == 0.5


def test_a_mean_rests_on_the_units_of_the_classes_that_make_it_unsure() -> None:
    """Forty images of a class that is told alike in each: few matter if most of the error is of a class in eight of them."""
    truth = [[100, 50 if i < 8 else 0] for i in range(40)]
    sure = columns_of(truth, [[90 - 20 * (i % 2), 40 - i % 2 if i < 8 else 0] for i in range(40)])
    unsure = columns_of(truth, [[90 - i % 2, 50 * (i % 2) if i < 8 else 0] for i in range(40)])
    even = columns_of([[100, 50]] * 40, [[90 - i % 5, 40 - i % 3] for i in range(40)])
    found = [int(spread(columns, "mean_iou").units[0]) for columns in (sure, unsure, even)]
    assert 5 <= found[1] <= 9 < found[0]
    assert found[2] == 40
