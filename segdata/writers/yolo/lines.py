"""The lines of a label file: one polygon per region, which the loaders draw as exactly the region's pixels.

Ultralytics (8.4.190) multiplies float32 coordinates by the image's size and cuts them to whole pixels; before that it puts more
points on the edges, to 1,000 per polygon. supervision (0.31.2) rounds to whole pixels instead. Both then fill the polygon as
OpenCV does: with the pixels at its corners and under its edges. So a polygon goes through the pixels along the region's border,
each edge along an axis: points on it change nothing. Its corners lie a tenth or four tenths into their pixels, which both cut and
rounded are those pixels. Coordinates have as many digits as that takes. Regions do not overlap, so their order means nothing.

What was found by experiments with both loaders is proved again for every image: see `prove`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files.vectors.centres import trace_halves
from segdata.kernels.strays import count_strays

NEAR, FAR = 0.1, 0.4
"""How far corners lie in their pixels: in the left or upper half, and in the right or lower one."""

PRECISION = 10
"""Coordinates are rounded to so many parts of a pixel, at least."""


def label_lines(mask: NDArray[Any], numbers: Mapping[int, int], skip: Collection[int]) -> bytes:
    """The lines of a mask, (H, W): the class number of each region and its polygon, in order of the regions' first pixels.

    `numbers` has the class number of each value; pixels whose value is in `skip` are in no region.

    Raises `DataError` (`yolo.size`, `yolo.pixels`) if a loader would not draw the same mask.
    """
    corners, ends, values, _ = trace_halves(mask, skip)
    across, down = coordinates(mask.shape[1]), coordinates(mask.shape[0])
    prove(mask, np.array(sorted(skip), np.int64), corners, ends, values)
    texts = np.concatenate((across[corners[:, 0]], down[corners[:, 1]]), axis=1)
    stops = [0, *(ends * texts.shape[1]).tolist()]
    text = texts.tobytes()
    return b"".join(
        b"%d%b\n" % (numbers[value], text[a:b]) for value, (a, b) in zip(values.tolist(), pairwise(stops), strict=True)
    )


@lru_cache(512)
def coordinates(size: int) -> NDArray[np.uint8]:
    """The texts of the coordinates along a side of `size` pixels, (2 * size, n): of the near and the far half of each pixel.

    Raises `DataError` (`yolo.size`) for a side so long that float32 cannot tell its pixels apart.
    """
    digits = len(str(PRECISION * size - 1))
    inside = np.arange(size)[:, None] + (NEAR, FAR)
    decimals = np.rint(inside.reshape(-1) / size * 10**digits).astype(np.int64)
    read = (decimals / 10**digits).astype(np.float32)  # as texts are parsed, too
    pixels = np.arange(2 * size) // 2
    products = read * np.float32(size), read * np.int64(size)
    if any((product.astype(np.int32) != pixels).any() or (np.round(product) != pixels).any() for product in products):
        what = f"float32 cannot tell the pixels of a side of {size:,} apart: cut tiles (segdata tile)"
        raise DataError(Problem("yolo.size", what))
    texts = "".join(f" 0.{decimal:0{digits}}" for decimal in decimals.tolist())
    return np.frombuffer(texts.encode(), np.uint8).reshape(2 * size, -1)


def prove(
    mask: NDArray[Any],
    skip: NDArray[np.int64],
    corners: NDArray[np.int32],
    ends: NDArray[np.int64],
    values: NDArray[np.int64],
) -> None:
    """Draw polygons as the loaders do; raise `DataError` (`yolo.pixels`) if they are not exactly the mask.

    See `trace_halves` for what is given. Every edge must lie along an axis. Then all are drawn twice, in order and in reverse:
    only if no two of them share a pixel, both are equal.
    """
    before = np.roll(corners, 1, axis=0)
    begins = np.concatenate(([0], ends[:-1]))[: len(ends)]
    before[begins] = corners[ends - 1]
    kind = np.uint16 if len(ends) < 2**16 else np.int32
    forth, back = np.zeros(mask.shape, kind), np.zeros(mask.shape, kind)
    pixels = corners // 2
    polygons = [pixels[a:b] for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]
    for number, polygon in enumerate(polygons, start=1):
        cv2.fillPoly(forth, [polygon], (number,))
    for number, polygon in zip(range(len(polygons), 0, -1), reversed(polygons), strict=True):
        cv2.fillPoly(back, [polygon], (number,))
    strays = count_strays(forth, back, values, mask, skip)
    if strays or not ((corners != before).sum(axis=1) == 1).all():
        raise DataError(
            Problem(
                "yolo.pixels", f"{strays:,} pixels would be drawn otherwise: segdata export coco and folders hold them"
            )
        )
