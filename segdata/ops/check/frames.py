"""Frames of one sequence in several splits: their ids run on, and neighbours look alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from segdata.dataset.sample import Sample
from segdata.dataset.sequences import Frames, sequences
from segdata.dataset.weights import Floats, Ints
from segdata.ops.check.findings import Finding, Looked, Seen
from segdata.ops.check.proposals import Proposals
from segdata.words import some

NEAR = 5
"""Frames are near if their numbers are at most so many of the sequence's usual steps apart."""

ALIKE = 100
"""Neighbours look alike if a quarter of them differ in at most so many of 256 bits (see `segdata.dataset.duplicates`).

Measured: in three films of CamVid, of which every 30th frame is kept, the quarter is 45, 65 and 95 bits; in pets, whose
images are numbered too, 117 and more.
"""


class Leak(NamedTuple):
    """A sequence in several splits: its near frames, each with one in another split; whether it was seen to be one."""

    name: str
    pairs: list[tuple[str, str]]
    seen: bool


def frame_findings(looked: Looked, proposals: Proposals) -> list[Finding]:
    """A finding if frames are near ones in another split: a warning where neighbours look alike, a note where nobody can see.

    Tiles count as the image that they are of. Groups that are stated say more than ids: frames of two groups are not near.
    """
    images = {s.parent or s.id: (s, seen) for s, seen in looked if s.split is not None}
    splits = {str(sample.split) for sample, _ in images.values()}
    leaks = [_leak(frames, images) for frames in (sequences(images, splits) if len(splits) > 1 else [])]
    return [
        _finding([leak for leak in leaks if leak is not None and leak.seen == seen], images, proposals)
        for seen in (True, False)
        if any(leak is not None and leak.seen == seen for leak in leaks)
    ]


def _finding(leaks: list[Leak], images: Mapping[str, tuple[Sample, Seen]], proposals: Proposals) -> Finding:
    """The finding about sequences that were all seen to be such, or all not."""
    seen, (one, other) = leaks[0].seen, leaks[0].pairs[0]
    near = tuple(sorted(id for leak in leaks for id, _ in leak.pairs))
    what = "images follow one another" if seen else "ids look like frames of a sequence"
    example = f"{one} in {images[one][0].split}, {other} in {images[other][0].split}"
    names = some((leak.name for leak in leaks), 3)
    count = f"{len(near):,} of {len(images):,} are within {NEAR} frames of one in another split"
    message = f"{what}, and {count} ({names}: {example})"
    repair = proposals.frames if seen else f"nothing, if they are not of one sequence; else {proposals.frames}"
    return Finding("warning" if seen else "note", "leak.frames", message, repair, near)


def _leak(frames: Frames, images: Mapping[str, tuple[Sample, Seen]]) -> Leak | None:
    """What a sequence leaks; None if nothing, or if its neighbours do not look alike.

    None too if a number is in two splits: each split then counts its own frames, and numbers say nothing across them.
    """
    numbers = np.array(frames.numbers, np.float64)
    splits = np.array([str(images[id][0].split) for id in frames.ids])
    if len(set(zip(numbers.tolist(), splits.tolist(), strict=True))) > len(set(frames.numbers)):
        return None
    pairs = []
    for split in np.unique(splits):
        inside, outside = np.flatnonzero(splits == split), np.flatnonzero(splits != split)
        if len(outside):
            nearest = outside[_nearest(numbers[outside], numbers[inside])]
            close = np.abs(numbers[nearest] - numbers[inside]) <= NEAR * frames.step
            pairs += [(frames.ids[i], frames.ids[j]) for i, j in zip(inside[close], nearest[close], strict=True)]
    groups = {id: images[id][0].group for id in frames.ids}
    pairs = sorted((a, b) for a, b in pairs if groups[a] is None or groups[b] is None or groups[a] == groups[b])
    quarter = _quarter(frames, images)
    return Leak(frames.name, pairs, quarter is not None) if pairs and (quarter is None or quarter <= ALIKE) else None


def _quarter(frames: Frames, images: Mapping[str, tuple[Sample, Seen]]) -> float | None:
    """In how many bits a quarter of neighbours differ at most; None if too few of the images can be seen."""
    looks = [seen.look for id in frames.ids for sample, seen in [images[id]] if sample.parent is None]
    prints = np.array([look.prints for look in looks if look is not None and not look.plain])
    if len(prints) < max(4, len(frames.ids) // 2):
        return None
    next_ones = prints[1:, :2]  # as they are, and mirrored
    differ = np.bitwise_count(prints[:-1, :1] ^ next_ones).sum(axis=2, dtype=np.int64).min(axis=1)
    return float(np.quantile(differ, 0.25))


def _nearest(numbers: Floats, wanted: Floats) -> Ints:
    """The place of the nearest of ascending `numbers` to each of the `wanted` ones."""
    after = np.searchsorted(numbers, wanted).clip(0, len(numbers) - 1)
    before = (after - 1).clip(0)
    return np.where(np.abs(numbers[before] - wanted) <= np.abs(numbers[after] - wanted), before, after)
