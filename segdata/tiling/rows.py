"""Rows that are read once, downwards: PNG and JPEG cannot be read upwards, and windows that overlap share rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from segdata.files.rasters import Values
from segdata.windows import Window


class Downwards:
    """Windows of an image or a mask, in order of `y`; rows that are wanted again are not read again."""

    def __init__(self, read: Callable[[Window], Values], left: int, width: int) -> None:
        """`read` reads a window, (h, w, ...); all windows lie between the columns `left` and `left + width`."""
        self._read, self._left, self._width = read, left, width
        self._top = self._bottom = 0
        self._rows: Values | None = None

    def read(self, window: Window) -> Values:
        """(h, w, ...) of a window, a view; read anew if it begins above an earlier one."""
        if self._rows is None or window.y < self._top or window.bottom > self._bottom:
            self._rows = self._down_to(window)
            self._top, self._bottom = window.y, window.bottom
        return self._rows[window.shifted(-self._top, -self._left).slices]

    def _down_to(self, window: Window) -> Values:
        """The rows of a window: those that are held already, and those read below them."""
        kept = max(0, self._bottom - window.y) if window.y >= self._top else 0
        more = self._read(Window(window.y + kept, self._left, window.height - kept, self._width))
        return np.concatenate([self._rows[-kept:], more]) if kept and self._rows is not None else more
