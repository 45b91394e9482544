"""Which mask value, or colour, is which class: `--values` and a class file together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segdata.errors import OptionError
from segdata.labels import IGNORE, RGB, Labels
from segdata.readers.classes.entries import Entry
from segdata.readers.diagnose import pack_color
from segdata.readers.source import SourceClass

Key = int | range | RGB
"""What `--values` names: a value, a range of values, or a colour."""


@dataclass(frozen=True, slots=True)
class ClassTable:
    """The classes, the receipt's table, and by value (or packed colour) the class name, None for ignored pixels."""

    labels: Labels
    rows: tuple[SourceClass, ...]
    names: Mapping[int, str | None]

    @property
    def ids(self) -> dict[int, int | None]:
        """Value (or packed colour) -> class id, None for ignored pixels."""
        ids = {name: i for i, name in enumerate(self.labels.names)}
        return {value: None if name is None else ids[name] for value, name in self.names.items()}


# Ways of reading


def check_options(colors: bool, threshold: int | None, offset: int, values: object) -> None:
    """Raises `OptionError` for options that have no such value, or exclude each other."""
    if threshold is not None and not 1 <= threshold <= 65535:
        raise OptionError(f"--threshold {threshold}: must be from 1 to 65535")
    if abs(offset) > 65535:
        raise OptionError(f"--offset {offset}: must be from -65535 to 65535")
    given = {"--colors": colors, "--threshold": threshold is not None, "--offset": offset != 0}
    if len(both := [name for name, is_given in given.items() if is_given]) > 1:
        raise OptionError(f"{' and '.join(both)} exclude each other: masks are read one way")
    if threshold is not None and values:
        raise OptionError("--threshold and --values exclude each other: a threshold makes two classes")


def make_table(
    entries: Sequence[Entry], values: Mapping[Key, str], colors: bool, offset: int, threshold: int | None
) -> ClassTable:
    """The classes of masks that are read this way; without any class one that declares nothing."""
    if threshold is not None:
        return threshold_table(entries, threshold)
    if not entries and not values:
        return ClassTable(Labels.of(["background"]), (), {})
    return color_table(entries, values) if colors else value_table(entries, values, offset)


# --values

LARGEST = 2**63

MOST = 65536
"""The most values of a range."""


def parse_values(values: Mapping[Any, str] | Sequence[str]) -> dict[Key, str]:
    """`VALUE=NAME` texts, or a mapping, to names by key. Raises `OptionError`."""
    pairs = values.items() if isinstance(values, Mapping) else [_pair(text) for text in values]
    return {parse_key(key): name for key, name in pairs}


