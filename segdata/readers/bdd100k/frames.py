"""How BDD100K keeps the labels of one frame in a JSON of all, and how they become its mask."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec

from segdata.errors import DataError, Problem, located
from segdata.files.limits import refuse_large
from segdata.files.places import place, read_range
from segdata.labels import Remap
from segdata.readers.bdd100k.agg import CURVE, LINE, Path, fill_paths
from segdata.readers.bdd100k.classes import Task
from segdata.readers.drawing import draw_shapes
from segdata.readers.json_spans import objects_of
from segdata.readers.json_text import decode_json
from segdata.readers.paint import Overlap, Shape
from segdata.readers.source import Drawn, InShared, Receipt, readable

HEIGHT, WIDTH = 720, 1280
"""The size of every image of the set, where a file states none."""

T = TypeVar("T")

OldVertex = tuple[float, float, str]
"""x, y and what it is: poly2d was a list of these once."""


class Poly(msgspec.Struct, gc=False):
    """A path: vertices x, y, and a letter for each, L or C."""

    vertices: list[tuple[float, float]]
    types: str
    closed: bool | None = None


class Rle(msgspec.Struct, gc=False):
    """COCO's compressed run lengths; `size` is (height, width)."""

    counts: str
    size: tuple[int, int]


class Label(msgspec.Struct, gc=False):
    """An entry of `labels`. Its other keys hold nothing for masks."""

    category: str | None = None
    poly2d: list[Poly | OldVertex] | None = None
    rle: Rle | None = None


class Extent(msgspec.Struct, gc=False):
    """The size of an image."""

    width: int
    height: int


class Head(msgspec.Struct, gc=False):
    """What is known of a frame before its labels are read."""

    name: str | int
    size: Extent | None = None
    labels: list[msgspec.Raw] | None = None


class Frame(msgspec.Struct):
    """A frame."""

    labels: list[Label] | None = None


class Config(msgspec.Struct, gc=False):
    """What a file says of all its frames."""

    imageSize: Extent | None = None


class Whole(msgspec.Struct, gc=False):
    """A file that is not the list of frames alone."""

    frames: list[msgspec.Raw]
    config: Config | None = None


