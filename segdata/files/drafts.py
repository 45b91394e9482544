"""Files that are written in any order, or by other programs, and are whole or absent: in folders and in object storage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import BinaryIO

from segdata.errors import writing
from segdata.files.durable import replacing
from segdata.files.places import beside_of, place
from segdata.files.remote import Place, Remote


class Draft:
    """A file that is written in any order, and has its name only once `close` is called; `discard` leaves nothing.

    As a context it is closed in the end, and discarded if something goes wrong. It is not flushed: a job
    flushes all its files together.
    """

    beside: Path
    """Where it is until then."""

    def __init__(self, path: str | Place) -> None:
        self.path = place(path)
        self._folder: TemporaryDirectory[str] | None = None
        if isinstance(self.path, Remote):
            self._folder = TemporaryDirectory(prefix="segdata-")
            self.beside = Path(self._folder.name, self.path.name)
        else:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.beside = beside_of(self.path)
        with writing(self.path, self.beside):
            self.file: BinaryIO = open(self.beside, "w+b")  # noqa: SIM115 - closed by close or discard

    def close(self) -> None:
        """Give the file its name. Raises `OSError`, `StorageError`."""
        try:
            with writing(self.path, self.beside):
                self.file.close()
                if isinstance(self.path, Remote):
                    self.path.upload(self.beside)
                else:
                    os.replace(self.beside, self.path)
        finally:
            self._clean()

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(OSError):  # a full disk's, whose first one is on its way
            self.file.close()
        self._clean()

    def __enter__(self) -> Draft:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.file.closed:
            self.close() if kind is None else self.discard()

    def _clean(self) -> None:
        if self._folder is None:
            self.beside.unlink(missing_ok=True)
        else:
            self._folder.cleanup()


@contextmanager
def local_draft(path: str | Place) -> Iterator[Path]:
    """A path of this machine to write at, for what writes files by itself; in the end the file gets its name, or is put in
    storage. If something goes wrong, nothing is left. It is whole or absent, after a power cut too."""
    there = place(path)
    if isinstance(there, Path):
        here = there.with_name(f"{there.stem}.partial{there.suffix}")
        with replacing(there, here):
            yield here
        return
    with TemporaryDirectory(prefix="segdata-") as folder:
        here = Path(folder, there.name)
        with writing(there, here):
            yield here
        there.upload(here)
