"""How sure a model is in each image, and how often it is right where it is so sure (see `segdata.metrics.calibration`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.errors import Problem
from segdata.executors.run import Run
from segdata.metrics.calibration import BINS, Bins, Calibration, measure
from segdata.metrics.confusion import Ints, ratio
from segdata.ops.evaluate.operation import Task, evaluate_item
from segdata.tiling.tiles import image_of, pair_up


@dataclass(frozen=True, slots=True, eq=False)
class Confidence:
    """`bins` (I, B) of I images, and `image` (N,) int32: the number of each sample's image, -1: it has no scores."""

    bins: Bins
    image: NDArray[np.int32]
    left_out: int

    @property
    def columns(self) -> Mapping[str, NDArray[np.float32]]:
        """The mean confidence of the labelled pixels of each image."""
        mean = ratio(self.bins.confidence.sum(axis=1), self.bins.pixels.sum(axis=1))
        return {"confidence": np.append(mean, np.nan)[self.image].astype(np.float32)}

    @property
    def message(self) -> str:
        """How many images have scores."""
        gone = f"; {self.left_out:,} cannot be read" if self.left_out else ""
        return f"{len(self.bins.pixels):,} images have scores{gone}"

    def of(self, rows: Ints) -> tuple[Bins, int]:
        """(B,): the bins of some samples together, each image once; and how many images that is."""
        images = np.unique(self.image[rows])
        images = images[images >= 0]
        return Bins(self.bins.pixels[images], self.bins.hits[images], self.bins.confidence[images]).summed(), len(
            images
        )

    def in_bin(self, number: int) -> Ints:
        """(N,) int64: how many pixels of each sample's image are in a bin."""
        return np.append(self.bins.pixels[:, number], 0)[self.image]


def find(sides: Sequence[Dataset], run: Run) -> Confidence:
    """Read the scores of a prediction. Raises as `evaluate`."""
    truth, pred = sides
    bare = replace(truth, samples=()), replace(pred, samples=())
    task = Task(bare[0], (bare[1],), "list", {"calibration": measure})
    scored = [sample for sample in pred if sample.scores is not None]
    pairs = [pair for pair in pair_up(truth.samples, [scored], group=False) if pair.preds[0]]
    places: dict[str, int] = {}
    found: list[Bins] = []
    gone = 0
    for pair, result in run.map(partial(evaluate_item, task=task), pairs):
        if isinstance(result, Problem):
            run.report.add(result)
            gone += 1
        elif result[0] is not None and isinstance(one := result[0].metrics.get("calibration"), Calibration):
            places[pair.id] = len(found)
            found.append(one.bins)
    image = np.fromiter((places.get(image_of(s), -1) for s in truth), np.int32, len(truth))
    pixels, hits = (np.array([getattr(one, n) for one in found], np.int64) for n in ("pixels", "hits"))
    sums = np.array([one.confidence for one in found], np.float64)
    bins = Bins(pixels.reshape(-1, BINS), hits.reshape(-1, BINS), sums.reshape(-1, BINS))
    return Confidence(bins, image, gone)
