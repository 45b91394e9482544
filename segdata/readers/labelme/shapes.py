"""How labelme keeps the shapes of one image, and how they become its mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from segdata.errors import DataError, Problem, located
from segdata.files.file import open_file
from segdata.files.images import ImageFacts
from segdata.files.limits import refuse_large
from segdata.files.members import member_of
from segdata.files.opening import read_facts
from segdata.files.pillow import header_of, header_orientation
from segdata.labels import Remap
from segdata.readers.classes.named import class_id_of
from segdata.readers.drawing import clipped, draw_shapes
from segdata.readers.json_text import read_json
from segdata.readers.labelme.draw import Pen, Point, mask_runs, shape_runs, why_none
from segdata.readers.paint import Overlap, Shape
from segdata.readers.source import Drawn, InFile, Receipt, places_in


class Figure(msgspec.Struct, gc=False):
    """An entry of `shapes`. A `mask` is a PNG in base64. Its other keys (group_id, flags ...) hold nothing for masks."""

    label: str
    points: list[Point]
    shape_type: str | None = None
    mask: str | None = None


class Content(msgspec.Struct):
    """A label file."""

    shapes: list[Figure]
    imageHeight: object = None
    imageWidth: object = None

    @property
    def size(self) -> tuple[int, int] | None:
        """(height, width) as it states them; None if it does not."""
        height, width = self.imageHeight, self.imageWidth
        return (
            (height, width) if isinstance(height, int) and isinstance(width, int) and min(height, width) > 0 else None
        )


UNNAMED = Problem("labelme.unnamed", "has no label")

CONTENT = msgspec.json.Decoder(Content)


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every image: the class ids by name (None: ignored), what no shape covers (None: ignored), and drawing."""

    ids: Mapping[str, int | None]
    background: int | None
    overlap: Overlap
    pen: Pen
    file: str = "the class file"


@dataclass(frozen=True, slots=True)
class LabelmeShapes(InFile):
    """The shapes of a label file, and the image that they are drawn on: a file, or what is in the label file itself."""

    image: str | None
    rules: Rules

    @property
    def ids(self) -> Sequence[int | str]:
        """The places of the shapes in the file."""
        return places_in(self.path, lambda: read_content(self.path).shapes)

    def draw(self, remap: Remap) -> Drawn:
        """Shapes in the order of the file, the later over the earlier by default, each by the rule of `draw`."""
        with located(file=self.path):
            content = read_content(self.path)
            receipt = Receipt(annotations=len(content.shapes))
            size = self._size(content, receipt)
            shapes = self._shapes(content.shapes, size, remap, receipt)
            return draw_shapes(shapes, size, remap, self.rules.background, self.rules.overlap, receipt, self.path)

    def _shapes(self, figures: Sequence[Figure], size: tuple[int, int], remap: Remap, receipt: Receipt) -> list[Shape]:
        """The shapes that have pixels, in file order; the others get their line."""
        shapes: list[Shape] = []
        for number, figure in enumerate(figures):
            with located(annotation=number):
                kind = figure.shape_type or "polygon"
                skipped = why_none(kind, figure.points, self.rules.pen) if figure.label.strip() else UNNAMED
                if skipped is not None:
                    receipt.skipped.append(self._line(skipped.code, skipped.message, number))
                    continue
                class_id = class_id_of(figure.label, self.rules.ids, "labelme.label", number, self.rules.file)
                if kind == "mask":
                    runs, told = mask_runs(figure.mask, figure.points, size, self.rules.pen)
                    if told is not None:
                        receipt.repaired.append(self._line("labelme.mask", told, number))
                else:
                    runs = shape_runs(kind, figure.points, size, self.rules.pen)
            if _reach_out(figure.points, size):
                receipt.clipped.append(clipped(self.path, number))
            shapes.append(Shape(remap.value(class_id), runs, number))
        return shapes

    def _size(self, content: Content, receipt: Receipt) -> tuple[int, int]:
        """(height, width) of the image; by default it is upright, as labelme shows it, but raw if the file states that size.

        An image within a label file is as labelme shows it, whatever its EXIF data say.
        """
        stated = content.size
        if self.image is None:
            return _checked(stated)
        facts = _facts(self.image)
        raw = _checked((facts.height, facts.width))
        size = raw if member_of(self.image) is not None or stated == raw else facts.upright
        if stated is not None and stated != size:
            told = f"states {stated[1]} x {stated[0]} pixels, its image has {size[1]} x {size[0]} (width x height)"
            points = [point for figure in content.shapes for point in figure.points]
            turned = "its EXIF orientation turns it" if stated == facts.upright else ""
            if turned or (_reach_out(points, size) and not _reach_out(points, stated)):
                way_out = "give the images that the shapes were drawn on: --image-dir DIR"
                why = turned or "its shapes reach beyond them"
                raise DataError(Problem("labelme.size", f"{told}, and {why}: {way_out}"))
            receipt.repaired.append(Problem("labelme.size", f"{told}: drawn on those of the image", self.path))
        return size

    def _line(self, code: str, message: str, number: int) -> Problem:
        return Problem(code, message, self.path, None, number)


def read_content(path: str) -> Content:
    """A label file. Raises `DataError` (`labelme.*`) for what is missing or is no such file."""
    return read_json(path, CONTENT, "labelme", "a label file of labelme", ("shapes", Figure))


def _checked(size: tuple[int, int] | None) -> tuple[int, int]:
    """A size that is known and not too large for a mask. Raises `DataError` (`labelme.size`, `image.too_large`)."""
    if size is None:
        message = "states no size (imageHeight, imageWidth): add it, or read the images too (without --images none)"
        raise DataError(Problem("labelme.size", message))
    refuse_large(*size, 1)
    return size


def _facts(image: str) -> ImageFacts:
    """An image's size and orientation, from its header where Pillow knows it. Raises `DataError` (`image.*`)."""
    with open_file(image) as file:
        header = header_of(file)
        if header is None or header.format in ("TIFF", "ICO", "ICNS"):
            return read_facts(file)
        return ImageFacts(header.height, header.width, header_orientation(file))


def _reach_out(points: Sequence[Point], size: tuple[int, int]) -> bool:
    height, width = size
    return any(not (0 <= x <= width and 0 <= y <= height) for x, y in points)
