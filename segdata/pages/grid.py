"""Where tiles lie: a small version of their image, put together from the tiles, with their outlines."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.files.colors import colorize, overlay, to_rgb
from segdata.files.images import ImageArray
from segdata.labels import Mask
from segdata.resize import resize_image, resize_mask
from segdata.windows import Window

LINE, NOTHING = (255, 64, 32), 225
"""The colour of outlines, and the grey of pixels in no tile."""


def grid_panels(dataset: Dataset, tiles: Sequence[Sample], width: int) -> list[ImageArray]:
    """The whole image of some tiles, `width` pixels wide, and the same under their masks, both with outlines of the tiles.

    If there are no images, only the masks. Raises `DataError`.
    """
    whole = tiles[0].tiling.parent if tiles[0].tiling is not None else tiles[0].size
    shrink = min(1.0, width / whole[1])
    size = max(1, round(whole[0] * shrink)), max(1, round(whole[1] * shrink))
    mask = np.full(size, dataset.labels.ignore, dataset.labels.dtype)
    image = np.full((*size, 3), NOTHING, np.uint8)
    with_image = dataset.images != "none" and all(tile.image is not None for tile in tiles)
    for tile in tiles:
        box = small_window(tile, shrink, size)
        ids, pixels = small_tile(dataset, tile, box, with_image)
        mask[box.slices] = ids
        if pixels is not None:
            image[box.slices] = pixels
    plain = [image, overlay(image, mask, dataset.labels)] if with_image else [colorize(mask, dataset.labels)]
    return [_outlined(one, [small_window(tile, shrink, size) for tile in tiles]) for one in plain]


def small_window(tile: Sample, shrink: float, size: tuple[int, int]) -> Window:
    """Where a tile is in the small image; at least one pixel."""
    y, x, height, width = tile.window or (0, 0, *tile.size)
    top, left = min(round(y * shrink), size[0] - 1), min(round(x * shrink), size[1] - 1)
    bottom, right = round((y + height) * shrink), round((x + width) * shrink)
    return Window(top, left, max(1, min(bottom, size[0]) - top), max(1, min(right, size[1]) - left))


def small_tile(dataset: Dataset, tile: Sample, box: Window, with_image: bool) -> tuple[Mask, NDArray[np.uint8] | None]:
    """A tile's ids and pixels in the size of its box, without its padding."""
    inside = _content(tile)
    with dataset.open_mask(tile) as opened:
        ids = resize_mask(opened.read(inside), box[2:])
    if not with_image:
        return ids, None
    with dataset.open_image(tile) as raster:
        return ids, resize_image(to_rgb(raster.read(inside), nodata=raster.geo.nodata), box[2:])


def _content(tile: Sample) -> Window:
    view = msgspec.structs.replace(tile, crop=tile.window).view
    return Window(0, 0, *(tile.size if view is None else view.content))


def _outlined(pixels: ImageArray, windows: Sequence[Window]) -> ImageArray:
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    for y, x, height, width in windows:
        draw.rectangle((x, y, x + width - 1, y + height - 1), outline=LINE)
    return np.asarray(image)
