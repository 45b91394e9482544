"""The polygons of Mapillary Vistas 2.0, and how they become a mask.

A JSON has `height`, `width` and `objects`, each with a `label` and a `polygon` of x, y in pixels. The release does not say how
its label masks were drawn from them; here each polygon has the pixels that pycocotools gives it, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem, located
from segdata.files.limits import refuse_large
from segdata.files.opening import read_facts
from segdata.labels import Remap
from segdata.readers.drawing import check_corners, clipped, draw_shapes
from segdata.readers.json_text import read_json
from segdata.readers.mapillary.labels import VOID, Table
from segdata.readers.paint import Overlap, Shape, rasterize
from segdata.readers.source import Drawn, InFile, Receipt, places_in
from segdata.words import suggest

FAR = 2**17
"""Coordinates further out than this are not rasterised."""


class Thing(msgspec.Struct, gc=False):
    """An entry of `objects`. `polygon` is a list of corners; Datumaro's have all in one."""

    label: str
    polygon: list[list[float]]


class Things(msgspec.Struct):
    """A JSON of polygons."""

    objects: list[Thing]
    height: int = 0
    width: int = 0


THINGS = msgspec.json.Decoder(Things)


@dataclass(frozen=True, slots=True)
class Polygons(InFile):
    """A JSON of polygons. `image` tells the size if the JSON does not."""

    image: str | None
    table: Table
    overlap: Overlap

    @property
    def ids(self) -> Sequence[int | str]:
        """The places of the objects in the file."""
        return places_in(self.path, lambda: self._read().objects)

    def draw(self, remap: Remap) -> Drawn:
        """The objects on top of each other; where there is none is void--unlabeled. Raises `DataError` (`mapillary.*` ...)."""
        with located(file=self.path):
            things = self._read()
            size = self._size(things)
            receipt = Receipt(annotations=len(things.objects))
            corners = self._corners(things.objects, receipt)
            self._check(corners, size, receipt)
            points = np.concatenate([np.zeros((0, 2)), *corners.values()])
            ends = np.cumsum([len(polygon) for polygon in corners.values()], dtype=np.int64)
            values = [remap.value(self.table.names[things.objects[number].label]) for number in corners]
            runs = rasterize(points, ends, *size) if corners else []
            shapes = [Shape(value, rle, number) for value, rle, number in zip(values, runs, corners, strict=True)]
            background = self.table.names.get(f"{VOID}unlabeled")
            return draw_shapes(shapes, size, remap, background, self.overlap, receipt, self.path)

    def _read(self) -> Things:
        return read_json(self.path, THINGS, "mapillary", "polygons of Mapillary Vistas", ("objects", Thing))

    def _size(self, things: Things) -> tuple[int, int]:
        """(height, width) of the mask."""
        height, width = things.height, things.width
        if (height < 1 or width < 1) and self.image is not None:
            height, width = read_facts(self.image).upright
        if height < 1 or width < 1:
            message = "states no size (height, width): add it, or read the label masks by --from labels"
            raise DataError(Problem("mapillary.size", message))
        refuse_large(height, width, 1)
        return height, width

    def _corners(self, things: Sequence[Thing], receipt: Receipt) -> dict[int, NDArray[np.float64]]:
        """The corners (N, 2) of each object that is drawn, by its place; the others get their line."""
        found: dict[int, NDArray[np.float64]] = {}
        for number, thing in enumerate(things):
            if thing.label not in self.table.names:
                message = (
                    f"no label {thing.label!r}: {suggest(thing.label, self.table.names)}; --classes FILE names others"
                )
                raise DataError(Problem("mapillary.label", message, annotation=number))
            flat = list(chain.from_iterable(thing.polygon))
            if len(flat) < 6 or len(flat) % 2:
                what = "its polygon has fewer than three points" if len(flat) < 6 else "a corner has no y"
                receipt.skipped.append(Problem("polygon.degenerate", what, self.path, None, number))
            else:
                found[number] = np.array(flat, np.float64).reshape(-1, 2)
        return found

    def _check(self, corners: dict[int, NDArray[np.float64]], size: tuple[int, int], receipt: Receipt) -> None:
        """Refuse what is no number or far away; a line for each polygon that reaches beyond the image."""
        for number, polygon in corners.items():
            with located(annotation=number):
                check_corners(polygon, FAR)
            if polygon.min() < 0 or (polygon.max(axis=0) > size[::-1]).any():
                receipt.clipped.append(clipped(self.path, number))
