"""Predictions against truth: one confusion matrix over the whole set, and the scores that follow, with how far to trust them.

`evaluate` checks the options, pairs the samples of both datasets by image, has `evaluate_item` measure each image, and sums up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.dataset.match import renamed_like
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError, OptionError, Problem, located, one_of, refuse_nothing
from segdata.executors.run import Run
from segdata.files.changes import Changes, drawn
from segdata.labels import BACKGROUND, Labels, Mask, must_agree
from segdata.metrics import measures
from segdata.metrics.base import Case, Metric
from segdata.metrics.confusion import pair_counts
from segdata.ops.evaluate.images import check_slice
from segdata.ops.evaluate.result import Evaluation
from segdata.ops.evaluate.sums import (
    Found,
    Gathered,
    Resampling,
    add_up,
    compare,
    sum_up,
)
from segdata.readers.predictions.opening import (
    open_predictions,
    read_predicted,
    refuse_elsewhere,
    refuse_swapped,
    refuse_two_valued,
)
from segdata.tiling.area import Area, area_of_image, ground_of_image, refuse_area, touches
from segdata.tiling.tiles import (
    Pair,
    Stitched,
    by_image,
    extent,
    extras,
    image_of,
    must_match,
    pair_up,
    read_stitched,
    tile_content,
)
from segdata.tiling.units import frames, in_blocks, resampled
from segdata.windows import Window
from segdata.words import some

Missing = Literal["list", "stop", "miss"]
"""What becomes of truth without a prediction: it is listed and left out, is an error, or has all its pixels missed."""

ROWS = 256
"""How many rows of scores are read at a time."""

Measures = Mapping[str, Callable[[Case], Metric | None]]


@dataclass(frozen=True, slots=True)
class Task:
    """What every image needs to be evaluated: both sides without their samples, the option `missing`, the metrics, and the area
    whose pixels count (None: all).

    `measured`: whether a metric measures anything but scores.
    """

    truth: Dataset
    preds: tuple[Dataset, ...]
    missing: Missing
    measures: Measures
    area: Area | None = None
    measured: bool = True


def evaluate(
    pred: Dataset | str | Path,
    truth: Dataset | str | Path,
    *,
    split: str | None = None,
    missing: Missing = "list",
    background: str | None = None,
    resample: str | None = None,
    draws: int = 1000,
    seed: int = 0,
    other: Dataset | str | Path | None = None,
    match: str | None = None,
    slice: str | None = None,
    aoi: str | Path | None = None,
    aoi_crs: str | None = None,
    aoi_layer: str | None = None,
    run: Run | None = None,
    **options: Any,
) -> Evaluation:
    """Compare a dataset of predicted masks with one of true masks, sample by sample of the same id and size.

    Tiles are put together first, and each pixel of their image counts once; tiles may be judged by whole images. A second
    prediction's difference gets a paired interval.

    `options` are those of the metrics (`segdata.metrics`): `boundary_f=True`, for example. Calibration comes with scores.

    Raises `DatasetError` if label contracts differ or nothing belongs together, `OptionError`, and `DataError` for the
    first bad file or wrong size (`run.report` may skip instead). Every executor gives the same numbers.

    Args:
        pred: The dataset of predicted masks, its folder, or a folder of mask files named after the samples of `truth`.
        truth: The dataset of true masks, or its folder.
        split: Evaluate this split of `truth` only; several: a,b; all but one: !a.
        missing: What becomes of true masks that have no prediction: list them and leave them out, stop, or count all their
            pixels as missed (miss).
        background: Give means without this class too, by default the one called background.
        resample: What intervals take as one independent unit: image, group, or block:N for N images in a row of their ids,
            such as block:10 for frames of a video. By default group if `truth` has any.
        draws: Give no intervals if 0. Every other number gives the same ones: they are calculated, not drawn.
        seed: Changes nothing, as nothing is drawn; it is here for older calls.
        other: A second prediction to compare with: the differences are `pred` minus this one.
        match: How predictions are named after the samples of `truth`, such as `{stem}_pred`. By default they have the same names;
            folders above count where names alone do not tell.
        slice: Give the scores of parts of the images too: by split, by group, or by a column of a CSV file with ids in its
            first column (`weather.csv:weather`).
        aoi: A file of polygons, in GeoJSON or another format of `convert vector`. Only pixels inside count, and images without
            such pixels are left out. The images of `truth` say where they lie, or its masks if it has none.
        aoi_crs: The coordinate system of `aoi`: EPSG:..., or pixel. By default what the file says, or else longitude and
            latitude, or pixel for images without coordinates.
        aoi_layer: The layer of `aoi` to read, if it has several.
    """
    run = run or Run()
    truth = Dataset.of(truth)
    chosen = truth if split is None else truth.split(split)
    area = Area.given(aoi, aoi_crs, aoi_layer)
    if area is not None:
        chosen = _within(chosen, area, run)
    given = [open_predictions(side, truth, chosen, match) for side in (pred, *([] if other is None else [other]))]
    _check(truth, given, missing, draws, seed)
    check_slice(slice, chosen)
    refuse_swapped(given[0], truth)
    found = [renamed_like(side, truth) for side in given]
    sides = [side for side, _ in found]
    task = Task(_bare(truth), tuple(_bare(side) for side in sides), missing, measures(**options), area)
    zero = _measured(Case.empty(truth.labels), task.measures)
    task = replace(task, measured=bool(zero))
    resampling = Resampling(resampled(truth, chosen.samples, resample), wanted=draws > 0)
    leaves_out = _background(truth.labels, background)

    grouped = resampling.of == "groups"
    pairs = in_blocks(pair_up(chosen.samples, [side.samples for side in sides], group=grouped), resample)
    lacking = [s.id for pair in pairs if not pair.preds[0] for s in pair.truth]
    _refuse_missing(chosen, sides[0], lacking, missing)
    gathered = _gather(pairs, task, zero, run, intervals=resampling.wanted)
    tiles = _lost_tiles(gathered, missing)
    whole = sum_up(gathered, truth.labels, resampling)
    refuse_two_valued(sides[0], whole.confusion)
    return replace(
        whole,
        area=area,
        frames=frames(pairs) if resampling.of == "images" else None,
        slices=whole.by_image.slices(slice) if slice is not None and whole.by_image is not None else None,
        background=leaves_out,
        missing=tuple(sorted((*lacking, *tiles))),
        extra=extras(truth.samples, sides[0].samples),
        renamed=found[0][1],
        comparison=compare(folder_name(sides[1]), gathered, truth.labels, resampling) if sides[1:] else None,
    )


def _bare(dataset: Dataset) -> Dataset:
    """Without samples, which would travel to every process."""
    return replace(dataset, samples=())


def _within(dataset: Dataset, area: Area, run: Run) -> Dataset:
    """The samples whose images have pixels in an area. Raises `DatasetError` if there are none."""
    images = list(by_image(dataset.samples).values())
    found = list(run.map(partial(_touched, dataset=_bare(dataset), area=area), images))
    samples = [sample for image, touched in found if touched for sample in image]
    if images and not samples:
        refuse_area(area.features, area.file, dataset, area.crs)
    return replace(dataset, samples=samples)


def _touched(image: Sequence[Sample], dataset: Dataset, area: Area) -> bool:
    """Whether an image, that is one sample or some tiles, has pixels in an area. Raises `DataError`."""
    return any(touches(sample, dataset, area) for sample in image)


def _check(truth: Dataset, sides: Sequence[Dataset], missing: str, draws: int, seed: int) -> None:
    one_of("missing", missing, Missing)
    if draws < 0 or seed < 0:
        raise OptionError("--draws and --seed must be 0 or more")
    for side in sides:
        way_out = f"bring them together with segdata remap, or convert {folder_name(truth)} with the same classes"
        must_agree(side.labels, truth.labels, folder_name(side), folder_name(truth), way_out)


def _background(labels: Labels, name: str | None) -> int | None:
    if name is not None:
        return labels.id(name)
    return labels.id(BACKGROUND) if BACKGROUND in labels.names else None


def _refuse_missing(truth: Dataset, pred: Dataset, lacking: Sequence[str], missing: Missing) -> None:
    """Raise `DatasetError` if nothing belongs together, or if something is missing and must not be."""
    if not truth.samples:
        raise DatasetError(f"{truth.root}: there is nothing to evaluate: it has no samples")
    if len(lacking) == len(truth.samples) and missing != "miss":
        theirs, ours = some([s.id for s in pred], 3) or "none", some([s.id for s in truth], 3)
        raise DatasetError(
            f"{pred.root}: predicts no sample of {truth.root}: its ids are {theirs}, those of truth {ours}: are these the same "
            "images? --match '{stem}' compares the last parts of their ids"
        )
    if lacking and missing == "stop":
        raise DatasetError(
            f"{pred.root}: {len(lacking):,} of {len(truth):,} samples have no prediction: {some(lacking)}"
        )


def _lost_tiles(gathered: Gathered, missing: Missing) -> list[str]:
    """The tiles of truth that are not predicted. Raises `DatasetError` if there must be none."""
    found = [one for _, one in gathered.first]
    tiles = [id for one in found for id in one.tiles]
    uncovered = sum(one.uncovered for one in found)
    if missing == "stop" and uncovered:
        raise DatasetError(f"{uncovered:,} pixels of truth are in no tile of the prediction: {some(tiles)}")
    return tiles


def _gather(pairs: Sequence[Pair], task: Task, zero: Mapping[str, Metric], run: Run, *, intervals: bool) -> Gathered:
    """Evaluate all images; metrics are added as they come, onto `zero`, and only those that need `intervals` are kept too.

    Raises `DataError` if all were left out.
    """
    images: list[tuple[Pair, tuple[Found | None, ...]]] = []
    bad: list[Problem] = []
    total = zero
    for pair, result in run.map(partial(evaluate_item, task=task), pairs):
        if isinstance(result, Problem):
            run.report.add(result)
            bad.append(replace(result, sample=pair.id))
            continue
        if result[0] is not None:
            total = add_up(total, result[0].metrics)
        images.append((pair, tuple(None if one is None else _kept(one, intervals) for one in result)))
    if not any(found[0] for _, found in images):
        refuse_nothing(bad)
    return Gathered(images, total, tuple(str(problem.sample) for problem in bad), zero)


def _kept(found: Found, intervals: bool) -> Found:
    """What must be kept of an image once its metrics are added."""
    return replace(found, metrics={name: one for name, one in found.metrics.items() if intervals and one.intervals})


def evaluate_item(pair: Pair, task: Task) -> tuple[Found | None, ...]:
    """What each prediction of an image gives; None for one that is missing and listed. Metrics are of the first alone.

    Raises `DataError`.
    """
    truth = read_stitched(task.truth, pair.truth, _size(pair))
    if task.area is not None:
        inside = area_of_image(task.area, task.truth, pair.truth[0], truth.held.shape)
        truth = replace(truth, held=inside.kept(truth.mask, task.truth.labels.ignore))
    out: list[Found | None] = []
    for number, (dataset, samples) in enumerate(zip(task.preds, pair.preds, strict=True)):
        if not samples and task.missing != "miss":
            out.append(None)
        else:
            out.append(_found(pair, truth.held, dataset, samples, task, {} if number else task.measures))
    return tuple(out)


def _size(pair: Pair) -> tuple[int, int]:
    """(height, width) of an image of truth; if truth is tiles, as far as any tile reaches."""
    sizes = [extent(samples) for samples in (pair.truth, *pair.preds) if samples]
    if pair.truth[0].id == image_of(pair.truth[0]):
        return pair.truth[0].size
    return max(h for h, _ in sizes), max(w for _, w in sizes)


def _found(
    pair: Pair, held: Mask | Changes, dataset: Dataset, samples: Sequence[Sample], task: Task, measures: Measures
) -> Found:
    """What the `samples` of one prediction give; all of (H, W) truth is missed if there are none.

    Both masks are drawn only if that is needed: by tiles, by scores, or by a metric.
    """
    labels = task.truth.labels
    if samples:
        refuse_elsewhere(dataset, samples, task.truth, pair.truth[0])
        pred = read_predicted(dataset, samples, held.shape)
    else:
        pred = Stitched(np.full(held.shape, labels.ignore, labels.dtype))
    must_match(pred.held.shape, held.shape, pair.id)
    uncovered = 0
    tiles: tuple[str, ...] = ()
    if pred.covered is not None and task.missing != "miss":
        held, uncovered, tiles = _uncovered(pair, drawn(held), pred.covered, labels)
    pairs = pair_counts(held, pred.held, labels)
    if not _scored(samples) and not (measures and task.measured):
        return Found(pairs, {}, uncovered, tiles)
    truth = drawn(held)
    scores = partial(_scores, truth, pred, dataset, samples) if _scored(samples) else None
    ground = partial(ground_of_image, task.truth, pair.truth[0], truth.shape)
    with located(sample=pair.id):
        found = _measured(Case(truth, pred.mask, labels, scores, ground), measures)
    return Found(pairs, found, uncovered, tiles)


def _uncovered(
    pair: Pair, truth: Mask, covered: NDArray[np.bool_], labels: Labels
) -> tuple[Mask, int, tuple[str, ...]]:
    """Truth without the pixels that no tile predicts, how many those are, and the tiles of truth that have no others."""
    lost = ~covered & (truth != labels.ignore)
    count = int(np.count_nonzero(lost))
    if not count:
        return truth, 0, ()
    tiles = tuple(s.id for s in pair.truth if s.window is not None and not covered[s.window.slices].any())
    return np.where(lost, np.array(labels.ignore, labels.dtype), truth), count, tiles


def _measured(case: Case, measures: Measures) -> dict[str, Metric]:
    """What the metrics say of an image, without those that have nothing to measure."""
    found = {name: measure(case) for name, measure in measures.items()}
    return {name: value for name, value in found.items() if value is not None}


def _scored(samples: Sequence[Sample]) -> bool:
    """Whether each sample of an image has scores of its own pixels: tiles that were scaled have not."""
    whole = [s.window or s.crop or Window(0, 0, *s.size) for s in samples]
    return bool(samples) and all(
        s.scores is not None and tile_content(s) == (w.height, w.width) for s, w in zip(samples, whole, strict=True)
    )


def _scores(
    truth: Mask, pred: Stitched, dataset: Dataset, samples: Sequence[Sample]
) -> Iterator[tuple[NDArray[np.float32], Mask]]:
    """`Case.scores` of an image, from the files of its samples. Raises `DataError`."""
    ignore = np.array(dataset.labels.ignore, truth.dtype)
    for number, sample in enumerate(samples):
        window = Window(0, 0, *sample.size) if pred.owner is None or sample.window is None else sample.window
        part = truth[window.slices]
        if pred.owner is not None:  # a pixel of two tiles counts in the one that it was taken from
            part = np.where(pred.owner[window.slices] == number, part, ignore)
        with dataset.open_scores(sample) as scores:
            for y in range(0, window.height, ROWS):
                rows = Window(y, 0, min(ROWS, window.height - y), window.width)
                yield scores.read(rows), part[rows.slices]
