"""Who made what a destination holds, and how it is replaced: only what segdata made, and only when the new one is whole.

    DST             what others open: nothing, an unfinished job of ours, or a whole dataset
    DST.partial     the new one, not whole yet, if --overwrite replaces what DST holds
    DST.replaced    the old one, for an instant, on systems that cannot exchange two names

A swap that was killed is finished by whoever opens DST next.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from segdata.dataset.layout import CARD, JOURNAL, LOG, MANIFEST, OWN, UNDECODABLE
from segdata.errors import DatasetError, OptionError
from segdata.files.durable import sync_folder
from segdata.files.exchange import exchange
from segdata.files.members import holder
from segdata.files.places import is_stored, names_in, read_start, real, remove
from segdata.files.remote import Place, Remote, is_remote
from segdata.files.storage_swap import replace_prefix

PARTIAL, REPLACED = ".partial", ".replaced"

REPLACES = "replaces"
"""What marks a draft: the end of its journal's header, or of what has no journal a file of this name."""

SWAPPING = "swapping"
"""An object of a draft in storage that is being put in the place of another."""

HEADER = 2**20
"""The most bytes that a journal's first line has."""

BEGIN = b'{"tool":"segdata"'
"""How a journal begins."""

State = Literal["free", "unfinished", "whole", "strange"]
"""What is at a place: nothing, a job of ours that was stopped, a whole dataset or run of ours, or files of anybody."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of folder that segdata makes.

    `own(root)`: the names of all files that it may hold; errors call these files `whose`. `state(root, names)`: what a folder is
    that holds only such names. `mark`: the file that says that the folder is ours; it is removed last. `manifest`: the file
    without which the folder is not whole.
    """

    whose: str
    own: Callable[[Place], Collection[str]]
    mark: str
    manifest: str
    state: Callable[[Place, set[str]], State]


def dataset_state(root: Place, names: set[str]) -> State:
    """What a folder is that holds only names of a dataset: its card or its journal says so, its names do not."""
    if CARD in names and _is_card(root / CARD):
        return "whole" if MANIFEST in names else "unfinished"
    return begun_state(root, names)


def begun_state(root: Place, names: set[str]) -> State:
    """The same of a folder with nothing that says that it is ours but its journal, if it has one."""
    log = LOG if isinstance(root, Remote) else JOURNAL
    if log not in names:
        return "strange" if names else "free"
    header = journal_header(root)
    if header.endswith(b"\n"):
        return "unfinished" if _is_header(header) else "strange"
    cut_off = header.startswith(BEGIN) or BEGIN.startswith(header.rstrip(b"\0"))  # a job was killed as it began
    return "free" if cut_off and set(map(_plain, names)) <= {log} else "strange"


DATASET = Kind("segdata's", lambda root: OWN, CARD, MANIFEST, dataset_state)


def journal_header(root: Place) -> bytes:
    """The first line of the journal in a folder; nothing if there is none."""
    if isinstance(root, Path):
        return _start(root / JOURNAL)
    parts = sorted(name for name in names_in(root / LOG) if name.endswith(".jsonl"))
    return _start(root / LOG / parts[0]) if parts else b""


def state_of(root: Place, kind: Kind = DATASET) -> State:
    """What is at a place. Raises `DatasetError` for a file, and for a folder with anything in it that is not ours."""
    if isinstance(root, Path) and root.is_symlink() and not root.exists():
        raise DatasetError(f"{root}: is a link that leads nowhere: remove it, or choose another destination")
    if not root.exists():
        return "free"
    if not root.is_dir():
        raise DatasetError(f"{root}: is a file, not a folder")
    names, own = names_in(root), kind.own(root)
    foreign = sorted(name for name in names if _plain(name) not in own)
    if foreign:
        raise DatasetError(f"{root}: holds files that are not {kind.whose} ({foreign[0]}): choose an empty folder")
    state = kind.state(root, names)
    if state == "strange":
        raise DatasetError(f"{root}: holds {min(names)}, but nothing says that segdata made it: choose an empty folder")
    return state


def draft_of(root: Place) -> Place:
    """Where the new one is made that will replace what is at a place: beside it, whatever links lead there."""
    return Remote(f"{root}{PARTIAL}") if isinstance(root, Remote) else _beside(Path(os.path.realpath(root)))


def refuse_unswappable(root: Place) -> None:
    """Raise `DatasetError` for a place that nothing can be put in the place of, or not without harm to what is beside it."""
    if not isinstance(root, Path):
        return
    there = Path(os.path.realpath(root))
    if os.path.ismount(there):
        raise DatasetError(f"{root}: is a mount point, which cannot be replaced: choose a folder below it")
    if Path(os.path.realpath(os.curdir)).is_relative_to(there):  # and would be in the old one afterwards
        raise DatasetError(f"{root}: this command runs in it, so it cannot be replaced: run it from another folder")
    if os.path.lexists(_aside(there)):
        raise DatasetError(f"{_aside(there)}: is in the way of what replaces {root}: move it away")


