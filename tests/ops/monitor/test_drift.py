"""Permutation tests: statistics against loops, p against all permutations, and false alarms counted."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.ops.monitor.drift import (
    corrected,
    cramer_von_mises,
    deal,
    distances,
    energy,
    evened,
    inhomogeneity,
    least_p,
)


def criterion(values: np.ndarray, new: np.ndarray) -> float:
    """Anderson's equation 2, value by value."""
    known = np.isfinite(values)
    x, y = values[known & new], values[known & ~new]
    if not len(x) or not len(y):
        return 0.0
    total = sum((np.mean(x <= v) - np.mean(y <= v)) ** 2 for v in values[known])
    return float(total * len(x) * len(y) / (len(x) + len(y)) ** 2)


def sides_of(n: int, count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((count, n)) < 0.4


@settings(max_examples=60)
@given(st.lists(st.one_of(st.integers(0, 4), st.just(math.nan)), min_size=1, max_size=20), st.integers(0, 99))
def test_the_criterion_is_that_of_its_formula(values: list[float], seed: int) -> None:
    """Equal values, lacking ones, and sides that are empty."""
    array, sides = np.array(values, float), sides_of(len(values), 5, seed)
    found = cramer_von_mises(array, sides)
    for side, mine in zip(sides, found, strict=True):
        assert mine == pytest.approx(criterion(array, side), abs=1e-12)


@settings(max_examples=40)
@given(st.integers(2, 12), st.integers(1, 4), st.integers(0, 99))
def test_the_energy_distance_is_that_of_its_formula(n: int, d: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    sides = sides_of(n, 5, seed)
    for side, mine in zip(sides, energy(distances(vectors), sides), strict=True):
        x, y = vectors[side].astype(float), vectors[~side].astype(float)
        if not len(x) or not len(y):
            assert mine == 0
            continue

        def mean(a: np.ndarray, b: np.ndarray) -> float:
            return float(np.mean([np.linalg.norm(p - q) for p in a for q in b]))

        wanted = len(x) * len(y) / n * (2 * mean(x, y) - mean(x, x) - mean(y, y))
        assert mine == pytest.approx(wanted, abs=1e-6)


@pytest.mark.slow
def test_the_criterion_is_scipys_where_no_values_are_equal() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    for n, m in ((5, 9), (30, 12)):
        values, new = rng.normal(size=n + m), np.arange(n + m) < n
        wanted = stats.cramervonmises_2samp(values[new], values[~new]).statistic
        assert cramer_von_mises(values, new[None])[0] == pytest.approx(wanted)


def test_the_energy_distance_is_that_of_another_program() -> None:
    """The figure in the documentation of dcor.homogeneity.energy_test_statistic."""
    x = np.arange(1, 17).reshape(4, 4)
    y = np.array([[1, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 1]])
    vectors, new = np.concatenate([x, y]).astype(np.float32), np.arange(7) < 4
    assert energy(distances(vectors), new[None])[0] == pytest.approx(35.2766732, abs=1e-5)


def test_how_far_embeddings_lie_apart_does_not_depend_on_how_many_there_are() -> None:
    x, y = [0.0, 1, 3], [9.0, 17]
    apart, new = distances(np.array([*x, *y], np.float32)[:, None]), np.arange(5) >= 3
    within = [np.mean([abs(a - b) for a, b in combinations(side, 2)]) for side in (x, y)]
    across = np.mean([abs(a - b) for a in x for b in y])
    assert inhomogeneity(apart, new) == pytest.approx(1 - np.mean(within) / across)
    assert inhomogeneity(apart[:4, :4], new[:4]) == pytest.approx(1 - within[0] / np.mean([abs(a - 9) for a in x]))
    assert inhomogeneity(apart[2:4, 2:4], new[2:4]) is None, "one image on either side"
    assert inhomogeneity(np.zeros((4, 4)), np.arange(4) < 2) is None
    same = np.concatenate([vectors := np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32), vectors])
    assert inhomogeneity(distances(same), np.arange(18) < 9) == 0
    few = [
        inhomogeneity(
            distances(np.random.default_rng(seed).normal(size=(14, 64)).astype(np.float32)), np.arange(14) < 4
        )
        for seed in range(20)
    ]
    assert np.mean([one or 0 for one in few]) < 0.03


SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=8)


