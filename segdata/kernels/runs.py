"""The runs of a mask, which are stretches of equal pixels in a row: which region each is of, in order of regions, in boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel

Ints = NDArray[np.int64]


@kernel
def number_runs(
    begins: Ints, values: NDArray[np.unsignedinteger[Any]], width: int, skip: Ints, corners: bool = False
) -> tuple[Ints, Ints, Ints]:
    """Find which region each run belongs to; pixels that touch at a corner alone are connected if `corners`.

    `begins` (N + 1,) are where runs begin in the mask read row by row, and its size; `values` (N,) are theirs. Returns the
    number of each run's region (N,), in order of the regions' first pixels, -1 for values to `skip`; and per region its
    pixels (R,) and its value (R,).
    """
    runs = values.shape[0]
    parent = np.arange(runs)
    above = 0
    for i in range(runs):
        begin, end = begins[i] - width, begins[i + 1] - width
        if begin < 0:
            continue
        if corners:  # a pixel further on either side, if the row has it
            begin, end = begin - int(begin % width > 0), end + int(end % width > 0)
        while begins[above + 1] <= begin:
            above += 1
        k = above
        while begins[k] < end:
            if values[k] == values[i]:
                a, b = _root(parent, k), _root(parent, i)
                parent[max(a, b)] = min(a, b)
            k += 1
    numbers, areas, found = np.empty(runs, np.int64), np.zeros(runs, np.int64), np.empty(runs, np.int64)
    count = 0
    for i in range(runs):
        if parent[i] != i:
            numbers[i] = numbers[parent[i]]
        elif (skip == values[i]).any():
            numbers[i] = -1
        else:
            numbers[i], found[count] = count, values[i]
            count += 1
        if numbers[i] >= 0:
            areas[numbers[i]] += begins[i + 1] - begins[i]
    return numbers, areas[:count], found[:count]


@kernel
def _root(parent: Ints, i: int) -> int:
    """The first run of the region of run `i`, as far as known."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def meet_runs(begins: Ints, numbers: Ints, other_begins: Ints, other_numbers: Ints) -> tuple[Ints, Ints, Ints]:
    """Cut the runs of two masks of one size wherever one of either ends: the regions in both masks of each piece, and its pixels,
    (P,) each. Runs are as `number_runs` takes and gives them."""
    most = numbers.shape[0] + other_numbers.shape[0]
    pieces = np.empty((3, most), np.int64)
    n = i = j = at = 0
    while i < numbers.shape[0]:
        end = min(begins[i + 1], other_begins[j + 1])
        pieces[0, n], pieces[1, n], pieces[2, n] = numbers[i], other_numbers[j], end - at
        n += 1
        i, j, at = i + int(begins[i + 1] == end), j + int(other_begins[j + 1] == end), end
    return pieces[0, :n], pieces[1, :n], pieces[2, :n]


@kernel
def sort_runs(numbers: Ints, regions: int) -> tuple[Ints, Ints]:
    """Sort runs by region: `numbers` (N,) has that of each, -1 for none.

    Returns the runs (M,), and where those of each region end (R,).
    """
    ends = np.zeros(regions + 1, np.int64)
    for number in numbers:
        ends[number + 1] += number >= 0
    ends = np.cumsum(ends)
    order = np.empty(ends[-1], np.int64)
    for i in range(numbers.shape[0]):
        if numbers[i] >= 0:
            order[ends[numbers[i]]] = i
            ends[numbers[i]] += 1
    return order, ends[:-1]


@kernel
def run_boxes(begins: Ints, numbers: Ints, regions: int, length: int) -> Ints:
    """The box of each region, (R, 4): from which line to which, and from where to where in lines of that `length`; ends are not
    included. `begins` and `numbers`: as `number_runs` takes and gives them; lines are the columns, or the rows if the mask was
    read row by row."""
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
