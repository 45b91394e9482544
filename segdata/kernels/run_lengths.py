"""Runs of a mask to COCO's compressed run lengths, of all its regions in one pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel
from segdata.kernels.outline import write_number

Ints = NDArray[np.int64]


@kernel
def run_texts(begins: Ints, numbers: Ints, regions: int) -> tuple[NDArray[np.uint8], Ints]:
    """Encode the regions of a mask that was read column by column.

    `begins` (N + 1,) are where its runs begin, and its size; `numbers` (N,) which region each run belongs to, -1 for none.
    Returns the text of all regions, (T,) ASCII, and where each region's text ends (R,).
    """
    runs = numbers.shape[0]
    free = np.zeros(regions + 1, np.int64)
    for i in range(runs):
        free[numbers[i] + 1] += numbers[i] >= 0
    free = np.cumsum(free)
    order = np.empty(free[-1], np.int64)
    for i in range(runs):
        if numbers[i] >= 0:
            order[free[numbers[i]]] = i
            free[numbers[i]] += 1
    text, ends = np.empty(14 * runs + 14 * regions, np.uint8), np.empty(regions, np.int64)
    used = first = 0
    for k in range(regions):
        used = _write_region(begins, order[first : free[k]], text, used)
        ends[k], first = used, free[k]
    return text[:used], ends


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


@kernel
def run_boxes(begins: Ints, numbers: Ints, regions: int, length: int) -> Ints:
    """The box of each region, (R, 4): from which line to which, and from where to where in lines of that `length`; ends are not
    included. `begins` and `numbers`: see `run_texts`; lines are the columns, or the rows if the mask was read row by row."""
    boxes = np.empty((regions, 4), np.int64)
    boxes[:, 0] = boxes[:, 2] = begins[begins.shape[0] - 1]
    boxes[:, 1] = boxes[:, 3] = 0
    line = 0
    for i in range(numbers.shape[0]):
        while begins[i] >= (line + 1) * length:
            line += 1
        if numbers[i] >= 0:
            box = boxes[numbers[i]]
            box[0], box[1] = min(box[0], line), max(box[1], line + 1)
            box[2], box[3] = min(box[2], begins[i] - line * length), max(box[3], begins[i + 1] - line * length)
    return boxes
