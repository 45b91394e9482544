"""Class weights and sampling from class counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from segdata.dataset.counts import ClassCounts, Floats, Ints, PictureCounts


def inverse(counts: ClassCounts) -> Floats:
    """Inverse frequency, "balanced"."""
    return counts.labelled / (len(counts.pixels) * counts.pixels)


def sqrt_inverse(counts: ClassCounts) -> Floats:
    """The square root of `inverse`."""
    return np.sqrt(inverse(counts))


def median_frequency(counts: ClassCounts) -> Floats:
    """By the frequency of a class in the pictures where it occurs."""
    frequency = counts.pixels / counts.where
    return np.asarray(np.median(frequency) / frequency)


def enet(counts: ClassCounts) -> Floats:
    """Between 1.4 and 50.5."""
    return np.asarray(1 / np.log(1.02 + counts.share))


def effective_number(counts: ClassCounts, occurrences: Ints | None = None, beta: float | None = None) -> Floats:
    """By the `occurrences` (K,) of the class: unless given, the pictures that hold it; `beta` as `default_beta`.

    With pixels as occurrences, beta^n is next to 0 for every class, and the weights are all alike.
    """
    n = counts.images if occurrences is None else occurrences
    beta = default_beta(counts) if beta is None else beta
    with np.errstate(divide="ignore"):  # ln 0 is -inf, and beta^n then 0, as it should be
        return np.asarray((1 - beta) / -np.expm1(n * np.log(beta)))


def default_beta(counts: ClassCounts) -> float:
    """(N - 1) / N of N pictures, the effective number's proposition 1; 0 without pictures."""
    return 1 - 1 / max(counts.pictures, 1)


def uniform(counts: ClassCounts) -> Floats:
    """1 for every class."""
    return np.ones(len(counts.pixels))


@dataclass(frozen=True, slots=True)
class Scheme:
    """A published way to weigh classes: `weigh` is asked only for classes that have pixels, and K is their number."""

    weigh: Callable[[ClassCounts], Floats]
    formula: str
    source: str


SCHEMES: dict[str, Scheme] = {
    "inverse": Scheme(inverse, "labelled / (K * pixels)", "King & Zeng 2001, Logistic Regression in Rare Events Data"),
    "sqrt_inverse": Scheme(
        sqrt_inverse,
        "sqrt(labelled / (K * pixels))",
        "Mahajan et al. 2018, Exploring the Limits of Weakly Supervised Pretraining",
    ),
    "median_frequency": Scheme(
        median_frequency,
        "median(f) / f, f = pixels / labelled pixels of the pictures that hold the class",
        "Eigen & Fergus 2015, Predicting Depth, Surface Normals and Semantic Labels with a Common Multi-Scale "
        "Convolutional Architecture",
    ),
    "enet": Scheme(
        enet,
        "1 / ln(1.02 + pixels / labelled)",
        "Paszke et al. 2016, ENet: A Deep Neural Network Architecture for Real-Time Semantic Segmentation",
    ),
    "effective_number": Scheme(
        effective_number,
        "(1 - beta) / (1 - beta^n), n = pictures that hold the class (or --count), beta = 1 - 1 / pictures (or --beta)",
        "Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples",
    ),
    "uniform": Scheme(uniform, "1", "no weights"),
}
"""The weights by name, with formula and source. `labelled`: all pixels but void."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How often classes are seen when pictures are drawn at random.

    `seen` (K,) float64: the part of the draws whose picture holds the class. `share` (K,) float64: its part of the labelled
    pixels drawn. `most`: how often the picture drawn most often comes in as many draws as there are pictures.
    """

    seen: Floats
    share: Floats
    most: float


def sampling(tables: Iterable[PictureCounts], images: Ints) -> dict[str, Sampling]:
    """What is seen under `uniform` sampling, where each picture is as likely, and under `class_aware` sampling.

    The pictures may come in several tables; `images` (K,) are all that hold each class. Class-aware: first a class is drawn,
    each as likely, then one of the pictures that hold it (Shen et al. 2016, Relay Backpropagation). Classes without pixels,
    and pictures of void alone, are then never drawn.
    """
    uniform = aware = Drawn(np.zeros(len(images)), np.zeros(len(images)), 0.0, 0.0, 0)
    for table in tables:
        uniform += Drawn.of(table, np.ones(len(table.labelled)))
        aware += Drawn.of(table, class_aware(table, images))
    return {"uniform": uniform.sampling, "class_aware": aware.sampling}


def class_aware(table: PictureCounts, images: Ints | None = None) -> Floats:
    """(N,) float64: in proportion to how likely each picture is under class-aware sampling, see `sampling`.

    `images` (K,) are the pictures that hold each class, where there are more than those of the table.
    """
    images = np.bincount(table.class_id, minlength=table.classes) if images is None else images
    chance = np.zeros(len(table.labelled))
    np.add.at(chance, table.picture, 1 / images[table.class_id])
    return chance


@dataclass(frozen=True, slots=True)
class Drawn:
    """Sums over pictures that are drawn with probabilities in proportion to a chance; they add.

    `seen` (K,) float64: the chances of those that hold the class, `pixels` (K,) float64: chances times its pixels, `whole`:
    all chances, `most`: the largest.
    """

    seen: Floats
    pixels: Floats
    whole: float
    most: float
    pictures: int

    @classmethod
    def of(cls, table: PictureCounts, chance: Floats) -> Drawn:
        """Of a table's pictures, under `chance` (N,)."""
        each = chance[table.picture]
        seen, pixels = np.zeros((2, table.classes))
        np.add.at(seen, table.class_id, each)
        np.add.at(pixels, table.class_id, each * table.pixels)
        return cls(seen, pixels, float(chance.sum()), float(chance.max(initial=0)), len(chance))

    def __add__(self, other: Drawn) -> Drawn:
        """Of both."""
        whole, most = self.whole + other.whole, max(self.most, other.most)
        return Drawn(self.seen + other.seen, self.pixels + other.pixels, whole, most, self.pictures + other.pictures)

    @property
    def sampling(self) -> Sampling:
        """What is seen then."""
        whole = self.whole or 1
        seen = np.minimum(self.seen / whole, 1)  # sums of fractions may end above
        return Sampling(seen, self.pixels / (self.pixels.sum() or 1), self.most * self.pictures / whole)


def together(tables: Iterable[PictureCounts]) -> Ints:
    """(P, 3) int64: two class ids, the lower first, and the pictures that hold both; pairs that occur, most pictures first.

    The pictures may come in several tables.
    """
    key, pictures, classes = np.empty(0, np.int64), np.empty(0, np.int64), 1
    for table in tables:
        more, counts = np.unique(_pairs(table), return_counts=True)
        key, place = np.unique(np.concatenate([key, more]), return_inverse=True)
        pictures = np.bincount(place, np.concatenate([pictures, counts]), len(key)).astype(np.int64)
        classes = table.classes
    order = np.argsort(-pictures, kind="stable")
    return np.stack([key // classes, key % classes, pictures], axis=1)[order]


def _pairs(table: PictureCounts) -> Ints:
    """K times the lower class id plus the higher, of each two classes of each picture."""
    keys = [np.empty(0, np.int64)]
    first, step = np.arange(len(table.picture)), 1
    while first.size:  # entries of a picture are neighbours: pair each with the one `step` places on, while it has any
        first = first[first + step < len(table.picture)]
        first = first[table.picture[first] == table.picture[first + step]]
        a, b = table.class_id[first], table.class_id[first + step]
        keys.append(np.minimum(a, b) * table.classes + np.maximum(a, b))
        step += 1
    return np.concatenate(keys)
