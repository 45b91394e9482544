"""What `agree` finds, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from segdata.errors import Problem
from segdata.labels import Labels
from segdata.metrics.agreement import Votes, class_kappa, kappa
from segdata.metrics.base import ClassScore
from segdata.metrics.boundary import Boundary
from segdata.metrics.cautions import cautions
from segdata.metrics.confusion import Confusion, Floats, mean, plain
from segdata.ops.agree.reading import Side
from segdata.words import briefly

CONFUSED = 20
"""How many confusions of two classes are listed."""


@dataclass(frozen=True, slots=True, eq=False)
class Between:
    """How far some annotators agree: two of them, or every two together (`names` of all).

    `confusion` has the pixels on which both vote, by class of one (row) and of the other (column). `intervals`: (2,) the 95 %
    interval of `mean_iou` and of `kappa`, (2, K) of `iou`; {} with too few units. `boundary` is None if it was not measured.
    """

    __repr__ = briefly

    names: tuple[str, ...]
    images: int
    confusion: Confusion
    intervals: Mapping[str, Floats]
    boundary: Boundary | None

    @property
    def pixels(self) -> int:
        """The pixels on which both vote."""
        return self.confusion.total

    @property
    def mean_iou(self) -> float:
        """The mean IoU over the classes that either gives."""
        return self.confusion.mean_iou

    @property
    def mean_dice(self) -> float:
        """The mean Dice over the same classes."""
        return float(self.confusion.tally.mean_dice)

    @property
    def agreed(self) -> float:
        """The part of the pixels on which both say the same; NaN without any."""
        return self.confusion.pixel_accuracy

    @property
    def kappa(self) -> float:
        """Cohen's kappa; NaN without a pixel, and if both know one class only."""
        return float(kappa(self.confusion.tally))

    @property
    def class_scores(self) -> Sequence[ClassScore]:
        """The scores of classes by their boundaries, if those were measured."""
        return () if self.boundary is None else self.boundary.by_class()

    def scores(self) -> dict[str, Any]:
        """Plain values over all classes; NaN is None."""
        out: dict[str, Any] = {"images": self.images, "pixels": self.pixels}
        out |= {name: plain(getattr(self, name)) for name in ("mean_iou", "mean_dice", "agreed")}
        return out | {f"mean_{score.key}": plain(mean(score.values)) for score in self.class_scores}

    def classes_json(self, labels: Labels, kappas: Floats) -> list[dict[str, Any]]:
        """A dict per class; `kappas` (K,) are its."""
        tally, out = self.confusion.tally, []
        for label in labels.classes:
            i = label.id
            row: dict[str, Any] = {
                "id": i,
                "name": label.name,
                "iou": plain(tally.iou[i]),
                "dice": plain(tally.dice[i]),
            }
            row |= {score.key: plain(score.values[i]) for score in self.class_scores}
            row["kappa"] = plain(kappas[i])
            row |= {"iou_interval": _ends(self.intervals["iou"][:, i])} if self.intervals else {}
            out.append(row)
        return out


