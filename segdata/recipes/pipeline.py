"""A recipe's pipeline of training, as one function of an image, its mask and a seed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from segdata.dataset.counts import ClassCounts
from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.dataset.weights import Floats, Ints
from segdata.errors import DataError, DatasetError, OptionError, Problem
from segdata.labels import Mask, value_counts
from segdata.recipes.crops import choose_class, choose_window, class_ids, copy_paste
from segdata.recipes.pixels import span_of
from segdata.recipes.recipe import Recipe
from segdata.recipes.transforms import Transforms, parse_step
from segdata.resize import Pixels, resize_image, resize_mask
from segdata.windows import Window

if TYPE_CHECKING:
    from segdata.recipes.recipe import CopyPaste, Crop

Pair = tuple[Pixels, Mask]

Other = Callable[[np.random.Generator], Pair]
"""Gives another sample to paste from: it draws one from the generator and reads its image and mask."""


class Augmentation:
    """`augmentation(image, mask, (seed, epoch, index))`; made by `Recipe.augment`. Pickles, and may be called from threads.

    What comes out depends on the arguments alone, never on which worker ran before, or in which order.
    """

    def __init__(
        self, recipe: Recipe, ignore: int, classes: tuple[str, ...] = (), weights: tuple[float, ...] | None = None
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
        pasting = recipe.copy_paste
        self._pasted = class_ids(pasting.classes, classes, f"{recipe.origin}: copy_paste.classes") if pasting else ()
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
        """(H, W, C) and (H, W) ids -> the same kinds, of the crop's size where the recipe has one; the input is left alone.

        `seed` is (seed, epoch, index), each 0 or more: the same seed gives the same result. `other` gives a sample to paste
        from, and is asked only where the draw says so. `window` says that the image is already what there was of a window
        of this size, from `Recipe.window`, so that it is not cut again. Raises `OptionError`, `DataError`.
        """
        span_of(image)
        if mask.shape != image.shape[:2]:
            message = f"the mask is {mask.shape[1]} x {mask.shape[0]}, the image {image.shape[1]} x {image.shape[0]}"
            raise DataError(Problem("mask.size", message))
        placing, pasting, changing = streams(seed)
        if self.recipe.crop is not None:
            image, mask = self._crop(image, mask, placing, self.recipe.crop, window)
        else:
            image, mask = self.recipe.prepare(image), self.recipe.prepare_mask(mask)
        paste = self.recipe.copy_paste
        if paste is not None and other is not None and pasting.random() < paste.p:
            image, mask = self._paste(image, mask, other, pasting, paste)
        return self._transforms()(image, mask, changing)

    def _transforms(self) -> Transforms:
        made: Transforms | None = getattr(self._local, "made", None)
        if made is None:
            made = self._local.made = Transforms(self._steps, self.ignore, self.recipe.span)
        return made

    def _crop(
        self, image: Pixels, mask: Mask, rng: np.random.Generator, crop: Crop, given: tuple[int, int] | None
    ) -> Pair:
        """Cut a window and scale it to the crop's size; what the image lacks of it is 0, and ignore, at bottom and right."""
        wanted = given
        if wanted is None:
            wanted = self.recipe.window(mask.shape[0], mask.shape[1], rng)
            class_id = None
            if rng.random() < crop.class_aware:
                classes = self.ignore if self._weights is None else len(self._weights)
                class_id = choose_class(value_counts(mask)[:classes], rng, self._weights)
            slices = choose_window(mask, wanted, rng, class_id).slices
            image, mask = image[slices], mask[slices]
        scale = [c / w for c, w in zip(crop.size, wanted, strict=True)]
        h, w = (min(c, max(1, round(n * s))) for c, n, s in zip(crop.size, mask.shape, scale, strict=True))
        image, mask = resize_image(image, (h, w)), resize_mask(mask, (h, w))
        if (h, w) == crop.size:
            return image, mask
        whole = np.zeros((*crop.size, image.shape[2]), image.dtype)
        void = np.full(crop.size, self.ignore, mask.dtype)
        inside = Window(0, 0, h, w).slices
        whole[inside], void[inside] = image, mask
        return whole, void

    def _paste(self, image: Pixels, mask: Mask, other: Other, rng: np.random.Generator, paste: CopyPaste) -> Pair:
        source, ids = other(rng)
        return copy_paste(
            image,
            mask,
            (self.recipe.prepare(source), self.recipe.prepare_mask(ids)),
            rng,
            ignore=self.ignore,
            classes=self._pasted,
            weights=self._weights,
            regions=paste.regions,
            least=paste.least,
            shift=paste.shift,
        )


