"""Regions that differ, beside OpenCV's connected components of each pair of values."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segdata.kernels.regions import unequal_regions

PAIRS = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: st.tuples(*[arrays(np.uint8, shape, elements=st.integers(0, 2))] * 2)
)


def by_opencv(mask: Any, other: Any) -> list[tuple[int, ...]]:
    found = []
    for a, b in {(int(a), int(b)) for a, b in zip(mask.ravel(), other.ravel(), strict=True) if a != b}:
        same = ((mask == a) & (other == b)).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(same, connectivity=8)
        found += [(a, b, y, x, h, w, n) for x, y, w, h, n in stats[1:].tolist()]
    return sorted(found)


@given(PAIRS)
def test_regions_are_connected_components_of_each_pair(pair: tuple[Any, Any]) -> None:
    mask, other = pair
    found = unequal_regions(mask, other)
    assert sorted(map(tuple, found.tolist())) == by_opencv(mask, other)
    assert found[:, 6].sum() == (mask != other).sum()
    assert sorted(unequal_regions(other, mask)[:, 6].tolist()) == sorted(found[:, 6].tolist())


def test_equal_masks_have_none() -> None:
    mask = np.arange(12, dtype=np.uint16).reshape(3, 4) * 300
    assert unequal_regions(mask, mask.copy()).shape == (0, 7)
