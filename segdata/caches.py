"""Where caches lie, also if the user has no place for one, and notes about that on stderr."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

_told: set[str] = set()


def note(text: str) -> None:
    """Say something on stderr in one line, once per process; in a pool only the first process says it."""
    import multiprocessing

    first = multiprocessing.parent_process() is None or multiprocessing.current_process().name.endswith("-1")
    if first and text not in _told:
        sys.stderr.write(f"note: {text}\n")
    _told.add(text)


def has_home() -> bool:
    """Whether the user has a home: without one, `~` would be a folder of that name in the working directory."""
    return os.path.isabs(os.path.expanduser("~"))


def user_folder(name: str) -> Path | None:
    """A folder of this user, for what can be made again; None if there is none that can be written to.

    It is `name` in `$SEGDATA_CACHE`, otherwise in `segdata` below `$XDG_CACHE_HOME` or `~/.cache`, otherwise in
    `private_folder`. Nobody else can look into it.
    """
    named, home = os.environ.get("SEGDATA_CACHE"), os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if named else Path(home if os.path.isabs(home) else os.path.expanduser("~/.cache"), "segdata")
    if (named or has_home() or os.path.isabs(home)) and (folder := _made(base / name)) is not None:
        return folder
    above = None if named else private_folder()
    return None if above is None else _made(above / name)


def _made(folder: Path) -> Path | None:
    """A folder of this user alone that can be written to, made if there is none; None if that fails."""
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        return folder if not hasattr(os, "geteuid") or _is_ours(folder.lstat()) else None
    except OSError:
        return None


def private_folder() -> Path | None:
    """A folder for this user only, below the one for temporary files. It is made if there is none; None if that fails.

    Code in a cache is run. So nobody else may write there, or replace the folder.
    """
    if not hasattr(os, "geteuid"):
        return None
    try:
        above = Path(tempfile.gettempdir()).resolve()
        if above == Path.cwd():  # Python's last resort: a folder that the user chose for other things
            return None
        folder = above / f"segdata-{os.geteuid()}"
        with suppress(FileExistsError):
            folder.mkdir(0o700)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return None
    return folder if _is_ours(folder.lstat()) and all(_is_safe(one.stat()) for one in folder.parents) else None


def _is_ours(found: os.stat_result) -> bool:
    """Whether it is a folder (not a link) of this user, and nobody else can write to it or look into it."""
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _is_safe(found: os.stat_result) -> bool:
    """Whether nobody else can rename what this user has in the folder."""
    shared = bool(found.st_mode & 0o022) and not found.st_mode & stat.S_ISVTX
    return found.st_uid in (0, os.geteuid()) and not shared