HEAD, FRAME = msgspec.json.Decoder(Head), msgspec.json.Decoder(Frame)
WHOLE = msgspec.json.Decoder(Whole | list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every frame of a file: its path, the task, which kind of outline is read, and which label is on top."""

    file: str
    task: Task
    run_lengths: bool
    overlap: Overlap


@dataclass(frozen=True, slots=True)
class Labelled(InShared):
    """The labels of a frame of `size` (height, width), which lies from `start` to before `end` in the file; `count` labels."""

    rules: Rules
    size: tuple[int, int]
    start: int
    end: int
    count: int

    @property
    def ids(self) -> Sequence[int | str]:
        """The places of the labels in the frame, from 0."""
        return range(self.count)

    def draw(self, remap: Remap) -> Drawn:
        """Labels in the order of the overlap policy. Raises `DataError` (`bdd100k.*`, `polygon.*`, `rle.size`)."""
        rules = self.rules
        with located(file=rules.file):
            frame = self._read()
            labels = frame.labels or []
            receipt = Receipt(annotations=len(labels))
            shapes = [shape for i, label in enumerate(labels) if (shape := self._shape(i, label, remap, receipt))]
            return draw_shapes(shapes, self.size, remap, rules.task.background, rules.overlap, receipt, rules.file)

    def _read(self) -> Frame:
        with readable(self.rules.file, "bdd100k.missing"):
            data = read_range(place(self.rules.file), self.start, self.end)
        return decode_json(data, FRAME, "bdd100k", "a frame of BDD100K", ("labels", Label))

    def _shape(self, number: int, label: Label, remap: Remap, receipt: Receipt) -> Shape | None:
        """A label that has pixels and is of a class; the others get their line."""
        class_id = self.rules.task.class_ids.get(label.category or "")
        if class_id is None:
            what = f"{label.category!r} is no class of {self.rules.task.folder}"
            receipt.skipped.append(Problem("bdd100k.category", what, self.rules.file, None, number))
            return None
        if (label.rle if self.rules.run_lengths else label.poly2d) is None:
            what = f"has no {'rle' if self.rules.run_lengths else 'poly2d'}"
            receipt.skipped.append(Problem("bdd100k.outline", what, self.rules.file, None, number))
            return None
        with located(annotation=number):
            if self.rules.run_lengths and label.rle:
                rle = self._run_lengths(label.rle)
            else:
                rle = fill_paths(list(paths_of(label.poly2d or [])), *self.size)
        return Shape(remap.value(class_id), rle, number)

    def _run_lengths(self, rle: Rle) -> bytes:
        if rle.size != self.size:
            sizes = f"{rle.size[1]} x {rle.size[0]}, its image {self.size[1]} x {self.size[0]} (width x height)"
            raise DataError(Problem("rle.size", f"its run lengths are {sizes}: export it again"))
        return rle.counts.encode()


def paths_of(poly2d: Sequence[Poly | OldVertex]) -> Iterator[Path]:
    """The paths of a label. Raises `DataError` (`bdd100k.types`)."""
    old = [vertex for vertex in poly2d if not isinstance(vertex, Poly)]
    paths = [(poly.vertices, poly.types) for poly in poly2d if isinstance(poly, Poly)]
    if old:
        paths.append(([(x, y) for x, y, _ in old], "".join(letter for *_, letter in old)))
    for vertices, types in paths:
        if len(types) != len(vertices) or set(types) - {LINE, CURVE}:
            what = f"{len(vertices)} vertices have the types {types[:40]!r}, which must be a letter L or C for each"
            raise DataError(Problem("bdd100k.types", f"{what}: correct them"))
        yield vertices, types


# The file


BEGINS = re.compile(rb'(\A\s*|(?<!\\)"frames"\s*:\s*)\[\s*\Z')
"""What stands before the first frame."""


@dataclass(frozen=True, slots=True)
class Found:
    """A frame as its file has it: name, size (height, width), place in the file, and number of labels."""

    name: str
    size: tuple[int, int]
    start: int
    end: int
    count: int


def read_frames(path: str) -> list[Found | Problem]:
    """The frames of a file, and what is wrong with those that are none. All of the file but frames is in memory.

    Raises `DataError` (`bdd100k.*`) for a file that is missing, or no list of frames.
    """
    rows: list[Found | Problem] = []
    own: dict[int, Extent] = {}
    rest, inside = bytearray(), False
    with readable(path, "bdd100k.missing"):
        for between, start, text in objects_of(path):
            if text and inside and _goes_on(between):
                strays = between.split(b",")[1:-1]  # numbers and such, which are no frames
            elif text and BEGINS.search(between):
                inside, strays = True, []
                rest += between
            else:
                inside = False
                rest += between + text
                continue
            for part in (*strays, text):
                rows.append(_frame(part, start, path, len(rows), own))
    with located(file=path):
        whole = _decode(bytes(rest), WHOLE)
        for stray in whole if isinstance(whole, list) else whole.frames:  # it begins with what is no frame
            wrong = _frame(bytes(stray), 0, path, 0, own)
            raise DataError(
                wrong if isinstance(wrong, Problem) else Problem("bdd100k.json", "not a list of frames alone")
            )
    config = whole.config if isinstance(whole, Whole) else None
    return [
        row if isinstance(row, Problem) else _sized(row, number, own, config, path) for number, row in enumerate(rows)
    ]


def _goes_on(between: bytes) -> bool:
    """Whether a list goes on with what stands between two frames, a comma or more numbers and such."""
    return between.strip() == b"," or not set(b'[]{}"') & set(between)


def _frame(text: bytes, start: int, path: str, number: int, own: dict[int, Extent]) -> Found | Problem:
    """A frame, of the size of the set as yet; a size of its own is put into `own`."""
    try:
        head = decode_json(text, HEAD, "bdd100k", "a frame of BDD100K")
    except DataError as error:
        return error.at(path, f"frame {number}").problem
    if head.size is not None:
        own[number] = head.size
    return Found(os.path.basename(str(head.name)), (HEIGHT, WIDTH), start, start + len(text), len(head.labels or ()))


def _sized(found: Found, number: int, own: Mapping[int, Extent], config: Config | None, path: str) -> Found | Problem:
    """A frame with its size: the file's, or else its own, or else that of the whole set."""
    extent = (config.imageSize if config else None) or own.get(number)
    if extent is None:
        return found
    if extent.height < 1 or extent.width < 1:
        message = f"its size is {extent.width} x {extent.height} pixels: correct it"
        return Problem("bdd100k.size", message, path, f"frame {number}")
    try:
        refuse_large(extent.height, extent.width, 1)
    except DataError as error:
        return error.at(path, f"frame {number}").problem
    return replace(found, size=(extent.height, extent.width))


def _decode(data: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what = f"not a list of frames in JSON, perhaps cut off: {error}"
        raise DataError(Problem("bdd100k.json", what)) from error
