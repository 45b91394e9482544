"""Where the images of a COCO label file are: from what its records call them to files."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Literal, TypeVar
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

from segdata.errors import DataError, Problem
from segdata.files.places import absolute, files_below, lies_below, place
from segdata.files.remote import Place
from segdata.readers.coco_splits import LABEL_FOLDERS
from segdata.readers.coco_tables import ImageRecord
from segdata.words import some

ImageMatch = Literal["path", "name"]
"""How file_name names an image: by its path under the folder of the images, or by the last parts of it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Located:
    """The images of a label file: what the sample id of each is made of, and its file, or why there is none.

    `folders` are those that there are of the places where they may be; none if no image is wanted.
    """

    names: Sequence[str]
    files: Sequence[str | Problem | None]
    folders: Sequence[Place] = ()


def locate(
    path: Place,
    split: str | None,
    records: Sequence[ImageRecord],
    image_dir: str | Path | None,
    match: ImageMatch,
    *,
    images: bool,
) -> Located:
    """Find the images of the label file `path`. Raises `DataError` (`coco.images`) that lists where it looked."""
    names = [image_path(record) for record in records]
    if not images:
        short = without_common([tail(record) for record in records])
        return Located(short if match == "name" else names, [None] * len(names))
    folders = image_folders(path, split, image_dir)
    if match == "name":
        return _by_name(path, records, folders)
    urls = [url_path(record) for record in records]
    for folder in folders:
        for paths in (urls, names) if records and records[0].file_name is None else (names, urls):
            if any((folder / name).exists() for name in _first(paths) if lies_below(name)):
                return Located(_unique(names, paths), [_file(folder, name) for name in paths], folders)
    if not all(map(lies_below, _first(names))):  # each such name is refused by itself
        return Located(names, [_file(folders[0], name) for name in names], folders)
    if not names:
        return Located((), ())
    looked = some(dict.fromkeys(f"{folder}/" for folder in folders))
    way_out = by_last_parts(records, folders) or ": give --image-dir DIR, or --images none"
    raise DataError(Problem("coco.images", f"its images ({names[0]} ...) are not in {looked}{way_out}", file=str(path)))


def image_folders(path: Place, split: str | None, image_dir: str | Path | None) -> list[Place]:
    """The folders that there are of those where a label file's images may be, the likeliest first."""
    subset = path.stem.rsplit("_", 1)[-1]
    bases = [place(image_dir)] if image_dir is not None else _bases(path)
    folders = [base / sub for base in bases for sub in dict.fromkeys((subset, split or "", ""))]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()] or bases[:1]


def _bases(path: Place) -> list[Place]:
    """The folder that holds a label file, or the folder of label files that it is in."""
    holder = path.parent
    if holder.name not in LABEL_FOLDERS and holder.parent.name in LABEL_FOLDERS:
        holder = holder.parent
    base = holder.parent if holder.name in LABEL_FOLDERS else holder
    return [base, base / "images", path.parent]


# What records call their images


def image_path(image: ImageRecord) -> str:
    """A record's image as a POSIX path: file_name, or in LVIS v1 the last part of coco_url."""
    if image.file_name is not None:
        return image.file_name.replace("\\", "/").removeprefix("./")
    return (image.coco_url or f"{image.id}").rsplit("/", 1)[-1]


def url_path(image: ImageRecord) -> str:
    """The last two parts of coco_url, the official place of images that are of several folders: train2017/000000000009.jpg."""
    return "/".join(image.coco_url.split("/")[-2:]) if image.coco_url else image_path(image)


def _unique(names: Sequence[str], paths: Sequence[str]) -> Sequence[str]:
    """What ids are made of: names, unless images of several folders have the same."""
    return names if len(set(names)) == len(names) else paths


def _first(all: Sequence[T]) -> Sequence[T]:
    """The ones that tell where the images are: looking for each would take long."""
    return [*all[:20], *all[20:][-1:]]


def _file(folder: Place, name: str) -> str | Problem:
    """A file below the folder of the images; a name that leads out of it is a problem."""
    if lies_below(name):
        return str(folder / name)
    return Problem("image.name", f"{name!r} is not a path under the image folder: correct it")


# By the last parts of file_name


def tail(image: ImageRecord) -> list[str]:
    """The parts of file_name that can be a path: without scheme, host and query of a URL, drive, and steps upwards."""
    name = image_path(image)
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


def _by_name(path: Place, records: Sequence[ImageRecord], folders: Sequence[Place]) -> Located:
    """Each record's image by the longest end of its file_name that a file has, in the nearest folder that has any."""
    for folder in sorted(folders, key=lambda folder: -len(_parts(folder))):
        found = resolve(records, folder)
        if any(isinstance(one, str) or one.code == "image.ambiguous" for one in found):
            files = [str(folder / one) if isinstance(one, str) else one for one in found]
            names = [
                one if isinstance(one, str) else f"image {record.id}"
                for record, one in zip(records, found, strict=True)
            ]
            return Located(names, files, folders)
    looked = some(f"{folder}/" for folder in folders)
    name = "/".join(tail(records[0])[-1:]) if records else ""
    message = f"its images ({name} ...) are not in {looked} nor below: give --image-dir DIR, or --images none"
    raise DataError(Problem("coco.images", message, file=str(path)))


def resolve(records: Sequence[ImageRecord], folder: Place) -> list[str | Problem]:
    """Each record's file below a folder, as a POSIX path, or why it has none: `image.missing`, `image.ambiguous`."""
    index = file_index(folder)
    found = [find(record, folder, index) for record in records]
    times = Counter(one for one in found if isinstance(one, str))
    for i, (record, one) in enumerate(zip(records, found, strict=True)):
        if isinstance(one, str) and times[one] > 1:
            what = f"the last parts of file_name {image_path(record)!r} and of another image are of one file, {one}"
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


def find(image: ImageRecord, folder: Place, index: Mapping[str, Sequence[str]]) -> str | Problem:
    """The one file of an index whose path has the longest end in common with a record's file_name, or why there is none."""
    parts = tail(image)
    there = index.get(parts[-1], ()) if parts else ()
    before = _parts(folder)
    ends = {file: _common_end(parts, [*before, *normalize("NFC", file).split("/")]) for file in there}
    best = sorted(file for file, end in ends.items() if end == max(ends.values()))
    if not best:
        return Problem(
            "image.missing", f"no file below {folder} is called {parts[-1] if parts else ''!r}: put it there"
        )
    if len(best) > 1:
        what = f"the last parts of file_name {image_path(image)!r} are those of {some(best)}"
        return Problem("image.ambiguous", f"{what}: give the folder that is meant: --image-dir DIR")
    return best[0]


def _parts(folder: Place) -> list[str]:
    """The parts of a folder's path from the root."""
    return normalize("NFC", absolute(folder)).replace(os.sep, "/").split("/")


def _common_end(one: Sequence[str], other: Sequence[str]) -> int:
    """How many last parts are the same."""
    pairs = enumerate(zip(reversed(one), reversed(other), strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def by_last_parts(records: Sequence[ImageRecord], folders: Sequence[Place]) -> str:
    """The option that finds images whose file_name is no path under the folder, where it finds one; else nothing."""
    for folder in sorted(folders, key=lambda folder: -len(_parts(folder))):
        for record, found in zip(records, resolve(records, folder), strict=True):
            if isinstance(found, str) and found != image_path(record):
                return f", but {tail(record)[-1]} is there as {folder / found}: give --image-match name"
    return ""
