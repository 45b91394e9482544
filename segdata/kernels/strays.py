"""Whether shapes, drawn one over another, have the pixels that they are made from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def count_strays(
    forth: NDArray[np.int32],
    back: NDArray[np.int32],
    values: NDArray[np.int64],
    mask: NDArray[np.unsignedinteger[Any]],
    skip: NDArray[np.int64],
) -> int:
    """Count the pixels that no shape has, or the wrong one, or more than one.

    `forth` and `back` (H, W) hold the number of the shape on top, from 1 on, 0 for none: drawn in their order, and in the reverse
    one. `values` (N,) are the shapes' values; no shape may have pixels of a `mask` (H, W) whose value is in `skip`.
    """
    strays = 0
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            shape = forth[y, x]
            if shape != back[y, x]:
                strays += 1
            elif shape > 0:
                strays += values[shape - 1] != mask[y, x]
            else:
                strays += not among(mask[y, x], skip)
    return strays


@kernel
def among(value: int, values: NDArray[np.int64]) -> bool:
    """Whether a value is one of a few; compiled code makes no array of it, as numpy does."""
    found = False
    for one in values:
        found |= one == value
    return found
