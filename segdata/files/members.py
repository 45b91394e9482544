"""Files that lie inside another file: members of a tar shard, which are stored as they are, so that any is a seek away,
base64 texts in JSON, and cells of Parquet.

Instead of a path, a manifest may have `shards/train-000000.tar#1536+48211.jpg`: of that file the 48,211 bytes from byte
1,536 on, which are a JPEG. In `a.json#base64:120+64280.jpg` they are base64 between the quotes of a string, and
`train.parquet#image:12.jpg` is row 12 of the column `image`. Whatever opens files opens these: the first by windows too, the
others from memory.
"""

from __future__ import annotations

import binascii
import errno
import json
import os
import re
import shutil
from contextlib import suppress
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from segdata.errors import writing
from segdata.files.cells import read_cell
from segdata.files.limits import MAX_BYTES, open_regular, read_regular, refuse_bytes

MANY = 2**30
"""Bytes per call, if the file system does the copying."""

SHAPE = re.compile(
    r"(?P<file>.+)((?<=\.tar)#|(?i:(?<=\.json))#(?P<coding>base64):)"
    r"(?P<offset>\d{1,18})\+(?P<length>\d{1,18})(\.\w{1,16})?",
    re.DOTALL,
)

CELL = re.compile(
    r"(?P<file>.+\.parquet)#(?P<column>[^#:/]+):(?P<row>\d{1,18})(\.\w{1,16})?", re.DOTALL | re.IGNORECASE
)

CUT_OFF = "the shard is cut off"

CHANGED = "it has changed since, and the image is elsewhere in it: convert again"


class Member(NamedTuple):
    """`length` bytes of a file from byte `offset` on; with the `coding` base64 these are a part of a string in JSON."""

    file: str
    offset: int
    length: int
    coding: str = ""

    def read(self, most: int | None = None) -> bytes:
        """Its bytes, or the first `most` of them. Raises `OSError` if the file is missing or ends before, or has changed."""
        start, end = self.span(most)
        with open_regular(self.file) as file:
            if not self.coding and self.offset + self.length > os.fstat(file.fileno()).st_size:
                raise OSError(errno.EIO, CUT_OFF, self.file)
            refuse_bytes(end - start, self.file)
            file.seek(start)
            return self.decoded(file.read(end - start), most)

    def span(self, most: int | None = None) -> tuple[int, int]:
        """From where to where the file is read for its first `most` bytes: of a text all, with the byte on either side."""
        if self.coding:
            return max(0, self.offset - 1), self.offset + self.length + 1
        return self.offset, self.offset + (self.length if most is None else min(most, self.length))

    def decoded(self, data: bytes, most: int | None = None) -> bytes:
        """The first `most` bytes that those of `span` stand for. Raises `OSError` if they are cut off or have changed."""
        if not self.coding:
            return data
        if len(data) < self.length + 2 or data[:1] not in b'",' or data[-1:] != b'"':
            raise OSError(errno.EIO, CHANGED, self.file)
        try:
            text = data[1:-1] if b"\\" not in data else json.loads(b'"%b"' % data[1:-1])
            return binascii.a2b_base64(text)[:most]
        except ValueError as error:
            what = f"its base64 is damaged ({error}): save it again, or give the image as a file"
            raise OSError(errno.EIO, what, self.file) from error


class Cell(NamedTuple):
    """What is in a row of a column of a Parquet file."""

    file: str
    column: str
    row: int

    @property
    def coding(self) -> str:
        """Its bytes are compressed."""
        return "parquet"

    def read(self, most: int | None = None) -> bytes:
        """Its bytes, or the first `most` of them. Raises `OSError`, `MissingDependency`."""
        return read_cell(self.file, self.column, self.row)[:most]


def member_path(file: str, offset: int, length: int, name: str, coding: str = "") -> str:
    """The path of a member; of its `name` the extension is kept, by which programs tell formats."""
    return f"{file}#{coding and coding + ':'}{offset}+{length}{_extension(name)}"


def cell_path(file: str, column: str, row: int, name: str) -> str:
    """The path of a cell of a Parquet file; of its `name` the extension is kept."""
    return f"{file}#{quote(column, safe='')}:{row}{_extension(name)}"


def _extension(name: str) -> str:
    extension = os.path.splitext(name)[1].lower()
    return extension if re.fullmatch(r"[.][a-z0-9_]{1,16}", extension) else ""


def member_of(path: str | Path) -> Member | Cell | None:
    """The member that a path names; None if it is the path of a file of its own."""
    if "#" not in (text := str(path)):
        return None
    if (cell := CELL.fullmatch(text)) is not None:
        return Cell(cell["file"], unquote(cell["column"]), int(cell["row"]))
    found = SHAPE.fullmatch(text)
    if found is None:
        return None
    return Member(found["file"], int(found["offset"]), int(found["length"]), found["coding"] or "")


def holder(path: str | Path) -> str:
    """The file on disk that a path leads to: the shard, of a member."""
    member = member_of(path)
    return str(path) if member is None else member.file


def stored_size(path: str | Path) -> int:
    """Bytes of a file or member. Raises `OSError`."""
    member = member_of(path)
    if member is None:
        return os.path.getsize(path)
    return member.length if isinstance(member, Member) and not member.coding else len(member.read())


def open_stored(path: str | Path) -> BufferedReader | BytesIO:
    """A file, or a member in memory, open for reading. Raises `OSError`, also for devices and pipes."""
    member = member_of(path)
    return open_regular(path) if member is None else BytesIO(member.read())


def read_stored_bytes(path: str | Path, most: int | None = None, *, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a file or member, or the first `most` of them. Raises `OSError`, also for more than `limit` bytes."""
    member = member_of(path)
    return read_regular(path, most, limit=limit) if member is None else member.read(most)


def copy_stored(there: str | Path, here: str | Path) -> None:
    """Copy a file, or a member to a file of its own; the file system shares the bytes if it can. Raises `OSError`."""
    with open_stored(there) as old, writing(here), open(here, "wb") as new:
        if isinstance(old, BufferedReader) and hasattr(os, "copy_file_range"):
            with suppress(OSError):  # such as from another file system
                while os.copy_file_range(old.fileno(), new.fileno(), MANY):
                    pass
        shutil.copyfileobj(old, new)  # all, or what is left


def is_encoded(path: str | Path) -> bool:
    """Whether it is a member whose bytes are not in the file as they are: GDAL must have them in memory."""
    return (member := member_of(path)) is not None and bool(member.coding)


def gdal_path(path: str | Path) -> str:
    """What GDAL calls a file or member: a part of a file (its virtual file system /vsisubfile/), which can be read by windows.

    For a part of a file, drivers do not look for files beside it, and do not interpret its name. See `is_encoded`.
    """
    member = member_of(path)
    part = f"{member.offset}_{member.length}" if isinstance(member, Member) else "0"
    return f"/vsisubfile/{part},{os.path.abspath(holder(path))}"
