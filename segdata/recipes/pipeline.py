"""The one pipeline of training, which preview, write and train run: window, copy-paste, transforms.

What comes out depends on the recipe, the dataset and (seed, epoch, index, crop) alone, never on the command, on how a sample is
read, or on which worker ran before, in which order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from segdata.dataset.counts import ClassCounts
from segdata.dataset.dataset import Dataset, Openings
from segdata.dataset.sample import Sample
from segdata.dataset.weights import Floats, Ints
from segdata.errors import DataError, DatasetError, OptionError, Problem, located
from segdata.files.rasters import Raster, WholeMask, WholeRaster
from segdata.files.views import Masks
from segdata.labels import Mask
from segdata.recipes.crops import ClassIndex, choose_class, choose_window, class_ids, copy_paste
from segdata.recipes.pixels import span_of
from segdata.recipes.settings import CopyPaste, Crop, Settings
from segdata.recipes.transforms import Transforms, parse_step
from segdata.resize import Pixels, pad, resize_image, resize_mask

Pair = tuple[Pixels, Mask]

Opened = tuple[Raster, Masks]
"""An image and its mask open for reading by windows, from a file or from memory."""

Source = Callable[[Sample], Opened]
"""A way to read samples, such as `Openings`: what a sample is before it is augmented. Memory may hold it resized already."""

Other = Callable[[np.random.Generator], Pair]
"""Gives another sample to paste from: it draws one from the generator and reads its image and mask."""


class Augmentation:
    """`augmentation(image, mask, (seed, epoch, index))`; made by `Recipe.augment`. Pickles, and may be called from threads."""

    def __init__(
        self, recipe: Settings, ignore: int, classes: tuple[str, ...] = (), weights: tuple[float, ...] | None = None
    ) -> None:
        """Raises `OptionError` for whatever the recipe says that cannot be done, `MissingDependency`."""
        self._arguments = (recipe, ignore, classes, weights)
        self.recipe, self.ignore = recipe, ignore
        self._weights = None if weights is None else np.array(weights, np.float64)
        if self._weights is not None and not (np.isfinite(self._weights).all() and (self._weights >= 0).all()):
            raise OptionError("class weights must be finite and none below 0")
        self._steps = [
            parse_step(entry, f"{recipe.origin}: transforms[{i}]") for i, entry in enumerate(recipe.transforms)
        ]
        self.pasted = pasted_classes(recipe, classes)
        self._local = threading.local()  # albumentations' objects hold state
        self._transforms()

    def __reduce__(self) -> tuple[object, ...]:
        return Augmentation, self._arguments

    def __call__(
        self,
        image: Pixels,
        mask: Mask,
        seed: Sequence[int],
        other: Other | None = None,
        *,
        window: tuple[int, int] | None = None,
    ) -> Pair:
        """(H, W, C) and (H, W) ids -> the same kinds, of the crop's size if the recipe has one; the input is left alone.

        `seed` is (seed, epoch, index), each 0 or more, and for further crops of one epoch (seed, epoch, index, crop). `other`
        gives a sample to paste from, and is asked only if the draw says so. `window` says that the image is already what there
        was of a window of this size, from `Recipe.window`, so that it is not cut again. Raises `OptionError`, `DataError`.
        """
        span_of(image)
        if mask.shape != image.shape[:2]:
            message = f"the mask is {mask.shape[1]} x {mask.shape[0]}, the image {image.shape[1]} x {image.shape[0]}"
            raise DataError(Problem("mask.size", message))
        if window is not None and self.recipe.crop is not None:
            _, pasting, changing = streams(seed)
            image, mask = fitted(image, mask, window, self.recipe.crop.size, self.ignore)
            return self._changed(image, mask, other, pasting, changing)
        return self.version((WholeRaster(image), WholeMask(mask)), seed, other)

    def version(
        self,
        opened: Opened,
        seed: Sequence[int],
        other: Other | None = None,
        index: Callable[[Masks], ClassIndex] = ClassIndex.of,
    ) -> Pair:
        """The same of a sample that is open, of which no more than the window is read. `index` gives its mask's index."""
        placing, pasting, changing = streams(seed)
        if self.recipe.crop is None:
            image, mask = self._prepared(opened[0].read(), opened[1].read())
        else:
            image, mask = self._cut(opened, placing, self.recipe.crop, index)
        span_of(image)
        return self._changed(image, mask, other, pasting, changing)

    def _changed(
        self,
        image: Pixels,
        mask: Mask,
        other: Other | None,
        pasting: np.random.Generator,
        changing: np.random.Generator,
    ) -> Pair:
        """With regions of another sample pasted, and transformed."""
        paste = self.recipe.copy_paste
        if paste is not None and other is not None and pasting.random() < paste.p:
            image, mask = self._paste(image, mask, self._prepared(*other(pasting)), pasting, paste)
        return self._transforms()(image, mask, changing)

    def _transforms(self) -> Transforms:
        made: Transforms | None = getattr(self._local, "made", None)
        if made is None:
            made = self._local.made = Transforms(self._steps, self.ignore, self.recipe.span)
        return made

    def _prepared(self, image: Pixels, mask: Mask) -> Pair:
        return self.recipe.prepare(image), self.recipe.prepare_mask(mask)

    def _cut(
        self, opened: Opened, rng: np.random.Generator, crop: Crop, index_of: Callable[[Masks], ClassIndex]
    ) -> Pair:
        """A window scaled to the crop's size."""
        image, mask = opened
        wanted = self.recipe.window(mask.height, mask.width, rng)
        class_id = index = None
        if rng.random() < crop.class_aware:
            index = index_of(mask)
            classes = self.ignore if self._weights is None else len(self._weights)
            class_id = choose_class(index.totals(classes), rng, self._weights)
        window = choose_window(mask, wanted, rng, class_id, index=index)
        return fitted(image.read(window), mask.read(window), wanted, crop.size, self.ignore)

    def _paste(self, image: Pixels, mask: Mask, source: Pair, rng: np.random.Generator, paste: CopyPaste) -> Pair:
        return copy_paste(
            image,
            mask,
            source,
            rng,
            ignore=self.ignore,
            classes=self.pasted,
            weights=self._weights,
            regions=paste.regions,
            least=paste.least,
            shift=paste.shift,
        )