@dataclass(frozen=True, slots=True)
class ImageAgreement:
    """An image: how many annotators have labelled it, its pixels with two votes or more, how many of these have votes that are
    all the same, and the mean IoU over classes, every two annotators together; NaN without such a pixel."""

    id: str
    annotators: int
    pixels: int
    unanimous: int
    mean_iou: float

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN is None."""
        same = self.unanimous / self.pixels if self.pixels else None
        counts = {"annotators": self.annotators, "pixels": self.pixels, "unanimous": same}
        return {"id": self.id, **counts, "mean_iou": plain(self.mean_iou)}


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """What `agree` finds. `sides` are the datasets, `names` what they are called, in the same order.

    `votes`: all pixels of all images, by pattern. `fleiss` (K,) and `fleiss_all` are Fleiss' kappa of each class and of all,
    `fleiss_interval` (2,), NaN with too few units. `every`: every two annotators together; `pairs`: each two. `images`, the
    least agreement first. Of `units` there are so many, which are `resampled`: images, groups or blocks. `alone`: ids of images
    that one annotator alone has; `problems`: of images that were left out; `renamed`: samples that have another id in
    another dataset, and that of the same image in the first; `frames`: the first and the last id of a sequence that the images
    seem to be from, though each is a unit.
    """

    __repr__ = briefly

    sides: tuple[Side, ...]
    names: tuple[str, ...]
    labels: Labels
    votes: Votes
    fleiss: Floats
    fleiss_all: float
    fleiss_interval: Floats
    every: Between
    pairs: tuple[Between, ...]
    images: tuple[ImageAgreement, ...]
    units: int
    resampled: str
    alone: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    frames: tuple[str, str] | None = None

    @property
    def pixels(self) -> int:
        """The pixels with two votes or more."""
        return int(self.votes.of_several.pixels.sum())

    @property
    def cautions(self) -> list[str]:
        """What to know before believing the intervals, a sentence each; [] if there are no intervals."""
        if not self.every.intervals:
            return []
        iou, bounds = self.every.confusion.iou, self.every.intervals["iou"]
        return cautions(self.labels.names, iou, bounds, self.units, self.resampled, self.frames)

    @property
    def absent(self) -> list[str]:
        """The classes that nobody gives where another votes too: without scores, and in no mean."""
        return [self.labels.names[i] for i in self.every.confusion.absent]

    @property
    def confused(self) -> list[tuple[str, str, int]]:
        """Two classes and the pixels that one annotator gives the one and another the other, most first; a pixel of several
        pairs of annotators counts for each."""
        counts = self.every.confusion.counts[:, :-1]
        both = np.triu(counts + counts.T, 1)
        one, other = np.nonzero(both)
        rows = sorted(zip(one.tolist(), other.tolist(), both[one, other].tolist(), strict=True), key=lambda r: -r[2])
        return [(self.labels.names[a], self.labels.names[b], n) for a, b, n in rows[:CONFUSED]]

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN is None."""
        out: dict[str, Any] = {"annotators": list(self.names), **self.every.scores()}
        out |= {"pixels": self.pixels, "unanimous": self.votes.unanimous / self.pixels if self.pixels else None}
        out["fleiss_kappa"] = plain(self.fleiss_all)
        out["classes"] = self.every.classes_json(self.labels, self.fleiss)
        bounds = {"mean_iou": _ends(self.every.intervals["mean_iou"])} if self.every.intervals else {}
        bounds |= {"fleiss_kappa": _ends(self.fleiss_interval)} if self.every.intervals else {}
        out["intervals"] = {"level": 0.95, "units": self.units, "of": self.resampled, "notes": self.cautions, **bounds}
        out["pairs"] = [self._pair_json(pair) for pair in self.pairs]
        out["confused"] = [{"classes": [one, other], "pixels": n} for one, other, n in self.confused]
        out["ranking"] = [image.to_json() for image in self.images]
        out["absent"], out["alone"] = self.absent, list(self.alone)
        out["left_out"] = [str(problem.sample) for problem in self.problems]
        out["renamed"] = dict(self.renamed)
        out["labels"] = self.labels.digest
        return out

    def _pair_json(self, pair: Between) -> dict[str, Any]:
        out = {"annotators": list(pair.names), **pair.scores(), "kappa": plain(pair.kappa)}
        if pair.intervals:
            out["intervals"] = {name: _ends(pair.intervals[name]) for name in ("mean_iou", "kappa")}
        out["confusion"] = pair.confusion.counts[:, :-1].tolist()
        out["classes"] = pair.classes_json(self.labels, class_kappa(pair.confusion.tally))
        return out


def _ends(bounds: Sequence[float] | Floats) -> list[float | None]:
    return [plain(end) for end in bounds]
