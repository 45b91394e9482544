"""Training samples in memory, and whether that is worth it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DataError, located
from segdata.files.file import access_to
from segdata.files.rasters import WholeMask, WholeRaster
from segdata.nn.data import unlike
from segdata.nn.options import Training
from segdata.recipes.pipeline import Opened, Pair
from segdata.recipes.settings import Settings


def cache_of(dataset: Dataset, recipe: Settings, options: Training, *, shared: bool) -> Cache | None:
    """The samples in memory if the options want it, or leave it open and they fit. Raises `DataError`."""
    fits = options.cache == "auto" and not by_windows(dataset, recipe) and room_for(dataset, recipe)
    return Cache(dataset, recipe, shared=shared) if options.cache == "yes" or fits else None


class Cache:
    """Samples in memory, decoded and resized, that worker processes may share: read once, by threads. A `Source`.

    All lie in two tensors, one of pixels and one of mask values, so that any number of samples is two handles.
    """

    def __init__(self, dataset: Dataset, recipe: Settings, *, shared: bool = False) -> None:
        """Raises `DataError` for the first bad file. If it is `shared`, it takes its size in /dev/shm."""
        self.dataset, self.recipe = dataset, uncropped(recipe)
        self.place = {sample.id: i for i, sample in enumerate(dataset)}
        self.bands, self.dtype = kind_of(dataset, recipe)
        self.sizes = [self.recipe.resized(*s.size) for s in dataset]
        self.starts = [0, *(int(end) for end in np.cumsum([h * w for h, w in self.sizes]))]
        self.pixels = _bytes(self.starts[-1] * self.bands * self.dtype.itemsize, shared)
        self.values = _bytes(self.starts[-1] * np.dtype(dataset.labels.dtype).itemsize, shared)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(self._fill, range(len(dataset))))
        self.dataset = replace(dataset, samples=())  # workers need it no more

    def __call__(self, sample: Sample) -> Opened:
        """Image and mask of a sample; their pixels are not to be written to."""
        image, mask = self._held(self.place[sample.id])
        return WholeRaster(image), WholeMask(mask)

    def _held(self, index: int) -> Pair:
        start, end = self.starts[index : index + 2]
        size, dtype = self.sizes[index], self.dataset.labels.dtype
        pixels = self.pixels.numpy().view(self.dtype)[start * self.bands : end * self.bands]
        return pixels.reshape(*size, self.bands), self.values.numpy().view(dtype)[start:end].reshape(size)

    def _fill(self, index: int) -> None:
        image, mask = self._held(index)
        sample = self.dataset.samples[index]
        read = read_pair(self.dataset, sample, self.recipe)
        if read[0].dtype != self.dtype:
            raise DataError(unlike(sample.id, read[0].dtype, self.dtype))
        image[...], mask[...] = self.recipe.prepare(read[0]), self.recipe.prepare_mask(read[1])


def _bytes(size: int, shared: bool) -> torch.Tensor:
    """(size,) uint8 that other processes may read as well if it is `shared`."""
    out = torch.empty(size, dtype=torch.uint8)
    if shared:
        out.share_memory_()  # type: ignore[no-untyped-call]
    return out


def room_for(dataset: Dataset, recipe: Settings) -> bool:
    """Whether all samples, decoded and resized, take at most a quarter of the memory."""
    bands, dtype = kind_of(dataset, recipe)
    each = bands * dtype.itemsize + np.dtype(dataset.labels.dtype).itemsize
    pixels = sum(h * w for h, w in (uncropped(recipe).resized(*s.size) for s in dataset))
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # no such question on this system
        memory = 4 * 2**30
    return each * pixels <= memory / 4


def by_windows(dataset: Dataset, recipe: Settings) -> bool:
    """Whether training reads windows from the files themselves, which is then as quick as from memory: tiled TIFF and the like.

    GDAL keeps blocks in memory too, as much as GDAL_CACHEMAX says.
    """
    if recipe.crop is None:
        return False
    files = [(dataset.image_path(s), str(dataset.inside(s.mask))) for s in dataset.samples[:8]]
    return all(access_to(image) == "windows" and access_to(mask, "mask") != "rows" for image, mask in files)


def kind_of(dataset: Dataset, recipe: Settings) -> tuple[int, np.dtype[Any]]:
    """Bands and dtype of a dataset's images as a model reads them, by the first."""
    with dataset.open_image(dataset.samples[0]) as raster:
        first = recipe.values_of(raster)
        return first.bands, first.dtype


def read_pair(dataset: Dataset, sample: Sample, recipe: Settings) -> Pair:
    """Image and mask of a sample, of its size. Raises `DataError` for another size, or for what cannot be read."""
    with dataset.open_image(sample) as raster, located(sample=sample.id):
        image = recipe.values_of(raster).read()
    return image, dataset.read_mask(sample)


def uncropped(recipe: Settings) -> Settings:
    """What is done to a whole image: a crop's window is cut from the source's pixels, and resized with it."""
    return recipe if recipe.crop is None else replace(recipe, resize=None)
