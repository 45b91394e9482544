"""Images and masks in small, made when they are asked for, and kept."""

from __future__ import annotations

from threading import BoundedSemaphore

from segdata.files.file import WHOLE
from segdata.ops.view.cache import cached
from segdata.ops.view.layers import Layer, within
from segdata.windows import Window

LARGEST = 1024
"""Pixels along a side."""

AT_ONCE = BoundedSemaphore(4)
"""So many images are decoded at once: memory is limited, and so are processors."""

LARGE, ONE = 2**24, BoundedSemaphore(1)
"""Of images with more pixels one is decoded at once."""


def thumbnail(layer: Layer, side: int) -> bytes:
    """A JPEG, or PNG of ids, that fits into a square of `side`. Raises `DataError`, `DatasetError`, `Refusal`."""
    size = within(min(side, LARGEST), *layer.sample.size)
    return cached((*layer.key, "small", size), lambda: _made(layer, size))


def _made(layer: Layer, size: tuple[int, int]) -> bytes:
    height, width = layer.sample.size
    with AT_ONCE if height * width <= LARGE else ONE, layer.opened(small=True) as source:
        mean = source.shrinks > 1 or height * width <= WHOLE  # of all pixels, which takes its time
        return layer.encoded(layer.read(source, Window(0, 0, height, width), size, mean=mean), 85)
