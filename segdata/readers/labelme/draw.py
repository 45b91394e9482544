"""How labelme draws a shape: the pixels of `shapes_to_label`, which are those of Pillow's `ImageDraw`, as run lengths.

Pillow cuts coordinates to whole numbers before it draws, so a shape is drawn on no more than the rows it needs.

Source: https://github.com/wkentaro/labelme, labelme/utils/shape.py; `shape_to_mask` and `shapes_to_label` of 5.6 to 6.3 agree,
those of 7 differ as `Drawing` says. Earlier ones draw no masks.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata.errors import DataError, Problem
from segdata.files.png import decode_mask
from segdata.readers.drawing import check_corners
from segdata.readers.paint import encode

Drawing = Literal["6", "7"]
"""The version of labelme whose rule is followed. In 7 the joints of line strips are round, and a mask whose corner is no whole
number lies at the nearest pixel; up to 6 it lies at the pixel above and to the left."""

Point = tuple[float, float]
"""x, y in pixels."""

POLYGONS = ("polygon", "oriented_rectangle", "rotation", "quadrilateral")
"""What is drawn as polygons; the last two are of X-AnyLabeling, which writes the same files."""

COUNTS = {
    "rectangle": (2,),
    "line": (2,),
    "circle": (2,),
    "mask": (2,),
    "point": (1,),
    **dict.fromkeys(POLYGONS[1:], (4,)),
}
"""How many points a shape has, where that is one number."""

LEAST = {"polygon": 3, "linestrip": 2}
"""How many points it has at least."""

TYPES = (*LEAST, *COUNTS)

FAR = 2**20
"""Coordinates further out than this are refused: Pillow goes through every row of an ellipse, and cuts larger numbers off."""


@dataclass(frozen=True, slots=True)
class Pen:
    """How wide lines are, and the radius of points, in pixels; 0: none is drawn. And the rule that is followed."""

    line_width: int = 10
    point_size: int = 5
    drawing: Drawing = "6"


def why_none(kind: str, points: Sequence[Point], pen: Pen) -> Problem | None:
    """Why a shape has no pixels, if so. Raises `DataError` (`labelme.shape`, `polygon.nan`, `polygon.far`)."""
    if kind == "points":
        return Problem("labelme.points", "points that were clicked for a model: labelme draws none")
    if kind not in TYPES:
        what = f"shape_type {kind[:40]!r} is none of {', '.join(TYPES)}: correct it, or remove the shape"
        raise DataError(Problem("labelme.shape", what))
    check_corners(np.array(points), FAR)
    if (kind in ("line", "linestrip") and not pen.line_width) or (kind == "point" and not pen.point_size):
        option = "--point-size" if kind == "point" else "--line-width"
        return Problem("labelme.width", f"a {kind}, left out as told ({option} 0)")
    count, wanted = len(points), COUNTS.get(kind)
    good = count >= LEAST[kind] if wanted is None else count in wanted or (kind, count) == ("rectangle", 4)
    return None if good else Problem("polygon.degenerate", f"a {kind} of {count} points, which has no pixels")


def shape_runs(kind: str, points: Sequence[Point], size: tuple[int, int], pen: Pen) -> bytes:
    """The compressed run lengths of a shape, all but a mask, on an image of `size` (height, width)."""
    if kind in POLYGONS or (kind, len(points)) == ("rectangle", 4):
        return _drawn(_whole(points), size, 1, lambda draw, xy: draw.polygon(xy, fill=1, outline=1))
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points
        box = _whole([(min(x0, x1), min(y0, y1)), (max(x0, x1), max(y0, y1))])
        return _drawn(box, size, 1, lambda draw, xy: draw.rectangle(xy, fill=1, outline=1))
    if kind in ("circle", "point"):
        x, y = points[0]
        r = pen.point_size if kind == "point" else sqrt((x - points[1][0]) ** 2 + (y - points[1][1]) ** 2)
        box = _whole([(x - r, y - r), (x + r, y + r)])
        return _drawn(box, size, 1, lambda draw, xy: draw.ellipse(xy, fill=1, outline=1))
    width = pen.line_width
    if kind == "linestrip" and pen.drawing == "7":
        return _curve(points, size, width)
    return _drawn(_whole(points), size, width + 1, lambda draw, xy: draw.line(xy, fill=1, width=width))


def mask_runs(text: str | None, points: Sequence[Point], size: tuple[int, int], pen: Pen) -> tuple[bytes, str | None]:
    """The run lengths of a mask, a PNG in base64 that lies in a box, and what is told if it is of another size than the box.

    Raises `DataError` (`labelme.mask`).
    """
    bitmap = _decoded(text)
    corners = np.array(points)
    (x0, y0), (x1, y1) = (corners.round() if pen.drawing == "7" else np.trunc(corners)).astype(int).tolist()
    height, width = y1 - y0 + 1, x1 - x0 + 1
    if bitmap.shape == (height, width):
        return encode(bitmap, *size, y0, x0), None
    told = f"its box is {width} x {height} and its mask {bitmap.shape[1]} x {bitmap.shape[0]} (width x height)"
    if (corners == np.trunc(corners)).all():  # otherwise rounding may be what makes them differ
        if height < 1 or width < 1:
            raise DataError(Problem("labelme.mask", f"{told}: correct its points"))
        bitmap = np.ascontiguousarray(bitmap[:height, :width])
    return encode(bitmap, *size, y0, x0), f"{told}: drawn from the upper left corner on"


def _decoded(text: str | None) -> NDArray[np.uint8]:
    """(h, w) uint8, which pixels of a mask are not 0."""
    if not text:
        raise DataError(Problem("labelme.mask", "a mask without its pixels (mask): save it again, or remove the shape"))
    try:
        bits: NDArray[np.bool_] = decode_mask(binascii.a2b_base64(text)) != 0
        return bits.view(np.uint8)
    except (ValueError, DataError) as error:
        why = error.problem.message if isinstance(error, DataError) else str(error)
        message = f"its mask cannot be read as a PNG in base64 ({why}): save it again, or remove the shape"
        raise DataError(Problem("labelme.mask", message)) from error


def _whole(points: Sequence[Point]) -> list[tuple[int, int]]:
    """Coordinates as Pillow cuts them."""
    return [(int(x), int(y)) for x, y in points]


Whole = list[tuple[int, int]]


def _drawn(
    points: Whole, size: tuple[int, int], margin: int, draw: Callable[[ImageDraw.ImageDraw, Whole], None]
) -> bytes:
    """The run lengths of what is drawn at points, no more than `margin` beyond them.

    Rows above it and columns to its right are left out; columns to its left are not, as sums of slopes depend on them.
    """
    height, width = size
    xs, ys = [x for x, _ in points], [y for _, y in points]
    top, left = max(0, min(ys) - margin), max(0, min(xs) - margin)
    bottom, right = min(height, max(ys) + margin + 1), min(width, max(xs) + margin + 1)
    if top >= bottom or left >= right:
        return encode(np.zeros((1, 1), np.uint8), height, width)
    image = Image.new("L", (right, bottom - top))
    draw(ImageDraw.Draw(image), [(x, y - top) for x, y in points])
    return encode(np.asarray(image)[:, left:], height, width, top, left)


def _curve(points: Sequence[Point], size: tuple[int, int], width: int) -> bytes:
    """A line with round joints, which Pillow places by coordinates that are not cut."""
    image = Image.new("L", (size[1], size[0]))
    ImageDraw.Draw(image).line(list(points), fill=1, width=width, joint="curve")
    return encode(np.asarray(image), *size)
