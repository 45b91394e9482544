"""Two names of a folder exchanged in one step, if the system can (Linux: renameat2)."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

AT_FDCWD, RENAME_EXCHANGE = -100, 2

CANNOT = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}
"""Errors of a system or a file system that cannot exchange names."""


def exchange(one: Path, other: Path) -> bool:
    """Exchange two names. False if the system cannot; nothing has changed then. Raises `OSError`."""
    if (rename := _renameat2()) is None:
        return False
    if rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in CANNOT:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


@lru_cache(maxsize=1)
def _renameat2() -> Any:
    """The system's function; None if it has none."""
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
