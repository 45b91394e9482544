"""Surfaces: how near the outlines of every class in the prediction are to those in truth.

The definitions are those of DeepMind's surface-distance (https://github.com/google-deepmind/surface-distance, `metrics.py` and
`lookup_tables.py`; Nikolov et al., "Clinically Applicable Segmentation of Head and Neck Anatomy for Radiotherapy", 2021). The
surface of a class is made of elements at the corners of pixels: at each corner that only some of the four pixels around it have.
Outside the image is no class, so the image's edge is surface too. By which of the four are of the class, an element has a length:

    one pixel or three                   half the diagonal of a pixel
    two beside each other                a side of a pixel
    two that touch at the corner only    the diagonal of a pixel

d is the distance from an element to the nearest element of the other surface. Of one class in one image:

    surface Dice = length of the elements of both with d <= tolerance / length of all elements of both
    Hausdorff 95 = the larger, of both surfaces, of the d that 95 % of its length do not exceed
    ASSD         = sum of length * d over the elements of both / length of all elements of both

ASSD is the average symmetric surface distance. MONAI's surface Dice is the same with `use_subvoxels=True`; its two distances are
between pixels at edges, without lengths, and so others.

Ignored pixels. What truth ignores is ignored in the prediction too, and is no class. So beside ignored pixels a class has a
surface on both sides, at the same place: whatever is predicted in them changes nothing, and what is right in every labelled pixel
has 1, 0 and 0.

Sets of images. Surface Dice is one fraction over the set: lengths are summed first, as pixels are for IoU. Hausdorff 95 and ASSD
are means over images. An image where only truth, or only the prediction, has a class has no distance: its surface counts as
missed in surface Dice, it is left out of both distances, and is told. A class that no image has on both sides has no distance;
one in neither truth nor prediction has no score at all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, OptionError, Problem
from segdata.labels import Labels, Mask
from segdata.metrics.base import Case, ClassScore, Metric, Section
from segdata.metrics.confusion import Floats, Ints, ratio
from segdata.words import briefly, some

PIXELS, METRES = "px", "m"

TOLERANCE = "2"

ROUNDING = 1e-9
"""A part of metres that is no distance: 3 pixels of 0.1 m are 0.30000000000000004 m."""

PART = 0.95
"""The part of a surface that Hausdorff 95 speaks of."""

ONE_SIDE = "no image has it in both truth and prediction"

READING = (
    "Surface Dice is the part of the outlines of truth and prediction that lies within {} of the other. Hausdorff 95 and ASSD "
    "are means over the images that have the class in both. The others have no distance: surface Dice counts their outlines as "
    "missed."
)

FORM = re.compile(rf"(\d+(?:\.\d*)?|\.\d+)\s*({PIXELS}|{METRES})?")


def measure(case: Case, *, surface: bool = False, tolerance: str | None = None) -> Surface | None:
    """The surfaces of one image; None unless they are asked for.

    Raises `OptionError` for a tolerance that is none, `DataError` for metres where it is not known where the image lies.

    Args:
        surface: Measure surface Dice, Hausdorff 95 and the average symmetric surface distance (ASSD).
        tolerance: How far apart outlines may lie in surface Dice: pixels, such as 3, or metres on the ground, such as 0.5m, if
            the images say where they lie. The distances are then in the same unit. By default 2 pixels.
    """
    if not surface:
        if tolerance is not None:
            raise OptionError("--tolerance is for surface Dice: give --surface too")
        return None
    limit, unit = read_tolerance(TOLERANCE if tolerance is None else tolerance)
    total = Surface.empty(case.labels, limit, unit)
    if not case.truth.size:
        return total
    reach = limit if unit == PIXELS else limit * (1 + ROUNDING)
    return total + Surface.of(case.truth, case.pred, case.labels, reach, unit, _steps(case, unit))


def _steps(case: Case, unit: str) -> tuple[float, float]:
    """The (y, x) sides of a pixel in a unit. Raises `DataError` (`surface.metres`)."""
    sides = (1.0, 1.0) if unit == PIXELS else None if case.ground is None else case.ground()
    if sides is None or min(sides) <= 0:
        what = "does not say where it lies, so the size of its pixels in metres is not known: give pixels, such as --tolerance 2"
        raise DataError(Problem("surface.metres", what))
    return sides


def read_tolerance(text: str | float) -> tuple[float, str]:
    """The number of a tolerance, and its unit: px or m. Raises `OptionError`."""
    found = FORM.fullmatch(str(text).strip())
    if found is None or math.isinf(float(found[1])):
        raise OptionError(
            f"--tolerance {text}: must be a number of pixels, such as 2, or of metres on the ground, such as 0.5m"
        )
    return float(found[1]), found[2] or PIXELS


@dataclass(frozen=True, slots=True, eq=False)
class Elements:
    """The surfaces of all classes of one image: those of class k are from `starts[k]` to `starts[k + 1]`, by row and column.

    `rows`, `columns` (N,) int32: the corner; `codes` (N,) uint8: see `list_corners`.
    """

    __repr__ = briefly

    starts: Ints
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    codes: NDArray[np.uint8]

    @classmethod
    def of(cls, mask: Mask, labels: Labels) -> Elements:
        """Of (H, W) class ids and ignore."""
        from segdata.kernels.surface import count_corners, list_corners

        around = np.pad(mask, 1, constant_values=labels.ignore)
        counts = np.zeros(len(labels.classes), np.int64)
        count_corners(around, counts)
        starts = np.append(0, np.cumsum(counts))
        total = int(starts[-1])
        rows, columns = np.empty(total, np.int32), np.empty(total, np.int32)
        codes = np.empty(total, np.uint8)
        list_corners(around, starts[:-1].copy(), rows, columns, codes)
        return cls(starts, rows, columns, codes)

    def part(self, class_id: int) -> Elements:
        """Those of one class."""
        held = slice(*self.starts[class_id : class_id + 2].tolist())
        ends = np.array([0, held.stop - held.start])
        return Elements(ends, self.rows[held], self.columns[held], self.codes[held])

    def distances(self, other: Elements, steps: tuple[float, float]) -> Floats:
        """(N,) float64: how far each is from the nearest of another surface; `steps`: the (y, x) sides of a pixel."""
        from segdata.kernels.distance import distances_between

        out = np.empty(len(self.rows))
        step_y, step_x = map(float, steps)
        distances_between(self.rows, self.columns, other.rows, other.columns, step_y, step_x, out)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Surface(Metric):
    """`sums` (K, 7) float64, by class: the length that is near the other surface, and all length, of truth and prediction
    together; the images with the class in both, the sums of their Hausdorff 95 and of their ASSD; the images with it in truth
    alone, and in the prediction alone.

    `tolerance` and both distances are in `unit`: px, or m on the ground.
    """

    __repr__ = briefly
    intervals = True

    sums: Floats
    tolerance: float
    unit: str
    names: tuple[str, ...]

    @classmethod
    def empty(cls, labels: Labels, tolerance: float = 2.0, unit: str = PIXELS) -> Surface:
        """Of no pixel."""
        return cls(np.zeros((len(labels.classes), 7)), tolerance, unit, tuple(labels.names))

    @classmethod
    def of(
        cls,
        truth: Mask,
        pred: Mask,
        labels: Labels,
        tolerance: float = 2.0,
        unit: str = PIXELS,
        steps: tuple[float, float] = (1, 1),
    ) -> Surface:
        """Of (H, W) class ids and ignore. `steps`: the (y, x) sides of a pixel in `unit`.

        Raises `ValueError` for masks of different sizes or of another dtype than the labels'.
        """
        if truth.dtype != labels.dtype or pred.dtype != labels.dtype or truth.shape != pred.shape:
            raise ValueError(f"truth and prediction must be of one size and {np.dtype(labels.dtype)}")
        out = cls.empty(labels, tolerance, unit)
        known = np.where(truth == labels.ignore, truth, pred)
        sides = [Elements.of(mask, labels) for mask in (truth, known)]
        counts = np.array([np.diff(side.starts) for side in sides])
        for class_id in np.flatnonzero(counts.any(axis=0)).tolist():
            both = sides[0].part(class_id), sides[1].part(class_id)
            out.sums[class_id] = _sums(*both, tolerance, steps)
        return out

    def __add__(self, other: Surface) -> Surface:
        """The images of both."""
        return Surface(self.sums + other.sums, self.tolerance, self.unit, self.names)

    @property
    def dice(self) -> Floats:
        """(K,) float64 surface Dice; NaN for a class in neither truth nor prediction."""
        return ratio(self.sums[:, 0], self.sums[:, 1])

    @property
    def hausdorff(self) -> Floats:
        """(K,) float64 Hausdorff 95 in `unit`; NaN for a class that no image has on both sides."""
        return ratio(self.sums[:, 3], self.sums[:, 2])

    @property
    def assd(self) -> Floats:
        """(K,) float64 average symmetric surface distance in `unit`; NaN for a class that no image has on both sides."""
        return ratio(self.sums[:, 4], self.sums[:, 2])

    def by_class(self) -> Sequence[ClassScore]:
        """All three."""
        return [
            ClassScore("surface_dice", "surface Dice", self.dice),
            ClassScore("hausdorff_95", "Hausdorff 95", self.hausdorff, self.unit, ONE_SIDE),
            ClassScore("assd", "ASSD", self.assd, self.unit, ONE_SIDE),
        ]

    def to_json(self) -> dict[str, Any]:
        """`surface`: tolerance and unit, and of each class the images on both sides, and on one alone."""
        rows = [{"id": i, "name": name, **counts} for i, (name, counts) in enumerate(self._images())]
        return {"surface": {"tolerance": self.tolerance, "unit": self.unit, "classes": rows}}

    def _images(self) -> list[tuple[str, dict[str, int]]]:
        """The name of each class, and the images that have it on both sides, in truth alone, and in the prediction alone."""
        keys = ("images", "only_truth", "only_pred")
        rows = self.sums[:, [2, 5, 6]].astype(int).tolist()
        return [(name, dict(zip(keys, row, strict=True))) for name, row in zip(self.names, rows, strict=True)]

    def lines(self) -> Sequence[str]:
        """The tolerance, and the images that have no distance."""
        told = f"surfaces: tolerance {self.tolerance:g} {self.unit}; distances are means over images, smaller is better"
        alone = [(name, n["only_truth"] + n["only_pred"]) for name, n in self._images()]
        lacking = [f"{name} {count:,}" for name, count in sorted(alone, key=lambda one: -one[1]) if count]
        if not lacking:
            return [told]
        return [told, f"images with a class on one side alone, so left out of its distances: {some(lacking)}"]

    def sections(self) -> Sequence[Section]:
        """Of how many images the distances are."""
        table: list[list[str | int | float]] = [
            ["class", "images with both", "only in truth", "only in the prediction"]
        ]
        table += [[name, *counts.values()] for name, counts in self._images() if any(counts.values())]
        if len(table) == 1:
            return []
        return [Section("Surfaces", READING.format(f"{self.tolerance:g} {self.unit}"), table=table)]


def lengths(steps: tuple[float, float]) -> Floats:
    """(16,) float64: the length of an element by its code, for pixels with (y, x) sides of `steps`."""
    down, across = steps
    half = 0.5 * math.sqrt(down**2 + across**2)
    table = np.full(16, half)
    table[[0, 15]] = 0
    table[[3, 12]] = across
    table[[5, 10]] = down
    table[[6, 9]] = 2 * half
    return table


def _sums(truth: Elements, pred: Elements, tolerance: float, steps: tuple[float, float]) -> Floats:
    """(7,): what one class in one image adds to `Surface.sums`; one side has elements at least."""
    table = lengths(steps)
    sides = [_Side.of(one, other, steps, table) for one, other in ((truth, pred), (pred, truth))]
    near = sum(float(side.length[side.distance <= tolerance].sum()) for side in sides)
    whole = sum(side.whole for side in sides)
    alone = [float(not len(other.length)) for other in reversed(sides)]
    if any(alone):
        return np.array([near, whole, 0, 0, 0, *alone])
    hausdorff = max(side.at(PART) for side in sides)
    mean = sum(float((side.distance * side.length).sum()) for side in sides) / whole
    return np.array([near, whole, 1, hausdorff, mean, *alone])


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """The elements of one surface, the nearest to the other first: `distance` and `length` (N,) float64."""

    distance: Floats
    length: Floats

    @classmethod
    def of(cls, own: Elements, other: Elements, steps: tuple[float, float], table: Floats) -> _Side:
        """Of a surface and another."""
        distance, length = own.distances(other, steps), table[own.codes]
        order = np.lexsort((length, distance))
        return cls(distance[order], length[order])

    @property
    def whole(self) -> float:
        """The length of all."""
        return float(self.length.sum())

    def at(self, part: float) -> float:
        """The distance that this part of the length does not exceed; of one element at least."""
        reached = np.searchsorted(np.cumsum(self.length) / self.length.sum(), part)
        return float(self.distance[min(int(reached), len(self.distance) - 1)])
