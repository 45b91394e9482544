"""An exported model beside its checkpoint on real images: the same windows, stitched and at the images' own size.

It counts the pixels whose likeliest class differs, finds the largest difference of probabilities, and, if there are masks, the
mIoU of both. The interval of its change is that of `segdata.metrics.intervals`, over images or their groups.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError
from segdata.labels import Labels
from segdata.metrics.confusion import Ints, pair_counts
from segdata.metrics.intervals import Columns, spread
from segdata.nn.export.network import Size
from segdata.nn.export.result import Change, Parity
from segdata.nn.predictor import TorchPredictor
from segdata.prediction.exported_predictor import ExportedPredictor, Floats
from segdata.prediction.inputs import opened_for
from segdata.prediction.predictor import Predictor
from segdata.prediction.sliding import Band, Failed, Input, slide
from segdata.prediction.windows import Sliding
from segdata.resize import Pixels
from segdata.windows import Window

WINDOW, BATCH = (512, 512), 4
"""As `segdata predict` has them by default."""


@dataclass(slots=True)
class Measured:
    """A predictor, and the seconds that its windows took. The first call is not counted: it makes things ready."""

    by: Predictor
    seconds: float = 0.0
    windows: int = 0
    ready: bool = False

    @property
    def labels(self) -> Labels:
        """Those of the predictor."""
        return self.by.labels

    def __call__(self, images: Pixels) -> Floats:
        """As the predictor."""
        start = time.perf_counter()
        found = self.by(images)
        if self.ready:
            self.seconds += time.perf_counter() - start
            self.windows += len(images)
        self.ready = True
        return found

    @property
    def each(self) -> float:
        """Seconds per window; NaN if there was one call only."""
        return self.seconds / self.windows if self.windows else float("nan")


@dataclass(frozen=True, slots=True)
class Padding:
    """A predictor whose images are padded to `least` (height, width), as those of a model that takes one size."""

    by: Predictor
    least: Size

    @property
    def labels(self) -> Labels:
        """Those of the predictor."""
        return self.by.labels

    def __call__(self, images: Pixels) -> Floats:
        """(N, h, w, C) -> (N, K, h, w) float32; the last rows and columns of images are repeated."""
        height, width = images.shape[1:3]
        more = [(0, max(0, to - n)) for n, to in zip((height, width), self.least, strict=True)]
        return self.by(np.ascontiguousarray(np.pad(images, ((0, 0), *more, (0, 0)), mode="edge")))[
            :, :, :height, :width
        ]


@dataclass(slots=True)
class Counts:
    """What is counted over all images; `pairs` by unit, for the checkpoint and for the exported model."""

    pixels: int = 0
    differ: int = 0
    largest: float = 0.0
    pairs: tuple[dict[str, list[Ints]], dict[str, list[Ints]]] = field(default_factory=lambda: ({}, {}))


def compared(predictor: TorchPredictor, exported: ExportedPredictor, images: Dataset) -> Parity:
    """How both predict the images of a dataset. Raises `DatasetError` for images that cannot be read."""
    counts = Counts()
    least = exported.size or (exported.least, exported.least)
    both = Measured(Padding(predictor, least)), Measured(exported)
    sliding = Sliding(exported.size or WINDOW, batch=BATCH)
    for one, other in zip(*(slide(inputs(images, predictor), by, sliding) for by in both), strict=True):
        if isinstance(one, Failed) or isinstance(other, Failed):
            problem = next(part.problem for part in (one, other) if isinstance(part, Failed))
            raise DatasetError(f"{problem}: correct it, or compare on other images (--verify)")
        count(counts, images, predictor.labels, one, other.probs)
    return Parity(
        images=len(images), pixels=counts.pixels, differ=counts.differ, largest=counts.largest,
        change=change(counts, len(predictor.labels.classes)), seconds=both[0].each, exported_seconds=both[1].each,
    )  # fmt: skip


def inputs(images: Dataset, predictor: TorchPredictor) -> Iterator[Input[Sample]]:
    """The images in order of size, so that windows fill batches."""
    for sample in sorted(images, key=lambda s: (s.size, s.id)):
        yield Input(sample, partial(opened_for, images, sample, predictor), predictor.recipe.resized)


def count(counts: Counts, images: Dataset, labels: Labels, band: Band[Sample], found: NDArray[np.float32]) -> None:
    """Add some rows of an image."""
    known = band.probs.any(axis=0)
    chosen = [probs.argmax(axis=0).astype(labels.dtype) for probs in (band.probs, found)]
    counts.pixels += int(known.sum())
    counts.differ += int((known & (chosen[0] != chosen[1])).sum())
    counts.largest = max(counts.largest, float(np.abs(band.probs - found).max()))
    sample = band.key
    if not sample.mask:
        return
    with images.open_mask(sample) as mask:
        truth = np.where(known, mask.read(Window(band.y, 0, band.probs.shape[1], band.size[1])), labels.ignore).astype(
            labels.dtype
        )
    for pairs, pred in zip(counts.pairs, chosen, strict=True):
        pairs.setdefault(sample.unit, []).append(pair_counts(truth, pred, labels))


def change(counts: Counts, classes: int) -> Change | None:
    """What the masks say; None without masks."""
    units = list(counts.pairs[0])
    if not units:
        return None
    a, b = (Columns.of([np.concatenate(pairs[unit]) for unit in units], classes) for pairs in counts.pairs)
    difference = spread(b, "mean_iou", paired=True) - spread(a, "mean_iou", paired=True)
    low, high = difference.interval()[:, 0]
    return Change(float(a.total.mean_iou), float(b.total.mean_iou), float(low), float(high))
