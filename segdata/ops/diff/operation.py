"""Two labellings beside each other: what changed in classes, samples and pixels from one dataset to another. Nothing is written.

`diff` pairs the images of both sides, counts those whose masks are of the same bytes by the manifest, and has `compare_item`
read the others. Counts of pixel pairs are those of `segdata.metrics.confusion`: of two versions of truth and prediction they
are the matrix that `evaluate` gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.errors import OptionError, Problem, one_of, refuse_nothing
from segdata.executors.run import Run
from segdata.labels import Labels, Remap, into_union, union_of
from segdata.metrics.confusion import Confusion, Ints, pair_counts
from segdata.ops.diff.classes import ClassChanges, find_renamed
from segdata.ops.diff.known import known_rows
from segdata.ops.diff.regions import Region, changed_regions, largest
from segdata.ops.diff.result import Difference, image_changes
from segdata.ops.diff.samples import (
    ImagesBy,
    Paired,
    Resized,
    image_changed,
    known_resized,
    open_sides,
    pair_samples,
    refuse_rescaled,
)
from segdata.readers.predictions.opening import is_files, read_predicted, refuse_elsewhere, refuse_two_valued
from segdata.tiling.tiles import Pair, Stitched, extent, is_whole


@dataclass(frozen=True, slots=True)
class Side:
    """A dataset without its samples, and how its values become those of the union (None: they are the same)."""

    dataset: Dataset
    remap: Remap | None

    @classmethod
    def of(cls, dataset: Dataset, union: Labels) -> Side:
        """Of a dataset."""
        return cls(replace(dataset, samples=()), into_union(dataset.labels, union))

    def values(self) -> Mapping[int, int]:
        """What each value of its masks is in the union."""
        labels = self.dataset.labels
        known = [*range(len(labels.classes)), labels.ignore]
        return {v: v if self.remap is None else self.remap.value(None if v == labels.ignore else v) for v in known}


@dataclass(frozen=True, slots=True)
class Task:
    """What every image needs to be compared. `renamable`: the ids of classes that only one side has."""

    before: Side
    after: Side
    union: Labels
    images_by: ImagesBy
    renamable: frozenset[int]
    worst: int


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What an image gave: `rows` (P, 3), see `pair_counts`; the largest `regions`, and how many there are of each change.

    `uncovered`: pixels that only tiles before have, and only those after. `image`: whether its file changed, None if that is
    unknown. `known`: the masks were not opened, as they are of the same bytes. `resized`: it has another size, and no rows.
    """

    rows: Ints
    regions: Sequence[Region] = ()
    counts: Mapping[tuple[int, int], int] = field(default_factory=dict)
    uncovered: tuple[int, int] = (0, 0)
    image: bool | None = None
    known: bool = False
    resized: Resized | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """What all images gave, in their order; the largest `regions` of all; and the ids of those that could not be compared."""

    images: Sequence[tuple[str, Found]]
    regions: Sequence[Region]
    left_out: tuple[str, ...]


