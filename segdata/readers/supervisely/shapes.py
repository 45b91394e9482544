"""The pixels of Supervisely's figures, as its SDK draws them with lines one pixel wide, as compressed run lengths.

Coordinates are rounded down to whole pixels. A figure that reaches beyond the image is first cut at the middles of the outermost
pixels (`Label.crop`), and what is cut is rounded again: polygons to the nearest pixel, lines down.

Rules: supervisely/geometry of https://github.com/supervisely/supervisely 6.74.
"""

from __future__ import annotations

import base64
import binascii
import io
import math
import zlib
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.errors import DataError, Problem
from segdata.files.pillow import TOO_LARGE, UNREADABLE
from segdata.files.png import SIGNATURE
from segdata.files.vectors.clipping import clip_line, clip_polygon
from segdata.readers.drawing import check_corners
from segdata.readers.fill import FARTHEST, fill_opencv
from segdata.readers.paint import encode, union

Points = NDArray[np.int64]
"""(N, 2) x, y of whole pixels."""

Size = tuple[int, int]
"""(height, width) of the image."""

Pairs = Sequence[tuple[float, float]]

SMALL = 2**20
"""A bitmap of so many bytes or pixels is decoded, whatever the size of its image."""


def whole(points: Pairs) -> Points:
    """Coordinates rounded down. Raises `DataError` (`polygon.nan`, `polygon.far`)."""
    floats = np.array(points, np.float64).reshape(-1, 2)
    check_corners(floats, FARTHEST)
    return np.floor(floats).astype(np.int64)


def is_inside(points: Points, size: Size) -> bool:
    """Whether all points are pixels of the image."""
    return bool(points.min() >= 0 and (points.max(axis=0) < size[::-1]).all())


# Outlines


def draw_polygons(parts: Sequence[Sequence[Points]], size: Size) -> bytes:
    """Polygons together, each its outer ring, then its holes. Raises `DataError` (`polygon.far`)."""
    if not all(is_inside(rings[0], size) for rings in parts):
        parts = [part for rings in parts for part in _cut(rings, size)]
    return union([_fill(rings, size) for rings in parts] or [nothing(size)], *size)


def draw_line(points: Points, size: Size) -> bytes:
    """A line from point to point."""
    if is_inside(points, size):
        return _draw_lines([points], size)
    found = clip_line(points[:, ::-1], (size[0] - 1, size[1] - 1))
    return _draw_lines([np.floor(part[:, ::-1]).astype(np.int64) for part in found], size)


def draw_box(corners: Points, size: Size) -> bytes:
    """A rectangle from corner to corner, both included; of one corner it is a pixel."""
    left, top = np.maximum(corners.min(axis=0), 0).tolist()
    right, bottom = np.minimum(corners.max(axis=0), (size[1] - 1, size[0] - 1)).tolist()
    return encode(np.ones((max(0, bottom - top + 1), max(0, right - left + 1)), np.uint8), *size, top, left)


def draw_turned_box(ends: Points, angle: float, size: Size) -> bytes:
    """The same, turned by `angle` radians about its middle, which is rounded down. It is not cut but drawn as far as it goes."""
    (left, top), (right, bottom) = ends.min(axis=0).tolist(), ends.max(axis=0).tolist()
    x, y = (left + right) // 2, (top + bottom) // 2
    if not math.isfinite(angle):
        raise DataError(Problem("polygon.nan", "its angle is NaN or infinite: correct it"))
    cos, sin = np.cos(angle), np.sin(angle)
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    turned = [((a - x) * cos - (b - y) * sin + x, (a - x) * sin + (b - y) * cos + y) for a, b in corners]
    return fill_opencv([whole(turned).astype(np.int32)], *size)


def draw_faces(faces: Sequence[Points], size: Size) -> bytes:
    """The faces of a cuboid, each filled; nothing if a corner is outside of the image."""
    if not all(is_inside(face, size) for face in faces):
        return nothing(size)
    return union([fill_opencv([face.astype(np.int32)], *size) for face in faces], *size)


def nothing(size: Size) -> bytes:
    """No pixel."""
    return encode(np.zeros((0, 0), np.uint8), *size)


def _cut(rings: Sequence[Points], size: Size) -> list[list[Points]]:
    """The parts of a polygon within the image, rounded to the nearest pixel, halves to the even one."""
    found = clip_polygon([ring[:, ::-1] for ring in rings], (size[0] - 1, size[1] - 1))
    return [[np.rint(ring[:, ::-1]).astype(np.int64) for ring in part if len(ring) > 2] for part in found]


