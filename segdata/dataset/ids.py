"""Sample ids from image paths."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from posixpath import dirname, splitext

from segdata.errors import Problem
from segdata.files.places import lies_below

NAME_MAX = 255
"""The most bytes that a file's name can have in almost every file system."""


def sample_ids(split: str | None, paths: Sequence[str]) -> tuple[list[str | Problem], list[Problem]]:
    """Ids for images, from their POSIX paths under the image folder, and a `Problem` for each id that was changed.

    An id is split + "/" + path without extension; ids that would collide keep the extension. A path that leads out of the
    folder, that occurs twice, or whose mask could not be written has a `Problem` instead of an id.
    """
    prefix = f"{split}/" if split else ""
    times = Counter(paths)
    ids = {path: splitext(path)[0] for path in times if lies_below(path)}
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
        elif (longest := longest_name(f"{id}.png")) > NAME_MAX:
            what = f"its mask would have a name of {longest} bytes, {NAME_MAX} are allowed: shorten it"
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
