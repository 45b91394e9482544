"""Choosing classes by name: renamed, merged, kept or made void, in one remap."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from segdata.errors import DatasetError, OptionError, one_of
from segdata.labels import Labels, Remap, suggest
from segdata.storage import place

Unlisted = Literal["keep", "ignore", "background"]
IGNORE, BACKGROUND = "ignore", "background"


def choose_classes(
    labels: Labels, renames: Mapping[str, str], only: Sequence[str], drop: Sequence[str], unlisted: Unlisted | None
) -> Remap:
    """The remap from a source's classes to the chosen ones, numbered in the source's order.

    A class called background is never unlisted. Raises `OptionError` for names that the source has not, and for values
    that are no names.
    """
    for option, given in (("only", only), ("drop", drop)):
        if isinstance(given, str):
            raise OptionError(f"{option}={given!r}: give a list of class names: [{given!r}]")
    new_names: Mapping[str, object] = renames
    for old, new in new_names.items():
        if not (isinstance(new, str) and new):
            raise OptionError(f"map: class {old!r} becomes {new!r}: must be the name of a class")
    if unlisted is not None:
        one_of("unlisted", unlisted, Unlisted)
    targets = set(renames.values())
    if both := [name for name in only if name in drop and name not in targets]:
        raise OptionError(f"--only and --drop both name {both[0]!r}: take one of them away")
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
    """A class map from a file: a JSON object, or CSV lines `old,new` (`#` starts a comment), with or without that heading.

    Raises `OptionError`.
    """
    try:
        text = place(path).read_text(encoding="utf-8-sig")
        if text.lstrip().startswith("{"):
            return msgspec.json.decode(text, type=dict[str, str])
        rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines())]
    except OSError as error:
        raise OptionError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, csv.Error) as error:
        raise OptionError(f"{path}: not a class map (a JSON object, or lines `old,new`): {error}") from error
    rows = [row for row in rows if any(row) and not row[0].startswith("#")]
    out: dict[str, str] = {}
    for row in rows[1:] if rows and rows[0] == ["old", "new"] else rows:
        if len(row) != 2 or not all(row):
            raise OptionError(f"{path}: not a class map: {','.join(row)!r} is no line `old,new`")
        if out.setdefault(row[0], row[1]) != row[1]:
            raise OptionError(f"{path}: class {row[0]!r} becomes {out[row[0]]!r} and {row[1]!r}: keep one of the lines")
    return out


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