def streams(seed: Sequence[int]) -> tuple[np.random.Generator, np.random.Generator, np.random.Generator]:
    """Three independent generators for one sample: for its window, for pasting, for transforms. Raises `OptionError`."""
    if min(seed, default=0) < 0:
        raise OptionError(f"seed {tuple(seed)}: must be whole numbers of 0 or more")
    first, second, third = np.random.SeedSequence(list(seed)).spawn(3)
    return np.random.default_rng(first), np.random.default_rng(second), np.random.default_rng(third)


@dataclass(frozen=True, slots=True)
class RareSamples:
    """Draws samples: a class by rarity, then one of the samples that hold it, each as likely.

    Class c is drawn with probability w_c / sum(w), `weights` (K,) float64 being `sqrt_inverse` of the samples' pixels
    (`segdata.dataset.counts`). `holders`: K times the places of the samples that hold the class.
    """

    samples: Sequence[Sample]
    weights: Floats
    pixels: Ints
    holders: tuple[Ints, ...]

    @classmethod
    def of(cls, dataset: Dataset) -> RareSamples:
        """Raises `DatasetError` where there is no sample, or where the manifest's counts cannot be."""
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
        """A sample for a class of `classes` (all, where empty); any sample, where none holds one of them."""
        pixels = self.pixels
        if classes:
            pixels = np.zeros_like(pixels)
            pixels[list(classes)] = self.pixels[list(classes)]
        class_id = choose_class(pixels, rng, self.weights)
        if class_id is None:
            return self.samples[int(rng.integers(len(self.samples)))]
        return self.samples[int(rng.choice(self.holders[class_id]))]


@dataclass(frozen=True, slots=True)
class Augmenter:
    """All that samples need to be augmented, apart from themselves. `dataset` has no samples; `rare` are those to paste from."""

    dataset: Dataset
    augmentation: Augmentation
    seed: int
    rare: RareSamples | None = None
    pasted: tuple[int, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset, recipe: Recipe, seed: int) -> Augmenter:
        """Raises `OptionError` for the recipe, `MissingDependency`, and `DatasetError` as `RareSamples.of`."""
        names = dataset.labels.names
        pasting = recipe.copy_paste
        rare = RareSamples.of(dataset) if pasting or (recipe.crop and recipe.crop.class_aware) else None
        weights = None if rare is None else rare.weights
        augmentation = recipe.augment(dataset.labels.ignore, classes=names, weights=weights)
        pasted = class_ids(pasting.classes, names, f"{recipe.origin}: copy_paste.classes") if pasting else ()
        return cls(replace(dataset, samples=()), augmentation, seed, rare if pasting else None, pasted)

    def read(self, sample: Sample) -> Pair:
        """A sample's image and mask. Raises `DataError`, `DatasetError`."""
        return self.dataset.read_image(sample), self.dataset.read_mask(sample)

    def version(self, pair: Pair, epoch: int, index: int) -> Pair:
        """One augmented version of a sample, as training sees it in that epoch. Raises `DataError`, `OptionError`."""
        return self.augmentation(*pair, (self.seed, epoch, index), self._other if self.rare else None)

    def _other(self, rng: np.random.Generator) -> Pair:
        """A sample to paste from: one that holds a rare class."""
        if self.rare is None:
            raise TypeError("nothing to paste from")
        return self.read(self.rare.draw(rng, self.pasted))
