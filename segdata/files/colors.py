"""Colours for people: masks in the colours of their classes, laid over images, and any pixels as 8-bit RGB."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segdata.files.images import ImageArray
from segdata.files.png import encode_mask
from segdata.files.rasters import Values
from segdata.labels import Labels, Mask

LIGHT, DARK, IGNORED = 215, 60, 128
"""The greys of the stripes on ignored pixels, and that between them if there is no image."""

SURELY = 0.08
"""By how much a tint is stronger than it must be, for pages keep images as JPEG."""

LINES = 480
"""An image is about so many outlines wide."""

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
    """(H, W) ids -> (H, W, 3) uint8: each class in its colour, ignored pixels grey and hatched."""
    out: ImageArray = labels.palette()[mask]
    _hatch(out, np.full((1, 1), IGNORED, np.uint8), mask == labels.ignore)
    return out


def overlay(image: ImageArray, mask: Mask, labels: Labels, *, opacity: float = 0.5) -> ImageArray:
    """(H, W, 3) image in grey under the tints of the classes of (H, W), each region with an outline in its full colour.

    A tint is stronger than `opacity` where another class's colour would be nearer. Black classes stay clear, ignored pixels
    are hatched.
    """
    grey = to_grey(image)
    values = range(len(labels.classes)) if labels.ignore == 255 else np.unique(mask).tolist()
    known = [value for value in values if value != labels.ignore]
    palette = labels.palette()
    tints = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    tints = np.concatenate([_tints(palette[known], opacity), tints])  # the last is of what stays grey
    place = np.full(len(palette), len(known), np.int32)
    place[known] = np.arange(len(known))
    out: ImageArray = np.empty((*mask.shape, 3), np.uint8)
    for rows in row_blocks(image):
        out[rows] = tints[place[mask[rows]], grey[rows]]
    coloured: NDArray[np.bool_] = np.asarray(palette.any(axis=1))
    lines = _outlines(mask) & coloured[mask]
    out[lines] = palette[mask[lines]]
    _hatch(out, grey, mask == labels.ignore)
    return out


def _tints(colors: NDArray[np.uint8], opacity: float) -> NDArray[np.uint8]:
    """(P, 256, 3) uint8: what each of (P, 3) colours makes of each grey; black ones make nothing of it.

    On the way from a grey to a colour, what is nearer to that colour than to another begins at one point, as distances of
    points on a line from two points are linear in where they are.
    """
    every, greys = colors.astype(np.float64), np.repeat(np.arange(256.0)[:, None], 3, axis=1)
    out = np.empty((len(colors), 256, 3), np.uint8)
    for number, own in enumerate(every):
        others = every[(every != own).any(axis=1)]
        least = np.full(256, opacity)
        if len(others):
            toward = others - own
            past = 2 * greys @ toward.T - (
                (others**2).sum(axis=1) - (own**2).sum()
            )  # (256, P): above 0 where nearer to it
            gain = 2 * (greys @ toward.T - toward @ own)
            starts = np.where(past > 0, past / np.where(past > 0, gain, 1), 0)
            least = np.maximum(least, np.minimum(1, starts.max(axis=1) + SURELY))
        out[number] = (greys + least[:, None] * (own - greys) + 0.5 if own.any() else greys).astype(np.uint8)
    return out


def _outlines(mask: Mask) -> NDArray[np.bool_]:
    """(H, W): the pixels of regions beside other ones, in lines that are as wide as a line on a page."""
    side = 1 + 2 * max(1, round(max(mask.shape) / LINES))
    around = np.ones((side, side), np.uint8)
    return np.asarray(cv2.dilate(mask, around) != cv2.erode(mask, around))


def _hatch(image: ImageArray, grey: NDArray[np.uint8], ignored: NDArray[np.bool_]) -> None:
    """Light and dark stripes, seen on any image, and between them its grey, dimmed; at most 40 stripes from side to side."""
    step = max(10, max(ignored.shape) // 40)
    stripe = np.add.outer(np.arange(ignored.shape[0]), np.arange(ignored.shape[1])) % step * 5 // step
    dimmed = (grey // 2 + IGNORED // 2).astype(np.uint8)
    image[ignored] = np.broadcast_to(dimmed, ignored.shape)[ignored][:, None]
    image[ignored & (stripe == 0)] = LIGHT
    image[ignored & (stripe == 1)] = DARK


def encode_coloured(mask: Mask, labels: Labels) -> bytes:
    """The bytes of a PNG of (H, W) class ids: uint8 with a palette of the classes' colours, uint16 in grey."""
    if mask.dtype != np.uint8:
        return encode_mask(mask)
    image = Image.fromarray(mask)
    image.putpalette(labels.palette().tobytes())
    data = BytesIO()
    image.save(data, format="PNG", optimize=False)
    return data.getvalue()
