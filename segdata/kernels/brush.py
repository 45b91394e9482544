"""Label Studio's run lengths of brushes: bits, the highest of a byte first, that pack RGBA values row by row.

32 bits are the number of values, 5 the bits of a value less 1, and four times 4 the bits of a length less 1. Then follow blocks:
a bit (1: one value that repeats, 0: as many values), 2 bits that choose one of the four, the length less 1, and the values.

Format: https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack, which the tool's editor packs with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel

SIZES = (3, 4, 8, 16)
"""The bits of the four kinds of lengths, as the editor writes them."""

LONGEST = 2 ** SIZES[3]
"""The values of a longest block, which takes 27 bits."""

# Reading


@kernel
def parse_bytes(text: NDArray[np.uint8], out: NDArray[np.uint8]) -> int:
    """Write the numbers 0 to 255 of a list in JSON to `out`, room for half of `text`; how many, or -1 for other text."""
    n, value, digits = 0, 0, 0
    last = text.shape[0] - 1
    if last < 1 or text[0] != 91 or text[last] != 93:  # [ ]
        return -1
    for i in range(1, last + 1):
        c = text[i]
        if 48 <= c <= 57:
            value = 10 * value + (c - 48)
            digits += 1
            if value > 255:
                return -1
        elif c == 44 or (i == last and digits > 0):
            if digits == 0:
                return -1
            out[n] = value
            n, value, digits = n + 1, 0, 0
        elif c not in (32, 9, 10, 13) and i < last:
            return -1
    return n


@kernel
def brush_values(data: NDArray[np.uint8]) -> int:
    """How many values are packed; -1 if there is no header."""
    return _bits(data, 0, 32) if data.shape[0] >= 8 else -1


@kernel
def brush_bitmap(data: NDArray[np.uint8], bitmap: NDArray[np.uint8], box: NDArray[np.int64]) -> int:
    """Write 1 to (H, W) `bitmap`, zeros, for each pixel of which alpha, the last of its four values, is not 0.

    `data` holds 4 H W values. `box` (4,) gets the rows and columns [top, bottom, left, right) within which those pixels lie.
    Returns 0; -1 if it is cut off, -2 if its lengths do not come to that.
    """
    height, width = bitmap.shape
    pixels, total, end = bitmap.reshape(height * width), 4 * height * width, 8 * data.shape[0]
    box[0], box[1], box[2], box[3] = height, 0, width, 0
    word = _bits(data, 32, 5) + 1
    at, i = 53, 0
    while i < total:
        if at + 3 > end:
            return -1
        repeats, choice = _bits(data, at, 1), _bits(data, at + 1, 2)
        size = _bits(data, 37 + 4 * choice, 4) + 1
        at += 3
        if at + size > end:
            return -1
        stop = i + 1 + _bits(data, at, size)
        at += size
        if stop > total:
            return -2
        if at + (word if repeats else word * (stop - i)) > end:
            return -1
        if repeats:
            if _bits(data, at, word) != 0 and stop // 4 > i // 4:  # whose alpha lies in the block
                pixels[i // 4 : stop // 4] = 1
                _widen(box, i // 4, stop // 4 - 1, width)
            at += word
        else:
            for k in range(i, stop):
                if k % 4 == 3 and _bits(data, at, word) != 0:
                    pixels[k // 4] = 1
                    _widen(box, k // 4, k // 4, width)
                at += word
        i = stop
    return 0


@kernel
def _widen(box: NDArray[np.int64], first: int, last: int, width: int) -> None:
    """Make a box hold the pixels from the first to the last."""
    top, bottom = first // width, last // width
    box[0], box[1] = min(box[0], top), max(box[1], bottom + 1)
    box[2] = min(box[2], first % width if top == bottom else 0)
    box[3] = max(box[3], last % width + 1 if top == bottom else width)


@kernel
def _bits(data: NDArray[np.uint8], at: int, count: int) -> int:
    """The number that `count` bits from bit `at` on hold, at most 32."""
    value = np.int64(0)
    last = at + count
    for byte in range(at // 8, (last + 7) // 8):
        value = value << 8 | np.int64(data[byte])
    return int(value >> ((8 - last % 8) % 8) & ((np.int64(1) << count) - 1))


# Writing


@kernel
def brush_texts(
    begins: NDArray[np.int64], order: NDArray[np.int64], run_ends: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pack the pixels of objects, each as a list of numbers in JSON.

    `begins` (N + 1,) are where runs begin in the pixels read row by row, and the number of pixels; `order` (M,) the runs by
    object, and `run_ends` (R,) where those of each end. All four values of an object's pixels are 255, those of others 0. Returns
    the texts of all objects, one after the other, and where each ends (R,).
    """
    count, values = run_ends.shape[0], 4 * begins[-1]
    blocks = 2 * order.shape[0] + count * (values // LONGEST + 2)
    text = np.empty(4 * ((27 * blocks + 64 * count) // 8 + 1) + 2 * count, np.uint8)
    ends, at, first = np.empty_like(run_ends), 0, 0
    for k in range(count):
        at = _write_brush(begins, order[first : run_ends[k]], text, at)
        ends[k], first = at, run_ends[k]
    return text[:at], ends


@kernel
def _write_brush(begins: NDArray[np.int64], runs: NDArray[np.int64], text: NDArray[np.uint8], at: int) -> int:
    """Write the list of one object, whose runs these are, at a place of `text`; where it ends."""
    rest = np.zeros(2, np.int64)  # bits that are not written yet, and how many
    text[at] = 91  # [
    at = _put(4 * begins[-1], 32, rest, text, at + 1)
    at = _put(7, 5, rest, text, at)
    for size in SIZES:
        at = _put(size - 1, 4, rest, text, at)
    end, i = 0, 0
    while i < runs.shape[0]:
        begin, stop = begins[runs[i]], begins[runs[i] + 1]
        i += 1
        while i < runs.shape[0] and begins[runs[i]] == stop:
            stop = begins[runs[i] + 1]
            i += 1
        at = _put_run(4 * (begin - end), 0, rest, text, at)
        at = _put_run(4 * (stop - begin), 255, rest, text, at)
        end = stop
    at = _put_run(4 * (begins[-1] - end), 0, rest, text, at)
    if rest[1] > 0:
        at = _put(0, 8 - rest[1], rest, text, at)
    text[at - 1] = 93  # ], for the last comma
    return at


@kernel
def _put_run(length: int, value: int, rest: NDArray[np.int64], text: NDArray[np.uint8], at: int) -> int:
    """Write so many of one value, in blocks."""
    while length > 0:
        part = min(length, LONGEST)
        kind = 0 if part <= 8 else 1 if part <= 16 else 2 if part <= 256 else 3
        at = _put(4 + kind, 3, rest, text, at)
        at = _put(part - 1, SIZES[kind], rest, text, at)
        at = _put(value, 8, rest, text, at)
        length -= part
    return at


@kernel
def _put(value: int, size: int, rest: NDArray[np.int64], text: NDArray[np.uint8], at: int) -> int:
    """Append a number of `size` bits; each byte that is whole is written as a decimal number and a comma."""
    bits, count = rest[0] << size | value, rest[1] + size
    while count >= 8:
        count -= 8
        byte = bits >> count & 255
        if byte >= 100:
            text[at] = 48 + byte // 100
            at += 1
        if byte >= 10:
            text[at] = 48 + byte // 10 % 10
            at += 1
        text[at] = 48 + byte % 10
        text[at + 1] = 44  # a comma
        at += 2
    rest[0], rest[1] = bits & ((1 << count) - 1), count
    return at