def diff(
    a: Dataset | str | Path,
    b: Dataset | str | Path,
    *,
    split: str | None = None,
    match: str | None = None,
    images_by: ImagesBy = "length",
    worst: int = 20,
    run: Run | None = None,
) -> Difference:
    """What changed from one dataset to another: classes by name, samples, and pixels, as a matrix from each class to each.

    Masks of the same bytes, as both manifests say, are not opened, if their values mean the same: `check` finds those that were
    edited since. Others are compared pixel by pixel, tiles after they are put together. Pixels are of one class if its names
    are equal, whatever its ids.

    Raises `DatasetError` if nothing belongs together, or all images have another size, `OptionError`, and `DataError` for the
    first bad file (`run.report` may skip instead). Every executor gives the same result.

    Args:
        a: The dataset before, its folder, or a folder of mask files named after the samples of `b`.
        b: The dataset after, its folder, or a folder of mask files named after the samples of `a`.
        split: Compare this split only, images that are in it on either side; several: a,b; all but one: !a.
        match: How the samples of `b` are named after those of `a`, such as `{stem}_pred`. By default they have the same names; an
            image or mask of the same bytes tells it too.
        images_by: How images are compared: by the length of their files, by their bytes, which reads all of them, or not
            (nothing).
        worst: How many regions are listed and shown: the largest that changed.
    """
    one_of("images-by", images_by, ImagesBy)
    if worst < 1:
        raise OptionError(f"--worst {worst}: must be 1 or more")
    run = run or Run()
    before, after = open_sides(a, b, match)
    union = union_of([before.labels, after.labels])
    paired = pair_samples(before, after, split)
    refuse_rescaled(paired, paired.changes.resized)
    task = _task(paired, union, images_by, worst)
    whole = _sum_up(paired, task, _gather(paired.pairs, task, run))
    for side, ends in ((after, [0, 1, 2]), (before, [1, 0, 2])):
        if is_files(side):
            refuse_two_valued(side, Confusion.from_pairs(whole.pairs[:, ends], len(union.classes)), "diff")
    return whole


def _task(paired: Paired, union: Labels, images_by: ImagesBy, worst: int) -> Task:
    alone = set(paired.before.labels.names) ^ set(paired.after.labels.names)
    ids = frozenset(i for i, name in enumerate(union.names) if name in alone)
    return Task(Side.of(paired.before, union), Side.of(paired.after, union), union, images_by, ids, worst)


def _gather(pairs: Sequence[Pair], task: Task, run: Run) -> Gathered:
    """Compare all images; of regions only the largest are kept as they come. Raises `DataError` if all were left out."""
    values = task.before.values(), task.after.values()
    known = {pair.id: rows for pair in pairs if (rows := known_rows(pair, *values, task.renamable)) is not None}
    work = [(pair, known.get(pair.id)) for pair in pairs if pair.id not in known or task.images_by == "bytes"]
    done: dict[str, Found] = {}
    bad: dict[str, Problem] = {}
    regions: list[Region] = []
    for (pair, _), result in run.map(partial(compare_item, task=task), work):
        if isinstance(result, Problem):
            run.report.add(result)
            bad[pair.id] = replace(result, sample=pair.id)
        else:
            done[pair.id] = replace(result, regions=())
            regions = largest([*regions, *result.regions], task.worst, task.renamable) if result.regions else regions
    for pair in pairs:
        if pair.id not in done and pair.id not in bad:
            done[pair.id] = compare_item((pair, known[pair.id]), task)
    if not done:
        refuse_nothing([*bad.values()])
    return Gathered([(pair.id, done[pair.id]) for pair in pairs if pair.id in done], regions, tuple(bad))


def compare_item(work: tuple[Pair, Ints | None], task: Task) -> Found:
    """Compare one image, whose rows may be known already. Raises `DataError`."""
    pair, rows = work
    image = image_changed(task.before.dataset, task.after.dataset, pair, task.images_by)
    if rows is not None:
        return Found(rows, image=image, known=True)
    if (resized := known_resized(pair)) is None:
        before, after = read_sides(pair, task.before, task.after)
        if before.mask.shape == after.mask.shape:
            return replace(_compared(pair.id, before, after, task), image=image)
        resized = Resized(pair.id, before.mask.shape, after.mask.shape)
    return Found(np.empty((0, 3), np.int64), image=image, resized=resized)


def read_sides(pair: Pair, before: Side, after: Side) -> tuple[Stitched, Stitched]:
    """Both masks of an image, put together if they are tiles, in values of the union. Raises `DataError`."""
    refuse_elsewhere(after.dataset, pair.preds[0], before.dataset, pair.truth[0], "diff")
    refuse_elsewhere(before.dataset, pair.truth, after.dataset, pair.preds[0][0], "diff")
    size = _size(pair)
    found = []
    for side, samples in ((before, pair.truth), (after, pair.preds[0])):
        one = read_predicted(side.dataset, samples, size, "diff")
        found.append(one if side.remap is None else replace(one, held=side.remap(one.mask)))
    return found[0], found[1]


