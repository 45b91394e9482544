"""Labellings of one image by several annotators who err in their own ways, the same on every machine; numpy alone makes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CASES = {"2 of 3": (2, 3), "2 of 5": (2, 5), "4 of 3": (4, 3), "4 of 4": (4, 4), "7 of 5": (7, 5)}
"""By name: how many classes, and annotators."""


def annotators(classes: int, count: int, shape: tuple[int, int] = (45, 60)) -> list[NDArray[np.uint8]]:
    """(H, W) masks of blobs: each annotator moves the borders its own way, takes some classes for others, and errs at random."""
    height, width = shape
    y, x = np.mgrid[:height, :width]

    def numbers(salt: int, below: int) -> NDArray[np.int64]:
        i = np.arange(height * width, dtype=np.uint64) + np.uint64(salt * 1_000_003)
        h = (i * np.uint64(2654435761)) % np.uint64(2**32)
        h = ((h ^ (h >> np.uint64(15))) * np.uint64(2246822519)) % np.uint64(2**32)
        return ((h >> np.uint64(9)) % np.uint64(below)).astype(np.int64).reshape(shape)

    def truth(down: int, right: int) -> NDArray[np.int64]:
        return ((y + down) // 11 * 3 + (x + right) // 13 * 5) % (2 * classes) % classes * (((y + down) // 7) % 2)

    masks = []
    for n in range(count):
        mask = truth(n % 2, n % 3)
        noisy = numbers(3 * n + 1, 100) < 4 + 5 * n
        mask = np.where(noisy, numbers(3 * n + 2, classes), mask)
        swapped = (mask == classes - 1) & (numbers(3 * n + 3, 100) < 10 * n)
        masks.append(np.where(swapped, 0, mask).astype(np.uint8))
    return masks
