"""Rows that are read once, downwards."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.files.rasters import Raster, Values
from segdata.files.views import Masks
from segdata.labels import Mask
from segdata.windows import Window


class Downwards:
    """Reads rows of an image and its mask from the top; rows that are wanted again are not read again."""

    def __init__(self, image: Raster | None, ids: Masks, left: int, width: int) -> None:
        self._image, self._ids, self._left, self._width = image, ids, left, width
        self._top = 0
        self._held: tuple[NDArray[Any] | None, Mask] | None = None

    def read(self, y: int, height: int) -> tuple[NDArray[Any] | None, Mask]:
        """(height, width, C) and (height, width) from row `y` on, read anew where that is above an earlier call's."""
        held = 0
        if self._held is not None and y >= self._top:
            held = max(0, self._top + self._held[1].shape[0] - y)
            if held >= height:
                image, ids = self._held
                rows = slice(y - self._top, y - self._top + height)
                return None if image is None else image[rows], ids[rows]
        more = Window(y + held, self._left, height - held, self._width)
        image = None if self._image is None else self._image.read(more)
        ids = self._ids.read(more)
        if held and self._held is not None:
            image = None if image is None or self._held[0] is None else np.concatenate([self._held[0][-held:], image])
            ids = np.concatenate([self._held[1][-held:], ids])
        self._top, self._held = y, (image, ids)
        return image, ids


class Strip:
    """The rows of a raster that windows are cut from, read forwards once: PNG and JPEG cannot be read upwards."""

    def __init__(self, raster: Raster) -> None:
        self._raster = raster
        self._top = self._bottom = 0
        self._values: Values | None = None
        self._valid: NDArray[np.bool_] | None = None

    def read(self, window: Window) -> tuple[Values, NDArray[np.bool_] | None]:
        """(h, w, C) of a window, and (h, w) where it has data; windows come in order of y."""
        if window.bottom > self._bottom:
            self._go_on(window)
        inside = window.shifted(-self._top, 0).slices
        if self._values is None:
            raise ValueError(f"{window} is empty")
        valid = None if self._valid is None else self._valid[inside]
        return self._values[inside], None if valid is None or valid.all() else valid

    def _go_on(self, window: Window) -> None:
        """Let go of the rows above the window, and read those down to its end."""
        first = max(self._bottom, window.y)
        rows = Window(first, 0, window.bottom - first, self._raster.width)
        values = self._raster.read(rows)
        valid = self._raster.valid(rows, values)
        if self._values is not None and self._bottom > window.y:
            kept = slice(window.y - self._top, None)
            values = np.concatenate([self._values[kept], values])
            if valid is not None and self._valid is not None:
                valid = np.concatenate([self._valid[kept], valid])
        self._top, self._bottom, self._values, self._valid = min(window.y, first), window.bottom, values, valid
