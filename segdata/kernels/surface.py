"""The surfaces of all classes of a label map: the corners of pixels at which a class meets what it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def count_corners(mask: NDArray[np.unsignedinteger[Any]], counts: NDArray[np.int64]) -> None:
    """Add to `counts` (K,) for each class the corners between pixels of (H, W) that only some of the four around it have.

    Values of K or more are no class.
    """
    height, width = mask.shape
    classes = counts.shape[0]
    for y in range(1, height):
        upper, lower = mask[y - 1], mask[y]
        for x in range(1, width):
            a, b, c, d = upper[x - 1], upper[x], lower[x - 1], lower[x]
            if (a == b) & (a == c) & (a == d):
                continue
            if a < classes:
                counts[a] += 1
            if b < classes and b != a:
                counts[b] += 1
            if c < classes and c != a and c != b:
                counts[c] += 1
            if d < classes and d != a and d != b and d != c:
                counts[d] += 1


@kernel
def list_corners(
    mask: NDArray[np.unsignedinteger[Any]],
    ends: NDArray[np.int64],
    rows: NDArray[np.int32],
    columns: NDArray[np.int32],
    codes: NDArray[np.uint8],
) -> None:
    """List those corners by class, and then by row and column; `ends` (K,) is where each class begins, and then where it ends.

    A corner's row and column are those of the pixel above and left of it. Its code has the bits 8, 4, 2 and 1 for the pixels
    above left, above right, below left and below right that are of the class.
    """
    height, width = mask.shape
    classes = ends.shape[0]
    values = np.empty(4, np.int64)
    for y in range(1, height):
        upper, lower = mask[y - 1], mask[y]
        for x in range(1, width):
            a, b, c, d = upper[x - 1], upper[x], lower[x - 1], lower[x]
            if (a == b) & (a == c) & (a == d):
                continue
            values[0], values[1], values[2], values[3] = a, b, c, d
            for i in range(4):
                value = values[i]
                if value >= classes:
                    continue
                seen = False
                for j in range(i):
                    seen |= values[j] == value
                if seen:
                    continue
                at = ends[value]
                ends[value] += 1
                rows[at], columns[at] = y - 1, x - 1
                codes[at] = 8 * (a == value) + 4 * (b == value) + 2 * (c == value) + (d == value)
