"""A mosaic in blocks, each read from the scenes that meet it: image, labels and scores of its pixels.

Of the scenes that know a pixel, the first (or last) by id gives both its image and its label; one that has a label for it comes
before one that has none. Scores are the mean of all scenes that have some there, and where several have, the label is the
likeliest class.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.errors import located
from segdata.files.rasters import Raster, Values
from segdata.files.scores import Scores
from segdata.files.tiff import TILE
from segdata.files.views import Masks
from segdata.labels import Mask
from segdata.ops.mosaic.grids import Mosaic, Part
from segdata.windows import Window

Take = Literal["first", "last"]
"""Which scene's pixel counts if several have one: the first or the last by id."""

BUDGET = 2**24
"""Bytes of a block, about."""

DATA, LABEL = 1, 2
"""What a scene knows of a pixel: that there is data, or also which class it is."""


class Opened(NamedTuple):
    """A scene open for reading by windows; `stack` closes it."""

    image: Raster | None
    mask: Masks
    scores: Scores | None
    stack: ExitStack


@dataclass(frozen=True, slots=True)
class Layout:
    """What blocks hold: the image unless `bands` is 0, scores of `classes` unless that is 0; `gap` where there is no data."""

    source: Dataset
    take: Take
    bands: int
    dtype: str
    classes: int
    gap: float


class Block:
    """A window of a mosaic: `ids` (h, w), `image` (h, w, C), `scores` (K, h, w) float32, and what is `known` of each pixel (0,
    `DATA`, `LABEL`). `overlapping`: pixels that a further scene knows; `differing`: those that it labels otherwise."""

    def __init__(self, window: Window, layout: Layout) -> None:
        self.window, size = window, (window.height, window.width)
        labels = layout.source.labels
        self.ignore = labels.ignore
        self.ids: Mask = np.full(size, labels.ignore, labels.dtype)
        self.known = np.zeros(size, np.uint8)
        gap = np.array(layout.gap).astype(layout.dtype) if layout.bands else 0
        self.image: Values | None = np.full((*size, layout.bands), gap, layout.dtype) if layout.bands else None
        self.scores = np.zeros((layout.classes, *size), np.float32) if layout.classes else None
        self._scored = np.zeros(size, np.uint16)
        self.overlapping = self.differing = 0

    def add(self, part: Part, scene: Opened) -> None:
        """Add what a scene knows, after those that come before it."""
        inside = part.window.meet(self.window)
        if inside is None:
            return
        there, here = (
            inside.shifted(-part.window.y, -part.window.x),
            inside.shifted(-self.window.y, -self.window.x).slices,
        )
        ids = scene.mask.read(there)
        known = np.where(ids == self.ignore, DATA if scene.image is not None else 0, LABEL).astype(np.uint8)
        pixels = None
        if scene.image is not None:
            pixels = scene.image.read(there)
            if (valid := scene.image.valid(there, pixels)) is not None:
                known *= valid
        held, mine = self.known[here], self.ids[here]
        self.overlapping += int(np.count_nonzero((held > 0) & (known > 0)))
        self.differing += int(np.count_nonzero((held == LABEL) & (known == LABEL) & (mine != ids)))
        better = known > held
        np.copyto(mine, ids, where=better & (known == LABEL))
        if self.image is not None and pixels is not None:
            np.copyto(self.image[here], pixels, where=better[:, :, None])
        np.copyto(held, known, where=better)
        if self.scores is not None and scene.scores is not None:
            stored = scene.scores.stored(there) * (known > 0)
            self.scores[:, *here] += stored
            self._scored[here] += stored.any(axis=0)

    def finish(self) -> None:
        """Turn sums of scores to means, and where they are of several scenes, labels to the likeliest class."""
        if self.scores is None:
            return
        self.scores /= np.maximum(self._scored, 1) * np.float32(255)
        several = (self._scored > 1) & (self.known == LABEL)
        np.copyto(self.ids, self.scores.argmax(axis=0), where=several, casting="unsafe")


def blocks_of(mosaic: Mosaic, layout: Layout) -> Iterator[Block]:
    """A mosaic in blocks on whole tiles of a file, from the top in blocks of columns. Raises `DataError`."""
    height, width = mosaic.size
    pixel = layout.bands * np.dtype(layout.dtype or "uint8").itemsize + 4 * layout.classes + 8
    step = max(TILE, BUDGET // (TILE * pixel) // TILE * TILE)
    parts = mosaic.parts if layout.take == "first" else mosaic.parts[::-1]
    for x in range(0, width, step):
        opened: dict[str, Opened] = {}
        with ExitStack() as stack:
            for y in range(0, height, TILE):
                window = Window(y, x, min(TILE, height - y), min(step, width - x))
                yield _block(window, [part for part in parts if part.window.meet(window)], layout, opened, stack)


def _block(window: Window, parts: list[Part], layout: Layout, opened: dict[str, Opened], stack: ExitStack) -> Block:
    """One block. Scenes stay in `opened` as long as blocks below may meet them."""
    block = Block(window, layout)
    for part in parts:
        id = part.scene.sample.id
        with located(sample=id):
            if id not in opened:
                opened[id] = open_scene(part, layout, stack)
            block.add(part, opened[id])
        if part.window.bottom <= window.bottom:
            opened.pop(id).stack.close()
    block.finish()
    return block


def open_scene(part: Part, layout: Layout, stack: ExitStack) -> Opened:
    """A scene, open until its own stack is closed, or the one given. Raises `DataError`."""
    own = stack.enter_context(ExitStack())
    sample, source = part.scene.sample, layout.source
    image = own.enter_context(source.open_image(sample)) if part.scene.bands else None
    mask = own.enter_context(source.open_mask(sample))
    return Opened(image, mask, own.enter_context(source.open_scores(sample)) if layout.classes else None, own)
