"""Polygons cut for windows: the pixels of the whole ones, from fewer corners."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.files.vectors.geojson import Geometry, burn
from segdata.files.vectors.outlines import Outlines
from segdata.windows import Window

SIZE = (40, 30)


def ring(rng: np.random.Generator, grid: float | None) -> list[list[float]]:
    """One of any corners, also crossing itself, beyond the image and back; `grid`: on multiples of it."""
    points = rng.uniform(-15, 55, (rng.integers(3, 40), 2))
    points = points if grid is None else np.round(points / grid) * grid
    return [*points.tolist(), points[0].tolist()]


def surface(rng: np.random.Generator, grid: float | None) -> Geometry:
    """A polygon or several, with holes that may stick out."""
    parts = [[ring(rng, grid) for _ in range(rng.integers(1, 3))] for _ in range(rng.integers(1, 3))]
    if len(parts) > 1:
        return {"type": "MultiPolygon", "coordinates": parts}
    return {"type": "Polygon", "coordinates": parts[0]}


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.sampled_from([None, 1, 0.5, 0.25]), st.integers(1, 40), st.booleans())
def test_windows_have_the_pixels_of_the_whole(seed: int, grid: float | None, rows: int, all_touched: bool) -> None:
    """Also where edges run through the middles of pixels, or along their borders.

    Not where all pixels that are touched are drawn: whether an edge touches those of which it meets a corner is rounded.
    """
    grid = None if all_touched else grid
    rng = np.random.default_rng(seed)
    geometries = [surface(rng, grid) for _ in range(4)]
    whole = burn([(g, i + 1) for i, g in enumerate(geometries)], Window(0, 0, *SIZE), all_touched=all_touched)
    outlines = Outlines(geometries)
    windows = [Window(y, 0, min(rows, SIZE[0] - y), SIZE[1]) for y in range(0, SIZE[0], rows)]
    parts = [burn([(g, i + 1) for i, g in outlines.seen(w)], w, all_touched=all_touched) for w in windows]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    for i, geometry in enumerate(geometries):
        alone = burn([(geometry, 1)], Window(0, 0, *SIZE), all_touched=all_touched)
        part = outlines.window([i], Window(0, 0, *SIZE))
        if part is not None:
            alone[part.slices] = 0
        assert not alone.any()


def corners(geometry: Any) -> int:
    return sum(len(ring) for part in geometry["coordinates"] for ring in part)


def test_a_window_is_given_the_corners_in_it() -> None:
    angles = np.linspace(0, 2 * np.pi, 100_001)[:-1]
    points = 5000 + 4000 * np.stack([np.cos(angles), np.sin(angles)], 1)
    circle = {"type": "Polygon", "coordinates": [[*points.tolist(), points[0].tolist()]]}
    ((number, seen),) = Outlines([circle]).seen(Window(5000, 0, 100, 10_000))
    assert number == 0
    assert corners(seen) < 1000


@pytest.mark.parametrize(("y", "x"), [(0, 0), (0, 60), (60, 0), (60, 60)])
def test_what_is_beside_a_window_is_not_seen(y: int, x: int) -> None:
    box = [[25, 25], [35, 25], [35, 35], [25, 35], [25, 25]]
    outlines = Outlines([{"type": "Polygon", "coordinates": [box]}])
    assert list(outlines.seen(Window(y, x, 20, 20))) == []
    assert outlines.window([0], Window(y, x, 20, 20)) is None


def test_a_window_between_two_parts_sees_none() -> None:
    parts = [[[[0, y], [9, y], [9, y + 5], [0, y]]] for y in (0, 30)]
    outlines = Outlines([{"type": "MultiPolygon", "coordinates": parts}])
    assert list(outlines.seen(Window(10, 0, 10, 10))) == []
