"""Whole numbers as decimal digits: texts of millions of numbers, as label files hold them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel
from segdata.kernels.longer import longer

Text = NDArray[np.uint8]


@kernel
def write_digits(value: int, text: Text, used: int) -> int:
    """Write a number from 0 on as ASCII. Returns how many characters are used then; at most 19 more."""
    digits, power = 1, 10
    while digits < 19 and power <= value:
        power *= 10
        digits += 1
    for i in range(digits - 1, -1, -1):
        text[used + i] = 48 + value % 10
        value //= 10
    return used + digits


@kernel
def pairs_text(pairs: NDArray[np.int32], ends: NDArray[np.int64]) -> tuple[Text, NDArray[np.int64]]:
    """Write pairs of numbers from 0 on (P, 2), which come in lists that end at `ends` (N,), as `1,2;3,4`.

    Returns ASCII (T,), and where each list's ends (N,).
    """
    text, text_ends = np.empty(10 * pairs.shape[0] + 64, np.uint8), np.empty_like(ends)
    used = i = 0
    for k in range(ends.shape[0]):
        while i < ends[k]:
            text = text if used + 64 < text.shape[0] else longer(text, used + 64)
            used = write_digits(pairs[i, 0], text, used)
            text[used] = 44
            used = write_digits(pairs[i, 1], text, used + 1)
            text[used] = 59
            used += 1
            i += 1
        used -= 1
        text_ends[k] = used
    return text[:used], text_ends
