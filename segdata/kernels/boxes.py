"""The pixels of a mask's regions, each in its box: as run lengths along the rows, and as bitmaps.

Both are made from the mask's runs, in order of regions: see `kernels.runs`. A box is left, top, width and height.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel
from segdata.kernels.digits import write_digits
from segdata.kernels.longer import longer

Ints = NDArray[np.int64]


@kernel
def box_counts(begins: Ints, order: Ints, ends: Ints, boxes: Ints, width: int) -> tuple[NDArray[np.uint8], Ints]:
    """Write the run lengths of each region in its box, along the rows, off and on in turn, the first one off.

    `begins` (N + 1,) are where runs begin in a mask of this `width` read row by row, `order` (M,) the runs by region, `ends` (R,)
    where those of each end, and `boxes` (R, 4). Returns ASCII such as `0, 3, 2, 1` (T,), and where each region's ends (R,).
    """
    text, text_ends = np.empty(8 * order.shape[0] + 64, np.uint8), np.empty_like(ends)
    used = k = width - width  # no constant: numba would compile what it is passed to once more
    for r in range(ends.shape[0]):
        left, top, across, size = boxes[r, 0], boxes[r, 1], boxes[r, 2], boxes[r, 2] * boxes[r, 3]
        position = 0
        while k < ends[r]:
            at = begins[order[k]]
            y = at // width
            start = (y - top) * across + at - y * width - left
            stop = start + begins[order[k] + 1] - at
            k += 1
            while k < ends[r] and begins[order[k]] // width == y + 1 and stop == (y + 1 - top) * across:
                at = begins[order[k]]
                if at != (y + 1) * width + left:
                    break
                y += 1
                stop += begins[order[k] + 1] - at
                k += 1
            text = text if used + 64 < text.shape[0] else longer(text, used + 64)
            used = _write_count(start - position, text, used)
            used = _write_count(stop - start, text, used)
            position = stop
        if position < size:
            used = _write_count(size - position, text, used)
        used -= 2
        text_ends[r] = used
    return text[:used], text_ends


@kernel
def _write_count(value: int, text: NDArray[np.uint8], used: int) -> int:
    """Write a number, a comma and a space. Returns how many characters are used then."""
    used = write_digits(value, text, used)
    text[used], text[used + 1] = 44, 32
    return used + 2


@kernel
def box_bitmap(begins: Ints, runs: Ints, box: Ints, width: int) -> NDArray[np.uint8]:
    """Draw the runs (M,) of one region in its box (4,): (h, w) of 0 and 1."""
    bitmap = np.zeros((box[3], box[2]), np.uint8)
    for i in runs:
        y = begins[i] // width
        first = begins[i] - y * width - box[0]
        bitmap[y - box[1], first : first + begins[i + 1] - begins[i]] = 1
    return bitmap
