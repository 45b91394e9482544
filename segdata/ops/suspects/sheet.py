"""A sheet of suspect regions: each with what is around it, under its label and under what the model says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DatasetError
from segdata.files.remote import Place
from segdata.labels import Labels, tally
from segdata.metrics.label_quality import Region
from segdata.ops.suspects.operation import RegionDoubt, Suspects
from segdata.pages.crops import around, outlined, read_crop
from segdata.pages.sheet import captioned, laid, write_sheet
from segdata.windows import Window


def suspects_sheet(
    found: Suspects, regions: Sequence[RegionDoubt], out: str | Place, *, columns: int = 2, size: int = 240
) -> Place:
    """Write a sheet (PNG or JPEG by the name of `out`): each region, outlined, in the image, under its label and as predicted.

    Raises `OptionError` for another kind of file, `DatasetError` where there is no region, and `DataError`.

    Args:
        found: What `suspects` gave.
        regions: Those of `found.regions` to show, such as the first twenty.
        out: The file to write.
        columns: How many regions are in a row.
        size: The width of one image in pixels.
    """
    if not regions:
        raise DatasetError(f"{found.truth.root}: no region is suspect, so there is nothing to show")
    samples = {sample.id: sample for sample in found.truth}
    predicted = {} if found.pred is None else {sample.id: sample for sample in found.pred}
    cells, counts = [], Counter[int]()
    for number, one in enumerate(regions, 1):
        sample = samples[one.sample]
        window = around(one.region.box, sample.size)
        image, mask = read_crop(found.truth, sample, window)
        inside = _inside(one.region, window)
        shown = {} if image is None else {"image": image}
        shown[f"label: {found.labels.name(one.region.given)}"] = laid(image, mask, found.labels, size)
        if found.pred is not None and one.sample in predicted:
            _, guess = read_crop(found.pred, predicted[one.sample], window)
            shown[f"prediction: {found.labels.name(one.region.suggested)}"] = laid(image, guess, found.labels, size)
            counts.update(tally(guess))
        drawn = [outlined(pixels, inside, size) for pixels in shown.values()]
        cells.append(captioned(drawn, _caption(number, one, found.labels), size, list(shown)))
        counts.update(tally(mask))
    return write_sheet(out, cells, columns, found.labels, counts)


def _inside(region: Region, window: Window) -> NDArray[np.bool_]:
    """(h, w) of a window around a region: which pixels are the region's."""
    out = np.zeros((window.height, window.width), bool)
    out[Window(*region.box).shifted(-window.y, -window.x).slices] = region.inside
    return out


SEEMS = {
    "class": "{given} is likely {suggested}",
    "missing": "{suggested} is likely missing, labelled {given}",
    "outline": "the outline of {suggested} is likely wrong, labelled {given}",
    "part": "a part of {given} is likely {suggested}",
}
"""What seems wrong, by the kind of a region."""


def _caption(number: int, one: RegionDoubt, labels: Labels) -> str:
    region = one.region
    names = {"given": labels.name(region.given), "suggested": labels.name(region.suggested)}
    return f"{number}. {SEEMS[region.kind].format(**names)}   {one.sample}"
