"""Slides of a microscope, through OpenSlide: the largest of their images, by windows, and how many microns a pixel has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.errors import raise_exhausted
from segdata.files.bands import RGB, About, places_of
from segdata.files.file import File
from segdata.files.geo import Geo
from segdata.files.guards import refuse_others
from segdata.files.limits import refuse_large
from segdata.files.rasters import Values, shrunk
from segdata.files.reading import AS_IT_IS, Reading
from segdata.windows import Window

EXTRA = 'slides are read by OpenSlide: pip install "segdata[slides]"'

WHITE = 255
"""Where a slide was not scanned, it is white, and has no data."""


class SlideRaster:
    """A slide open for reading by windows: (h, w, 3) uint8 RGB of its largest image, or the bands that are chosen. A `Raster`."""

    about: tuple[About, ...] = ()

    def __init__(self, slide: Any, file: File, reading: Reading = AS_IT_IS) -> None:
        self._slide, self._file = slide, file
        self.width, self.height = slide.dimensions
        chosen = places_of(reading.bands, RGB, str(file)) if reading.bands else [1, 2, 3]
        self._chosen = [number - 1 for number in chosen]
        self.bands, self.dtype, self.geo, self.blocked = len(chosen), np.dtype(np.uint8), Geo(), True
        self._last: tuple[Window, NDArray[np.bool_] | None] | None = None

    @property
    def sparse(self) -> bool:
        """Whether the scanner says that it scanned a part of it only."""
        return "openslide.bounds-width" in self._slide.properties

    def read(self, window: Window | None = None) -> Values:
        """See `Raster`."""
        window = window or Window(0, 0, self.height, self.width)
        refuse_large(window.height, window.width, 4, str(self._file))
        values, scanned = self._pixels((window.x, window.y), 0, (window.width, window.height))
        self._last = window, scanned
        return values

    def valid(self, window: Window, values: Values) -> NDArray[np.bool_] | None:
        """See `Raster`. What was read last is not read again."""
        if self._last is None or self._last[0] != window:
            self.read(window)
        return None if self._last is None else self._last[1]

    @property
    def shrinks(self) -> int:
        """See `Raster`."""
        return max(1, int(self._slide.level_downsamples[-1]))

    def reduced(self, size: tuple[int, int], window: Window | None = None, mean: bool = False) -> Values:
        """See `Raster`: of the smallest image in it that is no smaller."""
        y, x, height, width = window or (0, 0, self.height, self.width)
        factor = max(1.0, min(height / max(1, size[0]), width / max(1, size[1])))
        level = self._slide.get_best_level_for_downsample(factor)
        by = self._slide.level_downsamples[level]
        height, width = max(1, round(height / by)), max(1, round(width / by))
        refuse_large(height, width, 4, str(self._file))
        return shrunk(self._pixels((x, y), level, (width, height))[0][:, :, :3], size, None, mean)

    def _pixels(
        self, place: tuple[int, int], level: int, size: tuple[int, int]
    ) -> tuple[Values, NDArray[np.bool_] | None]:
        """(h, w, 3), and (h, w) which of them were scanned; None for all. Raises `DataError` (`image.unreadable`)."""
        with _damaged(self._file):
            pixels = np.asarray(self._slide.read_region(place, level, size))
        scanned = pixels[:, :, 3] > 0
        values = np.ascontiguousarray(pixels[:, :, self._chosen])
        if scanned.all():
            return values, None
        values[~scanned] = WHITE
        return values, scanned


@contextmanager
def open_slide(file: File, reading: Reading = AS_IT_IS) -> Iterator[SlideRaster]:
    """A slide open for reading by windows. Raises `DataError` (`image.missing`, `image.unreadable`)."""
    with opened(file) as slide:
        yield SlideRaster(slide, file, reading)


@contextmanager
def opened(file: File) -> Iterator[Any]:
    """An open `openslide.OpenSlide`. Raises as `open_slide`."""
    try:
        import openslide
    except ImportError as error:
        raise file.problem("unreadable", EXTRA) from error
    file.start(0)  # there is such a file, and a regular one
    refuse_others(file)
    with _damaged(file):
        slide = openslide.OpenSlide(str(file))
    with slide:
        yield slide


@contextmanager
def _damaged(file: File) -> Iterator[None]:
    """Whatever OpenSlide makes of a damaged file becomes one `DataError`."""
    import openslide

    try:
        yield
    except (openslide.OpenSlideError, OSError, ValueError) as error:
        raise_exhausted(error, str(file))
        raise file.problem("unreadable", f"cannot be decoded: {str(error) or type(error).__name__}") from error
