"""The lines of a journal: a file of this machine, or objects of storage, which cannot be appended to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Protocol, TypeVar

from segdata.dataset.layout import JOURNAL, LOG, UNDECODABLE
from segdata.dataset.locks import Lock, locked, unlock
from segdata.errors import writing
from segdata.files.durable import sync_file, sync_folder, sync_tree
from segdata.files.places import names_in
from segdata.files.remote import Place, Remote

FLUSH = 5.0
"""Seconds of work that a job in storage loses at most when it is killed."""

SYNC, SHARE = 1.0, 0.05
"""Seconds of work that a job of this machine loses when it is killed; more if flushing would take a larger share of the time."""

Entry = TypeVar("Entry")


class Log(Protocol):
    """Lines that are kept while a job runs; whoever has it open has the folder to itself."""

    name: str
    """What it is called in the folder."""
    header: bytes
    """The first line that was there, or nothing."""
    root: Place
    """The folder, as the job must write to it."""

    def begin(self, line: bytes) -> None:
        """Forget all lines, and begin with this one."""

    def entries(self, decode: Callable[[bytes], Entry]) -> Iterator[Entry]:
        """The entries after the first line, as far as they are whole."""

    def append(self, line: bytes) -> None:
        """Keep one more line; it may be written a little later."""

    def flush(self) -> None:
        """Write all lines that are not written yet."""

    def close(self, *, remove_it: bool = False) -> None:
        """Let go of the folder; a second call does nothing."""


def open_log(root: Place) -> Log:
    """Open the log of a folder, and lock the folder. Raises `DatasetError` if another run has it."""
    return Objects(root) if isinstance(root, Remote) else Lines(root)


class Lines:
    """A log as a file of this machine. A line is written only when the files that it names are on disk."""

    name = JOURNAL

    def __init__(self, root: Path) -> None:
        """Raises `DatasetError` if another process has it open."""
        self.root: Place = root
        self._path = root / JOURNAL
        self._file = locked(self._path)
        self._pending: list[bytes] = []
        self._due = time.monotonic() + SYNC
        self.header = self._file.readline()

    def begin(self, line: bytes) -> None:
        """See `Log`."""
        try:
            with writing(self._path):
                self._file.truncate(0)
                self._file.write(line)
                self._file.flush()
                sync_file(self._path)
                sync_folder(self._path.parent)
        except OSError:
            with suppress(OSError):  # closing writes again what could not be written
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
        self._pending.append(line)
        if time.monotonic() > self._due:
            self.flush()

    def flush(self) -> None:
        """See `Log`. If files could not be flushed, their lines are dropped: the items are made again."""
        lines, self._pending = self._pending, []
        if lines:
            begun = time.monotonic()
            sync_tree(self._path.parent)
            with writing(self._path):
                self._file.write(b"".join(lines))
                self._file.flush()
            now = time.monotonic()
            self._due = now + max(SYNC, (now - begun) / SHARE)

    def follow(self, root: Place) -> None:
        """Note that the folder has another name now."""
        self.root, self._path = root, Path(str(root), JOURNAL)

    def close(self, *, remove_it: bool = False) -> None:
        """See `Log`."""
        if self._file.closed:
            return
        with ExitStack() as stack:
            stack.enter_context(writing(self._path))
            stack.callback(self._file.close)  # which also lets go of the lock
            if remove_it:
                unlock(self._file, self._path)
            else:
                self.flush()


class Objects:
    """A log as objects of storage, and a lock that is renewed by a thread. `root` is the folder behind the lock's fence: the
    job must write through it, and a write raises `DatasetError` if another run has taken over."""

    name = LOG

    def __init__(self, root: Remote) -> None:
        """Raises `DatasetError` if another run has it open; to tell that from a run that died takes a few seconds."""
        self._lock = Lock(root, root / LOG / "lock")
        self.root: Place = self._lock.root
        self._folder = self._lock.root / LOG
        self._pending: list[bytes] = []
        self._flushed = time.monotonic()
        with ExitStack() as stack:
            stack.callback(self._lock.stop)  # so that another run can take it in a few seconds
            self._names = sorted(name for name in names_in(self._folder) if name.endswith(".jsonl"))
            self.header = b"" if not self._names else self._part(0).partition(b"\n")[0] + b"\n"
            stack.pop_all()

    def begin(self, line: bytes) -> None:
        """See `Log`."""
        self._remove()
        self._pending = [line]
        self.flush()

    def entries(self, decode: Callable[[bytes], Entry]) -> Iterator[Entry]:
        """See `Log`."""
        for number in range(1, len(self._names)):
            yield from (decode(line) for line in self._part(number).splitlines())

    def append(self, line: bytes) -> None:
        """See `Log`. Raises `DatasetError` if another run has taken the folder."""
        self._pending.append(line)
        if time.monotonic() - self._flushed > FLUSH:
            self.flush()

    def flush(self) -> None:
        """See `Log`. Raises as `append`."""
        if self._pending:
            last = int(self._names[-1].partition(".")[0]) + 1 if self._names else 0
            (self._folder / f"{last:06d}.jsonl").write_bytes(b"".join(self._pending))
            self._names.append(f"{last:06d}.jsonl")
            self._pending = []
        self._flushed = time.monotonic()

    def close(self, *, remove_it: bool = False) -> None:
        """See `Log`."""
        if self._lock.ended:
            return
        try:
            self._remove() if remove_it else self.flush()
        finally:
            self._lock.release()

    def _remove(self) -> None:
        """Remove the objects, the first one last: as long as it is there, it says whose job this is."""
        for names in self._names[1:], self._names[:1]:
            self._folder.remove_all((self._folder / name).path for name in names)
        self._names = []

    def _part(self, number: int) -> bytes:
        return (self._folder / self._names[number]).read_bytes()
