"""Strips of windows: whole rows that cover each pixel once, as large as was asked for, on whole blocks of a file."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segdata.windows import Window

SIDES = st.integers(1, 40)


@given(st.builds(Window, st.integers(0, 9), st.integers(0, 9), SIDES, SIDES), st.integers(1, 400), st.integers(1, 7))
def test_strips_cover_a_window_once(window: Window, pixels: int, block: int) -> None:
    times = np.zeros((60, 60), int)
    strips = list(window.strips(pixels, block))
    for strip in strips:
        times[strip.slices] += 1
        assert (strip.x, strip.width) == (window.x, window.width)
        assert (strip.y - window.y) % block == 0
        assert strip.height * strip.width <= max(pixels, block * window.width)
    assert times[window.slices].all()
    assert times.sum() == window.height * window.width == times[window.slices].sum()
    largest = max(1, pixels // window.width // block) * block
    assert len(strips) == -(-window.height // largest), "no more of them than are needed"
