"""Crops of what is worth a look: a part of an image, under each of its masks, with a line around some pixels; and a legend.

Pages and contact sheets share them. An image may be one sample, or tiles that are put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.files.colors import to_rgb
from segdata.files.images import ImageArray
from segdata.labels import Labels, Mask
from segdata.pages.page import jpeg_uri
from segdata.pages.sheet import fit, laid
from segdata.resize import resize_image, resize_mask
from segdata.tiling.tiles import is_whole, read_stitched, tile_content
from segdata.windows import Window

AROUND = 1.5
"""How many times a region's larger side is shown; `LEAST` pixels at least."""

LEAST = 96

LINES = ((255, 255, 255), (0, 0, 0))
"""The colours of the lines around a region, from inside: one of them is seen on any image."""

WIDTH = 300
"""How many pixels wide a crop is on a page."""

HATCHED = "repeating-linear-gradient(135deg, #d7d7d7 0 2px, #3c3c3c 2px 4px, #808080 4px 7px)"
"""The colour of ignored pixels, for a style sheet."""


@dataclass(frozen=True, slots=True)
class Crop:
    """What a page shows of a region: a heading, what it says beside it, and `panels`: what each shows, and its data URI.

    There are no panels if there is a `reason`.
    """

    title: str
    about: str
    panels: Sequence[tuple[str, str]] = ()
    reason: str = ""


def around(box: tuple[int, int, int, int], size: tuple[int, int], least: int = LEAST) -> Window:
    """A square around a box (y, x, height, width), as far as an image of `size` (height, width) reaches."""
    y, x, h, w = box
    side = max(least, round(AROUND * max(h, w)))
    height, width = min(side, size[0]), min(side, size[1])
    top = min(max(y + h // 2 - height // 2, 0), size[0] - height)
    left = min(max(x + w // 2 - width // 2, 0), size[1] - width)
    return Window(top, left, height, width)


def outlined(image: ImageArray, inside: NDArray[np.bool_], width: int) -> ImageArray:
    """(h, w, 3) RGB brought to a `width`, with lines around the pixels that are `inside` (h, w): these stay as they are."""
    out = np.array(fit(image, width))
    size = out.shape[:2]
    if size[0] < inside.shape[0]:  # thin regions do not break
        part = resize_image(inside.astype(np.float32)[:, :, None], size)[:, :, 0] > 0
    else:
        part = resize_mask(inside, size)
    for color in LINES:
        wider = cv2.dilate(part.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        out[wider & ~part] = color
        part = wider
    return out


def beside(
    image: ImageArray | None, masks: Mapping[str, Mask], inside: NDArray[np.bool_], labels: Labels
) -> list[tuple[str, str]]:
    """The `panels` of a `Crop`: (h, w, 3) RGB, if there is an image, and the same under each mask (h, w), by its name."""
    shown = {} if image is None else {"image": image}
    shown |= {name: laid(image, m, labels, WIDTH) for name, m in masks.items()}
    return [(name, jpeg_uri(outlined(pixels, inside, WIDTH))) for name, pixels in shown.items()]


def class_key(labels: Labels, values: Iterable[int]) -> list[tuple[str, str]]:
    """A legend of mask values, in their order: the name and the colour, for a style sheet, of each."""
    named = ((labels.name(value), value) for value in sorted(set(values)))
    colors = labels.palette()
    return [(name, HATCHED if v == labels.ignore else "rgb({}, {}, {})".format(*colors[v])) for name, v in named]


def read_crop(dataset: Dataset, sample: Sample, window: Window) -> tuple[ImageArray | None, Mask]:
    """(h, w, 3) uint8 RGB, None without an image, and (h, w) ids, of a window of a sample. Raises `DataError`."""
    with dataset.open_mask(sample) as mask:
        ids = mask.read(window)
    return None if sample.image is None else _rgb(dataset, sample, window), ids


def read_ids(dataset: Dataset, samples: Sequence[Sample], window: Window, size: tuple[int, int]) -> Mask:
    """(h, w) ids of a window of an image of `size`: a sample, or tiles put together. Raises `DataError`."""
    if not is_whole(samples):
        return read_stitched(dataset, _met(samples, window), size).mask[window.slices]
    with dataset.open_mask(samples[0]) as mask:
        return mask.read(window)


def read_rgb(dataset: Dataset, samples: Sequence[Sample], window: Window) -> ImageArray | None:
    """(h, w, 3) uint8 RGB of the same, black where no tile is; None if there is no image. Raises `DataError`."""
    if any(sample.image is None for sample in samples):
        return None
    if is_whole(samples):
        return _rgb(dataset, samples[0], window)
    out = np.zeros((window.height, window.width, 3), np.uint8)
    for tile in _met(samples, window):
        place = tile.window or window
        if both := place.meet(window):
            height, width = tile_content(tile)
            pixels = resize_image(dataset.read_rgb(tile)[:height, :width], (place.height, place.width))
            out[both.shifted(-window.y, -window.x).slices] = pixels[both.shifted(-place.y, -place.x).slices]
    return out


def _rgb(dataset: Dataset, sample: Sample, window: Window) -> ImageArray:
    with dataset.open_image(sample) as image:
        return to_rgb(image.read(window), nodata=image.geo.nodata)


def _met(tiles: Sequence[Sample], window: Window) -> list[Sample]:
    """The tiles that have pixels of a window."""
    return [tile for tile in tiles if tile.window is not None and tile.window.meet(window) is not None]
