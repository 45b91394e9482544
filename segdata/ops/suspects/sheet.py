"""A sheet of suspect regions: each with what is around it, under its label and under what the model says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np

from segdata.errors import DatasetError
from segdata.files.images import ImageArray
from segdata.files.remote import Place
from segdata.labels import Labels, tally
from segdata.metrics.label_quality import Region
from segdata.ops.suspects.operation import RegionDoubt, Suspects
from segdata.pages.sheet import panels, write_sheet
from segdata.windows import Window

AROUND = 1.5
"""How many times a region's larger side is shown; `LEAST` pixels at least."""

LEAST = 96

LINE = (255, 255, 255)


def suspects_sheet(
    found: Suspects, regions: Sequence[RegionDoubt], out: str | Place, *, columns: int = 3, size: int = 240
) -> Place:
    """Write a sheet (PNG or JPEG by the name of `out`): of each region the image, outlined, and the same under its label.

    Raises `OptionError` for another kind of file, `DatasetError` where there is no region, and `DataError`.
    """
    if not regions:
        raise DatasetError(f"{found.truth.root}: no region is suspect, so there is nothing to show")
    samples = {sample.id: sample for sample in found.truth}
    cells, counts = [], Counter[int]()
    for number, one in enumerate(regions, 1):
        sample = samples[one.sample]
        window = _around(one.region, sample.size)
        mask = found.truth.read_mask(sample)[window.slices]
        image = None
        if sample.image is not None:
            image = outlined(found.truth.read_rgb(sample)[window.slices], one.region, window)
        cells.append(panels(image, mask, found.labels, _caption(number, one, found.labels), size))
        counts.update(tally(mask))
    return write_sheet(out, cells, columns, found.labels, counts)


def outlined(image: ImageArray, region: Region, window: Window) -> ImageArray:
    """(h, w, 3) of a window of the image, with the region's outline in it."""
    out = np.ascontiguousarray(image)
    lines = [np.reshape(polygon, (-1, 2)) - (window.x, window.y) for polygon in region.polygons]
    cv2.polylines(out, [np.floor(line).astype(np.int32) for line in lines], isClosed=True, color=LINE)
    return out


def _around(region: Region, size: tuple[int, int]) -> Window:
    """A square around a region, as far as the image reaches."""
    y, x, h, w = region.box
    side = max(LEAST, round(AROUND * max(h, w)))
    height, width = min(side, size[0]), min(side, size[1])
    top = min(max(y + h // 2 - height // 2, 0), size[0] - height)
    left = min(max(x + w // 2 - width // 2, 0), size[1] - width)
    return Window(top, left, height, width)


def _caption(number: int, one: RegionDoubt, labels: Labels) -> str:
    region = one.region
    names = f"{labels.name(region.given)}, rather {labels.name(region.suggested)}"
    return f"{number}: {names} ({region.score:.2f})   {one.sample}"
