"""What COCO's files have of one sample: its image, its PNG, and its objects or segments for the label file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files.png import MaskWriter, encode_rgb
from segdata.labels import Mask
from segdata.writers.coco.shapes import (
    Shape,
    as_one,
    polygon_shapes,
    run_length_shapes,
    simplified_shapes,
)
from segdata.writers.coco.tables import table_path
from segdata.writers.exporting import Files
from segdata.writers.images import ending_of
from segdata.writers.names import Named
from segdata.writers.objects import Numbered, Objects, lose_pixels, number_objects

Polygons = Literal["exact", "simplified"]
"""Outlines along the edges of pixels, or with fewer corners."""

READABLE = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Images that Pillow and OpenCV open, as programs for COCO do."""


def write_instances(
    named: Named,
    files: Files,
    ids: Mapping[int, int],
    skip: Collection[int],
    rest: int,
    polygons: Polygons | None,
    objects: Objects,
) -> dict[str, Any]:
    """Write the image of a sample, and find its objects.

    `ids` are the categories by value, `skip` the values that have none, and `rest` is what they come back as.
    """
    mask = files.source.read_mask(named.sample)
    ignore = files.source.labels.ignore
    lose_pixels(files, named.sample, mask, ignore if ignore in skip else None)
    if polygons == "simplified":
        shapes, wrong = simplified_shapes(mask, skip, objects, rest)
        if wrong:
            files.lose("borders", wrong)
    else:
        shapes = (run_length_shapes if polygons is None else polygon_shapes)(mask, skip, objects)
    return {"image": image_record(named, files), "shapes": shape_parts(shapes, ids, mask)}


def write_stuff(named: Named, files: Files, palette: NDArray[np.uint8]) -> dict[str, Any]:
    """Write the image and the pixelmap of a sample, and find its classes. The map holds category ids, 0 where it is ignored."""
    mask, ignore = files.source.read_mask(named.sample), files.source.labels.ignore
    path = f"{beside('stuff', named)}_pixelmaps/{named.name}.png"
    with MaskWriter(files.root / path, named.sample.height, named.sample.width, np.uint8, palette) as writer:
        writer.write(mask + np.uint8(1))  # of which 255, what is ignored, becomes 0
    files.written[path] = writer.sha256
    shapes = run_length_shapes(mask, {ignore}, "classes")
    ids = {one.value: one.value + 1 for one in shapes}
    return {"image": image_record(named, files), "shapes": shape_parts(shapes, ids, mask)}


def shape_parts(shapes: Sequence[Shape], ids: Mapping[int, int], mask: Mask) -> list[Any]:
    """What the label file needs of shapes: category ids, segmentations as JSON that is not read again, areas and boxes."""
    parts = []
    for value, one, area, box in shapes:
        segmentation = {"size": mask.shape, "counts": one} if isinstance(one, str) else one
        parts.append((ids[value], msgspec.json.encode(segmentation).decode(), area, box))
    return parts


def write_panoptic(named: Named, files: Files, objects: Objects, ground: int | None) -> dict[str, Any]:
    """Write the image and the PNG of a sample, and find its segments. Raises `DataError` (`export.segments`)."""
    mask, ignore = files.source.read_mask(named.sample), files.source.labels.ignore
    height, width = mask.shape
    numbered = as_one(number_objects(mask, objects, {ignore}), ground)
    if len(numbered.values) >= 2**24:
        what = f"{len(numbered.values):,} regions: a panoptic PNG holds 16,777,215 at most: --objects classes"
        raise DataError(Problem("export.segments", what))
    path = f"{named.name}.png"
    files.write(f"{beside('panoptic', named)}/{path}", encode_rgb(segment_colors(numbered).reshape(height, width, 3)))
    boxes = numbered.boxes(width).tolist()
    segments = [
        (id, value + 1, area, (left, top, right - left, bottom - top))
        for id, (value, area, (top, bottom, left, right)) in enumerate(
            zip(numbered.values.tolist(), numbered.areas.tolist(), boxes, strict=True), 1
        )
    ]
    return {"image": image_record(named, files), "png": path, "segments": segments}


def segment_colors(numbered: Numbered) -> NDArray[np.uint8]:
    """(H * W, 3) uint8: the number of each pixel's segment, from 1 on, as R + 256 G + 65536 B; 0 is none."""
    ids, lengths = numbered.numbers + 1, np.diff(numbered.begins)
    colors = np.zeros((numbered.begins[-1], 3), np.uint8)
    for band in range(3):
        if (part := ids >> 8 * band).any():
            colors[:, band] = np.repeat(part.astype(np.uint8), lengths)
    return colors


def beside(kind: str, named: Named) -> str:
    """The path of the label file of a sample's split, without its extension."""
    return table_path(kind, named.split).removesuffix(".json")


def image_record(named: Named, files: Files) -> dict[str, Any]:
    """Write the image of a sample; its record, whose file_name is a path below the folder of the split."""
    sample, folder = named.sample, "images" if named.split is None else f"images/{named.split}"
    path = files.image(sample, f"{folder}/{named.name}", READABLE)
    if path is None:
        known = ending_of(sample.image or "")
        path = f"{folder}/{named.name}{known if known in READABLE else '.png'}"
    return {"file_name": path.removeprefix(f"{folder}/"), "height": sample.height, "width": sample.width}