def parse_key(text: Any) -> Key:
    """`11`, `1..40`, `128,64,0` or `#804000`, or as Python has them. Raises `OptionError`."""
    if isinstance(text, tuple | list):
        text = ",".join(str(part) for part in text)
    text = str(text).strip()
    if match := re.fullmatch(r"(-?\d{1,19})(?:\.\.(-?\d{1,19}))?", text, re.ASCII):
        low, high = int(match[1]), int(match[2] or match[1])
        if -LARGEST < low <= high < LARGEST and high - low < MOST:
            return range(low, high + 1) if match[2] else low
    if match := re.fullmatch(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", text):
        return int(match[1], 16), int(match[2], 16), int(match[3], 16)
    if match := re.fullmatch(r"(\d{1,3}),\s*(\d{1,3}),\s*(\d{1,3})", text, re.ASCII):
        red, green, blue = int(match[1]), int(match[2]), int(match[3])
        if max(red, green, blue) <= 255:
            return red, green, blue
    raise OptionError(
        f"--values {text}: is no value (11 or -1), range (1..40, of {MOST} values at most) or colour (128,64,0 or #804000)"
    )


def show_key(key: Key) -> str:
    """A key as `parse_key` takes it."""
    if isinstance(key, range):
        return f"{key.start}..{key.stop - 1}"
    return ",".join(str(part) for part in key) if isinstance(key, tuple) else str(key)


# The table


def value_table(entries: Sequence[Entry], values: Mapping[Key, str], offset: int) -> ClassTable:
    """Classes by mask value. `offset` is added to a value before it is sought among the entries, where -1 is ignored.

    `values` are those of the mask, before the offset, and win. Raises `OptionError` for a colour among them.
    """
    names: dict[int, str | None] = {entry.value - offset: _class(entry.name) for entry in entries}
    rows: dict[Key, str] = {entry.value - offset: entry.name for entry in entries}
    if offset < 0:
        names.setdefault(-1 - offset, None)
        rows.setdefault(-1 - offset, IGNORE)
    for key, name in values.items():
        if isinstance(key, tuple):
            raise OptionError(f"--values {show_key(key)}: is a colour, which goes with --colors")
        names.update(dict.fromkeys([key] if isinstance(key, int) else key, _class(name)))
    rows |= values
    return _table(entries, values, rows, names)


def color_table(entries: Sequence[Entry], values: Mapping[Key, str]) -> ClassTable:
    """Classes by packed colour (`diagnose.pack_color`). Raises `OptionError` for a class with no colour, or with another's."""
    rows: dict[Key, str] = {}
    for entry in entries:
        if entry.color is None:
            raise OptionError(f"--colors: {entry.name!r} has no colour in the class table: add columns r,g,b to it")
        if (other := rows.setdefault(entry.color, entry.name)) != entry.name:
            raise OptionError(f"--colors: {other!r} and {entry.name!r} have one colour, {show_key(entry.color)}")
    for key in values:
        if not isinstance(key, tuple):
            raise OptionError(f"--values {show_key(key)}: with --colors give a colour, such as 128,64,0")
    rows |= values
    names = {pack_color(key): _class(name) for key, name in rows.items() if isinstance(key, tuple)}
    return _table(entries, values, rows, names)


def threshold_table(entries: Sequence[Entry], threshold: int) -> ClassTable:
    """Class 0 below a brightness, class 1 from it on. Raises `OptionError` unless there are two classes."""
    kept = [entry for entry in entries if entry.name != IGNORE] or [Entry(0, "background"), Entry(1, "foreground")]
    if len(kept) != 2:
        raise OptionError(f"--threshold makes two classes: name two in --classes (the darker first), not {len(kept)}")
    labels = Labels.of([entry.name for entry in kept], [entry.color for entry in kept])
    rows = (SourceClass(f"below {threshold}", kept[0].name, 0), SourceClass(f"{threshold} and above", kept[1].name, 1))
    return ClassTable(labels, rows, {0: kept[0].name, 1: kept[1].name})


def _table(
    entries: Sequence[Entry], values: Mapping[Key, str], rows: Mapping[Key, str], names: Mapping[int, str | None]
) -> ClassTable:
    """Classes are the entries in order, then new names in the order of their values, or colours as given."""
    extra = sorted(values, key=lambda key: 0 if isinstance(key, tuple) else key if isinstance(key, int) else key.start)
    order = [(entry.name, entry.color) for entry in entries]
    order += [(values[key], key if isinstance(key, tuple) else None) for key in extra]
    colors: dict[str, RGB | None] = {}
    for name, color in order:
        if name != IGNORE:
            colors.setdefault(name, color)
    labels = Labels.of(list(colors), list(colors.values()))
    ids = {name: i for i, name in enumerate(labels.names)}
    listed = [SourceClass(key if isinstance(key, int) else show_key(key), n, ids.get(n)) for key, n in rows.items()]
    return ClassTable(labels, tuple(listed), names)


def _class(name: str) -> str | None:
    return None if name == IGNORE else name


def _pair(text: str) -> tuple[str, str]:
    key, equals, name = text.partition("=")
    if not (equals and name.strip()):
        raise OptionError(f"--values {text}: give VALUE=NAME, or VALUE=ignore")
    return key, name.strip()