def is_draft(root: Place) -> bool:
    """Whether what is there was made to replace something."""
    return journal_header(root).endswith(b',"%s":true}\n' % REPLACES.encode()) or (root / REPLACES).is_file()


def swap(draft: Place, root: Place, kind: Kind = DATASET, leave: Collection[str] = ()) -> None:
    """Replace what is at a place by the draft, which is whole, and remove the old one. Raises `OSError`, `StorageError`.

    In storage both are written through their fences, and `leave` are objects below them that stay, such as locks.
    """
    if isinstance(draft, Remote) and isinstance(root, Remote):
        (draft / SWAPPING).write_bytes(b"")
        replace_prefix(draft, root, kind.manifest, leave={*leave, SWAPPING})
        (draft / SWAPPING).unlink(missing_ok=True)
        return
    there = Path(os.path.realpath(str(root)))
    if not there.exists():
        os.rename(str(draft), there)
    elif not exchange(Path(str(draft)), there):
        os.rename(there, _aside(there))
        os.rename(str(draft), there)
    sync_folder(there.parent)
    clean(root, kind)


def is_swapping(root: Place) -> bool:
    """Whether a swap in storage was begun there, and must be finished."""
    return isinstance(root, Remote) and (draft_of(root) / SWAPPING).is_file()


def finish_swap(root: Place) -> None:
    """Give a whole draft its name, if a run was killed just after it moved the old one aside."""
    if isinstance(root, Path) and not root.exists():
        there = Path(os.path.realpath(root))
        if _aside(there).is_dir() and is_draft(draft := _beside(there)):
            os.rename(draft, there)


def clean(root: Place, kind: Kind = DATASET) -> None:
    """Remove what a swap has put aside. Called while the new one, at its place, still has its journal."""
    if isinstance(root, Remote):
        return
    there = Path(os.path.realpath(root))
    for path in (_beside(there), _aside(there)):
        with suppress(DatasetError):  # something else: not ours to remove
            if path.exists() and state_of(path, kind) != "free":
                empty(path, kind)
                path.rmdir()


def empty(root: Place, kind: Kind = DATASET, keep: Iterable[str] = ()) -> None:
    """Remove all of ours from a folder: the manifest first, so that nothing looks whole meanwhile, and last the journal and
    the mark, which say that it is ours."""
    last, own = {JOURNAL: 1, kind.mark: 2}, kind.own(root)
    there = [name for name in names_in(root) if _plain(name) in own and name not in keep]
    for name in sorted(there, key=lambda name: (last.get(name, 0), name != kind.manifest, name)):
        remove(root / name)


def refuse_held(root: Place, inputs: Iterable[str | Place]) -> None:
    """Raise `OptionError` if an input lies in the destination, whatever links lead there: --overwrite would remove it.

    `inputs` are files and folders that are read. What is in object storage, or in an archive, has no links.
    """
    if not root.is_dir():
        return
    inside, folders = real(root).rstrip("/"), dict[str, str]()
    for one in inputs:
        path = holder(str(one))
        if is_remote(path) and not is_stored(path):
            continue
        if not is_remote(path):
            folder, name = os.path.split(os.path.abspath(path))
            if folder not in folders:
                folders[folder] = os.path.realpath(folder)
            path = os.path.join(folders[folder], name)
            path = os.path.realpath(path) if os.path.islink(path) else path
        if f"{path}/".startswith(f"{inside}/"):
            what = "is the destination and an input" if path == inside else f"holds an input ({one})"
            raise OptionError(f"{root}: {what}: choose another destination")


def _plain(name: str) -> str:
    """The name of a file when it is whole."""
    return name.removesuffix(PARTIAL).replace(f"{PARTIAL}.", ".")


def _beside(there: Path) -> Path:
    return there.with_name(there.name + PARTIAL)


def _aside(there: Path) -> Path:
    return there.with_name(there.name + REPLACED)


def _start(path: Place) -> bytes:
    try:
        line, end, _ = read_start(path, HEADER).partition(b"\n")
    except PermissionError as error:  # on Windows, a file that another run has locked
        raise DatasetError(f"{path}: cannot be read: if another run is writing there, wait for it to end") from error
    except OSError:
        return b""
    return line + end


def _is_header(line: bytes) -> bool:
    try:
        return bool(msgspec.json.decode(line)["tool"] == "segdata")
    except (*UNDECODABLE, KeyError, TypeError):
        return False


def _is_card(path: Place) -> bool:
    """Whether it is a card as `Dataset.save` writes it."""
    try:
        card = msgspec.json.decode(read_start(path, 2**26))
        return isinstance(card, dict) and {"format", "classes", "ignore", "images", "made_by"} <= card.keys()
    except (
        *UNDECODABLE,
        FileNotFoundError,
        IsADirectoryError,
    ):  # other errors are raised: they do not show that it is no card
        return False
