"""Where the objects of a long JSON lie, found chunk by chunk, so that a file larger than memory can be read one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel

DEPTH, IN_STRING, ESCAPED, START, LEVEL, WRONG = range(6)
"""The places of `state`: brackets open, whether within a string and behind a backslash, where the object begins (or -1), how
many brackets are around an object (-1: not seen yet), and where something is that is no object (or -1)."""


@kernel
def find_spans(data: NDArray[np.uint8], base: int, state: NDArray[np.int64], spans: NDArray[np.int64]) -> int:
    """Write where the objects lie that end in this chunk, as (N, 2) [start, end) in the file; how many.

    The objects are those in a list, or several at the top (JSON Lines). `data` (B,) lies at byte `base`; `state` is kept from
    chunk to chunk. `spans` has room for B / 2 + 1. What is between objects must be white space and commas.
    """
    found = 0
    for i in range(data.shape[0]):
        c = data[i]
        if state[1]:
            if state[2]:
                state[2] = 0
            elif c == 92:
                state[2] = 1
            elif c == 34:
                state[1] = 0
            continue
        if c in (32, 9, 10, 13):
            continue
        if state[0] == state[4] and c not in (44, 123, 93) and state[5] < 0:  # , { ]
            state[5] = base + i
        if state[0] < state[4] and state[5] < 0:  # behind the list
            state[5] = base + i
        if c == 34:
            state[1] = 1
        elif c == 123 or c == 91:
            if state[4] < 0:
                state[4] = 1 if c == 91 else 0
            if c == 123 and state[0] == state[4]:
                state[3] = base + i
            state[0] += 1
        elif c == 125 or c == 93:
            state[0] -= 1
            if state[0] == state[4] and state[3] >= 0:
                spans[found, 0], spans[found, 1] = state[3], base + i + 1
                state[3] = -1
                found += 1
        elif state[4] < 0 and state[5] < 0:
            state[5] = base + i
    return found
