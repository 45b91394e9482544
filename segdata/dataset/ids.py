"""Sample ids from image paths."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from posixpath import dirname, splitext
from unicodedata import normalize

from segdata.errors import Problem
from segdata.files.places import lies_below

NAME_MAX = 255
"""The most bytes that a file's name can have in almost every file system."""

CONTROL, FOREIGN = r"\x01-\x1f\x7f", r'<>:"|?*\ud800-\udfff'
RESERVED = r"(?:con|prn|aux|nul|com[1-9]|lpt[1-9])(?:\.[^/]*)?(?![^/])"
BAD = re.compile(rf"[{CONTROL}{FOREIGN}]|[. ](?![^/])|(?<![^/]){RESERVED}", re.IGNORECASE)
"""What some file system cannot have in a name: control characters, Windows' own and halves of characters (names that are not
UTF-8 have them), a dot or space at the end, and names of devices."""

ROOM, SHORT = NAME_MAX - len(".png"), 180
"""The most bytes of a part of an id, and the bytes to which a longer one is cut."""


def portable_ids(ids: Iterable[str]) -> tuple[dict[str, str], list[Problem]]:
    """New ids for those that some file systems cannot hold, by the old one, and a `Problem` for each.

    Names that differ only in case or in how accents are composed are one there: all but the first of them, in order, are
    renamed. A new id depends only on the old one, ends with 8 digits of its SHA-256 (more if another id has it), and is unique.
    """
    ids = set(ids)
    bad = {id for id in ids if BAD.search(id) or (len(id) > ROOM // 4 and longest_name(id) > ROOM)}
    taken: dict[str, str] = {}
    for id in sorted(ids - bad):
        taken.setdefault(_folded(id), id)
    alike = sorted(id for id in ids - bad if taken[_folded(id)] != id)
    renamed = [(id, f"some file systems take it for {taken[_folded(id)]}") for id in alike]
    renamed += [(id, "some file systems cannot hold it") for id in sorted(bad)]
    out: dict[str, str] = {}
    for id, _ in renamed:
        stem = "/".join(map(_cleaned, id.split("/")))
        digest = hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()
        out[id] = next(n for d in (8, 16, 32, 64) if _folded(n := f"{stem}-{digest[:d]}") not in taken)
        taken[_folded(out[id])] = out[id]
    return out, [Problem("image.renamed", f"it was called {id}: {why}", sample=out[id]) for id, why in renamed]


def _folded(id: str) -> str:
    """A form that is equal for names that some file system takes for one."""
    return normalize("NFC", normalize("NFC", id).casefold())


def _cleaned(part: str) -> str:
    """A name that every file system can hold, of at most `SHORT` bytes; a good one stays."""
    name = re.sub(f"[{CONTROL}{FOREIGN}]", "_", part).encode()[:SHORT].decode(errors="ignore")
    name = re.sub(r"[. ]+$", lambda end: "_" * len(end[0]), name)
    return f"_{name}" if BAD.search(name) else name


def sample_ids(split: str | None, paths: Sequence[str]) -> tuple[list[str | Problem], list[Problem]]:
    """Ids for images, from their POSIX paths under the image folder, and a `Problem` for each id that was changed.

    An id is split + "/" + path without extension; ids that would collide keep the extension. A path that leads out of the
    folder, that occurs twice, or whose mask could not be written has a `Problem` instead of an id. See `portable_ids`, too.
    """
    prefix = f"{split}/" if split else ""
    times = Counter(paths)
    ids = {path: splitext(path)[0] for path in times if lies_below(re.sub(f"[{CONTROL}]", "_", path))}
    stuck = _colliding(ids)
    while wider := {path: path for path in stuck if ids[path] != path}:
        ids.update(wider)
        stuck = _colliding(ids)
    out: list[str | Problem] = []
    renamed: list[Problem] = []
    for path in paths:
        stem = splitext(path)[0]
        id = prefix + ids.get(path, stem)
        if path not in ids:
            out.append(Problem("image.name", f"{path!r} is not a path under the image folder: correct it", sample=id))
        elif times[path] > 1:
            out.append(Problem("image.twice", "two images have this name: rename one of them", sample=id))
        elif path in stuck:
            what = f"there is a folder {path}.png where its mask would be: rename one of them"
            out.append(Problem("image.name", what, sample=id))
        else:
            out.append(id)
            if ids[path] != stem:
                what = f"the id keeps the extension: {stem} would collide with another"
                renamed.append(Problem("image.renamed", what, sample=id))
    return out, renamed


def longest_name(path: str) -> int:
    """The bytes of the longest name in a path."""
    return max(map(len, os.fsencode(path).split(b"/")))


def _colliding(ids: Mapping[str, str]) -> set[str]:
    """The paths, each given with its id, that share their id, or whose mask would be where another id has a folder."""
    times = Counter(ids.values())
    folders: set[str] = set()
    for id in times:
        while (id := dirname(id)) and id not in folders:
            folders.add(id)
    taken = {folder.removesuffix(".png") for folder in folders if folder.endswith(".png")}
    return {path for path, id in ids.items() if times[id] > 1 or id in taken}
