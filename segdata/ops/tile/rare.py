"""More tiles for rare classes: windows about pixels of theirs, found in one pass and drawn by seed."""

from __future__ import annotations

from contextlib import ExitStack
from zlib import crc32

import msgspec
import numpy as np

from segdata.dataset.sample import Sample
from segdata.errors import located
from segdata.tiling.cut import Cutter, Target
from segdata.windows import Window

ROWS = 2**22
"""Pixels of a mask that are looked at together, about."""


class Wanted(msgspec.Struct, frozen=True):
    """Pixels of a class that are sought in a sample, and how many of them."""

    sample: Sample
    class_id: int
    count: int
    seed: int


def find_centres(wanted: Wanted, target: Target) -> list[tuple[int, int]]:
    """(y, x) of pixels of a class, in random order, each as likely; fewer where there are fewer. Raises `DataError`."""
    sample = wanted.sample
    rng = np.random.default_rng([wanted.seed, wanted.class_id, crc32(sample.id.encode())])
    keys, places = np.empty(0), np.empty(0, np.int64)
    with located(sample=sample.id), ExitStack() as stack:
        cutter = Cutter(sample, target, stack)
        for strip in Window(0, 0, *sample.size).strips(ROWS):
            found = np.flatnonzero(cutter.ids_of(strip) == wanted.class_id) + strip.y * sample.width
            keys, places = np.concatenate([keys, rng.random(len(found))]), np.concatenate([places, found])
            first = np.argsort(keys)[: wanted.count]
            keys, places = keys[first], places[first]
    return [(int(place) // sample.width, int(place) % sample.width) for place in places]


def window_about(centre: tuple[int, int], size: tuple[int, int], whole: tuple[int, int]) -> Window:
    """A window of `size` (or of the whole image's, where that is less) whose middle is as near `centre` as it can be."""
    h, w = min(size[0], whole[0]), min(size[1], whole[1])
    y, x = (min(max(0, c - n // 2), most - n) for c, n, most in zip(centre, (h, w), whole, strict=True))
    return Window(y, x, h, w)
