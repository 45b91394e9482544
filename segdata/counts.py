"""How often each class occurs, as numbers that add, and the published class weights that follow from them.

Void never takes part: shares, frequencies and weights are of the labelled pixels. A class without a pixel has weight 0 in
every scheme and is left out of K, medians and means, so nothing here is ever infinite or NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain, islice
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from segdata.errors import OptionError, one_of
from segdata.labels import Labels, Mask

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Normalise = Literal["mean", "sum", "none"]


BATCH = 2**14
"""Pictures that are summed together, so that memory does not grow with their number."""

Thing = TypeVar("Thing")


def batches(things: Iterable[Thing], size: int = BATCH) -> Iterator[list[Thing]]:
    """Lists of `size` things, the last one shorter."""
    rest = iter(things)
    while batch := list(islice(rest, size)):
        yield batch


def tally(mask: Mask) -> dict[int, int]:
    """(H, W) values -> how often each one occurs that does, in order, as manifests have it."""
    from segdata.kernels.count import count_values

    found = count_values(np.ascontiguousarray(mask).ravel(), 2 ** (8 * mask.itemsize))
    values = np.flatnonzero(found)
    return dict(zip(values.tolist(), found[values].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class PictureCounts:
    """The counts of N pictures as columns, so that sums need no loop over them.

    Each of M entries is a class that a picture holds: `picture` (M,) ascending, `class_id` (M,) and `pixels` (M,), above 0.
    `labelled` and `ignored` (N,) are the pictures' own pixels; all int64. `classes` is K.
    """

    picture: Ints
    class_id: Ints
    pixels: Ints
    labelled: Ints
    ignored: Ints
    classes: int

    @classmethod
    def of(cls, counts: Sequence[Mapping[int, int]], labels: Labels) -> PictureCounts:
        """From one {mask value: pixels} a picture, as manifests have it.

        Raises `ValueError` for a value that is neither a class nor ignore, and for counts below 0 or beyond 64 bits.
        """
        n = len(counts)
        try:
            value = np.fromiter(chain.from_iterable(counts), np.int64)
            pixels = np.fromiter(chain.from_iterable(c.values() for c in counts), np.int64)
        except OverflowError as error:
            raise ValueError("more than 64 bits can hold") from error
        picture = np.repeat(np.arange(n), np.fromiter(map(len, counts), np.int64, n))
        void = value == labels.ignore
        known = (value >= 0) & (value < len(labels.classes)) & (pixels >= 0)
        if not np.all(known | (void & (pixels >= 0))):
            at = np.flatnonzero(~known & ~void | (pixels < 0))[0]
            raise ValueError(f"{pixels[at]} pixels of value {value[at]}")
        held = ~void & (pixels > 0)
        ignored, labelled = np.zeros((2, n), np.int64)
        np.add.at(ignored, picture[void], pixels[void])
        np.add.at(labelled, picture[held], pixels[held])
        return cls(picture[held], value[held], pixels[held], labelled, ignored, len(labels.classes))

    def where(self, chosen: NDArray[np.bool_]) -> PictureCounts:
        """Those of the pictures that are `chosen` (N,)."""
        held, number = chosen[self.picture], np.cumsum(chosen) - 1
        return PictureCounts(
            number[self.picture[held]], self.class_id[held], self.pixels[held], self.labelled[chosen], self.ignored[chosen],
            self.classes,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ClassCounts:
    """What K classes have in some pictures. Counts of parts add up to those of the whole.

    `pixels`, `images` and `where`, all (K,) int64: pixels of the class, pictures that hold it, and the labelled pixels of
    those pictures. `ignored`: void pixels, `total`: all pixels, `pictures`: all pictures, of void alone too.
    """

    pixels: Ints
    images: Ints
    where: Ints
    ignored: int
    total: int
    pictures: int

    @classmethod
    def of(cls, counts: Iterable[Mapping[int, int]], labels: Labels) -> ClassCounts:
        """Sum pictures, given as {mask value: pixels} each, however many. Raises `ValueError` as `PictureCounts.of`."""
        total = cls.of_table(PictureCounts.of([], labels))
        for batch in batches(counts):
            total += cls.of_table(PictureCounts.of(batch, labels))
        return total

    @classmethod
    def of_table(cls, table: PictureCounts) -> ClassCounts:
        """Sum a table's pictures."""
        pixels, images, where = np.zeros((3, table.classes), np.int64)
        np.add.at(pixels, table.class_id, table.pixels)
        np.add.at(images, table.class_id, 1)
        np.add.at(where, table.class_id, table.labelled[table.picture])
        ignored = int(table.ignored.sum())
        return cls(pixels, images, where, ignored, int(table.labelled.sum()) + ignored, len(table.labelled))

    def __add__(self, other: ClassCounts) -> ClassCounts:
        """The counts of both, under the same label contract."""
        return ClassCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __eq__(self, other: object) -> bool:
        """Whether all counts are equal."""
        if not isinstance(other, ClassCounts):
            return NotImplemented
        return all(np.array_equal(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    @property
    def labelled(self) -> int:
        """Pixels that are not void."""
        return self.total - self.ignored

    @property
    def share(self) -> Floats:
        """(K,) float64 in 0..1: the class's part of the labelled pixels, 0 where there are none."""
        return self.pixels / max(self.labelled, 1)

    @property
    def image_share(self) -> Floats:
        """(K,) float64 in 0..1: the part of the pictures that hold the class, 0 where there are none."""
        return self.images / max(self.pictures, 1)

    @property
    def absent(self) -> list[int]:
        """The ids of classes without a pixel."""
        return [int(i) for i in np.flatnonzero(self.pixels == 0)]

    def weights(
        self,
        scheme: str,
        *,
        occurrences: Ints | None = None,
        beta: float | None = None,
        clamp: tuple[float, float] | None = None,
        normalise: Normalise = "none",
    ) -> Floats:
        """(K,) float64 class weights by a scheme of `SCHEMES`; 0 for a class without pixels.

        `occurrences` (K,) and `beta` are for `effective_number` alone. With `normalise` the mean or the sum over the classes
        that have pixels becomes 1, before `clamp` (least, most) bounds the weights, which may change it. Raises `OptionError`.
        """
        if scheme not in SCHEMES:
            raise OptionError(f"no weights {scheme!r}: there are {', '.join(SCHEMES)}")
        one_of("normalise", normalise, Normalise)
        if clamp is not None and not 0 <= clamp[0] <= clamp[1] < np.inf:
            raise OptionError(f"--clamp {clamp[0]:g} {clamp[1]:g}: must be two numbers, the least first, none below 0")
        if beta is not None and not 0 <= beta < 1:
            raise OptionError(f"--beta {beta:g}: must be 0 or more and below 1")
        out = np.zeros(len(self.pixels))
        held = self.pixels > 0
        if not held.any():
            return out
        n = (self.images if occurrences is None else occurrences)[held]
        there = replace(self, pixels=self.pixels[held], images=self.images[held], where=self.where[held])
        weights = effective_number(there, n, beta) if scheme == "effective_number" else SCHEMES[scheme].weigh(there)
        if normalise != "none":
            weights = weights / (weights.mean() if normalise == "mean" else weights.sum())
        if clamp is not None:
            weights = np.clip(weights, *clamp)
        out[held] = weights
        return out


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


def object_areas(mask: Mask, labels: Labels) -> dict[int, Ints]:
    """(H, W) ids -> the areas in pixels of each class's objects: its connected components, void aside.

    Pixels that touch at a corner are connected (8-connectivity), so that a diagonal line one pixel wide is one object.
    """
    import cv2

    areas = {}
    for class_id in np.unique(mask):
        if class_id != labels.ignore:
            found = (mask == class_id).view(np.uint8)
            x, y, width, height = cv2.boundingRect(found)
            parts = cv2.connectedComponentsWithStats(found[y : y + height, x : x + width], connectivity=8)[2]
            areas[int(class_id)] = parts[1:, cv2.CC_STAT_AREA].astype(np.int64)
    return areas
