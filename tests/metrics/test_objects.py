"""Matched objects: against panopticapi's own answers, its algorithm object by object with SciPy's components, and by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from segdata.errors import OptionError
from segdata.files.images import read_mask
from segdata.files.vectors.tracing import runs_of
from segdata.kernels.runs import number_runs
from segdata.labels import Labels
from segdata.metrics.base import Case
from segdata.metrics.matches import Matches
from segdata.metrics.objects import Objects, measure

Array = NDArray[Any]

HERE = Path(__file__).parent / "golden"
GOLDEN = json.loads((HERE / "objects.json").read_text())
"""What panopticapi says, by tools/bench/golden_objects.py."""


def labels(classes: int) -> Labels:
    return Labels.of([f"class {i}" for i in range(classes)])


@st.composite
def masks(draw: st.DrawFn) -> tuple[Array, Array, int]:
    """Truth and a prediction that is like it, of blobs, in 8 and 16 bits, with ignored pixels in both."""
    classes = draw(st.sampled_from([1, 2, 4, 300]))
    names = labels(classes)
    shape = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([1, 2, 5]))
    small = rng.integers(0, min(classes, 4), (-(-shape[0] // scale), -(-shape[1] // scale))) * (classes // 4 or 1)
    truth = np.kron(np.minimum(small, classes - 1), np.ones((scale, scale), int))[: shape[0], : shape[1]]
    pred = np.roll(truth, rng.integers(-1, 2, 2), (0, 1))
    pred[rng.random(shape) < 0.1] = rng.integers(0, classes)
    for mask in (truth, pred):
        top, left = rng.integers(0, shape[0]), rng.integers(0, shape[1])
        mask[top : top + rng.integers(0, 8), left : left + rng.integers(0, 8)] = names.ignore
    return truth.astype(names.dtype), pred.astype(names.dtype), classes


def components(mask: Array, ignore: int, connectivity: int) -> Iterator[tuple[int, Array]]:
    """The class and the pixels of each object, by SciPy."""
    near = np.ones((3, 3)) if connectivity == 8 else None
    for value in np.unique(mask[mask != ignore]).tolist():
        numbers, count = ndimage.label(mask == value, near)
        yield from ((value, numbers == n) for n in range(1, count + 1))


def one_by_one(truth: Array, pred: Array, ignore: int, connectivity: int) -> dict[tuple[str, int, int], float]:
    """(what, class, area) -> how many, or the sum of IoU: each true object beside each predicted one, as panopticapi matches."""
    out: dict[tuple[str, int, int], float] = {}

    def count(what: str, value: int, area: int, by: float = 1) -> None:
        out[what, value, area] = out.get((what, value, area), 0) + by

    void, found = truth == ignore, list(components(pred, ignore, connectivity))
    taken = set()
    for value, true in components(truth, ignore, connectivity):
        for i, (other, given_) in enumerate(found):
            if other == value:
                inside = int((true & given_).sum())
                iou = inside / (int(given_.sum()) + int(true.sum()) - inside - int((void & given_).sum()))
                if iou > 0.5:
                    taken.add(i)
                    count("matched", value, int(true.sum()))
                    count("iou", value, int(true.sum()), iou)
                    break
        else:
            count("missed", value, int(true.sum()))
    for i, (value, given_) in enumerate(found):
        if i not in taken and not (void & given_).sum() / given_.sum() > 0.5:
            count("wrong", value, int(given_.sum()))
    return out


@settings(max_examples=60)
@given(masks(), st.sampled_from([4, 8]), st.sampled_from([(), (3,), (4, 20), (1, 2, 300)]))
def test_each_object_is_matched_as_panopticapi_does(
    case: tuple[Array, Array, int], connectivity: int, sizes: tuple[int, ...]
) -> None:
    truth, pred, classes = case
    found = Objects.of(truth, pred, labels(classes), connectivity=connectivity, sizes=sizes).matches
    expected = Matches.empty(len(sizes) + 1, classes)
    for (what, value, area), number in one_by_one(truth, pred, labels(classes).ignore, connectivity).items():
        getattr(expected, what)[sum(area >= size for size in sizes), value] += number
    for what in ("matched", "missed", "wrong"):
        np.testing.assert_array_equal(getattr(found, what), getattr(expected, what), what)
    np.testing.assert_allclose(found.iou, expected.iou, rtol=0, atol=1e-9)


@pytest.mark.parametrize("corners", [False, True])
@given(masks())
def test_components_are_those_of_scipy(corners: bool, case: tuple[Array, Array, int]) -> None:
    """Numbers in order of first pixels, at the ends of rows too."""
    mask, _, classes = case
    begins, values = runs_of(mask)
    numbers, areas, found = number_runs(begins, values, mask.shape[1], np.array([labels(classes).ignore]), corners)
    image = np.repeat(numbers, np.diff(begins)).reshape(mask.shape)
    parts = list(components(mask, labels(classes).ignore, 8 if corners else 4))
    assert len(parts) == len(areas)
    for value, inside in parts:
        (number,) = np.unique(image[inside])
        assert (areas[number], found[number]) == (inside.sum(), value)
    firsts = [int(np.flatnonzero(image.ravel() == n)[0]) for n in range(len(areas))]
    assert firsts == sorted(firsts)


def as_panopticapi(pairs: list[tuple[Array, Array]], answers: dict[str, Any], classes: int, connectivity: int) -> None:
    """The counts of each pair, and the scores of all, are those of panopticapi within 1e-9."""
    total = Matches.empty(1, classes)
    for (truth, pred), answer in zip(pairs, answers["pairs"], strict=True):
        found = Objects.of(truth, pred, labels(classes), connectivity=connectivity, sizes=()).matches
        for c in range(classes):
            iou, *counts = answer.get(str(c), [0, 0, 0, 0])
            assert [found.matched[0, c], found.wrong[0, c], found.missed[0, c]] == counts
            assert found.iou[0, c] == pytest.approx(iou, rel=0, abs=1e-9)
        total += found
    held = ~np.isnan(total[0].panoptic_quality)
    for score, key in (("panoptic_quality", "pq"), ("segmentation_quality", "sq"), ("f1", "rq")):
        values = getattr(total[0], score)
        assert values[held].mean() == pytest.approx(answers["mean"][key], rel=0, abs=1e-9)
        for c, row in answers["classes"].items():
            assert values[int(c)] == pytest.approx(row[key], rel=0, abs=1e-9)
    assert held.sum() == answers["mean"]["n"]


@pytest.mark.parametrize("connectivity", [4, 8])
def test_panopticapi_itself_says_the_same(connectivity: int) -> None:
    with np.load(HERE / "objects.npz") as drawn:
        pairs = list(zip(drawn["truth"], drawn["pred"], strict=True))
    as_panopticapi(pairs, GOLDEN["drawn"][f"panoptic {connectivity}"], 5, connectivity)


@pytest.mark.data
@pytest.mark.parametrize("connectivity", [4, 8])
def test_panopticapi_says_the_same_of_real_masks(shared_data: Path, connectivity: int) -> None:
    read = [read_mask(shared_data / "camvid/valannot" / name) for name in GOLDEN["camvid"]["files"]]
    real = [np.where(mask == 11, 255, mask).astype(np.uint8) for mask in read]
    pairs = list(pairwise(real))
    as_panopticapi(pairs, GOLDEN["camvid"][f"panoptic {connectivity}"], 11, connectivity)


def test_scores_by_hand() -> None:
    """One object of two is found with an IoU of 3 / 4, and one that is not there."""
    truth, pred = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    truth[0, :4] = truth[2, :4] = 1
    pred[0, :3] = pred[4:6, 4:] = 1
    found = Objects.of(truth, pred, labels(3)).matches.summed()
    assert (found.matched[1], found.missed[1], found.wrong[1]) == (1, 1, 1)
    assert found.precision[1] == found.recall[1] == found.f1[1] == 0.5
    assert (found.segmentation_quality[1], found.panoptic_quality[1]) == (0.75, 0.375)
    assert np.isnan([getattr(found, s)[2] for s in ("precision", "recall", "f1", "panoptic_quality")]).all()


def test_an_iou_of_one_half_is_no_match() -> None:
    truth, pred = np.zeros((3, 9), np.uint8), np.zeros((3, 9), np.uint8)
    truth[1, :4], pred[1, :2] = 1, 1
    assert Objects.of(truth, pred, labels(2)).matches.summed().matched[1] == 0
    pred[1, 2] = 1
    assert Objects.of(truth, pred, labels(2)).matches.summed().matched[1] == 1


def test_what_has_no_match_counts_as_zero_not_as_absent() -> None:
    """As in panopticapi; precision without a predicted object, and recall without a true one, is not known."""
    truth = np.zeros((4, 4), np.uint8)
    truth[0, 0] = 1
    found = Objects.of(truth, np.full((4, 4), 2, np.uint8), labels(3)).matches.summed()
    assert found.f1.tolist() == found.panoptic_quality.tolist() == found.segmentation_quality.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(found.precision, [np.nan, np.nan, 0])
    np.testing.assert_array_equal(found.recall, [0, 0, np.nan])


@pytest.mark.parametrize(("ignored", "wrong"), [(6, 0), (5, 1), (4, 1)])
def test_predictions_mostly_in_ignored_pixels_are_not_wrong(ignored: int, wrong: int) -> None:
    truth, pred = np.zeros((5, 20), np.uint8), np.zeros((5, 20), np.uint8)
    pred[2, :10] = 1
    truth[2, :ignored] = 255
    assert Objects.of(truth, pred, labels(2)).matches.summed().wrong[1] == wrong


def test_pixels_that_truth_ignores_are_in_no_union() -> None:
    truth, pred = np.zeros((5, 20), np.uint8), np.zeros((5, 20), np.uint8)
    truth[2, :4], truth[2, 4:] = 1, 255
    pred[2] = 1
    found = Objects.of(truth, pred, labels(2)).matches.summed()
    assert (found.matched[1], found.iou[1], found.wrong[1]) == (1, 1.0, 0)


def test_corners_connect_or_not() -> None:
    truth = np.eye(6, dtype=np.uint8)
    for connectivity, diagonal, rest in ((8, 1, 1), (4, 6, 2)):
        found = Objects.of(truth, truth, labels(2), connectivity=connectivity)
        assert found.matches.summed().matched.tolist() == [rest, diagonal]
        assert found.to_json()["objects"]["connectivity"] == connectivity


def test_sizes_are_those_of_coco_and_are_told() -> None:
    """A true object of 32 x 32 pixels is medium; one of 96 x 96 large."""
    truth = np.zeros((200, 400), np.uint8)
    for left, side in ((0, 31), (100, 32), (150, 95), (260, 96)):
        truth[1 : 1 + side, left : left + side] = 1
    found = Objects.of(truth, truth, labels(2))
    assert found.matches.matched[:, 1].tolist() == [1, 2, 1]
    sizes = found.to_json()["objects"]["sizes"]
    assert [(s["name"], s["from"], s["to"], s["matched"]) for s in sizes] == [
        ("small", 0, 1024, 1), ("medium", 1024, 9216, 2), ("large", 9216, None, 2),
    ]  # fmt: skip
    assert "medium objects (1,024 to 9,215 pixels): true 2, predicted 2, matched 2" in "\n".join(found.lines())
    other = Objects.of(truth, truth, labels(2), sizes=(1000.0,))
    assert [s["name"] for s in other.to_json()["objects"]["sizes"]] == ["below 1,000", "1,000 and more"]
    assert [line.partition(":")[0] for line in other.lines()[1:]] == [
        "objects (below 1,000 pixels)", "objects (1,000 and more pixels)", "all objects",
    ]  # fmt: skip
    assert np.isnan(found.matches[0].f1[0]), "no small object of class 0"
    assert sizes[0]["f1"] == 1, "and it is in no mean"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"object_connectivity": 6}, "--object-connectivity 6: must be 4 or 8"),
        ({"object_sizes": (9216.0, 1024.0)}, "--object-sizes 9216,1024: must be whole pixels above 0 that ascend"),
        ({"object_sizes": (10.5,)}, "--object-sizes 10.5"),
        ({"object_sizes": (0.0, 4.0)}, "--object-sizes 0,4"),
        ({"object_sizes": (float("nan"),)}, "--object-sizes nan"),
        ({"object_sizes": (float("inf"),)}, "--object-sizes inf"),
        ({"object_sizes": (4.0, 4.0)}, "--object-sizes 4,4"),
    ],
)
def test_refused(options: dict[str, Any], told: str) -> None:
    case = Case.empty(labels(2))
    with pytest.raises(OptionError, match=told):
        measure(case, objects=True, **options)
    with pytest.raises(OptionError, match="give --objects too"):
        measure(case, **options)
    assert measure(case) is None
