"""Names and paths from strangers' manifests: which of them stay below a folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from segdata.errors import DatasetError


class Named(Protocol):
    """What files are called after."""

    @property
    def id(self) -> str:
        """masks/<id>.png."""

    @property
    def parent(self) -> str | None:
        """Of a tile, the picture that it is put together to again."""


def leads_out(path: str) -> bool:
    """Whether a POSIX path is not below the folder that it is relative to, whatever links there are; or no path at all."""
    return path.startswith("/") or ".." in path.split("/") or "\\" in path or "\0" in path


def refuse_outside(samples: Iterable[Named], file: object) -> None:
    """Raise `DatasetError` for an id or a parent that is no path below a folder, in a manifest's `file`."""
    names = [name for sample in samples for name in (sample.id, sample.parent) if name is not None]
    text = "\n/".join(names)  # one search of all: looking at each would take half as long as reading them
    if ".." in text or "//" in text or "\\" in text or "\0" in text or text.startswith("/"):
        for name in names:
            if leads_out(name):
                raise DatasetError(f"{file}: the id {name!r} leads out of the dataset: it cannot be the name of a file")
