"""Labellings beside each other: votes counted over the whole set, the scores that follow, and where they agree least.

`agree` opens the datasets, pairs them by image, has `agree_item` count the votes of each image, and sums up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import combinations
from pathlib import Path

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError, Problem, refuse_nothing
from segdata.executors.run import Run
from segdata.labels import Labels, Mask
from segdata.metrics.agreement import Votes, class_kappa, kappa, kappa_interval, shared_columns
from segdata.metrics.base import Case
from segdata.metrics.boundary import Boundary, measure
from segdata.metrics.confusion import Confusion, Floats, Ints
from segdata.metrics.intervals import FEWEST, Columns, spread
from segdata.ops.agree.reading import Side, open_sides, read_sides, samples_of_all
from segdata.ops.agree.result import Agreement, Between, ImageAgreement
from segdata.readers.predictions.opening import refuse_two_valued
from segdata.tiling.tiles import Pair, pair_up
from segdata.tiling.units import frames, in_blocks, resampled
from segdata.words import some


@dataclass(frozen=True, slots=True)
class Task:
    """What every image needs: the sides without their samples, the labels of the first, and what to measure of boundaries."""

    sides: tuple[Side, ...]
    labels: Labels
    boundary: bool
    boundary_width: int | None
    boundary_f: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """The votes on one image, and the boundaries of every two annotators, in order; None where one has not labelled it."""

    votes: Votes
    boundaries: tuple[Boundary | None, ...]


@dataclass(frozen=True, slots=True)
class Gathered:
    """The votes on all images, one by one, and the boundaries of every two annotators, added up."""

    images: Sequence[tuple[Pair, Votes]]
    boundaries: Sequence[Boundary | None]


def agree(
    datasets: Sequence[Dataset | str | Path],
    *,
    split: str | None = None,
    match: str | None = None,
    resample: str | None = None,
    boundary: bool = True,
    boundary_width: int | None = None,
    boundary_f: bool = False,
    run: Run | None = None,
) -> Agreement:
    """Measure how far annotators agree, each of whom has labelled the same images in a dataset of its own.

    None of them is taken to be right. Images that two or more have labelled count, each pixel for those who do not ignore it.
    Classes are matched by name, samples by id or by their image; tiles are put together first.

    Raises `DatasetError` if the datasets have different classes or no image together, `OptionError`, and `DataError` for
    the first bad file or different sizes (`run.report` may skip instead). Every executor gives the same numbers.

    Args:
        datasets: The datasets of two annotators or more, or their folders; after the first also folders of mask files that are
            named after its samples.
        split: Compare this split of the first dataset only; several: a,b; all but one: !a.
        match: How samples and files are named after the samples of the first dataset, such as `{stem}_b`. By default they have
            the same names; folders above count where names alone do not tell.
        resample: What intervals take as one independent unit: image, group, or block:N for N images in a row of their ids,
            such as block:10 for frames of a video. By default group if there are any.
        boundary: Measure boundary IoU.
        boundary_width: The width of the bands of boundary IoU in pixels, by default 2 % of the diagonal.
        boundary_f: Measure boundary F too, which takes longer than all else.
    """
    run = run or Run()
    sides, renamed = open_sides(datasets, split, match)
    labels = sides[0].dataset.labels
    samples = samples_of_all(sides)
    kind = resampled(sides[0].dataset, samples, resample)
    pairs = in_blocks(pair_up(samples, [side.dataset.samples for side in sides], group=kind == "groups"), resample)
    several = [pair for pair in pairs if sum(map(bool, pair.preds)) > 1]
    _refuse_apart(sides, several)
    bare = tuple(replace(side, dataset=replace(side.dataset, samples=())) for side in sides)
    task = Task(bare, labels, boundary, boundary_width, boundary_f)
    nothing = Case.empty(labels)
    _boundary(nothing.truth, nothing.pred, task)  # refuses a wrong width before the work
    counted, problems = _count(several, task, run)
    found = _sum_up(sides, counted, kind)
    _refuse_two_valued(sides, found.votes)
    row = frames(several) if kind == "images" else None
    alone = tuple(pair.id for pair in pairs if sum(map(bool, pair.preds)) < 2)
    return replace(found, alone=alone, problems=tuple(problems), renamed=renamed, frames=row)


def _refuse_apart(sides: Sequence[Side], several: Sequence[Pair]) -> None:
    """Raise `DatasetError` if no image is in two datasets."""
    if several:
        return
    ids = "; ".join(f"{side.name}: {some([s.id for s in side.dataset], 3) or 'none'}" for side in sides)
    raise DatasetError(
        f"no image is in two of the datasets: their ids are {ids}: are these the same images? --match '{{stem}}' compares the "
        "last parts of their ids"
    )


def _count(pairs: Sequence[Pair], task: Task, run: Run) -> tuple[Gathered, list[Problem]]:
    """Count the votes on all images. Raises `DataError` if all were left out."""
    images: list[tuple[Pair, Votes]] = []
    problems: list[Problem] = []
    boundaries: list[Boundary | None] = [None] * len(list(combinations(task.sides, 2)))
    for pair, result in run.map(partial(agree_item, task=task), pairs):
        if isinstance(result, Problem):
            run.report.add(result)
            problems.append(replace(result, sample=pair.id))
        else:
            images.append((pair, result.votes))
            boundaries = [_added(one, more) for one, more in zip(boundaries, result.boundaries, strict=True)]
    if not images:
        refuse_nothing(problems)
    return Gathered(images, boundaries), problems


def _added(one: Boundary | None, other: Boundary | None) -> Boundary | None:
    """Both together, None if there is neither."""
    return one or other if one is None or other is None else one + other


def agree_item(pair: Pair, task: Task) -> Counted:
    """Count the votes on one image. Raises `DataError`."""
    masks = read_sides(pair, task.sides, task.labels)
    boundaries = tuple(
        None if one is None or other is None else _boundary(one, other, task) for one, other in combinations(masks, 2)
    )
    return Counted(Votes.of(masks, task.labels), boundaries)


def _boundary(one: Mask, other: Mask, task: Task) -> Boundary | None:
    """The boundaries of two masks, ignored where either is; None if they are not asked for. Raises `OptionError`."""
    ignore = np.array(task.labels.ignore, one.dtype)
    case = Case(np.where(other == ignore, ignore, one), other, task.labels)
    return measure(case, boundary=task.boundary, boundary_width=task.boundary_width, boundary_f=task.boundary_f)


def _refuse_two_valued(sides: Sequence[Side], votes: Votes) -> None:
    """Raise `DatasetError` for files of another program that hold class 0 and ignore alone, if the first dataset has more."""
    for number, side in enumerate(sides):
        if side.is_files:
            pairs = np.column_stack([votes.patterns[:, [0, number]].astype(np.int64), votes.pixels])
            refuse_two_valued(side.dataset, Confusion.from_pairs(pairs, votes.classes), "agree")


# Summed up


def _sum_up(sides: tuple[Side, ...], gathered: Gathered, kind: str) -> Agreement:
    """All images together."""
    names, labels = tuple(side.name for side in sides), sides[0].dataset.labels
    classes, votes = len(labels.classes), [one for _, one in gathered.images]
    units = Units.of_images([pair for pair, _ in gathered.images])
    shared = shared_columns(votes, classes)
    every = [part.all_pairs() for part in votes]
    return Agreement(
        sides=sides,
        names=names,
        labels=labels,
        votes=Votes.total(votes, len(sides), classes),
        fleiss=class_kappa(shared.total),
        fleiss_all=float(kappa(shared.total)),
        fleiss_interval=kappa_interval(shared.summed(units.of, units.count)),
        every=_between(names, len(votes), every, reduce(_added, gathered.boundaries), units, classes),
        pairs=tuple(_pairs(names, gathered, units, classes)),
        images=_images(gathered, Columns.of(every, classes).mean_iou),
        units=units.count,
        resampled=kind,
    )


def _pairs(names: Sequence[str], gathered: Gathered, units: Units, classes: int) -> Iterator[Between]:
    """Every two annotators."""
    every = combinations(range(len(names)), 2)
    for (one, other), boundary in zip(every, gathered.boundaries, strict=True):
        rows = [votes.pairs(one, other) for _, votes in gathered.images]
        images = sum(bool(pair.preds[one] and pair.preds[other]) for pair, _ in gathered.images)
        yield _between((names[one], names[other]), images, rows, boundary, units, classes)


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """What intervals leave out one at a time: `of` (N,) int64, that of each image, and how many there are."""

    of: Ints
    count: int

    @classmethod
    def of_images(cls, pairs: Sequence[Pair]) -> Units:
        """The units that images are in, by name."""
        names, of = np.unique([pair.unit for pair in pairs], return_inverse=True)
        return cls(of, len(names))


def _between(
    names: tuple[str, ...],
    images: int,
    rows: Sequence[Ints],
    boundary: Boundary | None,
    units: Units,
    classes: int,
) -> Between:
    """Of the pairs of pixels of each image."""
    confusion = Confusion.from_pairs(np.concatenate([np.empty((0, 3), np.int64), *rows]), classes)
    columns = Columns.of(rows, classes).summed(units.of, units.count)
    intervals: dict[str, Floats] = {}
    if units.count >= FEWEST:
        intervals = {"iou": spread(columns, "iou").interval(), "mean_iou": spread(columns, "mean_iou").interval()[:, 0]}
        intervals["kappa"] = kappa_interval(columns)
    return Between(names, images, confusion, intervals, boundary)


def _images(gathered: Gathered, mean_iou: Floats) -> tuple[ImageAgreement, ...]:
    """The least agreement first; those without a pixel of two votes last."""
    found = []
    for (pair, votes), iou in zip(gathered.images, mean_iou.tolist(), strict=True):
        pixels = int(votes.of_several.pixels.sum())
        found.append(ImageAgreement(pair.id, sum(map(bool, pair.preds)), pixels, votes.unanimous, iou))
    return tuple(sorted(found, key=lambda image: (np.isnan(image.mean_iou), image.mean_iou, image.id)))
