"""What a mask is as Label Studio's regions: brushes of run lengths, or polygons in percent of the image.

Brushes: `mask2rle` in src/label_studio_sdk/converter/brush.py of https://github.com/HumanSignal/label-studio-sdk. Polygons go
along the edges of pixels, so that what fills them by the rule of pycocotools, as the SDK's COCO is filled, has the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files.vectors.bridges import bridged
from segdata.files.vectors.tracing import runs_of, trace_outlines
from segdata.kernels.brush import brush_texts
from segdata.kernels.trace import number_runs
from segdata.labels import Mask

Shapes = Literal["brush", "polygon"]
"""What a region is: a brush, or a polygon."""

Objects = Literal["classes", "regions"]
"""What a brush holds: all pixels of a class, or one connected region."""

Value = dict[str, Any]
"""What a region states."""

MOST = 2**30 - 1
"""The most pixels of an image: a brush counts four values per pixel in 32 bits."""

SKIPPED = np.array([], np.int64)


def shape_values(mask: Mask, names: Mapping[int, str], shapes: Shapes, objects: Objects) -> Iterator[Value]:
    """The regions of a mask, of the values that have a name: in order of class id, or of their first pixels.

    Raises `DataError` (`labelstudio.size`) for a mask that is too large for brushes.
    """
    if shapes == "polygon":
        return polygon_values(mask, names)
    if mask.size > MOST:
        what = f"{mask.shape[1]} x {mask.shape[0]} pixels are more than a brush can count, {MOST:,}"
        raise DataError(
            Problem("labelstudio.size", f"{what}: segdata tile cuts tiles, --shapes polygon has no such limit")
        )
    return brush_values(mask, names, objects)


def brush_values(mask: Mask, names: Mapping[int, str], objects: Objects) -> Iterator[Value]:
    """A brush per class, or per connected region: pixels that touch at a corner alone are not connected."""
    begins, values = runs_of(mask)
    if objects == "classes":
        owners, found = class_runs(values, names)
    else:
        hidden = np.array([value for value in np.unique(values) if int(value) not in names], np.int64)
        owners, _, found = number_runs(begins, values, mask.shape[1], hidden)
    texts, ends = brush_texts(begins, owners, len(found))
    data, start = texts.tobytes(), 0
    for value, end in zip(found.tolist(), ends.tolist(), strict=True):
        yield {"format": "rle", "rle": msgspec.Raw(data[start:end]), "brushlabels": [names[value]]}
        start = end


def class_runs(
    values: NDArray[np.unsignedinteger[Any]], names: Mapping[int, str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of the classes that there are each run is of (N,), -1 for values without a name; and their values (K,), sorted."""
    found = np.array([value for value in np.unique(values).tolist() if value in names], np.int64)
    places = np.full(np.iinfo(values.dtype).max + 1, -1, np.int64)
    places[found] = np.arange(len(found))
    return places[values], found


def polygon_values(mask: Mask, names: Mapping[int, str]) -> Iterator[Value]:
    """A polygon per connected region. Holes are joined to the outer ring by bridges of no width."""
    outlines = trace_outlines(mask, [value for value in np.unique(mask).tolist() if value not in names])
    points, ends = bridged(outlines)
    percent = points * 100 / (mask.shape[1], mask.shape[0])
    start = 0
    for value, end in zip(outlines.values.tolist(), ends.tolist(), strict=True):
        yield {"points": percent[start:end].tolist(), "closed": True, "polygonlabels": [names[value]]}
        start = end


def count_regions(mask: Mask, value: int) -> int:
    """How many connected regions one value of a mask has."""
    begins, values = runs_of(mask)
    _, _, found = number_runs(begins, values, mask.shape[1], SKIPPED)
    return int(np.count_nonzero(found == value))