def _size(pair: Pair) -> tuple[int, int]:
    """(height, width) of an image: of a side that is one sample, or otherwise as far as any tile reaches."""
    sides = pair.truth, pair.preds[0]
    known = [extent(samples) for samples in sides if is_whole(samples) and samples[0].size != (0, 0)]
    sizes = known or [extent(samples) for samples in sides]
    return max(h for h, _ in sizes), max(w for _, w in sizes)


def _compared(id: str, before: Stitched, after: Stitched, task: Task) -> Found:
    """What two masks of one size give, where both have pixels."""
    one, other, uncovered = before.mask, after.mask, (0, 0)
    if before.covered is None and after.covered is None:
        rows = pair_counts(one, other, task.union)
    else:
        here, there = (_covered(side) for side in (before, after))
        uncovered = int((here & ~there).sum()), int((there & ~here).sum())
        both = here & there
        rows = pair_counts(one[both], other[both], task.union)
        other = np.where(both, other, one)
    if not (rows[:, 0] != rows[:, 1]).any():
        return Found(rows, uncovered=uncovered)
    regions, counts = changed_regions(id, one, other, task.worst, task.renamable)
    return Found(rows, regions, counts, uncovered)


def _covered(side: Stitched) -> NDArray[np.bool_]:
    return np.ones(side.mask.shape, bool) if side.covered is None else side.covered


def _sum_up(paired: Paired, task: Task, gathered: Gathered) -> Difference:
    """All images together. Raises `DatasetError` if all have another size."""
    ids, each = tuple(id for id, _ in gathered.images), [one for _, one in gathered.images]
    resized = tuple(one.resized for one in each if one.resized is not None)
    refuse_rescaled(paired, resized)
    rows = _numbered([one.rows for one in each])
    pairs = _added_up(rows[:, 1:], task.union)
    renamed = find_renamed(paired.before.labels, paired.after.labels, task.union, pairs)
    names = {(task.union.id(one.before), task.union.id(one.after)) for one in renamed}
    images = tuple(id for id, one in gathered.images if one.image)
    return Difference(
        before=paired.before,
        after=paired.after,
        names=(folder_name(paired.before), folder_name(paired.after)),
        labels=task.union,
        classes=ClassChanges.of(paired.before.labels, paired.after.labels, renamed),
        samples=replace(paired.changes, resized=resized, images=images, unseen=sum(one.image is None for one in each)),
        pairs=pairs,
        images=image_changes(ids, rows, sorted(names)),
        rows=rows[rows[:, 1] != rows[:, 2]],
        ids=ids,
        regions=tuple(largest([r for r in gathered.regions if r.change not in names], task.worst)),
        region_count=sum(n for one in each for change, n in one.counts.items() if change not in names),
        unopened=sum(one.known for one in each),
        uncovered=(sum(one.uncovered[0] for one in each), sum(one.uncovered[1] for one in each)),
        left_out=gathered.left_out,
    )


def _numbered(rows: Sequence[Ints]) -> Ints:
    """(R, 4) int64: the rows (P, 3) of all images, behind the number of each."""
    number = np.repeat(np.arange(len(rows)), [len(one) for one in rows])
    return np.column_stack([number, np.concatenate([np.empty((0, 3), np.int64), *rows])])


def _added_up(rows: Ints, labels: Labels) -> Ints:
    """(R, 3) -> (P, 3) int64: each pair of values once, in ascending order, with all its pixels."""
    values = labels.ignore + 1
    codes, place = np.unique(rows[:, 0] * values + rows[:, 1], return_inverse=True)
    pixels = np.zeros(len(codes), np.int64)
    np.add.at(pixels, place, rows[:, 2])
    return np.column_stack([codes // values, codes % values, pixels])
