"""Which prediction belongs to which sample: by name, and by the image where the id is another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import segdata
from carry_files import make
from segdata.dataset.match import match_ids, renamed_like, suggested_match
from segdata.errors import DatasetError


@pytest.mark.parametrize(
    ("keys", "ids", "found"),
    [
        (["a"], ["a"], {"a": "a"}),
        (["1", "2"], ["val/1", "val/2"], {"1": "val/1", "2": "val/2"}),
        (["out/val/1"], ["val/1"], {"out/val/1": "val/1"}),
        (["val_1"], ["val/1"], {"val_1": "val/1"}),
        (["x/1"], ["y/1"], {}),
        (["11"], ["1", "x1"], {}),
        (["val/1", "1"], ["val/1"], {"val/1": "val/1"}),
        (["e\u0301"], ["\u00e9"], {"e\u0301": "\u00e9"}),
        (["berlin/1"], ["val/berlin/1", "val/bonn/1"], {"berlin/1": "val/berlin/1"}),
        ([], ["a"], {}),
    ],
)
def test_names(keys: list[str], ids: list[str], found: dict[str, str]) -> None:
    assert match_ids(keys, ids) == found


def test_names_that_may_be_several() -> None:
    with pytest.raises(
        DatasetError, match="the name 1 may be of val/1, train/1: put it in a folder of that name, or give --split"
    ):
        match_ids(["1"], ["val/1", "train/1"])
    assert match_ids(["1"], ["val/1", "train/1"], {"train/1"}) == {"1": "train/1"}
    with pytest.raises(DatasetError, match="several names may be of a/b/1: 1, b/1"):
        match_ids(["1", "b/1"], ["a/b/1"])


@pytest.mark.parametrize(
    ("keys", "ids", "form"),
    [
        (["a_pred", "b_pred"], ["val/a", "val/b"], "{stem}_pred"),
        (["pred-a", "pred-ab"], ["a", "ab"], "pred-{stem}"),
        (["a/mask", "b/mask"], ["x/a", "x/b"], "{stem}/mask"),
        (["x"], ["a"], None),
        ([], ["a"], None),
    ],
)
def test_the_pattern_that_would_fit(keys: list[str], ids: list[str], form: str | None) -> None:
    assert suggested_match(keys, ids) == form


@pytest.mark.parametrize("images", ["reference", "copy"])
def test_predictions_of_a_dataset_fit_its_splits(tmp_path: Path, images: str) -> None:
    """`split` renames samples; the image, the same file or a copy of it, tells which they were."""
    rng = np.random.default_rng(0)
    masks = {f"{s}/{s}{i}": rng.integers(0, 3, (6, 8)) for s in ("train", "val") for i in range(6)}
    whole = make(tmp_path / "a", masks, images=images)
    guesses = {k: (m + (rng.random(m.shape) < 0.3)) % 3 for k, m in masks.items()}
    pred = make(tmp_path / "p", guesses, images=images)
    for ours, theirs in zip(pred, whole, strict=True):
        Path(pred.image_path(ours)).write_bytes(Path(whole.image_path(theirs)).read_bytes())
    split = segdata.split(whole, tmp_path / "b", ratios={"train": 0.5, "val": 0.5}, seed=3)
    _, renamed = renamed_like(pred, split)
    assert renamed
    assert all(old.split("/")[1] == new.split("/")[1] for old, new in renamed.items())
    found, right = segdata.evaluate(pred, split), segdata.evaluate(pred, whole)
    assert (found.missing, found.extra, dict(found.renamed)) == ((), (), renamed)
    np.testing.assert_array_equal(found.confusion.counts, right.confusion.counts)


def test_an_image_that_two_samples_have_tells_nothing(tmp_path: Path) -> None:
    masks = {f"a/{i}": np.zeros((4, 4), int) for i in range(2)}
    one, other = (
        make(tmp_path / "a", masks, images="copy"),
        make(tmp_path / "b", {f"b/{i}": m for i, m in enumerate(masks.values())}, images="copy"),
    )
    for dataset in (one, other):
        for sample in dataset:
            Path(dataset.image_path(sample)).write_bytes(Path(one.image_path(one.samples[0])).read_bytes())
    assert renamed_like(one, other)[1] == {}
