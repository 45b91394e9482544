"""What shapes cover of a mask: connected regions, or whole classes; and how masks become shapes of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.sample import Sample
from segdata.files.vectors.tracing import runs_of
from segdata.kernels.runs import number_runs, run_boxes, sort_runs
from segdata.labels import value_counts
from segdata.writers.exporting import Files

Objects = Literal["regions", "classes"]
"""What a shape covers: one connected region, or all pixels of a class."""

Shapes = Literal["mask", "polygon"]
"""What an object becomes: a mask in its box, or a polygon."""


@dataclass(frozen=True, slots=True)
class How:
    """How masks become shapes: the label of each value that has shapes, as its file writes it, and the values that have none.

    `lost`: the value whose pixels cannot be told from background, None if there is none.
    """

    labels: Mapping[int, str]
    skip: Collection[int]
    lost: int | None
    shapes: Shapes
    objects: Objects


class Numbered(NamedTuple):
    """The runs of a mask: where each begins, and the mask's size (N + 1,), and its object (N,), -1 for none.

    `values` and `areas` (R,): the value of each object, and its pixels.
    """

    begins: NDArray[np.int64]
    numbers: NDArray[np.int64]
    values: NDArray[np.int64]
    areas: NDArray[np.int64]

    def by_object(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The runs in order of objects (M,), and where those of each end (R,)."""
        return sort_runs(self.numbers, len(self.values))

    def boxes(self, width: int) -> NDArray[np.int64]:
        """The box of each in a mask of this width: top, bottom, left and right (R, 4), whose ends are not included."""
        return run_boxes(self.begins, self.numbers, len(self.values), width)


def number_objects(mask: NDArray[np.unsignedinteger[Any]], objects: Objects, skip: Collection[int]) -> Numbered:
    """Number the objects of a mask, (H, W) of 1 pixel or more, but for values to `skip`: regions in order of their first pixels,
    row by row, or classes in order of their values. Pixels that touch at a corner alone are not connected."""
    begins, values = runs_of(mask)
    if objects == "regions":
        numbers, areas, found = number_runs(begins, values, mask.shape[1], np.array(sorted(skip), np.int64))
        return Numbered(begins, numbers, found, areas)
    present = np.flatnonzero(value_counts(values))
    found = present[~np.isin(present, list(skip))]
    places = np.full(2 ** (8 * values.itemsize), -1, np.int64)
    places[found] = np.arange(len(found))
    numbers = places[values]
    has = numbers >= 0
    areas = np.bincount(numbers[has], np.diff(begins)[has], len(found)).astype(np.int64)
    return Numbered(begins, numbers, found, areas)


def lose_pixels(files: Files, sample: Sample, mask: NDArray[np.unsignedinteger[Any]], value: int | None) -> None:
    """Note that ignored pixels of a sample, those of this value (None: of no value), are lost: how many, and their regions."""
    if value is not None and (pixels := sample.counts.get(value)):
        regions = number_objects(mask, "regions", ()).values == value
        files.lose("ignored", pixels, int(np.count_nonzero(regions)))


def parts_of(text: NDArray[np.uint8], ends: NDArray[np.int64]) -> Iterator[str]:
    """ASCII (T,) in parts, which end at `ends` (N,)."""
    whole, start = text.tobytes().decode("ascii"), 0
    for end in ends.tolist():
        yield whole[start:end]
        start = end
