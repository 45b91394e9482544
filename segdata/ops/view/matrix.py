"""The confusion matrix, scores and intervals of the images that fit a query, as `segdata evaluate` gives them for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.job import folder_name
from segdata.labels import Labels
from segdata.metrics.cautions import cautions
from segdata.metrics.confusion import Confusion, Floats, Ints, plain
from segdata.metrics.intervals import Columns
from segdata.ops.evaluate.result import Comparison
from segdata.ops.evaluate.sums import compared, intervals_between
from segdata.ops.view.scores import Scores
from segdata.ops.view.session import Session
from segdata.tiling.units import frames_among

POLICY = (
    "Pixels that the labels ignore are not counted; pixels that are predicted as ignore count as missed. Pixels are summed over "
    "all images before anything is divided, so a large image counts more. A class that is in neither labels nor predictions has "
    "no IoU, and is left out of the mean. Intervals are of 95 %"
)
PARTLY = "samples are tiles: the numbers are of the {images:,} whole images that these {samples:,} tiles were cut from"
OTHERS = "the two predictions cover other pixels of the same images, so that they cannot be compared"


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The images that fit: their numbers in `scores`, a sample of each, and the unit (M,) of each, of `units` called `of`."""

    scores: Scores
    images: Ints
    rows: Ints
    unit: Ints
    units: int
    of: str

    @classmethod
    def among(cls, scores: Scores, session: Session, rows: NDArray[np.int64], both: Scores | None = None) -> Chosen:
        """Of some samples, those that are predicted; by `both`, if there are two predictions."""
        rows = np.sort(rows)
        known = scores.image[rows] >= 0
        if both is not None:
            known &= both.image[rows] >= 0
        images, first = np.unique(scores.image[rows[known]], return_index=True)
        groups = session.index.groups
        grouped = bool((groups[rows] >= 0).any())
        one = rows[known][first]
        alone = np.arange(len(images)) + groups.max(initial=-1) + 1
        unit = np.where(groups[one] >= 0, groups[one], alone) if grouped else alone
        names, unit = np.unique(unit, return_inverse=True)
        kind = "groups" if grouped else "images"
        return cls(scores, images.astype(np.int64), one, unit.astype(np.int64), len(names), kind)

    def columns(self, scores: Scores) -> Columns:
        """The tallies of the units, by this prediction or by another one of the same samples."""
        unit, pairs = scores.pairs(scores.image[self.rows].astype(np.int64), self.unit)
        return Columns.of_rows(unit, pairs, self.units, scores.classes)

    @property
    def confusion(self) -> Confusion:
        """Of all of them."""
        K = self.scores.classes
        true, given, pixels = self.scores.pairs(self.images, self.unit)[1].T
        counts = np.bincount(true * (K + 1) + given, pixels, K * (K + 1))
        return Confusion(counts.astype(np.int64).reshape(K, K + 1))

    def frames(self, session: Session) -> tuple[str, str] | None:
        """What `segdata evaluate` says of ids that run on."""
        if self.of != "images":
            return None
        names = {session.index.split_names[i] for i in np.unique(session.index.splits[self.rows]).tolist()}
        return frames_among([self.scores.ids[i] for i in self.images.tolist()], names)


def matrix_json(session: Session, rows: NDArray[np.int64], scores: Scores, of: int) -> dict[str, Any]:
    """The matrix of prediction `of` and all that follows from it, as plain values."""
    labels = session.truth.labels
    chosen = Chosen.among(scores, session, rows)
    confusion = chosen.confusion
    bounds = intervals_between(chosen.columns(scores), ("iou", "mean_iou", "pixel_accuracy"))
    tally = confusion.tally
    return {
        "of": of, "prediction": folder_name(session.preds[of]), "classes": list(labels.names),
        "counts": confusion.counts.tolist(), "pixels": tally.truth.tolist(), "predicted": tally.pred.tolist(),
        "iou": [plain(v) for v in tally.iou], "iou_intervals": [pair(v) for v in bounds["iou"].T] if bounds else None,
        "mean_iou": plain(tally.mean_iou), "interval": pair(bounds.get("mean_iou")),
        "pixel_accuracy": plain(tally.pixel_accuracy), "pixel_accuracy_interval": pair(bounds.get("pixel_accuracy")),
        "images": len(chosen.images), "samples": len(rows), "units": chosen.units, "resampled": chosen.of,
        "policy": policy(chosen), "cautions": warned(chosen, session, labels, confusion, bounds, rows),
    }  # fmt: skip


def policy(chosen: Chosen) -> str:
    """How the numbers come about, in words."""
    if chosen.units < 3:
        return f"{POLICY}, and there are none, as {chosen.units} {chosen.of} are too few."
    what = "one group of images" if chosen.of == "groups" else "one image"
    return f"{POLICY}, by leaving out {what} at a time (jackknife): {chosen.units:,} {chosen.of}."


def warned(
    chosen: Chosen, session: Session, labels: Labels, confusion: Confusion, bounds: dict[str, Floats], rows: Ints
) -> list[str]:
    """What to know before believing the numbers, a sentence each."""
    notes = []
    if chosen.scores.tiles:
        notes.append(PARTLY.format(images=len(chosen.images), samples=len(rows)))
    if missing := int((chosen.scores.image[rows] < 0).sum()):
        notes.append(f"{missing:,} of the {len(rows):,} samples that fit have no prediction, and are not counted")
    if bounds:
        found = cautions(labels.names, confusion.iou, bounds["iou"], chosen.units, chosen.of, chosen.frames(session))
        notes += [note.replace(": --resample", ": segdata evaluate --resample") for note in found]
    return notes


def comparison_json(
    session: Session, rows: NDArray[np.int64], first: Scores, second: Scores, name: str
) -> dict[str, Any]:
    """Prediction `first` less `second`, over the images that both have, with paired intervals; `message`: why there is none."""
    chosen = Chosen.among(first, session, rows, second)
    sides = [chosen.columns(scores) for scores in (first, second)]
    if not np.array_equal(sides[0].total.truth, sides[1].total.truth):
        return {"other_name": name, "images": len(chosen.images), "message": OTHERS}
    found: Comparison = compared(name, len(chosen.images), sides, wanted=True)
    value, interval = found.difference["mean_iou"]
    return {
        "other_name": name, "images": found.images, "mean_iou": list(map(plain, found.scores["mean_iou"])),
        "difference": plain(value), "interval": pair(interval), "better": plain(found.better),
        "classes": [{"difference": plain(v), "interval": pair(b)} for v, b in zip(found.iou, found.iou_interval.T, strict=True)],
    }  # fmt: skip


def pair(bounds: Floats | None) -> list[float] | None:
    """(2,) bounds as plain values; None if there are none."""
    return None if bounds is None or np.isnan(bounds).any() else bounds.tolist()
