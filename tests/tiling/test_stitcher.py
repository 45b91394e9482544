"""Grids, padding, scaling and stitching against brute force."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segdata.errors import OptionError
from segdata.tiling.stitcher import MaskStitcher, Stitcher, aligned, blend_weights
from segdata.windows import Window, grid, starts

BLENDS: tuple[Any, ...] = ("gaussian", "linear", "crop", "none")


@st.composite
def layouts(draw: st.DrawFn) -> tuple[int, int, tuple[int, int], tuple[int, int]]:
    """An image's height and width, the size of tiles and their stride."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    size = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    return height, width, size, (draw(st.integers(1, size[0])), draw(st.integers(1, size[1])))


@given(layouts())
def test_a_grid_covers_every_pixel_and_sticks_out_nowhere(layout: Any) -> None:
    height, width, size, stride = layout
    covered = np.zeros((height, width), int)
    windows = grid(height, width, size, stride)
    assert windows == sorted(set(windows))
    for window in windows:
        assert (window.height, window.width) == (min(size[0], height), min(size[1], width))
        assert window.y >= 0 <= window.x
        assert window.bottom <= height
        assert window.right <= width
        covered[window.slices] += 1
    assert (
        covered.min() == 1 or stride != size
    )  # with a stride of the size nothing is covered twice but at the last window
    assert covered.all()
    for length, window, step in zip((height, width), size, stride, strict=True):
        places = starts(length, window, step)
        assert all(0 < b - a <= step for a, b in pairwise(places))
        assert places[:-1] == list(range(0, step * (len(places) - 1), step))


def test_the_last_window_is_neither_missing_nor_doubled() -> None:
    assert starts(10, 4, 3) == [0, 3, 6]  # (length - size) divides the stride
    assert starts(11, 4, 3) == [0, 3, 6, 7]
    assert starts(4, 4, 4) == starts(3, 4, 1) == [0]


@pytest.mark.parametrize(
    ("length", "size", "stride"), [(0, 4, 4), (9, 0, 1), (9, 4, 0), (9, 4, -1), (9, 4, 5), (9, -4, 1)]
)
def test_impossible_grids_are_refused(length: int, size: int, stride: int) -> None:
    with pytest.raises(OptionError, match="must be"):
        starts(length, size, stride)


