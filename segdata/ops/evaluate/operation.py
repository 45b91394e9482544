"""Predictions against truth: one confusion matrix over the whole set, and the scores that follow, with how far to trust them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.dataset.sample import Sample
from segdata.errors import DataError, DatasetError, OptionError, Problem, located, one_of
from segdata.executors.run import Run
from segdata.files.scores import open_scores
from segdata.labels import BACKGROUND, Labels, Mask, must_agree
from segdata.metrics.bootstrap import Columns
from segdata.metrics.boundary import boundary_counts
from segdata.metrics.calibration import Calibration
from segdata.metrics.confusion import Confusion, pair_counts
from segdata.metrics.conventions import Counts, conventions
from segdata.ops.evaluate.result import Comparison, Evaluation
from segdata.ops.evaluate.sums import (
    Found,
    boundary_of,
    cityscapes_categories,
    compare,
    groups_of,
    image_scores,
    intervals_of,
)
from segdata.tiling.tiles import Pair, Stitched, extent, extras, image_of, pair_up, read_stitched, tile_content
from segdata.windows import Window
from segdata.words import sized, some

Missing = Literal["list", "stop", "miss"]
"""What becomes of truth without a prediction: listed and left out, an error, or all its pixels missed."""

Resample = Literal["image", "group"]

ROWS = 256
"""Scores are read so many rows at a time."""


@dataclass(frozen=True, slots=True)
class Task:
    """All that an image needs to be evaluated, apart from itself. The datasets have no samples here."""

    truth: Dataset
    preds: tuple[Dataset, ...]
    missing: Missing
    boundary: bool
    width: int | None
    contours: bool


def evaluate(
    pred: Dataset | str | Path,
    truth: Dataset | str | Path,
    *,
    split: str | None = None,
    missing: Missing = "list",
    boundary: bool = True,
    boundary_width: int | None = None,
    boundary_f: bool = False,
    background: str | None = None,
    resample: Resample | None = None,
    draws: int = 1000,
    seed: int = 0,
    other: Dataset | str | Path | None = None,
    run: Run | None = None,
) -> Evaluation:
    """Compare a dataset of predicted masks with one of true masks, sample by sample of the same id and size.

    Tiles are put together first, and each pixel of their image counts once; tiles may be judged by whole images. A second
    prediction's difference gets a paired interval.

    Raises `DatasetError` if label contracts differ or nothing belongs together, `OptionError`, and `DataError` for the
    first bad file or wrong size (`run.report` may skip instead). The same numbers come of any executor.

    Args:
        pred: The dataset of predicted masks, or its folder.
        truth: The dataset of true masks, or its folder.
        split: Evaluate this split of `truth` only.
        missing: What becomes of true masks that have no prediction: list them and leave them out, stop, or count all their
            pixels as missed (miss).
        boundary: Measure boundary IoU.
        boundary_width: The width of the bands of boundary IoU in pixels, by default 2 % of the diagonal.
        boundary_f: Measure boundary F too, which takes longer than all else.
        background: Give means without this class too, by default the one called background.
        resample: What the intervals draw from: images or groups. By default groups if `truth` has any.
        draws: How often the intervals draw; 0 gives none.
        seed: The seed of these draws.
        other: A second prediction to compare with: the differences are `pred` minus this one.
    """
    sides = [_opened(pred), *([] if other is None else [_opened(other)])]
    truth = _opened(truth)
    _check(truth, sides, missing, resample, draws, seed, boundary_width)
    chosen = truth if split is None else truth.split(split)
    grouped = any(sample.group is not None for sample in chosen) if resample is None else resample == "group"
    pairs = pair_up(chosen.samples, [side.samples for side in sides], group=grouped)
    lacking = tuple(s.id for pair in pairs if not pair.preds[0] for s in pair.truth)
    _refuse_missing(chosen, sides[0], lacking, missing)
    task = Task(
        replace(truth, samples=()),
        tuple(replace(s, samples=()) for s in sides),
        missing,
        boundary,
        boundary_width,
        boundary_f,
    )
    gathered, bad = _gather(pairs, task, run or Run())
    kept = [(pair, found[0]) for pair, found in gathered if found[0] is not None]
    found = [one for _, one in kept]
    tiles = _lost_tiles(found, missing)
    classes, categories = len(truth.labels.classes), cityscapes_categories(truth.labels)
    rows = [one.pairs for one in found]
    columns, confusion = Columns.of(rows, classes), Confusion.from_pairs(np.concatenate(rows), classes)
    intervals, units = intervals_of(columns, [pair for pair, _ in kept], draws, seed)
    void = any((pairs[:, 0] >= classes).any() for pairs in rows)
    return Evaluation(
        labels=truth.labels,
        confusion=confusion,
        boundary=boundary_of(found, classes) if boundary else None,
        contours=boundary_f,
        calibration=_calibration(found),
        images=image_scores([pair.id for pair, _ in kept], found, columns),
        intervals=intervals,
        units=units,
        resampled="groups" if grouped else "images",
        draws=draws,
        background=_background(truth.labels, background),
        categories=categories,
        conventions=conventions(Counts(confusion, columns, void, groups_of(categories, classes))),
        missing=tuple(sorted((*lacking, *tiles))),
        extra=extras(truth.samples, sides[0].samples),
        uncovered=sum(one.uncovered for one in found),
        left_out=bad,
        comparison=None if other is None else _compared(sides[1], gathered, classes, draws, seed),
    )


def evaluate_item(pair: Pair, task: Task) -> tuple[Found | None, ...]:
    """What each prediction of an image gives; None where it has none and that is listed. Raises `DataError`."""
    whole = _size(pair)
    truth = read_stitched(task.truth, pair.truth, whole)
    return tuple(
        None if not samples and task.missing != "miss" else _found(pair, truth, dataset, samples, task)
        for dataset, samples in zip(task.preds, pair.preds, strict=True)
    )


def _found(pair: Pair, truth: Stitched, dataset: Dataset, samples: Sequence[Sample], task: Task) -> Found:
    labels = task.truth.labels
    if samples:
        pred = read_stitched(dataset, samples, truth.mask.shape)
    else:
        pred = Stitched(np.full_like(truth.mask, labels.ignore))
    if pred.mask.shape != truth.mask.shape:
        message = f"the prediction is {sized(pred.mask)}, truth {sized(truth.mask)} (width x height): predict it at its own size"
        raise DataError(Problem("evaluate.size", message, sample=pair.id))
    mask, uncovered = truth.mask, 0
    tiles: tuple[str, ...] = ()
    if pred.covered is not None and task.missing != "miss":
        lost = ~pred.covered & (mask != labels.ignore)
        uncovered = int(np.count_nonzero(lost))
        if uncovered:
            tiles = tuple(s.id for s in pair.truth if s.window is not None and not pred.covered[s.window.slices].any())
            mask = np.where(lost, np.array(labels.ignore, labels.dtype), mask)
    try:
        pairs = pair_counts(mask, pred.mask, labels)
    except ValueError as error:
        raise DataError(Problem("mask.values", f"{error}: segdata check finds out more", sample=pair.id)) from error
    edges = np.empty((0, 8), np.int64)
    if task.boundary:
        edges = boundary_counts(mask, pred.mask, labels, width=task.width, contours=task.contours)
    return Found(pairs, edges, uncovered, tiles, _calibrated(mask, pred, dataset, samples))


def _calibrated(truth: Mask, pred: Stitched, dataset: Dataset, samples: Sequence[Sample]) -> Calibration | None:
    """From the scores of the prediction; None where it has none, or tiles that were scaled. Raises `DataError`."""
    if not samples or any(
        s.scores is None or tile_content(s) != (s.window or s.crop or (0, 0, *s.size))[2:] for s in samples
    ):
        return None
    total = Calibration.empty()
    for number, sample in enumerate(samples):
        window = Window(0, 0, *sample.size) if pred.owner is None or sample.window is None else sample.window
        part = truth[window.slices]
        if pred.owner is not None:  # a pixel of two tiles counts in the one that it was taken from
            part = np.where(pred.owner[window.slices] == number, part, np.array(dataset.labels.ignore, part.dtype))
        with located(sample=sample.id), open_scores(dataset.inside(str(sample.scores))) as scores:
            for y in range(0, window.height, ROWS):
                rows = Window(y, 0, min(ROWS, window.height - y), window.width)
                total += _bins(scores.read(rows), part[rows.slices], dataset.labels, str(sample.scores))
    return total


def _bins(probs: NDArray[np.float32], truth: Mask, labels: Labels, file: str) -> Calibration:
    try:
        return Calibration.of(probs, truth, labels)
    except ValueError as error:
        raise DataError(Problem("scores.size", f"{error}: predict again", file=file)) from error


def _opened(dataset: Dataset | str | Path) -> Dataset:
    return dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)


def _check(
    truth: Dataset,
    sides: Sequence[Dataset],
    missing: str,
    resample: str | None,
    draws: int,
    seed: int,
    width: int | None,
) -> None:
    one_of("missing", missing, Missing)
    if resample is not None:
        one_of("resample", resample, Resample)
    if draws < 0 or seed < 0 or (width is not None and width < 1):
        raise OptionError("--draws and --seed must be 0 or more, --boundary-width 1 or more")
    for side in sides:
        way_out = f"bring them together with segdata remap, or convert {folder_name(truth)} with the same classes"
        must_agree(side.labels, truth.labels, folder_name(side), folder_name(truth), way_out)


def _refuse_missing(truth: Dataset, pred: Dataset, lacking: Sequence[str], missing: Missing) -> None:
    """Raise `DatasetError` where nothing belongs together, or where something is missing and must not."""
    if not truth.samples:
        raise DatasetError(f"{truth.root}: there is nothing to evaluate: it has no samples")
    if len(lacking) == len(truth.samples) and missing != "miss":
        theirs, ours = some([s.id for s in pred], 3) or "none", some([s.id for s in truth], 3)
        raise DatasetError(
            f"{pred.root}: predicts no sample of {truth.root}: its ids are {theirs}, those of truth {ours}"
        )
    if lacking and missing == "stop":
        raise DatasetError(
            f"{pred.root}: {len(lacking):,} of {len(truth):,} samples have no prediction: {some(lacking)}"
        )


def _gather(
    pairs: Sequence[Pair], task: Task, run: Run
) -> tuple[list[tuple[Pair, tuple[Found | None, ...]]], tuple[str, ...]]:
    """Evaluate all images; returns those that could be, and the ids of those that could not."""
    gathered, bad = [], []
    for pair, result in run.map(partial(evaluate_item, task=task), pairs):
        if isinstance(result, Problem):
            run.report.add(result)
            bad.append(pair.id)
        else:
            gathered.append((pair, result))
    return gathered, tuple(bad)


def _size(pair: Pair) -> tuple[int, int]:
    """(height, width) of an image of truth; where truth is tiles, as far as any tile reaches."""
    sizes = [extent(samples) for samples in (pair.truth, *pair.preds) if samples]
    if pair.truth[0].id == image_of(pair.truth[0]):
        return pair.truth[0].size
    return max(h for h, _ in sizes), max(w for _, w in sizes)


def _lost_tiles(found: Sequence[Found], missing: Missing) -> list[str]:
    """The tiles of truth that are not predicted. Raises `DatasetError` where none must be."""
    tiles = [id for one in found for id in one.tiles]
    uncovered = sum(one.uncovered for one in found)
    if missing == "stop" and uncovered:
        raise DatasetError(f"{uncovered:,} pixels of truth are in no tile of the prediction: {some(tiles)}")
    return tiles


def _compared(
    other: Dataset, gathered: Sequence[tuple[Pair, tuple[Found | None, ...]]], classes: int, draws: int, seed: int
) -> Comparison:
    both = [(pair, one, two) for pair, (one, two) in gathered if one is not None and two is not None]
    if not both:
        raise DatasetError(f"{other.root}: predicts no sample that the first prediction has: nothing to compare")
    return compare(folder_name(other), both, classes, draws, seed)


def _calibration(found: Sequence[Found]) -> Calibration | None:
    parts = [one.calibration for one in found if one.calibration is not None]
    return sum(parts[1:], parts[0]) if parts else None


def _background(labels: Labels, name: str | None) -> int | None:
    if name is not None:
        return labels.id(name)
    return labels.id(BACKGROUND) if BACKGROUND in labels.names else None
