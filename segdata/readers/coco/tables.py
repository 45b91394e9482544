"""COCO's label files: their records, decoded."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple, TypeVar

import msgspec

from segdata.errors import DataError, Problem, Report, located
from segdata.files.places import read_bytes
from segdata.files.remote import Place
from segdata.readers.coco.records import Id, Segment, decode, one_id
from segdata.readers.source import Receipt, readable
from segdata.words import some

KEYS = ("images", "annotations", "categories")

T = TypeVar("T")


class ImageRecord(msgspec.Struct, gc=False):
    """A record of `images`. LVIS v1 has no file_name; only LVIS has not_exhaustive_category_ids."""

    id: Id
    height: int
    width: int
    file_name: str | None = None
    coco_url: str | None = None
    not_exhaustive_category_ids: list[Id] | None = None

    def __post_init__(self) -> None:
        """One form of each id."""
        self.id = one_id(self.id)


Channel = Annotated[int, msgspec.Meta(ge=0, le=255)]


class Category(msgspec.Struct, gc=False):
    """A record of `categories`."""

    id: Id
    name: str
    color: tuple[Channel, Channel, Channel] | None = None
    supercategory: str | None = None

    def __post_init__(self) -> None:
        """One form of each id."""
        self.id = one_id(self.id)


class PanopticRecord(msgspec.Struct):
    """A record of `annotations` in a panoptic file: one image's PNG and segments."""

    image_id: Id
    file_name: str
    segments_info: list[Segment]

    def __post_init__(self) -> None:
        """One form of each id."""
        self.image_id = one_id(self.image_id)


class Broken(NamedTuple):
    """A record of the wrong shape: what is wrong with it, and what can be read of it all the same."""

    problem: Problem
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LabelTable:
    """A label file, its top level decoded: each key with its undecoded value."""

    path: Place
    parts: dict[str, msgspec.Raw]
    panoptic: bool

    @classmethod
    def load(cls, path: Place) -> LabelTable:
        """Raises `DataError` (`coco.json`, `coco.keys`)."""
        with readable(path, "coco.missing"):
            data = read_bytes(path)
        with located(file=str(path)):
            _check_utf8(data)
            parts = _top_level(data.removeprefix(b"\xef\xbb\xbf"))
            _refuse_twice(data, parts)
            missing = [key for key in KEYS if key not in parts]
            if missing:
                message = f"not COCO labels: has no {' and no '.join(missing)} (it has: {some(parts) or 'nothing'})"
                raise DataError(Problem("coco.keys", message))
        return cls(path, parts, data.find(b'"segments_info"') >= 0)

    @property
    def unread(self) -> list[str]:
        """Keys of the top level that hold nothing for masks and are not COCO's own."""
        return sorted(set(self.parts) - {*KEYS, "info", "licenses", "type"})

    def records(self, key: str, kind: type[T]) -> tuple[list[T], list[Broken]]:
        """The records under a key, and those that have the wrong shape. Raises `DataError` (`coco.type`)."""
        with located(file=str(self.path)):
            try:
                return msgspec.json.decode(self.parts[key], type=list[kind]), []  # type: ignore[valid-type]
            except msgspec.ValidationError:
                pass
            try:
                rows = msgspec.json.decode(self.parts[key], type=list[msgspec.Raw])
            except msgspec.ValidationError as error:
                raise DataError(Problem("coco.type", f"{key} must be a list: {error}")) from error
            good: list[T] = []
            broken: list[Broken] = []
            decoder = msgspec.json.Decoder(kind)
            for number, row in enumerate(rows):
                try:
                    good.append(decode(row, decoder))
                except msgspec.ValidationError as error:
                    problem = Problem(f"coco.{key}", f"{key}[{number}]: {error}", str(self.path))
                    broken.append(Broken(problem, _readable(row)))
            return good, broken


def read_images(table: LabelTable, report: Report, receipt: Receipt) -> list[ImageRecord]:
    """The records of `images`; one of the wrong shape is an image that is left out."""
    images, broken = table.records("images", ImageRecord)
    for problem, values in broken:
        name = values.get("file_name")
        problem = replace(problem, sample=name if isinstance(name, str) else None)
        report.add(problem)
        receipt.add(Receipt(images=1, skipped_images=[problem]))
    return images


def read_categories(table: LabelTable, report: Report, receipt: Receipt) -> list[Category]:
    """The records of `categories`; without one of the wrong shape the class ids are those of the others."""
    categories, broken = table.records("categories", Category)
    for problem, values in broken:
        report.add(problem)
        receipt.notes.append(f"{table.path.name}: {problem.message}: category {values.get('id')} is no class")
    for category in [category for category in categories if not category.name.strip()]:
        problem = Problem("coco.categories", f"category {category.id} has an empty name: name it", str(table.path))
        report.add(problem)
        receipt.notes.append(f"{table.path.name}: {problem.message}: it is no class")
        categories.remove(category)
    return categories


# JSON


def _readable(row: msgspec.Raw) -> dict[str, Any]:
    try:
        values = json.loads(bytes(row))  # which takes any number, but for one of thousands of digits
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _refuse_twice(data: bytes, parts: Mapping[str, msgspec.Raw]) -> None:
    """Of a key that occurs twice only the last is in `parts`. Without spare bytes between them there is no other."""
    lengths = sum(len(key) + len(memoryview(raw)) for key, raw in parts.items())
    if len(data) - lengths <= 8 * len(parts) + 8:
        return
    for key in KEYS:
        name = b'"%s"' % key.encode()
        inside = sum(len(re.findall(name, memoryview(raw))) for raw in parts.values())
        if data.count(name) > inside + 1:
            message = f'the key "{key}" occurs twice: put what both hold under one'
            raise DataError(Problem("coco.keys", message))


def _check_utf8(data: bytes) -> None:
    """In pieces, since a label file may fill much of the memory; records are decoded later, each by itself."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), 2**20):
            decoder.decode(data[start : start + 2**20])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise DataError(Problem("coco.json", f"not UTF-8 ({error.reason}): save it as UTF-8")) from error


def _top_level(data: bytes) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError as error:
        raise DataError(Problem("coco.json", f"not COCO labels: {error}")) from error
    except (msgspec.DecodeError, RecursionError) as error:
        reason = error
    try:  # NaN and Infinity are not JSON, but Python writes them: read on, so that the annotation can be named
        tolerant = json.loads(data, parse_constant=str)
        return msgspec.json.decode(json.dumps(tolerant).encode(), type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        message = f"not valid JSON, perhaps cut off: {reason}"
        raise DataError(Problem("coco.json", message)) from reason
