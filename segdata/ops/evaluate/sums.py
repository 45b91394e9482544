"""The images of an evaluation summed up: the matrix, metrics, scores of images and intervals; and two predictions compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from segdata.errors import DatasetError
from segdata.labels import Labels
from segdata.metrics import METRICS
from segdata.metrics.base import Metric
from segdata.metrics.bootstrap import Columns, bootstrap, interval
from segdata.metrics.confusion import Confusion, Floats, Ints, Tally, ratio
from segdata.metrics.conventions import Counts, conventions
from segdata.ops.evaluate.images import ByImage
from segdata.ops.evaluate.result import MEANS, Comparison, Evaluation, ImageScore, Loss
from segdata.readers.cityscapes_labels import TABLE, VOID_TRAIN_ID
from segdata.tiling.tiles import Pair

SCORES = (*MEANS, "iou")
"""The scores of a `Tally` that get intervals; `iou` is of each class."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What one prediction of one image gave: `pairs` (P, 3), see `pair_counts`, and its metrics.

    `uncovered`: pixels of truth that are left out, since no tile predicts them; `tiles`: the tiles of truth that have no others.
    """

    pairs: Ints
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    uncovered: int = 0
    tiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """What all images gave: what each prediction of an image gave, None if it has none; and the metrics of the first, added.

    `left_out`: the ids of images that could not be evaluated.
    """

    images: Sequence[tuple[Pair, tuple[Found | None, ...]]]
    metrics: Mapping[str, Metric]
    left_out: tuple[str, ...]

    @property
    def first(self) -> list[tuple[Pair, Found]]:
        """The images that have the first prediction."""
        return [(pair, found[0]) for pair, found in self.images if found[0] is not None]


@dataclass(frozen=True, slots=True)
class Drawing:
    """What intervals are drawn from: images, or groups of them; how often; and the seed."""

    of: str
    draws: int
    seed: int


def add_up(one: Mapping[str, Metric], other: Mapping[str, Metric]) -> dict[str, Metric]:
    """Each metric that either side has, of both together, in the order of `METRICS`."""
    both = {**one, **{name: one[name] + value if name in one else value for name, value in other.items()}}
    return {name: both[name] for name in METRICS if name in both}


def sum_up(gathered: Gathered, labels: Labels, drawing: Drawing) -> Evaluation:
    """The scores of all images that have the first prediction."""
    pairs, found = [pair for pair, _ in gathered.first], [one for _, one in gathered.first]
    classes, categories = len(labels.classes), cityscapes_categories(labels)
    rows = [one.pairs for one in found]
    columns = Columns.of(rows, classes)
    confusion = Confusion.from_pairs(np.concatenate([np.empty((0, 3), np.int64), *rows]), classes)
    ignored = any((pairs[:, 0] >= classes).any() for pairs in rows)
    intervals, units = intervals_of(columns, pairs, drawing)
    return Evaluation(
        labels=labels,
        confusion=confusion,
        metrics=gathered.metrics,
        images=image_scores([pair.id for pair in pairs], rows, columns),
        intervals=intervals,
        units=units,
        resampled=drawing.of,
        draws=drawing.draws,
        categories=categories,
        conventions=conventions(Counts(confusion, columns, ignored, groups_of(categories, classes))),
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
    """(N,) the unit of the bootstrap that each image belongs to, and how many units there are."""
    names = {unit: i for i, unit in enumerate(sorted({pair.unit for pair in pairs}))}
    return np.array([names[pair.unit] for pair in pairs], np.int64), len(names)


def intervals_of(columns: Columns, pairs: Sequence[Pair], drawing: Drawing) -> tuple[dict[str, Floats], int]:
    """The interval of each of `SCORES`, {} if there is nothing to draw, and how many units there are to draw from."""
    units, count = units_of(pairs)
    if not drawing.draws or count < 2:
        return {}, count
    (drawn,) = bootstrap(columns.summed(units, count), draws=drawing.draws, seed=drawing.seed)
    return {name: interval(getattr(drawn, name)) for name in SCORES}, count


def compare(name: str, gathered: Gathered, classes: int, drawing: Drawing) -> Comparison:
    """The two predictions, over the images that both have. `name` is the second's.

    Raises `DatasetError` if there is no such image, and if their tiles cover other pixels.
    """
    both = [(pair, one, two) for pair, (one, two) in gathered.images if one is not None and two is not None]
    if not both:
        raise DatasetError(f"{name}: predicts no sample that the first prediction has: nothing to compare")
    units, count = units_of([pair for pair, _, _ in both])
    rows = [one.pairs for _, one, _ in both], [two.pairs for _, _, two in both]
    images = [Columns.of(pairs, classes) for pairs in rows]
    sides = [side.summed(units, count) for side in images]
    first, second = (side.total for side in sides)
    if not np.array_equal(first.truth, second.truth):
        raise DatasetError(f"{name}: its tiles leave out other parts than those it is compared with: --missing miss")
    drawn = bootstrap(*sides, draws=drawing.draws if count > 1 else 0, seed=drawing.seed)
    return replace(
        _comparison(name, len(both), first, second, drawn), losses=losses([pair.id for pair, _, _ in both], *images)
    )


def losses(ids: Sequence[str], pred: Columns, other: Columns) -> tuple[Loss, ...]:
    """The images in which the first has the lower mean IoU, the largest difference first."""
    pairs = zip(ids, pred.mean_iou.tolist(), other.mean_iou.tolist(), strict=True)
    return tuple(
        sorted((Loss(id, a, b) for id, a, b in pairs if a < b), key=lambda loss: (loss.pred - loss.other, loss.id))
    )


def _comparison(name: str, images: int, first: Tally, second: Tally, drawn: Sequence[Tally]) -> Comparison:
    """First minus second, with the intervals that the draws of both give."""
    scores = {score: (float(getattr(first, score)), float(getattr(second, score))) for score in MEANS}
    bounds = {score: interval(getattr(drawn[0], score) - getattr(drawn[1], score)) for score in SCORES}
    better = drawn[0].mean_iou > drawn[1].mean_iou
    return Comparison(
        name=name,
        images=images,
        scores=scores,
        difference={score: (one - two, bounds[score]) for score, (one, two) in scores.items()},
        iou=first.iou - second.iou,
        iou_interval=bounds["iou"],
        better=float(better.mean()) if len(better) else float("nan"),
    )
