"""Class files of one name a line: what they may hold, and what is no name although it stands on a line of its own.

A table that is taken for names would shift every class, and nobody would see it. So lines that look like more than a name
are refused; the way out holds for any name: a JSON list, or a table with a header row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from segdata.readers.classes.cells import COLUMN_NAMES, find_columns, plain
from segdata.readers.classes.entries import Entry, in_order, refuse

FORMS = "id,name or name,r,g,b or id,name,r,g,b"
"""What a header row may be; more names of columns are in `cells`."""

HEADINGS = {"classes", "names", "labels", "categories", "category", "classnames", "labelnames", *COLUMN_NAMES["name"]}
"""What heads a column of names, and hardly is a class, as `cells.plain` has it."""

WAY_OUT = f"if it is a table, give it the header row {FORMS}; if these are names, write them as a JSON list"


class Line(NamedTuple):
    """A line of text, stripped, and its number from 1."""

    number: int
    text: str

    @property
    def at(self) -> str:
        """Where it is, for messages."""
        return f"line {self.number}"

    @property
    def is_comment(self) -> bool:
        """Whether it begins with `#`."""
        return self.text.startswith("#")


def parse_names(lines: Sequence[Line]) -> list[Entry]:
    """One name per line. Raises `DataError` (`classes.*`) for lines that are more, or other, than names."""
    names = ordered(lines, 0)
    first = names[0]
    if plain(first.text) in HEADINGS:
        way_out = "take it out if it is a heading; if it is a class, write the names as a JSON list"
        refuse("names", f"{first.text!r} may be a heading or a class: {way_out}", first.at)
    if like_yaml := [line for line in names if re.match(r"[-*]|---", line.text) or re.search(r":$|^\w+:\s", line.text)]:
        way_out = "call the file .yaml if it is YAML; otherwise write the names as a JSON list"
        refuse("names", f"{like_yaml[0].text[:40]!r} looks like YAML: {way_out}", like_yaml[0].at)
    _refuse_numbered(names)
    _refuse_columns(names)
    for line in names:
        if sign := re.search(r"""[:={}\[\]<>|"\t]|^['/;%•·–—]|^\(\d|\s#|#[0-9a-fA-F]{6}\b|[,;]$""", line.text):
            refuse("names", f"{line.text[:40]!r} is hardly a name, as {sign[0].strip()!r} is in it: {WAY_OUT}", line.at)
    return in_order((line.text, line.at) for line in names)


def _refuse_numbered(names: Sequence[Line]) -> None:
    """Refuse lines that begin with a number and more, or all of which but a heading begin with one, or end with one."""
    apart = [line for line in names if re.match(r"\d+\s*[,;:\t=.)|，；：、．）]\s*\S", line.text)]
    begin = [line for line in names if re.match(r"\d+\s+\S", line.text)]
    numbered = apart or (begin if len(begin) >= max(len(names) - 1, min(len(names), 2)) else [])
    numbered = numbered or (list(names) if all(re.match(r"\d+[_-]\S", line.text) for line in names) else [])
    if numbered:
        way_out = f"separate columns by commas, under a header row such as {FORMS}; names as they stand, as a JSON list"
        refuse("csv", f"{numbered[0].text[:40]!r} begins with a number: {way_out}", numbered[0].at)
    rows = names[1:] if len(names) > 1 and _is_header(names[0].text) else names
    if all(ends_with_number(line.text) for line in rows):
        refuse("csv", f"{rows[0].text[:40]!r} ends with a number, as all lines do: {WAY_OUT}", rows[0].at)
    alone = [line for line in names if line.text.isdigit()]
    if alone and len(alone) < len(names):
        refuse("names", f"{alone[0].text[:40]!r} is a number, and other lines are not: {WAY_OUT}", alone[0].at)


def ends_with_number(text: str) -> bool:
    """Whether a name has a number after a space, which may be an id or a colour."""
    return re.search(r"\S[\s,;]+\d*\.?\d+$", text) is not None


def _is_header(text: str) -> bool:
    """Whether a line of several words may be a header row: one of them is what columns are called."""
    words = text.split()
    return len(words) > 1 and any(find_columns(words))


def _refuse_columns(names: Sequence[Line]) -> None:
    """Refuse lines that all have the same number of cells, more than one."""
    for sign in (",", ";"):
        counts = {line.text.count(sign) for line in names}
        if len(counts) == 1 and counts != {0}:
            refuse("csv", f"{names[0].text[:40]!r} has several cells, apart by {sign!r}: {WAY_OUT}", names[0].at)


def ordered(lines: Sequence[Line], start: int) -> list[Line]:
    """The lines after number `start` of which each is the next value: comments before and after them are left out.

    Raises `DataError` (`classes.names`) for an empty line or a comment among them.
    """
    kept = [line for line in lines if line.number > start]
    while kept and (kept[-1].is_comment or not kept[-1].text):
        kept.pop()
    while kept and kept[0].is_comment:
        kept.pop(0)
    for line in kept:
        if not line.text or line.is_comment:
            what = "is a comment" if line.text else "is empty"
            refuse("names", f"{what}: each line names the class of the next mask value", line.at)
    return kept
