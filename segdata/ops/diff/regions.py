"""Regions that changed: connected pixels that were of one class and are of another one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.labels import Mask
from segdata.windows import Window


@dataclass(frozen=True, slots=True)
class Region:
    """A region of an image: what its pixels were and are (ids of the union, or ignore), and how many they are.

    Pixels that touch at a corner are connected. `box` is y, x, height, width; `size` the (height, width) of the image.
    """

    image: str
    before: int
    after: int
    pixels: int
    box: tuple[int, int, int, int]
    size: tuple[int, int]

    @property
    def change(self) -> tuple[int, int]:
        """What its pixels were and are."""
        return self.before, self.after


def changed_regions(
    image: str, before: Mask, after: Mask, most: int, renamable: Collection[int]
) -> tuple[list[Region], dict[tuple[int, int], int]]:
    """The `largest` regions of two masks (H, W), and how many there are of each change."""
    from segdata.kernels.regions import unequal_regions

    found = unequal_regions(np.ascontiguousarray(before), np.ascontiguousarray(after))
    changes, counts = np.unique(found[:, :2], axis=0, return_counts=True)
    found = found[np.lexsort((found[:, 3], found[:, 2], -found[:, 6]))]
    apart = np.isin(found[:, :2], list(renamable)).all(axis=1)
    height, width = before.shape
    regions = [
        Region(image, a, b, pixels, (y, x, h, w), (height, width))
        for side in (True, False)
        for a, b, y, x, h, w, pixels in found[apart == side][:most].tolist()
    ]
    return regions, {(a, b): n for (a, b), n in zip(changes.tolist(), counts.tolist(), strict=True)}


def largest(regions: Iterable[Region], most: int, renamable: Collection[int] = ()) -> list[Region]:
    """The `most` largest, and as many of those from one of the classes that may be renamed to another one.

    These are kept apart since it is known only in the end which classes are.
    """
    ordered = sorted(regions, key=lambda r: (-r.pixels, r.image, r.box, r.change))
    kept: list[Region] = []
    for side in (True, False):
        kept += [r for r in ordered if (r.before in renamable and r.after in renamable) == side][:most]
    return kept


def region_inside(region: Region, before: Mask, after: Mask, window: Window) -> NDArray[np.bool_]:
    """(h, w) of a window that holds the region: which pixels are the region's. `before` and `after` are what is in the window.

    No other region of the same change reaches all four sides of its box.
    """
    out = np.zeros(before.shape, bool)
    box = Window(*region.box).shifted(-window.y, -window.x)
    same = (before[box.slices] == region.before) & (after[box.slices] == region.after)
    _, numbers, stats, _ = cv2.connectedComponentsWithStats(same.astype(np.uint8), connectivity=8)
    sides = stats[1:, [cv2.CC_STAT_HEIGHT, cv2.CC_STAT_WIDTH]] == region.box[2:]
    out[box.slices] = np.isin(numbers, np.flatnonzero(sides.all(axis=1)) + 1)
    return out
