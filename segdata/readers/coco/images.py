"""Where the images of a COCO label file are: from what its records call them to files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from segdata.errors import DataError, Problem
from segdata.files.places import lies_below, place
from segdata.files.remote import Place
from segdata.readers.coco.splits import LABEL_FOLDERS
from segdata.readers.coco.tables import ImageRecord
from segdata.readers.named_images import ImageMatch, parts_of, resolve, tail, without_common
from segdata.words import some

T = TypeVar("T")

IMAGE_FOLDERS = ("images", "data", "image_set")
"""What the folder of the images is called beside a label file, or its folder: by most, by FiftyOne, by SuperAnnotate."""


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
        short = without_common([tail(image_path(record)) for record in records])
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
    subset, longer = path.stem.rsplit("_", 1)[-1], path.stem.partition("_")[2]
    bases = [place(image_dir)] if image_dir is not None else _bases(path)
    folders = [base / sub for base in bases for sub in dict.fromkeys((subset, longer, split or "", ""))]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()] or bases[:1]


def _bases(path: Place) -> list[Place]:
    """The folder that holds a label file, or the folder of label files that it is in."""
    holder = path.parent
    if holder.name not in LABEL_FOLDERS and holder.parent.name in LABEL_FOLDERS:
        holder = holder.parent
    base = holder.parent if holder.name in LABEL_FOLDERS else holder
    return [base, *(base / name for name in IMAGE_FOLDERS), path.parent]


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


def _by_name(path: Place, records: Sequence[ImageRecord], folders: Sequence[Place]) -> Located:
    """Each record's image by the longest end of its file_name that a file has, in the nearest folder that has any."""
    for folder in sorted(folders, key=lambda folder: -len(parts_of(folder))):
        found = resolve([image_path(record) for record in records], folder)
        if any(isinstance(one, str) or one.code == "image.ambiguous" for one in found):
            files = [str(folder / one) if isinstance(one, str) else one for one in found]
            names = [
                one if isinstance(one, str) else f"image {record.id}"
                for record, one in zip(records, found, strict=True)
            ]
            return Located(names, files, folders)
    looked = some(f"{folder}/" for folder in folders)
    name = "/".join(tail(image_path(records[0]))[-1:]) if records else ""
    message = f"its images ({name} ...) are not in {looked} nor below: give --image-dir DIR, or --images none"
    raise DataError(Problem("coco.images", message, file=str(path)))


def by_last_parts(records: Sequence[ImageRecord], folders: Sequence[Place]) -> str:
    """The option that finds images whose file_name is no path under the folder, where it finds one; else nothing."""
    for folder in sorted(folders, key=lambda folder: -len(parts_of(folder))):
        names = [image_path(record) for record in records]
        for name, found in zip(names, resolve(names, folder), strict=True):
            if isinstance(found, str) and found != name:
                return f", but {tail(name)[-1]} is there as {folder / found}: give --image-match name"
    return ""
