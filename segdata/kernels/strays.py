"""Whether shapes, drawn one over another, have the pixels that they are made from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def count_strays(
    forth: NDArray[np.integer[Any]],
    back: NDArray[np.integer[Any]],
    values: NDArray[np.int64],
    mask: NDArray[np.unsignedinteger[Any]],
    skip: NDArray[np.int64],
) -> int:
    """Count the pixels that no shape has, or the wrong one, or more than one.

    `forth` and `back` (H, W) hold the number of the shape on top, from 1 on, 0 for none: drawn in their order, and in the reverse
    one. `values` (N,) are the shapes' values; the pixels of a `mask` (H, W) whose values are in
    `skip` are under none.
    """
    strays = wrong = 0
    shape, other, value = -1, -1, -1
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if forth[y, x] != shape or back[y, x] != other or mask[y, x] != value:  # most pixels are as those before
                shape, other, value = int(forth[y, x]), int(back[y, x]), int(mask[y, x])
                shown = value if shape == 0 and (skip == value).any() else values[shape - 1] if shape > 0 else -1
                wrong = int(shape != other or shown != value)
            strays += wrong
    return strays
