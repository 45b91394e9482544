"""Ids that look like frames of a sequence: names that are alike but for one number, which runs on.

Neighbours in a video show nearly the same, so they are not independent: an interval over them is too short, and a split that
parts them leaks. A name alone does not prove it, since many sets number their images: say "if these are frames".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

FEWEST = 5
"""A sequence has at least so many frames."""

NEAR = 10
"""Numbers run on if they are so far apart at most, on average; or if most steps are about equal, however wide."""

NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Frames:
    """Ids in the order of their `numbers`, which ascend. `name` is what they have in common, with # for the number.

    `step`: the usual distance from one number to the next, 1 or more.
    """

    name: str
    ids: tuple[str, ...]
    numbers: tuple[int, ...]
    step: float


def sequences(ids: Iterable[str], splits: Iterable[str] = ()) -> list[Frames]:
    """The sequences among `ids`, by name; ids that are in none are left out.

    The last number of an id counts the frames, or the one before it if the last is the same in all, as in `aachen_000007_000019`.
    A first folder that is one of `splits` is no part of a name: a sequence may lie across splits.
    """
    folders = set(splits)
    names = {id: id.split("/", 1)[1] if "/" in id and id.split("/", 1)[0] in folders else id for id in ids}
    found: list[Frames] = []
    place = -1  # of the number in a name, from its end
    while names:
        alike: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for id, name in names.items():
            spans = [match.span() for match in NUMBER.finditer(name)]
            if len(spans) >= -place:
                start, end = spans[place]
                alike[f"{name[:start]}#{name[end:]}"].append((int(name[start:end]), id))
        runs = [_sequence(name, frames) for name, frames in alike.items() if len(frames) >= FEWEST]
        found += [run for run in runs if run is not None]
        settled = {id for frames in alike.values() if len(frames) >= FEWEST for _, id in frames}
        names = {id: names[id] for frames in alike.values() for _, id in frames if id not in settled}
        place -= 1
    return sorted(found, key=lambda run: run.name)


def _sequence(name: str, frames: list[tuple[int, str]]) -> Frames | None:
    """These frames in order; None if their numbers do not run on."""
    numbers, ids = zip(*sorted(frames), strict=True)
    steps = [after - before for before, after in pairwise(numbers) if after > before]
    if len(steps) < FEWEST - 1:
        return None
    step = median(steps)
    equal = sum(abs(one - step) <= step / 10 for one in steps)
    dense = numbers[-1] - numbers[0] <= NEAR * len(steps)
    return Frames(name, ids, numbers, step) if dense or equal > len(steps) / 2 else None


def in_order(id: str) -> tuple[tuple[str, int], ...]:
    """A key that sorts ids by their text, and by the value of the numbers in it: `f9` before `f10`."""
    parts = NUMBER.split(id)
    numbers = [int(number) for number in NUMBER.findall(id)]
    return tuple(zip(parts, [*numbers, -1], strict=True))
