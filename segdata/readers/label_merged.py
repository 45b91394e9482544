"""The labels of an image that has several masks, which are merged, or none, so that it is all of one class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.errors import DataError, Problem
from segdata.files.opening import read_facts
from segdata.labels import Mask, Remap, tally
from segdata.readers.label_files import LabelFile
from segdata.readers.label_places import PlacedMask
from segdata.readers.paint import Contest, Overlap
from segdata.readers.source import Drawn, Receipt


@dataclass(frozen=True, slots=True)
class MergedFiles:
    """Several masks of one image, in order of name. Pixels of the class `empty` (None: ignored) are nothing in each of them.

    Where masks differ in class, `overlap` decides, the pixels that one mask has of one class being a shape. An ignored pixel
    gives way to a class of another mask.
    """

    masks: tuple[LabelFile | PlacedMask, ...]
    empty: int | None
    overlap: Overlap

    @property
    def ids(self) -> list[int | str]:
        """An annotation for each mask: its file's name."""
        return [name for file in self.masks for name in file.ids]

    @property
    def files(self) -> Sequence[str]:
        """See `Annotation`."""
        return [file.path for file in self.masks]

    def draw(self, remap: Remap) -> Drawn:
        """The merged mask. Raises `DataError` (`mask.*`), also for masks of different sizes."""
        ignore = remap.labels.ignore
        empty = remap.value(self.empty)
        merged: Merger | None = None
        for at, file in enumerate(self.masks):
            mask = file.draw(remap).mask
            merged = merged or Merger.of(mask.shape, empty, mask.dtype)
            if mask.shape != merged.top.shape:
                sizes = " and ".join(f"{shape[1]} x {shape[0]}" for shape in (merged.top.shape, mask.shape))
                raise DataError(
                    Problem("mask.size", f"masks of one image differ in size, {sizes}: correct one", file.path)
                )
            for value, pixels in tally(mask).items():
                rank = {"smallest": pixels, "last": -at}.get(self.overlap, at)
                if value == ignore:
                    merged.ignored |= mask == ignore
                elif value != empty:
                    merged.add(np.flatnonzero(mask == value), value, rank, at)
        if merged is None:
            raise DataError(Problem("mask.missing", "there is no mask to merge"))
        return merged.drawn(self, ignore)


@dataclass(slots=True)
class Merger:
    """What is on top so far, all (H, W): values, ranks (the lower wins), which mask it is of, and the value that lost."""

    top: Mask
    rank: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    owner: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
    loser: np.ndarray[tuple[int, ...], np.dtype[np.int32]]
    ignored: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

    @classmethod
    def of(cls, shape: tuple[int, ...], empty: int, dtype: np.dtype[np.generic]) -> Merger:
        """Nothing yet."""
        return cls(
            np.full(shape, empty, dtype),
            np.zeros(shape, np.int64),
            np.full(shape, -1, np.int32),
            np.full(shape, -1, np.int32),
            np.zeros(shape, np.bool_),
        )

    def add(self, places: np.ndarray[tuple[int, ...], np.dtype[np.intp]], value: int, rank: int, owner: int) -> None:
        """Put a shape's pixels, given by their places (N,) in the flat mask, on those that have a higher rank."""
        top, ranks, owners, losers = (part.reshape(-1) for part in (self.top, self.rank, self.owner, self.loser))
        free = owners[places] < 0
        wins = free | (rank < ranks[places])
        contested = ~free & (top[places] != value)
        losers[places[contested]] = np.where(wins, top[places], value)[contested]
        won = places[wins]
        top[won], ranks[won], owners[won] = value, rank, owner

    def drawn(self, merged: MergedFiles, ignore: int) -> Drawn:
        """The mask, and what was contested or is hidden."""
        claimed, contested = self.owner >= 0, self.loser >= 0
        pairs = np.stack([self.top[contested].astype(np.int64), self.loser[contested]], axis=1)
        nobody = merged.overlap == "ignore"
        contests = []
        for (winner, second), pixels in zip(*_unique(pairs), strict=True):
            first, second = sorted((winner, second)) if nobody else (winner, second)
            contests.append(Contest(ignore if nobody else winner, first, second, pixels))
        shown = set(np.unique(self.owner[~contested] if nobody else self.owner).tolist())
        names = merged.ids
        hidden = [
            Problem("mask.hidden", "no pixel of this mask is left in the merged one", annotation=name)
            for at, name in enumerate(names)
            if at not in shown
        ]
        self.top[self.ignored & ~claimed] = ignore
        if nobody:
            self.top[contested] = ignore
        receipt = Receipt(annotations=len(names), painted=len(names), hidden=hidden)
        receipt.contested, receipt.contests = int(contested.sum()), contests
        return Drawn(self.top, receipt)


def _unique(pairs: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> tuple[list[tuple[int, int]], list[int]]:
    """The different rows of (N, 2), and how often each occurs."""
    rows, counts = np.unique(pairs, axis=0, return_counts=True)
    return [(a, b) for a, b in rows.tolist()], counts.tolist()


@dataclass(frozen=True, slots=True)
class BlankMask:
    """The labels of an image that has no mask: all pixels of one class (None: ignored)."""

    image: str
    class_id: int | None

    @property
    def ids(self) -> list[int | str]:
        """No annotation."""
        return []

    @property
    def files(self) -> Sequence[str]:
        """No file."""
        return ()

    def draw(self, remap: Remap) -> Drawn:
        """One value, in the size of the upright image. Raises `DataError` (`image.*`)."""
        value = remap.value(self.class_id)
        height, width = read_facts(self.image).upright
        mask = np.full((height, width), value, remap.labels.dtype)
        return Drawn(mask, Receipt(), {value: height * width})
