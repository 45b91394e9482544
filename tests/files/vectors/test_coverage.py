"""Whether polygons are on an image, and have pixels there, against areas and against burning all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
import shapely.affinity
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import mapping

from segdata.files.vectors import coverage
from segdata.files.vectors.coverage import covers_none, meets
from segdata.files.vectors.geojson import burn
from segdata.windows import Window

SIZE = (12, 17)
IMAGE = shapely.box(0, 0, 17, 12)


@settings(max_examples=100)
@given(
    st.integers(0, 2**32 - 1), st.floats(0.2, 12), st.booleans(), st.sampled_from([1, 40, 2**20]), st.sampled_from([0, 2**10])
)  # fmt: skip
def test_any_polygon(seed: int, reach: float, all_touched: bool, band: int, few: int) -> None:
    rng = np.random.default_rng(seed)
    middle = rng.uniform(-8, 25, 2)
    shape = shapely.convex_hull(shapely.MultiPoint(middle + rng.uniform(-reach, reach, (6, 2))))
    kind = rng.integers(5)
    if kind == 0:
        shape = shape.union(shapely.box(*(middle + 20), *(middle + 21)))
    elif kind == 1:
        shape = shape.difference(shapely.affinity.scale(shape, 0.9, 0.9))
    elif kind == 2:  # a sliver, or a polygon with corners at middles of pixels
        shape = shapely.convex_hull(shapely.set_precision(shape, 0.5)).buffer(0)
    geometry: Any = dict(mapping(shape))
    if shape.is_empty:
        return
    inside = shape.intersection(IMAGE).area
    if inside > 1e-9 or not shape.intersects(IMAGE):
        assert meets(geometry, SIZE) == (inside > 0)
    if meets(geometry, SIZE):
        whole = burn([(geometry, 1)], Window(0, 0, *SIZE), all_touched=all_touched)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(coverage, "BAND", band)
            patch.setattr(coverage, "FEW", few)
            assert covers_none(geometry, SIZE, all_touched=all_touched) == (not whole.any())


@pytest.mark.parametrize(
    ("shape", "on"),
    [
        (shapely.box(0, 0, 17, 12), True), (shapely.box(-9, -9, 99, 99), True), (shapely.box(17, 0, 20, 5), False),
        (shapely.box(-9, -9, 99, 99).difference(IMAGE), False),
        (shapely.box(-9, -9, 99, 99).difference(shapely.box(1, 1, 17, 12)), True),
        (shapely.Polygon([(-9, -9), (20, 20), (20, -9), (-9, 20)]), True),  # its edges cross
    ],
)  # fmt: skip
def test_borders(shape: Any, on: bool) -> None:
    assert meets(dict(mapping(shape)), SIZE) == on


def test_a_polygon_between_middles_of_pixels() -> None:
    small: Any = dict(mapping(shapely.box(3.6, 3.6, 3.9, 3.9)))
    assert covers_none(small, SIZE)
    assert not covers_none(small, SIZE, all_touched=True)
    assert not covers_none(dict(mapping(shapely.box(16.4, 11.4, 30, 30))), SIZE)
    for beside in (shapely.box(20, 3, 30, 9), shapely.box(3, -9, 5, -2), shapely.box(3, 12, 5, 20)):
        assert covers_none(dict(mapping(beside)), SIZE)
