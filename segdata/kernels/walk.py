"""A walk around each region of a mask: one closed line through the pixels along its border, which reaches its holes by slits.

A pixel has walls to its neighbours of other values, and to what lies beyond the image. Who walks along them inside a region, the
wall at the left hand, comes once around the region, and on other walks once around each of its holes. A slit makes one walk of
them: more walls, on both sides of the edges that lead straight up from the first pixel of a hole to the next wall. Pixels that
touch at a corner alone are not connected.

Walls and steps have the numbers 0 to 3: the upper wall and the step to the right along it, the right wall and the step down, the
lower wall and the step to the left, the left wall and the step up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.kernels import kernel

Ints = NDArray[np.int64]
Walls = NDArray[np.uint8]

UPPER, RIGHT, LOWER, LEFT = 1, 2, 4, 8
"""The bits of walls in `Walls`; with 16 times as much, a walk has passed them."""


@kernel
def walk_regions(walls: Walls) -> tuple[NDArray[np.int32], Ints, Ints]:
    """Walk around the regions that `walls` (H, W) enclose. Slits are added to these.

    Returns the corners of all walks, (2 P,) x and y in turn, at which of the P corners each walk ends (N,), and the place of each
    region's first pixel in the mask read row by row (N,), ascending. x is in half pixels: 2 x is the left half of pixel x,
    2 x + 1 its right half; so is y.
    """
    most, regions = open_holes(walls)
    height, width = walls.shape
    corners, ends, firsts = np.empty(2 * most, np.int32), np.empty(regions, np.int64), np.empty(regions, np.int64)
    count = used = width - width  # no constant: numba would compile what it is passed to once more
    for y in range(height):
        for x in range(width):
            if walls[y, x] & 17 == 17:
                used = _walk(walls, y, x, 0, 1, corners, used)
                ends[count], firsts[count] = used, y * width + x
                count += 1
    return corners[: 2 * used], ends, firsts


@kernel
def open_holes(walls: Walls) -> tuple[int, int]:
    """Add the slits to `walls`, and pass all walls.

    Returns how many corners the walks have at most, and how many regions there are.
    The first wall of a region, row by row, is an upper one at its outside; that of a hole is the lower wall of the pixel above.
    """
    height, width = walls.shape
    nowhere = np.empty(0, np.int32)
    corners = regions = width - width
    for y in range(height):
        for x in range(width):
            if y > 0 and walls[y - 1, x] & 68 == LOWER:
                corners = _walk(walls, y - 1, x, 2, 0, nowhere, corners) + 4  # at the ends of the slit
                _cut(walls, y, x)
            if walls[y, x] & 17 == UPPER:
                corners = _walk(walls, y, x, 0, 0, nowhere, corners)
                regions += 1
    return corners, regions


@kernel
def _cut(walls: Walls, y: int, x: int) -> None:
    """Add passed walls on both sides of the edges from the upper left corner of pixel y, x straight up to the next wall."""
    while True:
        y -= 1
        walls[y, x - 1] |= RIGHT * 17
        walls[y, x] |= LEFT * 17
        if (walls[y, x - 1] | walls[y, x]) & UPPER or walls[y - 1, x] & LEFT:
            return


@kernel
def _walk(walls: Walls, y: int, x: int, wall: int, passed: int, corners: NDArray[np.int32], used: int) -> int:
    """Walk along walls that are `passed` (1) or not (0), from one until it is reached again; then they are not, or are.

    Adds corners to the `used` ones in `corners`, if there is room. Returns how many there are then.
    """
    while walls[y, x] >> wall + 4 & 1 == passed:
        walls[y, x] ^= 16 << wall
        corner_y, corner_x, following = y, x, (wall + 1) % 4
        if not walls[y, x] >> following & 1:
            y, x = _step(y, x, wall)
            corner_y, corner_x, following = y, x, wall
            if not walls[y, x] >> wall & 1:
                following = (wall + 3) % 4
                y, x = _step(y, x, following)
        if following != wall:
            if 2 * used < corners.shape[0]:
                corners[2 * used] = 2 * corner_x + (wall == 1 or following == 1)
                corners[2 * used + 1] = 2 * corner_y + (wall == 2 or following == 2)
            used += 1
        wall = following
    return used


@kernel
def _step(y: int, x: int, direction: int) -> tuple[int, int]:
    """The pixel that a step leads to."""
    if direction == 0:
        return y, x + 1
    if direction == 1:
        return y + 1, x
    if direction == 2:
        return y, x - 1
    return y - 1, x
