"""Choosing classes by name: renamed, merged, kept or made void, in one remap."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from segdata.errors import DatasetError, OptionError
from segdata.labels import Labels, Remap, suggest
from segdata.storage import place

Unlisted = Literal["keep", "ignore", "background"]
IGNORE, BACKGROUND = "ignore", "background"


def choose_classes(
    labels: Labels, renames: Mapping[str, str], only: Sequence[str], drop: Sequence[str], unlisted: Unlisted | None
) -> Remap:
    """The remap from a source's classes to the chosen ones, numbered in the source's order.

    A class called background is never unlisted. Raises `OptionError` for names that the source has not.
    """
    targets = set(renames.values())
    for name in [*renames, *drop, *(n for n in only if n not in targets)]:
        if name not in labels.names:
            raise OptionError(f"no class {name!r} in the source: {suggest(name, labels.names)}")
    if unlisted == BACKGROUND and BACKGROUND not in labels.names:
        raise OptionError("--unlisted background: the source has no class called background")

    def target(name: str) -> str:
        new = renames.get(name, name)
        if name in drop:
            return IGNORE
        if name == BACKGROUND or (name in renames and not only) or {name, new} & set(only) or not (only or renames):
            return new
        rest = unlisted or ("ignore" if only else "keep")
        return new if rest == "keep" else rest

    goes_to = {label.id: target(label.name) for label in labels.classes}
    kept = {name: i for i, name in enumerate(dict.fromkeys(n for n in goes_to.values() if n != IGNORE))}
    if not kept:
        raise OptionError("no class is left: --only, --drop and --map leave nothing")
    colors = {name: label.color for label in reversed(labels.classes) for name in [goes_to[label.id]]}
    chosen = Labels.of(list(kept), [colors[name] for name in kept])
    return chosen.table({**{i: kept.get(name) for i, name in goes_to.items()}, labels.ignore: None})


def read_map(path: str | Path) -> dict[str, str]:
    """A class map from a file: a JSON object, or CSV lines `old,new` (`#` starts a comment). Raises `OptionError`."""
    try:
        text = place(path).read_text(encoding="utf-8-sig")
        if text.lstrip().startswith("{"):
            return msgspec.json.decode(text, type=dict[str, str])
        rows = [row for row in csv.reader(text.splitlines()) if row and not row[0].startswith("#")]
        return {old.strip(): new.strip() for old, new in rows}
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise OptionError(f"{path}: not a class map (a JSON object, or lines `old,new`): {error}") from error


def must_agree(one: Labels, other: Labels, what: str, that: str, way_out: str) -> None:
    """Raise `DatasetError` that names the first difference where two label contracts are not the same names in the same order."""
    if one.digest == other.digest:
        return
    pairs = enumerate(zip(one.names, other.names, strict=False))
    first = next(((i, a, b) for i, (a, b) in pairs if a != b), None)
    if first is not None:
        difference = f"class {first[0]} is {first[1]!r} in {what}, {first[2]!r} in {that}"
    else:
        difference = f"{what} has {len(one.classes)} classes, {that} {len(other.classes)}"
    raise DatasetError(f"the label contracts differ: {difference}: {way_out}")
