"""The regions of a mask as polygons through the centres of their border pixels, one closed ring per region."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.files.vectors.tracing import runs_of
from segdata.kernels.centres import join_touching, through_centres, through_halves
from segdata.kernels.runs import number_runs
from segdata.kernels.trace import join_rings, link_corners, order_rings


class Centred(NamedTuple):
    """The polygons of N regions. Region i has the points ends[i - 1] to ends[i], without the first one once more."""

    points: NDArray[np.int32]
    """(Q, 2) x and y of pixels."""

    ends: NDArray[np.int64]
    """(N,) where the points of each region end."""

    values: NDArray[np.int64]
    """(N,) the value of each region's pixels."""

    areas: NDArray[np.int64]
    """(N,) how many pixels each region has."""


def trace_centres(mask: NDArray[np.unsignedinteger[Any]], skip: Collection[int] = ()) -> Centred:
    """Trace the regions of a mask, (H, W) of 1 pixel or more, as `tracing.trace_outlines` does, through the centres of pixels.

    What fills a polygon by counting crossings and draws its edges, too, gives exactly the region's pixels, as Pillow's
    `ImageDraw.polygon` and OpenCV's `fillPoly` do. Edges go along rows and columns. Holes are joined to the border by bridges.
    """
    points, ends, values, areas = _rings(mask, skip)
    return Centred(*through_centres(points, ends), values, areas)


def trace_halves(mask: NDArray[np.unsignedinteger[Any]], skip: Collection[int] = ()) -> Centred:
    """The same, with points in half pixels: 2 x is the left half of pixel x, 2 x + 1 its right half; so is y.

    A corner is in the half on whose side the region ends, so that no polygon touches itself.
    """
    points, ends, values, areas = _rings(mask, skip)
    return Centred(*through_halves(points, ends), values, areas)


def _rings(
    mask: NDArray[np.unsignedinteger[Any]], skip: Collection[int]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """A ring along the edges of pixels per region (Q, 2), where each one's points end (N,), and values and areas (N,)."""
    height, width = mask.shape
    begins, values = runs_of(mask)
    numbers, areas, found = number_runs(begins, values, width, np.array(sorted(skip), np.int64))
    corners, after, region, anchors = link_corners(begins, numbers, height, width)
    join_touching(corners, after, region)
    return *join_rings(*order_rings(corners, after, region, anchors, len(areas))), found, areas
