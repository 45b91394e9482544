"""The objects of a mask as COCO's annotations have them: run lengths or polygons, an area and a box.

Run lengths are pycocotools' (https://github.com/cocodataset/cocoapi, common/maskApi.c), and so is what polygons cover.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.files.vectors.bridges import bridged, bridged_rings
from segdata.files.vectors.polygons import Regions, polygons_of, rings_of, simplified
from segdata.files.vectors.tracing import Outlines, trace_outlines
from segdata.kernels.outline import outline_text
from segdata.kernels.paint import decode_runs
from segdata.kernels.run_lengths import run_texts
from segdata.labels import Mask
from segdata.writers.objects import Numbered, Objects, number_objects, parts_of

CORNERS = 1.0
"""Simplified polygons lack the corners whose triangle has a smaller area than this, squared, in pixels."""

DIGITS = 3
"""Decimals of a simplified polygon's coordinates."""


class Shape(NamedTuple):
    """An object: its mask value, its pixels as a text of run lengths or as polygons, how many, and the box around them.

    The box is x, y, width, height.
    """

    value: int
    segmentation: str | list[list[float]]
    area: int
    box: tuple[float, float, float, float]


def as_one(numbered: Numbered, value: int | None) -> Numbered:
    """The same, where all objects of a value are one."""
    same = numbered.values == value
    if same.sum() < 2:
        return numbered
    first = np.where(same, int(same.argmax()), np.arange(len(same)))
    kept, new = np.unique(first, return_inverse=True)
    numbers = np.where(numbered.numbers < 0, -1, new[numbered.numbers])
    areas = np.bincount(new, numbered.areas).astype(np.int64)
    return Numbered(numbered.begins, numbers, numbered.values[kept], areas)


def run_length_shapes(mask: Mask, skip: Collection[int], objects: Objects) -> list[Shape]:
    """The objects of a mask, (H, W), as compressed run lengths, which go down its columns; none of values in `skip`."""
    columns: NDArray[Any] = cv2.transpose(mask)  # which is faster than NumPy's
    numbered = number_objects(columns, objects, skip)
    texts = parts_of(*run_texts(numbered.begins, *numbered.by_object()))
    boxes = numbered.boxes(mask.shape[0]).tolist()
    return [
        Shape(value, counts, area, (left, top, right - left, bottom - top))
        for value, counts, area, (left, right, top, bottom) in zip(
            numbered.values.tolist(), texts, numbered.areas.tolist(), boxes, strict=True
        )
    ]


def polygon_shapes(mask: Mask, skip: Collection[int], objects: Objects) -> list[Shape]:
    """The same as polygons that cover exactly the pixels: one per region, joined to its holes by bridges of no width."""
    outlines = trace_outlines(mask, skip)
    return shapes_of(outlines.values, *bridged(outlines), outlines.areas, objects)


def simplified_shapes(mask: Mask, skip: Collection[int], objects: Objects, rest: int) -> tuple[list[Shape], int]:
    """The same as polygons with fewer corners, neighbours with one border; and how many pixels these get wrong.

    A region of which nothing would be left keeps its exact outline. `rest`: the value of what no polygon covers.
    """
    outlines = trace_outlines(mask)
    points, ends = bridged(outlines)
    simple = _rings(simplified(_closed(outlines), CORNERS, (mask.shape[0], mask.shape[1])))
    values, rings, areas = [], [], []
    for value, ring, exact in zip(outlines.values.tolist(), simple, np.split(points, ends[:-1]), strict=True):
        if value not in skip:
            _, area = _filled(ring, mask.shape)
            values.append(value)
            rings.append(ring if area else exact)
            areas.append(area or _filled(exact, mask.shape)[1])
    joined = np.concatenate(rings) if rings else np.zeros((0, 2))
    shapes = shapes_of(np.array(values), joined, np.cumsum([len(ring) for ring in rings]), np.array(areas), objects)
    return shapes, wrong_pixels(shapes, mask, skip, rest)


def wrong_pixels(shapes: Sequence[Shape], mask: Mask, skip: Collection[int], rest: int) -> int:
    """How many pixels of a mask are of another value if polygons are filled, those of fewer pixels on top, in the same order."""
    expected = mask.T.flatten()
    expected[np.isin(expected, list(skip))] = rest
    painted = np.full(expected.shape, rest)
    for shape in sorted(shapes, key=lambda shape: -shape.area):
        for polygon in shape.segmentation:
            runs, _ = _filled(np.array(polygon).reshape(-1, 2), mask.shape)
            for start, stop in runs.tolist():
                painted[start:stop] = shape.value
    return int((painted != expected).sum())


def shapes_of(
    values: NDArray[np.int64], points: NDArray[Any], ends: NDArray[np.int64], areas: NDArray[np.int64], objects: Objects
) -> list[Shape]:
    """Rings as shapes, by their points (Q, 2) and where each ends (N,), with its value and pixels (N,).

    Each is a shape of its own, or those of one value are one, in order of values.
    """
    if not len(values):
        return []
    starts = np.append(0, ends[:-1])
    low, high = np.minimum.reduceat(points, starts), np.maximum.reduceat(points, starts)
    corners, pixels = np.concatenate([low, high], axis=1).tolist(), areas.tolist()
    flat, cuts = points.ravel().tolist(), [(2 * a, 2 * b) for a, b in pairwise([0, *ends.tolist()])]
    if objects == "regions":
        groups = [[i] for i in range(len(values))]
    else:
        groups = [np.flatnonzero(values == value).tolist() for value in np.unique(values)]
    found = []
    for value, group in zip((values[group[0]] for group in groups), groups, strict=True):
        left, top = (min(corners[i][k] for i in group) for k in (0, 1))
        right, bottom = (max(corners[i][k] for i in group) for k in (2, 3))
        polygons = [flat[slice(*cuts[i])] for i in group]
        found.append(
            Shape(int(value), polygons, sum(pixels[i] for i in group), (left, top, right - left, bottom - top))
        )
    return found


def _closed(outlines: Outlines) -> Regions:
    """Regions as polygons of shapely, whose rings end with their first point."""
    points, rings = outlines.points, outlines.rings
    closed = np.insert(points, rings[1:], points[rings[:-1]], axis=0)
    return Regions(polygons_of(closed, rings + np.arange(len(rings)), outlines.parts), outlines.values)


def _rings(regions: Regions) -> Iterator[NDArray[np.float64]]:
    """One ring per polygon of shapely, (Q, 2), of numbers that JSON writes in few digits."""
    points, rings, parts = rings_of(regions.shapes)
    opened = [points[a : b - 1] for a, b in pairwise(rings.tolist())]
    for a, b in pairwise(parts.tolist()):
        yield np.round(bridged_rings(opened[a:b]), DIGITS)


def _filled(ring: NDArray[Any], size: tuple[int, ...]) -> tuple[NDArray[np.int64], int]:
    """The pixels of a polygon as pycocotools fills it: runs, (R, 2) [start, stop) down the columns, and how many."""
    height, width = size
    text, ends = outline_text(ring.astype(np.float64), np.array([len(ring)]), height, width)
    runs, _, areas = decode_runs(text, ends, height * width)
    return runs, int(areas[0])
