"""Tags of samples, in a CSV file of their own: a column per tag, in which a sample has `yes` or nothing.

`segdata evaluate --slice FILE:TAG` takes such a file, and spreadsheets open it. What others write into it stays: other columns,
other ids, and what they changed since it was read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import RLock

from segdata.errors import OptionError
from segdata.files.csv_text import read_table, separator_of
from segdata.files.places import read_text, write_whole
from segdata.terminal.text import FORMULA
from segdata.words import STEERING, some

ID, YES = "id", "yes"

OPTION = "--tags"

LONGEST = 100

Stamp = tuple[int, int] | None


@dataclass(frozen=True)
class Table:
    """A file of tags: its heading, its rows as lists of cells, and what is between cells."""

    heading: Sequence[str] = (ID,)
    rows: Sequence[Sequence[str]] = ()
    separator: str = ","

    @cached_property
    def tags(self) -> dict[str, frozenset[str]]:
        """The ids that have each tag. Columns with other values than `yes` are no tags."""
        found = {}
        for place, name in enumerate(self.heading[1:], 1):
            if name and {row[place] for row in self.rows} <= {"", YES}:
                found[name] = frozenset(_id(row[0]) for row in self.rows if row[place])
        return found

    def changed(self, ids: Iterable[str], tag: str, on: bool) -> Table:
        """The same with a tag given to samples, or taken from them. Raises `OptionError` for a column that is no tag."""
        if tag in self.heading and tag not in self.tags:
            raise OptionError(f"the column {tag} holds other values than {YES}: choose another name for the tag")
        heading = [*self.heading] if tag in self.heading or not on else [*self.heading, tag]
        if tag not in heading:
            return self
        rows = [[*row, *[""] * (len(heading) - len(row))] for row in self.rows]
        places = {_id(row[0]): row for row in rows}
        for id in dict.fromkeys(ids):
            if on and id not in places:
                rows.append([_cell(id), *[""] * (len(heading) - 1)])
                places[id] = rows[-1]
            if id in places:
                places[id][heading.index(tag)] = YES if on else ""
        return Table(heading, rows, self.separator)

    def to_bytes(self) -> bytes:
        """The file."""
        out = io.StringIO()
        csv.writer(out, delimiter=self.separator, lineterminator="\n").writerows([self.heading, *self.rows])
        return out.getvalue().encode()


@dataclass(eq=False)
class Tags:
    """The tags in a file, which need not be there yet. `heard` is called when they are others than before."""

    path: Path
    heard: list[Callable[[], None]] = field(default_factory=list)
    _lock: RLock = field(default_factory=RLock)
    _stamp: Stamp = None
    _table: Table = field(default_factory=Table)

    def read(self) -> Table:
        """What the file holds now. Raises `OptionError` if it is no file of tags."""
        with self._lock:
            stamp = self._now()
            if stamp == self._stamp:
                return self._table
            self._table, self._stamp = (Table() if stamp is None else read_tags(self.path)), stamp
        for heard in self.heard:
            heard()
        return self._table

    def known(self) -> Table:
        """The same; what was read last if the file cannot be read now."""
        with suppress(OptionError, OSError):
            return self.read()
        return self._table

    def change(self, ids: Sequence[str], tag: str, on: bool) -> Table:
        """Give a tag to samples, or take it from them, and write the file. Raises `OptionError`, `OSError`."""
        tag = tag.strip()
        refuse_tag(tag)
        with self._lock:
            before = self.read()
            table = before.changed(ids, tag, on)
            if table is not before:
                write_whole(self.path, table.to_bytes())
        return self.read()

    def _now(self) -> Stamp:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size


def read_tags(path: Path) -> Table:
    """The table in a file. Raises `OptionError` that says why it is none."""
    heading, lines = read_table(str(path), OPTION)
    if not heading:
        return Table()
    if heading[0] != ID:
        raise OptionError(
            f"{OPTION} {path}: its first column is called {heading[0]!r}, must be {ID}: give another file"
        )
    if twice := {name for name in heading if heading.count(name) > 1}:
        raise OptionError(f"{OPTION} {path}: has two columns called {some(sorted(twice), 3)}: rename one of them")
    seen: set[str] = set()
    for number, row in lines:
        if row[0] in seen:
            raise OptionError(f"{OPTION} {path}: line {number} has {row[0]!r} a second time: keep one line per id")
        seen.add(row[0])
    return Table(heading, [row for _, row in lines], separator_of(read_text(path, "utf-8-sig")))


def refuse_tag(tag: str) -> None:
    """Raise `OptionError` for what is no name of a tag."""
    if tag == ID or len(tag) > LONGEST or STEERING.search(tag) or not re.fullmatch(r"\w[^:]*", tag):
        why = f"must begin with a letter, a digit or _, have no colon and at most {LONGEST} characters, and not be {ID}"
        raise OptionError(f"the tag {tag!r}: {why}")


def _cell(id: str) -> str:
    """An id as a cell: with a mark in front if spreadsheets would run it."""
    return f"'{id}" if id.startswith(FORMULA) else id


def _id(cell: str) -> str:
    """The id in a cell."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(FORMULA) else cell
