"""Which mask value is which class, from a file: the one parser of class files.

A file of text holds, in order of mask value, one name per line, or a name and a colour per line (`name,r,g,b`, `r g b name`).
Or it is CSV (commas, semicolons, tabs), with a header row or without one: `id,name`, `name,r,g,b`, `id,name,r,g,b`. Or it is
CVAT's labelmap, `name:r,g,b:parts:actions`. Names are read by `names`, JSON and YAML, such as YOLO's data.yaml, by
`json_yaml`; `cells` knows what columns may be called.

A line that begins with `#` is a comment. Between classes that have no ids, an empty line or a comment is refused: which value
the next class has would be unclear. In a labelmap both are allowed. What is no class file is refused with its line.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec

from segdata.errors import DataError, OptionError, Problem, located
from segdata.files import places
from segdata.files.places import place
from segdata.files.remote import Place
from segdata.files.voc_colors import VOC_VOID
from segdata.labels import IGNORE, RGB
from segdata.readers.classes.cells import find_columns, parse_color, plain
from segdata.readers.classes.entries import Entry, check_entries, in_order, refuse, whole
from segdata.readers.classes.json_yaml import parse_json, parse_yaml
from segdata.readers.classes.names import FORMS, WAY_OUT, Line, ends_with_number, ordered, parse_names
from segdata.readers.source import Input, Receipt, read_text
from segdata.words import some

COLUMNS = (
    ("id", "name"), ("name", "r", "g", "b"), ("r", "g", "b", "name"), ("id", "name", "r", "g", "b"),
)  # fmt: skip
"""The columns of files without a header row."""

SEPARATORS = (",", ";", "\t")

LABELMAP_HEAD = "label:color_rgb"

LABELMAP = r"([^:]+):\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*(?::[^:]*){0,2}"


class Form(NamedTuple):
    """How lines are made: what separates the cells (None: white space), and which columns there are, "" for unread ones."""

    separator: str | None
    columns: tuple[str, ...]

    def cells(self, text: str) -> list[str] | None:
        """The cells of a line; None unless there are numbers for ids and colours, and a name."""
        cells = split_cells(text, self.separator) if self.separator else split_at_space(text, self.columns)
        if len(cells) != len(self.columns) or not cells[self.columns.index("name")]:
            return None
        numbers = [re.fullmatch(r"-?\d+", cell, re.ASCII) is not None for cell in cells]
        fit = all(number != (column == "name") for number, column in zip(numbers, self.columns, strict=True))
        return cells if fit else None


# Files


def given_classes(
    classes: str | Path | Sequence[str], root: Place, receipt: Receipt
) -> tuple[list[Entry], tuple[Input, ...]]:
    """What `--classes` means: a file, which may lie below SRC, or names in order of value; and the file as an input.

    Raises `DataError` (`classes.*`).
    """
    if not isinstance(classes, str | Path):
        return check_entries(in_order((name, f"name {i}") for i, name in enumerate(classes, 1))), ()
    path = next((path for path in (place(classes), root / classes) if path.is_file()), None)
    if path is None:
        what = "cannot be read: there is no such file, here or in SRC: write the names into one, a line each, in order"
        raise DataError(Problem("classes.text", what, str(classes)))
    entries = read_classes(path, receipt)
    return entries, (Input.of(path),)


def read_classes(path: Place, receipt: Receipt) -> list[Entry]:
    """The classes of a file, in order of value; what is passed over gets a note. Raises `DataError` (`classes.*`)."""
    with located(file=path.name):
        text = read_text(path, "classes.text")
        return check_entries(parse_classes(text, path.name, receipt.notes))


def parse_classes(text: str, file: str, notes: list[str]) -> list[Entry]:
    """The classes in the text of a file of this name, as they stand there. Raises `DataError` (`classes.*`)."""
    lines = [Line(number, line.strip()) for number, line in enumerate(text.split("\n"), 1)]
    ending = file.lower().rpartition(".")[2]
    if ending in ("yaml", "yml"):
        return parse_yaml(text)
    if ending == "json" or text.lstrip()[:1] in ("[", "{"):
        return parse_json(text)
    if file.lower() == "labelmap.txt" or is_labelmap(lines):
        return parse_labelmap(lines)
    if re.search(r"^\s*names\s*:\s*($|[#\[{])", text, re.MULTILINE | re.IGNORECASE):
        return parse_yaml(text)
    return parse_lines(lines, file, notes)


def parse_lines(lines: Sequence[Line], file: str, notes: list[str]) -> list[Entry]:
    """Rows under a header, rows without one, or names. Raises `DataError` (`classes.*`)."""
    if comments := sum(line.is_comment for line in lines):
        notes.append(f"{file}: not read: lines that begin with # ({comments})")
    shown = [line for line in lines if line.text and not line.is_comment]
    if not shown:
        return []
    first, is_csv = shown[0], file.lower().endswith(".csv")
    if (form := find_header(first, is_csv)) is not None:
        if unread := [name for name, column in zip(header_of(first)[1], form.columns, strict=True) if not column]:
            notes.append(f"{file}: columns not read: {some(unread)}")
        if "id" not in form.columns:
            refuse_other_ids(form, header_of(first)[1], [line for line in shown if line is not first])
        return parse_rows(form, lines, first.number)
    if (form := find_form(first.text)) is not None:
        return parse_rows(form, lines, 0)
    if (other := next((line for line in shown if find_form(line.text) is not None), None)) is not None:
        what = f"{first.text[:40]!r} is no header row ({FORMS}), and not of the form of {other.at}, {other.text[:40]!r}"
        refuse("csv", what, first.at)
    if is_csv:
        refuse("csv", f"the header row must be {FORMS}, and is {first.text[:80]!r}", first.at)
    return parse_names(lines)


# Rows


def find_header(line: Line, is_csv: bool) -> Form | None:
    """The form that a header row tells; None if the line is none. Raises `DataError` (`classes.csv`) for one that is wrong."""
    separator, header = header_of(line)
    columns = find_columns(header)
    known = {column for column in columns if column}
    if (
        "name" not in known
        or not ("name" in map(plain, header) or known - {"name"})
        or (len(header) == 1 and not is_csv)
    ):
        return None
    twice = len(known) < sum(column != "" for column in columns) or len(set(header)) < len(header)
    if twice or len({"r", "g", "b"} & known) in (1, 2) or {"r", "color"} <= known:
        refuse("csv", f"the header row must be {FORMS}, and is {line.text[:80]!r}", line.at)
    return Form(separator, tuple(columns))


def header_of(line: Line) -> tuple[str, list[str]]:
    """What separates the cells of a first line, and the cells in lower case."""
    separator = next((sign for sign in SEPARATORS if sign in line.text), ",")
    return separator, [cell.lower() for cell in split_cells(line.text, separator)]


def find_form(text: str) -> Form | None:
    """The form of a line of cells without a header row; None for a name."""
    forms = [Form(separator, columns) for separator in SEPARATORS for columns in COLUMNS]
    forms += [Form(None, columns) for columns in COLUMNS if columns[0] != "id"]
    return next((form for form in forms if form.cells(text) is not None), None)


def parse_rows(form: Form, lines: Sequence[Line], header: int) -> list[Entry]:
    """The entries of all lines after the header (0: there is none). Raises `DataError` (`classes.*`)."""
    rows = [line for line in lines if line.number > header and line.text and not line.is_comment]
    rows = rows if "id" in form.columns else ordered(lines, header)
    entries: list[Entry] = []
    for line in rows:
        cells = split_cells(line.text, form.separator) if header and form.separator else form.cells(line.text)
        if cells is None:
            refuse("csv", f"{line.text[:40]!r} is not {','.join(form.columns)}, as {rows[0].at} is", line.at)
        if len(cells) != len(form.columns):
            refuse("csv", f"{line.text[:40]!r} has {len(cells)} cells, the header {len(form.columns)}", line.at)
        row = dict(zip(form.columns, cells, strict=True))
        value = whole(row["id"], line.at) if "id" in row else len(entries)
        entries.append(Entry.of(value, row["name"], color_of(row, line.at), line.at))
    if form.separator is None and form.columns[0] == "name" and all(ends_with_number(entry.name) for entry in entries):
        what = f"{rows[0].text[:40]!r} has more numbers than those of a colour, as all lines have"
        refuse("csv", f"{what}: {WAY_OUT}", rows[0].at)
    return entries


def color_of(row: Mapping[str, str], at: str) -> RGB | None:
    """The colour in a row's cells; None for none. Raises `DataError` (`classes.*`) for what is no colour."""
    if "r" in row:
        return whole(row["r"], at), whole(row["g"], at), whole(row["b"], at)
    if not (text := row.get("color", "")):
        return None
    if (color := parse_color(text)) is None:
        refuse("color", f"{text[:40]!r} is no colour, such as #ff8000 or 255 128 0", at)
    return color


