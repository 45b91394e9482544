"""The objects of a mask, each in its box: as run lengths or bitmaps."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.kernels.boxes import box_bitmap, box_counts
from segdata.labels import Mask
from segdata.writers.objects import Objects, number_objects, parts_of


class Box(NamedTuple):
    """A box of pixels: its first column and row, and its size."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Boxed:
    """N objects of a mask of this `width`: the value of each (N,), and its box (N, 4).

    `begins` are where the runs of the mask begin, `order` the runs by object, `ends` (N,) where those of each object end.
    """

    width: int
    values: NDArray[np.int64]
    boxes: NDArray[np.int64]
    begins: NDArray[np.int64]
    order: NDArray[np.int64]
    ends: NDArray[np.int64]

    def counts(self) -> Iterator[tuple[int, Box, str]]:
        """Value, box, and run lengths in the box of each: along its rows, off and on in turn, as `0, 3, 2, 1`."""
        texts = parts_of(*box_counts(self.begins, self.order, self.ends, self.boxes, self.width))
        for value, box, text in zip(self.values.tolist(), self.boxes.tolist(), texts, strict=True):
            yield value, Box(*box), text

    def bitmaps(self) -> Iterator[tuple[int, Box, NDArray[np.uint8]]]:
        """Value, box, and pixels in the box of each, (height, width) of 0 and 1."""
        start = 0
        for value, box, end in zip(self.values.tolist(), self.boxes, self.ends.tolist(), strict=True):
            yield value, Box(*box.tolist()), box_bitmap(self.begins, self.order[start:end], box, self.width)
            start = end


def box_objects(mask: Mask, objects: Objects, skip: Collection[int]) -> Boxed:
    """The objects of a mask, each in its box: see `number_objects`."""
    numbered, width = number_objects(mask, objects, skip), mask.shape[1]
    top, bottom, left, right = numbered.boxes(width).T
    boxes = np.stack([left, top, right - left, bottom - top], axis=1)
    return Boxed(width, numbered.values, boxes, numbered.begins, *numbered.by_object())
