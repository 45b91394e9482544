"""Translating sparse values, such as the 24-bit segment ids of a panoptic PNG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def look_up(
    values: NDArray[np.int32], keys: NDArray[np.int64], positions: NDArray[np.int64], counts: NDArray[np.int64]
) -> int:
    """Find each of `values` (N,) in the sorted `keys` (K,): `positions` (N,) gets its index, `counts` (K,) how often each occurs.

    Neighbours are mostly equal, so one search serves a run of values. Returns -1, or the first value that is not a key.
    """
    last = np.int64(-1)
    at = np.int64(0)
    for i in range(values.shape[0]):
        value = np.int64(values[i])
        if i == 0 or value != last:
            at = np.int64(np.searchsorted(keys, value))
            if at == keys.shape[0] or keys[at] != value:
                return int(value)
            last = value
        positions[i] = at
        counts[at] += 1
    return -1
