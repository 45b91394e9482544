"""The journal that lets a stopped job go on, in a folder of this machine or in object storage.

Here it is one file, journal.jsonl, locked while the job runs. Storage cannot append, and has no locks: there it is objects
journal/000000.jsonl ..., one every few seconds, and journal/lock, which its owner renews; one that is not renewed is dead.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import msgspec

from segdata.dataset.destination import (
    DATASET,
    REPLACES,
    Kind,
    State,
    clean,
    draft_of,
    empty,
    finish_swap,
    is_draft,
    is_swapping,
    journal_header,
    refuse_unswappable,
    state_of,
    swap,
)
from segdata.dataset.layout import LOG
from segdata.dataset.logs import Lines, Log, open_log
from segdata.errors import DataError, DatasetError
from segdata.files.places import names_in, place
from segdata.files.remote import Place

EXISTS = "exists already: choose another destination, or --overwrite"

OTHER = "holds an unfinished job with other inputs or options: repeat that job, or --overwrite"

Entry = TypeVar("Entry")


class Journal(Generic[Entry]):
    """The record of a job under way: a header (inputs and options), then one line per finished item.

    It lies where the job writes (`root`): at the destination, or beside it if the job replaces what is there. A job
    that finds a journal with its own header goes on after it; one that finds any other is refused. `done` holds the entries
    that were there. The folder is locked while the job runs.
    """

    done: list[Entry]

    def __init__(
        self,
        root: str | Place,
        header: dict[str, Any],
        entry: type[Entry],
        *,
        overwrite: bool = False,
        kind: Kind = DATASET,
    ) -> None:
        """Claim a folder, for a `kind` of result. Raises `DatasetError` if it holds one already, another job's journal, or what
        is not ours."""
        self.root = self.destination = place(root)
        self.kind = kind
        settle(self.destination, kind)
        state, begun = state_of(self.destination, kind), journal_header(self.destination)
        line = msgspec.json.encode(header) + b"\n"
        self._replaced: Log | None = None
        with ExitStack() as stack:
            stack.callback(self._release)
            if state != "free" and begun != line:
                self._replaced = open_log(self.destination) if begun else None  # that job may still run
                if not overwrite:
                    raise DatasetError(f"{self.destination}: {self._why_not(state)}")
                refuse_unswappable(self.destination)
                line = msgspec.json.encode({**header, REPLACES: True}) + b"\n"
                self.root = draft_of(self.destination)
            self._take(line, entry)
            stack.pop_all()

    def _why_not(self, state: State) -> str:
        """Why no other dataset can be made here without --overwrite."""
        if journal_header(draft := draft_of(self.destination)):
            return (
                f"exists already, and {draft} holds an unfinished job to replace it: repeat that job with --overwrite"
            )
        return EXISTS if state == "whole" else OTHER

    def _take(self, line: bytes, entry: type[Entry]) -> None:
        """Lock the folder to write to. Go on after its journal if that begins with this line, otherwise begin anew."""
        self._made = not self.root.exists()
        self.root.mkdir(parents=True, exist_ok=True)
        self._log = open_log(self.root)
        self.root = self._log.root
        with ExitStack() as stack:
            stack.callback(self._log.close, remove_it=not self._log.header)
            if self._log.header == line:
                (self.root / self.kind.manifest).unlink(missing_ok=True)  # of a draft that was whole
                self.done = list(self._log.entries(msgspec.json.Decoder(entry).decode))
            else:
                self._refuse_late()
                empty(self.root, self.kind, keep=(self._log.name,))
                self._log.begin(line)
                self.done = []
            stack.pop_all()

    def _refuse_late(self) -> None:
        """Look again, now that the folder is locked. Raises `DatasetError`."""
        state = state_of(self.root, self.kind)
        if self.root == self.destination and state != "free":
            raise DatasetError(f"{self.root}: {'another run has just finished it' if state == 'whole' else OTHER}")
        if state == "whole" and not self._log.header:
            raise DatasetError(f"{self.root}: is in the way of the new {self.destination}: move it away")

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
        """Note at once what is finished, when its files are on disk."""
        self._log.flush()

    def land(self) -> Place:
        """Move the new dataset, which is whole, to its destination, and return that."""
        if self.root != self.destination:
            if isinstance(self._log, Lines):
                swap(self.root, self.destination, self.kind)
                self._log.follow(self.destination)
            else:
                self._replaced = self._replaced or open_log(self.destination)
                swap_logged(self._log, self._replaced, self.kind)
                self._replaced.close(remove_it=True)  # what it was the journal of is gone
            self.root = self.destination
        return self.destination

    def close(self, *, finished: bool) -> None:
        """Let go of the folder; a finished job needs its journal no more."""
        self._log.close(remove_it=finished)
        self._release()

    def discard(self) -> None:
        """Remove all that the job wrote."""
        empty(self.root, self.kind, keep=(self._log.name,))
        self._log.close(remove_it=True)
        if isinstance(self.root, Path) and (self._made or self.root != self.destination):
            with suppress(OSError):
                self.root.rmdir()

    def _release(self) -> None:
        if self._replaced is not None:
            self._replaced.close()


def swap_logged(log: Log, old: Log, kind: Kind) -> None:
    """Replace what is in storage, and has the journal `old`, by a draft that has the journal `log`."""
    swap(log.root, old.root, kind, leave=[f"{LOG}/{name}" for name in names_in(log.root / LOG)])


def settle(root: Place, kind: Kind = DATASET) -> None:
    """Finish the work of a run that was killed after its result was whole. Raises `DatasetError` if that run is still going."""
    finish_swap(root)
    if is_swapping(root):
        log, old = open_log(draft_of(root)), open_log(root)
        swap_logged(log, old, kind)
        log.close(remove_it=True)
        old.close(remove_it=True)
    is_whole = root.is_dir() and (root / kind.manifest).exists() and journal_header(root)
    if is_whole and state_of(root, kind) == "whole":
        log = open_log(root)
        if is_draft(root):
            clean(root, kind)
        log.close(remove_it=True)
