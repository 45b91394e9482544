"""Which mask value, or colour, is which class: class table files, and `--values`.

A file is one name a line in order of value, with or without its colour (`name,r,g,b`, or `r g b name` as CamVid has it); CSV
with a header row, `id,name`, `name,r,g,b` or `id,name,r,g,b`; or JSON: a list of names, {name: id}, {id: name}, or a list of
{id, name, color}. A class called `ignore` is void.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from segdata.errors import DataError, OptionError, Problem, located
from segdata.files.places import place
from segdata.files.remote import Place
from segdata.labels import RGB, Labels
from segdata.readers.diagnose import pack_color
from segdata.readers.source import Receipt, SourceClass
from segdata.words import some

VOID = "ignore"

LABELME_VOID = "__ignore__"
"""labelme's name for void: in a list of names it takes no value."""

COLUMNS = {
    "id": ("id", "idx", "index", "value"), "name": ("name",), "r": ("r", "red"), "g": ("g", "green"), "b": ("b", "blue"),
}  # fmt: skip

_COLOR = r"(?P<r>\d{1,3})SEP(?P<g>\d{1,3})SEP(?P<b>\d{1,3})"

_NAME = r"(?P<name>(?!\d+(?:[,;\s]|$))[^,;\t]+)"

COLORED = tuple(
    re.compile(form.replace("SEP", separator), re.ASCII)
    for separator in (r"\s*[,;\t]\s*", r"\s+")
    for form in (f"{_NAME}SEP{_COLOR}", f"{_COLOR}SEP{_NAME}")
)
"""Lines of a name and a colour, in either order; a name that begins with a number alone would be an id."""

Key = int | range | RGB
"""What `--values` names: a value, a range of values, or a colour."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a class table."""

    value: int
    name: str
    color: RGB | None = None


class Record(msgspec.Struct):
    """A class in a JSON list."""

    name: str
    id: int | None = None
    color: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class ClassTable:
    """The classes, the receipt's table, and by value (or packed colour) the class name, None for void."""

    labels: Labels
    rows: tuple[SourceClass, ...]
    names: Mapping[int, str | None]

    @property
    def ids(self) -> dict[int, int | None]:
        """Value (or packed colour) -> class id, None for void."""
        ids = {name: i for i, name in enumerate(self.labels.names)}
        return {value: None if name is None else ids[name] for value, name in self.names.items()}


# Files


def read_class_table(path: Place, receipt: Receipt) -> list[Entry]:
    """The classes of a file, in order of value. Raises `DataError` (`classes.*`)."""
    with located(file=path.name):
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
            raise DataError(Problem("classes.text", f"cannot be read: {reason}")) from error
        if path.suffix.lower() == ".json" or text.lstrip()[:1] in ("[", "{"):
            entries = parse_json(text)
        elif colored := parse_colored(text):
            entries = colored
        elif path.suffix.lower() == ".csv" or {"name"} < set(_header(text)[1]):
            entries = parse_csv(text, receipt.notes, path.name)
        else:
            entries = parse_names(text)
        return check_entries(entries)


def check_entries(entries: Sequence[Entry]) -> list[Entry]:
    """Entries in order of value, each value and each name once, void's aside. Raises `DataError` (`classes.*`)."""
    if not entries:
        _refuse("names", "names no class")
    entries = [replace(entry, name=VOID) if entry.name == LABELME_VOID else entry for entry in entries]
    for entry in entries:
        if not 0 <= entry.value <= 65535:
            _refuse("id", f"{entry.name!r} has the id {entry.value}: masks hold 0 to 65535")
        if entry.color is not None and not all(0 <= part <= 255 for part in entry.color):
            _refuse("color", f"{entry.name!r} has the colour {entry.color}: red, green and blue are 0 to 255")
        if not entry.name:
            _refuse("names", f"the class of value {entry.value} has no name")
    values = Counter(entry.value for entry in entries)
    names = Counter(entry.name for entry in entries if entry.name != VOID)
    if repeated := [value for value, n in values.items() if n > 1]:
        _refuse("id", f"the id {repeated[0]} stands there {values[repeated[0]]} times")
    if repeated_names := [name for name, n in names.items() if n > 1]:
        name = repeated_names[0]
        second = [entry.value for entry in entries if entry.name == name][1]
        message = f"{name!r} stands there twice: rename one, or, if they are one class, drop it and add --values {second}={name}"
        _refuse("names", message)
    return sorted(entries, key=lambda entry: entry.value)


