"""A shape as a CVAT XML has it, and its pixels: exactly those of CVAT's own mask export.

Polygons and boxes are rasterised as pycocotools does. A turned box is a polygon of corners that are rounded to hundredths,
as Datumaro rounds all coordinates. An ellipse is drawn by OpenCV with centre and radii rounded to whole pixels. The run
lengths of a mask go along its rows, within its box.

Source: EllipsesToMasks, RotatedBoxesToPolygons and MaskConverter in https://github.com/cvat-ai/cvat,
cvat/apps/dataset_manager/formats/transformations.py, and PolygonsToMasks, BoxesToMasks and Bbox in
https://github.com/cvat-ai/datumaro.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files.limits import MAX_PIXELS
from segdata.readers.drawing import clipped
from segdata.readers.paint import encode, rasterize
from segdata.readers.source import Receipt

FAR = 2**17
"""Coordinates further out than this are not rasterised: pycocotools takes memory for every pixel of an outline."""

NUMBERS, COUNTS = msgspec.json.Decoder(list[float]), msgspec.json.Decoder(list[int])

Extent = tuple[float, float, float, float]
"""x and y of the first and of the last corner of the box around a shape."""


class Figure(NamedTuple):
    """A shape: what messages call it, its element's name, its label, and its attributes with those of its track."""

    id: int | str
    kind: str
    label: str
    attributes: Mapping[str, str]

    @property
    def turned(self) -> bool:
        """Whether it is a box that does not lie straight."""
        return self.kind == "box" and self.number("rotation", 0) != 0

    def number(self, name: str, default: float | None = None) -> float:
        """An attribute that is a finite number. Raises `DataError` (`cvat.number`)."""
        text = self.attributes.get(name)
        if text is None and default is not None:
            return default
        try:
            value = float(text or "")
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            what = "is missing" if text is None else f"is {text[:40]!r} and no number"
            raise self.problem("number", f"the {name} of its {self.kind} {what}")
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        """An attribute that is a whole number below 2**31 in size. Raises `DataError` (`cvat.number`)."""
        value = self.number(name, default)
        if value % 1 or abs(value) >= 2**31:
            raise self.problem("number", f"the {name} of its {self.kind} is {value:g} and no whole number of 32 bits")
        return int(value)

    def points(self) -> NDArray[np.float64]:
        """(N, 2) x, y, rounded to hundredths. Raises `DataError` (`cvat.points`)."""
        text = self.attributes.get("points", "").strip("; \n").replace(";", ",")
        try:
            numbers = NUMBERS.decode(f"[{text}]")  # as float does, in a tenth of its time
        except msgspec.DecodeError:
            numbers = self._points_of(text)
        if len(numbers) % 2 or not np.isfinite(numbers).all():
            raise self.problem("points", "its points are not pairs of finite numbers `x,y;x,y`")
        return rounded(numbers).reshape(-1, 2)

    def _points_of(self, text: str) -> list[float]:
        try:
            return [float(number) for number in text.split(",")]
        except ValueError as error:
            raise self.problem("points", f"its points are no numbers `x,y;x,y`: {text[:40]!r}") from error

    def problem(self, code: str, message: str) -> DataError:
        """An error that names this shape."""
        return DataError(Problem(f"cvat.{code}", f"{message}: correct it, or export it again", annotation=self.id))


def rounded(numbers: Sequence[float]) -> NDArray[np.float64]:
    """Numbers to hundredths, as Datumaro rounds coordinates."""
    values: NDArray[np.float64] = np.array(numbers, np.float64)
    with np.errstate(over="ignore"):
        return values.round(2)


def run_lengths(
    figures: Sequence[Figure], size: tuple[int, int], file: str, receipt: Receipt
) -> list[tuple[Figure, bytes]]:
    """The shapes that have pixels, in order, with compressed run lengths; what is clipped or left out gets its line.

    `size`: (height, width) of the image. Raises `DataError` (`cvat.*`).
    """
    made: dict[int, bytes] = {}
    outlines: dict[int, NDArray[np.float64]] = {}
    for number, figure in enumerate(figures):
        points = OUTLINES[figure.kind](figure) if figure.kind in OUTLINES else None
        extent = EXTENTS[figure.kind](figure) if points is None else extent_of(points)
        if not reaches(figure, extent, size, file, receipt):
            continue
        if points is None:
            made[number] = BITMAPS[figure.kind](figure, *size)
        else:
            outlines[number] = points
    if outlines:
        ends = np.cumsum([len(points) for points in outlines.values()])
        together = rasterize(np.concatenate(list(outlines.values())), ends, *size)
        made.update(zip(outlines, together, strict=True))
    return [(figure, made[number]) for number, figure in enumerate(figures) if number in made]


def reaches(figure: Figure, extent: Extent | None, size: tuple[int, int], file: str, receipt: Receipt) -> bool:
    """Whether a shape of this extent can be drawn; it gets a line if it cannot, or reaches beyond the image."""
    if extent is None:
        what = "has fewer than three points"
        receipt.skipped.append(Problem("polygon.degenerate", what, file, None, figure.id))
        return False
    if not all(abs(number) <= FAR + max(size) for number in extent):  # never true of NaN, to which 1e308 is rounded
        what = "lies too far outside the image: left out"
        receipt.skipped.append(Problem("polygon.far", what, file, None, figure.id))
        return False
    if min(extent) < 0 or extent[2] > size[1] or extent[3] > size[0]:
        receipt.clipped.append(clipped(file, figure.id))
    return True