def sizes_of(units: list[str]) -> list[int]:
    return sorted(Counter(units).values())


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.integers(0, 9),
)
def test_units_are_as_large_on_both_sides(old: list[int], new: list[int], seed: int) -> None:
    """With as many units on either side: the lesser of the two sizes of each rank. None is lost."""
    units = [
        f"{side}{i}" for side, sizes in (("o", old), ("n", new)) for i, size in enumerate(sizes) for _ in range(size)
    ]
    order = np.random.default_rng(seed).permutation(len(units))
    units = [units[i] for i in order]
    is_new = np.array([unit.startswith("n") for unit in units])
    keep = evened(units, is_new, seed)
    kept = [
        sizes_of([u for u, k, n in zip(units, keep, is_new, strict=True) if k and n == side]) for side in (False, True)
    ]
    assert [len(one) for one in kept] == [len(old), len(new)]
    for mine, others, left in ((old, new, kept[0]), (new, old, kept[1])):
        mine, others = sorted(mine), sorted(others)
        assert left == sorted(
            min(size, others[math.floor((rank + 0.5) / len(mine) * len(others))]) for rank, size in enumerate(mine)
        )
    if len(old) == len(new):
        assert kept[0] == kept[1]


def test_the_images_of_a_large_unit_are_drawn_by_chance() -> None:
    units, new = ["a"] * 6 + ["b", "b"], np.arange(8) >= 6
    drawn = np.sum([evened(units, new, seed) for seed in range(600)], axis=0)
    assert (drawn[6:] == 600).all()
    assert np.abs(drawn[:6] - 200).max() < 5 * math.sqrt(200 * 2 / 3)


def test_groups_are_dealt_whole() -> None:
    units = ["a", "a", "b", "c", "c", "c", "d"]
    new = np.array([0, 0, 0, 1, 1, 1, 1], bool)
    sides = deal(units, new, 200, 0)
    assert sides.shape == (201, 7)
    assert (sides[0] == new).all()
    assert {tuple(side[[0, 2, 3, 6]]) for side in sides} == {
        tuple(i in pair for i in range(4)) for pair in combinations(range(4), 2)
    }
    for one, other in ((0, 1), (3, 4), (4, 5)):
        assert (sides[:, one] == sides[:, other]).all()


def test_p_is_that_of_all_permutations() -> None:
    """Of one statistic: 20 ways to call three of six new, of which two are as far apart as can be."""
    values, new = np.array([1.0, 2, 3, 4, 5, 6]), np.array([0, 0, 0, 1, 1, 1], bool)
    sides = deal([str(i) for i in range(6)], new, 4000, 0)
    found = corrected({"a": [cramer_von_mises(values, sides)]})["a"]
    assert found.p == pytest.approx(2 / 20, abs=0.02)
    assert least_p(3, 3, 4000) == 2 / 20
    assert least_p(1, 1, 999) == 1, "one drive against one other: nothing can be said"
    assert least_p(50, 60, 999) == 1 / 1000


def test_the_same_statistic_twice_costs_nothing_and_another_one_does() -> None:
    """The correction knows what depends on what, which Bonferroni's does not."""
    rng = np.random.default_rng(0)
    values, new = rng.normal(size=40) + np.repeat([0, 0.6], 20), np.repeat([False, True], 20)
    sides = deal([str(i) for i in range(40)], new, 999, 0)
    one = cramer_von_mises(values, sides)
    alone = corrected({"a": [one]})["a"].p
    assert corrected({"a": [one, one], "b": [one]})["a"].p == alone
    others = {name: [cramer_von_mises(rng.normal(size=40), sides)] for name in "bcdef"}
    among = corrected({"a": [one], **others})["a"].p
    assert alone < among <= min(1, 6.5 * alone + 0.01)


def test_a_part_is_never_surer_than_its_aspect() -> None:
    rng = np.random.default_rng(1)
    new = np.repeat([False, True], 15)
    sides = deal([str(i) for i in range(30)], new, 499, 0)
    each = [cramer_von_mises(rng.normal(size=30) + new * shift, sides) for shift in (0, 0.5, 2)]
    found = corrected({"a": each, "b": [np.zeros(500)]})
    assert min(found["a"].parts) == found["a"].p < 0.01
    assert found["a"].parts[2] == found["a"].p
    assert found["a"].parts[0] > 0.05
    assert found["b"].p == 1, "what is all alike has not drifted"
    assert corrected({}) == {}


@pytest.mark.slow
def test_all_tests_together_cry_out_as_often_as_told() -> None:
    """Aspects that depend on each other, with ties, long tails and lacking values; 400 times nothing has drifted."""
    rng, alarms, runs = np.random.default_rng(2), 0, 400
    for run in range(runs):
        n = 36
        base = rng.normal(size=n)
        lacking = np.where(rng.random(n) < 0.5, np.nan, rng.standard_cauchy(n))
        aspects = {
            "a": [base],
            "b": [base + rng.normal(size=n) / 4, lacking],
            "c": [np.round(base), rng.random(n) < 0.1],
        }
        sides = deal([str(i) for i in range(n)], np.arange(n) >= 14, 199, run)
        tested = corrected(
            {k: [cramer_von_mises(np.asarray(v, float), sides) for v in each] for k, each in aspects.items()}
        )
        alarms += min(one.p for one in tested.values()) <= 0.1
    spread = math.sqrt(0.1 * 0.9 / runs)
    assert abs(alarms / runs - 0.1) < 3 * spread, f"{alarms} of {runs}"
