"""Who may write to a folder: one run at a time, by a locked file of this machine or by an object in storage that is renewed.

If an object is not renewed, its owner has lost it.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from contextlib import ExitStack, suppress
from io import BufferedRandom
from pathlib import Path

from segdata.errors import DatasetError, StorageError
from segdata.files.fence import fence_of, now
from segdata.files.remote import Remote

BEAT = 3.0
"""Seconds between renewals of a lock in storage; one that did not change for three of them counts as abandoned."""


def locked(path: Path) -> BufferedRandom:
    """Open a file for reading and appending that only one run may hold.

    Raises `DatasetError` if another one does, and for a link, which may lead to anybody's file.
    """
    if path.is_symlink():
        raise DatasetError(f"{path}: is a link, which segdata never makes there: remove it")
    from filelock import lock_descriptor

    file = open(path, "a+b")  # noqa: SIM115 - open as long as the job runs
    try:
        held = lock_descriptor(file.fileno(), blocking=False) and os.path.samestat(
            os.fstat(file.fileno()), os.stat(path)
        )
    except FileNotFoundError:  # it ended, and removed the file, since this one opened it
        held = False
    if not held:
        file.close()
        raise DatasetError(f"{path.parent}: another run is writing there; wait for it to end")
    file.seek(0)
    return file


def unlock(file: BufferedRandom, path: Path) -> None:
    """Let go of what `locked` opened, and remove it: before it is closed, so that no other run gets it in between.

    Windows removes no open file; there it is closed first.
    """
    with ExitStack() as stack:
        stack.callback(file.close)
        try:
            path.unlink(missing_ok=True)
        except PermissionError:
            file.close()
            path.unlink(missing_ok=True)


class Lock:
    """An object that its owner renews every few seconds, so that others can tell whether it still runs.

    It begins with its owner's name. It is taken, renewed and removed only if it is as it was last seen, so only one run has it.
    """

    def __init__(self, root: Remote, path: Remote) -> None:
        """Take it; if its owner has died, that takes a few seconds. Raises `DatasetError` if another run renews it.

        The attribute `root` is the given root behind the lock's fence: the run must write through it.
        """
        self.path, self.ended = path, False
        self._owner, self._stop = uuid.uuid4().hex, threading.Event()
        self.fence = fence_of(str(root), path, self._owner, 2 * BEAT)
        self.root = Remote(str(root), fence=self.fence)
        if path.version() is not None or not self._put(
            b"", None
        ):  # asked first, as not all storage knows the condition
            self._take_over(root)
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing it."""
        self.ended = True
        self._stop.set()
        self._thread.join()

    def release(self) -> None:
        """Stop renewing it, and remove it if it is still this run's."""
        self.stop()
        with suppress(FileNotFoundError, FileExistsError):
            version = self.path.version()
            if version is not None and self.fence.is_held():
                self.path.unlink_if(version)

    def _take_over(self, root: Remote) -> None:
        """Take the lock of a run that has died. Raises `DatasetError` if that run is alive, or another is faster."""
        before, version = self._read(), None
        deadline = now() + 3 * BEAT
        while before and now() < deadline:
            time.sleep(BEAT / 2)
            version = self.path.version()
            seen = self._read()  # which is of that version, or a later one
            if seen and seen != before:
                raise DatasetError(f"{root}: another run is writing there; wait for it to end")
            before = seen
        if not self._put(b"", version if before else None):
            raise DatasetError(f"{root}: another run was faster; wait for it to end")

    def _put(self, beat: bytes, version: str | None) -> bool:
        """Write it over that version, or if there is none (None). Returns whether it is this run's now."""
        start = now()
        try:
            self.path.write_if(self._owner.encode() + beat, version)
        except (FileExistsError, FileNotFoundError):
            if not self.fence.is_held():  # a first try may have succeeded without an answer
                return False
        self.fence.saw(start)
        return True

    def _renew(self) -> None:
        beat = 0
        while not self._stop.wait(BEAT):
            with suppress(StorageError):  # storage that is away now may be back before anybody waits for so long
                version = self.path.version()
                if version is None or not self.fence.is_held():
                    self.fence.lost = True
                    return
                beat += 1
                self._put(b" %d" % beat, version)

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
