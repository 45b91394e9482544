"""The lines of a journal: a file of this machine, or objects of storage, which cannot be appended to."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

from segdata.dataset.layout import JOURNAL, LOG, UNDECODABLE
from segdata.dataset.locks import Lock, locked
from segdata.errors import DatasetError, writing
from segdata.files.places import names_in, remove
from segdata.files.remote import Place, Remote

FLUSH = 5.0
"""Seconds of work that a job in storage loses at most when it is killed."""

Entry = TypeVar("Entry")


class Log(Protocol):
    """Lines that are kept while a job runs; whoever has it open has the folder to itself."""

    name: str
    """What it is called in the folder."""
    header: bytes
    """The first line that was there, or nothing."""

    def begin(self, line: bytes) -> None:
        """Forget all lines, and begin with this one."""

    def entries(self, decode: Callable[[bytes], Entry]) -> Iterator[Entry]:
        """What was there behind the first line, as far as it is whole."""

    def append(self, line: bytes) -> None:
        """Keep one more."""

    def flush(self) -> None:
        """Have all lines on their way to the disk, or in storage."""

    def follow(self, root: Place) -> None:
        """Its folder has another name now."""

    def close(self, *, remove_it: bool = False) -> None:
        """Let go of the folder; a second time nothing happens."""


def open_log(root: Place) -> Log:
    """The log of a folder, and the folder to oneself. Raises `DatasetError` if another run has it."""
    return Objects(root) if isinstance(root, Remote) else Lines(root)


class Lines:
    """A log as a file of this machine."""

    name = JOURNAL

    def __init__(self, root: Path) -> None:
        """Raises `DatasetError` where another process has it open."""
        self._path = root / JOURNAL
        self._file = locked(self._path)
        self.header = self._file.readline()

    def begin(self, line: bytes) -> None:
        """See `Log`."""
        try:
            with writing(self._path):
                self._file.truncate(0)
                self._file.write(line)
                self._file.flush()
                os.fsync(self._file.fileno())  # it says whose the folder is: before anything else is in it
        except OSError:
            with suppress(OSError):  # what could not be written is written once more
                self.close(remove_it=True)
            raise

    def entries(self, decode: Callable[[bytes], Entry]) -> Iterator[Entry]:
        """See `Log`. A line that was cut off, and all behind it, is cut from the file."""
        good = len(self.header)
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            try:
                entry = decode(line)
            except UNDECODABLE:
                break
            good += len(line)
            yield entry
        self._file.truncate(good)

    def append(self, line: bytes) -> None:
        """See `Log`."""
        with writing(self._path):
            self._file.write(line)

    def flush(self) -> None:
        """See `Log`."""
        with writing(self._path):
            self._file.flush()

    def follow(self, root: Place) -> None:
        """See `Log`."""
        self._path = Path(str(root), JOURNAL)

    def close(self, *, remove_it: bool = False) -> None:
        """See `Log`."""
        try:
            if remove_it and not self._file.closed:
                self._path.unlink(missing_ok=True)
        finally:
            with writing(self._path):
                self._file.close()  # which also lets go of the lock


class Objects:
    """A log as objects of storage, and a lock that is renewed by a thread."""

    name = LOG

    def __init__(self, root: Remote) -> None:
        """Raises `DatasetError` where another run has it open, which takes a few seconds to tell from one that died."""
        self._root, self._folder = root, root / LOG
        self._lock = Lock(root, self._folder / "lock")
        self._names = sorted(name for name in names_in(self._folder) if name.endswith(".jsonl"))
        self._pending: list[bytes] = []
        self._flushed = time.monotonic()
        self.header = b"" if not self._names else self._part(0).partition(b"\n")[0] + b"\n"

    def begin(self, line: bytes) -> None:
        """See `Log`."""
        for name in reversed(self._names):
            (self._folder / name).unlink(missing_ok=True)
        self._names = []
        self._pending = [line]
        self._flush()

    def entries(self, decode: Callable[[bytes], Entry]) -> Iterator[Entry]:
        """See `Log`."""
        for number in range(1, len(self._names)):
            yield from (decode(line) for line in self._part(number).splitlines())

    def append(self, line: bytes) -> None:
        """See `Log`. Raises `DatasetError` where another run has taken the folder."""
        self._pending.append(line)
        if time.monotonic() - self._flushed > FLUSH:
            self._flush()

    def flush(self) -> None:
        """See `Log`."""
        self._flush()

    def follow(self, root: Place) -> None:
        """See `Log`."""
        raise DatasetError(f"{root}: object storage cannot rename a folder")

    def close(self, *, remove_it: bool = False) -> None:
        """See `Log`."""
        if self._lock.ended:
            return
        try:
            if not remove_it:
                self._flush()
        finally:
            self._lock.stop()
            if remove_it:
                remove(self._folder)
            else:
                self._lock.path.unlink(missing_ok=True)

    def _part(self, number: int) -> bytes:
        return (self._folder / self._names[number]).read_bytes()

    def _flush(self) -> None:
        if self._lock.lost:
            raise DatasetError(f"{self._root}: another run has taken it over while this one was away; let that one end")
        if self._pending:
            last = int(self._names[-1].partition(".")[0]) + 1 if self._names else 0
            self._names.append(f"{last:06d}.jsonl")
            (self._folder / self._names[-1]).write_bytes(b"".join(self._pending))
            self._pending = []
        self._flushed = time.monotonic()
