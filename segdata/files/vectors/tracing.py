"""The regions of a mask as outlines along the edges of pixels: exact, in whole pixels, and always in the same order."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.kernels.runs import number_runs
from segdata.kernels.trace import link_corners, order_rings


class Outlines(NamedTuple):
    """The outlines of N regions, whose R rings have P points.

    Region i has the rings parts[i] to parts[i + 1], the first of them its outer one, and ring r the points rings[r] to
    rings[r + 1]; its last point, which is its first one, is not repeated. Pixel (0, 0) covers 0 to 1 of both x and y. On screen,
    outer rings go clockwise and inner ones counter-clockwise, so that signed areas (y down) add up to `areas`.
    """

    points: NDArray[np.int32]
    """(P, 2) x to the right and y down. Each is a corner; no ring has a point twice."""

    rings: NDArray[np.int64]
    """(R + 1,) where each ring begins, and P."""

    parts: NDArray[np.int64]
    """(N + 1,) with which ring each region begins, and R."""

    values: NDArray[np.int64]
    """(N,) the value of each region's pixels."""

    areas: NDArray[np.int64]
    """(N,) how many pixels each region has."""

    joins: NDArray[np.int64]
    """(R, 2) where a bridge to the left from the first point of an inner ring first meets another ring of its region: which point
    comes there or next, and x. Outer rings have -1."""


def trace_outlines(mask: NDArray[np.unsignedinteger[Any]], skip: Collection[int] = ()) -> Outlines:
    """Trace the regions of a mask, (H, W) of 1 pixel or more; those whose values are in `skip` have no outlines.

    A region is what one value covers without a gap; pixels that touch at a corner alone are not connected. Regions come in order
    of their first pixels, row by row. An outer ring begins at the upper left corner of its region's first pixel; then come the
    inner ones in order of their holes' first pixels, each beginning at the upper left corner of that one.
    """
    height, width = mask.shape
    begins, values = runs_of(mask)
    numbers, areas, found = number_runs(begins, values, width, np.array(sorted(skip), np.int64))
    corners = link_corners(begins, numbers, height, width)
    points, rings, parts, joins = order_rings(*corners, len(areas))
    return Outlines(points, rings, parts, found, areas, joins)


def runs_of(mask: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The runs of equal pixels in the rows of a mask, (H, W), read row by row.

    Returns where each begins and the mask's size, (N + 1,), and their values, (N,).
    """
    flat = np.ascontiguousarray(mask).ravel()
    differs = np.empty(flat.shape, np.bool_)
    np.not_equal(flat[1:], flat[:-1], out=differs[1:])
    differs[:: mask.shape[1]] = True
    begins = np.flatnonzero(differs)
    return np.append(begins, flat.size), flat[begins]
