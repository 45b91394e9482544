"""Samples drawn by how rare the classes are that they hold, from the manifest alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segdata.counts import ClassCounts, Floats, Ints
from segdata.crops import choose_class
from segdata.dataset import Dataset, Sample
from segdata.errors import DatasetError


@dataclass(frozen=True, slots=True)
class RareSamples:
    """Draws samples: a class by rarity, then one of the samples that hold it, each as likely.

    Class c is drawn with probability w_c / sum(w), `weights` (K,) float64 being `sqrt_inverse` of the samples' pixels
    (`segdata.counts`). `holders`: K times the places of the samples that hold the class.
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
