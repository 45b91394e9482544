"""Polygons in pixel coordinates that are drawn window by window: each window is given what it sees of them, and no more.

So a polygon that is higher than a window, or has more corners than all others, costs each window only the corners in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.files.vectors.geojson import Geometry, bounds, parts_of
from segdata.windows import Window

BESIDE = 1
"""Pixels around a window that it sees too, so that nothing depends on how a coordinate is rounded."""


class Outlines:
    """Polygons, by their numbers from 0 on. `boxes` (N, 4) float64 are their top, left, bottom, right."""

    def __init__(self, geometries: Sequence[Geometry]) -> None:
        self._geometries = geometries
        self._rings: dict[int, list[list[NDArray[np.float64]]]] = {}
        self.boxes = np.array([bounds(geometry) for geometry in geometries], np.float64).reshape(-1, 4)

    def seen(self, window: Window) -> Iterator[tuple[int, Geometry]]:
        """The number of each polygon that may have pixels in a window, ascending, with what burns the same pixels there."""
        top, left, bottom, right = self.boxes.T
        above, below = window.y - BESIDE, window.bottom + BESIDE
        near = (bottom >= above) & (top <= below) & (right >= window.x - BESIDE) & (left <= window.right + BESIDE)
        whole = (top >= above) & (bottom <= below)
        for i in np.flatnonzero(near).tolist():
            geometry = self._geometries[i] if whole[i] else self._between(i, above, below)
            if geometry["coordinates"]:
                yield i, geometry

    def window(self, numbers: Sequence[int], within: Window) -> Window | None:
        """The part of a window in which these polygons are; None if they are beside it."""
        (top, left), (bottom, right) = self.boxes[numbers, :2].min(axis=0), self.boxes[numbers, 2:].max(axis=0)
        y, x = max(within.y, int(max(top, 0)) - BESIDE), max(within.x, int(max(left, 0)) - BESIDE)
        height, width = min(within.bottom, int(bottom) + 1 + BESIDE) - y, min(within.right, int(right) + 1 + BESIDE) - x
        return Window(y, x, height, width) if height > 0 and width > 0 else None

    def _between(self, i: int, above: float, below: float) -> Geometry:
        """A polygon without the corners of which neither edge comes between two heights."""
        if i not in self._rings:
            parts = parts_of(self._geometries[i])
            self._rings[i] = [[np.asarray(ring, np.float64) for ring in part] for part in parts]
        cut = [[ring for ring in (_cut(r, above, below) for r in part) if ring] for part in self._rings[i]]
        return {"type": "MultiPolygon", "coordinates": [part for part in cut if part]}


def _cut(ring: NDArray[np.float64], above: float, below: float) -> list[Any]:
    """A ring (N, 2) of x, y without the corners that lie on one side together with both their neighbours.

    Empty if no edge comes between. All edges that do are kept as they are, and the others stay outside. The lowest corner
    is kept, too: GDAL tells by it which way round a ring goes, and by that whether an edge through middles of pixels is in.
    """
    side = (ring[:, 1] > below).astype(np.int8) - (ring[:, 1] < above)
    if side[0] != 0 and (side == side[0]).all():
        return []
    needed = np.ones(len(ring), np.bool_)
    needed[1:-1] = (side[1:-1] == 0) | (side[1:-1] != side[:-2]) | (side[1:-1] != side[2:])
    lowest = np.lexsort((-ring[:-1, 0], ring[:-1, 1]))[0]
    needed[(lowest + np.arange(-1, 2)) % (len(ring) - 1)] = True
    kept: list[Any] = ring[needed].tolist()
    return kept
