"""What other libraries make of the same counts: as they themselves say, and as their formulae say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from convention_files import CATEGORIES, CITYSCAPES, KINDS, case
from segdata.labels import Labels
from segdata.metrics.boundary import Boundary
from segdata.metrics.confusion import Confusion, pair_counts
from segdata.metrics.conventions import CONVENTIONS, Counts, conventions
from segdata.metrics.intervals import Columns

GOLDEN = json.loads((Path(__file__).parent / "golden" / "conventions.json").read_text())
LABELS = Labels.of(CITYSCAPES)


def counts(kind: str, *, categories: bool = True) -> Counts:
    truth, pred = case(kind)
    pairs = [pair_counts(t, p, LABELS) for t, p in zip(truth, pred, strict=True)]
    confusion = Confusion.of(truth, pred, LABELS)
    return Counts(confusion, Columns.of(pairs, 19), bool((truth == 255).any()), CATEGORIES if categories else None)


@pytest.mark.parametrize("kind", KINDS)
def test_the_libraries_themselves_say_the_same(kind: str) -> None:
    """Their own results for these masks, written down with their versions; None is what they refuse."""
    found = conventions(counts(kind))
    assert found.keys() == CONVENTIONS.keys() == {*GOLDEN[kind], "Cheng et al. 2021"}, "a paper has no library to ask"
    for library, scores in GOLDEN[kind].items():
        assert found[library] == pytest.approx(scores, abs=1e-6), library


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