def _fill(rings: Sequence[Points], size: Size) -> bytes:
    """A polygon whose outer ring is inside the image. Holes are filled together, then taken away with their outlines."""
    outer, *holes = [ring.astype(np.int32) for ring in rings]
    if not holes:
        return fill_opencv([outer], *size)
    points = np.concatenate([outer, *holes])
    left, top = np.maximum(points.min(axis=0), 0).tolist()
    right, bottom = np.minimum(points.max(axis=0), (size[1] - 1, size[0] - 1)).tolist()
    box = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.fillPoly(box, [outer], (1,), offset=(-left, -top))
    cv2.fillPoly(box, holes, (0,), offset=(-left, -top))
    return encode(box, *size, top, left)


def _draw_lines(lines: Sequence[Points], size: Size) -> bytes:
    """Lines that lie inside the image."""
    if not lines:
        return nothing(size)
    points = np.concatenate(lines)
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    box = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.polylines(box, [(line - (left, top)).astype(np.int32) for line in lines], isClosed=False, color=(1,))
    return encode(box, *size, top, left)


# Bitmaps


def draw_bitmap(data: str, origin: Points, size: Size, *, alpha: bool) -> bytes:
    """A bitmap whose first pixel is at `origin` (1, 2). `alpha`: brightness is how much a pixel belongs; any does.

    Raises `DataError` (`supervisely.bitmap`).
    """
    ((left, top),) = origin.tolist()
    return encode(read_bits(data, size, alpha=alpha), *size, top, left)


def read_bits(data: str, size: Size, *, alpha: bool) -> NDArray[np.uint8]:
    """(h, w) uint8, not 0 where the bitmap is: a PNG, deflated, in base64; older files have an image that is not deflated.

    Of colours alone the alpha is read, and a grey one is that. Raises `DataError` (`supervisely.bitmap`).
    """
    try:
        packed = base64.b64decode(data)
    except (binascii.Error, ValueError) as error:
        raise _damaged("is not base64") from error
    inflater = zlib.decompressobj()
    try:
        png = inflater.decompress(packed, most := SMALL + 8 * size[0] * size[1])
    except zlib.error:
        return _plain_bits(packed, size, alpha=alpha)
    if not inflater.eof:
        raise _damaged("is cut off" if len(png) < most else f"is more than {most:,} bytes, far too many for its image")
    _check(png, size)
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE if alpha else cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise _damaged("is a damaged PNG")
    if pixels.ndim == 3 and pixels.shape[2] != 4:
        raise _damaged("is a PNG of colours without alpha: which of them belong it does not say")
    return ((pixels if pixels.ndim == 2 else pixels[..., 3]) > 0).view(np.uint8)


def _check(png: bytes, size: Size) -> None:
    """Refuse what is no whole PNG, and one of many more pixels than its image, before it is decoded."""
    if not png.startswith(SIGNATURE) or len(png) < 33:
        raise _damaged("holds no PNG")
    width, height = int.from_bytes(png[16:20]), int.from_bytes(png[20:24])
    if not 0 < width * height <= 4 * size[0] * size[1] + SMALL:
        raise _damaged(f"has {width} x {height} pixels, far too many for its image of {size[1]} x {size[0]}")
    start, name = len(SIGNATURE), b""
    while name != b"IEND":
        name, stop = png[start + 4 : start + 8], start + 8 + int.from_bytes(png[start : start + 4])
        if zlib.crc32(png[start + 4 : stop]) != int.from_bytes(png[stop : stop + 4]) or len(png) < stop + 4:
            raise _damaged("is a damaged PNG")
        start = stop + 4


def _plain_bits(data: bytes, size: Size, *, alpha: bool) -> NDArray[np.uint8]:
    """The same of an image that is not deflated: pixels of which a channel is not 0."""
    _check(data, size)
    try:
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.asarray(image)
    except (*UNREADABLE, *TOO_LARGE) as error:
        raise _damaged("is neither deflated nor an image") from error
    if pixels.ndim != (2 if alpha else 3):
        raise _damaged("is not deflated, and no image of " + ("grey" if alpha else "colours"))
    return np.asarray(pixels > 0 if alpha else pixels.any(axis=-1)).view(np.uint8)


def _damaged(what: str) -> DataError:
    return DataError(Problem("supervisely.bitmap", f"its bitmap {what}: export it again"))
