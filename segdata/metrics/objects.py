"""Objects: connected components of a class in truth, and whether the prediction has each as one object too.

Panoptic quality (Kirillov, He, Girshick, Rother and Dollar, "Panoptic Segmentation", 2019, section 4), by the algorithm of its
makers (https://github.com/cocodataset/panopticapi, panopticapi/evaluation.py), with components as segments. Two objects of one
class match if their IoU is above 0.5, so that none can have two matches. TP are matched pairs, FN true objects without a match,
FP predicted ones without a match:

    precision = TP / (TP + FP)
    recall    = TP / (TP + FN)
    F1        = TP / (TP + FP / 2 + FN / 2)                    recognition quality
    SQ        = sum of the IoU of matched pairs / TP           segmentation quality, 0 if nothing matches
    PQ        = SQ * F1                                        panoptic quality (equation 1)

What truth ignores: a predicted object's pixels there are in no union, and one without a match of which more than half lies there
is no FP. Objects are formed in the whole prediction, which knows nothing of what truth ignores; pixels that it ignores itself
are of no object.

Counts are summed over the set first, as in panopticapi. A class without TP, FP and FN has no score and is in no mean; precision
needs a predicted object, recall a true one. Sizes are areas in pixels: those of the true object for TP and FN, of the predicted
one for FP, as in COCO (https://cocodataset.org/#detection-eval: small, medium and large are parted at 32 * 32 and 96 * 96).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segdata.errors import OptionError
from segdata.labels import Labels, Mask
from segdata.metrics.base import Case, ClassScore, Metric, Section
from segdata.metrics.confusion import mean, plain
from segdata.metrics.matches import Matches, match
from segdata.words import briefly, share

CORNERS, EDGES = 8, 4
"""With how many of its neighbours a pixel is connected: those that touch at a corner too, or not."""

SMALL, LARGE = 32.0**2, 96.0**2
"""Pixels: where small objects end and large ones begin in COCO."""

COCO = ("small", "medium", "large")
"""What three sizes are called."""

READING = (
    "Objects are connected components. A true and a predicted one match if their IoU is above 50 %. Scores are means over the "
    "classes that have such objects; sizes are in pixels."
)

OF_CLASSES = "How many true and predicted objects each class has, how many of them match, and its F1 by size."

MOST = 60
"""How many classes the table on the page shows."""


def measure(
    case: Case,
    *,
    objects: bool = False,
    object_connectivity: int = CORNERS,
    object_sizes: tuple[float, ...] = (SMALL, LARGE),
) -> Objects | None:
    """The objects of one image; None unless they are asked for.

    Raises `OptionError` for another connectivity, for sizes that do not ascend, and for either without `objects`.

    Args:
        objects: Match connected components too, at an IoU above 0.5: precision, recall, F1, panoptic quality, and these by size.
        object_connectivity: Whether pixels that touch at a corner alone are one object (8) or two (4).
        object_sizes: Areas in pixels at which a larger size of objects begins.
    """
    if not objects:
        if object_connectivity != CORNERS or tuple(object_sizes) != (SMALL, LARGE):
            raise OptionError(
                "--object-connectivity and --object-sizes say how objects are measured: give --objects too"
            )
        return None
    return Objects.of(case.truth, case.pred, case.labels, connectivity=object_connectivity, sizes=object_sizes)


SCORES = ("precision", "recall", "f1", "segmentation_quality", "panoptic_quality")
"""The scores of `Matches`."""

TITLES = ("object precision", "object recall", "object F1", "SQ", "PQ")
"""What they are called in text."""

ABSENT = ("no object in the prediction", "no object in truth", *["no object in truth or prediction"] * 3)
"""Why a class has none."""


@dataclass(frozen=True, slots=True, eq=False)
class Objects(Metric):
    """Objects of K classes by size: (S, K) `matches`. `sizes` (S - 1,) are the pixels at which a larger size begins.

    `connectivity` is 4 or 8, and `names` are those of the classes.
    """

    __repr__ = briefly

    intervals: ClassVar[bool] = True
    names: tuple[str, ...]
    connectivity: int
    sizes: tuple[int, ...]
    matches: Matches

    @classmethod
    def of(
        cls,
        truth: Mask,
        pred: Mask,
        labels: Labels,
        *,
        connectivity: int = CORNERS,
        sizes: Sequence[float] = (SMALL, LARGE),
    ) -> Objects:
        """Of (H, W) class ids and ignore, both of the labels' dtype. Raises `OptionError`."""
        if connectivity not in (EDGES, CORNERS):
            raise OptionError(f"--object-connectivity {connectivity}: must be {EDGES} or {CORNERS}")
        bounds = _bounds(sizes)
        found = match(truth, pred, labels, bounds, corners=connectivity == CORNERS)
        return cls(labels.names, connectivity, bounds, found)

    def __add__(self, other: Objects) -> Objects:
        """The objects of both."""
        return Objects(self.names, self.connectivity, self.sizes, self.matches + other.matches)

    @property
    def by_size(self) -> Iterator[tuple[str, int, int | None, Matches]]:
        """Each size: its name, from how many pixels on, below how many, and the objects of classes."""
        for number, (low, high) in enumerate(zip((0, *self.sizes), (*self.sizes, None), strict=True)):
            name = COCO[number] if len(self.sizes) == len(COCO) - 1 else _range(low, high)
            yield name, low, high, self.matches[number]

    def by_class(self) -> Sequence[ClassScore]:
        """Precision, recall and F1 of objects, segmentation quality and panoptic quality."""
        whole = self.matches.summed()
        keys = [name if name.endswith("quality") else f"object_{name}" for name in SCORES]
        rows = zip(keys, SCORES, TITLES, ABSENT, strict=True)
        return [ClassScore(key, title, getattr(whole, name), absent=absent) for key, name, title, absent in rows]

    def to_json(self) -> dict[str, Any]:
        """`objects`: how many there are, by class and by size."""
        whole = self.matches.summed()
        classes = [{"id": i, "name": name, **whole.counts_json(i)} for i, name in enumerate(self.names)]
        sizes = [
            {
                "name": name,
                "from": low,
                "to": high,
                **part.counts_json(),
                **{score: plain(mean(getattr(part, score))) for score in SCORES},
                "classes": [self._class_json(part, i) for i in range(len(self.names))],
            }
            for name, low, high, part in self.by_size
        ]
        return {"objects": {"connectivity": self.connectivity, "classes": classes, "sizes": sizes}}

    def _class_json(self, part: Matches, number: int) -> dict[str, Any]:
        scores = {score: plain(getattr(part, score)[number]) for score in SCORES}
        return {"id": number, "name": self.names[number], **part.counts_json(number), **scores}

    def lines(self) -> Sequence[str]:
        """What an object is, then a line per size."""
        corners = "connected" if self.connectivity == CORNERS else "not connected"
        told = f"objects: parts of a class (pixels that touch at a corner are {corners}), matched if their IoU is above 50 %"
        heading, *rows = self._sizes_table()
        out = [told]
        for name, pixels, *cells in rows:
            numbers = [share(cell) if isinstance(cell, float) else f"{cell:,}" for cell in cells]
            pairs = ", ".join(f"{title} {number}" for title, number in zip(heading[2:], numbers, strict=True))
            which = "objects" if name == pixels != "all" else f"{name} objects"
            out.append(f"{which}{'' if name == 'all' else f' ({pixels} pixels)'}: {pairs}")
        return out

    def sections(self) -> Sequence[Section]:
        """Objects by size, and of each class."""
        return [
            Section("Objects by size", READING, table=self._sizes_table()),
            Section("Objects of classes", OF_CLASSES, table=self._classes_table()),
        ]

    def _sizes_table(self) -> list[list[str | int | float]]:
        """A line per size, heading first; scores are means over classes."""
        rows: list[list[str | int | float]] = [["objects", "pixels", "true", "predicted", "matched"]]
        rows[0] += ["precision", "recall", "F1", "SQ", "PQ"]
        sizes = [(name, _range(low, high), part) for name, low, high, part in self.by_size]
        for name, pixels, part in [*sizes, ("all", "all", self.matches.summed())]:
            scores = [float(mean(getattr(part, score))) for score in SCORES]
            rows.append([name, pixels, *part.counts_json().values(), *scores])
        return rows

    def _classes_table(self) -> list[list[str | int | float]]:
        """A line per class that has objects, those of most first."""
        parts = [part for *_, part in self.by_size]
        whole = self.matches.summed()
        rows: list[list[str | int | float]] = [["class", "true", "predicted", "matched"]]
        rows[0] += [f"F1 {name}" for name, *_ in self.by_size]
        count = whole.truth + whole.pred
        shown = [i for i in np.argsort(-count, kind="stable").tolist() if count[i]][:MOST]
        rows += [[self.names[i], *whole.counts_json(i).values(), *(float(p.f1[i]) for p in parts)] for i in shown]
        return rows


def _bounds(sizes: Sequence[float] | NDArray[Any]) -> tuple[int, ...]:
    """Sizes as whole numbers. Raises `OptionError` unless they are above 0 and ascend."""
    bounds = tuple(int(size) for size in sizes if 0 < size < np.inf and size == int(size))
    if len(bounds) < len(sizes) or list(bounds) != sorted(set(bounds)):
        given = ",".join(f"{size:g}" for size in sizes)
        raise OptionError(f"--object-sizes {given}: must be whole pixels above 0 that ascend, like 1024,9216")
    return bounds


def _range(low: int, high: int | None) -> str:
    """The areas of a size."""
    if high is None:
        return f"{low:,} and more"
    return f"{low:,} to {high - 1:,}" if low else f"below {high:,}"
