"""Polygons on one image, burnt to its mask some rows at a time: memory grows with their corners, not with the image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.errors import Problem
from segdata.files.vectors.coverage import covers_none
from segdata.files.vectors.geojson import Geometry, burn
from segdata.files.vectors.outlines import Outlines
from segdata.labels import Mask, Remap, tally
from segdata.readers.paint import Contest, Overlap
from segdata.readers.source import Banded, Drawn, InShared, Receipt
from segdata.windows import Window

BAND = 2**22
"""Pixels that are drawn together, about."""

SMALL = "no pixel's middle is in it, as it is small or thin (--all-touched paints it)"

Seen = list[tuple[int, Geometry]]
"""What a window sees: see `Outlines.seen`."""


@dataclass(frozen=True, slots=True)
class Burnt(InShared):
    """The polygons on one image of `size`, in pixels: (annotation, class id or None for ignored, area, geometry) each."""

    size: tuple[int, int]
    shapes: tuple[tuple[int, int | None, float, Geometry], ...]
    background: int | None
    overlap: Overlap
    all_touched: bool

    @property
    def ids(self) -> Sequence[int | str]:
        """The features, by their places in the file."""
        return [number for number, _, _, _ in self.shapes]

    def draw(self, remap: Remap) -> Drawn:
        """See `Annotation`."""
        banded = self._banded(remap)
        return Drawn(np.concatenate(list(banded.rows)), banded.receipt)

    def bands(self, remap: Remap) -> AbstractContextManager[Banded | None]:
        """See `LargeAnnotation`. What the rows tell is in the receipt after the last of them."""
        return nullcontext(self._banded(remap) if self.size[0] * self.size[1] > BAND else None)

    def _banded(self, remap: Remap) -> Banded:
        receipt = Receipt(annotations=len(self.shapes))
        return Banded(self.size, self._rows(remap, receipt), receipt)

    def _rows(self, remap: Remap, receipt: Receipt) -> Iterator[Mask]:
        """Burn them, the lowest first, by number, then turn numbers to mask values."""
        order = self._order()
        ground = remap.value(self.background)
        values = [remap.value(c) for _, c, _, _ in order]
        table = np.array([ground, *values], remap.labels.dtype)
        outlines = Outlines([geometry for _, _, _, geometry in order])
        shown = np.zeros(len(table), np.bool_)
        contests = Contests(outlines, table[1:], self.all_touched)
        for window in Window(0, 0, *self.size).strips(BAND):
            seen = list(outlines.seen(window))
            top = burn([(geometry, i + 1) for i, geometry in seen], window, all_touched=self.all_touched)
            shown[top] = True
            mask = table[top]
            contested = contests.count(window, seen, mask)
            if self.overlap == "ignore":
                mask[contested] = remap.labels.ignore
            yield mask
        self._unseen([shape for shape, there in zip(order, shown[1:].tolist(), strict=True) if not there], receipt)
        receipt.contested = contests.pixels
        receipt.contests = contests.told(remap.labels.ignore if self.overlap == "ignore" else None)

    def _unseen(self, shapes: Iterable[tuple[int, int | None, float, Geometry]], receipt: Receipt) -> None:
        """Tell the polygons of which no pixel is seen: those that no pixel's middle is in are not painted, others are hidden."""
        for number, _, _, geometry in shapes:
            if covers_none(geometry, self.size, all_touched=self.all_touched):
                receipt.skipped.append(Problem("vector.small", SMALL, annotation=number))
            else:
                receipt.hidden.append(Problem("vector.hidden", "not a pixel of it is seen", annotation=number))
        receipt.painted = receipt.annotations - len(receipt.skipped)

    def _order(self) -> list[tuple[int, int | None, float, Geometry]]:
        """From the lowest to the one on top."""
        if self.overlap in ("smallest", "ignore"):
            return sorted(self.shapes, key=lambda s: (-s[2], s[0]))
        return list(self.shapes) if self.overlap == "last" else list(self.shapes[::-1])


class Contests:
    """Counts the pixels that several classes claim, window by window and one class at a time.

    `values` (N,) are the mask values of the outlines.
    """

    def __init__(self, outlines: Outlines, values: NDArray[Any], all_touched: bool) -> None:
        self._outlines, self._values, self._all_touched = outlines, values, all_touched
        self._pairs: Counter[tuple[int, int]] = Counter()
        self.pixels = 0

    def count(self, window: Window, seen: Seen, mask: Mask) -> NDArray[np.bool_]:
        """Which pixels of a window with this `mask` (h, w) several classes claim: (h, w) bool."""
        claims = np.zeros(mask.shape, np.uint16)
        by_value: dict[int, Seen] = {}
        for i, geometry in seen:
            by_value.setdefault(int(self._values[i]), []).append((i, geometry))
        for loser, own in sorted(by_value.items()) if len(by_value) > 1 else ():
            if (part := self._outlines.window([i for i, _ in own], window)) is None:
                continue
            claim = burn([(geometry, 1) for _, geometry in own], part, all_touched=self._all_touched) > 0
            there = part.shifted(-window.y, -window.x).slices
            claims[there] += claim
            lost = mask[there][claim]
            for winner, pixels in tally(lost[lost != loser]).items():
                self._pairs[winner, loser] += pixels
        contested: NDArray[np.bool_] = claims > 1
        self.pixels += int(np.count_nonzero(contested))
        return contested

    def told(self, won: int | None) -> list[Contest]:
        """The sums of all windows; `won` is what the pixels became if no class won them."""
        pairs = sorted(self._pairs.items())
        return [Contest(winner if won is None else won, winner, loser, n) for (winner, loser), n in pairs]