@given(*[st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(1, 9), st.integers(1, 9))] * 2)
def test_where_windows_meet(one: Any, two: Any) -> None:
    a, b = Window(*one), Window(*two)
    canvas = np.zeros((18, 18), int)
    canvas[a.slices] += 1
    canvas[b.slices] += 1
    both = a.meet(b)
    found = np.zeros_like(canvas)
    if both is not None:
        found[both.slices] = 1
    np.testing.assert_array_equal(found, canvas == 2)


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(BLENDS))
def test_weights_are_above_zero_and_symmetric(height: int, width: int, kind: Any) -> None:
    weights = blend_weights(height, width, kind)
    assert (weights.dtype, weights.shape) == (np.float32, (height, width))
    assert weights.min() > 0
    assert np.isfinite(weights).all()
    np.testing.assert_allclose(weights, weights[::-1, ::-1], rtol=1e-6)
    assert weights[height // 2, width // 2] == weights.max()


def test_an_unknown_blend_lists_the_known() -> None:
    with pytest.raises(OptionError, match="gaussian, linear, crop, none"):
        blend_weights(4, 4, "cubic")  # type: ignore[arg-type]


@settings(max_examples=60)
@given(layouts(), st.sampled_from(BLENDS), st.integers(0, 2**32 - 1))
def test_stitching_is_the_weighted_mean_of_the_tiles(layout: Any, blend: Any, seed: int) -> None:
    height, width, size, stride = layout
    rng = np.random.default_rng(seed)
    windows = [w for w in grid(height, width, size, stride) if rng.random() < 0.8]
    tiles = [rng.random((3, w.height, w.width), np.float32) for w in windows]
    total, weight = np.zeros((3, height, width)), np.zeros((height, width))
    for window, tile in zip(windows, tiles, strict=True):
        weights = blend_weights(window.height, window.width, blend)
        if blend == "crop":
            better = weights > weight[window.slices]
            np.copyto(total[:, *window.slices], tile, where=better)
            np.copyto(weight[window.slices], weights, where=better)
        else:
            total[:, *window.slices] += tile * weights.astype(float)
            weight[window.slices] += weights
    expected = total if blend == "crop" else total / np.where(weight > 0, weight, 1)
    middle = width // 2
    for columns in (None, (0, middle), (middle, width)):
        first, last = columns or (0, width)
        if first == last:
            continue
        stitcher = Stitcher(height, width, 3, blend=blend, columns=columns)
        rows = [band for w, t in zip(windows, tiles, strict=True) for band in stitcher.add(w, t)] + stitcher.finish()
        assert max(band.shape[1] for _, band in rows) <= max(64, size[0])
        assert [y for y, _ in rows] == np.cumsum([0, *[band.shape[1] for _, band in rows][:-1]]).tolist()
        out = np.concatenate([band for _, band in rows], axis=1)
        np.testing.assert_allclose(out, expected[:, :, first:last], rtol=1e-5, atol=1e-6)


@settings(max_examples=60)
@given(layouts(), st.sampled_from(BLENDS), st.integers(0, 2**32 - 1))
def test_the_tiles_of_a_mask_give_it_back(layout: Any, blend: Any, seed: int) -> None:
    height, width, size, stride = layout
    mask = np.random.default_rng(seed).integers(0, 4, (height, width)).astype(np.uint8)
    stitcher = MaskStitcher(height, width, 255, np.uint8, blend=blend)
    rows = [b for w in grid(height, width, size, stride) for b in stitcher.add(w, mask[w.slices])] + stitcher.finish()
    np.testing.assert_array_equal(np.concatenate([band for _, band in rows]), mask)


def test_a_pixel_is_of_the_tile_in_which_it_lies_deepest() -> None:
    stitcher = MaskStitcher(4, 12, 255, np.uint8)
    rows = [*stitcher.add(Window(0, 0, 4, 8), np.zeros((4, 8), np.uint8))]
    rows += [*stitcher.add(Window(0, 4, 4, 8), np.ones((4, 8), np.uint8)), *stitcher.finish()]
    assert np.concatenate([band for _, band in rows])[1].tolist() == [0] * 6 + [1] * 6
    holes = MaskStitcher(200, 3, 255, np.uint8)
    rows = [*holes.add(Window(150, 0, 9, 3), np.zeros((9, 3), np.uint8)), *holes.finish()]
    whole = np.concatenate([band for _, band in rows])
    assert (whole[:150] == 255).all()
    assert not whole[150:159].any()
    assert (whole[159:] == 255).all()


def test_windows_must_come_from_the_top() -> None:
    stitcher = MaskStitcher(20, 5, 255, np.uint8)
    stitcher.add(Window(9, 0, 5, 5), np.zeros((5, 5), np.uint8))
    for window in (Window(3, 0, 5, 5), Window(18, 0, 5, 5), Window(9, -1, 5, 5)):
        with pytest.raises(ValueError, match="in order of y"):
            stitcher.add(window, np.zeros((5, 5), np.uint8))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(1, 12))
def test_rows_come_again_in_parts_of_one_size(heights: list[int], rows: int) -> None:
    whole = np.arange(2 * sum(heights) * 3).reshape(2, -1, 3)
    tops = np.cumsum([0, *heights])[:-1].tolist()
    bands = [(y, whole[:, y : y + h]) for y, h in zip(tops, heights, strict=True)]
    out = list(aligned(bands, rows, whole.shape[1]))
    assert [y for y, _ in out] == list(range(0, whole.shape[1], rows))
    assert all(part.shape[1] == rows for _, part in out[:-1])
    np.testing.assert_array_equal(np.concatenate([part for _, part in out], axis=1), whole)


@pytest.mark.parametrize("blend", ["gaussian", "crop"])
def test_rows_may_share_memory_in_turn(blend: Any) -> None:
    """With `reuse` the same rows come, as long as they are used before the next ones are asked for."""
    random = np.random.default_rng(0)
    windows = [Window(y, x, 8, 10) for y in (0, 5, 6, 19, 30) for x in (0, 7, 12)]
    tiles = [random.random((3, 8, 10), np.float32) for _ in windows]
    found = []
    for reuse in (False, True):
        stitcher = Stitcher(40, 22, 3, blend=blend, reuse=reuse)
        parts = [(y, rows.copy()) for w, tile in zip(windows, tiles, strict=True) for y, rows in stitcher.add(w, tile)]
        parts += [(y, rows.copy()) for y, rows in stitcher.finish()]
        assert [y for y, _ in parts] == np.cumsum([0, *(rows.shape[1] for _, rows in parts[:-1])]).tolist()
        found.append(np.concatenate([rows for _, rows in parts], axis=1))
    np.testing.assert_array_equal(*found)
    assert found[0].shape == (3, 40, 22)
