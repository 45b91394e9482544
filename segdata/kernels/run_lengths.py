"""Runs of a mask to COCO's compressed run lengths, of all its regions in one pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel
from segdata.kernels.outline import write_number

Ints = NDArray[np.int64]


@kernel
def run_texts(begins: Ints, order: Ints, ends: Ints) -> tuple[NDArray[np.uint8], Ints]:
    """Encode the regions of a mask that was read column by column.

    `begins` (N + 1,) are where its runs begin, and its size; `order` (M,) the runs by region, and `ends` (R,) where those of each
    end. Returns the text of all regions, (T,) ASCII, and where each region's text ends (R,).
    """
    text, text_ends = np.empty(14 * (order.shape[0] + ends.shape[0]), np.uint8), np.empty_like(ends)
    used = first = 0
    for k in range(ends.shape[0]):
        used = _write_region(begins, order[first : ends[k]], text, used)
        text_ends[k], first = used, ends[k]
    return text[:used], text_ends


@kernel
def _write_region(begins: Ints, runs: Ints, text: NDArray[np.uint8], used: int) -> int:
    """Write the run lengths of some runs. Returns where the text ends now. Each length from the fourth on is written as what it
    is longer than the one two before it (maskApi.c of pycocotools, rleToString)."""
    size = begins[begins.shape[0] - 1]
    position = off = on = 0
    count = i = 0
    while i < runs.shape[0]:
        start, stop = begins[runs[i]], begins[runs[i] + 1]
        i += 1
        while i < runs.shape[0] and begins[runs[i]] == stop:  # it goes on at the top of the next column
            stop = begins[runs[i] + 1]
            i += 1
        used = write_number(start - position - (off if count > 2 else 0), text, used)
        used = write_number(stop - start - (on if count >= 2 else 0), text, used)
        off, on, position, count = start - position, stop - start, stop, count + 2
    if position < size:
        used = write_number(size - position - (off if count > 2 else 0), text, used)
    return used
