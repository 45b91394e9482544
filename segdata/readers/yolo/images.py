"""Which images a set of Ultralytics has, split by split, and where the label file of each is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple
from unicodedata import normalize

from segdata.errors import DataError, Problem
from segdata.files.endings import ending, is_image
from segdata.files.listing import files_in
from segdata.files.places import absolute, below, links_out, read_start, real, size_of
from segdata.files.remote import Place
from segdata.readers.named_images import tail, without_common
from segdata.readers.source import Input, Receipt, read_text, refuse_split
from segdata.readers.yolo.data import Data
from segdata.words import some

ENDINGS = (".avif", ".bmp", ".dng", ".heic", ".heif", ".jp2", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp")
"""What Ultralytics takes for images, in lower case."""

USUAL = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
"""What the folders and lists of splits are called where no YAML says it."""

IMAGES, LABELS = "/images/", "/labels/"

DRIVE = re.compile("[A-Za-z]:")

LONGEST = 200
"""So many characters of a path are told."""

SHORT = 64
"""A label file that is longer has a line."""


class Image(NamedTuple):
    """An image: its path below SRC, or why it has none, and the name that its id is made of."""

    path: str | Problem
    name: str


@dataclass(frozen=True, slots=True)
class Set:
    """A set: the folder SRC, those that paths of its YAML may start from, and what is told of it."""

    root: Place
    starts: Sequence[Place]
    receipt: Receipt
    inputs: list[Input] = field(default_factory=list)


def find_images(there: Set, data: Data | None, split: str | None) -> dict[str | None, list[Image]]:
    """The images of each split that the YAML tells, or else of those that there are, or of one `split`.

    An image is in the first split that has it. Raises `DataError` (`yolo.missing`, `yolo.list`), `OptionError` for a split that
    there is not.
    """
    places = told_places(there, data, split) if data is not None and data.splits else usual_places(there.root)
    if split is not None and split not in places:
        refuse_split(split, there.root, places)
    places = places if split is None else {split: places[split]}
    found: dict[str | None, list[Image]] = {}
    owner: dict[str, str | None] = {}
    for its_split, where in places.items():
        images = images_at(there, where)
        alone = [
            one for one in images if isinstance(one.path, Problem) or owner.setdefault(one.path, its_split) == its_split
        ]
        if shared := len(images) - len(alone):
            what = f"{its_split}: {shared} of its {len(images)} images are of an earlier split, too, and in that alone"
            there.receipt.warnings.append(f"{what} (--split {its_split} reads them all)")
        found[its_split] = alone
    if not any(found.values()):
        searched = some(below(one, there.root) or "." for where in places.values() for one in where)
        message = f"there are no images ({some(ENDINGS, 20)}) in {searched}"
        raise DataError(Problem("yolo.missing", message, str(there.root)))
    return found


# Places


def start_of(root: Place, data: Data | None, receipt: Receipt) -> list[Place]:
    """Where the paths of a YAML may start: at its `path`, if that is in SRC, and at SRC."""
    if data is None or data.path is None:
        return [root]
    found = find_inside(data.path, [root])
    if found is None or not found[0].is_dir():
        receipt.notes.append(f"{data.file}: path {data.path[:LONGEST]} is not in SRC: its images are looked for in SRC")
        return [root]
    return list(dict.fromkeys([found[0], root]))


def told_places(there: Set, data: Data, split: str | None) -> dict[str | None, list[Place]]:
    """The folders and lists of each split that a YAML has, or of one. Raises `DataError` (`yolo.missing`) if none is there."""
    places: dict[str | None, list[Place]] = {}
    missing: list[str] = []
    for its_split, paths in data.splits.items():
        for path in paths if split in (None, its_split) else ():
            if (found := find_inside(path, there.starts)) is None:
                missing.append(f"{its_split or 'no split'}: {path[:LONGEST]}")
                continue
            where, cut = found
            if cut:
                name = below(where, there.root) or "."
                there.receipt.notes.append(
                    f"{data.file}: {its_split}: {path[:LONGEST]} is not in SRC: read from {name}"
                )
            places.setdefault(its_split, []).append(where)
    if split is not None and split not in data.splits:
        refuse_split(split, there.root, data.splits)
    if missing and not places:
        message = f"{some(missing)} is not in SRC: give the folder that holds it as SRC, and this file as --data"
        raise DataError(Problem("yolo.missing", message, data.file))
    there.receipt.warnings += [
        f"{data.file}: {one}: there is no such folder or list, it is left out" for one in missing
    ]
    return places


def find_inside(path: str, folders: Sequence[Place]) -> tuple[Place, bool] | None:
    """The file or folder that a path means, below one of the folders, the last of which is SRC, and whether its start is cut.

    Of a path that leads elsewhere the last parts count. `../train/images` of Roboflow means `train/images`.
    """
    root = folders[-1]
    absolute_path = path[:1] in ("/", "\\") or ":" in path
    for start in (absolute(root), real(root)):
        if path == start or path.startswith(f"{start}/"):
            folders, path, absolute_path = [root], path[len(start) :], False
    parts = [part for part in path.replace("\\", "/").split("/") if part.strip(".") and not DRIVE.fullmatch(part)]
    for skipped in range(len(parts) or 1):
        rest = "/".join(parts[skipped:])
        for folder, name in product(folders, dict.fromkeys((rest, normalize("NFC", rest), normalize("NFD", rest)))):
            with suppress(OSError, ValueError):  # no name of a file
                if (there := folder / name).exists():
                    return there, skipped > 0 or absolute_path
    return None


def usual_places(root: Place) -> dict[str | None, list[Place]]:
    """Where images lie if no YAML tells: `images/train`, `train/images` or `train.txt`, or else `images` or SRC itself."""
    places: dict[str | None, list[Place]] = {}
    for split, names in USUAL.items():
        usual = [root / path.format(name) for path in ("images/{}", "{}/images", "{}.txt") for name in names]
        if (there := next((one for one in usual if one.exists()), None)) is not None:
            places[split] = [there]
    return places or {None: [root / "images" if (root / "images").is_dir() else root]}


# Images


def images_at(there: Set, places: Sequence[Place]) -> list[Image]:
    """The images of some folders and lists, in the order of their paths, each once."""
    if len(places) == 1 and places[0].is_dir():
        return [Image(path, name) for path, name in images_in(there, places[0])]
    paths: dict[str, str | Problem] = {}
    for where in places:
        if where.is_dir():
            paths |= {path: path for path, _ in images_in(there, where)}
        elif ending(where.name) in ENDINGS:  # Datumaro's lists of images
            paths[below(where, there.root)] = below(where, there.root)
        else:
            paths |= images_of(there, where)
    names = without_common([tail(key) for key in paths])
    return sorted(
        (Image(path, name) for path, name in zip(paths.values(), names, strict=True)), key=lambda one: one.name
    )


def images_in(there: Set, folder: Place) -> list[tuple[str, str]]:
    """The images below a folder: the path of each from SRC, and from the folder. What Ultralytics does not read is told."""
    start = below(folder, there.root)
    files = files_in(folder)
    if others := [name for name in files if is_image(name) and ending(name) not in ENDINGS]:
        what = "are no images for Ultralytics by their ending, and are left out"
        there.receipt.notes.append(f"{start or '.'}: {len(others)} files {what}: {some(others, 3)}")
    return [(f"{start}/{name}".lstrip("/"), name) for name in files if ending(name) in ENDINGS]


def images_of(there: Set, path: Place) -> dict[str, str | Problem]:
    """The images that a list names, by their path from SRC, or by what it calls those that are not there.

    Raises `DataError` (`yolo.list`) for what is no list.
    """
    name = below(path, there.root)
    if links_out(there.root, name):
        raise DataError(Problem("yolo.list", "a link leads out of SRC: put the list itself there", file=name))
    lines = [line.strip() for line in read_text(path, "yolo.list").splitlines() if line.strip()]
    there.inputs.append(Input.of(path))
    found: dict[str, str | Problem] = {}
    cut = 0
    for line in lines:
        if ending(line) not in ENDINGS:
            continue
        if (one := find_inside(line, [path.parent, *there.starts])) is None:
            found[line] = Problem(
                "image.missing", f"there is no {line[:LONGEST]}: put it there, or take the line out", name
            )
        else:
            key = below(one[0], there.root)
            found[key] = key
            cut += one[1]
    if cut:
        there.receipt.notes.append(f"{name}: {cut} paths are not in SRC: of these the last parts count")
    if len(found) < len(lines):
        what = "lines name an image again, or none that Ultralytics reads"
        there.receipt.notes.append(f"{name}: {len(lines) - len(found)} {what}")
    return found


# Labels


def label_path(image: str) -> str:
    """Where Ultralytics has the label file of an image: the last `images/` of its path becomes `labels/`, or beside it."""
    before, found, after = f"/{image}".rpartition(IMAGES)
    path = f"{before}{LABELS}{after}" if found else f"/{image}"
    return f"{path.rpartition('.')[0]}.txt"[1:]


def is_empty(path: Place) -> bool:
    """Whether a label file has no line; one of many empty lines is not looked into."""
    return size_of(path) < SHORT and not read_start(path, SHORT).strip()
