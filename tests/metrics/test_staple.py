"""STAPLE against SimpleITK's answers, and against itself pixel by pixel, without patterns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from annotators import CASES, annotators
from segdata.errors import OptionError
from segdata.labels import Labels
from segdata.metrics import staple as module
from segdata.metrics.agreement import Votes, patterns_of
from segdata.metrics.staple import staple

GOLDEN = json.loads((Path(__file__).parent / "golden" / "staple.json").read_text())


def labels(classes: int) -> Labels:
    return Labels.of([f"class {i}" for i in range(classes)])


@pytest.mark.parametrize("name", [name for name, (classes, _) in CASES.items() if classes == 2])
def test_of_one_class_it_is_simpleitks(name: str) -> None:
    classes, count = CASES[name]
    masks, told = annotators(classes, count), GOLDEN[name]["binary"]
    found = staple(Votes.of(masks, labels(classes)))
    assert found.settled
    assert found.sensitivity[:, 1].tolist() == pytest.approx(told["sensitivity"], abs=1e-6)
    assert found.specificity[:, 1].tolist() == pytest.approx(told["specificity"], abs=1e-6)
    patterns, places = patterns_of(masks, labels(classes))
    probability = found.weights(patterns)[places][..., 1]
    assert probability.sum() == pytest.approx(told["probability"], rel=1e-6)
    assert (probability**2).sum() == pytest.approx(told["squares"], rel=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_of_several_classes_it_is_simpleitks(name: str) -> None:
    classes, count = CASES[name]
    masks, told = annotators(classes, count), GOLDEN[name]["several"]
    found = staple(Votes.of(masks, labels(classes)), **({"change": GOLDEN["threshold"]} if classes == 2 else {}))
    assert found.settled
    assert np.abs(found.rates - np.array(told["rates"])).max() < 1e-6
    patterns, places = patterns_of(masks, labels(classes))
    decided = np.bincount(found.decide(patterns)[places].ravel(), minlength=classes + 1)
    assert decided.tolist() == told["labels"]


def pixelwise(masks: list[NDArray[Any]], classes: int, rounds: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rates (R, vote, truth) and weights (pixels, K) after so many rounds, of every pixel for itself; K is no vote."""
    votes = np.stack([m.ravel() for m in masks])
    votes = votes[:, (votes < classes).any(axis=0)]
    voted = votes < classes
    shares = np.stack([(votes == k).sum(axis=0) / voted.sum(axis=0) for k in range(classes)], axis=1)
    prior = shares.mean(axis=0)

    def truths(rates: NDArray[Any]) -> NDArray[Any]:
        weights = np.tile(prior, (votes.shape[1], 1))
        for r in range(len(masks)):
            weights[voted[r]] *= rates[r][votes[r][voted[r]]]
        sums = weights.sum(axis=1, keepdims=True)
        return np.divide(weights, sums, out=np.zeros_like(weights), where=sums > 0)

    weights = shares if classes == 2 else truths(most_voted(votes, shares, classes))
    for _ in range(rounds):
        rates = np.zeros((len(masks), classes, classes))
        for r in range(len(masks)):
            for k in range(classes):
                total = weights[voted[r], k].sum()
                for v in range(classes):
                    rates[r, v, k] = weights[votes[r] == v, k].sum() / total if total else 0
        weights = truths(rates)
    return rates, weights


def most_voted(votes: NDArray[Any], shares: NDArray[Any], classes: int) -> NDArray[Any]:
    """Where rounds of several classes begin: how often each vote is beside the class of most votes; a tie as in ITK."""
    out = np.zeros((len(votes), classes + 1, classes))
    for pixel, share in zip(votes.T, shares, strict=True):
        most = np.flatnonzero(np.isclose(share, share.max()))
        for r, v in enumerate(pixel):
            if v < classes and len(most) == 1:
                out[r, v, most[0]] += 1
            elif v < classes:
                out[r, v + 1, 0] += 1
    sums = out.sum(axis=2, keepdims=True)
    return np.divide(out, sums, out=np.zeros_like(out), where=sums > 0)[:, :classes]


