"""Which format a folder or file of labels is in, from its names and a glance into JSON: no image is opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from segdata.dataset.contract import CONTRACT, Contract, refuse_unfinished
from segdata.dataset.layout import CARD, MANIFEST
from segdata.errors import DataError, OptionError, Problem
from segdata.files.listing import folders_in
from segdata.files.places import listed, matching
from segdata.files.remote import Place
from segdata.readers import READERS
from segdata.readers.contract import known_contract
from segdata.readers.foreign import foreign
from segdata.readers.nearest import nearest
from segdata.readers.words_in_names import IMAGE_WORDS, MASK_WORDS
from segdata.words import briefly, some

ALREADY = "it is a segdata dataset already, which needs no converting"

OWN = "a segdata dataset"

ANY = "masks"
"""The format without a layout of its own: any pair of folders. It gives way to the others, and is asked last."""

FORMATS = sorted(READERS, key=lambda name: name == ANY)

PARTS = {
    *IMAGE_WORDS, *MASK_WORDS, "leftimg8bit", "gtfine", "gtcoarse", "imagesets", "segmentation", "xmls", "shards", "vectors",
    "geojson", "train", "val", "valid", "test", "training", "validation", "testing", "sem_seg", "drivable", "lane",
    "polygons", "rles", "imagestr", "labelstr",
}  # fmt: skip
"""Names of folders that are hardly a set, but a part of one."""

NEAR, LEVELS = 30, 2
"""So many folders are looked into, so many levels below SRC."""


@dataclass(frozen=True, slots=True)
class Detection:
    """The format, or None if none fits or several do; and for every other format the reason why it is not.

    `hint`: if none fits, what the source is instead, or where below or above it the set lies.
    """

    __repr__ = briefly

    format: str | None
    reasons: dict[str, str]
    hint: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {"format": self.format, "reasons": self.reasons, **({} if self.hint is None else {"hint": self.hint})}


def detect(source: str | Path) -> Detection:
    """The format that labels are in, as each reader's `fits` tells. One with a layout of its own wins over `masks`.

    An export of segdata says itself how it is read. Raises `DataError` (`source.missing`) if there is no such file or folder,
    and `DatasetError` for an export that was stopped.

    Args:
        source: The folder or file with the labels.
    """
    root = listed(source)
    if not root.exists():
        raise DataError(Problem("source.missing", "there is no such file or folder", file=str(root)))
    if (root / CARD).is_file() and (root / MANIFEST).is_file():
        return Detection(None, dict.fromkeys(FORMATS, ALREADY))
    if (contract := known_contract(root)) is not None:
        why = f"{CONTRACT} says that it is an export to {contract.format}, read as {contract.reader}"
        return Detection(contract.reader, {name: why for name in FORMATS if name != contract.reader})
    refuse_unfinished(root)
    reasons = _reasons(root)
    fitting = [name for name, reason in reasons.items() if reason is None]
    specific = [name for name in fitting if name != ANY] or fitting
    chosen = specific[0] if len(specific) == 1 else None
    beside = None if chosen is None else _beside(root, chosen)
    for name in fitting:
        others = some(other for other in specific if other != name)
        more = f"fits too, but {chosen} has a layout of its own"
        reasons[name] = more if chosen else f"fits, and so does {others}: name the one that is meant"
    if beside is not None:
        reasons[str(chosen)], chosen = "fits, but a set of another format lies below it, too", None
    hint = None if chosen else beside or _hint(root, reasons, fits=bool(fitting))
    return Detection(chosen, {name: str(reason) for name, reason in reasons.items() if name != chosen}, hint)


def format_of(source: str | Path) -> str:
    """The format for `convert auto`. Raises `OptionError` that says what the source is where it is not plain, as `detect`."""
    found = detect(source)
    if ALREADY in found.reasons.values():
        raise OptionError(f"{source}: {ALREADY} (segdata remap, split, tile and the others take it as it is)")
    if found.format is not None:
        return found.format
    if found.hint is not None:
        raise OptionError(f"{source}: {found.hint}")
    if both := [name for name, reason in found.reasons.items() if reason.startswith("fits, ")]:
        raise OptionError(f"{source}: is {' and '.join(both)} by its layout: name it in place of auto")
    raise OptionError(f"{source}: no format fits: {found.reasons[ANY]} (segdata detect says more)")


@contextmanager
def pointing(format: str, source: str | Path, contract: Contract | None) -> Iterator[None]:
    """Add to a `DataError` that a source is not of a format where below or above it such a set lies, or that a `contract` by
    which it is read says that it is.
    """
    try:
        yield
    except DataError as error:
        if not error.problem.code.endswith((".missing", ".none")) or error.problem.sample is not None:
            raise
        root, fits = listed(source), import_module(READERS[format]).fits
        there = None if fits(root) is None else next((folder for folder in _around(root) if fits(folder) is None), None)
        if there is None and contract is not None and not error.problem.code.startswith("image."):
            message = f"{error.problem.message}; {CONTRACT} says that {format} lies here: remove it if that is not so"
            raise DataError(replace(error.problem, message=message)) from error
        if there is None:
            raise
        message = f"no {format} here: the set lies in {there}: give that folder"
        raise DataError(Problem(error.problem.code, message, str(root))) from error


def _reasons(root: Place) -> dict[str, str | None]:
    """Why a source is not each of the formats."""
    return {name: import_module(READERS[name]).fits(root) for name in FORMATS}


def _beside(root: Place, chosen: str) -> str | None:
    """What a folder is that fits a format, and has below it exports, or a set of another format with a layout of its own; None
    if it has neither."""
    if not isinstance(root, Path):
        return None
    if exports := [folder for folder in _below(root) if (folder / CONTRACT).is_file()]:
        return f"it is {chosen}, and exports lie below it: name {chosen} in place of auto, or give one of {some(exports, 3)}"
    if chosen == ANY:
        return None
    others = {folder: format for folder, format in _sets(_below(root)).items() if format not in (chosen, ANY, OWN)}
    if not others:
        return None
    return f"it is {chosen}, and below it lies {_named(others)}: name {chosen} in place of auto, or give that folder"


def _hint(root: Place, reasons: Mapping[str, str | None], *, fits: bool) -> str | None:
    """What a source is that is of no format for certain: several sets below it, a set below or above, a format that is not
    read, or the format that it is most like. Of one that fits some formats only the first.
    """
    found = _sets(_around(root))
    if len(found) > 1:
        return f"several sets lie here: give one of {_named(found)}"
    if fits:
        return None
    for folder, format in found.items():
        return f"the set lies in {folder} ({format}): give that folder"
    if (other := foreign(root)) is not None:
        return str(other)
    near = nearest(root)
    return None if near is None else f"it is most like {near.format} ({near.file}), but {reasons[near.format]}"


def _named(found: Mapping[Place, str]) -> str:
    return some((f"{folder} ({format})" for folder, format in found.items()), 3)


def _sets(folders: Iterable[Place]) -> dict[Place, str]:
    """Which of the folders are sets, but for those within another, and their formats."""
    found: dict[Place, str] = {}
    for folder in folders:
        if not any(str(folder).startswith(f"{other}/") for other in found):
            found.update(_fitting(folder))
    return found


def _below(root: Place) -> Iterator[Place]:
    if root.is_dir():
        yield from (root / name for name in folders_in(root, LEVELS, NEAR))


def _around(root: Place) -> Iterator[Place]:
    """The folders below a source, and those above one that has the name of a part of a set."""
    yield from _below(root)
    if isinstance(root, Path) and root.is_dir():
        here = root.absolute()
        while here.name.lower().rstrip("0123456789") in PARTS and here.parent != here:
            here = here.parent
            yield here


def _fitting(folder: Place) -> Iterator[tuple[Place, str]]:
    """The folder, and the format that fits it."""
    if (folder / CARD).is_file() and (folder / MANIFEST).is_file():
        yield folder, OWN
        return
    fitting = [name for name, reason in _reasons(folder).items() if reason is None]
    if fitting:
        yield folder, fitting[0]


# What the readers' own `fits` share


def without(root: Place, names: Iterable[str]) -> str | None:
    """Which of these folders (`name/`) and files are not there."""
    missing = [
        name for name in names if not ((root / name).is_dir() if name.endswith("/") else (root / name).is_file())
    ]
    return f"there is no {' and no '.join(missing)}" if missing else None


def shown(root: Place, pattern: str) -> list[Place]:
    """The files that match, sorted, but for hidden ones."""
    return [path for path in matching(root, pattern) if path.name[:1] != "." and path.is_file()]
