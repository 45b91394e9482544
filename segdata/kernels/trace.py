"""The outlines of a mask's regions along the edges of pixels, found from its runs, and outlines that are joined to one ring each.

`kernels.runs` tells the region of each run. Then each line between two rows is followed from left to right, from one place to the
next at which a run ends above or below it: only there rings have corners. `up`, `down`, `left` and `right` hold the corners whose
edges are open. A ring has its region to its right, so that on screen outer rings go clockwise, inner ones counter-clockwise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel

Ints = NDArray[np.int64]
Points = NDArray[np.int32]


@kernel
def link_corners(begins: Ints, numbers: Ints, height: int, width: int) -> tuple[Points, Ints, Ints, Ints]:
    """Find the corners of all rings, in row order, from what `number_runs` takes and gives.

    Returns the x, y of each (C, 2), the next one on its ring (C,), its region (C,), and its anchor (C, 2): where a line to the
    left that begins there ends on another ring of its region, as the corner that comes there or next, and x. Only the first
    corners of inner rings have need of theirs.
    """
    most = 4 * numbers.shape[0]  # a run has two sides, and each edge along sides has two ends
    points, after, region = np.empty((most, 2), np.int32), np.empty(most, np.int64), np.empty(most, np.int64)
    anchors = np.empty((most, 2), np.int64)
    up, down = np.empty(width + 1, np.int64), np.empty(width + 1, np.int64)
    n = i = j = 0
    for y in range(height + 1):
        above, below = (y - 1) * width, y * width
        a = c = left = right = anchor = anchor_x = x = -1
        while x < width:
            at = begins[i] - above if y > 0 else width
            under = begins[j] - below if y < height else width
            x = min(at, under)
            b, d = a, c
            if at == x:
                b = numbers[i] if x < width else -1
                i += x < width
            if under == x:
                d = numbers[j] if x < width else -1
                j += x < width
            if a == c and b == d:  # no ring has a corner here, and most have edges down or up alone
                anchor, anchor_x, a, c = up[x], x, b, d
                continue
            n, left, right, anchor, anchor_x = _turn(
                n, x, y, a, b, c, d, left, right, anchor, anchor_x, up, down, points, after, region, anchors
            )
            a, c = b, d
    return points[:n], after[:n], region[:n], anchors[:n]


@kernel
def _turn(
    n: int, x: int, y: int, a: int, b: int, c: int, d: int, left: int, right: int, anchor: int, anchor_x: int,
    up: Ints, down: Ints, points: Points, after: Ints, region: Ints, anchors: Ints,
) -> tuple[int, int, int, int, int]:  # fmt: skip
    """Add the corners of rings at x, y, between the regions a b above and c d below it, to the `n` that there are.

    A ring goes on to the left if its region does, even if only at this point; otherwise straight on; otherwise to the right.
    So no ring touches itself. Returns the new `n`, `left`, `right`, `anchor` and `anchor_x`.
    """
    above, below, west, east = up[x], down[x], left, right  # the corners at which open edges begin or end
    if a >= 0 and a != b and (d == a or c != a):  # down to here
        n = _corner(n, x, y, a, points, region)
        after[below] = n - 1
        if d == a:
            right = n - 1
        else:
            after[n - 1] = west
    if c >= 0 and a != c and (b == c or d != c):  # right to here
        n = _corner(n, x, y, c, points, region)
        after[east] = n - 1
        if b == c:
            after[n - 1] = above
            anchor, anchor_x = n - 1, x
        else:
            down[x] = n - 1
    if b >= 0 and b != d and (c == b or a != b):  # left from here
        n = _corner(n, x, y, b, points, region)
        left = n - 1
        if c == b:
            down[x] = n - 1
            anchors[n - 1, 0], anchors[n - 1, 1] = anchor, anchor_x
        else:
            after[n - 1] = above
    if d >= 0 and c != d and (a == d or b != d):  # up from here
        n = _corner(n, x, y, d, points, region)
        up[x] = n - 1
        if a == d:
            after[n - 1] = west
        else:
            right = n - 1
    if b == d and c != d:
        anchor, anchor_x = up[x], x
    return n, left, right, anchor, anchor_x


@kernel
def _corner(n: int, x: int, y: int, number: int, points: Points, region: Ints) -> int:
    """Add a corner as the one of number `n`. Returns the number of the next one."""
    points[n, 0], points[n, 1], region[n] = x, y, number
    return n + 1


@kernel
def order_rings(
    points: Points, after: Ints, region: Ints, anchors: Ints, regions: int
) -> tuple[Points, Ints, Ints, Ints]:
    """Put corners in order of regions and rings, from what `link_corners` gives. `after` is used up.

    Returns the points (C, 2), where each ring begins (R + 1,), with which ring each region does (regions + 1,), and the anchors
    of rings (R, 2), whose corners are numbers of points now; -1 for outer rings.
    """
    corners = after.shape[0]
    order, ends = np.empty(corners, np.int64), np.zeros(corners // 4 + 1, np.int64)
    parts = np.zeros(regions + 1, np.int64)
    n = count = 0
    for first in range(corners):
        if after[first] < 0:
            continue
        corner = first
        while corner >= 0:
            order[n] = corner
            n += 1
            following, after[corner] = after[corner], -1
            corner = following if after[following] >= 0 else -1
        count += 1
        ends[count] = n
        parts[region[first] + 1] += 1
    parts = np.cumsum(parts)
    free, place = parts[:-1].copy(), np.empty(count, np.int64)
    rings, firsts = np.zeros(count + 1, np.int64), np.empty(count, np.int64)
    for k in range(count):
        number = region[order[ends[k]]]
        place[k] = free[number]
        free[number] += 1
        rings[place[k] + 1] = ends[k + 1] - ends[k]
        firsts[place[k]] = order[ends[k]]
    rings = np.cumsum(rings)
    ordered = np.empty_like(points)
    for k in range(count):
        for i in range(ends[k], ends[k + 1]):
            at = rings[place[k]] + i - ends[k]
            ordered[at] = points[order[i]]
            after[order[i]] = at
    joins = np.full((count, 2), -1)
    outer = np.zeros(count, np.bool_)
    outer[parts[:-1]] = True
    for k in range(count):
        if not outer[k]:
            anchor, x = anchors[firsts[k]]
            joins[k, 0], joins[k, 1] = after[anchor], x
    return ordered, rings, parts, joins


@kernel
def join_rings(points: Points, rings: Ints, parts: Ints, joins: Ints) -> tuple[Points, Ints]:
    """Join the rings of each region to one, from what `order_rings` gives: the points (Q, 2), and where each region's end.

    An inner ring is put in before its anchor: a bridge of no width leads from there to its first corner and back. The lower ones
    come first, so that bridges that end on one edge follow each other along it.
    """
    corners, most = points.shape[0], points.shape[0] + 3 * joins.shape[0]
    after, before, at = np.empty(most, np.int64), np.empty(most, np.int64), np.empty((most, 2), np.int32)
    at[:corners] = points
    for r in range(joins.shape[0]):
        for i in range(rings[r], rings[r + 1]):
            after[i], before[i] = i + 1, i - 1
        before[rings[r]], after[rings[r + 1] - 1] = rings[r + 1] - 1, rings[r]
    n = corners
    for r in range(joins.shape[0] - 1, -1, -1):
        anchor, x = joins[r]
        if anchor >= 0:
            n = _put_in(rings[r], anchor, x, n, at, after, before)
    joined, ends = np.empty((n, 2), np.int32), np.empty(parts.shape[0] - 1, np.int64)
    n = 0
    for k in range(ends.shape[0]):
        first = corner = rings[parts[k]]
        while True:
            joined[n] = at[corner]
            n += 1
            corner = after[corner]
            if corner == first:
                break
        ends[k] = n
    return joined, ends


@kernel
def _put_in(first: int, anchor: int, x: int, n: int, at: Points, after: Ints, before: Ints) -> int:
    """Put a ring, by its first corner, into another one before its anchor. Adds the corners that the bridge needs to the `n`."""
    y, last, end = at[first, 1], before[first], anchor
    if at[anchor, 0] != x or at[anchor, 1] != y:  # the bridge ends on the edge that leads to the anchor
        end = n
        n = _insert(anchor, x, y, n, at, after, before)
    if at[first, 0] != x:
        n = _insert(end, x, y, n, at, after, before)
    comes = before[end]
    after[comes], before[first] = first, comes
    after[last], before[end] = end, last
    if at[first, 0] != x:
        n = _insert(end, at[first, 0], y, n, at, after, before)
    return n


@kernel
def _insert(corner: int, x: int, y: int, n: int, at: Points, after: Ints, before: Ints) -> int:
    """Insert a corner before another one, as the one of number `n`. Returns the number of the next one."""
    comes = before[corner]
    at[n, 0], at[n, 1] = x, y
    after[comes], before[n], after[n], before[corner] = n, comes, corner, n
    return n + 1
