"""Which viewer shows a dataset at the moment, so that pages can lead there: told in the user's cache, without its token."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segdata.caches import user_folder
from segdata.dataset.locks import locked, unlock
from segdata.errors import DatasetError
from segdata.files.places import real
from segdata.files.remote import Place

FOLDER = "viewers"


def running_viewer(root: str | Place) -> str | None:
    """The URL of a page of this machine that shows the dataset at a path; None if there is none.

    It has no token: a browser that has opened the viewer knows it.
    """
    folder = user_folder(FOLDER)
    for path in sorted(folder.glob(f"{_digest(root)}-*")) if folder else ():
        port = path.name.partition("-")[2]
        if port.isdecimal() and _is_held(path):
            return f"http://127.0.0.1:{port}/"
    return None


@contextmanager
def announced(root: str | Place, port: int) -> Iterator[None]:
    """Have `running_viewer` find a viewer, by a file that is locked meanwhile: whoever dies lets go of it."""
    folder = user_folder(FOLDER)
    path = None if folder is None else folder / f"{_digest(root)}-{port}"
    try:
        file = None if path is None else locked(path)
    except (OSError, DatasetError):
        file = None
    try:
        yield
    finally:
        if file is not None and path is not None:
            unlock(file, path)


def _is_held(path: Path) -> bool:
    """Whether its viewer lives. What another one has left behind is removed."""
    try:
        unlock(locked(path), path)
    except DatasetError:
        return not path.is_symlink()
    except OSError:
        pass
    return False


def _digest(root: str | Place) -> str:
    return hashlib.sha256(real(root).encode(errors="surrogateescape")).hexdigest()[:24]
