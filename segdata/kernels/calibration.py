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
    kept: NDArray[np.int64],
    right: NDArray[np.int64],
) -> None:
    """Add each labelled pixel of (K, H, W) and (H, W) to the bin, of (K, B), of its likeliest class and its probability.

    And to the step of `kept` (T,), and of `right` if it is: step i holds i / T and more, below (i + 1) / T. NaN counts as 0.
    """
    classes, height, width = probs.shape
    bins, steps = pixels.shape[1], kept.shape[0]
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
                k, hit = likeliest[x], likeliest[x] == truth[y, x]
                pixels[k, at] += 1
                hits[k, at] += hit
                confidence[k, at] += largest[x]
                step = min(int(largest[x] * steps), steps - 1)
                kept[step] += 1
                right[step] += hit
