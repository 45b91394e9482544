"""Which members of a sample are its image and its mask, told from their extensions, and which files are shards."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from segdata.errors import DataError, OptionError, Problem
from segdata.files.endings import IMAGE_ENDINGS, MASK_ENDINGS, ending
from segdata.readers.words_in_names import IMAGE_WORDS, MASK_WORDS, words_of
from segdata.words import some

MASKS = ("mask.png", "mask.tif", "seg.png", "label.png")

FIRST = ("jpg", "jpeg", "png", "tif", "tiff", "webp", "jp2", "bmp", "ppm", "image")

IMAGES = tuple(dict.fromkeys((*FIRST, *(ending[1:] for ending in IMAGE_ENDINGS))))

PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")

MOST = 100_000
"""So many shards a name with braces may mean."""


class Roles(NamedTuple):
    """The extensions of images and of masks, the first that a sample has counts; and a note where they were found by words."""

    images: tuple[str, ...]
    masks: tuple[str, ...]
    note: str | None = None


def find_roles(samples: Iterable[Sequence[str]], image: str | None, mask: str | None) -> Roles:
    """The roles of members, given the extensions that each sample has, and those that the options name.

    Without an option the usual extensions count, or else the only one that a word tells: `input.jpg`, `target.png`.
    """
    there = sorted({extension for sample in samples for extension in sample})
    images = (image.lower(),) if image else IMAGES
    masks = (mask.lower(),) if mask else MASKS
    found = []
    if not image and not set(images) & set(there):
        told = [name for name in there if name not in masks and _is(name, IMAGE_WORDS, IMAGE_ENDINGS)]
        told = [name for name in told if not words_of(name) & MASK_WORDS]
        if len(told) == 1:
            images, found = (told[0],), [f"--image-member {told[0]}"]
    if not mask and not set(masks) & set(there):
        told = [name for name in there if name not in images and _is(name, MASK_WORDS, MASK_ENDINGS)]
        if len(told) == 1:
            masks, found = (told[0],), [*found, f"--mask-member {told[0]}"]
    return Roles(images, masks, f"members are found as by {' '.join(found)}" if found else None)


def lacking(roles: Roles, members: Sequence[str], *, image: bool) -> str:
    """What a sample without an image, or without a mask, has instead, with the option that reads it."""
    kind, endings = ("image", IMAGE_ENDINGS) if image else ("mask", MASK_ENDINGS)
    taken = roles.masks if image else roles.images
    others = [name for name in members if name not in taken and ending(f".{name}") in endings]
    way_out = f"--{kind}-member {others[0]}" if len(others) == 1 else f"--{kind}-member NAME says which is it"
    way_out = way_out if others or not image else "--images none"
    return f"has no {kind}, but {some(members)}: {way_out}"


def _is(name: str, words: frozenset[str], endings: Sequence[str]) -> bool:
    return ending(f".{name}") in endings and bool(words_of(name) & words)


# Shards


def find_shards(root: str) -> list[Path]:
    """The tar files of a folder or of its shards/, one shard, or those that a name with braces means, in order of name.

    Raises `DataError` (`source.missing`, `shard.none`, `shard.packed`).
    """
    path = Path(root)
    if "{" in root and not path.exists():
        shards = [Path(name) for name in expand_braces(root)]
        if missing := [shard for shard in shards if not shard.is_file()]:
            names = some((shard.name for shard in missing), 3)
            raise DataError(
                Problem("source.missing", f"of {len(shards)} shards {len(missing)} are not there: {names}", root)
            )
        return [refuse_packed(shard) for shard in shards]
    if path.is_file():
        return [refuse_packed(path)]
    if not path.exists():
        raise DataError(Problem("source.missing", "there is no such file or folder", file=root))
    for folder in (path, path / "shards"):
        if found := sorted(shard for shard in folder.glob("*.tar") if shard.is_file()):
            return found
    for shard in sorted(path.glob("*")):
        refuse_packed(shard)
    raise DataError(Problem("shard.none", "there is no *.tar and no shards/*.tar", file=root))


def refuse_packed(shard: Path) -> Path:
    """The shard, if it is not compressed. Raises `DataError` (`shard.packed`) with the command that unpacks it."""
    packed = next((ending for ending in PACKED if shard.name.lower().endswith(ending)), None)
    if packed is None:
        return shard
    program = {".tar.gz": "gunzip", ".tgz": "gunzip", ".tar.bz2": "bunzip2", ".tar.xz": "unxz"}.get(packed, "zstd -d")
    message = f"is compressed, and members are found by their place: {program} {shard.name}"
    raise DataError(Problem("shard.packed", message, file=str(shard)))


def expand_braces(name: str) -> Iterator[str]:
    """`train-{000..010}.tar`, and `{train,val}-0.tar`, as WebDataset and shells have them. Raises `OptionError`."""
    found = re.search(r"\{([^{}]*)\}", name)
    if found is None:
        yield name
        return
    for part in _parts(found[1], name):
        yield from expand_braces(name[: found.start()] + part + name[found.end() :])


def _parts(text: str, name: str) -> list[str]:
    """What stands in braces, one by one."""
    numbers = re.fullmatch(r"(\d{1,9})\.\.(\d{1,9})", text)
    if numbers is None:
        return text.split(",")
    first, last = int(numbers[1]), int(numbers[2])
    if not first <= last < first + MOST:
        raise OptionError(f"{name}: {{{text}}} is no range of at most {MOST:,} numbers, such as {{000..010}}")
    return [f"{number:0{len(numbers[1])}}" for number in range(first, last + 1)]