def fitted(image: Pixels, mask: Mask, wanted: tuple[int, int], size: tuple[int, int], ignore: int) -> Pair:
    """What there is of a window of the size `wanted`, scaled as that becomes `size`; the rest is 0, and ignore."""
    scale = [s / w for s, w in zip(size, wanted, strict=True)]
    h, w = (min(s, max(1, round(n * by))) for s, n, by in zip(size, mask.shape, scale, strict=True))
    return pad(resize_image(image, (h, w)), size, 0), pad(resize_mask(mask, (h, w)), size, ignore)


def pasted_classes(recipe: Settings, classes: Sequence[str]) -> tuple[int, ...]:
    """The ids of the classes that are pasted; () for all. Raises `OptionError` for a class that is not there."""
    paste = recipe.copy_paste
    return class_ids(paste.classes, classes, f"{recipe.origin}: copy_paste.classes") if paste else ()


def streams(seed: Sequence[int]) -> tuple[np.random.Generator, np.random.Generator, np.random.Generator]:
    """Three independent generators for one sample: for its window, for pasting, for transforms. Raises `OptionError`."""
    if min(seed, default=0) < 0:
        raise OptionError(f"seed {tuple(seed)}: must be whole numbers of 0 or more")
    first, second, third = np.random.SeedSequence(list(seed)).spawn(3)
    return np.random.default_rng(first), np.random.default_rng(second), np.random.default_rng(third)


