"""Masks as segdata writes them, decoded to no more than what the file says: where a row differs from the one above."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segdata.labels import Mask


@dataclass(frozen=True, eq=False)
class Changes:
    """An (H, W) uint8 mask: `places` (M,) int32 and `deltas` (M,) uint8, see `segdata.kernels.changes`. Drawn when asked."""

    shape: tuple[int, int]
    places: NDArray[np.int32]
    deltas: NDArray[np.uint8]

    @cached_property
    def mask(self) -> Mask:
        """(H, W) uint8: the same array each time."""
        from segdata.kernels.changes import draw_changes

        out = np.empty(self.shape, np.uint8)
        draw_changes(self.places, self.deltas, out)
        return out

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(256,) int64: how often each value occurs."""
        from segdata.kernels.changes import count_changes

        return count_changes(self.places, self.deltas, *self.shape)


def inflated(data: bytes, shape: tuple[int, int]) -> Changes | None:
    """The zlib data of a PNG of 8 bits, not interlaced; None if segdata does not write such, or if it is damaged."""
    from segdata.kernels.inflate import inflate_changes

    height, width = shape
    size = len(data) - 2
    if size < 1 or data[0] & 15 != 8 or data[1] & 32 or height * width >= 2**31:
        return None
    words = np.zeros(size // 4 + 4, np.uint32)
    words.view(np.uint8)[:size] = np.frombuffer(data, np.uint8, offset=2)
    most = min(height * width, height * width // 4 + 64, 1032 * size)
    places, deltas = np.empty(most, np.int32), np.empty(most, np.uint8)
    if (count := inflate_changes(words, size, height, width, places, deltas)) < 0:
        return None
    return Changes(shape, places[:count], deltas[:count])


def drawn(values: Mask | Changes) -> Mask:
    """(H, W) values of either."""
    return values.mask if isinstance(values, Changes) else values
