"""Counting which values two label maps have at the same place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel


@kernel
def count_pairs(
    truth: NDArray[np.unsignedinteger[Any]],
    pred: NDArray[np.unsignedinteger[Any]],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Add 1 to `counts` (4, R, C) at [any, rows[t], columns[p]] for each pair of (N,) and (N,) values, contiguous, of one dtype.

    Neighbours in label maps are mostly equal. If eight bytes of both maps each repeat one value, whole runs of such words are
    counted at once. Other pixels go to the four tables in turn, because a sum that was just written is slow to read again.
    """
    lanes = 8 // truth.itemsize
    mask, repeat = (0xFF, 0x0101010101010101) if lanes == 8 else (0xFFFF, 0x0001000100010001)
    whole = truth.shape[0] // lanes
    words, others = truth[: whole * lanes].view(np.uint64), pred[: whole * lanes].view(np.uint64)
    first, second, third, fourth = counts[0], counts[1], counts[2], counts[3]
    i = 0
    while i < whole:
        word, other = words[i], others[i]
        uniform = (word & np.uint64(mask)) * np.uint64(repeat)
        if (word ^ uniform) | (other ^ ((other & np.uint64(mask)) * np.uint64(repeat))) == 0:
            start = i
            while i < whole and (words[i] ^ word) | (others[i] ^ other) == 0:
                i += 1
            first[rows[truth[start * lanes]], columns[pred[start * lanes]]] += (i - start) * lanes
            continue
        for j in range(i * lanes, (i + 1) * lanes, 4):
            first[rows[truth[j]], columns[pred[j]]] += 1
            second[rows[truth[j + 1]], columns[pred[j + 1]]] += 1
            third[rows[truth[j + 2]], columns[pred[j + 2]]] += 1
            fourth[rows[truth[j + 3]], columns[pred[j + 3]]] += 1
        i += 1
    for j in range(whole * lanes, truth.shape[0]):
        first[rows[truth[j]], columns[pred[j]]] += 1
