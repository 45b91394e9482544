"""Polygons to run lengths, bit for bit as pycocotools makes them, but only from the places where edges cross columns.

The rule of the COCO API's rleFrPoly: corners are rounded to fifths of a pixel. An edge is a chain of points, one per fifth along
its longer axis. The polygon enters or leaves column c where the chain passes from 5 c + 2 to 5 c + 3 or back, at the row of the
upper of these two points. pycocotools walks along the whole chain; here each edge goes straight to the columns that it crosses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel
from segdata.kernels.longer import longer

Ints = NDArray[np.int64]

FIFTHS = 5.0


@kernel
def outline_text(points: NDArray[np.float64], ends: Ints, height: int, width: int) -> tuple[NDArray[np.uint8], Ints]:
    """Encode polygons as COCO's compressed run lengths.

    `points` (N, 2) are x, y of all corners, finite, their absolute values below 1e8; `ends` (P,): where each polygon's corners
    end. Returns the text of all polygons, (T,) ASCII, and (P,) where each polygon's text ends.
    """
    none = width - width  # no constant: numba would compile what it is passed to once more
    first = np.full(width, -1, np.int64)  # the last crossing noted in each column; `before` links to the others
    before, row = np.empty(1024, np.int64), np.empty(1024, np.int64)
    text, text_ends, used = np.empty(4096, np.uint8), np.empty(ends.shape[0], np.int64), none
    begin = 0
    for i in range(ends.shape[0]):
        n, left, right = none, width, none - 1
        for a in range(begin, ends[i]):
            b = a + 1 if a + 1 < ends[i] else begin
            x0, y0 = int(FIFTHS * points[a, 0] + 0.5), int(FIFTHS * points[a, 1] + 0.5)
            x1, y1 = int(FIFTHS * points[b, 0] + 0.5), int(FIFTHS * points[b, 1] + 0.5)
            # columns c with 5 c + 2 and 5 c + 3 both on the edge
            c0, c1 = max((min(x0, x1) + 2) // 5, 0), min((max(x0, x1) - 3) // 5, width - 1)
            if c0 > c1:
                continue
            if n + c1 - c0 + 1 > row.shape[0]:
                before, row = longer(before, n + c1 - c0 + 1), longer(row, n + c1 - c0 + 1)
            _cross_columns(x0, y0, x1, y1, c0, c1, height, first, before[n:], row[n:], n)
            n += c1 - c0 + 1
            left, right = min(left, c0), max(right, c1)
        begin = ends[i]
        if text.shape[0] < used + 7 * (n + 2):  # a run length below 2**35 takes at most seven characters
            text = longer(text, used + 7 * (n + 2))
        used = _write_runs(min(left, right + 1), right, height, width, first, before[:n], row[:n], text, used)
        text_ends[i] = used
    return text[:used], text_ends


@kernel
def _cross_columns(
    x0: int, y0: int, x1: int, y1: int, c0: int, c1: int, height: int, first: Ints, before: Ints, row: Ints, n: int
) -> None:
    """Note the row where an edge, given in fifths, crosses each of the columns c0 to c1, as crossings n, n + 1 ..."""
    dx, dy = abs(x1 - x0), abs(y1 - y0)
    if (x0 > x1) if dx >= dy else (y0 > y1):
        x0, y0, x1, y1 = x1, y1, x0, y0
    slope = (y1 - y0) / dx if dx >= dy else (x1 - x0) / dy
    for c in range(c0, c1 + 1):
        if dx >= dy:
            t = 5 * c + 2 - x0
            upper = min(int(y0 + slope * t + 0.5), int(y0 + slope * (t + 1) + 0.5))
        else:
            upper = y0 + _step_across(x0, slope, 5 * c + 2, dy)
        k = c - c0
        row[k] = min((upper + 2) // 5, height) if upper >= 2 else 0
        before[k], first[c] = first[c], n + k


@kernel
def _step_across(x0: int, slope: float, near: int, steps: int) -> int:
    """The step of a steep edge after which its x passes from `near` to `near` + 1 or back."""
    rising = slope > 0
    t = min(max(int((near + 0.5 - x0) / slope), 0), steps - 1)
    while t > 0 and (int(x0 + slope * t + 0.5) > near) == rising:  # across already
        t -= 1
    while (int(x0 + slope * (t + 1) + 0.5) > near) != rising:  # not across yet
        t += 1
    return t


@kernel
def _write_runs(
    left: int,
    right: int,
    height: int,
    width: int,
    first: Ints,
    before: Ints,
    row: Ints,
    text: NDArray[np.uint8],
    used: int,
) -> int:
    """Write the run lengths between crossings, and clear the crossings. Returns where the text ends now.

    Crossings are positions in column order. Two crossings at one place cancel out, so that the runs around them become one.
    """
    position = older = old = length = width - width
    runs = 0  # the last, `length`, may still grow; `old` is the one before, `older` the one before that
    joining = False
    rows = np.empty(max(row.shape[0], 1), np.int64)
    for c in range(left, right + 2):
        count = 0
        if c <= right:
            at = first[c]
            first[c] = -1
            while at >= 0:  # the rows of this column in order
                k = count
                while k > 0 and rows[k - 1] > row[at]:
                    rows[k] = rows[k - 1]
                    k -= 1
                rows[k] = row[at]
                count += 1
                at = before[at]
        else:
            rows[0], count = (width - c) * height, 1  # the end of the image
        for k in range(count):
            step = c * height + rows[k] - position
            position += step
            if joining:
                length += step
                joining = False
            elif step == 0 and runs > 0:
                joining = True
            else:
                if runs > 0:
                    used = write_number(length - older if runs > 3 else length, text, used)
                    older, old = old, length
                length = step
                runs += 1
    return write_number(length - older if runs > 3 else length, text, used)


@kernel
def write_number(value: int, text: NDArray[np.uint8], used: int) -> int:
    """Write a number as COCO's compressed run lengths do: five bits per character, lowest first. Returns where the text ends."""
    while True:
        bits = value & 31
        value >>= 5
        more = value != (-1 if bits & 16 else 0)
        text[used] = bits + (80 if more else 48)
        used += 1
        if not more:
            return used
