"""Labels that lie where their image has no data: they become ignored, as such pixels do in every other command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np

from segdata.files.rasters import Raster
from segdata.labels import Mask
from segdata.readers.source import Banded, Drawn, Receipt
from segdata.windows import Window

ROWS = 2**22
"""Pixels of an image that are looked at together, about."""

Opening = AbstractContextManager[Raster]


def over_data(drawn: Drawn | Banded, opening: Opening, ignore: int) -> Drawn | Banded:
    """The same mask with `ignore` where the image, which is opened once it is needed, has no data; its receipt counts them."""
    receipt = drawn.receipt
    if isinstance(drawn, Banded):
        return replace(drawn, rows=_known_rows(drawn.rows, opening, ignore, receipt))
    strips = (drawn.mask[strip.slices] for strip in Window(0, 0, *drawn.size).strips(ROWS))
    mask = np.concatenate(list(_known_rows(strips, opening, ignore, receipt)))
    return Drawn(mask, receipt) if receipt.under_nodata else drawn


def _known_rows(strips: Iterator[Mask], opening: Opening, ignore: int, receipt: Receipt) -> Iterator[Mask]:
    """(h, W) ids from the top, each over the rows of the image that it lies on."""
    y = 0
    with opening as image:
        for ids in strips:
            yield _over(ids, image, y, ignore, receipt)
            y += len(ids)
    receipt.nodata_images = int(receipt.under_nodata > 0)


def _over(ids: Mask, image: Raster, y: int, ignore: int, receipt: Receipt) -> Mask:
    """(h, W) ids whose first row is the image's row `y`."""
    window = Window(y, 0, len(ids), image.width)
    valid = image.valid(window, image.read(window))
    if valid is None:
        return ids
    gone = ~valid & (ids != ignore)
    receipt.under_nodata += int(np.count_nonzero(gone))
    return np.where(gone, ids.dtype.type(ignore), ids)
