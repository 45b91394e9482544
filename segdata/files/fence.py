"""Keep a run from writing in storage after another has taken over: before each write the run's lock is checked."""

from __future__ import annotations

import math
import time
from functools import lru_cache
from typing import Any, Protocol

from segdata.errors import DatasetError


class Readable(Protocol):
    """A lock's object."""

    def read_bytes(self) -> bytes:
        """Its bytes, which begin with the owner's name. Raises `FileNotFoundError`."""


class Fence:
    """A run's right to write below `root`. It ends when the object `lock` is gone, or begins with the name of another owner.

    It pickles as its arguments, so each worker process checks the lock itself; each process has one fence per owner.
    """

    def __init__(self, root: str, lock: Readable, owner: str, lease: float) -> None:
        """`lease`: seconds in which the lock is not read again after it was seen to be this run's."""
        self.root, self.lock, self.owner, self.lease = root, lock, owner, lease
        self.lost = False
        self._seen = -math.inf

    def __reduce__(self) -> tuple[Any, ...]:
        return fence_of, (self.root, self.lock, self.owner, self.lease)

    def check(self) -> None:
        """Raise `DatasetError` if the run has lost its lock. Within the lease this costs nothing. Raises `StorageError`."""
        if self.lost or now() - self._seen > self.lease:
            self.check_now()

    def check_now(self) -> None:
        """The same, but the lock is always read."""
        start = now()
        if self.lost or not self.is_held():
            self.lost = True
            raise DatasetError(f"{self.root}: another run has taken over while this one stood still: let that run end")
        self.saw(start)

    def is_held(self) -> bool:
        """Whether the lock is this run's. Raises `StorageError`."""
        try:
            return self.lock.read_bytes().startswith(self.owner.encode())
        except FileNotFoundError:
            return False

    def saw(self, when: float) -> None:
        """Note that the lock was this run's at a time of `now`."""
        self._seen = when


@lru_cache(maxsize=1024)
def fence_of(root: str, lock: Readable, owner: str, lease: float) -> Fence:
    """The fence that this process has for an owner: always the same one."""
    return Fence(root, lock, owner, lease)


def now() -> float:
    """Seconds of a clock that also runs while the machine sleeps, if the system has one."""
    clock = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
    return time.monotonic() if clock is None else time.clock_gettime(clock)
