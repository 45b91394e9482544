"""Distances against those of every point to every other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.kernels.distance import distances_between

STEPS = [(1.0, 1.0), (0.5, 2.0), (3.0, 1.25), (1e-3, 1.0)]


def by_hand(held: NDArray[np.bool_], steps: tuple[float, float]) -> NDArray[Any]:
    """(H, W): to the nearest of the pixels held, infinite without one."""
    y, x = np.mgrid[: held.shape[0], : held.shape[1]]
    rows, columns = np.nonzero(held)
    down, across = (y[..., None] - rows) * steps[0], (x[..., None] - columns) * steps[1]
    return np.sqrt((down * down + across * across).min(axis=-1, initial=np.inf))


@st.composite
def pixels(draw: st.DrawFn) -> NDArray[np.bool_]:
    """Few pixels or many, none too."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    share = draw(st.sampled_from([0.0, 0.02, 0.3, 1.0]))
    return rng.random((draw(st.integers(1, 20)), draw(st.integers(1, 20)))) < share


def listed(held: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The rows and columns of pixels, in order."""
    rows, columns = np.nonzero(held)
    return rows.astype(np.int32), columns.astype(np.int32)


@settings(max_examples=100)
@given(pixels(), st.sampled_from(STEPS), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.2, 1.0]))
def test_some_points_to_others(held: NDArray[np.bool_], steps: tuple[float, float], seed: int, share: float) -> None:
    asked = np.random.default_rng(seed).random(held.shape) < share
    out = np.empty(int(asked.sum()))
    distances_between(*listed(asked), *listed(held), *steps, out)
    np.testing.assert_allclose(out, by_hand(held, steps)[asked], rtol=1e-14)


@pytest.mark.parametrize("size", [(1, 300), (300, 1), (90, 120)])
def test_large_distances_are_exact(size: tuple[int, int]) -> None:
    held = np.zeros(size, np.bool_)
    held[0, 0] = held[-1, -1] = True
    out = np.empty(held.size)
    distances_between(*listed(np.ones(size, np.bool_)), *listed(held), 1.0, 1.0, out)
    assert (np.rint(out**2) == np.rint(by_hand(held, (1.0, 1.0)).ravel() ** 2)).all()
