"""The classes of a class file as entries, and what must hold for all of them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from segdata.errors import DataError, Problem
from segdata.labels import IGNORE, LABELME, RGB

MAX_VALUE = 65535


@dataclass(frozen=True, slots=True)
class Entry:
    """A class: its mask value, its name (`ignore` is no class), its colour, what the source calls it, and where it does."""

    value: int
    name: str
    color: RGB | None = None
    source_name: str = ""
    at: str = ""

    @classmethod
    def of(cls, value: int, name: str, color: RGB | None = None, at: str = "") -> Entry:
        """An entry of the source's name."""
        return cls(value, LABELME.get(name, name), color, name, at)

    @property
    def is_class(self) -> bool:
        """Whether its pixels are of a class; those of `ignore` are ignored."""
        return self.name != IGNORE


def in_order(names: Iterable[tuple[str, str]]) -> list[Entry]:
    """Names, each with its place, in order of mask value. labelme's `__ignore__` comes first and takes no value.

    Raises `DataError` (`classes.names`) if it comes later: which value the next name has would be unclear.
    """
    given = list(names)
    if given and given[0][0] == "__ignore__":
        given = given[1:]
    for name, at in given:
        if name == "__ignore__":
            refuse("names", "`__ignore__` takes no value and must come first", at)
    return [Entry.of(value, name, at=at) for value, (name, at) in enumerate(given)]


def check_entries(entries: Sequence[Entry]) -> list[Entry]:
    """Entries in order of value, each value and each class once. Raises `DataError` (`classes.*`) that says where."""
    values: dict[int, Entry] = {}
    names: dict[str, Entry] = {}
    for entry in entries:
        if not 0 <= entry.value <= MAX_VALUE:
            refuse("id", f"{entry.source_name!r} has the id {entry.value}: masks hold 0 to {MAX_VALUE}", entry.at)
        if entry.color is not None and not all(0 <= part <= 255 for part in entry.color):
            what = f"{entry.source_name!r} has the colour {entry.color}: red, green and blue are 0 to 255"
            refuse("color", what, entry.at)
        if not entry.name:
            refuse("names", f"the class of value {entry.value} has no name", entry.at)
        if (first := values.setdefault(entry.value, entry)) is not entry:
            refuse("id", f"the id {entry.value} appears twice{_first(first)}", entry.at)
        if entry.is_class and (first := names.setdefault(entry.name, entry)) is not entry:
            other = next(f"{entry.name} {i}" for i in range(2, MAX_VALUE) if f"{entry.name} {i}" not in names)
            one_class = f"if they are one class, add --map {shlex.quote(f'{other}={entry.name}')}, which merges them"
            what = f"{entry.name!r} appears twice{_first(first)}: rename this one, such as {other!r}; {one_class}"
            refuse("names", what, entry.at)
    if not names:
        refuse("names", "names no class")
    return sorted(entries, key=lambda entry: entry.value)


def whole(text: str, at: str) -> int:
    """A mask value or a part of a colour. Raises `DataError` (`classes.id`)."""
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        refuse("id", f"{text[:40]!r} is no whole number from 0 to {MAX_VALUE}", at)
    return int(text)


def refuse(code: str, message: str, at: str = "") -> NoReturn:
    """Raise `DataError` (`classes.<code>`) that names the line or entry."""
    raise DataError(Problem(f"classes.{code}", f"{at}: {message}" if at else message))


def _first(entry: Entry) -> str:
    return f", first at {entry.at}" if entry.at else ""
