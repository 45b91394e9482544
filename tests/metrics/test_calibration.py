"""Calibration against a loop over pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from segdata.files.scores import dequantise, quantise
from segdata.kernels.decide import decide
from segdata.labels import Labels
from segdata.metrics.calibration import Calibration
from segdata.metrics.rejection import Rejection

LABELS = Labels.of(["a", "b", "c"])


def probabilities(shape: tuple[int, int], seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).gamma(0.3, size=(3, *shape)) + 1e-6
    return (values / values.sum(axis=0)).astype(np.float32)


def test_bins_hold_what_a_loop_puts_there() -> None:
    probs = probabilities((20, 30), 0)
    truth = np.random.default_rng(1).choice([0, 1, 2, 255], (20, 30)).astype(np.uint8)
    found = Calibration.of(probs, truth, LABELS, bins=10)
    pixels, hits, confidence = np.zeros(10, int), np.zeros(10, int), np.zeros(10)
    for y in range(20):
        for x in range(30):
            if truth[y, x] != 255:
                best = int(probs[:, y, x].argmax())
                at = next(m for m in range(10) if m / 10 < probs[best, y, x] <= (m + 1) / 10)
                pixels[at] += 1
                hits[at] += best == truth[y, x]
                confidence[at] += probs[best, y, x]
    assert found.pixels.tolist() == pixels.tolist()
    assert found.hits.tolist() == hits.tolist()
    assert found.confidence.tolist() == pytest.approx(confidence.tolist())
    terms = [n / 450 * abs(h / n - c / n) for n, h, c in zip(pixels, hits, confidence, strict=True) if n]
    assert found.ece == pytest.approx(sum(terms) * 450 / pixels.sum())
    halves = [Calibration.of(probs[:, rows], truth[rows], LABELS, bins=10) for rows in (slice(9), slice(9, None))]
    assert (halves[0] + halves[1]).pixels.tolist() == pixels.tolist()


def test_classes_have_the_pixels_that_they_are_the_likeliest_of() -> None:
    probs = probabilities((20, 30), 4)
    truth = np.random.default_rng(5).choice([0, 1, 2, 255], (20, 30)).astype(np.uint8)
    found = Calibration.of(probs, truth, LABELS)
    likeliest, known = probs.argmax(axis=0), truth != 255
    for k in range(3):
        own = Calibration.of(probs, np.where(likeliest == k, truth, 255).astype(np.uint8), LABELS)
        alone = found.classes.of_class(k)
        assert alone.pixels.sum() == (known & (likeliest == k)).sum()
        assert (alone.pixels.tolist(), alone.hits.tolist()) == (own.pixels.tolist(), own.hits.tolist())
        assert float(alone.ece) == pytest.approx(own.ece) == pytest.approx(found.by_class()[0].values[k])
        assert found.to_json()["calibration"]["classes"][k]["ece"] == pytest.approx(own.ece)
    assert len(found.sections()[1].table) == 4
    assert found.sections()[1].table[0][:2] == ["name", "pixels"]


def test_what_rejecting_keeps_is_what_predict_keeps() -> None:
    """Each threshold against the pixels that the rule of `--reject-below` keeps, and the errors among them."""
    probs = probabilities((30, 40), 6)
    truth = np.random.default_rng(7).choice([0, 1, 2, 255], (30, 40)).astype(np.uint8)
    found = Calibration.of(probs, truth, LABELS).rejection
    known, total = truth != 255, int((truth != 255).sum())
    for row in found.to_json()["curve"][::7]:
        ids = np.empty(truth.shape, np.uint8)
        decide(probs, np.array([0, 1, 2, 255], np.uint8), row["reject_below"], ids)
        kept = known & (ids != 255)
        assert row["coverage"] == pytest.approx(kept.sum() / total)
        assert row["risk"] == (pytest.approx((ids != truth)[kept].mean()) if kept.any() else None)
    assert found.kept[0] == total


def test_the_area_is_the_mean_risk_over_coverages() -> None:
    """Against pixels taken one by one, the surest first; and two models whose area is known."""
    rng = np.random.default_rng(8)
    sure = (np.arange(200) + 0.5) / 200
    for wrong in (rng.random(200) < 1 - sure, np.zeros(200, bool), np.ones(200, bool)):
        probs = np.stack([np.where(wrong, 0, sure), np.where(wrong, sure, 0)])[:, None].astype(np.float32)
        found = Calibration.of(probs, np.zeros((1, 200), np.uint8), Labels.of(["a", "b"])).rejection
        risks = np.cumsum(wrong[::-1]) / np.arange(1, 201)
        assert found.aurc == pytest.approx(risks.mean(), abs=0.005)
    assert math.isnan(Rejection.empty().aurc)
    assert Rejection.empty().sections() == []


def test_a_model_that_is_as_often_right_as_it_says() -> None:
    """Truth drawn from the probabilities themselves: the error is that of the draw; the same model, too sure, is told."""
    probs = probabilities((300, 300), 2)
    u = np.random.default_rng(3).random((300, 300))
    truth = (u[None] > probs.cumsum(axis=0)).sum(axis=0).clip(0, 2).astype(np.uint8)
    assert Calibration.of(probs, truth, LABELS).ece < 0.01
    sure = probs**4 / (probs**4).sum(axis=0)
    assert Calibration.of(sure, truth, LABELS).ece > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 19, 150, 300])
def test_scores_of_8_bits_tell_the_same(classes: int) -> None:
    """However many classes there are: what is stored as 0 adds nothing."""
    rng = np.random.default_rng(classes)
    probs = rng.dirichlet(np.full(classes, 3 / classes), 250 * 250).astype(np.float32).T.reshape(classes, 250, 250)
    truth = (rng.random((250, 250))[None] > probs.cumsum(axis=0)).sum(axis=0).clip(0, classes - 1).astype(np.uint16)
    labels = Labels.of([f"class {i}" for i in range(classes)])
    exact = Calibration.of(probs, truth, labels)
    found = Calibration.of(dequantise(quantise(probs)), truth, labels)
    assert found.ece == pytest.approx(exact.ece, abs=1 / 510)
    certain = (np.arange(classes)[:, None, None] == truth).astype(np.float32)
    assert Calibration.of(dequantise(quantise(certain)), truth, labels).ece == 0


def test_ends_of_the_range_and_nothing() -> None:
    certain = np.zeros((3, 2, 2), np.float32)
    certain[1] = 1
    found = Calibration.of(certain, np.array([[1, 1], [0, 255]], np.uint8), LABELS)
    assert found.pixels.tolist() == [0] * 14 + [3]
    assert found.ece == pytest.approx(1 / 3)
    assert found.accuracy[-1] == pytest.approx(2 / 3)
    assert math.isnan(Calibration.empty(LABELS).ece)
    with pytest.raises(ValueError, match="scores are 2 x 2 x 3, but truth is 3 x 2 of 3 classes"):
        Calibration.of(certain, np.zeros((2, 3), np.uint8), LABELS)
