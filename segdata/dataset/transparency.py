"""Whether a band that files call alpha is transparency or data: decided once for all images of a dataset, and told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import PurePath

from segdata.errors import Problem
from segdata.executors.run import Run, untracked
from segdata.files.bands import SURE_ENDINGS, Looked, look
from segdata.files.endings import ending
from segdata.files.reading import Reading
from segdata.words import some


def settled(reading: Reading, images: Sequence[str], run: Run) -> tuple[Reading, list[str]]:
    """How images are read once their last bands have been looked at, and notes of what these were taken for.

    If one of them holds data, all do; and if all are 0 everywhere, as nothing would be seen. Nothing is looked at if `reading`
    says it already, nor files of formats in which alpha can be nothing else.
    """
    if reading.alpha is not None:
        return reading, []
    doubtful = [path for path in dict.fromkeys(images) if ending(path) not in SURE_ENDINGS]
    looked = replace(run, track=untracked).map(partial(look, reading=reading), doubtful)
    found = {path: what for path, what in looked if not isinstance(what, Problem)}
    kinds = {path: one.what for path, one in found.items() if one.what != "none"}
    if not kinds:
        return reading, []
    if "data" in kinds.values():
        return replace(reading, alpha=False), [_data_note([p for p in kinds if kinds[p] == "data"], len(kinds))]
    if set(kinds.values()) == {"blank"}:
        return replace(reading, alpha=False), [
            f"{_images([*kinds])} is taken for data: it is 0 everywhere (--alpha yes)"
        ]
    note = f"{_images([*kinds])} is taken for transparency: it is 0 or opaque everywhere (--alpha no: data)"
    return (replace(reading, alpha=True) if _all_alike(found.values()) else reading), [note]


def _all_alike(found: Iterable[Looked]) -> bool:
    """Whether no image has a band that is not called alpha and would be taken for it."""
    return all(one.what != "none" or one.bands in (0, 1, 3) for one in found)


def may_be(alpha: bool, images: Iterable[str]) -> bool:
    """Whether images of which nothing is said are read alike if it is said of all that a last band is alpha, or that none is."""
    found = map(look, dict.fromkeys(images))
    return _all_alike(found) if alpha else all(one.what == "none" for one in found)


def _data_note(data: Sequence[str], called: int) -> str:
    more = f", and in {called - len(data):,} others too, where it does not" if called > len(data) else ""
    return f"{_images(data)} is taken for data, such as near infrared, as it holds many values{more} (--alpha yes: transparency)"


def _images(paths: Sequence[str]) -> str:
    names = some([PurePath(path).name for path in paths], 3)
    return f"the band called alpha of {len(paths):,} image{'s' * (len(paths) > 1)} ({names})"
