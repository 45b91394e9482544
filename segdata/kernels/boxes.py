"""The pixels of a mask's regions, each in its box: as run lengths along the rows, and as bitmaps.

Both are made from the mask's runs, as `kernels.trace.number_runs` takes them, and the number of the region of each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel
from segdata.kernels.digits import write_digits
from segdata.kernels.longer import longer

Ints = NDArray[np.int64]


@kernel
def box_runs(begins: Ints, numbers: Ints, width: int, regions: int) -> tuple[Ints, Ints, Ints]:
    """Sort runs by region, and find the box of each region.

    `begins` (N + 1,) are where runs begin in a mask of this `width` read row by row, `numbers` (N,) their regions, -1 for none.
    Returns the runs in order (M,), where those of each region end (regions,), and left, top, width and height (regions, 4).
    """
    boxes = np.empty((regions, 4), np.int64)
    ends = np.zeros(regions, np.int64)
    for i in range(numbers.shape[0]):
        r = numbers[i]
        if r < 0:
            continue
        y = begins[i] // width
        left, right = begins[i] - y * width, begins[i + 1] - y * width
        if ends[r] == 0:
            boxes[r, 0], boxes[r, 1], boxes[r, 2] = left, y, right
        boxes[r, 0], boxes[r, 2], boxes[r, 3] = min(boxes[r, 0], left), max(boxes[r, 2], right), y + 1
        ends[r] += 1
    total = 0
    for r in range(regions):
        boxes[r, 2] -= boxes[r, 0]
        boxes[r, 3] -= boxes[r, 1]
        total += ends[r]
        ends[r] = total - ends[r]
    order = np.empty(total, np.int64)
    for i in range(numbers.shape[0]):
        r = numbers[i]
        if r >= 0:
            order[ends[r]] = i
            ends[r] += 1
    return order, ends, boxes


@kernel
def box_counts(begins: Ints, order: Ints, ends: Ints, boxes: Ints, width: int) -> tuple[NDArray[np.uint8], Ints]:
    """Write the run lengths of each region in its box, along the rows, off and on in turn, the first one off.

    Takes what `box_runs` takes and gives. Returns ASCII such as `0, 3, 2, 1` (T,), and where each region's ends (regions,).
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