def refuse_other_ids(form: Form, names: Sequence[str], rows: Sequence[Line]) -> None:
    """Raise `DataError` (`classes.csv`) for a column of numbers that may be the values, if no column is called so."""
    table = [split_cells(line.text, form.separator or ",") for line in rows]
    for i, (name, column) in enumerate(zip(names, form.columns, strict=True)):
        numbers = bool(table) and all(len(row) > i and row[i].isascii() and row[i].isdigit() for row in table)
        if numbers and (not column or (column == "name" and "" in form.columns)):
            what = f"column {name!r} holds numbers, perhaps the mask values: call columns id and name as they are meant"
            refuse("csv", f"{what}, and take such a one out if it means nothing", rows[0].at)


def split_cells(text: str, separator: str) -> list[str]:
    """The cells of a line of CSV, stripped; none if its quotes do not close."""
    try:
        cells = next(csv.reader([text], delimiter=separator, skipinitialspace=True, strict=True), [])
    except csv.Error:
        return []
    return [cell.strip() for cell in cells]


def split_at_space(text: str, columns: Sequence[str]) -> list[str]:
    """The cells of a name and a colour apart by white space; none if the name begins with a number, which might be an id."""
    cells = text.split(None, 3) if columns[-1] == "name" else text.rsplit(None, 3)
    name = cells[columns.index("name")] if len(cells) == len(columns) else ""
    return [] if re.search(r"[,;]|^\d+(\s|$)", name, re.ASCII) else [cell.strip('"') for cell in cells]


