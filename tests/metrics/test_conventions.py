"""What other libraries make of the same counts: as they themselves say, and as their formulae say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from convention_files import CATEGORIES, CITYSCAPES, KINDS, case
from segdata.labels import Labels
from segdata.metrics.boundary import Boundary
from segdata.metrics.confusion import Confusion, pair_counts
from segdata.metrics.conventions import CONVENTIONS, Counts, conventions, with_version
from segdata.metrics.intervals import Columns

GOLDEN = json.loads((Path(__file__).parent / "golden" / "conventions.json").read_text())
LABELS = Labels.of(CITYSCAPES)

Masks = NDArray[np.integer[Any]]
Pairs = list[tuple[int, int]]


def counts(kind: str, *, categories: bool = True) -> Counts:
    return counted(*case(kind), KINDS[kind], CATEGORIES if categories and KINDS[kind] == 19 else None)


def counted(truth: Masks, pred: Masks, classes: int, categories: list[int] | None = None) -> Counts:
    labels = Labels.of(CITYSCAPES[:classes])
    pairs = [pair_counts(t, p, labels) for t, p in zip(truth, pred, strict=True)]
    confusion = Confusion.of(truth, pred, labels)
    return Counts(confusion, Columns.of(pairs, classes), bool((truth == 255).any()), categories)


@pytest.mark.parametrize("kind", KINDS)
def test_the_libraries_themselves_say_the_same(kind: str) -> None:
    """Their own results for these masks, written down by tools/bench/convention_answers.py; None is what they refuse."""
    found = conventions(counts(kind))
    asked = found.keys() - {"Cheng et al. 2021"} - ({"cityscapesScripts"} if KINDS[kind] != 19 else set())
    assert GOLDEN[kind].keys() == asked, "a paper has no library to ask, and one library has classes of its own"
    for library, scores in GOLDEN[kind].items():
        assert found[library] == pytest.approx(scores, abs=1e-6), library


def test_versions_are_those_that_were_asked() -> None:
    assert {*GOLDEN["made with"], "Cheng et al. 2021"} == CONVENTIONS.keys()
    for library, version in GOLDEN["made with"].items():
        assert f"{version}.".startswith(f"{CONVENTIONS[library].version}."), library
        assert with_version(library) == f"{library} {CONVENTIONS[library].version}"
    assert with_version("Cheng et al. 2021") == "Cheng et al. 2021"


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3))
def test_pixel_by_pixel(seed: int, classes: int, images: int) -> None:
    """Any masks, small enough that classes are often absent, missed, only predicted or ignored."""
    rng = np.random.default_rng(seed)
    truth, pred = rng.choice([*range(classes), 255], (2, images, 2, 3))
    sets = [list(zip(t.ravel().tolist(), p.ravel().tolist(), strict=True)) for t, p in zip(truth, pred, strict=True)]
    found = conventions(counted(truth, pred, classes))
    pairs = [pair for image in sets for pair in image]
    assert found["Ultralytics"] == pytest.approx(ultralytics(pairs, classes))
    assert found["Hugging Face evaluate"] == pytest.approx(hugging_face(pairs, classes))
    assert found["FiftyOne"] == pytest.approx(fiftyone(pairs, classes))
    assert found["MONAI"] == pytest.approx(monai(sets, classes))
    assert found["torchgeo"] == pytest.approx(torchgeo(pairs, classes))


def sums(pairs: Pairs, i: int) -> tuple[int, int, int]:
    """Hits, pixels in truth, pixels in the prediction, one by one."""
    known = [(t, p) for t, p in pairs if t != 255]
    return known.count((i, i)), sum(t == i for t, _ in known), sum(p == i for _, p in known)


def iou_of(pairs: Pairs, i: int) -> float:
    hits, true, predicted = sums(pairs, i)
    return hits / (true + predicted - hits)


def share(part: float, whole: float, otherwise: float | None) -> float | None:
    return part / whole if whole else otherwise


def middle(values: list[float], otherwise: float | None) -> float | None:
    return share(sum(values), len(values), otherwise)


def ultralytics(pairs: Pairs, classes: int) -> dict[str, float | None]:
    if classes == 1:
        return {"metrics/mIoU": None, "metrics/pixel_acc": None}
    pairs = [(t, p) for t, p in pairs if p != 255]
    return {
        "metrics/mIoU": middle([iou_of(pairs, i) for i in range(classes) if sums(pairs, i)[1]], 0.0),
        "metrics/pixel_acc": middle([t == p for t, p in pairs if t != 255], 0.0),
    }


def hugging_face(pairs: Pairs, classes: int) -> dict[str, float | None]:
    each = [sums(pairs, i) for i in range(classes)]
    return {
        "mean_iou": middle([hits / (t + p - hits) for hits, t, p in each if t + p], None),
        "mean_accuracy": middle([hits / t for hits, t, _ in each if t], None),
        "overall_accuracy": middle([t == p for t, p in pairs if t != 255], None),
    }


def fiftyone(pairs: Pairs, classes: int) -> dict[str, float | None]:
    pairs = [(t, p) for t, p in pairs if 255 not in (t, p)]
    some = [(t, p) for t, p in pairs if (t, p) != (0, 0)]
    hits = sum(t == p for t, p in some)
    true, predicted = sum(t > 0 for t, _ in pairs), sum(p > 0 for _, p in pairs)
    each = [sums(pairs, i) for i in range(1, classes)]
    return {
        "accuracy": share(hits, len(some), 0.0),
        "precision": share(hits, predicted, 0.0),
        "recall": share(hits, true, 0.0),
        "fscore": share(2 * hits, true + predicted, 0.0),
        "macro avg f1-score": middle([2 * hits / max(t + p, 1) for hits, t, p in each], 0.0),
        "dice_score": middle([t == p for t, p in pairs], None),
    }


def monai(sets: list[Pairs], classes: int) -> dict[str, float | None]:
    names = list(CONVENTIONS["MONAI"].scores)
    pairs = [pair for image in sets for pair in image]
    if classes == 1 and any(t == 255 for t, _ in pairs):
        return dict.fromkeys(names)

    def images(first: int, dice: bool) -> float | None:
        scores = []
        for image in sets:
            each = [sums(image, i) for i in range(min(first, classes - 1), classes)]
            held = [(2 * h / (t + p) if dice else h / (t + p - h)) for h, t, p in each if t]
            scores += [sum(held) / len(held)] if held else []
        return middle(scores, 0.0)

    known = [(t, p) for t, p in pairs if t != 255]
    hits, predicted = sum(t == p for t, p in known), sum(p != 255 for _, p in known)
    right = sum((t == i) == (p == i) for t, p in known for i in range(classes))
    return dict(
        zip(
            names,
            (
                *(images(first, dice) for dice in (False, True) for first in (0, 1)),
                share(hits, len(known), None),
                share(hits, predicted, None),
                share(2 * hits, len(known) + predicted, None),
                share(right, len(known) * classes, None),
            ),
            strict=True,
        )
    )


def torchgeo(pairs: Pairs, classes: int) -> dict[str, float | None]:
    known = [(t, p) for t, p in pairs if t != 255]
    if classes == 1 or any(p == 255 for _, p in known):
        return dict.fromkeys(CONVENTIONS["torchgeo"].scores)
    hits = sum(t == p for t, p in known)
    second = iou_of(pairs, 1) if any(1 in pair for pair in known) else 0.0
    return {
        "MulticlassAccuracy": share(hits, len(known), 0.0),
        "MulticlassJaccardIndex": share(hits, 2 * len(known) - hits, 0.0),
        "BinaryJaccardIndex": second if classes == 2 else None,
    }


def test_they_differ_where_a_class_is_absent_missed_or_only_predicted() -> None:
    found = conventions(counts("plain"))
    mean = found["MMSegmentation"]["mIoU"]
    assert mean == found["torchmetrics"]["JaccardIndex macro"] == found["cityscapesScripts"]["averageScoreClasses"]
    assert found["segmentation_models_pytorch"]["iou_score macro"] > mean, "an absent class counts as 1"
    assert found["MMSegmentation"]["mFscore"] > found["MMSegmentation"]["mDice"], "a class never predicted is left out"
    assert found["torchmetrics"]["Accuracy macro"] < found["MMSegmentation"]["mAcc"], (
        "a class only predicted counts as 0"
    )


def test_categories_pixel_by_pixel() -> None:
    """Confusions inside a category are right; computed on category maps, where truth is not void."""
    truth, pred = case("rejected")
    table = np.full(256, 255)
    table[:19] = CATEGORIES
    known = truth != 255
    t, p = table[truth[known]], table[pred[known]]
    expected = [((t == c) & (p == c)).sum() / ((t == c) | (p == c)).sum() for c in range(7)]
    assert Confusion.of(truth, pred, LABELS).merge(CATEGORIES).iou.tolist() == pytest.approx(expected)
    assert conventions(counts("rejected"))["cityscapesScripts"]["averageScoreCategories"] == pytest.approx(
        np.mean(expected)
    )


def test_classes_that_are_ignored_in_evaluation() -> None:
    """cityscapesScripts leaves true pixels of such a class away, and counts predicted ones as misses of the others."""
    confusion = Confusion(np.array([[5, 1, 2, 0], [1, 6, 0, 1], [3, 4, 9, 0]]))
    none = Columns.of([], 3)
    found = conventions(Counts(confusion, none, False, [0, 0, None]))["cityscapesScripts"]
    assert found["averageScoreClasses"] == pytest.approx((5 / (5 + 3 + 1) + 6 / (6 + 2 + 1)) / 2)
    assert found["averageScoreCategories"] == pytest.approx(13 / 16)


def test_boundary_iou_as_its_paper_has_it() -> None:
    """A prediction that is right in every labelled pixel has less than 1 beside void; not if nothing is ignored."""
    truth = np.zeros((40, 40), np.uint8)
    truth[10:30, 10:30] = 1
    void = truth.copy()
    void[8:12] = 255
    for mask, least, most in ((truth, 1, 1), (void, 0.3, 0.95)):
        bands = Boundary.of(mask, truth, LABELS, papers=True).paper
        found = conventions(Counts(Confusion.of(mask, truth, LABELS), Columns.of([], 19), True, bands=bands))
        assert least <= (found["Cheng et al. 2021"]["boundary IoU"] or 0) <= most


def test_what_cannot_be_said_is_none() -> None:
    assert conventions(counts("plain", categories=False))["cityscapesScripts"]["averageScoreCategories"] is None
    nothing = conventions(Counts(Confusion.empty(3), Columns.of([], 3), False))
    assert set(nothing["MMSegmentation"].values()) == {None}
    assert nothing["segmentation_models_pytorch"]["iou_score macro-imagewise"] is None
