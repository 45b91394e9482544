"""What keeps a file from being what the manifest says of it: one code and one message per fault, for all who read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from segdata.dataset.sample import Sample
from segdata.errors import DataError, Problem
from segdata.files.changes import Changes
from segdata.files.rasters import Raster, WholeMask
from segdata.files.scores import Scores
from segdata.files.views import Masks, PaddedImage, View, ViewedImage, ViewedMask
from segdata.labels import Labels, Mask, tally
from segdata.windows import Window
from segdata.words import some

Kind = Literal["image", "mask"]

REPLACED = "was it replaced? convert again"


def fits(size: tuple[int, ...], sample: Sample) -> bool:
    """Whether a file of `size` (height, width) holds the sample: it is of the sample's size, or the crop is inside."""
    if sample.crop is None:
        return size == sample.size
    y, x, height, width = sample.crop
    inside = 0 <= y <= size[0] - height and 0 <= x <= size[1] - width
    return inside and (sample.tiling is not None or (height, width) == sample.size)  # a tiling scales and pads


def depth_fault(bits: int, labels: Labels) -> str | None:
    """What is wrong with a mask of so many bits per pixel."""
    expected = 8 * np.dtype(labels.dtype).itemsize
    return None if bits == expected else f"has {bits} bits per pixel, {len(labels.classes)} classes take {expected}"


def value_fault(counts: Mapping[int, int], labels: Labels) -> str | None:
    """What is wrong with a mask that has each value so often."""
    foreign = [value for value in counts if value >= len(labels.classes) and value != labels.ignore]
    listed = some(f"{value} ({counts[value]:,} pixels)" for value in foreign)
    return f"holds values that are no class: {listed}" if foreign else None


def refuse_size(kind: Kind, found: Raster | Masks, sample: Sample, file: str) -> None:
    """Raise `DataError` (`image.size`, `mask.size`) unless an open file holds the sample.

    Of an image that no mask belongs to yet the manifest does not know the size: 0 x 0.
    """
    if sample.size == (0, 0) or fits((found.height, found.width), sample):
        return
    listed = f"{sample.width} x {sample.height}"
    if sample.crop is not None:
        y, x, height, width = sample.crop
        listed = f"cut to {width} x {height} at row {y}, column {x}"
    what = f"the {kind} is {found.width} x {found.height}, in the manifest {listed} (width x height): {REPLACED}"
    raise DataError(Problem(f"{kind}.size", what, file, sample.id))


def refuse_depth(found: Masks, labels: Labels, sample: Sample, file: str) -> None:
    """Raise `DataError` (`mask.depth`) for an open mask of another dtype than the labels'."""
    if (fault := depth_fault(8 * found.dtype.itemsize, labels)) is not None:
        raise DataError(Problem("mask.depth", f"the mask {fault}: {REPLACED}", file, sample.id))


def refuse_values(values: Mask, labels: Labels, sample: Sample, file: str) -> None:
    """Raise `DataError` (`mask.values`) for (H, W) values if any is neither a class nor ignore."""
    if not labels.known(values):
        fault = value_fault(tally(values), labels)
        raise DataError(Problem("mask.values", f"the mask {fault}: {REPLACED}", file, sample.id))


def refuse_scores(found: Scores, labels: Labels, sample: Sample, file: str) -> None:
    """Raise `DataError` (`scores.size`) for scores of other classes or another size than the sample's."""
    if (found.classes, found.height, found.width) != (len(labels.classes), *sample.size):
        have = f"{found.classes} classes, {found.width} x {found.height}"
        want = f"{len(labels.classes)} classes, {sample.width} x {sample.height} (width x height)"
        what = f"the scores are of {have}, the mask of {want}: were they replaced? predict again"
        raise DataError(Problem("scores.size", what, file, sample.id))


def view_image(raster: Raster, sample: Sample, file: str) -> Raster:
    """An open image file as the sample has it. Raises `DataError` (`image.size`)."""
    refuse_size("image", raster, sample, file)
    if sample.view is not None:
        return ViewedImage(raster, sample.view)
    if sample.tiling is None or sample.window is None:
        return raster
    content = View(sample.window, sample.size, sample.tiling.scale).content
    return raster if content == sample.size else PaddedImage(raster, content)


def view_mask(mask: Masks, sample: Sample, labels: Labels, file: str) -> Masks:
    """An open mask file as the sample has it. Raises `DataError` (`mask.size`, `mask.depth`)."""
    known = KnownMask(mask, sample, labels, file)
    return known if sample.view is None else ViewedMask(known, sample.view, labels.ignore)


class KnownMask:
    """A mask file that holds a sample, open for reading by windows: every value that it gives is a class or ignore."""

    def __init__(self, mask: Masks, sample: Sample, labels: Labels, file: str) -> None:
        """Raises `DataError` (`mask.size`, `mask.depth`)."""
        refuse_size("mask", mask, sample, file)
        refuse_depth(mask, labels, sample, file)
        self._mask, self._sample, self._labels, self._file = mask, sample, labels, file
        self.height, self.width, self.dtype, self.blocked = mask.height, mask.width, mask.dtype, mask.blocked

    def read(self, window: Window | None = None) -> Mask:
        """(h, w) ids of a window, of all by default. Raises `DataError` (`mask.*`)."""
        return self._refused(self._mask.read(window))

    @property
    def changes(self) -> Changes | None:
        """All ids as their changes, if the file is whole and of such. Raises `DataError` (`mask.values`)."""
        if not isinstance(self._mask, WholeMask) or not isinstance(held := self._mask.held, Changes):
            return None
        if held.counts[len(self._labels.classes) : self._labels.ignore].any():
            self._refused(held.mask)
        return held

    @property
    def shrinks(self) -> int:
        """See `Masks`."""
        return self._mask.shrinks

    def reduced(self, size: tuple[int, int], window: Window | None = None) -> Mask:
        """(h, w) ids of every so many pixels of a window: see `Masks`. Raises `DataError` (`mask.*`)."""
        return self._refused(self._mask.reduced(size, window))

    def _refused(self, values: Mask) -> Mask:
        refuse_values(values, self._labels, self._sample, self._file)
        return values
