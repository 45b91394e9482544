"""The images of an evaluation summed up: the matrix, metrics, scores of images and intervals; and two predictions compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from segdata.errors import DatasetError
from segdata.files.cityscapes_table import TABLE, VOID_TRAIN_ID
from segdata.labels import Labels
from segdata.metrics import METRICS
from segdata.metrics.base import Metric
from segdata.metrics.boundary import Boundary
from segdata.metrics.confusion import Confusion, Floats, Ints, ratio
from segdata.metrics.conventions import Counts, conventions
from segdata.metrics.intervals import FEWEST, Columns, metric_spreads, spread
from segdata.ops.evaluate.images import ByImage
from segdata.ops.evaluate.result import MEANS, Comparison, Evaluation, ImageScore, Loss
from segdata.tiling.tiles import Pair

SCORES = (*MEANS, "iou")
"""The scores of a `Tally` that get intervals; `iou` is of each class."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What one prediction of one image gave: `pairs` (P, 3), see `pair_counts`, and its metrics; once they are added, only those
    that need intervals.

    `uncovered`: pixels of truth that are left out, since no tile predicts them; `tiles`: the tiles of truth that have no others.
    """

    pairs: Ints
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    uncovered: int = 0
    tiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """What all images gave: what each prediction of an image gave, None if it has none; and the metrics of the first, added.

    `left_out`: the ids of images that could not be evaluated. `zero`: what each metric gives of no image.
    """

    images: Sequence[tuple[Pair, tuple[Found | None, ...]]]
    metrics: Mapping[str, Metric]
    left_out: tuple[str, ...]
    zero: Mapping[str, Metric]

    @property
    def first(self) -> list[tuple[Pair, Found]]:
        """The images that have the first prediction."""
        return [(pair, found[0]) for pair, found in self.images if found[0] is not None]


@dataclass(frozen=True, slots=True)
class Resampling:
    """What intervals leave out one at a time: images, groups or blocks of them; and whether intervals are wanted at all."""

    of: str
    wanted: bool


def add_up(one: Mapping[str, Metric], other: Mapping[str, Metric]) -> dict[str, Metric]:
    """Each metric that either side has, of both together, in the order of `METRICS`."""
    both = {**one, **{name: one[name] + value if name in one else value for name, value in other.items()}}
    return {name: both[name] for name in METRICS if name in both}


def sum_up(gathered: Gathered, labels: Labels, resampling: Resampling) -> Evaluation:
    """The scores of all images that have the first prediction."""
    pairs, found = [pair for pair, _ in gathered.first], [one for _, one in gathered.first]
    classes, categories = len(labels.classes), cityscapes_categories(labels)
    rows = [one.pairs for one in found]
    columns = Columns.of(rows, classes)
    confusion = Confusion.from_pairs(np.concatenate([np.empty((0, 3), np.int64), *rows]), classes)
    ignored = any((pairs[:, 0] >= classes).any() for pairs in rows)
    boundary = gathered.metrics.get("boundary")
    bands = boundary.paper if isinstance(boundary, Boundary) else None
    intervals, units = intervals_of(columns, pairs, resampling)
    if intervals:
        intervals |= intervals_of_metrics(gathered, columns)
    return Evaluation(
        labels=labels,
        confusion=confusion,
        metrics=gathered.metrics,
        images=image_scores([pair.id for pair in pairs], rows, columns),
        intervals=intervals,
        units=units,
        resampled=resampling.of,
        categories=categories,
        conventions=conventions(Counts(confusion, columns, ignored, groups_of(categories, classes), bands)),
        uncovered=sum(one.uncovered for one in found),
        left_out=gathered.left_out,
        by_image=ByImage.of(pairs, rows, classes),
    )


def cityscapes_categories(labels: Labels) -> dict[str, list[int]]:
    """The class ids of each category, if the classes are those of Cityscapes (19 or 34); otherwise {}.

    Labels that the benchmark ignores are in none.
    """
    known = {row.name: row for row in TABLE if row.id >= 0}
    evaluated = {name for name, row in known.items() if 0 <= row.train_id < VOID_TRAIN_ID}
    if set(labels.names) not in (evaluated, set(known)):
        return {}
    out: dict[str, list[int]] = {}
    for label in labels.classes:
        if label.name in evaluated:
            out.setdefault(known[label.name].category, []).append(label.id)
    return out


def groups_of(categories: Mapping[str, Sequence[int]], classes: int) -> list[int | None] | None:
    """(K,) the number of each class's category, None for a class in none; None if there are no categories."""
    group = {i: number for number, ids in enumerate(categories.values()) for i in ids}
    return [group.get(i) for i in range(classes)] if categories else None


def image_scores(ids: Sequence[str], rows: Sequence[Ints], columns: Columns) -> tuple[ImageScore, ...]:
    """Worst first: by mean IoU, then pixel accuracy; those without a labelled pixel last. `rows`: the pairs of each image."""
    labelled, hits = columns.by_unit(columns.tally.truth), columns.by_unit(columns.tally.hits)
    accuracies = ratio(hits, labelled)
    out = []
    for id, pairs, pixels, iou, accuracy in zip(ids, rows, labelled, columns.mean_iou, accuracies, strict=True):
        rejected = (pairs[:, 0] < columns.classes) & (pairs[:, 1] >= columns.classes)
        out.append(ImageScore(id, int(pixels), int(pairs[rejected, 2].sum()), float(iou), float(accuracy)))
    return tuple(sorted(out, key=lambda p: (np.isnan(p.mean_iou), p.mean_iou, p.pixel_accuracy, p.id)))


