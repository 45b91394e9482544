"""Images that label files name: found by their path, or by the last parts of a name that is of another machine."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Literal
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

from segdata.errors import OptionError, Problem
from segdata.files.places import absolute, files_below, lies_below, place
from segdata.files.remote import Place
from segdata.words import some

ImageMatch = Literal["path", "name"]
"""How a label file names an image: by its path under the folder of the images, or by the last parts of it."""


WAY_OUT = "put it there, or give the folder of the images: --image-dir DIR"


def image_folder(image_dir: str | Path, root: Place) -> Place:
    """The folder that `--image-dir` names, here or in SRC. Raises `OptionError` if there is none."""
    found = next((path for path in (place(image_dir), root / str(image_dir)) if path.is_dir()), None)
    if found is None:
        raise OptionError(f"--image-dir {image_dir}: there is no such folder, here or in {root}")
    return found


class ImageFinder:
    """Finds images in some folders, the likeliest first: a name's path below one of them, otherwise the one file below that
    has the longest end in common with the name.

    Folders are listed only if a name is no path of a file there.
    """

    def __init__(self, folders: Sequence[Place]) -> None:
        self._folders = list(dict.fromkeys(folders))
        self._listed: dict[Place, Mapping[str, list[str]]] = {}
        self.elsewhere, self.example = 0, ""
        """How many files were found in another folder than their names say, and the first of these."""

    def find(self, name: str) -> str | Problem:
        """The path of a file, or the problem `image.missing` or `image.ambiguous`."""
        if (there := self.at(name)) is not None:
            return there
        missing: Problem | None = None
        for folder in self._folders:
            if folder not in self._listed:
                self._listed[folder] = file_index(folder) if folder.is_dir() else {}
            found = find(name, folder, self._listed[folder])
            if isinstance(found, str):
                if _common_end(tail(name), [*parts_of(folder), *parts_in(found)]) < len(tail(name)):
                    self.elsewhere += 1
                    self.example = self.example or f"{found} for {name}"
                return str(folder / found)
            if found.code == "image.ambiguous":
                return found
            missing = missing or found
        return missing or Problem("image.missing", f"there is no {name!r}: {WAY_OUT}")

    def at(self, name: str) -> str | None:
        """The path of the file at the very place that a name says, below the first of the folders that has one there."""
        path = name.replace("\\", "/").removeprefix("./")
        for folder in self._folders if path and lies_below(path) else ():
            with suppress(OSError):  # such as of a name that is too long
                if (there := folder / path).is_file():
                    return str(there)
        return None


def told_elsewhere(finders: Iterable[ImageFinder]) -> Iterator[str]:
    """A note of the images that lie in other folders than their names say, if there are any."""
    finders = [finder for finder in finders if finder.elsewhere]
    for first in finders[:1]:
        count = sum(finder.elsewhere for finder in finders)
        what = "images are not in the folders that label files say, and were found by the last parts of their names"
        yield f"{count:,} {what}, such as {first.example}"


def tail(name: str) -> list[str]:
    """The parts of a name that can be a path: without scheme, host and query of a URL, drive, and steps upwards."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", name):
        there = urlsplit(name)
        name = unquote(there.path if there.path.rpartition("/")[2] else there.query)
    if local := re.search(r"/local-files/?\?d=(.*)", name):  # Label Studio's storage on a disk
        name = unquote(local[1])
    name = name.replace("\\", "/")
    name = name.replace("_gtFine_leftImg8bit.", "_leftImg8bit.")  # cityscapesScripts names no file that there is
    return [
        normalize("NFC", part) for part in name.split("/") if part.strip(".") and not re.fullmatch("[A-Za-z]:", part)
    ]


def without_common(tails: Sequence[Sequence[str]]) -> list[str]:
    """Paths of these parts, without the folders that all of them begin with."""
    folders = zip(*(parts[:-1] for parts in tails), strict=False)
    common = len(list(takewhile(lambda same: len(set(same)) == 1, folders)))
    return ["/".join(parts[common:]) for parts in tails]


def resolve(names: Sequence[str], folder: Place) -> list[str | Problem]:
    """Each name's file below a folder, as a POSIX path, or why it has none: `image.missing`, `image.ambiguous`."""
    index = file_index(folder)
    found = [find(name, folder, index) for name in names]
    times = Counter(one for one in found if isinstance(one, str))
    for i, (name, one) in enumerate(zip(names, found, strict=True)):
        if isinstance(one, str) and times[one] > 1:
            what = f"the last parts of {name!r} and of another image are of one file, {one}"
            found[i] = Problem(
                "image.ambiguous", f"{what}: give the folder that holds the files of both: --image-dir DIR"
            )
    return found


def file_index(folder: Place) -> Mapping[str, list[str]]:
    """The POSIX paths of all files below a folder, by their names."""
    index: dict[str, list[str]] = defaultdict(list)
    for file in files_below(folder):
        index[normalize("NFC", file.rpartition("/")[2])].append(file)
    return index


def find(name: str, folder: Place, index: Mapping[str, Sequence[str]]) -> str | Problem:
    """The one file of an index whose path has the longest end in common with a name, or why there is none."""
    parts = tail(name)
    there = index.get(parts[-1], ()) if parts else ()
    before = parts_of(folder)
    ends = {file: _common_end(parts, [*before, *parts_in(file)]) for file in there}
    best = sorted(file for file, end in ends.items() if end == max(ends.values()))
    if not best:
        name = parts[-1] if parts else ""
        return Problem("image.missing", f"no file below {folder} is called {name!r}: {WAY_OUT}")
    if len(best) > 1:
        what = f"the last parts of {name!r} are those of {some(best)}"
        return Problem("image.ambiguous", f"{what}: give the folder that is meant: --image-dir DIR")
    return best[0]


def parts_of(folder: Place) -> list[str]:
    """The parts of a folder's path from the root."""
    return normalize("NFC", absolute(folder)).replace(os.sep, "/").split("/")


def parts_in(path: str) -> list[str]:
    """The parts of a POSIX path below a folder."""
    return normalize("NFC", path).split("/")


def _common_end(one: Sequence[str], other: Sequence[str]) -> int:
    """How many last parts are the same."""
    pairs = enumerate(zip(reversed(one), reversed(other), strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
