"""What keeps a run from writing in storage once another has taken over: each write first makes sure of the run's lock."""

from __future__ import annotations

import math
import time
from functools import lru_cache
from typing import Any, Protocol

from segdata.errors import DatasetError


class Readable(Protocol):
    """A lock's object."""

    def read_bytes(self) -> bytes:
        """What is in it, the owner's name first. Raises `FileNotFoundError`."""


class Fence:
    """A run's right to write below `root`, which ends when the object `lock` begins with the name of another owner, or is gone.

    Pickles as these, so that a worker process asks for itself; in each process there is one.
    """

    def __init__(self, root: str, lock: Readable, owner: str, lease: float) -> None:
        """`lease`: for so many seconds after the lock was seen to be this run's it is not read again."""
        self.root, self.lock, self.owner, self.lease = root, lock, owner, lease
        self.lost = False
        self._seen = -math.inf

    def __reduce__(self) -> tuple[Any, ...]:
        return fence_of, (self.root, self.lock, self.owner, self.lease)

    def check(self) -> None:
        """Raise `DatasetError` where the run has lost its lock. Within the lease this costs nothing. Raises `StorageError`."""
        if self.lost or now() - self._seen > self.lease:
            self.check_now()

    def check_now(self) -> None:
        """The same, and the lock is read whatever was known of it."""
        start = now()
        if self.lost or not self.is_held():
            self.lost = True
            raise DatasetError(f"{self.root}: another run has taken it over while this one was away; let that one end")
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
    """This process's one fence of an owner."""
    return Fence(root, lock, owner, lease)


def now() -> float:
    """Seconds, in which a machine that sleeps counts as well, where the system can tell."""
    clock = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
    return time.monotonic() if clock is None else time.clock_gettime(clock)