# Labelmaps


def is_labelmap(lines: Sequence[Line]) -> bool:
    """Whether a comment is that of CVAT, or every class has the four parts of a labelmap, or is `name:r,g,b`."""
    shown = [line for line in lines if line.text and not line.is_comment]
    headed = any(line.is_comment and LABELMAP_HEAD in line.text for line in lines)
    parts = all(line.text.count(":") == 3 for line in shown)
    return headed or (bool(shown) and (parts or all(re.fullmatch(LABELMAP, line.text, re.ASCII) for line in shown)))


def parse_labelmap(lines: Sequence[Line]) -> list[Entry]:
    """Lines `name:r,g,b:parts:actions`; colour, parts and actions may be empty. Raises `DataError` (`classes.labelmap`)."""
    entries: list[Entry] = []
    for line in lines:
        if not line.text or line.is_comment:
            continue
        match = re.fullmatch(LABELMAP, line.text, re.ASCII) or re.fullmatch(r"([^:]+):\s*()()():[^:]*:[^:]*", line.text)
        if match is None or any(int(value) > 255 for value in match.groups()[1:] if value):
            refuse("labelmap", f"{line.text[:80]!r} is not `name:r,g,b:parts:actions`", line.at)
        name, r, g, b = match.groups()
        color = (int(r), int(g), int(b)) if r else None
        entry = Entry.of(len(entries), name.strip(), color, line.at)
        entries.append(replace(entry, name=IGNORE) if color == VOC_VOID else entry)
    return entries


# Class maps


def read_map(path: str | Path) -> dict[str, str]:
    """A class map from a file: a JSON object, or CSV lines `old,new` (`#` starts a comment), with or without that heading.

    Raises `OptionError`.
    """
    try:
        text = places.read_text(path, "utf-8-sig")
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
