"""Power cuts: what a run had brought to disk at each moment, and folders as a disk could look after a cut there.

The model is harsher than file systems are. A name is on disk once its folder was flushed, the bytes of a file once the file
was, and all once the file system was. Of anything newer, each name may be there or not, and what was written to a file be
missing, cut off, zeros or whole. What other programs or threads write counts too: at each moment the folder itself is looked at.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from segdata.files import durable

FOLDER = "folder"

Names = dict[str, int | str]
"""What is below a folder, by path: the number of a file, `FOLDER`, or what a symbolic link leads to."""

Spoil = Callable[[str, bytes, random.Random], bytes]
"""Given a path and the bytes that were written there, but not flushed: those that are on disk."""

MODES: dict[str, tuple[float, Spoil]] = {
    "nothing": (0.0, lambda path, data, chance: b""),
    "empty files": (1.0, lambda path, data, chance: b""),
    "files cut off": (1.0, lambda path, data, chance: data[: len(data) // 2]),
    "records whole, other files empty": (1.0, lambda path, data, chance: b"" if path.count("/") > 1 else data),
    "images and scores empty": (
        1.0,
        lambda path, data, chance: b"" if {"images", "scores"} & {*path.split("/")} else data,
    ),
    "by chance": (0.5, lambda path, data, chance: chance.choice([b"", data[: len(data) // 2], bytes(len(data)), data])),
}
"""How likely a name is there that was not flushed, and what becomes of bytes that were not."""


@dataclass(frozen=True)
class Cut:
    """A moment: the names and bytes that are on disk, and those that programs see."""

    names: Names
    kept: dict[int, bytes]
    seen: Names
    data: dict[int, bytes]

    def after(self, mode: str, seed: int = 0) -> dict[str, bytes | str]:
        """What could be there after the cut: the bytes of files, `FOLDER`, or what symbolic links lead to, by path."""
        likely, spoil = MODES[mode]
        chance = random.Random(seed)
        found: dict[str, bytes | str] = {}
        for path in sorted(self.names.keys() | self.seen.keys()):
            what = self.seen.get(path) if chance.random() < likely else self.names.get(path)
            if what is None:
                continue
            if isinstance(what, str):
                found[path] = what
            else:
                old, data = self.kept.get(what, b""), self.data.get(what, self.kept.get(what, b""))
                kept = old if data.startswith(old) else b""  # what was flushed stays, behind which more was written
                found[path] = kept + (spoil(path, data[len(kept) :], chance) if data != kept else b"")
        return {path: what for path, what in found.items() if all(str(p) in found for p in Path(path).parents[:-1])}


def build(root: Path, found: Mapping[str, bytes | str]) -> None:
    """Make a folder, in place of what is there."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for path, what in found.items():
        if what == FOLDER:
            (root / path).mkdir()
        elif isinstance(what, str):
            (root / path).symlink_to(what)
        else:
            (root / path).write_bytes(what)


@dataclass
class Power:
    """Follows what a run flushes below a folder. `cuts` are the moments before each flush, and the last one."""

    root: Path
    cuts: list[Cut] = field(default_factory=list)
    names: Names = field(default_factory=dict)
    kept: dict[int, bytes] = field(default_factory=dict)
    held: dict[int, int] = field(default_factory=dict)

    def record(self, patch: pytest.MonkeyPatch) -> None:
        """Begin. What is there now is on disk."""
        self.syncfs(self.root)
        self.cuts.clear()
        patch.setattr(os, "fsync", self.fsync)
        patch.setattr(durable, "syncfs", self.syncfs)

    def cut(self) -> Cut:
        """The power goes now."""
        seen = dict(self.look())
        data = {ino: self._bytes(ino) for ino in self.held}
        self.cuts.append(Cut(dict(self.names), dict(self.kept), seen, data))
        return self.cuts[-1]

    def fsync(self, file: int) -> None:
        """In place of `os.fsync`, of files and folders."""
        now = self.cut()
        about = os.fstat(file)
        if not stat.S_ISDIR(about.st_mode):
            if about.st_ino in self.held:
                self.kept[about.st_ino] = now.data[about.st_ino]
            return
        folder = next((path for path in ("", *now.seen) if _same(self.root / path, about)), None)
        if folder is not None:
            self._flush_names(lambda path: os.path.dirname(path) == folder, now)

    def syncfs(self, folder: Path) -> bool:
        """In place of `durable.syncfs`."""
        now = self.cut()
        self.kept = dict(now.data)
        self._flush_names(lambda path: True, now)
        return True

    def look(self) -> Iterator[tuple[str, int | str]]:
        """What is there now. Every file is held open from now on, so that its number is never that of another."""
        for path in self.root.rglob("*"):
            about, name = path.lstat(), path.relative_to(self.root).as_posix()
            if stat.S_ISREG(about.st_mode):
                if about.st_ino not in self.held:
                    self.held[about.st_ino] = os.open(path, os.O_RDONLY)
                yield name, about.st_ino
            else:
                yield name, os.readlink(path) if path.is_symlink() else FOLDER

    def close(self) -> None:
        """Let go of the files."""
        while self.held:
            os.close(self.held.popitem()[1])

    def _flush_names(self, which: Callable[[str], bool], now: Cut) -> None:
        self.names = {path: what for path, what in self.names.items() if not which(path)}
        self.names |= {path: what for path, what in now.seen.items() if which(path)}

    def _bytes(self, ino: int) -> bytes:
        return os.pread(self.held[ino], os.fstat(self.held[ino]).st_size, 0)


def _same(path: Path, about: os.stat_result) -> bool:
    return os.path.samestat(os.stat(path, follow_symlinks=False), about) if os.path.lexists(path) else False
