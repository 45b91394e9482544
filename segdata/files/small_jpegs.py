"""JPEGs to look at: decoded in the size that is asked for, which for a small one takes a fraction of the time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segdata.files.bands import About
from segdata.files.file import File
from segdata.files.geo import Geo
from segdata.files.images import Exif, ImageFacts, read_opaque, read_shrunk
from segdata.files.pillow import header_of, header_orientation
from segdata.files.rasters import Values, WholeRaster, no_larger
from segdata.windows import Window


def size_of(file: File, exif: Exif | None) -> tuple[int, int] | None:
    """(height, width) of a JPEG as the manifest has it, by its header; None of any other file."""
    header = header_of(file)
    if header is None or header.format not in ("JPEG", "MPO"):
        return None
    facts = ImageFacts(header.height, header.width, header_orientation(file))
    return facts.upright if exif == "upright" else (facts.height, facts.width)


class SmallJpeg:
    """A JPEG of `size` (height, width) that is decoded when it is read, and in small if means are asked for. A `Raster`.

    What is wrong with its pixels is told then, too.
    """

    bands, dtype, shrinks, blocked = 3, np.dtype(np.uint8), 1, True
    about: tuple[About, ...] = ()

    def __init__(self, file: File, size: tuple[int, int], exif: Exif | None, geo: Geo) -> None:
        self._file, self._exif, self.geo = file, exif, geo
        self.height, self.width = size
        self._whole: WholeRaster | None = None

    @property
    def whole(self) -> WholeRaster:
        """All of it, decoded once."""
        if self._whole is None:
            with self._file:
                self._whole = WholeRaster(*read_opaque(self._file, exif=self._exif), geo=self.geo)
        return self._whole

    def read(self, window: Window | None = None) -> Values:
        """See `Raster`. A view."""
        return self.whole.read(window)

    def valid(self, window: Window, values: Values) -> NDArray[np.bool_] | None:
        """See `Raster`."""
        return None

    def reduced(self, size: tuple[int, int], window: Window | None = None, mean: bool = False) -> Values:
        """See `Raster`."""
        window = window or Window(0, 0, self.height, self.width)
        size = no_larger(size, window[2:])
        if not mean or self._whole is not None or min(window.height // size[0], window.width // size[1]) < 2:
            return self.whole.reduced(size, window, mean)
        with self._file:
            return read_shrunk(self._file, size, window, exif=self._exif)
