"""Who may write to a folder: one run at a time, by a locked file of this machine or by an object in storage that is renewed.

An object that is not renewed is its owner's no more.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from contextlib import suppress
from io import BufferedRandom
from pathlib import Path

from segdata.errors import DatasetError, StorageError
from segdata.files.remote import Remote

try:
    import fcntl
except ImportError:  # Windows has no flock; there two runs on one destination are the user's care
    fcntl = None  # type: ignore[assignment]

BEAT = 3.0
"""Seconds between renewals of a lock in storage; one that is as it was for three of them is its owner's no more."""


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
