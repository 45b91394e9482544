"""Rectangles in images, and grids of them.

The order is always (y, x) and (height, width). A grid covers every pixel: its last window shifts inward, so that no window
extends beyond the image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Annotated, NamedTuple

from msgspec import Meta

from segdata.errors import OptionError

Side = Annotated[int, Meta(ge=1, le=2**31 - 1)]
"""Pixels along a side, as files may say."""

Place = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""The number of a row or column, as files may say."""


class Window(NamedTuple):
    """A rectangle of pixels: rows `y` to `y + height - 1`, columns `x` to `x + width - 1`. On disk `[y, x, height, width]`."""

    y: Place
    x: Place
    height: Side
    width: Side

    @property
    def slices(self) -> tuple[slice, slice]:
        """The slices that cut the window out of an array whose first two axes are (H, W)."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.y + self.height

    @property
    def right(self) -> int:
        """The first column to the right of it."""
        return self.x + self.width

    def shifted(self, y: int, x: int) -> Window:
        """The same window, `y` rows further down and `x` columns further to the right."""
        return Window(self.y + y, self.x + x, self.height, self.width)

    def meet(self, other: Window) -> Window | None:
        """The intersection of both windows; None if it is empty."""
        y, x = max(self.y, other.y), max(self.x, other.x)
        height, width = min(self.bottom, other.bottom) - y, min(self.right, other.right) - x
        return Window(y, x, height, width) if height > 0 and width > 0 else None

    def strips(self, pixels: int, block: int = 1) -> Iterator[Window]:
        """Its parts of whole rows, from the top, of about so many `pixels`; rows in multiples of `block`, as in tiled files."""
        rows = max(1, pixels // self.width // block) * block
        for y in range(self.y, self.bottom, rows):
            yield Window(y, self.x, min(rows, self.bottom - y), self.width)


def covered(windows: Iterable[Window]) -> int:
    """How many pixels are in any window: by the rows where windows begin or end, and the columns that are covered there."""
    windows = list(windows)
    edges = sorted({w.y for w in windows} | {w.bottom for w in windows})
    total = 0
    for top, bottom in pairwise(edges):
        right = 0
        for w in sorted((w for w in windows if w.y <= top < w.bottom), key=lambda w: w.x):
            columns = w.right - max(right, w.x)
            total += max(0, columns) * (bottom - top)
            right = max(right, w.right)
    return total


# Grids


def starts(length: int, size: int, stride: int) -> list[int]:
    """Where windows of `size` begin along `length` pixels: every `stride` pixels; the last window shifts inward.

    One window if `length` is at most `size`. Raises `OptionError` unless 1 <= stride <= size and length >= 1.
    """
    if length < 1 or size < 1:
        raise OptionError(f"windows of {size} along {length} pixels: both must be 1 or more")
    if not 1 <= stride <= size:
        raise OptionError(
            f"a stride of {stride} with windows of {size}: must be from 1 to {size}, or pixels are missed"
        )
    last = max(0, length - size)
    return [*range(0, last, stride), last]


def grid(height: int, width: int, size: tuple[int, int], stride: tuple[int, int]) -> list[Window]:
    """Windows of `size` that cover (height, width), row by row. In a smaller image they have the image's size.

    Raises `OptionError` like `starts`.
    """
    h, w = min(size[0], height), min(size[1], width)
    columns = starts(width, size[1], stride[1])
    return [Window(y, x, h, w) for y in starts(height, size[0], stride[0]) for x in columns]
