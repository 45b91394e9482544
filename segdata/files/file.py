"""One file of pixels, opened once: all that is asked of it is answered from one handle."""

from __future__ import annotations

import hashlib
import os
import struct
from functools import cached_property
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Literal

from segdata.errors import DataError, Problem, raise_exhausted
from segdata.files.forms import Form, form_of
from segdata.files.limits import MAX_BYTES, too_long
from segdata.files.members import member_of, open_stored
from segdata.files.places import file_digest, is_stored, only_gdal_opens
from segdata.files.remote import Place, Remote, is_remote

WHOLE = 2**26
"""PNGs, JPEGs and other files without random access are decoded at once up to this many pixels: 67 million, 200 MB as RGB."""

AHEAD = 2**26
"""Files without random access are read at once up to this many bytes."""

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

JPEG2000 = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")

PNG, JPEG = b"\x89PNG\r\n", b"\xff\xd8\xff"

FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""JPEG's markers of a frame's header, which has the size."""

HEAD = 26
"""Bytes that tell formats apart; of a PNG they hold its size, depth and kind."""

BY_WINDOWS = (".tif", ".tiff", ".jp2", ".j2k", ".jpx")
"""In object storage the name decides what is read by windows: to ask for the first bytes takes as long as a window."""

Access = Literal["windows", "rows", "whole"]
"""How a file is read: by `windows` (TIFF, JPEG 2000, what GDAL alone reaches), by `rows` (large PNGs and JPEGs), or `whole`."""


Stream = BufferedReader | BytesIO


class File:
    """A file, a member of a shard or an object of storage, that holds an image or a mask. Made by `open_file`.

    Use it as a context, also within its own: nothing is opened before it is needed, and it is closed at the end of the first
    one. `kind` ("image", "mask" ...) begins the codes of problems. Properties raise `DataError` (`<kind>.missing`) and
    `StorageError`.
    """

    def __init__(self, path: str | Place, kind: str) -> None:
        self.path, self.kind = path, kind
        self._contexts = 0
        self._handle: Stream | None = None

    def __str__(self) -> str:
        return str(self.path)

    def __enter__(self) -> File:
        self._contexts += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._contexts -= 1
        if not self._contexts and self._handle is not None:
            self._handle.close()
            self._handle = None

    @property
    def handle(self) -> Stream:
        """The file open for reading, anywhere in it."""
        if self._handle is None:
            try:
                self._handle = _open(self.path)
            except (OSError, ValueError) as error:
                raise self._missing(error) from error
        return self._handle

    @cached_property
    def head(self) -> bytes:
        """The first bytes."""
        return self.start(HEAD)

    @cached_property
    def form(self) -> Form:
        """Which of those it is that are opened each in its own way."""
        if is_remote(self.path) or member_of(str(self.path)) is not None:
            return "usual"
        return form_of(str(self.path), lambda: self.head)

    @cached_property
    def data(self) -> bytes:
        """All bytes, read once. Raises `DataError` (`<kind>.too_large`) for more than may be in memory at once."""
        self._refuse_giant()
        return self.start(-1)

    @cached_property
    def access(self) -> Access:
        """How it is read."""
        if only_gdal_opens(self.path) or self.form != "usual":
            return "windows"
        if is_stored(self.path) and Remote.of(self.path).suffix.lower() in BY_WINDOWS:
            return "windows"
        if self.head.startswith((*TIFF, *JPEG2000)):
            return "windows"
        self._refuse_giant()
        height, width = self._size
        return "rows" if height * width > WHOLE else "whole"

    @property
    def stream(self) -> Stream:
        """All of it from its start: from memory if it is decoded whole and is no giant, otherwise from the file."""
        if "data" not in self.__dict__ and (self.access != "whole" or self.handle.seek(0, 2) > AHEAD):
            self.handle.seek(0)
            return self.handle
        return BytesIO(self.data)

    @property
    def sha256(self) -> str:
        """SHA-256 of its bytes."""
        if "data" in self.__dict__:
            return hashlib.sha256(self.data).hexdigest()
        if is_stored(self.path):
            return file_digest(self.path)
        if self.form == "Zarr":
            return _folder_digest(Path(str(self.path)))
        self.handle.seek(0)
        return hashlib.file_digest(self.handle, "sha256").hexdigest()

    def start(self, size: int) -> bytes:
        """The first `size` bytes."""
        handle = self.handle
        try:
            handle.seek(0)
            return handle.read(size)
        except (OSError, ValueError) as error:
            raise self._missing(error) from error

    def problem(self, what: str, message: str) -> DataError:
        """The error `<kind>.<what>` of this file."""
        return DataError(Problem(f"{self.kind}.{what}", message, file=str(self)))

    def _refuse_giant(self) -> None:
        if (size := self.handle.seek(0, 2)) > MAX_BYTES:
            raise self.problem("too_large", too_long(size))

    def _missing(self, error: OSError | ValueError) -> DataError:
        """Why it cannot be read. Raises `OSError` if that is no fault of the file."""
        raise_exhausted(error, self)
        if isinstance(error, FileNotFoundError):
            if os.path.islink(str(self)):
                return self.problem("missing", f"is a link to {os.readlink(str(self))}, which is not there")
            return self.problem("missing", "there is no such file")
        if isinstance(error, IsADirectoryError):
            return self.problem("missing", "is a folder and no file" + (", by a link" * os.path.islink(str(self))))
        return self.problem("missing", f"cannot be read: {getattr(error, 'strerror', None) or error}")

    @property
    def _size(self) -> tuple[int, int]:
        """(height, width) of a PNG or JPEG by its header; (1, 1) of any other."""
        if self.head.startswith(PNG):
            height, width = struct.unpack(">II", self.head[16:24].rjust(8, b"\0"))
            return height, width
        return _jpeg_size(self.handle) if self.head.startswith(JPEG) else (1, 1)


class InMemory(File):
    """An image of which there are only its bytes, such as one that came over a network. Nothing beside it is looked for.

    What lies in files of several parts, or in several images by name, is none of the formats that it may be.
    """

    def __init__(self, data: bytes, name: str = "image") -> None:
        super().__init__(Path(name), "image")
        self.__dict__["data"] = data
        self.__dict__["form"] = "usual"
        self._name = name

    def __str__(self) -> str:
        return f"memory://{self._name}"  # a URL has no files beside it

    @property
    def handle(self) -> Stream:
        """Its bytes open for reading."""
        if self._handle is None:
            self._handle = BytesIO(self.data)
        return self._handle


def open_file(path: str | Place | File, kind: str = "image") -> File:
    """A file of pixels, to be used as a context; one that is open already stays so."""
    return path if isinstance(path, File) else File(path, kind)


def access_to(path: str | Place | File, kind: str = "image") -> Access:
    """How a file is read. Raises `DataError` (`<kind>.missing`), `StorageError`."""
    with open_file(path, kind) as file:
        return file.access


def _open(path: str | Place) -> Stream:
    """What reads a file: parts of an object that is read by windows, all of another, or a file of this machine."""
    if not is_stored(path):
        return open_stored(str(path))
    there = Remote.of(path)
    return there.open() if there.suffix.lower() in BY_WINDOWS else BytesIO(there.read_bytes())  # type: ignore[return-value]


def _folder_digest(folder: Path) -> str:
    """SHA-256 of the names and contents of all files below a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {file_digest(path)}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _jpeg_size(file: Stream) -> tuple[int, int]:
    """(height, width) by a JPEG's first frame header; (0, 0) of a damaged file. (ITU-T T.81, annex B.)"""
    file.seek(2)
    while len(mark := file.read(4)) == 4 and mark[0] == 0xFF:
        if mark[1] in FRAMES:
            size = file.read(5)
            return struct.unpack(">HH", size[1:]) if len(size) == 5 else (0, 0)
        if mark[1] == 0xFF:  # a byte to fill up with
            file.seek(-3, 1)
        else:
            file.seek(int.from_bytes(mark[2:]) - 2, 1)
    return 0, 0
