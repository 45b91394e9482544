"""Small tables as CSV, of which the first line is the heading."""

from __future__ import annotations

import csv
import io

from segdata.errors import OptionError
from segdata.files.places import read_text

Lines = list[tuple[int, list[str]]]
"""The number of each line in the file, from 1, and its cells."""


def separator_of(text: str) -> str:
    """What is between cells: a comma, a semicolon or a tab."""
    return max(",;\t", key=next(filter(str.strip, text.splitlines()), "").count)


def read_table(path: str, option: str) -> tuple[list[str], Lines]:
    """The heading, and the lines below it, without empty ones; between cells are commas, semicolons or tabs.

    Cells are stripped. `option` is what named the file, for messages. Raises `OptionError`.
    """
    try:
        text = read_text(path, "utf-8-sig")
        reader = csv.reader(io.StringIO(text), delimiter=separator_of(text), skipinitialspace=True)
        table = [(reader.line_num, cells) for row in reader if any(cells := [cell.strip() for cell in row])]
    except OSError as error:
        raise OptionError(f"{option} {path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{option} {path}: is not text in UTF-8: save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise OptionError(f"{option} {path}: is not CSV: {error}") from error
    heading = table[0][1] if table else []
    for line, cells in table[1:]:
        if len(cells) != len(heading):
            raise OptionError(f"{option} {path}: line {line} has {len(cells)} cells, the heading {len(heading)}")
    return heading, table[1:]
