"""The journal that lets a stopped job go on, in a folder of this machine or in object storage.

Here it is one file, journal.jsonl, locked while the job runs. Storage cannot append, and has no locks: there it is objects
journal/000000.jsonl ..., one every few seconds, and journal/lock, which its owner renews; one that is not renewed is dead.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import msgspec

from segdata.dataset.layout import JOURNAL, LOG, MANIFEST, OWN
from segdata.dataset.logs import Lines, Log, Objects
from segdata.errors import DataError, DatasetError
from segdata.files.places import names_in, place, remove
from segdata.files.remote import Place, Remote

Entry = TypeVar("Entry")


class Journal(Generic[Entry]):
    """The record of a job under way in a dataset's folder: a header (inputs and options), then one line a finished item.

    A job that finds a journal with its own header goes on after it; one that finds any other is refused. `done` holds
    the entries that were there. The folder is locked while the job runs.
    """

    def __init__(
        self, root: str | Place, header: dict[str, Any], entry: type[Entry], *, overwrite: bool = False
    ) -> None:
        """Claim a folder. Raises `DatasetError` where it holds a dataset, another job's journal, or foreign files."""
        self.root = place(root)
        self._made = not self.root.exists()
        held = set() if self._made else self._held()
        exists = f"{self.root}: exists already: choose another destination, or --overwrite"
        if held and not overwrite and not held & {JOURNAL, LOG}:
            raise DatasetError(exists)
        self.root.mkdir(parents=True, exist_ok=True)
        self._log: Log = Objects(self.root) if isinstance(self.root, Remote) else Lines(self.root)
        line = msgspec.json.encode(header) + b"\n"
        whole = (self.root / MANIFEST).exists()
        self.done: list[Entry] = []
        if not overwrite and self._log.header == line:
            self.done = list(self._log.entries(msgspec.json.Decoder(entry).decode))
        elif not overwrite and whole:
            self._log.close(remove_it=not self._log.header)
            raise DatasetError(exists if self._log.header else f"{self.root}: another run has just finished it")
        elif overwrite or not self._log.header.endswith(b"\n"):
            self._clear(keep=(self._log.name,))
            self._log.begin(line)
        else:
            self._log.close()
            raise DatasetError(
                f"{self.root}: holds an unfinished job of other inputs or options: repeat it, or --overwrite"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """A job that ended well is finished; a bad item (`DataError`) leaves nothing; after anything else it can go on."""
        if isinstance(error, DataError):
            self.discard()
        self.close(finished=error is None)

    def append(self, entry: Entry) -> None:
        """Note that one item is finished. Its files must be written before."""
        self._log.append(msgspec.json.encode(entry) + b"\n")

    def flush(self) -> None:
        """Note what is finished without delay, once its files are on disk."""
        self._log.flush()

    def close(self, *, finished: bool) -> None:
        """Let go of the folder; a finished job needs its journal no more."""
        self._log.close(remove_it=finished)

    def discard(self) -> None:
        """Remove all that the job wrote."""
        self._clear(keep=(self._log.name,))
        self._log.close(remove_it=True)
        if self._made and isinstance(self.root, Path):
            with suppress(OSError):
                self.root.rmdir()

    def _held(self) -> set[str]:
        if not self.root.is_dir():
            raise DatasetError(f"{self.root}: is a file, not a folder")
        held = names_in(self.root)
        foreign = [name for name in sorted(held) if name.removesuffix(".partial") not in OWN]
        if foreign:
            raise DatasetError(
                f"{self.root}: holds files that are not segdata's ({foreign[0]}): choose an empty folder"
            )
        return held

    def _clear(self, keep: Iterable[str] = ()) -> None:
        """Remove segdata's own files, the manifest first, so that nothing looks whole meanwhile."""
        there = names_in(self.root)
        for name in (MANIFEST, *OWN):
            for one in (name, f"{name}.partial"):
                if one in there and one not in keep:
                    remove(self.root / one)