def units_of(pairs: Sequence[Pair]) -> tuple[Ints, int]:
    """(N,) the unit that each image belongs to, and how many units there are."""
    names = {unit: i for i, unit in enumerate(sorted({pair.unit for pair in pairs}))}
    return np.array([names[pair.unit] for pair in pairs], np.int64), len(names)


def intervals_of(columns: Columns, pairs: Sequence[Pair], resampling: Resampling) -> tuple[dict[str, Floats], int]:
    """The interval of each of `SCORES`, {} if there are too few units, and how many units there are."""
    units, count = units_of(pairs)
    return intervals_between(columns.summed(units, count)) if resampling.wanted else {}, count


def intervals_between(units: Columns, scores: Sequence[str] = SCORES) -> dict[str, Floats]:
    """The interval of each of some `SCORES` from the tallies of units, {} if there are too few of them."""
    if units.units < FEWEST:
        return {}
    bounds = {name: spread(units, name).interval() for name in scores}
    return {name: both if name == "iou" else both[:, 0] for name, both in bounds.items()}


def intervals_of_metrics(gathered: Gathered, columns: Columns) -> dict[str, Floats]:
    """Of each score of metrics that have `intervals`: (2, K), by its key, and (2,) of its mean, by mean_KEY."""
    units, count = units_of([pair for pair, _ in gathered.first])
    summed = columns.summed(units, count)
    out: dict[str, Floats] = {}
    for name, metric in gathered.metrics.items():
        if not metric.intervals:
            continue
        values = [gathered.zero[name]] * count
        for unit, (_, found) in zip(units.tolist(), gathered.first, strict=True):
            values[unit] = add_up({name: values[unit]}, found.metrics)[name]
        spreads = metric_spreads(values, gathered.zero[name], summed)
        for score, (classes, whole) in zip(metric.by_class(), spreads, strict=True):
            out |= {score.key: classes.interval(), f"mean_{score.key}": whole.interval()[:, 0]}
    return out


def compare(name: str, gathered: Gathered, labels: Labels, resampling: Resampling) -> Comparison:
    """The two predictions, over the images that both have. `name` is the second's.

    Raises `DatasetError` if there is no such image, and if their tiles cover other pixels.
    """
    both = [(pair, one, two) for pair, (one, two) in gathered.images if one is not None and two is not None]
    if not both:
        raise DatasetError(f"{name}: predicts no sample that the first prediction has: nothing to compare")
    units, count = units_of([pair for pair, _, _ in both])
    rows = [one.pairs for _, one, _ in both], [two.pairs for _, _, two in both]
    images = [Columns.of(pairs, len(labels.classes)) for pairs in rows]
    sides = [side.summed(units, count) for side in images]
    if not np.array_equal(sides[0].total.truth, sides[1].total.truth):
        raise DatasetError(f"{name}: its tiles leave out other parts than those it is compared with: --missing miss")
    ids = [pair.id for pair, _, _ in both]
    whole = compared(name, len(both), sides, resampling.wanted)
    return replace(whole, losses=losses(ids, *images), gains=gains(ids, *images))


def losses(ids: Sequence[str], pred: Columns, other: Columns) -> tuple[Loss, ...]:
    """The images in which the first has the lower mean IoU, the largest difference first."""
    pairs = zip(ids, pred.mean_iou.tolist(), other.mean_iou.tolist(), strict=True)
    return tuple(
        sorted((Loss(id, a, b) for id, a, b in pairs if a < b), key=lambda loss: (loss.pred - loss.other, loss.id))
    )


def gains(ids: Sequence[str], pred: Columns, other: Columns) -> tuple[Loss, ...]:
    """The images in which the first has the higher mean IoU, the largest difference first."""
    return tuple(Loss(one.id, one.other, one.pred) for one in losses(ids, other, pred))


def compared(name: str, images: int, sides: Sequence[Columns], wanted: bool) -> Comparison:
    """First minus second, two predictions of the same units, with the intervals of the differences, if they are wanted."""
    spreads = {score: [spread(side, score, paired=True) for side in sides] for score in SCORES}
    differences = {score: first - second for score, (first, second) in spreads.items()}
    bounds = {
        score: one.interval() if wanted else np.full((2, len(one.value)), np.nan) for score, one in differences.items()
    }
    return Comparison(
        name=name,
        images=images,
        scores={score: (float(spreads[score][0].value[0]), float(spreads[score][1].value[0])) for score in MEANS},
        difference={score: (float(differences[score].value[0]), bounds[score][:, 0]) for score in MEANS},
        iou=differences["iou"].value,
        iou_interval=bounds["iou"],
        better=float(differences["mean_iou"].sureness()[0]) if wanted else float("nan"),
    )
