"""Fingerprints beside brute force, and by what each dataset is."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("torch")

from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError
from segdata.labels import Labels
from segdata.nn.auto.fingerprint import class_runs, fingerprint, span_of, splits_of, spread
from train_files import scenes

LABELS = Labels.of(["a", "b", "c"])


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 1, 2, 255])))
def test_runs_are_those_that_are_counted_by_hand(mask: np.ndarray) -> None:
    wanted = [
        [sum(value == c for line in lines for value, _ in groupby(line.tolist())) for c in range(3)]
        for lines in (mask, mask.T)
    ]
    assert class_runs(mask, LABELS).tolist() == wanted


def test_of_scenes(tmp_path: Path) -> None:
    dataset = scenes(tmp_path / "d", train=6, val=2)
    found = fingerprint(dataset)
    assert (found.train_split, found.val_split, found.images, found.val_images, found.units) == (
        "train",
        "val",
        6,
        2,
        6,
    )
    assert (found.size, found.same, found.bands, found.dtype, found.placed) == ((24, 32), True, 3, "uint8", False)
    pixels = np.stack(
        [np.bincount(dataset.read_mask(s).ravel(), minlength=256)[:3] for s in dataset.split("train")]
    ).sum(0)
    assert found.shares == pytest.approx(pixels / pixels.sum(), rel=1e-3)
    masks = [dataset.read_mask(s) for s in dataset.split("train")]
    runs = sum(class_runs(mask, dataset.labels) for mask in masks)
    assert found.thickness == pytest.approx(pixels / np.max(runs, axis=0), rel=1e-3)
    assert found.areas[2] == 80  # rectangles of 8 x 10 pixels, nothing is painted over them


def test_shapes_that_differ(tmp_path: Path) -> None:
    assert not fingerprint(scenes(tmp_path / "d", sizes=[(24, 30)])).same
    assert fingerprint(scenes(tmp_path / "e", sizes=[(48, 64)])).same


def test_splits_are_those_that_are_plainly_meant(tmp_path: Path) -> None:
    dataset = scenes(tmp_path / "d")

    def named(names: dict[str, str | None]) -> Dataset:
        samples = [msgspec.structs.replace(s, split=names[s.split or ""]) for s in dataset]
        return Dataset(dataset.root, dataset.labels, samples, {}, "copy")

    assert splits_of(dataset) == ("train", "val")
    assert splits_of(named({"train": "trainval", "val": "test"})) == ("trainval", None)
    assert splits_of(named({"train": None, "val": None})) == (None, None)
    with pytest.raises(DatasetError, match=r"no split train or trainval.*--folds 5"):
        splits_of(named({"train": "a", "val": "b"}))


def test_the_span_leaves_out_what_is_no_number() -> None:
    values = np.array([np.nan, np.inf, *range(1001)], np.float32)
    assert span_of(values) == (5, 995)
    assert span_of(np.array([np.nan])) == (0, 0)


def test_samples_are_spread() -> None:
    assert spread(list(range(101)), 3) == [0, 50, 100]  # type: ignore[arg-type, comparison-overlap]
    assert spread([1, 2], 5) == [1, 2]  # type: ignore[list-item, comparison-overlap]
