"""What a mask is as Label Studio's regions: brushes of run lengths, or polygons in percent of the image.

Brushes: `mask2rle` in src/label_studio_sdk/converter/brush.py of https://github.com/HumanSignal/label-studio-sdk. Polygons go
along the edges of pixels, so that what fills them by the rule of pycocotools, as the SDK's COCO is filled, has the same pixels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

import msgspec

from segdata.errors import DataError, Problem
from segdata.files.vectors.bridges import bridged
from segdata.files.vectors.tracing import trace_outlines
from segdata.kernels.brush import brush_texts
from segdata.labels import Mask
from segdata.writers.objects import Objects, number_objects

Shapes = Literal["brush", "polygon"]
"""What a region is: a brush, or a polygon."""

Value = dict[str, Any]
"""What a region states."""

MOST = 2**30 - 1
"""The most pixels of an image: a brush counts four values per pixel in 32 bits."""


def shape_values(
    mask: Mask, names: Mapping[int, str], skip: Collection[int], shapes: Shapes, objects: Objects
) -> Iterator[Value]:
    """The regions of a mask, but for values to `skip`; all others have a name. See `number_objects` for their order.

    Raises `DataError` (`labelstudio.size`) for a mask that is too large for brushes.
    """
    if shapes == "polygon":
        return polygon_values(mask, names, skip)
    if mask.size > MOST:
        what = f"{mask.shape[1]} x {mask.shape[0]} pixels are more than a brush can count, {MOST:,}"
        raise DataError(
            Problem("labelstudio.size", f"{what}: segdata tile cuts tiles, --shapes polygon has no such limit")
        )
    return brush_values(mask, names, skip, objects)


def brush_values(mask: Mask, names: Mapping[int, str], skip: Collection[int], objects: Objects) -> Iterator[Value]:
    """A brush per class, or per connected region."""
    numbered = number_objects(mask, objects, skip)
    texts, ends = brush_texts(numbered.begins, *numbered.by_object())
    data, start = texts.tobytes(), 0
    for value, end in zip(numbered.values.tolist(), ends.tolist(), strict=True):
        yield {"format": "rle", "rle": msgspec.Raw(data[start:end]), "brushlabels": [names[value]]}
        start = end


def polygon_values(mask: Mask, names: Mapping[int, str], skip: Collection[int]) -> Iterator[Value]:
    """A polygon per connected region. Holes are joined to the outer ring by bridges of no width."""
    outlines = trace_outlines(mask, skip)
    points, ends = bridged(outlines)
    percent = points * 100 / (mask.shape[1], mask.shape[0])
    start = 0
    for value, end in zip(outlines.values.tolist(), ends.tolist(), strict=True):
        yield {"points": percent[start:end].tolist(), "closed": True, "polygonlabels": [names[value]]}
        start = end
