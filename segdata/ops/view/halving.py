"""The levels of an image or mask: 0 has all pixels, and a pixel of level L covers 2^L x 2^L of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from segdata.ops.view.layers import Pixels
from segdata.resize import resize_image

TILE = 512
"""Pixels along a side of a tile."""


def levels_of(height: int, width: int) -> list[tuple[int, int]]:
    """The (height, width) of each level, from all pixels to what is one tile: half of the one before, rounded up."""
    sizes = [(height, width)]
    while max(sizes[-1]) > TILE:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return sizes


def shrinking(pixels: Pixels, count: int) -> Iterator[Pixels]:
    """So many levels of (h, w, 3) colours or (h, w) ids; of a strip too, if its rows are a multiple of 2^count, or the last."""
    yield pixels
    level = pixels
    for number in range(1, count):
        level = halved(level) if pixels.ndim == 3 else nearest(pixels, number)
        yield level


def halved(image: Pixels) -> Pixels:
    """(h, w, 3) uint8 half as large, rounded up: each pixel is the mean of four, at a border of what there is of them."""
    h, w = image.shape[:2]
    even = np.pad(image, ((0, h % 2), (0, w % 2), (0, 0)), "edge") if h % 2 or w % 2 else image
    return resize_image(even, (even.shape[0] // 2, even.shape[1] // 2))


def nearest(ids: Pixels, level: int) -> Pixels:
    """(h, w) ids of a level: of each block of 2^level x 2^level the one in the middle, at a border the last one there is."""
    step = 2**level
    rows, columns = (np.minimum(np.arange(step // 2, n + step // 2, step), n - 1) for n in ids.shape)
    return np.ascontiguousarray(ids[rows][:, columns])
