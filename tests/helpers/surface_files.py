"""Masks whose surfaces are measured: those of the golden answers, made with NumPy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

CLASSES = 4

CASES = {
    "blobs": ((1.0, 1.0), 1.0),
    "edges": ((1.0, 1.0), 2.0),
    "ragged": ((1.0, 1.0), 0.0),
    "flat": ((0.5, 2.0), 1.5),
    "far": ((3.0, 1.25), 4.0),
    "one side": ((1.0, 1.0), 3.0),
}
"""The (y, x) sides of a pixel, and the tolerance, of each case."""


def surface_case(name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """(H, W) truth and prediction of four classes, without ignored pixels; class 3 is in neither."""
    rng = np.random.default_rng(list(CASES).index(name))
    height, width = 48 + 5 * len(name), 64
    small = rng.integers(0, 3, (height // 8 + 1, width // 8 + 1))
    truth = np.kron(small, np.ones((8, 8), int))[:height, :width]
    pred = np.roll(truth, (2, -3), (0, 1))
    if name == "edges":
        truth[4:-4, 4:-4] = 0
    if name in ("ragged", "far"):
        pred = np.where(rng.random(truth.shape) < 0.2, rng.integers(0, 3, truth.shape), pred)
    if name == "far":
        truth[:, 20:] = 0
        pred[:, :40] = 0
    if name == "one side":
        truth[truth == 1], pred[pred == 2] = 0, 0
    return truth.astype(np.uint8), pred.astype(np.uint8)
