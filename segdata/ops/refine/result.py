"""What a search for a refinement found: the settings, what was tried, and the difference with how far to trust it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segdata.labels import Labels
from segdata.metrics.confusion import Floats, Ints, plain
from segdata.metrics.intervals import Columns, spread
from segdata.refinement.settings import Refinement
from segdata.words import briefly


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing that was tried: by how much mean IoU rose (on the search's images, after what was kept before), and whether
    it is kept."""

    name: str
    gain: float
    kept: bool


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A score before and after: of the mean, then of each class: (1 + K,) float64; NaN for a class in neither.

    `low` and `high`: the 95 % interval of the difference, over images, or groups; NaN with too few.
    """

    __repr__ = briefly

    before: Floats
    after: Floats
    low: Floats
    high: Floats

    def to_json(self, labels: Labels) -> dict[str, Any]:
        """`mean`, then by class."""
        out: dict[str, Any] = {}
        for i, name in enumerate(("mean", *labels.names)):
            before, after, low, high = (float(of[i]) for of in (self.before, self.after, self.low, self.high))
            known = not (math.isnan(before) or math.isnan(after))
            out[name] = {"before": before, "after": after, "interval": [plain(low), plain(high)]} if known else None
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """How scores changed on some images: IoU and boundary IoU."""

    __repr__ = briefly

    images: int
    iou: Change
    boundary: Change

    def to_json(self, labels: Labels) -> dict[str, Any]:
        """By class."""
        return {
            "images": self.images,
            "iou": self.iou.to_json(labels),
            "boundary_iou": self.boundary.to_json(labels),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """The refinement that was found, and its worth on the images that the search saw and on those held out from it.

    Where it loses on the latter, `refinement` does nothing.
    """

    __repr__ = briefly

    refinement: Refinement
    labels: Labels
    trials: Sequence[Trial]
    searched: Difference
    held_out: Difference | None

    @property
    def loses_unseen(self) -> bool:
        """Whether what was found makes mean IoU lower on the images held out."""
        return self.held_out is not None and bool(self.held_out.iou.after[0] < self.held_out.iou.before[0])

    def to_json(self) -> dict[str, Any]:
        """What `segdata refine --settings` reads, and all that was found out."""
        return {
            **self.refinement.to_json(self.labels),
            "searched": self.searched.to_json(self.labels),
            "held_out": None if self.held_out is None else self.held_out.to_json(self.labels),
            "trials": [{"name": t.name, "gain": t.gain, "kept": t.kept} for t in self.trials],
        }


def difference(before: Ints, after: Ints, images: int) -> Difference:
    """Of (U, 2, 3, K) counts of the same U units of so many images in all, as pixels and as boundary bands."""
    iou, boundary = (_change(before[:, i], after[:, i]) for i in range(2))
    return Difference(images, iou, boundary)


def _change(before: Ints, after: Ints) -> Change:
    sides = [Columns.from_counts(counts) for counts in (before, after)]
    spreads = [[spread(side, score, paired=True) for score in ("mean_iou", "iou")] for side in sides]
    low, high = np.concatenate([(b - a).interval() for a, b in zip(*spreads, strict=True)], axis=1)
    first, last = (np.concatenate([one.value for one in side]) for side in spreads)
    return Change(first, last, low, high)
