"""What a model is sure of, class by class, and how often it is right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel
from segdata.kernels.decide import decide_row


@kernel
def add_signals(
    probs: NDArray[np.float32],
    entropy: NDArray[np.float32],
    truth: NDArray[np.int32],
    edges: NDArray[np.float32],
    pixels: NDArray[np.int64],
    confidence: NDArray[np.float64],
    spread: NDArray[np.float64],
    bins: NDArray[np.int64],
) -> None:
    """Add each pixel of (K, h, w) that has any probability to its likeliest class; on a tie, the first one.

    To `pixels` 1, to `confidence` its largest probability, to `spread` its `entropy` (h, w), all (K,). Of `bins` (3, B) the row
    0 counts it, 1 if its `truth` (h, w) is known (not below 0), 2 if that is its likeliest class. Bin b begins at `edges` (B,).
    """
    classes, height, width = probs.shape
    largest = np.empty(width, np.float32)
    likeliest = np.empty(width, np.int32)
    for y in range(height):
        decide_row(probs, y, largest, likeliest)
        for x in range(width):
            k = likeliest[x]
            if k == classes:
                continue
            pixels[k] += 1
            confidence[k] += largest[x]
            spread[k] += entropy[y, x]
            low, high = 0, edges.shape[0]
            while high - low > 1:
                middle = (low + high) // 2
                if edges[middle] <= largest[x]:
                    low = middle
                else:
                    high = middle
            bins[0, low] += 1
            if truth[y, x] >= 0:
                bins[1, low] += 1
                bins[2, low] += truth[y, x] == k
