"""Large masks, read some rows at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from segdata.files.file import access_to
from segdata.files.images import STRIP, plain_tiff_size
from segdata.files.lossy import lossy_name
from segdata.files.numbers import Numbers, open_numbers
from segdata.files.opening import open_mask
from segdata.files.places import is_stored
from segdata.files.rasters import MaskRaster
from segdata.labels import Mask, tally
from segdata.windows import Window

LARGE = 2**24
"""TIFFs of more pixels are read some rows at a time: 4,096 x 4,096."""

Bands = MaskRaster | Numbers
"""A large mask that is open."""

BLOCK = 512
"""Rows that are read together are a multiple of this, as the tiles of most files are."""


@contextmanager
def open_large(path: str, *, palette: bool) -> Iterator[Bands | None]:
    """A mask of so many pixels that it is better read some rows at a time, if that can be; None for others.

    `palette`: the indices of a palette are values.
    """
    if is_stored(path):
        yield None
        return
    size = plain_tiff_size(path, palette=palette) if access_to(path, "mask") == "windows" else None
    if size is None:
        with open_numbers(path) as numbers:
            yield (
                numbers if numbers and numbers.height * numbers.width > LARGE and not lossy_name(numbers.file) else None
            )
    elif size[0] * size[1] <= LARGE:
        yield None
    else:
        with open_mask(path) as raster:
            yield raster if isinstance(raster, MaskRaster) else None


def read_bands(raster: Bands) -> Iterator[Mask]:
    """(h, W) values from the top."""
    for strip in Window(0, 0, raster.height, raster.width).strips(STRIP, BLOCK):
        yield raster.read(strip)


def tally_bands(raster: Bands) -> dict[int, int]:
    """Value -> how often it occurs in all of a mask, in order of value."""
    found: Counter[int] = Counter()
    for values in read_bands(raster):
        found.update(tally(values))
    return dict(sorted(found.items()))
