"""The label files of labelme: what is asked of each before its shapes are drawn, and the image that lies within it."""

from __future__ import annotations

import binascii
import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec

from segdata.dataset.origin import Origin
from segdata.errors import DataError, Problem, Report
from segdata.files.members import member_path
from segdata.files.places import read_bytes
from segdata.files.remote import Place
from segdata.readers.json_text import decode_json
from segdata.readers.source import Receipt, leave_out, readable
from segdata.words import some

KEYS = {"shapes", "imagePath", "imageData"}
"""A JSON that has none of them is of something else."""

ENDINGS = {
    b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"BM": ".bmp", b"II*\0": ".tif", b"MM\0*": ".tif",
    b"RIFF": ".webp",
}  # fmt: skip
"""How images begin, and the endings of their names."""


class Named(msgspec.Struct, gc=False):
    """The label of a shape."""

    label: str


class Head(msgspec.Struct):
    """What is asked of a label file before its shapes are drawn."""

    shapes: list[Named]
    imagePath: str | None = None
    imageData: str | None = None
    flags: object = None
    segdata: object = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its shapes, each once, sorted."""
        return tuple(sorted({shape.label for shape in self.shapes if shape.label.strip()}))

    @property
    def flags_set(self) -> tuple[str, ...]:
        """What was ticked of the whole image."""
        return (
            tuple(flag for flag, is_set in self.flags.items() if is_set is True) if isinstance(self.flags, dict) else ()
        )


HEAD = msgspec.json.Decoder(Head)


class Found(NamedTuple):
    """A label file: its path below the folder, the labels in it, the image that it names, and the path of the one within it.

    `origin`: the sample that segdata wrote it of.
    """

    name: str
    labels: tuple[str, ...]
    image: str | None
    inside: str | None
    flags: tuple[str, ...]
    origin: Origin | None = None


def is_label_file(data: bytes) -> bool:
    """Whether a JSON is a label file of labelme: it has shapes with labels, and an image."""
    try:
        keys = msgspec.json.decode(data, type=dict[str, msgspec.Raw]).keys()
        return "shapes" in keys and len(keys & KEYS) > 1 and HEAD.decode(data) is not None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def read_heads(folder: Place, names: Sequence[str], report: Report, receipt: Receipt) -> Iterator[Found]:
    """The label files that can be read; the others are reported, and files of something else are noted."""
    others: list[str] = []
    seen: dict[tuple[str, ...], tuple[str, ...]] = {}  # most files have the labels of another
    for name in names:
        path = str(folder / name)
        try:
            head = _read_head(path)
        except DataError as error:
            leave_out(error.problem, [posixpath.basename(name)], report, receipt, sample=posixpath.splitext(name)[0])
            continue
        if head is None:
            others.append(name)
            continue
        data, its = head
        labels = seen.setdefault(its.labels, its.labels)
        inside = _inside(path, data, its.imageData)
        yield Found(name, labels, its.imagePath, inside, its.flags_set, Origin.told(its.segdata))
    if others:
        receipt.notes.append(f"not read, as they have no shapes of labelme: {some(others)}")


def _read_head(path: str) -> tuple[bytes, Head] | None:
    """The bytes of a label file, and what is asked of it first; None for JSON of something else. Raises `DataError`."""
    with readable(path, "labelme.missing"):
        data = read_bytes(path)
    try:
        head = decode_json(data, HEAD, "labelme", "a label file of labelme", ("shapes", Named))
    except DataError as error:
        with suppress(ValueError, RecursionError):
            content = json.loads(data)
            if not isinstance(content, dict) or not content.keys() & KEYS:
                return None
        raise error.at(file=path) from error.__cause__
    for number, shape in enumerate(head.shapes):
        if not shape.label.isascii() and any("\ud800" <= sign <= "\udfff" for sign in shape.label):
            message = f"its label {shape.label!a} holds half a character: correct it"
            raise DataError(Problem("labelme.label", message, path, annotation=number))
    return data, head


def _inside(path: str, data: bytes, text: str | None) -> str | None:
    """The path of the image within a label file; None if it has none."""
    if not text:
        return None
    for match in re.finditer(rb'"imageData"\s*:\s*"(data:[\w/+.-]*;base64,)?', data):
        start, end = match.end(), data.find(b'"', match.end())
        if (its := _unescaped(data[start:end])) and text.endswith(its):  # else the key is one of other data
            return member_path(path, start, end - start, f"image{_ending(its)}", "base64")
    return None


def _unescaped(text: bytes) -> str:
    """What a part of a JSON string means; empty if it is no such part."""
    with suppress(ValueError):
        return str(json.loads(b'"%b"' % text)) if b"\\" in text else text.decode("ascii")
    return ""


def _ending(text: str) -> str:
    """The ending of the name of an image, by its first bytes in base64."""
    with suppress(ValueError):
        head = binascii.a2b_base64(text[:16])
        return next((ending for start, ending in ENDINGS.items() if head.startswith(start)), ".bin")
    return ".bin"
