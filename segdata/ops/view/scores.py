"""How good each prediction is: the confusions of every image, as `segdata evaluate` counts them, in little memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.executors.run import Run
from segdata.metrics.confusion import Floats, Ints, ratio
from segdata.ops.evaluate.images import ByImage
from segdata.ops.evaluate.operation import evaluate
from segdata.ops.evaluate.result import Evaluation
from segdata.tiling.tiles import image_of
from segdata.words import some

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Of a prediction, I images: `ids`, and `image` (N,) int32, the number of the image that a sample is or is a tile of, -1:
    it has none that could be evaluated.

    `starts` (I + 1,): image i has the entries from `starts[i]` on of `true`, `given` (R,) uint16, K for ignore, and `pixels`.
    `columns` are those of samples. `tiles`: whether samples are tiles of the images.
    """

    classes: int
    ids: tuple[str, ...]
    image: NDArray[np.int32]
    starts: Ints
    true: NDArray[np.uint16]
    given: NDArray[np.uint16]
    pixels: NDArray[np.unsignedinteger]
    columns: Mapping[str, NDArray[np.float32]]
    tiles: bool
    message: str

    def images(self, rows: Ints) -> Ints:
        """The images that some samples are, or are tiles of, each once."""
        found = np.unique(self.image[rows]).astype(np.int64)
        return found[found >= 0]

    def pairs(self, images: Ints, unit: Ints) -> tuple[Ints, Ints]:
        """Of some images, ascending and each in a unit (M,): the unit (P,) of each entry, and true, given and pixels (P, 3)."""
        units = np.full(len(self.ids), -1)
        units[images] = unit
        owner = np.repeat(units, np.diff(self.starts))
        on = owner >= 0
        return owner[on], np.stack(
            [field[on].astype(np.int64) for field in (self.true, self.given, self.pixels)], axis=1
        )

    def cell(self, true: int, given: int) -> Ints:
        """(N,) int64: how many pixels of one class a sample's image has that are predicted as another, K for ignore."""
        return self._by_sample(self._sums((self.true == true) & (self.given == given)), 0).astype(np.int64)

    def iou(self, class_id: int) -> NDArray[np.float32]:
        """(N,) float32: the IoU of a class in each sample's image; NaN if it is in neither labels nor prediction."""
        true, given = self.true == class_id, self.given == class_id
        return self._by_sample(ratio(self._sums(true & given), self._sums(true | given)), np.nan).astype(np.float32)

    def _sums(self, on: Flags) -> Floats:
        """(I,) float64: the pixels of these entries (R,) in each image; sums below 2^53 are exact."""
        owner = np.repeat(np.arange(len(self.ids)), np.diff(self.starts))
        return np.bincount(owner[on], self.pixels[on], len(self.ids)).astype(np.float64)

    def _by_sample(self, values: Floats, unknown: float) -> Floats:
        return np.append(values, unknown)[self.image]


def find(sides: Sequence[Dataset], run: Run) -> Scores:
    """Evaluate a prediction. Raises as `evaluate`."""
    truth, pred = sides
    found = evaluate(unscored(pred), truth, draws=0, run=run)
    return kept(found, truth)


def unscored(pred: Dataset) -> Dataset:
    """Without scores, so that their calibration is not measured: that is an analysis of its own."""
    samples = [s if s.scores is None else msgspec.structs.replace(s, scores=None) for s in pred]
    return replace(pred, samples=samples)


def kept(found: Evaluation, truth: Dataset) -> Scores:
    """What is needed of an evaluation, with the samples of `truth` in their order. Raises `ValueError` if it has no images."""
    by_image = found.by_image
    if by_image is None:
        raise ValueError("an evaluation without its images")
    places = {id: i for i, id in enumerate(by_image.ids)}
    image = np.fromiter((places.get(image_of(s), -1) for s in truth), np.int32, len(truth))
    values = np.full((2, len(places) + 1), np.nan, np.float32)
    for one in found.images:
        values[:, places[one.id]] = one.mean_iou, one.pixel_accuracy
    columns = dict(zip(("iou", "accuracy"), values[:, image], strict=True))
    tiles = any(s.id not in places for s in truth if image_of(s) in places)
    starts, rows = compact(by_image)
    return Scores(
        by_image.classes, by_image.ids, image, starts, *rows, columns, tiles, message_of(found, len(truth), tiles)
    )


def compact(
    by_image: ByImage,
) -> tuple[Ints, tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.unsignedinteger]]]:
    """Where each image's entries begin, and true, given and pixels of all entries: a fourth of the memory."""
    number, true, given, pixels = by_image.rows.T
    starts = np.searchsorted(number, np.arange(len(by_image.ids) + 1)).astype(np.int64)
    wide = np.uint64 if pixels.size and pixels.max() > np.iinfo(np.uint32).max else np.uint32
    return starts, (true.astype(np.uint16), given.astype(np.uint16), pixels.astype(wide))


def message_of(found: Evaluation, samples: int, tiles: bool) -> str:
    """How many images it is of, and which are left out."""
    parts = [f"{len(found.images):,} of {samples:,} samples are predicted"]
    if tiles:
        parts = [f"of {len(found.images):,} images; samples are tiles of them, and each has the numbers of its image"]
    if found.left_out:
        parts.append(f"left out, as they cannot be read: {some(found.left_out, 3)}")
    return "; ".join(parts)
