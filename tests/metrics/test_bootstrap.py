"""Bootstrap intervals against drawing images one by one, and against what statistics says of them."""

from __future__ import annotations

import numpy as np
import pytest

from segdata.labels import Labels
from segdata.metrics import bootstrap as intervals
from segdata.metrics.bootstrap import Columns, bootstrap, interval, resamples
from segdata.metrics.confusion import Confusion, Tally, pair_counts

LABELS = Labels.of(["a", "b", "c", "d"])


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


def test_columns_are_the_tallies_of_the_images() -> None:
    pairs, matrices = images(7)
    columns = Columns.of(pairs, 4)
    dense = columns.dense(0, 4)
    for i, matrix in enumerate(matrices):
        for name in ("hits", "truth", "pred"):
            assert getattr(dense, name)[i].tolist() == getattr(matrix.tally, name).tolist()
    assert columns.mean_iou.tolist() == pytest.approx([m.mean_iou for m in matrices])
    assert columns.total.iou.tolist() == pytest.approx(sum(matrices, Confusion.empty(4)).iou.tolist())
    pooled = columns.summed(np.array([0, 1, 0, 1, 0, 1, 0]), 2).dense(0, 4)
    assert pooled.truth[1].tolist() == (matrices[1] + matrices[3] + matrices[5]).tally.truth.tolist()


def test_every_draw_is_the_score_of_the_images_drawn() -> None:
    pairs, matrices = images(6)
    (drawn,) = bootstrap(Columns.of(pairs, 4), draws=20, seed=5)
    weights = np.concatenate([w for _, w in resamples(6, 20, 5)])
    assert weights.sum(axis=1).tolist() == [6] * 20
    for i, row in enumerate(weights.astype(int)):
        whole = sum((m for m, times in zip(matrices, row, strict=True) for _ in range(times)), Confusion.empty(4))
        np.testing.assert_array_equal(drawn.stacked[i], whole.tally.stacked)
        for name in ("mean_iou", "mean_dice", "mean_accuracy", "pixel_accuracy", "frequency_weighted_iou"):
            assert getattr(drawn, name)[i] == pytest.approx(float(getattr(whole.tally, name)))


def test_the_size_of_a_step_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = Columns.of(images(6)[0], 4)
    (whole,) = bootstrap(columns, draws=30, seed=1)
    monkeypatch.setattr(intervals, "CELLS", 13)
    (parts,) = bootstrap(columns, draws=30, seed=1)
    np.testing.assert_array_equal(whole.stacked, parts.stacked)
    assert not np.array_equal(bootstrap(columns, draws=30, seed=2)[0].stacked, whole.stacked)


def test_two_sides_are_drawn_alike() -> None:
    """What is drawn of one side is what is drawn of it alone, so a difference is that of the same images."""
    sides = [Columns.of(images(6, seed)[0], 4) for seed in (0, 1)]
    both = bootstrap(*sides, draws=30, seed=1)
    for side, drawn in zip(sides, both, strict=True):
        np.testing.assert_array_equal(drawn.stacked, bootstrap(side, draws=30, seed=1)[0].stacked)


def test_columns_of_counts_are_those_of_pairs() -> None:
    pairs, matrices = images(5)
    one, two = Columns.of(pairs, 4), Columns.from_counts(np.stack([matrix.tally.stacked for matrix in matrices]))
    assert (one.unit.tolist(), one.class_id.tolist()) == (two.unit.tolist(), two.class_id.tolist())
    np.testing.assert_array_equal(one.tally.stacked, two.tally.stacked)
    assert (one.units, one.classes) == (two.units, two.classes)


def test_the_interval_of_a_mean_is_the_one_of_statistics() -> None:
    """Images of one class and equal size, right or wrong as a whole: pixel accuracy is a mean, whose error is known."""
    n, right = 400, 300
    hits = np.repeat([10, 0], [right, n - right])
    tally = Tally(hits, np.full(n, 10), hits)
    columns = Columns(np.arange(n), np.zeros(n, int), tally, n, 1)
    low, high = interval(bootstrap(columns, draws=4000, seed=0)[0].pixel_accuracy)
    error = 1.96 * np.sqrt(0.75 * 0.25 / n)
    assert low == pytest.approx(0.75 - error, abs=0.004)
    assert high == pytest.approx(0.75 + error, abs=0.004)


def test_classes_that_a_draw_lacks_are_left_out_of_it() -> None:
    draws = np.array([[0.1, np.nan, np.nan], [0.2, 0.5, np.nan], [0.3, np.nan, np.nan]])
    found = interval(draws, level=1.0)
    np.testing.assert_array_equal(found, [[0.1, 0.5, np.nan], [0.3, 0.5, np.nan]])
    assert np.isnan(interval(np.empty(0))).all(), "of no draw there is no interval"
