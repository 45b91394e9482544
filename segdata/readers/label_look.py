"""A look at some masks before a long conversion: what all of them have in common is told at once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from segdata.errors import DataError, Problem, located
from segdata.files.numbers import VOID, nodata_of
from segdata.labels import Labels, Mask, tally
from segdata.readers.diagnose import diagnose_values, pack_color
from segdata.readers.label_bands import read_bands, tally_bands
from segdata.readers.label_files import Hints, LabelFile, Meaning, read_values
from segdata.readers.label_palettes import NO_PALETTES, Palettes, check_palette, find_palette, used_colors

BLACK, WHITE = pack_color((0, 0, 0)), pack_color((255, 255, 255))


class Look(NamedTuple):
    """What a few masks have shown: notes for the receipt, the first problem or the one they have in common, and palettes."""

    notes: list[str]
    problem: Problem | None
    palettes: Palettes = NO_PALETTES


def look(masks: Sequence[tuple[str, str]], meaning: Meaning, hints: Hints, labels: Labels, count: int = 16) -> Look:
    """Read up to `count` of the masks, (sample, path) each, evenly spread, and diagnose them together."""
    count = min(count, len(masks))
    remap = labels.table({label.id: label.id for label in labels.classes})
    notes: dict[str, None] = {}
    problems: list[Problem] = []
    seen: list[Seen] = []
    shown: set[int] = set()
    for sample, path in (masks[i * len(masks) // count] for i in range(count)):
        try:
            with located(file=path, sample=sample):
                file = LabelFile(path, meaning)
                if meaning.values is not None and meaning.threshold is None:
                    found, note = count_values(file, hints)
                    told = void_note(file, found, hints)
                    seen.append(Seen(sample, path, found))
                    notes |= dict.fromkeys(filter(None, (note, told)))
                else:
                    with file.bands(remap) as large:
                        for mask in [file.draw(remap).mask] if large is None else large.rows:
                            shown |= tally(mask).keys()
        except DataError as error:
            problems.append(error.problem)
    if shown == {0} and len(labels.classes) > 1:
        notes["every pixel of the masks looked at is of class 0"] = None
    palettes = _common_palettes(seen)
    notes |= dict.fromkeys(doubts([path for _, path in masks], seen))
    if seen and not problems:
        problems += filter(None, (_diagnose_together(seen, meaning, hints), _compare_palettes(seen, palettes)))
    return Look(list(notes), problems[0] if problems else None, palettes)


def count_values(file: LabelFile, hints: Hints) -> tuple[dict[int, int], str | None]:
    """How often each value occurs in a mask, and the note of `read_values`."""
    with file.open_large() as raster:
        if raster is not None:
            return tally_bands(raster), None
    values, note = read_values(file.path, hints)
    return tally(values), note


def void_note(file: LabelFile, found: dict[int, int], hints: Hints) -> str | None:
    """What becomes of the value that a mask itself says means no data, which is taken out of those `found` if it is ignored."""
    if file.path.endswith(".png") or (nodata := nodata_of(file.path)) not in found or nodata is None:
        return None
    if nodata not in hints.names:
        del found[nodata]
        if nodata == VOID:
            return "the masks' own nodata value, which is no whole number, is ignored"
        return f"the masks' own nodata value, {nodata}, is ignored (--values {nodata}=NAME makes it a class)"
    if (name := hints.names[nodata]) is None:
        return None
    ways = f"--values {nodata}=ignore ignores it"
    return f"the masks' own nodata value, {nodata}, is the class {name!r}, and counts as it ({ways})"


def values_to_show(file: LabelFile, hints: Hints) -> Mask:
    """(h, W): all values of a mask, of a large one the first rows that hold undeclared ones."""
    with file.open_large() as raster:
        if raster is not None:
            return next(values for values in read_bands(raster) if not tally(values).keys() <= hints.names.keys())
    return read_values(file.path, hints)[0]


class Seen(NamedTuple):
    """A mask that was looked at."""

    sample: str
    path: str
    found: dict[int, int]


def doubts(paths: Sequence[str], seen: Sequence[Seen]) -> Iterator[str]:
    """A line on each thing that may be other than meant, and that no mask can tell."""
    if any(path.lower().endswith(".jp2") for path in paths):
        yield "masks are JPEG 2000, which keeps values only if it was saved without a limit of size or quality"
    for one in seen:
        if (palette := find_palette(one.path)) is not None:
            looks = used_colors(palette, one.found)
            if looks.keys() == {BLACK, WHITE} and looks[WHITE] < looks[BLACK]:
                as_they_look = "if they are meant as they look, give --threshold 128"
                yield f"palettes show value {looks[WHITE]} white and value {looks[BLACK]} black, and values count: {as_they_look}"
                return


def _diagnose_together(seen: Sequence[Seen], meaning: Meaning, hints: Hints) -> Problem | None:
    """Undeclared values of all the masks, told at the mask that has most of them."""
    names = hints.names
    worst = max(seen, key=lambda one: len(one.found.keys() - names.keys()))
    found: Counter[int] = Counter()
    for one in seen:
        found.update(one.found)
    if found.keys() <= names.keys():
        return None
    diagnosis = diagnose_values(values_to_show(LabelFile(worst.path, meaning), hints), names, found)
    if diagnosis is None:
        return None
    strange = sum(not one.found.keys() <= names.keys() for one in seen)
    message = f"{diagnosis.message}, in {strange} of {len(seen)} masks looked at: {diagnosis.option}"
    return Problem(f"mask.{diagnosis.kind}", message, worst.path, worst.sample)


def _common_palettes(seen: Sequence[Seen]) -> Palettes:
    """The index that most masks have each colour at."""
    votes: Counter[tuple[int, int]] = Counter()
    files: dict[tuple[int, int], str] = {}
    palettes: set[bytes] = set()
    for one in seen:
        if (palette := find_palette(one.path)) is not None:
            palettes.add(palette.tobytes())
            for place in used_colors(palette, one.found).items():
                votes[place] += 1
                files.setdefault(place, os.path.basename(one.path))
    indices: dict[int, tuple[int, str]] = {}
    for (color, index), _ in votes.most_common():
        indices.setdefault(color, (index, files[color, index]))
    return Palettes(indices, palettes.pop() if len(palettes) == 1 else None)


def _compare_palettes(seen: Sequence[Seen], palettes: Palettes) -> Problem | None:
    """The first of the masks whose palette is not that of the others."""
    for one in seen:
        try:
            with located(file=one.path, sample=one.sample):
                check_palette(one.path, one.found.keys, palettes)
        except DataError as error:
            return error.problem
    return None