@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(2, 4), st.integers(1, 6))
def test_rounds_pixel_by_pixel(seed: int, classes: int, count: int, rounds: int) -> None:
    """Ignored pixels are no votes."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, (6, 7))
    masks = [np.where(rng.random((6, 7)) < 0.4, rng.integers(0, classes, (6, 7)), truth) for _ in range(count)]
    masks = [np.where(rng.random((6, 7)) < 0.2, 255, m).astype(np.uint8) for m in masks]
    names = labels(classes)
    known = [np.minimum(m, classes) for m in masks]
    if not any((m < classes).any() for m in known):
        return
    found = staple(Votes.of(masks, names), change=0, rounds=rounds)
    rates, weights = pixelwise(known, classes, found.rounds)
    np.testing.assert_allclose(found.rates, rates, atol=1e-9)
    patterns, places = patterns_of(masks, names)
    voted = np.any([m.ravel() < classes for m in known], axis=0)
    np.testing.assert_allclose(found.weights(patterns)[places.ravel()][voted], weights, atol=1e-9)


def test_sensitivity_and_specificity_are_sums_over_pixels() -> None:
    masks = annotators(4, 3)
    masks[1][:9] = 255
    found = staple(Votes.of(masks, labels(4)), change=0, rounds=40)
    before = staple(Votes.of(masks, labels(4)), change=0, rounds=39)
    patterns, places = patterns_of(masks, labels(4))
    weights = before.weights(patterns)[places]
    for r, mask in enumerate(masks):
        voted = mask < 4
        for k in range(4):
            true = weights[..., k][voted]
            assert found.sensitivity[r, k] == pytest.approx(true[mask[voted] == k].sum() / true.sum())
            assert found.specificity[r, k] == pytest.approx((1 - true)[mask[voted] != k].sum() / (1 - true).sum())


def test_images_add_up_and_their_order_is_nothing() -> None:
    names = labels(4)
    one, other = annotators(4, 3), annotators(4, 3, (30, 31))
    side_by_side = [np.concatenate([a.ravel(), b.ravel()])[None] for a, b in zip(one, other, strict=True)]
    found = staple(Votes.of(other, names) + Votes.of(one, names))
    np.testing.assert_array_equal(found.rates, staple(Votes.of(side_by_side, names)).rates)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    votes = Votes.of(annotators(7, 5), labels(7))
    whole = staple(votes)
    monkeypatch.setattr(module, "BLOCK", 21)
    parts = staple(votes)
    np.testing.assert_allclose(parts.rates, whole.rates, atol=1e-12)
    assert parts.decide(votes.patterns).tolist() == whole.decide(votes.patterns).tolist()


def test_annotators_who_agree_are_all_right() -> None:
    mask = annotators(4, 1)[0]
    mask[0] = 255
    found = staple(Votes.of([mask, mask, mask], labels(5)))
    assert found.sensitivity[:, :4].min() == found.specificity[:, :4].min() == 1
    assert np.isnan(found.sensitivity[:, 4]).all(), "nobody gives class 4"
    patterns, places = patterns_of([mask, mask, mask], labels(5))
    assert (found.decide(patterns)[places] == np.minimum(mask, 5)).all()


def test_equally_likely_classes_are_no_decision() -> None:
    one = np.array([[0, 1, 0, 1, 0, 1]], np.uint8)
    found = staple(Votes.of([one, 1 - one], labels(2)))
    patterns, _ = patterns_of([one, 1 - one], labels(2))
    assert found.decide(patterns).tolist() == [2, 2]


def test_nothing_to_estimate_is_refused() -> None:
    nothing = np.full((2, 2), 255, np.uint8)
    with pytest.raises(OptionError, match="no vote"):
        staple(Votes.of([nothing, nothing], labels(2)))
    with pytest.raises(OptionError, match="1 or more"):
        staple(Votes.of(annotators(2, 2), labels(2)), rounds=0)
    assert not staple(Votes.of(annotators(2, 3), labels(2)), rounds=2).settled
