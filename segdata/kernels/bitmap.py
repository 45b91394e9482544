"""Bitmaps to COCO's compressed run lengths."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel
from segdata.kernels.longer import longer
from segdata.kernels.outline import write_number


@kernel
def bitmap_text(columns: NDArray[np.uint8], y: int, x: int, height: int, width: int) -> NDArray[np.uint8]:
    """Encode the pixels that are not 0 of a bitmap that lies at row `y` and column `x` of an image; `columns` (w, h) is its
    transpose, in memory as it is: then each column is one part of memory, and the loops are fast.

    What lies outside the image of `height` x `width` is left out. Returns ASCII (T,).
    """
    text = np.empty(256, np.uint8)
    none = width - width  # no constant: numba would compile what it is passed to once more
    used = start = stop = position = before = last = count = none
    top = max(-y, none)
    bottom = max(min(columns.shape[1], height - y), top)
    for c in range(max(x, none), min(x + columns.shape[0], width)):
        column = columns[c - x, top:bottom]
        first, r, end = c * height + y + top, none, column.shape[0]
        while r < end:
            while r < end and column[r] == 0:
                r += 1
            if r == end:
                break
            here = first + r
            while r < end and column[r] != 0:
                r += 1
            if here != stop or start == stop:
                if stop > start:
                    text = text if used + 16 < text.shape[0] else longer(text, used + 16)
                    used = write_number(start - position - (before if count > 2 else none), text, used)
                    before, last, count = last, start - position, count + 1
                    used = write_number(stop - start - (before if count > 2 else none), text, used)
                    before, last, count, position = last, stop - start, count + 1, stop
                start = here
            stop = first + r
    text = text if used + 32 < text.shape[0] else longer(text, used + 32)
    if stop > start:
        used = write_number(start - position - (before if count > 2 else none), text, used)
        before, last, count = last, start - position, count + 1
        used = write_number(stop - start - (before if count > 2 else none), text, used)
        before, last, count, position = last, stop - start, count + 1, stop
    if position < height * width:
        used = write_number(height * width - position - (before if count > 2 else none), text, used)
    return text[:used]
