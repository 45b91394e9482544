"""polygons.json of a frame: polygons that give the frame's labels, pixel by pixel, when they are drawn one over the other.

cityscapesScripts draws them with Pillow (preparation/json2labelImg.py), whose rule has changed since the makers of Cityscapes
drew theirs. These come out the same by both rules. The left and right edges of a polygon lie on the first and the last pixels
of its rows. Its upper edges lie on the upper borders of their rows, and its lower ones three quarters of a pixel below those:
Pillow cuts off the fraction, and fills these rows, too; by the old rule rows count whose middles are inside.

Holes are not in the outlines. What lies in one is drawn later: its first pixel comes later, row by row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.files.vectors.tracing import trace_outlines
from segdata.kernels.ring_text import write_points


def encode_polygons(mask: NDArray[np.unsignedinteger[Any]], labels: Mapping[int, str]) -> bytes:
    """The bytes of polygons.json of a mask, (H, W), whose values have these `labels`: a polygon per region, a line each."""
    outlines = trace_outlines(mask)
    points, ends = outer_rings(outlines.points, outlines.rings, outlines.parts)
    text, stops = write_points(drawn_points(points, ends), ends, closed=False)
    values = outlines.values.tolist()
    starts = {value: f'{{"label":{json.dumps(labels[value])},"polygon":['.encode() for value in set(values)}
    data, begin, objects = text.tobytes(), 0, []
    for value, stop in zip(values, stops.tolist(), strict=True):
        objects.append(starts[value] + data[begin:stop] + b"]}")
        begin = stop
    height, width = mask.shape
    head = f'{{"imgHeight":{height},"imgWidth":{width},"objects":[\n'.encode()
    return head + b",\n".join(objects) + b"\n]}\n"


def outer_rings(
    points: NDArray[np.int32], rings: NDArray[np.int64], parts: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The outer ring of each region: points (Q, 2), and where each one's end (N,). See `Outlines`."""
    lengths = np.diff(rings)
    outer = np.zeros(len(lengths), np.bool_)
    outer[parts[:-1]] = True
    return points[np.repeat(outer, lengths)], np.cumsum(lengths[outer])


def drawn_points(points: NDArray[np.int32], ends: NDArray[np.int64]) -> NDArray[np.int32]:
    """Outer rings as `outer_rings` gives them, to those that are drawn: (Q, 2) in quarters of a pixel.

    Rings begin to the right, clockwise, and turn at each corner: their edges lie along x and along y by turns.
    """
    drawn = 4 * points
    first = np.arange(0, len(points), 2)  # edges along x lead from these to the next ones
    lower = points[first + 1, 0] < points[first, 0]
    drawn[first, 1] -= lower
    drawn[first + 1, 1] -= lower
    after = np.arange(1, len(points) + 1)
    after[ends - 1] = np.append(0, ends[:-1])
    first, second = first + 1, after[1::2]  # and edges along y
    right = 4 * (points[second, 1] > points[first, 1])
    drawn[first, 0] -= right
    drawn[second, 0] -= right
    return drawn
