"""Masks and class names as hypothesis draws them for exports, and what must come back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata import Dataset

IDS = (
    "a",
    "b/c",
    "train/a",
    "train/b",
    "val/a",
    "val/d e",
    "extra/k",
    "b/C",
    "x.y",
    "ü",
    "#1",
    "_",
    "1",
    ".a",
    "train/.x/k",
)
"""Ids with folders, in splits and not (what stands before a slash is the split), alike but for case, hidden, and odd ones."""

ODD_NAMES = (
    "background", "road sign", "a, b", 'say "x"', "Straße", "猫", "it's", "12", "class 1", "class 2", "a/b", "#hash", "no",
    "null", "- x", "{y}", "a;b", "name", "id", "x" * 80, "a\\b", "Background", "%d", "{{ z }}", "ê", "e\u0302",
)  # fmt: skip
"""Names that some parser takes for something else."""


@st.composite
def drawn_sets(draw: Any, *, most: int = 255, names: tuple[str, ...] = ODD_NAMES) -> tuple[list[str], dict[str, Any]]:
    """Class names, and masks of them by id: noise, one value, rings in rings, diagonals, single pixels, all ignored."""
    few = draw(st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True))
    number = draw(st.sampled_from([len(few), len(few), min(most, 255), min(most, 300)]))
    named = [*few, *(f"class {i:05}" for i in range(len(few), number))]
    ids = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=4, unique=True))
    return named, {id: draw(drawn_masks(len(named))) for id in ids}


@st.composite
def drawn_masks(draw: Any, classes: int) -> NDArray[Any]:
    """(H, W) class ids, and the ignore value of so many classes."""
    ignore = 255 if classes <= 255 else 65535
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    some = draw(
        st.lists(st.sampled_from([*{0, 1 % classes, classes // 2, classes - 1}, ignore]), min_size=2, max_size=3)
    )
    y, x = np.mgrid[:height, :width]
    kind = draw(st.sampled_from(["noise", "one", "rings", "diagonals", "pixel"]))
    if kind == "noise":
        place = np.random.default_rng(draw(st.integers(0, 2**32))).integers(0, len(some), (height, width))
    elif kind == "rings":
        place = np.minimum.reduce([y, x, height - 1 - y, width - 1 - x]) % len(some)
    elif kind == "diagonals":
        place = (y + x) % len(some)
    else:
        place = ((y == height // 2) & (x == 0) & (kind == "pixel")).astype(int)
    return np.asarray(np.array(some)[place], np.uint8 if ignore == 255 else np.uint16)


def same_pixels(back: Dataset, source: Dataset, ids: Mapping[str, str]) -> None:
    """A dataset that came back has the classes and pixels of another; `ids`: each sample's id there, by its id here."""
    assert back.labels == source.labels
    assert sorted(ids) == sorted(sample.id for sample in source)
    assert sorted(ids.values()) == sorted(sample.id for sample in back)
    for sample in source:
        np.testing.assert_array_equal(back.read_mask(back.sample(ids[sample.id])), source.read_mask(sample))
