"""The images of an evaluation summed up: tallies, boundaries, scores of images, categories, and two predictions compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segdata.errors import DatasetError
from segdata.labels import Labels
from segdata.metrics.bootstrap import SCORES, Columns, bootstrap, interval
from segdata.metrics.boundary import Boundary
from segdata.metrics.calibration import Calibration
from segdata.metrics.confusion import Floats, Ints, ratio
from segdata.ops.evaluate.result import Comparison, ImageScore
from segdata.readers.cityscapes_labels import TABLE, VOID_TRAIN_ID
from segdata.tiling.tiles import Pair


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What one prediction of one image gave, sparse: see `pair_counts` and `boundary_counts`. `uncovered`: pixels of truth
    that no tile predicts, which are left out, and `tiles` the tiles of truth that are wholly among them.
    """

    pairs: Ints
    boundary: Ints
    uncovered: int = 0
    tiles: tuple[str, ...] = ()
    calibration: Calibration | None = None


def cityscapes_categories(labels: Labels) -> dict[str, list[int]]:
    """The class ids of each category, where the classes are those of Cityscapes (19 or 34); else {}.

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


def units_of(pairs: Sequence[Pair]) -> tuple[Ints, int]:
    """(N,) which unit of the bootstrap each image belongs to, and how many there are."""
    names = {unit: i for i, unit in enumerate(sorted({pair.unit for pair in pairs}))}
    return np.array([names[pair.unit] for pair in pairs], np.int64), len(names)


def boundary_of(found: Iterable[Found], classes: int) -> Boundary:
    """All images' boundary counts."""
    counts = np.zeros((classes, 7), np.int64)
    for one in found:
        counts[one.boundary[:, 0]] += one.boundary[:, 1:]
    return Boundary(counts)


def groups_of(categories: Mapping[str, Sequence[int]], classes: int) -> list[int | None] | None:
    """(K,) the number of each class's category, None for those in none; None where there are no categories."""
    group = {i: number for number, ids in enumerate(categories.values()) for i in ids}
    return [group.get(i) for i in range(classes)] if categories else None


def image_scores(ids: Sequence[str], found: Sequence[Found], columns: Columns) -> tuple[ImageScore, ...]:
    """Worst first: by mean IoU, then pixel accuracy; those of void alone last."""
    labelled, hits = columns.by_unit(columns.tally.truth), columns.by_unit(columns.tally.hits)
    out = []
    for id, one, pixels, iou, accuracy in zip(
        ids, found, labelled, columns.mean_iou, ratio(hits, labelled), strict=True
    ):
        rejected = (one.pairs[:, 0] < columns.classes) & (one.pairs[:, 1] >= columns.classes)
        out.append(ImageScore(id, int(pixels), int(one.pairs[rejected, 2].sum()), float(iou), float(accuracy)))
    return tuple(sorted(out, key=lambda p: (np.isnan(p.mean_iou), p.mean_iou, p.pixel_accuracy, p.id)))


def intervals_of(columns: Columns, pairs: Sequence[Pair], draws: int, seed: int) -> tuple[dict[str, Floats], int]:
    """The interval of each score, {} where there is nothing to draw, and how many units there are to draw from."""
    units, count = units_of(pairs)
    if not draws or count < 2:
        return {}, count
    drawn = bootstrap(columns.summed(units, count), draws=draws, seed=seed)
    return {name: interval(values) for name, values in drawn.items()}, count


def compare(name: str, found: Sequence[tuple[Pair, Found, Found]], classes: int, draws: int, seed: int) -> Comparison:
    """Two predictions of the same images, from the same draws. Raises `DatasetError` where they cover other pixels."""
    units, count = units_of([pair for pair, _, _ in found])
    rows = [one.pairs for _, one, _ in found], [other.pairs for _, _, other in found]
    sides = [Columns.of(pairs, classes).summed(units, count) for pairs in rows]
    first, second = (side.total for side in sides)
    if not np.array_equal(first.truth, second.truth):
        raise DatasetError(f"{name}: its tiles leave out other parts than those it is compared with: --missing miss")
    drawn = [bootstrap(side, draws=draws if count > 1 else 0, seed=seed) for side in sides]
    scores = {score: (float(getattr(first, score)), float(getattr(second, score))) for score in SCORES[:-1]}
    bounds = {score: interval(drawn[0][score] - drawn[1][score]) for score in SCORES}
    better = drawn[0]["mean_iou"] > drawn[1]["mean_iou"]
    return Comparison(
        name=name,
        images=len(found),
        scores=scores,
        difference={score: (one - two, bounds[score]) for score, (one, two) in scores.items()},
        iou=first.iou - second.iou,
        iou_interval=bounds["iou"],
        better=float(better.mean()) if len(better) else float("nan"),
    )
