"""A scene, or a sequence, in blocks that may go to different splits; what reaches from one into another is left out.

`block:2x3` divides each scene into 2 rows of 3 blocks, by the windows of its tiles. `block:5` divides each sequence of frames
into 5 blocks that follow one another, by the numbers in the ids. A sample is in the block of its middle, and it touches all
blocks that it has pixels in. It stays where they are all of one split: blocks do not overlap, so no two splits share a pixel.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.groups import Groups
from segdata.dataset.sample import Sample
from segdata.dataset.sequences import NUMBER, sequences
from segdata.dataset.weights import Ints
from segdata.errors import OptionError
from segdata.words import some

FORM = re.compile(r"block:([1-9][0-9]?)(?:[xX]([1-9][0-9]?))?")

Block = tuple[str, int, int]
"""A scene or sequence, and the row and column of a block in it."""


class Reach(NamedTuple):
    """The block of a sample's middle, and the first and last row and column of the blocks that it touches."""

    middle: Block
    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks as `groups`, and for each of N samples the `touched` ones, by number; -1 for one without a sample's middle."""

    groups: Groups
    touched: tuple[tuple[int, ...], ...]

    @property
    def firm(self) -> bool:
        """Whether each block has a sample that touches no other: then no split can lose all of its samples."""
        inside = {own for own, touched in zip(self.groups.of.tolist(), self.touched, strict=True) if touched == (own,)}
        return len(inside) == len(self.groups.names)

    def stay(self, assigned: Ints) -> list[bool]:
        """Whether each sample touches only blocks of its split; `assigned` (G,) are the splits of the blocks."""
        return [
            all(block >= 0 and assigned[block] == assigned[own] for block in touched)
            for own, touched in zip(self.groups.of.tolist(), self.touched, strict=True)
        ]


def divide(dataset: Dataset, by: str, gap: int) -> Blocks:
    """Divide scenes or sequences as `by` says; between samples of two splits lie `gap` pixels, or numbers, at least.

    Raises `OptionError` for what is no division, for samples that are no tiles, and where no ids look like frames.
    """
    found = FORM.fullmatch(by)
    if found is None:
        raise OptionError(
            f"--by {by}: must be block:ROWSxCOLUMNS, as block:2x3, for tiles of a scene, or block:N for frames (1 to 99 each)"
        )
    if gap < 0:
        raise OptionError(f"--gap {gap}: must be 0 or more")
    margin = -(-gap // 2)  # each side keeps away half of it
    if found[2] is None:
        return _numbered(dataset, _frames(dataset, int(found[1]), margin))
    return _numbered(dataset, [_tile(sample, int(found[1]), int(found[2]), margin) for sample in _tiles(dataset)])


def _numbered(dataset: Dataset, reaches: Sequence[Reach]) -> Blocks:
    """The blocks that have the middle of a sample, numbered in order of their least ids."""
    number: dict[Block, int] = {}
    for _, reach in sorted(zip((sample.id for sample in dataset), reaches, strict=True)):
        number.setdefault(reach.middle, len(number))
    of = np.array([number[reach.middle] for reach in reaches], np.int64)
    touched = tuple(
        tuple(
            number.get((reach.middle[0], row, column), -1)
            for row in range(reach.rows[0], reach.rows[1] + 1)
            for column in range(reach.columns[0], reach.columns[1] + 1)
        )
        for reach in reaches
    )
    return Blocks(Groups(of, tuple(f"{scene} block {row}-{column}" for scene, row, column in number)), touched)


# Tiles of a scene


def _tiles(dataset: Dataset) -> Sequence[Sample]:
    whole = [s.id for s in dataset if s.window is None or s.tiling is None or s.parent is None]
    if whole:
        way = "cut tiles first (segdata tile), or divide sequences of frames with --by block:5"
        raise OptionError(
            f"--by block:ROWSxCOLUMNS: {len(whole):,} samples are no tiles of a scene ({some(whole, 3)}): {way}"
        )
    return dataset.samples


def _tile(sample: Sample, rows: int, columns: int, margin: int) -> Reach:
    """The blocks of a tile; what of its window is outside of the scene counts for the outer blocks."""
    (y, x, h, w), (height, width) = sample.window or (0, 0, 1, 1), sample.tiling.parent if sample.tiling else (1, 1)
    middle = _block(y + h // 2, height, rows), _block(x + w // 2, width, columns)
    down = _block(y - margin, height, rows), _block(y + h - 1 + margin, height, rows)
    across = _block(x - margin, width, columns), _block(x + w - 1 + margin, width, columns)
    return Reach((str(sample.parent), *middle), down, across)


def _block(pixel: int, size: int, parts: int) -> int:
    """Which of `parts` of `size` pixels a pixel is in, where part k begins at k * size // parts."""
    return min(max(((pixel + 1) * parts - 1) // size, 0), parts - 1)


# Frames of a sequence


def _frames(dataset: Dataset, parts: int, margin: int) -> list[Reach]:
    """The blocks of frames; images that are in no sequence, but alike in name, are one block."""
    ids = {sample.parent or sample.id for sample in dataset}
    found = sequences(ids, dataset.splits)
    if not found:
        way = "group them (--group-by), or divide tiles of a scene with --by block:2x3"
        raise OptionError(f"--by block:{parts}: no ids look like frames of a sequence ({some(sorted(ids), 3)}): {way}")
    reaches: dict[Hashable, Reach] = {}
    for frames in found:
        starts = sorted({frames.numbers[part * len(frames.numbers) // parts] for part in range(parts)})
        for id, number in zip(frames.ids, frames.numbers, strict=True):
            first, place, last = (
                max(bisect_right(starts, n) - 1, 0) for n in (number - margin, number, number + margin)
            )
            reaches[id] = Reach((frames.name, place, 0), (first, last), (0, 0))
    rest: dict[str, list[str]] = defaultdict(list)
    for id in ids - reaches.keys():
        rest[NUMBER.sub("#", id)].append(id)
    for name, alike in rest.items():
        reaches.update({id: Reach((f"{name} (no sequence)", 0, 0), (0, 0), (0, 0)) for id in alike})
    return [reaches[sample.parent or sample.id] for sample in dataset]
