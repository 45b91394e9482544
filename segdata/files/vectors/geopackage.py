"""What a GeoPackage may hold: tables of its own. It is a database, and some kinds of tables of SQLite read other files."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from segdata.errors import DataError, Problem

OWN = re.compile(r'create\s+virtual\s+table\s+("(?:[^"]|"")*"|\w+)\s+using\s+rtree\w*\s*\(', re.IGNORECASE)
"""How a spatial index is made, the one kind of virtual table here that lies in the database itself."""


def refuse_outside(here: Path, file: str) -> None:
    """Raise `DataError` (`vector.unreadable`) for a database with a table that lies elsewhere, or for none.

    spatialite, which comes with GDAL, reads any text, spreadsheet or shapefile as a table.
    """
    try:
        with closing(sqlite3.connect(f"{here.as_uri()}?mode=ro", uri=True)) as database:
            database.text_factory = lambda data: data.decode(errors="replace")
            query = "SELECT name, sql FROM sqlite_master WHERE sql LIKE 'create%virtual%'"
            tables = [(str(name), str(sql)) for name, sql in database.execute(query)]
    except (sqlite3.Error, UnicodeDecodeError) as error:  # whose message may hold bytes of the file
        why = "its table of contents is damaged" if isinstance(error, UnicodeDecodeError) else error
        raise DataError(Problem("vector.unreadable", f"cannot be read: {why}", file=file)) from error
    for name, sql in tables:
        if OWN.match(sql) is None:
            what = f"its table {name!r} lies in another file: save the features again, as a table of their own"
            raise DataError(Problem("vector.unreadable", what, file=file))
