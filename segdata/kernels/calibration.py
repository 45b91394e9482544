"""Pixels sorted into bins by a model's confidence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def add_confidence(
    probs: NDArray[np.float32],
    truth: NDArray[np.unsignedinteger[Any]],
    ignore: int,
    pixels: NDArray[np.int64],
    hits: NDArray[np.int64],
    confidence: NDArray[np.float64],
) -> None:
    """Add each labelled pixel of (K, H, W) and (H, W) to the bin, of (B,), of its largest probability. NaN counts as 0."""
    classes, height, width = probs.shape
    bins = pixels.shape[0]
    largest = np.empty(width, np.float32)
    likeliest = np.empty(width, np.int64)
    for y in range(height):
        largest[:] = 0
        likeliest[:] = 0
        for k in range(classes):
            row = probs[k, y]
            for x in range(width):
                if row[x] > largest[x]:
                    largest[x] = row[x]
                    likeliest[x] = k
        for x in range(width):
            if truth[y, x] != ignore:
                at = min(max(int(np.ceil(largest[x] * bins)) - 1, 0), bins - 1)
                pixels[at] += 1
                hits[at] += likeliest[x] == truth[y, x]
                confidence[at] += largest[x]
