"""How often each class occurs, as counts that add, and the published class weights that follow from them.

Ignored pixels never take part: shares, frequencies and weights are of the labelled pixels. A class without pixels has weight
0 in every scheme and is left out of K, medians and means, so no result here is infinite or NaN.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain, islice
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.weights import SCHEMES, Floats, Held, Ints, effective_number
from segdata.errors import OptionError, one_of
from segdata.labels import Labels, Mask, tally
from segdata.words import briefly

Normalise = Literal["mean", "sum", "none"]


BATCH = 2**14
"""How many images are summed at a time, so that memory does not grow with their number."""

Thing = TypeVar("Thing")


def batches(things: Iterable[Thing], size: int = BATCH) -> Iterator[list[Thing]]:
    """Lists of `size` things, the last one shorter."""
    rest = iter(things)
    while batch := list(islice(rest, size)):
        yield batch


@dataclass(frozen=True, slots=True)
class ImageCounts:
    """The counts of N images as columns, so that sums need no loop over images.

    Each of M entries is a class that an image holds: `image` (M,) ascending, `class_id` (M,) and `pixels` (M,), above 0.
    `labelled` and `ignored` (N,) are the pixels of each image. All are int64. `classes` is K.
    """

    __repr__ = briefly

    image: Ints
    class_id: Ints
    pixels: Ints
    labelled: Ints
    ignored: Ints
    classes: int

    @classmethod
    def of(cls, counts: Sequence[Mapping[int, int]], labels: Labels) -> ImageCounts:
        """Make a table from one {mask value: pixels} per image, as manifests have it.

        Raises `ValueError` for a value that is neither a class nor ignore, and for counts below 0 or beyond 64 bits.
        """
        n = len(counts)
        try:
            value = np.fromiter(chain.from_iterable(counts), np.int64)
            pixels = np.fromiter(chain.from_iterable(c.values() for c in counts), np.int64)
        except OverflowError as error:
            raise ValueError("more than 64 bits can hold") from error
        image = np.repeat(np.arange(n), np.fromiter(map(len, counts), np.int64, n))
        is_ignored = value == labels.ignore
        known = (value >= 0) & (value < len(labels.classes)) & (pixels >= 0)
        if not np.all(known | (is_ignored & (pixels >= 0))):
            at = np.flatnonzero(~known & ~is_ignored | (pixels < 0))[0]
            raise ValueError(f"{pixels[at]} pixels of value {value[at]}")
        held = ~is_ignored & (pixels > 0)
        ignored, labelled = np.zeros((2, n), np.int64)
        np.add.at(ignored, image[is_ignored], pixels[is_ignored])
        np.add.at(labelled, image[held], pixels[held])
        return cls(image[held], value[held], pixels[held], labelled, ignored, len(labels.classes))

    def where(self, chosen: NDArray[np.bool_]) -> ImageCounts:
        """The counts of the images that are `chosen` (N,)."""
        held, number = chosen[self.image], np.cumsum(chosen) - 1
        return ImageCounts(
            number[self.image[held]], self.class_id[held], self.pixels[held], self.labelled[chosen], self.ignored[chosen],
            self.classes,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ClassCounts:
    """The counts of K classes in some images. Counts of parts add up to those of the whole.

    `pixels`, `images` and `where`, all (K,) int64: pixels of the class, images that hold it, and the labelled pixels of
    those images. `ignored`: ignored pixels, `total`: all pixels, `samples`: all images, also those with ignored pixels only.
    """

    __repr__ = briefly

    pixels: Ints
    images: Ints
    where: Ints
    ignored: int
    total: int
    samples: int

    @classmethod
    def of(cls, counts: Iterable[Mapping[int, int]], labels: Labels) -> ClassCounts:
        """Sum any number of images, each given as {mask value: pixels}. Raises `ValueError` like `ImageCounts.of`."""
        total = cls.of_table(ImageCounts.of([], labels))
        for batch in batches(counts):
            total += cls.of_table(ImageCounts.of(batch, labels))
        return total

    @classmethod
    def of_table(cls, table: ImageCounts) -> ClassCounts:
        """Sum the images of a table."""
        pixels, images, where = np.zeros((3, table.classes), np.int64)
        np.add.at(pixels, table.class_id, table.pixels)
        np.add.at(images, table.class_id, 1)
        np.add.at(where, table.class_id, table.labelled[table.image])
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
        """Pixels that are not ignored."""
        return self.total - self.ignored

    @property
    def share(self) -> Floats:
        """(K,) float64 in 0..1: the class's part of the labelled pixels, 0 if there are none."""
        return self.pixels / max(self.labelled, 1)

    @property
    def image_share(self) -> Floats:
        """(K,) float64 in 0..1: the part of the images that hold the class, 0 if there are none."""
        return self.images / max(self.samples, 1)

    @property
    def digest(self) -> str:
        """SHA-256 of what weights are made from."""
        columns = [column.tolist() for column in (self.pixels, self.images, self.where)]
        return hashlib.sha256(repr((columns, self.ignored, self.samples)).encode()).hexdigest()

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
        there = Held(self.pixels[held], self.images[held], self.where[held], self.labelled, self.samples)
        weights = effective_number(there, n, beta) if scheme == "effective_number" else SCHEMES[scheme].weigh(there)
        if normalise != "none":
            weights = weights / (weights.mean() if normalise == "mean" else weights.sum())
        if clamp is not None:
            weights = np.clip(weights, *clamp)
        out[held] = weights
        return out


def object_areas(mask: Mask, labels: Labels) -> dict[int, Ints]:
    """(H, W) ids -> the areas in pixels of each class's objects, which are its connected components; ignored pixels do not count.

    Pixels that touch at a corner are connected (8-connectivity), so a diagonal line one pixel wide is one object.
    """
    import cv2

    areas = {}
    for class_id in tally(mask):
        if class_id != labels.ignore:
            found = (mask == class_id).view(np.uint8)
            x, y, width, height = cv2.boundingRect(found)
            parts = cv2.connectedComponentsWithStats(found[y : y + height, x : x + width], connectivity=8)[2]
            areas[class_id] = parts[1:, cv2.CC_STAT_AREA].astype(np.int64)
    return areas
