"""Adding a tile to the tiles that it overlaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def add_weighted(
    total: NDArray[np.float32], y: int, x: int, values: NDArray[np.float32], weights: NDArray[np.float32]
) -> None:
    """Add `values` (K, h, w) times `weights` (h, w) to `total` (K, H, W) at row `y` and column `x`, in one pass."""
    bands, height, width = values.shape
    for k in range(bands):
        for i in range(height):
            out, row, weight = total[k, y + i, x : x + width], values[k, i], weights[i]
            for j in range(width):
                out[j] += row[j] * weight[j]
