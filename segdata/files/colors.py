"""Colours for people: masks in the colours of their classes, laid over images, and any pixels as 8-bit RGB."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.files.images import ImageArray
from segdata.files.png import encode_mask
from segdata.files.rasters import Values
from segdata.labels import Labels, Mask

HATCH = 110
"""The grey of the stripes on ignored pixels."""

LUMA = np.array([0.299, 0.587, 0.114])
"""The brightness of red, green and blue (ITU-R BT.601), as Pillow has it."""

PIXELS = 2**18
"""Of so many pixels, about, values are computed at once."""


def to_rgb(values: Values, span: tuple[float, float] | None = None, nodata: float | None = None) -> ImageArray:
    """(h, w, C) of any type -> (h, w, 3) uint8 for people to look at: the first three bands, or the first one alone.

    What is not uint8 is stretched from `span`, its darkest and brightest value; by default its 2nd and 98th percentile, of
    what is not `nodata`, which is shown dark.
    """
    three = _three(values)
    if three.dtype == np.uint8:
        return np.ascontiguousarray(three)
    low, high = span or span_of(three, nodata)
    out: ImageArray = np.empty(three.shape, np.uint8)
    for rows in row_blocks(three):
        known = three[rows] if nodata is None else np.where(three[rows] == nodata, np.nan, three[rows])
        stretched = (np.nan_to_num(known.astype(np.float64), nan=low) - low) * (255 / max(high - low, 1e-12))
        out[rows] = stretched.clip(0, 255)
    return out


def to_grey(rgb: ImageArray) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 -> (h, w) uint8: its brightness."""
    out = np.empty(rgb.shape[:2], np.uint8)
    for rows in row_blocks(rgb):
        out[rows] = (rgb[rows] @ LUMA).round()
    return out


def row_blocks(values: Values) -> Iterator[slice]:
    """Slices of so many rows together that what is computed of them stays small."""
    step = max(1, PIXELS // max(1, values.shape[1]))
    return (slice(y, y + step) for y in range(0, len(values), step))


def _three(values: Values) -> Values:
    return values[:, :, :3] if values.shape[2] >= 3 else np.repeat(values[:, :, :1], 3, axis=2)


def span_of(values: Values, nodata: float | None = None) -> tuple[float, float]:
    """The 2nd and 98th percentile of what `to_rgb` shows of (h, w, C), and is not `nodata`; 0 and 1 if that is nothing."""
    values = _three(values)
    known = values[np.isfinite(values) if nodata is None else np.isfinite(values) & (values != nodata)]
    low, high = np.percentile(known, (2, 98), overwrite_input=True) if known.size else (0.0, 1.0)
    return float(low), float(high)


def colorize(mask: Mask, labels: Labels) -> ImageArray:
    """(H, W) ids -> (H, W, 3) uint8: each class in its colour, ignore in white, hatched."""
    return _hatched(labels.palette()[mask], mask == labels.ignore)


def overlay(image: ImageArray, mask: Mask, labels: Labels, *, opacity: float = 0.55) -> ImageArray:
    """(H, W, 3) image with the classes of (H, W) laid over it; black classes stay clear and ignore is hatched."""
    colors = labels.palette()
    mixed = image * (1 - opacity) + colors[mask] * opacity
    clear = np.flatnonzero(~colors.any(axis=1))
    out: ImageArray = np.where(np.isin(mask, clear)[:, :, None], image, mixed).astype(np.uint8)
    return _hatched(out, mask == labels.ignore)


def _hatched(image: ImageArray, ignored: NDArray[np.bool_]) -> ImageArray:
    """Stripes in white and in grey, seen on light and on dark, at most 40 of them from side to side; in place."""
    step = max(6, max(ignored.shape) // 40)
    stripe = np.add.outer(np.arange(ignored.shape[0]), np.arange(ignored.shape[1])) % step * 3 // step
    image[ignored & (stripe == 0)] = 255
    image[ignored & (stripe == 1)] = HATCH
    return image


def encode_coloured(mask: Mask, labels: Labels) -> bytes:
    """The bytes of a PNG of (H, W) class ids: uint8 with a palette of the classes' colours, uint16 in grey."""
    if mask.dtype != np.uint8:
        return encode_mask(mask)
    image = Image.fromarray(mask)
    image.putpalette(labels.palette().tobytes())
    data = BytesIO()
    image.save(data, format="PNG", optimize=False)
    return data.getvalue()
