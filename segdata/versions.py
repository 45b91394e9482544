"""Versions of a dataset's samples: what a recipe makes of them, epoch after epoch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from segdata.augmenting import Augmentation, Pair
from segdata.crops import class_ids
from segdata.dataset import Dataset, Sample
from segdata.rare import RareSamples
from segdata.recipes import Recipe


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
        """A sample's picture and mask. Raises `DataError`, `DatasetError`."""
        return self.dataset.read_image(sample), self.dataset.read_mask(sample)

    def version(self, pair: Pair, epoch: int, index: int) -> Pair:
        """One augmented version of a sample, as training sees it in that epoch. Raises `DataError`, `OptionError`."""
        return self.augmentation(*pair, (self.seed, epoch, index), self._other if self.rare else None)

    def _other(self, rng: np.random.Generator) -> Pair:
        """A sample to paste from: one that holds a rare class."""
        if self.rare is None:
            raise TypeError("nothing to paste from")
        return self.read(self.rare.draw(rng, self.pasted))
