"""What VOC masks mean: the class tables of VOC, CVAT, Datumaro and labelme, and masks that hold values or colours."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.errors import DataError, OptionError, Problem, located
from segdata.files.images import read_stored
from segdata.files.remote import Place
from segdata.kernels.lookup import look_up
from segdata.labels import RGB, Labels, Remap
from segdata.readers.label_files import MaskFile
from segdata.readers.source import Drawn, Receipt, SourceClass

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

VOID: RGB = (224, 224, 192)
"""VOC's colour of index 255."""

WAY_OUT = "name all classes (--classes, labelmap.txt), or correct the mask"


@dataclass(frozen=True, slots=True)
class Meaning:
    """Class ids (None: void) by grey value or palette index, and by opaque colour (`_packed`)."""

    values: dict[int, int | None]
    colors: dict[int, int | None]


@dataclass(frozen=True, slots=True)
class VocMask:
    """A mask of one value a pixel, or of one colour a pixel: its file tells which."""

    path: str
    meaning: Meaning

    @property
    def ids(self) -> list[str]:
        """One annotation: the mask, by its file name."""
        return [os.path.basename(self.path)]

    def draw(self, remap: Remap) -> Drawn:
        """The file's values or colours through both tables. Raises `DataError` (`mask.*`)."""
        try:
            return MaskFile(self.path, self.meaning.values, WAY_OUT).draw(remap)
        except DataError as error:
            if error.problem.code != "mask.colours":
                raise
            rgba, _ = read_stored(self.path)
            if rgba.ndim != 3:
                raise
        keys = sorted(self.meaning.colors)
        values = np.ascontiguousarray(rgba).view("<u4").ravel()
        positions = np.empty(values.shape, np.int64)
        unknown = look_up(values, np.array(keys, np.int64), positions, np.zeros(len(keys), np.int64))
        if unknown >= 0:
            y, x = divmod(int(np.argmax(values == unknown)), rgba.shape[1])
            r, g, b, alpha = (int(part) for part in rgba[y, x])
            why = "no class's" if alpha == 255 else "transparent"
            message = f"the colour {(r, g, b)} at row {y}, column {x} is {why}: {WAY_OUT}"
            raise DataError(Problem("mask.values", message, file=self.path))
        ids = [self.meaning.colors[key] for key in keys]
        table = np.array([remap.labels.ignore if id is None else remap.value(id) for id in ids], remap.labels.dtype)
        return Drawn(table[positions].reshape(rgba.shape[:2]), Receipt(annotations=1, painted=1))


@dataclass(frozen=True, slots=True)
class ClassTable:
    """The classes, what masks say for each, and the receipt's table."""

    labels: Labels
    meaning: Meaning
    classes: tuple[SourceClass, ...]


def voc_classes() -> ClassTable:
    """VOC's 21 classes in VOC's colours."""
    return class_table([(name, None) for name in CLASSES])


def read_classes(path: Place) -> ClassTable:
    """The classes that a file names: a labelmap, or one name a line. Raises `DataError` (`voc.text`, `voc.classes`)."""
    with located(file=path.name):
        lines = read_lines(path)
        is_map = path.name == "labelmap.txt" or all(line.count(":") == 3 for line in lines if line and line[0] != "#")
        try:
            return class_table(parse_labelmap(lines) if is_map else parse_names(lines))
        except OptionError as error:
            raise DataError(Problem("voc.classes", str(error))) from error


def read_lines(path: Place) -> list[str]:
    """A text file's lines, stripped. Raises `DataError` (`voc.text`)."""
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8-sig").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise DataError(Problem("voc.text", f"cannot be read: {reason}", file=path.name)) from error


def parse_labelmap(lines: Sequence[str]) -> list[tuple[str, RGB | None]]:
    """Lines `name:r,g,b:parts:actions`; colour, parts and actions may be empty. Raises `DataError` (`voc.classes`)."""
    part = r"\s*(\d{1,3})\s*"
    entries: list[tuple[str, RGB | None]] = []
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(rf"([^:]+):(?:{part},{part},{part}|\s*):[^:]*:[^:]*", line, re.ASCII)
        if match is None or any(int(value) > 255 for value in match.groups()[1:] if value):
            message = f"line {number}: {line!r} is not `name:r,g,b:parts:actions`"
            raise DataError(Problem("voc.classes", message))
        name, r, g, b = match.groups()
        entries.append((name.strip(), (int(r), int(g), int(b)) if r else None))
    return entries


def parse_names(lines: Sequence[str]) -> list[tuple[str, RGB | None]]:
    """One name a line in order of mask value; labelme's `__ignore__` is void and has no value. Raises `DataError`."""
    while lines and not lines[-1]:
        lines = lines[:-1]
    if "" in lines:
        message = f"line {lines.index('') + 1} is empty: each line names the class of the next mask value"
        raise DataError(Problem("voc.classes", message))
    return [(name, None) for name in lines if name != "__ignore__" and not name.startswith("#")]


def class_table(entries: Sequence[tuple[str, RGB | None]]) -> ClassTable:
    """Classes from names and colours in order of mask value; where none has a colour they take VOC's.

    An entry in VOC's void colour is void (Datumaro's `ignored`); labelme's `_background_` is called background.
    Raises `DataError` (`voc.classes`) where two have one colour, `OptionError` for names that cannot be.
    """
    coded = any(color is not None for _, color in entries)
    values: dict[int, int | None] = {}
    colors: dict[int, int | None] = {}
    kept: list[tuple[str, RGB | None]] = []
    for value, (name, given) in enumerate(entries):
        color = given if coded else voc_color(value)
        values[value] = None if given == VOID else len(kept)
        if given != VOID:
            kept.append(("background" if name == "_background_" else name, color))
        if color is not None and colors.setdefault(_packed(color), values[value]) != values[value]:
            message = f"{name!r} has the colour {color}, as an earlier class has: give each its own"
            raise DataError(Problem("voc.classes", message))
    labels = Labels.of([name for name, _ in kept], [color for _, color in kept])
    rows = [SourceClass(value, name, values[value]) for value, (name, _) in enumerate(entries)]
    if 255 not in values:
        rows.append(SourceClass(255, "unlabelled", None))
    meaning = Meaning({255: None, 65535: None, **values}, {_packed(VOID): None, **colors})
    return ClassTable(labels, meaning, tuple(rows))


def voc_color(index: int) -> RGB:
    """VOC's colour of an index: its bits by threes go to R, G and B, the lowest ones to the highest bit.

    Source: VOClabelcolormap.m in the VOC development kit.
    """
    r, g, b = (sum((index >> (3 * j + k) & 1) << (7 - j) for j in range(8)) for k in range(3))
    return r, g, b


def _packed(color: RGB) -> int:
    """An opaque colour as its four bytes R, G, B, A, read as a little-endian number."""
    return int.from_bytes((*color, 255), "little")
