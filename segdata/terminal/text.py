"""Values as text for a terminal. Everything returns text or lines; nothing prints."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from segdata.words import shown

if TYPE_CHECKING:
    from segdata.dataset.dataset import Dataset


def table(rows: Sequence[Sequence[object]], right: str = "") -> list[str]:
    """Rows of cells as aligned lines, the first row a heading; `right` has an `r` for each column to align right."""
    cells = [[shown(str(c)) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]

    def line(row: list[str]) -> str:
        sides = right.ljust(len(row))
        parts = [c.rjust(w) if side == "r" else c.ljust(w) for c, w, side in zip(row, widths, sides, strict=True)]
        return "  ".join(parts).rstrip()

    return [line(cells[0]), "  ".join("-" * w for w in widths), *map(line, cells[1:])]


def dataset_line(made: Dataset, destination: str, what: str = "masks") -> str:
    """The line with which a command that makes a dataset ends."""
    classes = len(made.labels.classes)
    return f"dataset:     {destination}: {len(made):,} {what}, {classes} classes (segdata info {destination})"


SCHEMA = 1
"""The version of what commands print as JSON, `schema` in each object: see docs/json.md. A new key does not raise it; one that
goes away, or means something else, does."""


def json_text(values: Mapping[str, Any]) -> str:
    """One JSON object with its `schema`, a line per key: lists stay short enough to read."""
    known = {"schema": SCHEMA, **values}
    lines = [f"{json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in known.items()]
    return "{" + ",\n ".join(lines) + "}"


def json_lines(values: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[str]:
    """One JSON object, or a list of objects, each with its `schema`; a line per value."""
    if isinstance(values, Mapping):
        return json.dumps({"schema": SCHEMA, **values}, indent=2).splitlines()
    return json.dumps([{"schema": SCHEMA, **one} for one in values], indent=1).splitlines()


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that spreadsheets would run."""


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV. A text that a spreadsheet would run as a formula gets a `'` in front, which marks it as text."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(map(_cell, row) for row in rows)
    return out.getvalue().rstrip("\n")


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    return f"'{shown(value)}" if value.startswith(FORMULA) else shown(value)