# Outlines


def extent_of(points: NDArray[np.float64]) -> Extent | None:
    """The box around (N, 2) points; None of fewer than three."""
    if len(points) < 3:
        return None
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return min(left, right), min(top, bottom), max(left, right), max(top, bottom)


def box_outline(figure: Figure) -> NDArray[np.float64]:
    """(4, 2) the corners of a box; each step is rounded where Datumaro and CVAT round, as a hundredth may be a pixel."""
    left, top, right, bottom = map(figure.number, ("xtl", "ytl", "xbr", "ybr"))
    x0, y0, x1, y1 = rounded([left, top, left + (right - left), top + (bottom - top)]).tolist()
    if not figure.turned:
        x1, y1 = x0 + (x1 - x0), y0 + (y1 - y0)
        return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    angle = math.radians(figure.number("rotation"))
    cos, sin = math.cos(angle), math.sin(angle)
    cx, cy = x0 + (x1 - x0) / 2, y0 + (y1 - y0) / 2
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    turned = [(cx + cos * (x - cx) - sin * (y - cy), cy + sin * (x - cx) + cos * (y - cy)) for x, y in corners]
    return rounded([number for corner in turned for number in corner]).reshape(-1, 2)


OUTLINES = {"polygon": Figure.points, "box": box_outline}

# Ellipses


class Ellipse(NamedTuple):
    """An ellipse on whole pixels: centre and radii, and its rotation in degrees."""

    x: int
    y: int
    rx: int
    ry: int
    angle: float

    @classmethod
    def of(cls, figure: Figure) -> Ellipse:
        """As CVAT reads it from its XML. Raises `DataError` (`cvat.number`)."""
        x, y, rx, ry = map(figure.number, ("cx", "cy", "rx", "ry"))
        right, top = float(f"{x + rx:.2f}"), float(f"{y - ry:.2f}")
        made = cls(round(x), round(y), round(right - x), round(y - top), figure.number("rotation", 0) % 360)
        if made.rx < 0 or made.ry < 0:
            raise figure.problem("number", "a radius of its ellipse is negative")
        return made

    def draw(self, bitmap: NDArray[np.uint8], x: int, y: int) -> NDArray[np.uint8]:
        """Draw it into a bitmap that lies at `x`, `y` of the image."""
        center, radii = (self.x - x, self.y - y), (self.rx, self.ry)
        cv2.ellipse(bitmap, center, radii, self.angle, 0, 360, 1, thickness=-1)
        return bitmap


def ellipse_extent(figure: Figure) -> Extent:
    """The box around an ellipse."""
    ellipse = Ellipse.of(figure)
    angle = math.radians(ellipse.angle)
    dx = math.hypot(ellipse.rx * math.cos(angle), ellipse.ry * math.sin(angle))
    dy = math.hypot(ellipse.rx * math.sin(angle), ellipse.ry * math.cos(angle))
    return ellipse.x - dx, ellipse.y - dy, ellipse.x + dx, ellipse.y + dy


def ellipse_bitmap(figure: Figure, height: int, width: int) -> bytes:
    """The run lengths of an ellipse. One that lies within the image is drawn on the square around it, to the same pixels."""
    ellipse = Ellipse.of(figure)
    reach = max(ellipse.rx, ellipse.ry) + 2
    x, y = ellipse.x - reach, ellipse.y - reach
    if min(x, y) >= 0 and ellipse.x + reach < width and ellipse.y + reach < height:
        return encode(ellipse.draw(np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8), x, y), height, width, y, x)
    return encode(ellipse.draw(np.zeros((height, width), np.uint8), 0, 0), height, width)


# Masks


def mask_extent(figure: Figure) -> Extent:
    """The box of a mask."""
    x, y, width, height = map(figure.whole, ("left", "top", "width", "height"))
    return x, y, x + width, y + height


def mask_bitmap(figure: Figure, height: int, width: int) -> bytes:
    """The run lengths of a mask. Raises `DataError` (`cvat.rle`) if they do not fill its box."""
    x, y, columns, rows = map(figure.whole, ("left", "top", "width", "height"))
    try:
        counts = np.array(COUNTS.decode(f"[{figure.attributes.get('rle', '')}]"), np.int64)
    except (msgspec.DecodeError, OverflowError) as error:
        raise figure.problem("rle", "its run lengths are no whole numbers") from error
    if min(columns, rows) < 1 or columns * rows > MAX_PIXELS:
        raise figure.problem("rle", f"its mask is of {columns} x {rows} pixels (width x height)")
    if (counts.size and (counts.min() < 0 or counts.max() > columns * rows)) or counts.sum() != columns * rows:
        raise figure.problem("rle", f"its run lengths do not fill its box of {columns} x {rows} pixels")
    values = (np.arange(len(counts)) & 1).astype(np.uint8)
    return encode(np.repeat(values, counts).reshape(rows, columns), height, width, y, x)


EXTENTS = {"ellipse": ellipse_extent, "mask": mask_extent}
BITMAPS = {"ellipse": ellipse_bitmap, "mask": mask_bitmap}
DRAWN = (*OUTLINES, *BITMAPS)
