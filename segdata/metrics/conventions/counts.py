"""What a convention is asked about, the counts of a set, and what it is: a library's version and its scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segdata.metrics.confusion import Confusion, Floats, Tally, ratio
from segdata.metrics.intervals import Columns


@dataclass(frozen=True, slots=True)
class Counts:
    """What scores are made of: the matrix of the set, the tallies of its `images`, whether truth has any `ignored` pixel.

    `bands`: of the boundaries as their paper forms them (`Boundary.paper`), None if they were not measured.
    `categories`: (K,) the category of each class, None for one that is ignored in evaluation; or None.
    """

    confusion: Confusion
    images: Columns
    ignored: bool
    categories: Sequence[int | None] | None = None
    bands: Tally | None = None

    @property
    def classes(self) -> int:
        """How many classes the label contract has."""
        return len(self.confusion.counts)

    @property
    def whole(self) -> Tally:
        """The set's counts by class. Pixels that are predicted as ignore are misses."""
        return self.confusion.tally

    @property
    def answered(self) -> Tally:
        """The same without the pixels that are predicted as ignore, as if truth ignored them."""
        table = self.confusion.counts[:, :-1]
        return Tally(np.diagonal(table), table.sum(axis=1), table.sum(axis=0))


Score = float | None
"""None: the library cannot be asked that."""


@dataclass(frozen=True, slots=True)
class Library:
    """`version`: the one whose source was read. `scores`: what it calls a score -> how the score follows from the counts.

    `takes`: whether it can be asked at all, for counts like these.
    """

    version: str
    scores: Mapping[str, Callable[[Counts], Score]]
    takes: Callable[[Counts], bool] = lambda counts: True

    def answers(self, counts: Counts) -> dict[str, Score]:
        """Each score; None for one that it cannot be asked, and for NaN."""
        found = {name: score(counts) if self.takes(counts) else None for name, score in self.scores.items()}
        return {name: None if score is None or np.isnan(score) else score for name, score in found.items()}


def micro_iou(tally: Tally) -> float:
    """Sum of hits / sum of unions; NaN of nothing."""
    return float(ratio(tally.hits.sum(-1), unions(tally).sum(-1)))


def unions(tally: Tally) -> Floats:
    """Of each class, its pixels in truth or prediction."""
    return np.asarray(tally.truth + tally.pred - tally.hits)


def binary_accuracy(counts: Counts) -> float:
    """Hits and true negatives of all classes / K times all pixels; NaN of nothing."""
    whole, total = counts.whole, counts.confusion.total
    errors = (whole.truth - whole.hits).sum() + (whole.pred - whole.hits).sum()
    return float(ratio(np.asarray(counts.classes * total - errors), np.asarray(counts.classes * total)))


def or_zero(score: float | Floats) -> float:
    """The score, 0 if it is NaN."""
    return float(np.nan_to_num(score))
