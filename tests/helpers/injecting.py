"""Faults of the operating system: the n-th call of a kind fails, below a folder, in this process.

A run with no fault counts the calls; then each of them can be made to fail. Files that other libraries open by themselves are
not followed.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from segdata.dataset import destination
from segdata.files.exchange import exchange

ERRORS = {
    "open": (errno.EMFILE, errno.EIO, errno.ENOSPC),
    "write": (errno.ENOSPC, errno.EIO),
    "fsync": (errno.EIO, errno.ENOSPC),
    "rename": (errno.ENOSPC, errno.EIO),
    "mkdir": (errno.ENOSPC, errno.EIO),
    "unlink": (errno.EIO,),
    "link": (errno.ENOSPC, errno.EIO, errno.EMLINK),
}
"""Each kind of call, and what it fails with."""

CALLS = {
    "open": ("open",), "write": ("write", "sendfile", "copy_file_range"), "fsync": ("fsync", "fdatasync"),
    "rename": ("rename", "replace"), "mkdir": ("mkdir",), "unlink": ("unlink", "remove", "rmdir"), "link": ("link", "symlink"),
}  # fmt: skip
"""The functions of `os` of each kind. What else opens and writes is below."""


@dataclass
class Faults:
    """What happens below a folder: `counts` calls of each kind; the one of that `kind` and `number` fails with `error`."""

    root: Path
    kind: str = ""
    number: int = -1
    error: int = errno.EIO
    counts: Counter[str] = field(default_factory=Counter)
    failed: str = ""
    """Which call failed: its kind and path."""

    def tick(self, kind: str, *paths: Any, named: bool = True) -> None:
        """Count a call about these paths. Raises `OSError` if it is the one; `named`: the system says the file's name."""
        found = [text for path in paths if (text := located(path)) is not None and self._below(text)]
        if not found:
            return
        self.counts[kind] += 1
        if kind == self.kind and self.counts[kind] - 1 == self.number:
            self.failed = f"{kind} {found[-1]}"
            raise OSError(self.error, os.strerror(self.error), *(found[:1] if named else ()))

    def _below(self, path: str) -> bool:
        return path == str(self.root) or path.startswith(f"{self.root}/")


def located(path: Any, folder: int | None = None) -> str | None:
    """The path that a call is about: given as one, or as the number of an open file; None for what has none."""
    try:
        if isinstance(path, int):
            return os.readlink(f"/proc/self/fd/{path}")
        text = os.fsdecode(path)
        return os.path.join(located(folder) or "", text) if folder is not None else os.path.abspath(text)
    except (OSError, TypeError):
        return None


@contextmanager
def injected(faults: Faults) -> Iterator[None]:
    """While this lasts, calls are counted and one of them fails."""
    with pytest.MonkeyPatch.context() as patch:
        for kind, names in CALLS.items():
            for name in names:
                patch.setattr(os, name, _followed(faults, kind, getattr(os, name)))
        opening = _opening(faults, io.open)
        patch.setattr(builtins, "open", opening)
        patch.setattr(io, "open", opening)
        patch.setattr(destination, "exchange", _followed(faults, "rename", exchange))
        yield


def _followed(faults: Faults, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **given: Any) -> Any:
        folder = given.get("dir_fd")
        paths = arguments[:1] if kind in ("open", "write", "fsync", "mkdir", "unlink") else arguments[:2]
        faults.tick(kind, *(located(path, folder) for path in paths), named=kind not in ("write", "fsync"))
        return None if kind == "fsync" else function(*arguments, **given)  # the power stays on, and it takes long

    return call


def _opening(faults: Faults, real: Callable[..., Any]) -> Callable[..., Any]:
    """An `open` of files whose writes are followed."""

    class Raw(io.FileIO):
        def write(self, data: Any, /) -> int:
            faults.tick("write", self.name, named=False)
            return super().write(data) or 0

    def call(file: Any, mode: str = "r", buffering: int = -1, *more: Any, **given: Any) -> Any:
        if not isinstance(file, int):
            faults.tick("open", file)
        binary = mode.replace("b", "")
        if "b" not in mode or not set(mode) & set("wax+") or given.get("opener") is not None:
            return real(file, mode, buffering, *more, **given)
        raw = Raw(file, binary)
        if buffering == 0:
            return raw
        return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)

    return call
