"""Outlines as one ring per region, for formats that have no holes."""

from __future__ import annotations

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
