"""From probabilities to class ids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def decide_row(probs: NDArray[np.float32], y: int, largest: NDArray[np.float32], likeliest: NDArray[np.int32]) -> None:
    """Write to (w,) arrays the `largest` of `probs` (K, h, w) in the row `y`, and which class has it. On a tie, the first one.

    Of pixels without any probability (all 0) it is 0, and the class is K.
    """
    classes, _, width = probs.shape
    largest[:] = 0
    likeliest[:] = classes
    for k in range(classes):
        row = probs[k, y]
        for x in range(width):  # no branches: many pixels are compared at once
            better = row[x] > largest[x]
            largest[x] = row[x] if better else largest[x]
            likeliest[x] = np.int32(k) if better else likeliest[x]


@kernel
def decide(
    probs: NDArray[np.float32],
    table: NDArray[np.unsignedinteger[Any]],
    least: float,
    ids: NDArray[np.unsignedinteger[Any]],
) -> None:
    """Write to `ids` (h, w) the likeliest class of `probs` (K, h, w), translated by `table` (K + 1,). On a tie, the first one.

    The last entry of the table is for pixels without any probability (all 0), and for those whose largest is below `least`.
    """
    classes, height, width = probs.shape
    largest = np.empty(width, np.float32)
    likeliest = np.empty(width, np.int32)
    for y in range(height):
        decide_row(probs, y, largest, likeliest)
        for x in range(width):
            ids[y, x] = table[classes if largest[x] < least else likeliest[x]]
