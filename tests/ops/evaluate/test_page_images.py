"""Which images the page of `evaluate` shows: not eight frames of one clip, and two predictions where they differ most."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carry_files import make
from segdata import Dataset, evaluate, evaluate_page
from segdata.ops.evaluate.page import different_images, worst_images
from segdata.tiling.units import apart


def clips(root: Path, ids: list[str], groups: bool = False) -> tuple[Dataset, Dataset]:
    """Truth, and a prediction that is the worse the later an id is."""
    truth = {id: np.kron(np.arange(6).reshape(2, 3) % 3, np.ones((10, 10), int)) for id in ids}
    pred = {id: mask.copy() for id, mask in truth.items()}
    for place, mask in enumerate(pred.values()):
        mask[:, : 1 + place % 20] = 2
    fields = {id: {"group": id.split("/")[1][0]} for id in ids} if groups else None
    return make(root / "pred", pred), make(root / "truth", truth, fields=fields, images="copy")


@pytest.mark.parametrize("count", [1, 4, 8])
def test_of_one_clip_the_worst_are_far_from_each_other(tmp_path: Path, count: int) -> None:
    """By brute force: the worst, then the worst of those that lie more than half a stretch from all before."""
    ids = [f"val/f{n:03}" for n in range(40)]
    pred, truth = clips(tmp_path, ids)
    found = evaluate(pred, truth)
    assert found.frames is not None
    shown = [one.score.id for one in worst_images(found, pred, truth, count)]
    left, expected = [one.id for one in found.images], []
    while left and len(expected) < count:
        expected.append(left[0])
        left = [id for id in left if abs(ids.index(id) - ids.index(expected[-1])) > 40 // (2 * count)]
    assert shown == expected
    assert len(shown) == count
    page = evaluate_page(found, pred, truth, tmp_path / "p.html", worst=count).read_text()  # type: ignore[union-attr]
    assert "in each image, without neighbouring frames." in page


def test_of_groups_each_shows_its_worst(tmp_path: Path) -> None:
    ids = [f"val/{group}{n}" for group in "abc" for n in range(7)]
    pred, truth = clips(tmp_path, ids, groups=True)
    found = evaluate(pred, truth)
    shown = worst_images(found, pred, truth, 8)
    assert sorted(one.score.id[4] for one in shown) == ["a", "b", "c"]
    assert shown[0].score.id == found.images[0].id


def test_images_that_stand_alone_are_ranked_as_they_are() -> None:
    names = ["tree", "cat", "dog", "bird"]
    assert apart(names, dict.fromkeys(names, ""), (), 3) == names[:3]
    assert apart(names, {"tree": "g", "cat": "g", "dog": "", "bird": ""}, (), 3) == ["tree", "dog", "bird"]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=4), st.integers(1, 9), st.randoms())
def test_there_are_as_many_as_asked_for_and_no_neighbours(lengths: list[int], count: int, random: Random) -> None:
    clips = [[f"{'abcd'[clip]}{n:03}" for n in range(length)] for clip, length in enumerate(lengths)]
    ids = [id for clip in clips for id in clip]
    best = random.sample(ids, len(ids))
    chosen = apart(best, dict.fromkeys(ids, ""), (), count)
    assert chosen == [id for id in best if id in chosen]
    if len(lengths) == 1:
        assert len(chosen) == min(count, lengths[0])


def test_two_predictions_are_shown_where_they_differ(tmp_path: Path) -> None:
    """The difference of each class with its interval, and both under the images with the largest differences."""
    ids = [f"val/{name}" for name in ("cat", "dog", "tree", "bird", "fish")]
    pred, truth = clips(tmp_path, ids)
    masks = {s.id: pred.read_mask(s).astype(int) for s in pred}
    masks["val/dog"][:] = 1
    other = make(tmp_path / "other", masks)
    found = evaluate(pred, truth, other=other)
    c = found.comparison
    assert c is not None
    assert [one.id for one in c.gains] == ["val/dog"]
    ((shown, about),) = different_images(found, pred, other, truth)
    assert [name for name, _ in shown.panels] == ["image", "truth", "this", "other"]
    assert about == f"mean IoU {100 * c.gains[0].pred:.2f}, other {100 * c.gains[0].other:.2f}"
    page = evaluate_page(found, pred, truth, tmp_path / "p.html", other=other.root).read_text()  # type: ignore[union-attr]
    assert "this minus other, in points, and its 95 % interval" in page
    low, high = c.iou_interval[:, 0]
    assert f'{100 * c.iou[0]:+.2f} <span class="faint">{100 * low:+.2f} to {100 * high:+.2f}</span>' in page
    assert "Where they differ most" in page


def test_the_page_names_and_numbers(tmp_path: Path) -> None:
    """The matrix by its name, IoU in numbers, and a legend beside the images."""
    pred, truth = clips(tmp_path, [f"val/{name}" for name in ("cat", "dog", "tree", "bird")])
    found = evaluate(pred, truth)
    page = evaluate_page(found, pred, truth, tmp_path / "p.html").read_text()  # type: ignore[union-attr]
    assert "<h2>Confusion matrix</h2>" in page
    assert f'<span class="said">{100 * found.confusion.iou[0]:.2f} <span class="faint">' in page
    assert set(re.findall(r'<span class="key class"[^>]*>(\w+)<', page)) == {*truth.labels.names, "ignore"}
    assert len(re.findall(r'<label class="zoom"><input type="checkbox" aria-label="enlarge', page)) == 4 * 4
