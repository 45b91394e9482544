"""Where COCO's label files are, and the split that each is for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from segdata.errors import DataError, OptionError, Problem
from segdata.files.places import below, place, read_ends
from segdata.files.remote import Place
from segdata.readers.coco.tables import KEYS
from segdata.readers.detect import shown
from segdata.readers.source import Receipt, refuse_split
from segdata.readers.words_in_names import SPLIT_WORDS
from segdata.words import some

KINDS = ("instances", "lvis", "stuff", "person_keypoints", "panoptic")

EXPORT = "_annotations.coco.json"
"""What Roboflow calls a split's label file, beside its images."""

SURE = (
    *(f"{folder}{kind}_*.json" for kind in KINDS for folder in ("annotations/", "")),
    *(f"*/{EXPORT}", EXPORT, f"*/*/{EXPORT}"),
)
"""Where label files are whose names say so, the likeliest first."""

LABEL_FOLDERS = ("annotations", "annotation", "labels")
"""Folders that hold label files alone, beside those of images."""

LIKELY = (
    *("annotations/*.json", "*.json"),
    *(f"{folder}/{names}" for folder in LABEL_FOLDERS for names in ("*.json", "*/*.json")),
    *("*/annotations/*.json", "*/*.json"),
)
"""Where any JSON may be one. In a folder of any name only if that is a split's: others may be sets of their own."""

MANY = 100
"""More files in one of these places are not COCO's, but a label file per image."""

SPLIT = re.compile(
    rf"(?:^|[^a-z])(minival|test-?dev|{'|'.join(SPLIT_WORDS)})\d*(?![a-z])",
    re.IGNORECASE,
)

GLANCE = 2**18
"""So many bytes are read at either end of a JSON file to tell its format; smaller ones are read whole."""

BROKEN = "is not JSON, or no JSON object"


def fits(root: Place) -> str | None:
    """Why SRC is not this format; None for a JSON with images, annotations and categories, itself or where COCO has it."""
    if root.is_file():
        return unlike(root)
    found, _ = look(root)
    if not found:
        return f"there is no annotations/*.json, */{EXPORT} or *.json"
    reasons = [unlike(path) for path in found[:20]]
    return None if None in reasons else reasons[0]


def unlike(path: Place) -> str | None:
    """Which keys a JSON lacks. Of one too large to be read whole, an end that shows one of them is enough."""
    size, head, tail = read_ends(path, GLANCE)
    if size > 2 * GLANCE:
        found = re.search(rb'"(images|annotations|categories)"\s*:\s*\[', head + b"\n" + tail)
        return None if found else f"neither end of {path.name} shows {', '.join(KEYS)}"
    try:
        parts = msgspec.json.decode((head + tail).removeprefix(b"\xef\xbb\xbf"), type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return f"{path.name} {BROKEN}"
    missing = [key for key in KEYS if key not in parts]
    return f"{path.name} has no {' and no '.join(missing)}" if missing else None


def sure_files(root: Place) -> list[Place]:
    """The label files in the likeliest place where there are some whose names say that they are."""
    return next((found for pattern in SURE if (found := shown(root, pattern))), [])


def look(root: Place) -> tuple[list[Place], list[str]]:
    """The label files of a folder, and a line on each JSON beside them that is none.

    If there are none, the files are the first ones that should be some. A file that is no JSON counts as a label file: it
    may be cut off.
    """
    if found := sure_files(root):
        return found, []
    instead: list[Place] = []
    for pattern in LIKELY:
        found = shown(root, pattern)
        others: list[str] = []
        if pattern.startswith("*/"):
            everywhere = found
            found = [path for path in found if SPLIT.search(below(path, root).partition("/")[0])]
            others = [
                f"{below(path, root)}: not read, as its folder is not called as a split: --annotations SPLIT=FILE names it"
                for path in everywhere
                if found and len(everywhere) <= MANY and path not in found and unlike(path) is None
            ]
        instead = instead or found
        if not found or len(found) > MANY:
            continue
        reasons = {path: unlike(path) for path in found}
        good = [path for path, reason in reasons.items() if reason is None]
        if good:
            cut = [path for path, reason in reasons.items() if (reason or "").endswith(BROKEN)]
            others += [f"{reason}: not read" for path, reason in reasons.items() if reason and path not in cut]
            return sorted([*good, *cut]), others
    return instead, []


def find_label_files(
    root: Place, split: str | None, named: Mapping[str, str] | None, receipt: Receipt
) -> list[tuple[Place, str | None]]:
    """The JSON files that SRC means, each with its split. Raises `DataError` (`coco.missing`), `OptionError`."""
    if named:
        found = list(_named(root, named))
        read = {path for path, _ in found}
        if unread := sorted(below(path, root) for path in sure_files(root) if path not in read):
            names = some(unread)
            receipt.notes.append(f"label files that --annotations or segdata.json do not name are not read: {names}")
    elif root.is_file():
        found = [(root, split_of(root, root.parent))]
    elif not root.is_dir():
        raise DataError(Problem("coco.missing", "there is no such file or folder", file=str(root)))
    else:
        paths, others = look(root)
        receipt.notes += others
        found = [(path, split_of(path, root)) for path in paths]
        if not found:
            message = "holds no annotations/instances_*.json: give the root of the set, or the JSON file itself"
            raise DataError(Problem("coco.missing", message, file=str(root)))
    if split is not None:
        there = [its_split for _, its_split in found]
        found = [(path, its_split) for path, its_split in found if its_split == split]
        if not found:
            refuse_split(split, root, there)
    way_out = "give the one that is meant as SRC, or name the split of each: --annotations SPLIT=FILE"
    if len({its_split for _, its_split in found}) < len(found):
        names = some(below(path, root) for path, _ in found)
        raise OptionError(f"{root}: several label files for one split ({names}): {way_out}")
    if len(found) > 1 and (unplain := [below(path, root) for path, its_split in found if its_split is None]):
        raise OptionError(f"{root}: which split {unplain[0]} is for is not plain from its name: {way_out}")
    return found


def _named(root: Place, named: Mapping[str, str]) -> Iterator[tuple[Place, str | None]]:
    """The files that `--annotations` names, below SRC, or as they are given. Raises `DataError` (`coco.missing`)."""
    if root.is_file():
        raise OptionError(f"--annotations: {root} is a label file itself: give the folder that it is in as SRC")
    way_out = "put it there, or name those that there are: --annotations SPLIT=FILE"
    for its_split, name in named.items():
        given, inside = place(name), root / name
        path = inside if inside.is_file() else given
        if not path.is_file():
            raise DataError(
                Problem("coco.missing", f"--annotations {its_split}: no such file, nor {inside}: {way_out}", file=name)
            )
        yield path, its_split


def split_of(path: Place, root: Place) -> str | None:
    """The split a label file is for: instances_train2017.json -> train; train/_annotations.coco.json -> train.

    A name that does not begin as COCO's do has one word of `SPLIT`, or the folders between it and `root` have.
    """
    if path.name == EXPORT:
        return path.parent.name
    if match := re.fullmatch(rf"(?:{'|'.join(KINDS)})(?:_v\d[\d.]*)?_(.+?)(?:_?\d{{4}})?", path.stem):
        return match[1]
    words = SPLIT.findall(path.stem)
    folder = path.parent
    while not words and folder != root and folder != folder.parent:
        words, folder = SPLIT.findall(folder.name), folder.parent
    return words[0] if len({word.lower() for word in words}) == 1 else None
