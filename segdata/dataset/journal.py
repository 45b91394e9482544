"""The journal that lets a stopped job go on, in a folder of this machine or in object storage.

Here it is one file, journal.jsonl, locked while the job runs. Storage cannot append, and has no locks: there it is objects
journal/000000.jsonl ..., one every few seconds, and journal/lock, which its owner renews; one that is not renewed is dead.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from io import BufferedRandom
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import msgspec

from segdata.errors import DataError, DatasetError, StorageError, writing
from segdata.files.places import names_in, place, remove
from segdata.files.remote import Place, Remote

try:
    import fcntl
except ImportError:  # Windows has no flock; there two runs on one destination are the user's care
    fcntl = None  # type: ignore[assignment]

CARD, MANIFEST, RECEIPT, JOURNAL, LOG = "dataset.json", "manifest.jsonl", "receipt.json", "journal.jsonl", "journal"

OWN = (CARD, MANIFEST, RECEIPT, JOURNAL, LOG, "masks", "images", "scores", "vectors", "entropy", "shards", "manifest")
"""Everything that segdata puts in a dataset's folder, and so all that it ever removes there."""

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on what is no record."""

FLUSH = 5.0
"""Seconds of work that a job in storage loses at most when it is killed."""

BEAT = 3.0
"""Seconds between renewals of a lock in storage; one that is as it was for three of them is its owner's no more."""

Entry = TypeVar("Entry")


class Journal(Generic[Entry]):
    """The record of a job under way in a dataset's folder: a header (inputs and options), then one line a finished item.

    A job that finds a journal with its own header goes on after it; one that finds any other is refused. `done` holds
    the entries that were there. The folder is locked while the job runs.
    """

    def __init__(
        self, root: str | Place, header: dict[str, Any], entry: type[Entry], *, overwrite: bool = False
    ) -> None:
        """Claim a folder. Raises `DatasetError` where it holds a dataset, another job's journal, or foreign files."""
        self.root = place(root)
        self._made = not self.root.exists()
        held = set() if self._made else self._held()
        exists = f"{self.root}: exists already: choose another destination, or --overwrite"
        if held and not overwrite and not held & {JOURNAL, LOG}:
            raise DatasetError(exists)
        self.root.mkdir(parents=True, exist_ok=True)
        self._log: Log = Objects(self.root) if isinstance(self.root, Remote) else Lines(self.root)
        line = msgspec.json.encode(header) + b"\n"
        whole = (self.root / MANIFEST).exists()
        self.done: list[Entry] = []
        if not overwrite and self._log.header == line:
            self.done = list(self._log.entries(msgspec.json.Decoder(entry).decode))
        elif not overwrite and whole:
            self._log.close(remove_it=not self._log.header)
            raise DatasetError(exists if self._log.header else f"{self.root}: another run has just finished it")
        elif overwrite or not self._log.header.endswith(b"\n"):
            self._clear(keep=(self._log.name,))
            self._log.begin(line)
        else:
            self._log.close()
            raise DatasetError(
                f"{self.root}: holds an unfinished job of other inputs or options: repeat it, or --overwrite"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """A job that ended well is finished; a bad item (`DataError`) leaves nothing; after anything else it can go on."""
        if isinstance(error, DataError):
            self.discard()
        self.close(finished=error is None)

    def append(self, entry: Entry) -> None:
        """Note that one item is finished. Its files must be written before."""
        self._log.append(msgspec.json.encode(entry) + b"\n")

    def close(self, *, finished: bool) -> None:
        """Let go of the folder; a finished job needs its journal no more."""
        self._log.close(remove_it=finished)

    def discard(self) -> None:
        """Remove all that the job wrote."""
        self._clear(keep=(self._log.name,))
        self._log.close(remove_it=True)
        if self._made and isinstance(self.root, Path):
            with suppress(OSError):
                self.root.rmdir()

    def _held(self) -> set[str]:
        if not self.root.is_dir():
            raise DatasetError(f"{self.root}: is a file, not a folder")
        held = names_in(self.root)
        foreign = [name for name in sorted(held) if name.removesuffix(".partial") not in OWN]
        if foreign:
            raise DatasetError(
                f"{self.root}: holds files that are not segdata's ({foreign[0]}): choose an empty folder"
            )
        return held

    def _clear(self, keep: Iterable[str] = ()) -> None:
        """Remove segdata's own files, the manifest first, so that nothing looks whole meanwhile."""
        there = names_in(self.root)
        for name in (MANIFEST, *OWN):
            for one in (name, f"{name}.partial"):
                if one in there and one not in keep:
                    remove(self.root / one)


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

    def close(self, *, remove_it: bool = False) -> None:
        """Let go of the folder; a second time nothing happens."""


def locked(path: Path) -> BufferedRandom:
    """Open a file for reading and appending that one run alone may hold. Raises `DatasetError` where another one does."""
    file = open(path, "a+b")  # noqa: SIM115 - open as long as the job runs
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.path.samestat(os.fstat(file.fileno()), os.stat(path))
        except (BlockingIOError, FileNotFoundError):
            held = False  # the latter: it ended, and removed the file, since this one opened it
        if not held:
            file.close()
            raise DatasetError(f"{path.parent}: another run is writing there; wait for it to end")
    file.seek(0)
    return file


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

    def close(self, *, remove_it: bool = False) -> None:
        """See `Log`."""
        if remove_it and not self._file.closed:
            self._path.unlink(missing_ok=True)
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


class Lock:
    """An object that its owner renews every few seconds, so that others can tell whether it still runs."""

    def __init__(self, root: Remote, path: Remote) -> None:
        """Take it. Raises `DatasetError` where another run renews it."""
        self.path, self.lost, self.ended = path, False, False
        self._owner, self._stop = uuid.uuid4().hex, threading.Event()
        try:
            self._take()
        except FileExistsError as error:
            if self._is_renewed():
                raise DatasetError(f"{root}: another run is writing there; wait for it to end") from error
            path.unlink(missing_ok=True)
            try:
                self._take()
            except FileExistsError as late:
                raise DatasetError(f"{root}: another run was faster; wait for it to end") from late
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Renew it no more."""
        self.ended = True
        self._stop.set()
        self._thread.join()

    def _take(self) -> None:
        try:
            self.path.create(self._owner.encode())
        except FileExistsError:  # a first try may have succeeded without an answer
            if self._read() != self._owner.encode():
                raise

    def _is_renewed(self) -> bool:
        before, deadline = self._read(), time.monotonic() + 3 * BEAT
        while time.monotonic() < deadline:
            time.sleep(BEAT / 2)
            now = self._read()
            if now == b"":
                return False
            if now != before:
                return True
        return False

    def _renew(self) -> None:
        beat = 0
        while not self._stop.wait(BEAT):
            with suppress(StorageError):  # storage that is away now may be back before anybody waits for so long
                if not self._read().startswith(self._owner.encode()):
                    self.lost = True
                    return
                beat += 1
                self.path.write_bytes(f"{self._owner} {beat}".encode())

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