@dataclass(frozen=True, slots=True)
class RareSamples:
    """Draws samples to paste from: a class by rarity, then one of the samples that hold it, each as likely.

    Class c is drawn with probability w_c / sum(w), `weights` (K,) float64 being `sqrt_inverse` of the samples' pixels
    (`segdata.dataset.counts`). `holders`: K times the places of the samples that hold the class.
    """

    samples: Sequence[Sample]
    weights: Floats
    pixels: Ints
    holders: tuple[Ints, ...]

    @classmethod
    def of(cls, dataset: Dataset) -> RareSamples:
        """Raises `DatasetError` without samples, or if the manifest's counts cannot be."""
        if not len(dataset):
            raise DatasetError(f"{dataset.root}: has no samples to draw from")
        try:
            counts = ClassCounts.of((s.counts for s in dataset), dataset.labels)
        except ValueError as error:
            raise DatasetError(f"{dataset.root}: the manifest counts {error}: `segdata check` finds out") from error
        holders: list[list[int]] = [[] for _ in dataset.labels.classes]
        for place, sample in enumerate(dataset):
            for value, n in sample.counts.items():
                if n and value != dataset.labels.ignore:
                    holders[value].append(place)
        arrays = tuple(np.array(places, np.int64) for places in holders)
        return cls(dataset.samples, counts.weights("sqrt_inverse"), counts.pixels, arrays)

    def draw(self, rng: np.random.Generator, classes: Sequence[int] = ()) -> Sample:
        """A sample for a class of `classes` (all, if empty); any sample, if none holds one of them."""
        pixels = self.pixels
        if classes:
            pixels = np.zeros_like(pixels)
            pixels[list(classes)] = self.pixels[list(classes)]
        class_id = choose_class(pixels, rng, self.weights)
        if class_id is None:
            return self.samples[int(rng.integers(len(self.samples)))]
        return self.samples[int(rng.choice(self.holders[class_id]))]


class Pipeline:
    """A recipe and a seed at work on the samples of a dataset, as a rule those of one split. Pickles; not for threads.

    A version of a sample has three numbers. `index` is the sample's place in the dataset. `epoch` counts from 0: for training
    the turns through the data, for write the versions. `crop` counts from 0 how often the sample came before in that epoch,
    which it does only if training takes several crops of it.
    """

    def __init__(self, dataset: Dataset, recipe: Settings, seed: int, source: Source | None = None) -> None:
        """`source` reads samples, by default from their files.

        Raises `OptionError` for the recipe, `MissingDependency`, and `DatasetError` as `RareSamples.of`.
        """
        self.seed = seed
        rare = RareSamples.of(dataset) if recipe.copy_paste or (recipe.crop and recipe.crop.class_aware) else None
        weights = None if rare is None else tuple(rare.weights.tolist())
        self.augmentation = Augmentation(recipe, dataset.labels.ignore, dataset.labels.names, weights)
        self.rare = rare if recipe.copy_paste else None  # what travels to workers: no more samples than needed
        self.source = source or files_of(dataset, recipe)
        self._indexes: dict[str, ClassIndex] = {}

    def version(self, sample: Sample, epoch: int, index: int, crop: int = 0) -> Pair:
        """One augmented version of a sample. Raises `DataError`, `OptionError`."""
        seed = (self.seed, epoch, index, crop) if crop else (self.seed, epoch, index)
        with located(sample=sample.id):
            opened = self.source(sample)
            return self.augmentation.version(opened, seed, self.other, lambda mask: self._index(sample, mask))

    def read(self, sample: Sample) -> Pair:
        """A sample's image and mask before augmentation. Raises `DataError`, `DatasetError`."""
        with located(sample=sample.id):
            image, mask = self.source(sample)
            return image.read(), mask.read()

    @property
    def other(self) -> Other | None:
        """Draws a sample to paste from, one that holds a rare class; None if the recipe pastes nothing."""
        return None if self.rare is None else self._drawn

    def _drawn(self, rng: np.random.Generator) -> Pair:
        if self.rare is None:
            raise TypeError("nothing to paste from")
        return self.read(self.rare.draw(rng, self.augmentation.pasted))

    def _index(self, sample: Sample, mask: Masks) -> ClassIndex:
        return self._indexes.get(sample.id) or self._indexes.setdefault(sample.id, ClassIndex.of(mask))


def files_of(dataset: Dataset, recipe: Settings) -> Openings:
    """Reads a dataset's files. Whole images are soon gone: of those that had to be decoded only the last is kept."""
    bare = replace(dataset, samples=())
    pixels = 2**26 if recipe.crop else 1
    return Openings(bare, pixels=pixels, values_of=recipe.values_of)
