"""The lock of a folder on this machine: one run at a time, on systems that lock otherwise too."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from segdata.dataset.destination import journal_header
from segdata.dataset.layout import JOURNAL
from segdata.dataset.locks import locked, unlock
from segdata.dataset.logs import Lines
from segdata.errors import DatasetError


def test_a_locked_file_is_read_and_appended_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / JOURNAL
    path.write_bytes(b"begun\n")
    file = locked(path)
    assert file.readline() == b"begun\n"
    with pytest.raises(DatasetError, match="another run is writing there"):
        locked(path)
    unlock(file, path)
    assert not path.exists()
    file = locked(path)
    file.close()
    assert path.read_bytes() == b""


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """As on Windows, a file that is open cannot be removed: `open` collects the files of the test."""
    opened: list[Any] = []
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if any(not file.closed and file.name == str(path) for file in opened):
            raise PermissionError(errno.EACCES, "is open in another program", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    return opened


def test_where_open_files_cannot_be_removed_it_is_closed_first(tmp_path: Path, windows: list[Any]) -> None:
    path = tmp_path / JOURNAL
    windows.append(file := locked(path))
    unlock(file, path)
    assert not path.exists()
    log = Lines(tmp_path)
    windows.append(log._file)
    log.begin(b"header\n")
    log.append(b"line\n")
    log.close(remove_it=True)
    assert not path.exists()


def test_a_journal_that_cannot_be_read_may_be_that_of_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows nobody else reads what is locked."""

    def refuse(*_: object) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("segdata.dataset.destination.read_start", refuse)
    with pytest.raises(DatasetError, match=f"{JOURNAL}: cannot be read: if another run is writing there, wait"):
        journal_header(tmp_path)
