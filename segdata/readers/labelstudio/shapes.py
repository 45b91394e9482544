"""What each kind of Label Studio's regions is in pixels.

Everything is in percent of the image. Polygons and rectangles are filled by the rule of pycocotools, with the corners that
label-studio-sdk writes to COCO (rotated rectangles: to YOLO with angles). A pixel is a brush's if its alpha is not 0, also where
its edge is soft, as for the converter to COCO; of bitmasks it is the same. The converter draws no ellipses: here a pixel
is one's if its centre lies in it.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, Problem
from segdata.files.images import read_stored
from segdata.files.opening import read_facts
from segdata.kernels.brush import brush_bitmap, brush_values, parse_bytes
from segdata.readers.drawing import NAN
from segdata.readers.labelstudio.tasks import Marks, Result, decoded
from segdata.readers.paint import encode

NO_NUMBERS = (b'"NaN"', b'"Infinity"', b'"-Infinity"')
"""What becomes of numbers that are none: see `tasks.parse_task`."""

Outline = NDArray[np.float64]
"""(N, 2) x, y in pixels."""


class Polygon(msgspec.Struct, gc=False):
    """Corners in percent of width and height."""

    points: list[tuple[float, float]]


class Box(msgspec.Struct, gc=False):
    """A rectangle, its top left corner before it is turned around that by `rotation` degrees, clockwise."""

    x: float
    y: float
    width: float
    height: float
    rotation: float | None = None


class Oval(msgspec.Struct, gc=False):
    """An ellipse, turned around its centre."""

    x: float
    y: float
    radiusX: float
    radiusY: float
    rotation: float | None = None


class Bitmask(msgspec.Struct, gc=False):
    """An image of which alpha is the mask."""

    imageDataURL: str


DECODERS = {kind: msgspec.json.Decoder(struct) for kind, struct in (
    ("polygon", Polygon), ("rectangle", Box), ("ellipse", Oval), ("bitmask", Bitmask)
)}  # fmt: skip


def decoded_shape(result: Result, kind: str) -> Any:
    """What a region states. Raises `DataError` (`labelstudio.task`, `polygon.nan`)."""
    try:
        return decoded(result.value, DECODERS[kind], f"its {kind}")
    except DataError as error:
        if any(word in bytes(result.value) for word in NO_NUMBERS):
            raise DataError(Problem("polygon.nan", NAN)) from error
        raise


def polygon_corners(polygon: Polygon, size: tuple[int, int]) -> Outline:
    """(N, 2) x, y in pixels."""
    height, width = size
    with np.errstate(over="ignore"):
        return np.array(polygon.points, np.float64).reshape(-1, 2) / 100 * (width, height)


def box_corners(box: Box, size: tuple[int, int]) -> Outline:
    """(4, 2) corners: upright as pycocotools outlines a box, otherwise as label-studio-sdk turns it."""
    height, width = size
    if not box.rotation:
        x, y, w, h = box.x * width / 100, box.y * height / 100, box.width * width / 100, box.height * height / 100
        return np.array([(x, y), (x, y + h), (x + w, y + h), (x + w, y)])
    x, y, w, h = box.x / 100 * width, box.y / 100 * height, box.width / 100 * width, box.height / 100 * height
    cos, sin = math.cos(math.radians(box.rotation)), math.sin(math.radians(box.rotation))
    return np.array(
        [(x, y), (x + w * cos, y + w * sin), (x + w * cos - h * sin, y + w * sin + h * cos), (x - h * sin, y + h * cos)]
    )


def oval_pixels(oval: Oval, size: tuple[int, int]) -> bytes:
    """Run lengths of the pixels whose centre lies in an ellipse, its border included."""
    height, width = size
    x, y = oval.x / 100 * width, oval.y / 100 * height
    across, down = abs(oval.radiusX / 100 * width), abs(oval.radiusY / 100 * height)
    if not all(map(math.isfinite, (x, y, across, down, oval.rotation or 0))):
        raise DataError(Problem("polygon.nan", NAN))
    reach = max(across, down)
    top, bottom = (min(max(int(edge), 0), height) for edge in (y - reach, y + reach + 1))
    left, right = (min(max(int(edge), 0), width) for edge in (x - reach, x + reach + 1))
    if not across or not down:
        return encode(np.zeros((0, 0), np.uint8), height, width)
    cos, sin = math.cos(math.radians(oval.rotation or 0)), math.sin(math.radians(oval.rotation or 0))
    dx, dy = np.arange(left, right) + 0.5 - x, (np.arange(top, bottom) + 0.5 - y)[:, None]
    with np.errstate(over="ignore"):
        inside = ((dx * cos + dy * sin) / across) ** 2 + ((dy * cos - dx * sin) / down) ** 2 <= 1
    return encode(inside.view(np.uint8), height, width, top, left)


def brush_pixels(brush: Marks, size: tuple[int, int]) -> bytes:
    """The same of a brush's run lengths. Raises `DataError` (`rle.*`)."""
    if brush.format not in (None, "rle"):
        raise DataError(Problem("rle.format", f"a brush of the format {brush.format!r}: only rle is known"))
    text = np.frombuffer(brush.rle, np.uint8)
    data = np.empty(len(text) // 2 + 1, np.uint8)
    if (count := parse_bytes(text, data)) < 0:
        raise DataError(Problem("rle.bytes", "its run lengths are no list of numbers from 0 to 255: export it again"))
    height, width = size
    values = brush_values(data[:count])
    if values != 4 * height * width:
        what = f"its run lengths are of {max(values, 0):,} values, and {width} x {height} pixels have {4 * height * width:,}"
        raise DataError(Problem("rle.size", f"{what}: export it again"))
    bitmap, box = np.zeros(size, np.uint8), np.zeros(4, np.int64)
    if wrong := brush_bitmap(data[:count], bitmap, box):
        what = "are cut off" if wrong == -1 else "are longer than the image"
        raise DataError(Problem("rle.size", f"its run lengths {what}: export it again"))
    top, bottom, left, right = box.tolist()
    return encode(bitmap[top:bottom, left:right], height, width, top, left)


def bitmask_pixels(path: str | None, size: tuple[int, int]) -> bytes:
    """The same of a bitmask, an image within a task. Raises `DataError` (`labelstudio.bitmask`, `mask.*`)."""
    if path is None:
        raise DataError(
            Problem("labelstudio.bitmask", "its imageDataURL is no image in base64, in a file called .json")
        )
    facts = read_facts(path)
    if (facts.height, facts.width) != size:
        both = f"{facts.width} x {facts.height}, its image {size[1]} x {size[0]} (width x height)"
        raise DataError(Problem("labelstudio.bitmask", f"its bitmask is {both}"))
    pixels, _ = read_stored(path, expand=True)
    return encode(pixels[:, :, 3], *size)
