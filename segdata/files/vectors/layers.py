"""Which layer of a file of features is read."""

from __future__ import annotations

from collections.abc import Iterable

from segdata.errors import DataError, Problem
from segdata.files.remote import Place
from segdata.words import some, suggest


def refuse_layer(layer: str | None, path: Place, option: str) -> None:
    """Raise `DataError` (`vector.layer`) if a layer is asked for of a format without layers."""
    if layer is not None:
        what = f"has no layers: leave {option} out, or save it as a GeoPackage, in a layer {layer}"
        raise DataError(Problem("vector.layer", what, file=str(path)))


def layer_of(names: Iterable[str], asked: str | None, path: Place, option: str) -> str:
    """The layer to read: the one that is asked for, or the only one. Raises `DataError` (`vector.layer`)."""
    known = list(names)
    chosen = known if asked is None else [name for name in known if name == asked]
    if len(chosen) == 1:
        return chosen[0]
    if not known:
        what = "holds no layer of features that can be read"
    elif asked is None:
        what = f"has {len(known)} layers, {some(known)}: name one with {option}"
    else:
        what = f"{option} {asked}: it has no such layer: {suggest(asked, known)}"
    raise DataError(Problem("vector.layer", what, file=str(path)))
