"""Colours for people: any pixels as 8-bit RGB and as brightness, computed by blocks of rows, against one formula for all."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from segdata.files import colors


def stretched(values: NDArray[Any], nodata: float | None) -> NDArray[np.uint8]:
    """(h, w, 3): the first three bands, or one alone, from the 2nd to the 98th percentile of what is known."""
    three = (values if values.shape[2] >= 3 else values[:, :, [0, 0, 0]])[:, :, :3].astype(np.float64)
    if nodata is not None:
        three[three == nodata] = np.nan
    low, high = np.percentile(three[np.isfinite(three)], (2, 98))
    shown = (np.nan_to_num(three, nan=low) - low) * (255 / (high - low))
    return shown.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", ["uint16", "int16", "int64", "float64"])
@pytest.mark.parametrize("nodata", [None, 7])
def test_blocks_of_rows_are_shown_as_all_at_once(
    monkeypatch: pytest.MonkeyPatch, bands: int, dtype: str, nodata: float | None
) -> None:
    values = np.random.default_rng(bands).integers(0, 300, (61, 47, bands)).astype(dtype)
    if dtype == "float64":
        values[3:5], values[9] = np.nan, np.inf
    monkeypatch.setattr(colors, "PIXELS", 500)
    rgb = colors.to_rgb(values, nodata=nodata)
    np.testing.assert_array_equal(rgb, stretched(values, nodata))
    np.testing.assert_array_equal(colors.to_grey(rgb), (rgb @ colors.LUMA).round())


def test_a_large_image_is_shown_in_little_more_memory_than_it_has() -> None:
    """Before, it took 24 bytes per pixel several times over: 7.6 GB for `check` of 9,000 x 9,000 pixels of int16."""
    values = np.random.default_rng(0).integers(0, 3000, (3000, 1000, 3)).astype(np.int16)
    tracemalloc.start()
    colors.to_grey(colors.to_rgb(values, nodata=0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * values.nbytes
