"""The files of ADE20K, in both layouts: which images there are, their masks, and the files that name what is on them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from posixpath import dirname, splitext
from typing import NamedTuple

from segdata.files.endings import is_image
from segdata.files.listing import files_in, glance
from segdata.files.remote import Place, Remote

SEG, ATTRIBUTES = "_seg.png", "_atr.txt"

SPLITS = ("training", "validation", "train", "val", "valid", "testing", "test")
"""Folders that are splits, in the full set."""

USUAL = (".jpg", ".jpeg", ".png")


class Frame(NamedTuple):
    """An image: its path from the folder of its split without ending, its split, its files by path (None: not there).

    `parts`: by level of parts the path of their mask.
    """

    name: str
    split: str | None
    image: str | None
    mask: str | None
    info: str | None = None
    parts: Mapping[int, str] = {}

    @property
    def path(self) -> str:
        """The path from the folder of the splits, without ending."""
        return self.name if self.split is None else f"{self.split}/{self.name}"


# ADEChallengeData2016


def challenge_frames(root: Place, images: bool, notes: list[str]) -> list[Frame]:
    """The frames of annotations/ and images/, in order of name; images of splits with no mask at all become a note."""
    masks = by_stem(name for name in files_in(root / "annotations") if name.lower().endswith(".png"))
    folder = root / "images"
    seen = by_stem(filter(is_image, files_in(folder))) if images and folder.is_dir() else {}
    splits = {split_of(stem) for stem in masks}
    rest = Counter(split for stem in seen if (split := split_of(stem)) not in splits)
    for split, count in sorted(rest.items(), key=str):
        notes.append(f"images/{split or ''}: {count} images are left out, as annotations/{split or ''} has no PNG")
    frames = []
    for stem in sorted({*masks, *(stem for stem in seen if split_of(stem) in splits)}):
        split = split_of(stem)
        name = stem if split is None else stem.removeprefix(f"{split}/")
        mask = f"{root / 'annotations'}/{masks[stem]}" if stem in masks else None
        image = f"{folder}/{seen[stem]}" if stem in seen else None
        frames.append(Frame(name, split, image, mask))
    return frames


def by_stem(names: Iterable[str]) -> dict[str, str]:
    """Paths by the same without ending; of several the most usual."""
    found: dict[str, str] = {}
    for name in names:
        stem, ending = splitext(name)
        if stem not in found or _rank(ending) < _rank(splitext(found[stem])[1]):
            found[stem] = name
    return found


def split_of(stem: str) -> str | None:
    """The first folder of a path, if it is in one."""
    first, slash, _ = stem.partition("/")
    return first if slash else None


def _rank(ending: str) -> int:
    return USUAL.index(ending.lower()) if ending.lower() in USUAL else len(USUAL)


# The full set


def full_base(root: Place) -> Place:
    """The folder with the splits: images/ADE, as the set of 2021 has it, images, as that of 2016 does, or SRC itself."""
    bases = [base for base in (root / "images" / "ADE", root / "images", root / "ADE") if base.is_dir()]
    return next((base for base in bases if any(path.endswith(SEG) for path in glance(base))), root)


def full_frames(base: Place) -> list[Frame]:
    """The frames of all folders with masks `<image>_seg.png`, in order of name: all that have a mask or are an image."""
    frames: list[Frame] = []
    for folder, names in folders_below(base):
        first, _, rest = folder.partition("/")
        split, under = (first, rest) if first in SPLITS else (None, folder)
        inside = f"{base}/{folder}" if folder else str(base)
        for stem in stems(names):
            files = frame_files(stem, names)
            there = {key: f"{inside}/{name}" for key, name in files.items()}
            parts = {int(key): path for key, path in there.items() if key.isdecimal()}
            name = f"{under}/{stem}" if under else stem
            frames.append(Frame(name, split, there.get("image"), there.get("mask"), there.get("info"), parts))
    return sorted(frames, key=lambda frame: (frame.split or "", frame.name))


def folders_below(base: Place) -> Iterator[tuple[str, set[str]]]:
    """The POSIX path of each folder and the names of its files, but for hidden ones and for folders of single objects."""
    if isinstance(base, Remote):
        found: dict[str, set[str]] = {}
        for path in files_in(base):
            found.setdefault(dirname(path), set()).add(path.rpartition("/")[2])
        objects = {f"{folder}/{name}".lstrip("/").removesuffix(SEG) for folder in found for name in found[folder]}
        yield from ((folder, names) for folder, names in found.items() if folder not in objects)
        return
    for here, folders, files in os.walk(base, followlinks=True):
        names = {name for name in files if name[:1] != "."}
        folders[:] = sorted(name for name in folders if name[:1] != "." and name + SEG not in names)
        under = os.path.relpath(here, base).replace(os.sep, "/")
        yield "" if under == "." else under, names


def stems(names: set[str]) -> list[str]:
    """The images of a folder, by their names without ending: those that have a mask, and others beside them."""
    masks = {name.removesuffix(SEG) for name in names if name.endswith(SEG)}
    described = {name.removesuffix(ATTRIBUTES) for name in names if name.endswith(ATTRIBUTES)}
    images = (splitext(name)[0] for name in names if is_image(name) and not re.search(r"_(seg|parts_\d+)\.png$", name))
    return sorted(masks | {stem for stem in images if masks or stem in described})


def frame_files(stem: str, names: set[str]) -> dict[str, str]:
    """The names of an image's files: `image`, `mask`, `info`, and by level those of parts."""
    found = {"image": next((stem + end for end in (*USUAL, ".JPG", ".JPEG", ".PNG") if stem + end in names), "")}
    found["mask"] = stem + SEG
    found["info"] = f"{stem}.json" if f"{stem}.json" in names else stem + ATTRIBUTES
    level = 1
    while f"{stem}_parts_{level}.png" in names:
        found[str(level)] = f"{stem}_parts_{level}.png"
        level += 1
    return {key: name for key, name in found.items() if name in names}
