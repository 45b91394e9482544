"""The compiled loops that other tests reach only in part, against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from segdata.kernels.count import count_values, translate
from segdata.kernels.lookup import look_up

RUNS = st.lists(st.tuples(st.sampled_from([0, 1, 7, 255, 256, 257, 65535]), st.integers(1, 40)), max_size=12)
"""Label maps are runs, and the loops take eight bytes at a time: values whose two bytes are alike and unlike, any length."""


def values_of(runs: list[tuple[int, int]], dtype: Any, skip: int) -> NDArray[Any]:
    flat = np.array([value for value, length in runs for _ in range(length)], np.int64)
    return flat.astype(dtype)[skip:]  # a view that begins at an odd address


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@given(runs=RUNS, skip=st.integers(0, 9))
def test_counts(dtype: Any, runs: list[tuple[int, int]], skip: int) -> None:
    values = values_of(runs, dtype, skip)
    bins = 2 ** (8 * values.itemsize)
    counts = count_values(values, bins)
    assert counts.dtype == np.int64
    assert np.array_equal(counts, np.bincount(values, minlength=bins))


@given(npst.arrays(np.uint8, st.integers(0, 100)))
def test_counts_of_noise(values: NDArray[np.uint8]) -> None:
    assert np.array_equal(count_values(values, 256), np.bincount(values, minlength=256))


@pytest.mark.parametrize("target", [np.uint8, np.uint16])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@given(runs=RUNS, skip=st.integers(0, 9))
def test_translation(dtype: Any, target: Any, runs: list[tuple[int, int]], skip: int) -> None:
    values = values_of(runs, dtype, skip)
    table = np.random.default_rng(0).integers(0, np.iinfo(target).max, 2 ** (8 * values.itemsize)).astype(target)
    out = np.empty(values.shape, target)
    translate(values, table, out)
    assert np.array_equal(out, table[values])


@given(npst.arrays(np.int32, st.integers(0, 60), elements=st.integers(0, 12)), st.sets(st.integers(0, 12)))
def test_sparse_lookup(values: NDArray[np.int32], listed: set[int]) -> None:
    keys = np.array(sorted(listed), np.int64)
    positions, counts = np.empty(values.shape, np.int64), np.zeros(keys.shape, np.int64)
    unknown = look_up(values, keys, positions, counts)
    missing = [v for v in values.tolist() if v not in listed]
    assert unknown == (missing[0] if missing else -1)
    if not missing:
        assert keys[positions].tolist() == values.tolist()
        assert counts.tolist() == [values.tolist().count(k) for k in keys.tolist()]
