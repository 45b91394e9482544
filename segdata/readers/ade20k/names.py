"""What the files of the full ADE20K say of one image: which objects are on it, by class name, and in JSON by class index.

`<image>.json` (2021) has the index of each class; a line of `<image>_atr.txt` (2016) is an object: its number in the image,
its level (0: no part), whether it is cropped, its class, what it was called, and its attributes. Source: `loadAde20K` in
https://github.com/CSAILVision/ADE20K; for the text Datumaro (docs/source/docs/data-formats/formats/ade20k2017.md).
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from segdata.errors import DataError, Problem, located
from segdata.files.limits import MAX_TEXT
from segdata.files.places import read_bytes
from segdata.readers.json_text import decode_json
from segdata.readers.source import readable

LINE = re.compile(r"\s*(\d{1,6})\s*#\s*(\d{1,3})\s*#\s*\d*\s*#([^#]+)#[^#]*#.*")

BY_HAND = "--classes FILE names the classes (rows id,name: the id is red // 10 * 256 + green)"

MAX_INDEX = 25 * 256 + 255
"""The greatest index that red and green can hold."""


class Named(NamedTuple):
    """An object: its level (0: no part), its class, and the index of that (JSON) or its number on the image (text)."""

    level: int
    name: str
    number: int


class Parts(msgspec.Struct):
    """Where an object is in the tree of parts."""

    part_level: int | str | None = 0


class Thing(msgspec.Struct):
    """An entry of `object`."""

    name: str
    name_ndx: int | float
    parts: Parts | None = None


class Things(msgspec.Struct):
    """The value of `annotation`: MATLAB writes a list of one as its only entry."""

    object: list[Thing] | Thing | None = None


class Info(msgspec.Struct):
    """An image's JSON."""

    annotation: Things


INFO = msgspec.json.Decoder(Info)


def read_names(path: str) -> list[Named]:
    """The objects that an image's JSON or text has. Raises `DataError` (`ade20k.*`)."""
    with readable(path, "ade20k.names"):
        data = read_bytes(path, limit=MAX_TEXT)
    with located(file=path):
        return names_of_json(data) if path.endswith(".json") else names_of_text(data)


def names_of_json(data: bytes) -> list[Named]:
    """The objects of a JSON, which may be in Latin-1, but for those of index 0, which are of no class."""
    annotation = decode_json(utf8(data), INFO, "ade20k", "an ADE20K annotation").annotation.object
    things = annotation if isinstance(annotation, list) else [] if annotation is None else [annotation]
    return [named for number, thing in enumerate(things) if (named := _named(thing, number)).number]


def _named(thing: Thing, number: int) -> Named:
    level = thing.parts.part_level if thing.parts else 0
    if isinstance(level, str):
        level = int(level) if level.isdecimal() and len(level) < 4 else -1
    index = thing.name_ndx
    if not (0 <= index <= MAX_INDEX and index == int(index)) or not 0 <= (level or 0) < 1000 or not thing.name.strip():
        what = f"name {thing.name!r}, name_ndx {index}, part_level {thing.parts and thing.parts.part_level!r}"
        raise DataError(Problem("ade20k.object", f"{what}: not a class and its index: {BY_HAND}", annotation=number))
    return Named(level or 0, thing.name, int(index))


def names_of_text(data: bytes) -> list[Named]:
    """The objects of an _atr.txt."""
    found = []
    for number, line in enumerate(utf8(data).decode().splitlines(), 1):
        if not line.strip():
            continue
        match = LINE.fullmatch(line)
        if match is None or not match[3].strip():
            what = f"line {number}: {line.strip()[:60]!r} is not `number # level # crop # class # name # attributes`"
            raise DataError(Problem("ade20k.line", f"{what}: correct it, or {BY_HAND}"))
        found.append(Named(int(match[2]), match[3].strip(), int(match[1])))
    return found


def utf8(data: bytes) -> bytes:
    """Text in UTF-8, or else in Latin-1, as UTF-8."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1").encode()
    return data