def parse_colored(text: str) -> list[Entry]:
    """A name and its colour in every line, in order of value; empty where a line is not of the form of the others."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for form in COLORED:
        matches = [match for line in lines if (match := form.fullmatch(line))]
        if matches and len(matches) == len(lines):
            return [
                Entry(value, m["name"].strip().strip('"'), (int(m["r"]), int(m["g"]), int(m["b"])))
                for value, m in enumerate(matches)
            ]
    return []


def parse_names(text: str) -> list[Entry]:
    """One name a line; `__ignore__` takes no value. Raises `DataError` (`classes.*`)."""
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if "" in lines:
        _refuse("names", f"line {lines.index('') + 1} is empty: each line names the class of the next mask value")
    if lines and all(re.match(r"\d+\s*[,;:\t ]\s*\S", line, re.ASCII) for line in lines):
        _refuse(
            "csv",
            f"line 1, {lines[0][:40]!r}, begins with a number: separate columns by commas, under a header row such as id,name",
        )
    return [Entry(value, name) for value, name in enumerate(line for line in lines if line != LABELME_VOID)]


def parse_csv(text: str, notes: list[str], file: str) -> list[Entry]:
    """Rows under a header, separated by commas, semicolons or tabs; without an id column they count from 0.

    Columns of other names are not read, and noted. Raises `DataError` (`classes.csv`).
    """
    text = text.lstrip()
    delimiter, header = _header(text)
    columns = {key: header.index(name) for key, names in COLUMNS.items() for name in names if name in header}
    if "name" not in columns or len(set(header)) < len(header) or len({"r", "g", "b"} & set(columns)) in (1, 2):
        _refuse(
            "csv", f"the header row must be id,name or name,r,g,b or id,name,r,g,b, and is {','.join(header)[:80]!r}"
        )
    if unread := [name for place, name in enumerate(header) if place not in columns.values()]:
        notes.append(f"{file}: columns not read: {some(unread)}")
    entries: list[Entry] = []
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in list(rows)[1:]:
            if any(cell.strip() for cell in row):
                entries.append(_csv_entry(row, columns, header, len(entries)))
    except csv.Error as error:
        _refuse("csv", f"line {rows.line_num}: {error}")
    return entries


def parse_json(text: str) -> list[Entry]:
    """A list of names, {name: id}, {id: name}, or a list of {id, name, color}. Raises `DataError` (`classes.json`)."""
    try:
        data = json.loads(text, object_pairs_hook=_once)
        if isinstance(data, dict) and isinstance(data.get("classes"), list):
            data = data["classes"]  # of a segdata dataset
        if isinstance(data, dict):
            if data and all(isinstance(value, str) for value in data.values()):
                return [Entry(_whole(key), name.strip()) for key, name in data.items()]
            return [Entry(id, name.strip()) for name, id in msgspec.convert(data, dict[str, int]).items()]
        if isinstance(data, list) and all(isinstance(name, str) for name in data):
            return [Entry(value, name.strip()) for value, name in enumerate(data)]
        records = msgspec.convert(data, list[Record])
        if len({record.id is None for record in records}) > 1:
            _refuse("json", "some classes have an id and some have none")
        return [Entry(i if r.id is None else r.id, r.name.strip(), r.color) for i, r in enumerate(records)]
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        forms = "a list of names, {name: id}, {id: name}, or a list of {id, name, color}"
        _refuse("json", f"not a class table ({forms}): {error}")


# --values


def parse_values(values: Mapping[Any, str] | Sequence[str]) -> dict[Key, str]:
    """`VALUE=NAME` texts, or a mapping, to names by key. Raises `OptionError`."""
    pairs = values.items() if isinstance(values, Mapping) else [_pair(text) for text in values]
    return {parse_key(key): name for key, name in pairs}


def parse_key(text: Any) -> Key:
    """`11`, `1..40`, `128,64,0` or `#804000`, or as Python has them. Raises `OptionError`."""
    if isinstance(text, tuple | list):
        text = ",".join(str(part) for part in text)
    text = str(text).strip()
    if match := re.fullmatch(r"(\d{1,5})(?:\.\.(\d{1,5}))?", text, re.ASCII):
        low, high = int(match[1]), int(match[2] or match[1])
        if low <= high <= 65535:
            return range(low, high + 1) if match[2] else low
    if match := re.fullmatch(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", text):
        return int(match[1], 16), int(match[2], 16), int(match[3], 16)
    if match := re.fullmatch(r"(\d{1,3}),\s*(\d{1,3}),\s*(\d{1,3})", text, re.ASCII):
        red, green, blue = int(match[1]), int(match[2]), int(match[3])
        if max(red, green, blue) <= 255:
            return red, green, blue
    raise OptionError(
        f"--values {text}: is no value (11, at most 65535), range (1..40) or colour (128,64,0 or #804000)"
    )


def show_key(key: Key) -> str:
    """A key as `parse_key` takes it."""
    if isinstance(key, range):
        return f"{key.start}..{key.stop - 1}"
    return ",".join(str(part) for part in key) if isinstance(key, tuple) else str(key)


# The table


def value_table(entries: Sequence[Entry], values: Mapping[Key, str], offset: int) -> ClassTable:
    """Classes by mask value. `offset` is added to a value before it is sought among the entries, where -1 is void.

    `values` are those of the mask, before the offset, and win. Raises `OptionError` for a colour among them.
    """
    names: dict[int, str | None] = {entry.value - offset: _void(entry.name) for entry in entries}
    rows: dict[Key, str] = {entry.value - offset: entry.name for entry in entries}
    if offset < 0:
        names.setdefault(-1 - offset, None)
        rows.setdefault(-1 - offset, VOID)
    for key, name in values.items():
        if isinstance(key, tuple):
            raise OptionError(f"--values {show_key(key)}: is a colour, which goes with --colors")
        names.update(dict.fromkeys([key] if isinstance(key, int) else key, _void(name)))
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
    names = {pack_color(key): _void(name) for key, name in rows.items() if isinstance(key, tuple)}
    return _table(entries, values, rows, names)


def threshold_table(entries: Sequence[Entry], threshold: int) -> ClassTable:
    """Class 0 below a brightness, class 1 from it on. Raises `OptionError` unless there are two classes."""
    kept = [entry for entry in entries if entry.name != VOID] or [Entry(0, "background"), Entry(1, "foreground")]
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
        if name != VOID:
            colors.setdefault(name, color)
    labels = Labels.of(list(colors), list(colors.values()))
    ids = {name: i for i, name in enumerate(labels.names)}
    listed = [SourceClass(key if isinstance(key, int) else show_key(key), n, ids.get(n)) for key, n in rows.items()]
    return ClassTable(labels, tuple(listed), names)


def _void(name: str) -> str | None:
    return None if name == VOID else name


def _pair(text: str) -> tuple[str, str]:
    key, equals, name = text.partition("=")
    if not (equals and name.strip()):
        raise OptionError(f"--values {text}: give VALUE=NAME, or VALUE=ignore")
    return key, name.strip()


def _header(text: str) -> tuple[str, list[str]]:
    """The first line's delimiter, and its cells in lower case."""
    first = text.strip().split("\n", 1)[0].strip()
    delimiter = next((sign for sign in ",;\t" if sign in first), ",")
    return delimiter, [cell.strip().strip('"').lower() for cell in first.split(delimiter)]


def _csv_entry(row: Sequence[str], columns: Mapping[str, int], header: Sequence[str], number: int) -> Entry:
    if len(row) != len(header):
        _refuse("csv", f"the row {','.join(row)[:40]!r} has {len(row)} cells, the header {len(header)}")
    cells = {key: row[place].strip() for key, place in columns.items()}
    value = _whole(cells["id"]) if "id" in cells else number
    color = (_whole(cells["r"]), _whole(cells["g"]), _whole(cells["b"])) if "r" in cells else None
    return Entry(value, cells["name"], color)


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text.strip(), re.ASCII):
        _refuse("id", f"{text[:40]!r} is no whole number from 0 to 65535")
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object's items, each key once."""
    if repeated := [key for key, n in Counter(key for key, _ in pairs).items() if n > 1]:
        _refuse("json", f"{repeated[0]!r} stands there twice")
    return dict(pairs)


def _refuse(code: str, message: str) -> NoReturn:
    raise DataError(Problem(f"classes.{code}", message))


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
