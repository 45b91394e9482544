"""What `evaluate` finds, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from segdata.labels import Labels
from segdata.metrics import METRICS
from segdata.metrics.base import ClassScore, Metric
from segdata.metrics.cautions import cautions
from segdata.metrics.confusion import Confusion, Floats, Tally, mean, plain
from segdata.metrics.conventions import CONVENTIONS, Score
from segdata.ops.evaluate.images import ByImage, Slices
from segdata.tiling.area import Area
from segdata.words import briefly, some

MEANS = ("mean_iou", "mean_dice", "mean_accuracy", "pixel_accuracy", "frequency_weighted_iou")

OF_CLASSES = ("iou", "dice", "precision", "recall")


@dataclass(frozen=True, slots=True)
class ImageScore:
    """One image: its labelled pixels, how many of them are predicted as ignore, and its scores, NaN without labelled pixels."""

    id: str
    labelled: int
    rejected: int
    mean_iou: float
    pixel_accuracy: float


@dataclass(frozen=True, slots=True)
class Loss:
    """An image in which PRED has another mean IoU than OTHER, and both."""

    id: str
    pred: float
    other: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"id": self.id, "pred": self.pred, "other": self.other, "difference": self.pred - self.other}


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """PRED minus OTHER over the `images` that both predict. `difference`: of each score, its value and (2,) interval.

    `better`: how sure it is that PRED has the higher mean IoU, 0 to 1; NaN if unknown. `iou` (K,) and `iou_interval` (2, K) are
    by class. `losses`: the images where PRED is worse, the worst first. `gains`: those where it is better, the best first.
    """

    __repr__ = briefly

    name: str
    images: int
    scores: Mapping[str, tuple[float, float]]
    difference: Mapping[str, tuple[float, Floats]]
    iou: Floats
    iou_interval: Floats
    better: float
    losses: tuple[Loss, ...] = ()
    gains: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What `evaluate` finds. `images` are worst first.

    `metrics`: what was measured besides the matrix, by name in `METRICS`. Each is an attribute too, such as `boundary`: None if
    it was not measured. `intervals`: (2,) the 95 % interval of each score, (2, K) of `iou` and of those scores of classes whose
    metrics have intervals; {} if there are too few units. Of these there are `units`, which are `resampled`: images, groups or
    blocks. `frames`: the first and the last id of a sequence that the images seem to be from, though each is a unit.
    `background` is the class that the means `without_background` leave out. `missing`: ids of truth without a prediction,
    `extra`: predictions without truth, `uncovered`: pixels of truth that no tile predicts, `left_out`: ids of bad files that
    were skipped, `renamed`: what predictions are called that have another id, and the id of truth with the same image. `area`:
    where pixels count, if not everywhere.
    """

    __repr__ = briefly

    labels: Labels
    confusion: Confusion
    metrics: Mapping[str, Metric]
    images: tuple[ImageScore, ...]
    intervals: Mapping[str, Floats]
    units: int
    resampled: str
    categories: Mapping[str, Sequence[int]]
    conventions: Mapping[str, Mapping[str, Score]]
    background: int | None = None
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    uncovered: int = 0
    left_out: tuple[str, ...] = ()
    comparison: Comparison | None = None
    frames: tuple[str, str] | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    by_image: ByImage | None = None
    slices: Slices | None = None
    area: Area | None = None

    def __getattr__(self, name: str) -> Any:
        """A metric by its name, None if it was not measured. Raises `AttributeError`."""
        if name not in METRICS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.metrics.get(name)

    @property
    def class_scores(self) -> list[ClassScore]:
        """The scores of classes that metrics give besides those of the matrix."""
        return [score for metric in self.metrics.values() for score in self.scores_of(metric)]

    def scores_of(self, metric: Metric) -> list[ClassScore]:
        """The scores of classes of one metric, with their intervals, if there are some."""
        known = self.intervals if metric.intervals else {}
        scores = metric.by_class()
        return [replace(s, interval=known.get(s.key), mean_interval=known.get(f"mean_{s.key}")) for s in scores]

    @property
    def unscored(self) -> list[str]:
        """Of classes that are not `absent` but have no score, which score and why, a sentence each."""
        absent = self.confusion.absent
        found: dict[tuple[str, str], list[str]] = {}
        for score in self.class_scores:
            lacking = [i for i in np.flatnonzero(np.isnan(score.values)).tolist() if i not in absent]
            if score.absent and lacking:
                names = some([self.labels.names[i] for i in lacking], 12)
                found.setdefault((score.absent, names), []).append(score.title)
        return [f"{why}, so without {' and '.join(titles)}: {names}" for (why, names), titles in found.items()]

    @property
    def absent(self) -> list[str]:
        """The classes in neither truth nor prediction: without scores, and left out of means."""
        return [self.labels.names[i] for i in self.confusion.absent]

    @property
    def cautions(self) -> list[str]:
        """What to know before believing the intervals, a sentence each; [] if there are no intervals."""
        if not self.intervals:
            return []
        iou, bounds = self.confusion.iou, self.intervals["iou"]
        others = self.class_scores
        return cautions(self.labels.names, iou, bounds, self.units, self.resampled, self.frames, others)

    @property
    def without_background(self) -> Tally | None:
        """The counts of all classes but the background; None if there is no such class."""
        if self.background is None:
            return None
        return self.confusion.tally.keep([i for i in range(len(self.labels.classes)) if i != self.background])

    @property
    def category_iou(self) -> dict[str, float]:
        """IoU of each category, confusions inside it counted as right; {} if the classes have none."""
        groups: list[int | None] = [None] * len(self.labels.classes)
        for number, ids in enumerate(self.categories.values()):
            for i in ids:
                groups[i] = number
        iou = self.confusion.merge(groups).iou
        return {name: float(iou[number]) for number, name in enumerate(self.categories)}

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN is None."""
        tally = self.confusion.tally
        out: dict[str, Any] = {name: plain(getattr(tally, name)) for name in MEANS}
        out["classes"] = self._classes_json(tally)
        out["confusion"] = self.confusion.counts[:, :-1].tolist()
        out["predicted_void"] = self.confusion.counts[:, -1].tolist()
        out["rejected"] = self.confusion.rejected
        out["absent"] = self.absent
        out |= {f"mean_{score.key}": plain(mean(score.values)) for score in self.class_scores}
        if (rest := self.without_background) is not None and self.background is not None:
            scores = {name: plain(getattr(rest, name)) for name in MEANS}
            out["without_background"] = {"background": self.labels.names[self.background], **scores}
        if self.categories:
            iou = self.category_iou
            out["mean_category_iou"] = plain(mean(np.array(list(iou.values()))))
            out["categories"] = [{"name": name, "iou": plain(value)} for name, value in iou.items()]
        out["intervals"] = self._intervals_json()
        for metric in self.metrics.values():
            out |= metric.to_json()
        out["pixels"] = self.confusion.total
        out["images"] = [
            {
                "id": p.id,
                "pixels": p.labelled,
                "rejected": p.rejected,
                "mean_iou": plain(p.mean_iou),
                "pixel_accuracy": plain(p.pixel_accuracy),
            }
            for p in self.images
        ]
        out["missing"], out["extra"] = list(self.missing), list(self.extra)
        out["renamed"] = dict(self.renamed)
        out["uncovered"], out["left_out"] = self.uncovered, list(self.left_out)
        out["conventions"] = {library: dict(scores) for library, scores in self.conventions.items()}
        out["convention_versions"] = {name: library.version for name, library in CONVENTIONS.items() if library.version}
        if self.by_image is not None:
            out["cells"] = [cell.to_json() for cell in self.by_image.cells(self.labels)]
        if self.slices is not None:
            out["slices"] = self.slices.to_json(self.labels, MEANS)
        if self.comparison is not None:
            out["comparison"] = self._comparison_json(self.comparison)
        if self.area is not None:
            out["aoi"] = self.area.name
        out["labels"] = self.labels.digest
        return out

    def rows(self) -> list[list[object]]:
        """A table, heading first: a line per class, then one of means; what is not known is empty."""
        tally, scores = self.confusion.tally, self._scores()
        bounds = self._class_intervals()
        ends = [f"{name}_{end}" for name in bounds for end in ("low", "high")]
        rows: list[list[object]] = [["id", "name", *scores, "pixels", "predicted", *ends]]
        for label in self.labels.classes:
            i = label.id
            row = (
                [plain(v[i]) for v in scores.values()],
                [int(tally.truth[i]), int(tally.pred[i])],
                [plain(v) for both in bounds.values() for v in both[:, i]],
            )
            rows.append([i, label.name, *(cell for part in row for cell in part)])
        of_means = [plain(v) for name in bounds for v in self.intervals[f"mean_{name}"]]
        means = [plain(mean(values)) for values in scores.values()]
        rows.append(["", "(mean)", *means, self.confusion.total, int(tally.pred.sum()), *of_means])
        return [["" if cell is None else cell for cell in row] for row in rows]

    def _class_intervals(self) -> dict[str, Floats]:
        """The intervals of scores of classes, (2, K) each, by name."""
        return {name: bounds for name, bounds in self.intervals.items() if bounds.ndim == 2}

    def _scores(self) -> dict[str, Floats]:
        """The scores of classes, (K,) each, by name."""
        tally = self.confusion.tally
        scores = {name: getattr(tally, name) for name in OF_CLASSES} | {"accuracy": tally.recall}
        return scores | {score.key: score.values for score in self.class_scores}

    def _classes_json(self, tally: Tally) -> list[dict[str, Any]]:
        scores = self._scores()
        out = []
        for label in self.labels.classes:
            row: dict[str, Any] = {"id": label.id, "name": label.name}
            row |= {name: plain(values[label.id]) for name, values in scores.items()}
            row |= {"pixels": int(tally.truth[label.id]), "predicted": int(tally.pred[label.id])}
            for name, bounds in self._class_intervals().items():
                row[f"{name}_interval"] = [plain(v) for v in bounds[:, label.id]]
            out.append(row)
        return out

    def _intervals_json(self) -> dict[str, Any]:
        bounds = {name: [plain(v) for v in values] for name, values in self.intervals.items() if values.ndim == 1}
        return {"level": 0.95, "units": self.units, "of": self.resampled, "notes": self.cautions, **bounds}

    def _comparison_json(self, c: Comparison) -> dict[str, Any]:
        return {
            "other": c.name,
            "images": c.images,
            "scores": {
                name: {
                    "pred": plain(c.scores[name][0]),
                    "other": plain(c.scores[name][1]),
                    "difference": plain(value),
                    "interval": [plain(v) for v in bounds],
                }
                for name, (value, bounds) in c.difference.items()
            },
            "better": plain(c.better),
            "losses": [loss.to_json() for loss in c.losses],
            "classes": [
                {"id": i, "name": name, "iou": plain(c.iou[i]), "interval": [plain(v) for v in c.iou_interval[:, i]]}
                for i, name in enumerate(self.labels.names)
            ],
        }
