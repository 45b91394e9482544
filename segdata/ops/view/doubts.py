"""Labels that a model contradicts, image by image and region by region, as `segdata suspects` ranks them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.executors.run import Run
from segdata.metrics.confusion import Ints
from segdata.metrics.label_quality import Kind
from segdata.ops.suspects.operation import Suspects, suspects

KINDS: tuple[Kind, ...] = ("class", "missing", "outline", "part")


@dataclass(frozen=True, slots=True, eq=False)
class Doubts:
    """`columns` of N samples; and R suspect regions in order of their sample, the worst first.

    `starts` (N + 1,): sample i has the regions from `starts[i]` on of `regions` (R, 8) int32: y, x, height, width, area, given,
    suggested, number of its kind; and of `scores` (R,) float32.
    """

    columns: Mapping[str, NDArray[np.float32]]
    starts: Ints
    regions: NDArray[np.int32]
    scores: NDArray[np.float32]
    unscored: int

    @property
    def message(self) -> str:
        """How many regions there are."""
        return f"{len(self.scores):,} suspect regions; {self.unscored:,} samples have no scores"

    def of(self, row: int) -> tuple[Sequence[Sequence[int]], Sequence[float]]:
        """The regions of a sample, as in `regions`, and their scores."""
        part = slice(self.starts[row], self.starts[row + 1])
        return self.regions[part].tolist(), self.scores[part].tolist()


def find(sides: Sequence[Dataset], run: Run) -> Doubts:
    """Compare labels with scores. Raises as `suspects`."""
    truth, pred = sides
    return kept(suspects(pred, truth, run=run), [sample.id for sample in truth])


def kept(found: Suspects, ids: Sequence[str]) -> Doubts:
    """What is needed of it: suspicion is 1 less the label's quality."""
    places = {id: i for i, id in enumerate(ids)}
    suspicion = np.full(len(ids), np.nan, np.float32)
    for image in found.images:
        suspicion[places[image.sample]] = 1 - image.score
    row = np.fromiter((places[one.sample] for one in found.regions), np.int64, len(found.regions))
    order = np.argsort(row, kind="stable")  # they come worst first
    fields = (
        (*r.box, r.area, r.given, r.suggested, KINDS.index(r.kind)) for r in (one.region for one in found.regions)
    )
    regions = np.array(list(fields), np.int32).reshape(-1, 8)[order]
    scores = np.array([one.region.score for one in found.regions], np.float32)[order]
    starts = np.searchsorted(row[order], np.arange(len(ids) + 1)).astype(np.int64)
    return Doubts({"suspicion": suspicion}, starts, regions, scores, len(found.unscored))
