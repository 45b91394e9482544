"""COCO's annotations as a file has them: records, ids, segmentations and boxes, decoded."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TypeVar

import msgspec

from segdata.errors import DataError, Problem
from segdata.readers.paint import compress

Id = int | str
"""What a file tells images, annotations and categories by."""

T = TypeVar("T")

WHOLE = re.compile(r"0|-?[1-9]\d{0,18}")

NOT_A_NUMBER = re.compile(rb'"(NaN|-?Infinity)"')


def one_id(id: Id) -> Id:
    """An id as all records of a file have it: 1 for "1", since some exporters write one id both ways."""
    return int(id) if isinstance(id, str) and WHOLE.fullmatch(id) else id


class Record(msgspec.Struct, gc=False):
    """A record of `annotations`. The segmentation stays undecoded: most of a file is coordinates. An `id` of "" is none."""

    image_id: Id
    category_id: Id
    id: Id = ""
    segmentation: msgspec.Raw = msgspec.Raw(b"null")
    bbox: msgspec.Raw = msgspec.Raw(b"null")
    iscrowd: bool | int | None = 0

    def __post_init__(self) -> None:
        """One form of each id; quick if all are numbers, as in most files."""
        if type(self.id) is type(self.image_id) is type(self.category_id) is int:
            return
        self.image_id, self.category_id, self.id = one_id(self.image_id), one_id(self.category_id), one_id(self.id)


class Segment(msgspec.Struct, gc=False):
    """A record of a panoptic annotation's `segments_info`. Its id is the value of its pixels."""

    id: int
    category_id: Id
    iscrowd: bool | int | None = 0

    def __post_init__(self) -> None:
        """One form of each id."""
        self.category_id = one_id(self.category_id)


class RunLengths(msgspec.Struct, forbid_unknown_fields=True):
    """A segmentation as run lengths: compressed (a string) or plain (a list)."""

    size: tuple[int, int]
    counts: str | list[int]


SEGMENTATION = msgspec.json.Decoder(list[list[float]] | RunLengths | None)

BOX = msgspec.json.Decoder(list[float] | None)


def read_segmentation(raw: msgspec.Raw, size: tuple[int, int]) -> list[list[float]] | bytes:
    """A segmentation as polygons or compressed run lengths; none is no polygon. Raises `DataError` (`coco.segmentation`)."""
    try:
        value = decode(raw, SEGMENTATION)
    except msgspec.DecodeError as error:
        bad_number = NOT_A_NUMBER.search(bytes(raw))
        message = f"a coordinate is {bad_number[1].decode()}" if bad_number else f"segmentation: {error}"
        code = "polygon.nan" if bad_number else "coco.segmentation"
        raise DataError(Problem(code, f"{message}")) from error
    if not isinstance(value, RunLengths):
        return value or []
    if value.size != size:
        message = (
            f"its run lengths are {value.size[0]} x {value.size[1]}, its image {size[0]} x {size[1]} (height x width)"
        )
        raise DataError(Problem("rle.size", message))
    if isinstance(value.counts, str):
        return value.counts.encode("ascii", "xmlcharrefreplace")
    if any(n < 0 for n in value.counts) or sum(value.counts) != size[0] * size[1]:
        raise DataError(
            Problem("rle.size", f"its run lengths do not add up to {size[0]} x {size[1]} pixels: export it again")
        )
    return compress(value.counts, *size)


def no_outline(segmentation: list[list[float]] | bytes) -> bool:
    """Whether a segmentation has neither run lengths nor a polygon of three points: it may be a box, as [[1, 1, 4, 4]]."""
    if isinstance(segmentation, bytes) or (segmentation and len(segmentation[0]) >= 6):  # nearly all
        return False
    return all(len(part) < 6 for part in segmentation)


def read_box(raw: msgspec.Raw) -> list[float] | None:
    """x, y, width and height of a box; None for what is none, or has no area."""
    with suppress(msgspec.DecodeError):
        box: list[float] | None = BOX.decode(raw)
        if box is not None and len(box) == 4 and box[2] > 0 and box[3] > 0:
            return box
    return None


def decode(raw: msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """A piece of JSON as a decoder has it; 20.0, as some exporters write whole numbers, is 20, and a key with null is none.

    Raises the decoder's error.
    """
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError:
        with suppress(ValueError, RecursionError):
            value = json.loads(bytes(raw), parse_float=_whole)
            if isinstance(value, dict):
                value = {key: one for key, one in value.items() if one is not None}
            return decoder.decode(json.dumps(value))
        raise


def _whole(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value
