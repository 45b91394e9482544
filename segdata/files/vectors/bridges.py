"""Outlines as one ring per region, for formats that have no holes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segdata.files.vectors.tracing import Outlines
from segdata.kernels.trace import join_rings


def bridged(outlines: Outlines) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Join the rings of each region to one closed ring: points (Q, 2), and where each region's end (N,).

    An inner ring is joined by a bridge of no width, there and back, along edges of pixels inside the region: from its first point
    to the left, up to the nearest ring. What fills by counting crossings, as pycocotools does, gives the same pixels.
    """
    return join_rings(outlines.points, outlines.rings, outlines.parts, outlines.joins)


def bridged_rings(rings: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Join the outer ring of a polygon, the first, and its inner ones, (P, 2) each, to one, (Q, 2); no last point is repeated.

    The same for corners that lie anywhere: bridges go left from the leftmost point of each inner ring.
    """
    outer, *inner = rings
    joined = np.asarray(outer, np.float64)
    for ring in sorted((_from_left(ring) for ring in inner), key=lambda ring: ring[0].tolist()):
        x, y = ring[0]
        (ax, ay), (bx, by) = joined.T, np.roll(joined, -1, axis=0).T
        with np.errstate(divide="ignore", invalid="ignore"):
            met = ax + (y - ay) * (bx - ax) / (by - ay)
        met[(np.minimum(ay, by) > y) | (np.maximum(ay, by) < y) | (ay == by) | (met > x)] = -np.inf
        at = int(met.argmax())
        bridge = [[met[at], y]] if met[at] < x else []
        parts = [joined[: at + 1], *([bridge] if bridge else []), ring, ring[:1], *([bridge] if bridge else [])]
        joined = np.concatenate([*parts, joined[at + 1 :]])
    return joined


def _from_left(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """A ring from its leftmost point on, the upper one of several."""
    return np.roll(ring, -int(np.lexsort((ring[:, 1], ring[:, 0]))[0]), axis=0)
