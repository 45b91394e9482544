"""Morphology by SciPy and scikit-image, in their own environment. `scikit_answers.py MASKS.npz`: for each line, seconds.

MASKS holds `masks` (N, H, W) uint8 class ids. A line names a library and an operation. It is done for every mask, one class at a
time as a set of pixels: pixels that a class loses get no other class.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.ndimage as ndi  # type: ignore[import-not-found, import-untyped, unused-ignore]
import skimage.filters.rank as rank  # type: ignore[import-not-found, unused-ignore]
import skimage.morphology as ski  # type: ignore[import-not-found, unused-ignore]

DISK = ski.disk(3)
EIGHT = np.ones((3, 3))


def _small(binary: Any) -> Any:
    numbers, _ = ndi.label(binary, EIGHT)
    return (np.bincount(numbers.ravel()) >= 64)[numbers] & binary


def _remove_small(binary: Any) -> Any:
    try:
        return ski.remove_small_objects(binary, max_size=63, connectivity=2)
    except TypeError:  # before 0.26
        return ski.remove_small_objects(binary, 64, connectivity=2)


WAYS: dict[str, Callable[[Any], Any]] = {
    "scipy open": lambda b: ndi.binary_opening(b, DISK),
    "scipy close": lambda b: ndi.binary_closing(b, DISK),
    "scipy fill_holes": ndi.binary_fill_holes,
    "scipy min_area": _small,
    "skimage open": lambda b: ski.opening(b.astype(np.uint8), DISK),
    "skimage close": lambda b: ski.closing(b.astype(np.uint8), DISK),
    "skimage min_area": _remove_small,
}
WHOLE: dict[str, Callable[[Any], Any]] = {
    "skimage majority": lambda mask: rank.majority(mask, DISK),
}
"""The operations that take a whole label map."""


def main(source: str) -> None:
    """Answer each line of the input."""
    masks = np.load(source)["masks"]
    for line in sys.stdin:
        name = line.strip()
        start = time.perf_counter()
        for mask in masks:
            if name in WHOLE:
                WHOLE[name](mask)
                continue
            for value in np.unique(mask):
                WAYS[name](mask == value)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
