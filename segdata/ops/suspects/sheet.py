"""A sheet of suspect regions: each with what is around it, under its label and under what the model says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DatasetError
from segdata.files.colors import colorize, overlay
from segdata.files.remote import Place
from segdata.labels import Labels, tally
from segdata.metrics.label_quality import Region
from segdata.ops.suspects.operation import RegionDoubt, Suspects
from segdata.pages.crops import around, outlined, read_crop
from segdata.pages.sheet import captioned, write_sheet
from segdata.windows import Window


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
        window = around(one.region.box, sample.size)
        image, mask = read_crop(found.truth, sample, window)
        inside = _inside(one.region, window)
        shown = [colorize(mask, found.labels)] if image is None else [image, overlay(image, mask, found.labels)]
        caption = _caption(number, one, found.labels)
        cells.append(captioned([outlined(pixels, inside, size) for pixels in shown], caption, size))
        counts.update(tally(mask))
    return write_sheet(out, cells, columns, found.labels, counts)


def _inside(region: Region, window: Window) -> NDArray[np.bool_]:
    """(h, w) of a window around a region: which pixels are the region's."""
    out = np.zeros((window.height, window.width), bool)
    out[Window(*region.box).shifted(-window.y, -window.x).slices] = region.inside
    return out


def _caption(number: int, one: RegionDoubt, labels: Labels) -> str:
    region = one.region
    names = f"{labels.name(region.given)}, rather {labels.name(region.suggested)}"
    return f"{number}: {names} ({region.kind}; {region.score:.2f})   {one.sample}"
