"""From probabilities to class ids."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def decide(
    probs: NDArray[np.float32],
    table: NDArray[np.unsignedinteger[Any]],
    least: float,
    ids: NDArray[np.unsignedinteger[Any]],
) -> None:
    """`ids` (h, w) gets the likeliest class of (K, h, w), by `table` (K + 1,); of equal ones the first.

    The last entry of the table is for pixels of which nothing is known (all 0), or whose largest probability is below `least`.
    """
    classes, height, width = probs.shape
    largest = np.empty(width, np.float32)
    likeliest = np.empty(width, np.int32)
    for y in range(height):
        largest[:] = 0
        likeliest[:] = classes
        for k in range(classes):
            row = probs[k, y]
            for x in range(width):  # without branches, so that many are compared at once
                better = row[x] > largest[x]
                largest[x] = row[x] if better else largest[x]
                likeliest[x] = np.int32(k) if better else likeliest[x]
        for x in range(width):
            ids[y, x] = table[classes if largest[x] < least else likeliest[x]]
