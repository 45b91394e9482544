"""Votes by pattern and the kappas against brute force, pixel by pixel, and against a worked example."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.labels import Labels
from segdata.metrics import agreement
from segdata.metrics.agreement import (
    Votes,
    class_kappa,
    kappa,
    kappa_spread,
    majority,
    patterns_of,
    shared_columns,
)
from segdata.metrics.confusion import Confusion, pair_counts
from segdata.metrics.intervals import Columns, spread

Masks = list[NDArray[Any] | None]


def labels(classes: int) -> Labels:
    return Labels.of([f"class {i}" for i in range(classes)])


@st.composite
def votings(draw: st.DrawFn, least: int = 2) -> tuple[Masks, int]:
    """Masks of two annotators or more, in 8 and 16 bits, with ignored pixels, some annotators without a mask."""
    classes = draw(st.sampled_from([1, 2, 3, 300]))
    names = labels(classes)
    shape = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def one() -> NDArray[Any]:
        mask = rng.choice(rng.integers(0, classes, 3), shape)
        mask[rng.random(shape) < 0.2] = names.ignore
        return mask.astype(names.dtype)

    masks: Masks = [one() for _ in range(draw(st.integers(least, 5)))]
    if draw(st.booleans()):
        masks[int(rng.integers(1, len(masks)))] = None
    return masks, classes


def pixels_of(masks: Masks, classes: int) -> list[tuple[int, ...]]:
    """What each pixel is told to be, K for nothing."""
    size = next(m.size for m in masks if m is not None)
    flat = [np.full(size, classes) if m is None else np.minimum(m.ravel().astype(int), classes) for m in masks]
    return [tuple(int(v) for v in pixel) for pixel in zip(*flat, strict=True)]


@given(votings())
def test_patterns_are_those_of_the_pixels(voting: tuple[Masks, int]) -> None:
    masks, classes = voting
    votes = Votes.of(masks, labels(classes))
    expected = Counter(pixels_of(masks, classes))
    assert dict(zip(map(tuple, votes.patterns.tolist()), votes.pixels.tolist(), strict=True)) == expected
    assert list(map(tuple, votes.patterns.tolist())) == sorted(expected)
    patterns, places = patterns_of(masks, labels(classes))
    assert [tuple(row) for row in patterns[places.ravel()].tolist()] == pixels_of(masks, classes)
    same = [
        len({v for v in pixel if v < classes}) == 1 and sum(v < classes for v in pixel) > 1
        for pixel in pixels_of(masks, classes)
    ]
    assert votes.unanimous == sum(same)


@given(votings())
def test_many_possible_patterns_give_the_same_as_few(voting: tuple[Masks, int]) -> None:
    masks, classes = voting
    whole = Votes.of(masks, labels(classes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement, "DENSE", 0)
        assert Votes.of(masks, labels(classes)) == whole


@given(votings())
def test_parts_add_up_to_the_whole(voting: tuple[Masks, int]) -> None:
    masks, classes = voting
    names = labels(classes)
    parts = [
        Votes.of([None if m is None else m[y : y + 1] for m in masks], names)
        for y in range(next(m for m in masks if m is not None).shape[0])
    ]
    assert Votes.total(parts, len(masks), classes) == Votes.of(masks, names)
    assert sum(parts[1:], parts[0]) == Votes.of(masks, names)
    assert len(Votes.total([], 3, classes).pixels) == 0


@given(votings())
def test_pairs_are_the_confusion_of_the_pixels_that_both_vote_on(voting: tuple[Masks, int]) -> None:
    masks, classes = voting
    names = labels(classes)
    votes = Votes.of(masks, names)
    every = Confusion.empty(classes)
    for a, b in combinations(range(len(masks)), 2):
        expected = Confusion.empty(classes)
        one, other = masks[a], masks[b]
        if one is not None and other is not None:
            known = (one != names.ignore) & (other != names.ignore)
            expected = Confusion.from_pairs(pair_counts(one[known], other[known], names), classes)
        assert Confusion.from_pairs(votes.pairs(a, b), classes) == expected
        every += expected
    assert Confusion.from_pairs(votes.all_pairs(), classes) == every


def cohen(pixels: list[tuple[int, int]], classes: int) -> float | None:
    """Equation 1, of every pixel for itself, exactly."""
    known = [pixel for pixel in pixels if max(pixel) < classes]
    if not known:
        return None
    n = len(known)
    agreed = Fraction(sum(a == b for a, b in known), n)
    chance = sum(
        Fraction(sum(a == k for a, _ in known), n) * Fraction(sum(b == k for _, b in known), n) for k in range(classes)
    )
    return None if chance == 1 else float((agreed - chance) / (1 - chance))


@given(votings())
def test_cohens_kappa_pixel_by_pixel(voting: tuple[Masks, int]) -> None:
    masks, classes = voting
    tally = Confusion.from_pairs(Votes.of(masks, labels(classes)).pairs(0, 1), classes).tally
    pixels = [(a, b) for a, b, *_ in pixels_of(masks, classes)]
    expected = cohen(pixels, classes)
    assert float(kappa(tally)) == pytest.approx(np.nan if expected is None else expected, nan_ok=True)
    for k in range(min(classes, 3)):
        binary = [tuple(2 if v >= classes else int(v == k) for v in pixel) for pixel in pixels]
        of_class = cohen(binary, 2)  # type: ignore[arg-type]
        assert class_kappa(tally)[k] == pytest.approx(np.nan if of_class is None else of_class, nan_ok=True)


def fleiss(pixels: list[tuple[int, ...]], classes: int) -> float | None:
    """Equations 3 to 7 with as many votes as each pixel has, exactly."""
    voted = [held for pixel in pixels if len(held := [v for v in pixel if v < classes]) > 1]
    if not voted:
        return None
    agreed = sum(Fraction(sum(a == b for a, b in combinations(v, 2)), len(v) * (len(v) - 1) // 2) for v in voted) / len(
        voted
    )
    shares = [sum(Fraction(v.count(k), len(v)) for v in voted) / len(voted) for k in range(classes)]
    chance = sum(share * share for share in shares)
    return None if chance == 1 else float((agreed - chance) / (1 - chance))


@given(votings())
def test_fleiss_kappa_pixel_by_pixel(voting: tuple[Masks, int]) -> None:
    masks, classes = voting
    votes = Votes.of(masks, labels(classes))
    total = shared_columns([votes], classes).total
    pixels = pixels_of(masks, classes)
    expected = fleiss(pixels, classes)
    assert float(kappa(total)) == pytest.approx(np.nan if expected is None else expected, nan_ok=True, abs=1e-12)
    for k in range(min(classes, 3)):
        of_class = fleiss([tuple(2 if v >= classes else int(v == k) for v in pixel) for pixel in pixels], 2)
        assert class_kappa(total)[k] == pytest.approx(np.nan if of_class is None else of_class, nan_ok=True, abs=1e-12)


def test_fleiss_kappa_of_a_worked_example() -> None:
    """Ten subjects, fourteen raters, five categories, often printed: P is 0.378, E 0.213 and kappa 0.210."""
    table = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1), (7, 7, 0, 0, 0), (3, 2, 6, 3, 0),
        (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    votes = np.stack([np.repeat(np.arange(5), row) for row in table]).astype(np.uint8)
    found = Votes.of([column[None] for column in votes.T], labels(5))
    assert float(kappa(shared_columns([found], 5).total)) == pytest.approx(0.210, abs=5e-4)


@given(votings())
def test_parts_of_fleiss_kappa_add_up(voting: tuple[Masks, int]) -> None:
    masks, classes = voting
    names = labels(classes)
    rows = [
        Votes.of([None if m is None else m[y : y + 1] for m in masks], names)
        for y in range(next(m for m in masks if m is not None).shape[0])
    ]
    whole, parts = (float(kappa(shared_columns(of, classes).total)) for of in ([Votes.of(masks, names)], rows))
    assert parts == pytest.approx(whole, nan_ok=True, abs=1e-9)


@given(votings())
def test_a_majority_is_more_than_half_of_the_votes(voting: tuple[Masks, int]) -> None:
    masks, classes = voting
    patterns, places = patterns_of(masks, labels(classes))
    expected = []
    for pixel in pixels_of(masks, classes):
        given_votes = [v for v in pixel if v < classes]
        most = [v for v, n in Counter(given_votes).items() if 2 * n > len(given_votes)]
        expected.append(most[0] if most else classes)
    assert majority(patterns, classes)[places.ravel()].tolist() == expected


@pytest.mark.parametrize("form", ["Cohen", "Fleiss"])
def test_the_spread_of_kappa_is_what_each_unit_left_out_does(form: str) -> None:
    rng = np.random.default_rng(3)
    names = labels(4)
    parts = []
    for _ in range(6):
        truth = rng.integers(0, 4, (9, 9))
        masks = [
            np.where(rng.random((9, 9)) < 0.3, rng.integers(0, 4, (9, 9)), truth).astype(np.uint8) for _ in range(3)
        ]
        masks[0][0, :3] = names.ignore
        parts.append(Votes.of(masks, names))

    def columns(of: list[Votes]) -> Columns:
        return shared_columns(of, 4) if form == "Fleiss" else Columns.of([part.pairs(0, 1) for part in of], 4)

    found = kappa_spread(columns(parts))
    value = float(kappa(columns(parts).total))
    without = [float(kappa(columns(parts[:i] + parts[i + 1 :]).total)) for i in range(6)]
    assert found.value.tolist() == pytest.approx([value])
    assert found.change.tolist() == pytest.approx([value - rest for rest in without])
    low, high = found.interval()[:, 0]
    assert low < value < high
    units = columns(parts).summed(np.array([0, 0, 1, 1, 2, 2]), 3)
    assert kappa_spread(units).value.tolist() == pytest.approx([value])
    if form == "Cohen":
        assert spread(units, "mean_iou").value.shape == (1,)


def test_bands_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, names = np.random.default_rng(0), labels(3)
    masks = [rng.choice([0, 1, 2, names.ignore], (7, 5)).astype(np.uint8), None, np.ones((7, 5), np.uint8)]
    whole = Votes.of(masks, names)
    for pixels in (1, 5, 14, 35, 36):
        monkeypatch.setattr(agreement, "BAND", pixels)
        assert Votes.of(masks, names) == whole
    with pytest.raises(ValueError, match="one size"):
        Votes.of([masks[0], np.ones((7, 6), np.uint8)], names)


def test_each_pair_of_classes_is_counted_once() -> None:
    rng = np.random.default_rng(0)
    votes = Votes.of([rng.integers(0, 3, (20, 20)).astype(np.uint8) for _ in range(6)], labels(3))
    assert len(votes.patterns) > 200
    for rows in (votes.pairs(1, 4), votes.all_pairs()):
        assert rows[:, :2].tolist() == [[a, b] for a in range(3) for b in range(3)]
    assert votes.all_pairs()[:, 2].sum() == 15 * 400


@pytest.mark.parametrize("form", ["Cohen", "Fleiss"])
@pytest.mark.parametrize("count", [3, 6, 7])
def test_of_one_class_that_is_left_there_is_no_kappa_to_change(form: str, count: int) -> None:
    """What is left of sums after a subtraction is not exactly zero: it must not be divided by."""
    names, rng = labels(3), np.random.default_rng(count)
    for units in range(3, 9):
        parts = []
        for unit in range(units):
            masks = np.zeros((count, int(rng.integers(1, 4000)), 1), np.uint8)
            masks[:, : masks.shape[1] // 3] = unit == 0
            masks[0, :1] = 0
            masks[rng.random(masks.shape) < 0.1] = names.ignore
            parts.append(Votes.of(list(masks), names))
        columns = shared_columns(parts, 3) if form == "Fleiss" else Columns.of([part.pairs(0, 1) for part in parts], 3)
        assert kappa_spread(columns).change[0] == 0


def test_what_is_no_vote_is_refused() -> None:
    names = labels(3)
    good = np.zeros((2, 3), np.uint8)
    with pytest.raises(ValueError, match="no mask"):
        Votes.of([None, None], names)
    with pytest.raises(ValueError, match="one size"):
        Votes.of([good, good.T], names)
    with pytest.raises(ValueError, match="no class: 7"):
        Votes.of([good, good + 7], names)
    with pytest.raises(ValueError, match="uint8"):
        Votes.of([good, good.astype(np.uint16)], names)
    assert len(Votes.of([good[:0], good[:0]], names).pixels) == 0
