"""What samples became, by name; what the common files need of them lies in a file, so that memory does not grow with it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import msgspec

from segdata.dataset.job import Named
from segdata.errors import Problem, writing
from segdata.files.remote import Place


class Row(Named, frozen=True):
    """What one sample, or one shard of several, became. Also a line of the journal.

    `files`: the SHA-256 of each file that was written, "" of images. `part`: what the common files need of it, as JSON.
    `lost`: what the format cannot hold of it, by kind: pixels and regions. `pixels`: how many images were written as pixels.
    Of a shard `part` has what the common files need of each sample, by id, and `left_out` the samples that are not in it.
    """

    files: dict[str, str]
    part: msgspec.Raw = msgspec.Raw(b"null")
    lost: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)
    pixels: int = 0
    left_out: list[Problem] = msgspec.field(default_factory=list)


class Rows(dict[str, Row]):
    """Rows by name without their parts, which lie in a file that has no name, in the folder that is written.

    `shards`: whether the rows are those of shards. Parts are those of samples in any case.
    """

    def __init__(self, rows: Mapping[str, Row], folder: Place, *, shards: bool = False) -> None:
        super().__init__()
        self._shards = shards
        self._file = TemporaryFile(dir=folder if isinstance(folder, Path) else None)  # noqa: SIM115 - closed by close
        self._folder = folder
        self._places: dict[str, tuple[int, int]] = {}
        for name, row in rows.items():
            self[name] = row

    def __setitem__(self, name: str, row: Row) -> None:
        parts = msgspec.json.decode(row.part, type=dict[str, msgspec.Raw]) if self._shards else {name: row.part}
        with writing(self._folder):
            for id, part in parts.items():
                self._places[id] = self._file.seek(0, os.SEEK_END), len(bytes(part))
                self._file.write(bytes(part))
        super().__setitem__(name, msgspec.structs.replace(row, part=msgspec.Raw(b"")))

    @property
    def ids(self) -> Collection[str]:
        """The ids of the samples that have been written."""
        return self._places.keys()

    def part(self, id: str) -> Any:
        """What the common files need of a sample: values of JSON."""
        at, size = self._places[id]
        self._file.seek(at)
        return msgspec.json.decode(self._file.read(size))

    def close(self) -> None:
        """Let go of the parts."""
        self._file.close()
