"""What intervals leave out one at a time: images, groups of them, or blocks of images that follow one another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.dataset.sample import Sample
from segdata.dataset.sequences import in_order, sequences
from segdata.errors import OptionError
from segdata.tiling.tiles import Pair

BLOCK = re.compile(r"block:([1-9][0-9]*)")

KINDS = "image, group, or block:N for N images in a row, such as block:10"


def resampled(truth: Dataset, samples: Sequence[Sample], resample: str | None) -> str:
    """What the units are called: images, groups, or blocks of N images. By default groups if `samples` have any.

    Raises `OptionError` for an unknown kind, and for groups that there are not.
    """
    grouped = any(sample.group is not None for sample in samples)
    if resample is None:
        return "groups" if grouped else "images"
    if resample == "group" and not grouped and samples:
        raise OptionError(
            f"--resample group: no sample of {folder_name(truth)} has a group: --resample image, or --resample block:10 "
            "for images that follow one another"
        )
    if block := BLOCK.fullmatch(resample):
        return f"blocks of {int(block[1]):,} images"
    if resample not in ("image", "group"):
        raise OptionError(f"--resample {resample}: must be {KINDS}")
    return f"{resample}s"


def in_blocks(pairs: Sequence[Pair], resample: str | None) -> list[Pair]:
    """The pairs in their order, with blocks as their units if `resample` asks for blocks.

    A block is of N images at most, in the order of the numbers in their ids, and never of two sequences; the blocks of a
    sequence are of about one size.
    """
    block = BLOCK.fullmatch(resample or "")
    if block is None:
        return list(pairs)
    unit: dict[str, str] = {}
    for number, ids in enumerate(_rows(pairs)):
        blocks = -(-len(ids) // int(block[1]))
        unit |= {id: f"{number} {place * blocks // len(ids)}" for place, id in enumerate(ids)}
    return [replace(pair, unit=unit[pair.id]) for pair in pairs]


def frames(pairs: Sequence[Pair]) -> tuple[str, str] | None:
    """The first and last id of the longest sequence, if half of the images or more look like frames of one."""
    return frames_among([pair.id for pair in pairs], _splits(pairs))


def frames_among(ids: Sequence[str], splits: Iterable[str]) -> tuple[str, str] | None:
    """The same of ids; a first folder that is one of `splits` is no part of a name."""
    found = sequences(ids, splits)
    if 2 * sum(len(run.ids) for run in found) < max(len(ids), 1):
        return None
    longest = max(found, key=lambda run: len(run.ids))
    return longest.ids[0], longest.ids[-1]


def apart(ids: Iterable[str], groups: Mapping[str, str], splits: Iterable[str], count: int) -> list[str]:
    """The first `count` of `ids`, given best first, that are likely to show different things.

    `groups`: of each image by id, "" for none. Of a group comes the first alone; frames of a sequence lie as far from each other
    as lets the sequences have `count` of them, in whatever order.
    """
    runs = sequences([id for id, group in groups.items() if not group], splits)
    pieces = -(-count // max(1, len(runs)))
    place = {id: (f"group {group}" if group else f"image {id}", 0, 0) for id, group in groups.items()}
    for number, run in enumerate(runs):
        near = len(run.ids) // (2 * pieces) if pieces > 1 else len(run.ids)
        place |= {id: (f"frames {number}", at, near) for at, id in enumerate(run.ids)}
    taken: dict[str, tuple[str, int, int]] = {}
    for id in ids:
        row, at, near = place[id]
        if len(taken) < count and all(row != other or abs(at - there) > near for other, there, _ in taken.values()):
            taken[id] = place[id]
    return list(taken)


def _rows(pairs: Sequence[Pair]) -> list[list[str]]:
    """The ids of each sequence in order, then those of no sequence."""
    ids = [pair.id for pair in pairs]
    rows = [list(run.ids) for run in sequences(ids, _splits(pairs))]
    settled = {id for row in rows for id in row}
    return [*rows, sorted((id for id in ids if id not in settled), key=in_order)]


def _splits(pairs: Sequence[Pair]) -> set[str]:
    return {sample.split for pair in pairs for sample in pair.truth if sample.split is not None}
