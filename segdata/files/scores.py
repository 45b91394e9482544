"""Scores on disk: a tiled TIFF of one band per class, uint8 = round(255 p)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files.gdal import damaged, gdal_window, opened
from segdata.files.geo import Geo
from segdata.files.limits import refuse_large
from segdata.files.rasters import Values
from segdata.files.remote import Place
from segdata.files.tiff import TiffWriter
from segdata.windows import Window

HALF_STEP = 1 / 510
"""How far a stored score may be from what the model gave: half a step of 1/255. A stored 0 may be up to there."""


def write_scores(
    path: str | Place,
    size: tuple[int, int],
    classes: int,
    parts: Iterable[tuple[int, int, Values]],
    geo: Geo | None = None,
) -> None:
    """Write probabilities as a tiled BigTIFF or TIFF of `classes` bands, uint8 = round(255 p), deflated.

    `parts` are (y, x, (K, h, w) float32) in any order, each on whole tiles of 256 (see `TiffWriter.write`). Where no part is,
    or all K are 0, nothing is known: such pixels are read back as 1 / K each.
    """
    with TiffWriter(path, *size, classes, np.uint8, tags=geo.tags(nodata=False) if geo else ()) as file:
        for y, x, probs in parts:
            file.write(y, x, quantise(probs))


def quantise(probs: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """(K, h, w) probabilities -> uint8, round(255 p)."""
    return np.asarray(np.rint(np.clip(probs, 0, 1) * 255)).astype(np.uint8)


def dequantise(stored: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(K, h, w) stored scores -> probabilities, each off by `HALF_STEP` at most, so that they sum to 1 nearly; of all 0, 1 / K.

    To make them sum to 1 would cost more than it gives: of many classes most are stored as 0 or 1, and their errors add up.
    """
    probs = stored.astype(np.float32) / np.float32(255)
    probs[:, ~stored.any(axis=0)] = 1 / len(stored)
    return probs


def read_scores(path: str | Place, window: Window | None = None) -> NDArray[np.float32]:
    """(K, h, w) float32 probabilities of a window, of all by default. Raises `DataError` (`scores.*`)."""
    with open_scores(path) as scores:
        return scores.read(window)


class Scores:
    """A file of scores open for reading by windows."""

    def __init__(self, source: Any, file: str) -> None:
        if set(source.dtypes) != {"uint8"}:
            raise DataError(
                Problem("scores.type", f"bands of {source.dtypes[0]}: scores are uint8, round(255 p)", file)
            )
        self._source, self._file = source, file
        self.classes, self.height, self.width = source.count, source.height, source.width

    def read(self, window: Window | None = None) -> NDArray[np.float32]:
        """(K, h, w) float32 probabilities. Raises `DataError` (`scores.unreadable`)."""
        return dequantise(self.stored(window))

    def stored(self, window: Window | None = None) -> NDArray[np.uint8]:
        """(K, h, w) uint8 as they are in the file: what is blended, so that rounding does not add up. Raises as `read`."""
        y, x, h, w = window or (0, 0, self.height, self.width)
        refuse_large(h, w, 4 * self.classes, self._file, "scores")
        with damaged(self._file, "scores"):
            values: NDArray[np.uint8] = self._source.read(window=gdal_window(y, x, h, w))
        return values


@contextmanager
def open_scores(path: str | Place) -> Iterator[Scores]:
    """Scores open for reading by windows. Raises `DataError` (`scores.*`)."""
    with opened(path, "scores") as source:
        yield Scores(source, str(path))
