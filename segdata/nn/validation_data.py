"""What is validated at once: samples, or the parts of large ones, each seen with what lies around it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import Dataset as TorchDataset

from segdata.dataset.dataset import Dataset, Openings
from segdata.dataset.sample import Sample
from segdata.errors import DataError, Problem, located
from segdata.nn.cache import read_pair
from segdata.nn.data import Item
from segdata.recipes.pipeline import Pair
from segdata.recipes.settings import Settings
from segdata.resize import resize_image, resize_mask
from segdata.windows import Window


class Part(NamedTuple):
    """What is validated at once: sample `number`, of it the pixels in `inner`, seen with those around it in `outer`."""

    number: int
    outer: Window
    inner: Window


LARGEST, MARGIN = 2048, 128
"""A sample with a longer side than this is validated in parts of this side, in the model's pixels, each seen with a margin."""


def parts_of(number: int, sample: Sample, recipe: Settings) -> list[Part]:
    """All of a sample, or the parts of a large one: each pixel is in the `inner` of one."""
    height, width = sample.size
    scale = height / recipe.resized(height, width)[0]
    side, margin = max(1, round(LARGEST * scale)), round(MARGIN * scale)
    whole = Window(0, 0, height, width)
    if max(height, width) <= side:
        return [Part(number, whole, whole)]
    out = []
    for y in range(0, height, side):
        for x in range(0, width, side):
            inner = Window(y, x, min(side, height - y), min(side, width - x))
            top, left = max(0, y - margin), max(0, x - margin)
            bottom, right = min(height, y + inner.height + margin), min(width, x + inner.width + margin)
            out.append(Part(number, Window(top, left, bottom - top, right - left), inner))
    return out


class Validation(TorchDataset[Any]):
    """Parts of samples: (id, (h, w, C) pixels as a model sees them, (h, w) ids there, (H, W) ids at the source's size).

    What is in `outer` alone is ignored.
    """

    def __init__(self, dataset: Dataset, recipe: Settings) -> None:
        self.dataset, self.recipe = dataset, recipe
        self._open = Openings(dataset, values_of=recipe.values_of)

    def __getitem__(self, part: Part) -> Item | Problem:
        """One part."""
        sample = self.dataset.samples[part.number]
        try:
            image, mask = self.read(part)
        except DataError as error:
            return error.problem
        truth = np.full_like(mask, self.dataset.labels.ignore)
        y, x = part.inner.y - part.outer.y, part.inner.x - part.outer.x
        inside = Window(y, x, part.inner.height, part.inner.width).slices
        truth[inside] = mask[inside]
        height, width = self.recipe.resized(*sample.size)
        size = (
            max(1, round(part.outer.height * height / sample.height)),
            max(1, round(part.outer.width * width / sample.width)),
        )
        return sample.id, resize_image(image, size), resize_mask(truth, size), truth

    def read(self, part: Part) -> Pair:
        """Image and mask of a part's `outer`. Raises `DataError`."""
        sample = self.dataset.samples[part.number]
        if part.outer == (0, 0, *sample.size):
            return read_pair(self.dataset, sample, self.recipe)
        with located(sample=sample.id):
            image, mask = self._open(sample)
            return image.read(part.outer), mask.read(part.outer)
