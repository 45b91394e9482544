"""What lies below a folder, but for what is hidden."""

from __future__ import annotations

import os
import posixpath
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from segdata.files.endings import ending
from segdata.files.forms import ZARR
from segdata.files.places import files_below, matching
from segdata.files.remote import Place, Remote
from segdata.words import some


def files_in(folder: Place, without: Place | None = None) -> list[str]:
    """The POSIX paths of all files below a folder, sorted, but for hidden ones and those under another folder."""
    if isinstance(folder, Remote):
        inner = None if without is None else f"{without}/"
        shown = (name for name in files_below(folder) if name[:1] != "." and "/." not in name)
        return sorted(name for name in shown if inner is None or not f"{folder}/{name}".startswith(inner))
    found: list[str] = []
    for base, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name[:1] != "." and Path(base, name) != without]
        if arrays := [name for name in folders if ending(name) == ZARR]:  # each an image
            files, folders[:] = [*files, *arrays], [name for name in folders if name not in arrays]
        under = os.path.relpath(base, folder).replace(os.sep, "/")
        found += [name if under == "." else f"{under}/{name}" for name in files if name[:1] != "."]
    return sorted(found)


def folders_in(folder: Place, deepest: int, most: int = 1000) -> list[str]:
    """The POSIX paths of `most` folders below one, `deepest` levels down at most, but for hidden ones."""
    found: list[str] = []
    level: list[tuple[str, Place]] = [("", folder)]
    for _ in range(deepest):
        level = [
            (f"{above}{child.name}/", child)
            for above, here in level[:most]
            for child in matching(here, "*")
            if child.name[:1] != "." and child.is_dir()
        ]
        found += [name[:-1] for name, _ in level[:most]]
    return found[:most]


def glance(folder: Place, deepest: int = 4, each: int = 60) -> list[str]:
    """The POSIX paths of some files below a folder, hidden ones aside: `each` of a folder at most, and as many folders."""
    if isinstance(folder, Remote):
        return files_in(folder)[: 40 * each]
    found: list[str] = []
    level = [""]
    for _ in range(deepest):
        below: list[str] = []
        for above in level[:each]:
            files, folders = _some_of(folder / above, each)
            found += [above + name for name in files]
            below += [f"{above}{name}/" for name in folders]
        level = below
    return found


def kinds_in(files: Iterable[str]) -> str:
    """What files are by their endings, for a message: `files .txt (12), .json (1)`, or `nothing`."""
    there = Counter(ending(path) or posixpath.basename(path) for path in files)
    listed = some((f"{kind} ({count})" for kind, count in there.most_common()), 4)
    return f"files {listed}" if there else "nothing"


def _some_of(folder: Path, each: int) -> tuple[list[str], list[str]]:
    """Names of some files and folders in a folder, sorted; none of one that cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in islice(entries, 20 * each) if entry.name[:1] != "."]
            folders = sorted(entry.name for entry in shown if entry.is_dir())[:each]
            return sorted(entry.name for entry in shown if entry.is_file())[:each], folders
    except OSError:
        return [], []
