"""What samples became, by name; what the common files need of them lies in a file, so that memory does not grow with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import msgspec

from segdata.dataset.job import Named
from segdata.errors import writing
from segdata.files.remote import Place


class Row(Named, frozen=True):
    """What one sample became. Also a line of the journal.

    `files`: the SHA-256 of each file that was written, "" of images. `part`: what the common files need of it, as JSON.
    `lost`: what the format cannot hold of it, by kind: pixels and regions. `pixels`: whether its image was written as pixels.
    """

    files: dict[str, str]
    part: msgspec.Raw = msgspec.Raw(b"null")
    lost: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)
    pixels: bool = False


class Rows(dict[str, Row]):
    """Rows by name without their parts, which lie in a file that has no name, in the folder that is written."""

    def __init__(self, rows: Mapping[str, Row], folder: Place) -> None:
        super().__init__()
        self._file = TemporaryFile(dir=folder if isinstance(folder, Path) else None)  # noqa: SIM115 - closed by close
        self._folder = folder
        self._places: dict[str, tuple[int, int]] = {}
        for name, row in rows.items():
            self[name] = row

    def __setitem__(self, name: str, row: Row) -> None:
        part = bytes(row.part)
        with writing(self._folder):
            self._places[name] = self._file.seek(0, os.SEEK_END), len(part)
            self._file.write(part)
        super().__setitem__(name, msgspec.structs.replace(row, part=msgspec.Raw(b"")))

    def part(self, name: str) -> Any:
        """The part of a row: values of JSON."""
        at, size = self._places[name]
        self._file.seek(at)
        return msgspec.json.decode(self._file.read(size))

    def close(self) -> None:
        """Let go of the parts."""
        self._file.close()
