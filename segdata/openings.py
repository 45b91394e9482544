"""The files of samples that were asked for last, kept open: virtual tiles have a file together."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from segdata.dataset import Dataset, Sample
from segdata.rasters import Raster, WholeMask, WholeRaster, open_mask, open_raster
from segdata.views import Masks, ViewedImage, ViewedMask


class Openings:
    """Pictures and masks of samples, open for reading by windows. In each process its own; not for threads."""

    def __init__(self, dataset: Dataset, files: int = 32, pixels: int = 2**26) -> None:
        """At most `files` of each, and of those that had to be decoded at once at most so many pixels, but for one."""
        self.dataset, self.files, self.pixels = dataset, files, pixels
        self._held: dict[tuple[str, str], tuple[Raster, Masks, int, ExitStack]] = {}

    def __call__(self, sample: Sample) -> tuple[Raster, Masks]:
        """Picture and mask of a sample. Raises `DataError`."""
        files = str(self.dataset.image_path(sample)), str(self.dataset.inside(sample.mask))
        held = self._held.pop(files, None)
        if held is None:
            with ExitStack() as stack:
                picture = stack.enter_context(open_raster(files[0], exif=sample.exif))
                mask = stack.enter_context(open_mask(files[1]))
                whole = isinstance(picture, WholeRaster) + isinstance(mask, WholeMask) / 3  # a third of the bytes
                pixels = round(picture.height * picture.width * whole)
                held = picture, mask, pixels, stack.pop_all()
        self._held[files] = held  # the last of the row
        while len(self._held) > 1 and (len(self._held) > self.files or self._decoded() > self.pixels):
            self._held.pop(next(iter(self._held)))[-1].close()
        if sample.view is None:
            return held[0], held[1]
        return ViewedImage(held[0], sample.view), ViewedMask(held[1], sample.view, self.dataset.labels.ignore)

    def close(self) -> None:
        """Close what is open."""
        while self._held:
            self._held.popitem()[1][-1].close()

    def _decoded(self) -> int:
        return sum(pixels for _, _, pixels, _ in self._held.values())

    def __reduce__(self) -> tuple[Any, ...]:
        return Openings, (self.dataset, self.files, self.pixels)
