"""Masks of numbers of any type: any window is that of the whole, and memory does not grow with the mask."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segdata.errors import DataError
from segdata.files.numbers import open_numbers, whole_numbers
from segdata.files.tiff import encode_tiff
from segdata.labels import Labels
from segdata.readers.label_files import LabelFile, Meaning
from segdata.windows import Window

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("suffix", [".npy", ".tif"])
def test_windows(suffix: str, order: Any, tmp_path: Path) -> None:
    values = np.asarray(np.random.default_rng(0).integers(-9, 70000, (37, 53)), np.int64, order=order)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encode_tiff(values[..., None].astype(np.int32))) if suffix == ".tif" else np.save(path, values)
    with open_numbers(path) as numbers:
        assert numbers is not None
        np.testing.assert_array_equal(numbers.read(), values)
        for window in (Window(0, 0, 1, 1), Window(5, 7, 30, 40), Window(36, 52, 1, 1)):
            np.testing.assert_array_equal(numbers.read(window), values[window.slices])


@given(
    arrays.arrays(
        st.one_of(
            arrays.integer_dtypes(), arrays.unsigned_integer_dtypes(), arrays.floating_dtypes(), arrays.boolean_dtypes()
        ),
        arrays.array_shapes(min_dims=2, max_dims=2),
    )
)
def test_whole_numbers_are_equal_or_refused(values: Any) -> None:
    whole = [float(value).is_integer() and abs(float(value)) < 2**53 for value in values.ravel()]
    if values.dtype.kind == "f" and not all(whole):
        y, x = divmod(whole.index(False), values.shape[1])
        with pytest.raises(DataError, match=f"row {y}, column {x},"):
            whole_numbers(values, "x")
        return
    found = whole_numbers(values, "x")
    assert found.dtype.kind in "iu"
    assert found.dtype.isnative
    assert found.tolist() == [[int(value) for value in row] for row in values]


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
def test_large_ones_are_read_some_rows_at_a_time(suffix: str, tmp_path: Path) -> None:
    values = np.zeros((6000, 3000), np.float64)
    values[4000:, 100] = 1
    values[-1, -1] = -1
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encode_tiff(values[..., None])) if suffix == ".tif" else np.save(path, values)
    labels = Labels.of(["a", "b"])
    file = LabelFile(str(path), Meaning({0: 0, 1: 1, -1: None}))
    tracemalloc.start()
    with file.bands(labels.table({0: 0, 1: 1, 255: None})) as banded:
        assert banded is not None
        counts = sum(np.bincount(rows.ravel(), minlength=256) for rows in banded.rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert counts[[0, 1, 255]].tolist() == [6000 * 3000 - 2001, 2000, 1]
    assert peak < values.nbytes
