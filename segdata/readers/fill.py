"""Polygons of whole pixels to run lengths, as OpenCV fills them: what several labelling tools draw with.

The pixels are those of OpenCV 4.11 and later. Earlier ones set a few more at borders, about 3 in 1,000 of small polygons.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.readers.paint import encode

FARTHEST = 2**24
"""OpenCV walks along every row of a polygon, so one that reaches further above or below the image would take minutes."""


def fill_opencv(polygons: Sequence[NDArray[np.int32]], height: int, width: int) -> bytes:
    """The pixels that `cv2.fillPoly` sets in an image of height x width, as compressed run lengths.

    Each polygon is (N, 2) int32 of x, y, and may reach beyond the image. Several are drawn at once: where an even number of
    them overlap is a hole. Outlines belong to the polygon, so two points are a line, and one is a pixel.

    Only the box around the polygons is drawn. OpenCV clips lines at the sides of an image, which moves them a little: a side
    of the box is one that no line crosses, or the image's own. Raises `DataError` (`polygon.far`).
    """
    rings = [ring for ring in polygons if len(ring)]
    if not rings:
        return encode(np.zeros((0, 0), np.uint8), height, width)
    xy = np.ascontiguousarray(np.concatenate(rings).T)  # minima of rows take a tenth of the time
    (left, top), (right, bottom) = xy.min(axis=1).tolist(), xy.max(axis=1).tolist()
    if max(-left, -top, right, bottom) > FARTHEST:
        raise DataError(Problem("polygon.far", f"a corner lies more than {FARTHEST} pixels away: correct it"))
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width - 1), min(bottom, height - 1)
    if left > right or top > bottom:
        return encode(np.zeros((0, 0), np.uint8), height, width)
    box = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.fillPoly(box, rings, (1,), offset=(-left, -top))
    return encode(box, height, width, top, left)
