"""How Supervisely keeps the figures of one image, and how they become its mask."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np

from segdata.errors import DataError, Problem, located
from segdata.files.limits import refuse_large
from segdata.labels import Remap
from segdata.readers.classes.named import class_id_of
from segdata.readers.drawing import clipped, draw_shapes
from segdata.readers.json_text import read_json
from segdata.readers.paint import Overlap, Shape
from segdata.readers.source import Drawn, InFile, Receipt, places_in
from segdata.readers.supervisely.shapes import (
    Points,
    Size,
    draw_bitmap,
    draw_box,
    draw_faces,
    draw_line,
    draw_polygons,
    draw_turned_box,
    is_inside,
    nothing,
    whole,
)

ANY = "any"
"""The shape of a class whose figures say of what shape they are."""

Pair = tuple[float, float]

T = TypeVar("T")


class Rings(msgspec.Struct, gc=False):
    """An outline and its holes, x, y in pixels."""

    exterior: list[Pair]
    interior: list[list[Pair]] | None = None


class Bits(msgspec.Struct, gc=False):
    """A bitmap: a deflated PNG in base64, and where its first pixel is."""

    data: str
    origin: Pair


class Figure(msgspec.Struct, gc=False):
    """An entry of `objects`. Its other keys (id, user, date, tags ...) hold nothing for masks."""

    classTitle: str
    geometryType: str | None = None
    shape: str | None = None
    type: str | None = None
    points: Rings | list[Pair] | None = None
    bitmap: Bits | None = None
    parts: list[Rings] | None = None
    faces: list[list[int]] | None = None
    angle: float | None = None


class Extent(msgspec.Struct, gc=False):
    """The size of an image."""

    height: int
    width: int


class Sheet(msgspec.Struct):
    """An annotation file."""

    size: Extent
    objects: list[Figure]


SHEET = msgspec.json.Decoder(Sheet)


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every image of a project: shape and class name by title, class id by class name (None: ignored)."""

    titles: Mapping[str, tuple[str, str]]
    class_ids: Mapping[str, int | None]
    overlap: Overlap
    background: int | None


@dataclass(frozen=True, slots=True)
class Figures(InFile):
    """An annotation file."""

    rules: Rules

    @property
    def ids(self) -> Sequence[int | str]:
        """The places of the figures in the file."""
        return places_in(self.path, lambda: read_sheet(self.path).objects)

    def draw(self, remap: Remap) -> Drawn:
        """Figures in the order of the overlap policy. Raises `DataError` (`supervisely.*`, `polygon.*`)."""
        with located(file=self.path):
            sheet = read_sheet(self.path)
            size = sheet.size.height, sheet.size.width
            receipt = Receipt(annotations=len(sheet.objects))
            shapes = [
                shape
                for number, figure in enumerate(sheet.objects)
                if (shape := self._shape(number, figure, size, remap, receipt)) is not None
            ]
            return draw_shapes(shapes, size, remap, self.rules.background, self.rules.overlap, receipt, self.path)

    def _shape(self, number: int, figure: Figure, size: Size, remap: Remap, receipt: Receipt) -> Shape | None:
        """A figure that has pixels; the others get their line."""
        shape, name = self.rules.titles.get(figure.classTitle, (ANY, figure.classTitle))
        class_id = class_id_of(name, self.rules.class_ids, "supervisely.label", number)
        kind = shape if shape in KINDS else figure.geometryType or figure.shape or figure.type or ANY
        if kind not in DRAWN:
            what = f"of the shape {kind!r}, which is not drawn"
            receipt.skipped.append(Problem("supervisely.shape", what, self.path, None, number))
            return None
        with located(annotation=number):
            try:
                rle, outline = DRAWN[kind](figure, size)
            except (LookupError, ValueError) as error:
                other = f" but is a {figure.geometryType}" if figure.geometryType not in (None, kind) else ""
                what = f"a figure of {figure.classTitle!r} must be a {kind}{other}: correct the class or the figure"
                raise DataError(Problem("supervisely.figure", what)) from error
        if outline is not None and not is_inside(outline, size):
            receipt.clipped.append(clipped(self.path, number))
        return Shape(remap.value(class_id), rle, number)


