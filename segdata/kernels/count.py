"""Counting mask values, and translating them through a table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def count_values(values: NDArray[np.unsignedinteger[Any]], bins: int) -> NDArray[np.int64]:
    """(N,) contiguous uint8 or uint16 below `bins` -> (bins,) int64: how often each value occurs.

    Neighbours in a label map are mostly equal. Sixteen bytes at a time are compared with one repeated value, and whole runs of
    equal ones are counted at once. Other pixels go to four tables in turn, because a sum that was just written is slow to read
    again.
    """
    lanes = 8 // values.itemsize
    mask, repeat = (0xFF, 0x0101010101010101) if lanes == 8 else (0xFFFF, 0x0001000100010001)
    tables = np.zeros((4 if bins <= 256 else 1, bins), np.int64)
    a, b, c, d = tables[0], tables[-3 % len(tables)], tables[-2 % len(tables)], tables[-1]
    size = 2 * lanes
    pairs = values[: values.shape[0] // size * size].view(np.uint64).reshape(-1, 2)
    i = 0
    while i < pairs.shape[0]:
        word = (pairs[i, 0] & np.uint64(mask)) * np.uint64(repeat)
        start = i
        while i < pairs.shape[0] and (pairs[i, 0] ^ word) | (pairs[i, 1] ^ word) == 0:
            i += 1
        if i > start:
            a[values[start * size]] += (i - start) * size
            continue
        for j in range(i * size, (i + 1) * size, 4):
            a[values[j]] += 1
            b[values[j + 1]] += 1
            c[values[j + 2]] += 1
            d[values[j + 3]] += 1
        i += 1
    for j in range(pairs.shape[0] * size, values.shape[0]):
        a[values[j]] += 1
    counts: NDArray[np.int64] = a if len(tables) == 1 else tables.sum(axis=0)
    return counts


@kernel
def translate(
    values: NDArray[np.unsignedinteger[Any]],
    table: NDArray[np.unsignedinteger[Any]],
    out: NDArray[np.unsignedinteger[Any]],
) -> None:
    """Write table[values] to `out` (N,) for `values` (N,), both contiguous."""
    for i in range(values.shape[0]):
        out[i] = table[values[i]]
