"""Small images, tiles and pyramids that were made once: kept in the user's own cache, the oldest go first.

An entry is a file of bytes, or a folder that its maker fills. What cannot be written to disk is kept in memory, a little of it.
Keys name what an entry was made of, with `file_key` for the files, so that changed files make new entries.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from time import time, time_ns
from typing import Any

from segdata.caches import user_folder
from segdata.files.members import holder
from segdata.files.remote import is_remote
from segdata.version import __version__

MOST = 5 * 2**30
"""Bytes on disk."""

IN_MEMORY = 2**26
"""Bytes in memory, if nothing can be written."""

FRESH = 600
"""Seconds in which a folder that was used is not removed: another process may be filling it."""

SEEN = 3600
"""Seconds after which a file that is read again is marked as used."""

OPENED = time_ns()


def cached(key: tuple[Any, ...], make: Callable[[], bytes]) -> bytes:
    """The bytes of a key; `make` gives them if there are none. Raises what `make` raises."""
    return _own().data(key, make)


def folder(key: tuple[Any, ...]) -> Path | None:
    """The folder of a key, which is there and empty at first; None if nothing can be written.

    What is in it must get its name when it is whole (`os.replace`): other processes look into it too.
    """
    return _own().folder(key)


def file_key(path: str) -> tuple[Any, ...]:
    """What becomes another key when a file changes: path, bytes and time. Of a URL the key holds for this process alone."""
    if is_remote(path):
        return path, OPENED
    try:
        found = os.stat(holder(path))
    except OSError:
        return path, None
    return os.path.abspath(path), found.st_size, found.st_mtime_ns


@cache
def _own() -> Cache:
    return Cache(user_folder("view"))


class Cache:
    """What is kept below a folder (None: in memory), of at most so many bytes. Threads and processes share it."""

    def __init__(self, root: Path | None, most: int = MOST, in_memory: int = IN_MEMORY) -> None:
        self.root, self.most, self.in_memory = root, most, in_memory
        self._lock = threading.Lock()
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0
        self._since = most  # the first entry that is written has all be looked at
        self._used: set[Path] = set()

    def data(self, key: tuple[Any, ...], make: Callable[[], bytes]) -> bytes:
        """As `cached`."""
        name = digest(key)
        found = self._read(name)
        if found is None:
            found = make()
            self._write(name, found)
        return found

    def folder(self, key: tuple[Any, ...]) -> Path | None:
        """As the function `folder`."""
        if self.root is None:
            return None
        path = self.root / "folders" / digest(key)
        try:
            path.mkdir(0o700, parents=True, exist_ok=True)
            os.utime(path)
        except OSError:
            return None
        self._used.add(path)
        self._grown(self.most // 64)
        return path

    def trim(self) -> None:
        """Remove what was not used for longest, until nine tenths of `most` are left."""
        entries = sorted(self._entries())
        size = sum(length for _, length, _ in entries)
        for used, length, path in entries if size > self.most else ():
            if size <= self.most * 0.9:
                return
            if path.is_dir():
                if path in self._used or time() - used < FRESH:
                    continue
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()
            size -= length

    def _entries(self) -> Iterator[tuple[float, int, Path]]:
        """When it was used last, its bytes, and where it is."""
        for base in self.root.glob("*/") if self.root else ():
            for path in base.iterdir():
                with suppress(OSError):  # removed by another process
                    found = path.stat()
                    yield found.st_mtime, _bytes_below(path) if path.is_dir() else found.st_size, path

    def _path(self, name: str) -> Path | None:
        return None if self.root is None else self.root / name[:2] / name

    def _read(self, name: str) -> bytes | None:
        """The bytes of an entry that is there and whole."""
        with self._lock:
            if name in self._held:
                self._held.move_to_end(name)
                return self._held[name]
        if (path := self._path(name)) is None:
            return None
        try:
            data = path.read_bytes()
            if time() - path.stat().st_mtime > SEEN:
                os.utime(path)
        except OSError:
            return None
        return data[4:] if data[:4] == _check(data[4:]) else None

    def _write(self, name: str, data: bytes) -> None:
        """Keep an entry: it is whole or absent."""
        path = self._path(name)
        if path is None or not _written(path, data):
            return self._hold(name, data)
        self._grown(len(data))

    def _hold(self, name: str, data: bytes) -> None:
        with self._lock:
            self._size += len(data) - len(self._held.get(name, b""))
            self._held[name] = data
            while self._size > self.in_memory:
                self._size -= len(self._held.popitem(last=False)[1])

    def _grown(self, by: int) -> None:
        """Trim beside the work, each time a twentieth of what may be there was written."""
        with self._lock:
            self._since += by
            if self._since < self.most // 20:
                return
            self._since = 0
        threading.Thread(target=self.trim, name="segdata-view-cache", daemon=True).start()


def digest(key: tuple[Any, ...]) -> str:
    """The name of an entry. Another version of segdata makes its own."""
    return hashlib.sha256(repr((__version__, key)).encode(errors="surrogateescape")).hexdigest()


def _check(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4)


def _written(path: Path, data: bytes) -> bool:
    beside = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        beside.write_bytes(_check(data) + data)
        os.replace(beside, path)
    except OSError:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        return False
    return True


def _bytes_below(folder: Path) -> int:
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(base, name)).st_size
    return total