def read_sheet(path: str) -> Sheet:
    """An annotation file. Raises `DataError` (`supervisely.*`) for what is missing, or is no such file."""
    sheet = read_json(path, SHEET, "supervisely", "an annotation of Supervisely", ("objects", Figure))
    height, width = sheet.size.height, sheet.size.width
    if height < 1 or width < 1:
        raise DataError(Problem("supervisely.size", f"its size is {width} x {height} pixels: correct it", file=path))
    refuse_large(height, width, 1, path)
    return sheet


# Shapes: the run lengths of a figure, and the points by which it is told to reach beyond the image


Drawing = tuple[bytes, Points | None]


def _polygon(figure: Figure, size: Size) -> Drawing:
    return _polygons([_rings(figure)], size)


def _multipolygon(figure: Figure, size: Size) -> Drawing:
    return _polygons(_given(figure.parts), size)


def _polygons(parts: Sequence[Rings], size: Size) -> Drawing:
    rings = [
        [_ring(part.exterior), *(_ring(hole) for hole in part.interior or () if hole)]
        for part in parts
        if part.exterior
    ]
    if not rings:
        return nothing(size), None
    return draw_polygons(rings, size), np.concatenate([outer for outer, *_ in rings])


def _ring(points: Sequence[Pair]) -> Points:
    """Three points at least: the last one is repeated."""
    return whole([*points, *[points[-1]] * (3 - len(points))])


def _line(figure: Figure, size: Size) -> Drawing:
    points = whole(_rings(figure).exterior)
    return (draw_line(points, size), points) if len(points) > 1 else (nothing(size), None)


def _rectangle(figure: Figure, size: Size) -> Drawing:
    first, second = _rings(figure).exterior
    return draw_box(points := whole([first, second]), size), points


def _turned(figure: Figure, size: Size) -> Drawing:
    first, second = _pairs(figure)
    return draw_turned_box(points := whole([first, second]), figure.angle or 0.0, size), points


def _point(figure: Figure, size: Size) -> Drawing:
    (point,) = _rings(figure).exterior
    return draw_box(whole([point]), size), None


def _cuboid(figure: Figure, size: Size) -> Drawing:
    points = dict(enumerate(_pairs(figure)))
    faces = [whole([points[number] for number in face]) for face in _given(figure.faces)]
    return draw_faces(faces, size), None


def _bitmap(figure: Figure, size: Size) -> Drawing:
    bits = _given(figure.bitmap)
    return draw_bitmap(bits.data, whole([bits.origin]), size, alpha=False), None


def _alpha(figure: Figure, size: Size) -> Drawing:
    bits = _given(figure.bitmap)
    return draw_bitmap(bits.data, whole([bits.origin]), size, alpha=True), None


def _rings(figure: Figure) -> Rings:
    if isinstance(figure.points, Rings):
        return figure.points
    raise LookupError


def _pairs(figure: Figure) -> list[Pair]:
    if isinstance(figure.points, list):
        return figure.points
    raise LookupError


def _given(value: T | None) -> T:
    if value is None:
        raise LookupError
    return value


DRAWN: Mapping[str, Callable[[Figure, Size], Drawing]] = {
    "polygon": _polygon, "multipolygon": _multipolygon, "bitmap": _bitmap, "alpha_mask": _alpha, "rectangle": _rectangle,
    "oriented_bbox": _turned, "line": _line, "point": _point, "cuboid": _cuboid,
}  # fmt: skip
"""What draws the shapes that have pixels."""

KINDS = {
    *DRAWN, "graph", "cuboid_2d", "cuboid_3d", "mask_3d", "point_3d", "point_cloud", "multichannelBitmap", "mesh",
    "closed_surface_mesh", "polyline_3d",
}  # fmt: skip
"""The shapes that a class may be of; of any other, its figures say it."""
