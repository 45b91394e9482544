"""Which layer of a file of features is read."""

from __future__ import annotations

from collections.abc import Iterable

from segdata.errors import DataError, Problem
from segdata.files.remote import Place
from segdata.words import some, suggest


def layer_of(names: Iterable[str], asked: str | None, path: Place, option: str) -> str:
    """The layer to read: the one that is asked for, or the only one. Raises `DataError` (`vector.layer`)."""
    known = list(names)
    if asked is not None and asked not in known:
        what = f"{option} {asked}: it has no such layer: {suggest(asked, known)}"
    elif asked is None and len(known) != 1:
        what = f"has {len(known)} layers, {some(known)}: name one with {option}" if known else "holds no features"
    else:
        return known[0] if asked is None else asked
    raise DataError(Problem("vector.layer", what, file=str(path)))
