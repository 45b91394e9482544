"""How often classes are seen when images are drawn at random, and which classes occur together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from segdata.dataset.counts import ImageCounts
from segdata.dataset.weights import Floats, Ints
from segdata.words import briefly


@dataclass(frozen=True, slots=True)
class Sampling:
    """How often classes are seen when images are drawn at random.

    `seen` (K,) float64: the part of the draws whose image holds the class. `share` (K,) float64: its part of the labelled
    pixels drawn. `most`: how often the most frequent image is drawn, in as many draws as there are images.
    """

    __repr__ = briefly

    seen: Floats
    share: Floats
    most: float


def sampling(tables: Iterable[ImageCounts], images: Ints) -> dict[str, Sampling]:
    """How often classes are seen under `uniform` and under `class_aware` sampling.

    The images may come in several tables; `images` (K,) is how many images of all tables hold each class. Uniform: all images
    are equally likely. Class-aware: first a class is drawn, all equally likely, then one of the images that hold it (Shen et
    al. 2016, Relay Backpropagation). Classes without pixels, and images with ignored pixels only, are then never drawn.
    """
    uniform = aware = Drawn(np.zeros(len(images)), np.zeros(len(images)), 0.0, 0.0, 0)
    for table in tables:
        uniform += Drawn.of(table, np.ones(len(table.labelled)))
        aware += Drawn.of(table, class_aware(table, images))
    return {"uniform": uniform.sampling, "class_aware": aware.sampling}


def class_aware(table: ImageCounts, images: Ints | None = None) -> Floats:
    """(N,) float64: values proportional to the probability of each image under class-aware sampling, see `sampling`.

    `images` (K,) is how many images hold each class; by default those of the table are counted.
    """
    images = np.bincount(table.class_id, minlength=table.classes) if images is None else images
    chance = np.zeros(len(table.labelled))
    np.add.at(chance, table.image, 1 / images[table.class_id])
    return chance


@dataclass(frozen=True, slots=True)
class Drawn:
    """Sums over images that are drawn with probabilities proportional to a `chance`; they add.

    `seen` (K,) float64: the chances of images that hold the class. `pixels` (K,) float64: chances times pixels of the class.
    `whole`: all chances. `most`: the largest chance. `images`: how many there are.
    """

    __repr__ = briefly

    seen: Floats
    pixels: Floats
    whole: float
    most: float
    images: int

    @classmethod
    def of(cls, table: ImageCounts, chance: Floats) -> Drawn:
        """The sums over a table's images, under `chance` (N,)."""
        each = chance[table.image]
        seen, pixels = np.zeros((2, table.classes))
        np.add.at(seen, table.class_id, each)
        np.add.at(pixels, table.class_id, each * table.pixels)
        return cls(seen, pixels, float(chance.sum()), float(chance.max(initial=0)), len(chance))

    def __add__(self, other: Drawn) -> Drawn:
        """The sums over the images of both."""
        whole, most = self.whole + other.whole, max(self.most, other.most)
        return Drawn(self.seen + other.seen, self.pixels + other.pixels, whole, most, self.images + other.images)

    @property
    def sampling(self) -> Sampling:
        """How often classes are seen in these draws."""
        whole = self.whole or 1
        seen = np.minimum(self.seen / whole, 1)  # rounded sums may exceed 1
        return Sampling(seen, self.pixels / (self.pixels.sum() or 1), self.most * self.images / whole)


def together(tables: Iterable[ImageCounts]) -> Ints:
    """(P, 3) int64: two class ids, the lower first, and how many images hold both; only pairs that occur, most images first.

    The images may come in several tables.
    """
    key, images, classes = np.empty(0, np.int64), np.empty(0, np.int64), 1
    for table in tables:
        more, counts = np.unique(_pairs(table), return_counts=True)
        key, place = np.unique(np.concatenate([key, more]), return_inverse=True)
        images = np.bincount(place, np.concatenate([images, counts]), len(key)).astype(np.int64)
        classes = table.classes
    order = np.argsort(-images, kind="stable")
    return np.stack([key // classes, key % classes, images], axis=1)[order]


def _pairs(table: ImageCounts) -> Ints:
    """K times the lower class id plus the higher one, for every pair of classes of every image."""
    keys = [np.empty(0, np.int64)]
    first, step = np.arange(len(table.image)), 1
    while first.size:  # an image's entries are neighbours: pair each with the one `step` places on
        first = first[first + step < len(table.image)]
        first = first[table.image[first] == table.image[first + step]]
        a, b = table.class_id[first], table.class_id[first + step]
        keys.append(np.minimum(a, b) * table.classes + np.maximum(a, b))
        step += 1
    return np.concatenate(keys)
