"""What a plan is made from: the facts of a dataset that decide how to train on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import msgspec
import numpy as np

from segdata.dataset.counts import object_areas
from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.dataset.weights import Floats, Ints
from segdata.errors import DataError, DatasetError, Problem
from segdata.executors.run import Run
from segdata.labels import Labels, Mask, value_counts
from segdata.nn.task import counted

MASKS, IMAGES = 200, 20
"""So many masks are measured at most, and so many images, if their type does not say what their values mean."""

CLIPPED = 0.5
"""Percent of the values that lie below, and above, the span that is measured; nnU-Net clips CT images there."""


class Fingerprint(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a dataset. Sizes are (height, width) in pixels; what is told per class is in the order of `classes`.

    `train_split` is the one to train on, or None without splits; `val_split` is None if images must be held out. `units` are
    groups of images that stay together. `sides` (short sides): median and largest. `same`: all images are of one shape.
    `areas`: the median area of an object of a class; `thickness`: the pixels of a class by its runs along rows or columns,
    whichever are shorter; `shares`: of labelled pixels; `held`: of images that hold it. 0 for a class without a pixel.
    """

    train_split: str | None
    val_split: str | None
    images: int
    val_images: int
    units: int
    size: tuple[int, int]
    largest: int
    same: bool
    bands: int
    dtype: str
    span: tuple[float, float] | None
    placed: bool
    classes: tuple[str, ...]
    shares: tuple[float, ...]
    held: tuple[float, ...]
    areas: tuple[float, ...]
    thickness: tuple[float, ...]
    measured: int

    @property
    def side(self) -> int:
        """The short side of the median image."""
        return min(self.size)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dict(msgspec.to_builtins(self))


def fingerprint(dataset: Dataset, *, fold: tuple[str, str] | None = None, run: Run | None = None) -> Fingerprint:
    """The facts of a dataset; masks are sampled. `fold`: the splits to train and to validate on, instead of those found.

    Raises `DatasetError` for a dataset that cannot be trained on, `DataError` for the first bad file.
    """
    train_split, val_split = fold or splits_of(dataset)
    train = dataset if train_split is None else dataset.split(train_split)
    if not len(train):
        raise DatasetError(f"{dataset.root}: has no sample to train on")
    counts = counted(train)
    heights, widths = (np.array([getattr(s, name) for s in train]) for name in ("height", "width"))
    objects = measured(train, run or Run())
    bands, dtype, span, placed = look(train)
    return Fingerprint(
        train_split=train_split,
        val_split=val_split,
        images=len(train),
        val_images=0 if val_split is None else len(dataset.split(val_split)),
        units=len({sample.unit for sample in train}),
        size=(int(np.median(heights)), int(np.median(widths))),
        largest=int(np.minimum(heights, widths).max()),
        same=bool((heights * widths[0] == widths * heights[0]).all()),
        bands=bands,
        dtype=dtype,
        span=span,
        placed=placed,
        classes=tuple(train.labels.names),
        shares=rounded(counts.pixels / max(1, counts.pixels.sum())),
        held=rounded(counts.images / len(train)),
        areas=rounded([float(np.median(a)) if len(a) else 0.0 for a in objects.areas]),
        thickness=rounded(objects.pixels / np.maximum(1, objects.runs.max(0))),
        measured=objects.masks,
    )


def splits_of(dataset: Dataset) -> tuple[str | None, str | None]:
    """The split to train on, None without splits, and the one to validate on, None if images must be held out.

    Raises `DatasetError` if no split is plainly for training.
    """
    if not dataset.splits:
        return None, None
    train = next((name for name in ("train", "trainval") if name in dataset.splits), None)
    if train is None:
        raise DatasetError(
            f"{dataset.root}: has no split train or trainval, but {', '.join(map(str, dataset.splits))}: make them with "
            "segdata split, or train on folds with --folds 5"
        )
    return train, "val" if train == "train" and "val" in dataset.splits else None


class Objects(NamedTuple):
    """Sums over masks, by class: (K,) pixels, (2, K) runs along rows and along columns, and the areas of all objects."""

    pixels: Ints
    runs: Ints
    areas: list[Ints]
    masks: int


def measured(train: Dataset, run: Run) -> Objects:
    """The objects of at most `MASKS` masks, evenly spread. Raises `DataError`."""
    classes = len(train.labels.classes)
    pixels, runs = np.zeros(classes, np.int64), np.zeros((2, classes), np.int64)
    areas: list[list[Ints]] = [[] for _ in range(classes)]
    chosen = spread(train.samples, MASKS)
    bare = replace(train, samples=())
    for _, found in run.map(partial(measure_mask, dataset=bare), chosen):
        if isinstance(found, Problem):
            raise DataError(found)
        pixels += found[0]
        runs += found[1]
        for value, its in found[2].items():
            areas[value].append(its)
    empty = np.zeros(0, np.int64)
    return Objects(pixels, runs, [np.concatenate([empty, *its]) for its in areas], len(chosen))


def measure_mask(sample: Sample, dataset: Dataset) -> tuple[Ints, Ints, dict[int, Ints]]:
    """The pixels, runs and objects of one mask. Raises `DataError`."""
    mask = dataset.read_mask(sample)
    labels = dataset.labels
    return class_pixels(mask, labels), class_runs(mask, labels), object_areas(mask, labels)


def class_pixels(mask: Mask, labels: Labels) -> Ints:
    """Ids of any shape -> (K,) int64 pixels of each class."""
    return value_counts(mask)[: len(labels.classes)]


def class_runs(mask: Mask, labels: Labels) -> Ints:
    """(H, W) ids -> (2, K) int64: of each class the runs of equal pixels along rows, and along columns."""
    out = []
    for lines in (mask, mask.T):
        begins = np.ones(lines.shape, bool)
        begins[:, 1:] = lines[:, 1:] != lines[:, :-1]
        out.append(class_pixels(lines[begins], labels))
    return np.stack(out)


def look(train: Dataset) -> tuple[int, str, tuple[float, float] | None, bool]:
    """Bands and type of the first image, the span of values if its type is not 8 bits, and whether it lies on a map.

    Raises `DataError`, and `DatasetError` for samples without images.
    """
    if bare := next((s for s in train if s.image is None), None):
        raise DatasetError(f"{train.root}: {bare.id} has no image: convert without --images none")
    with train.open_image(train.samples[0]) as raster:
        bands, dtype, placed = raster.bands, raster.dtype.name, raster.geo.placed
    if dtype == "uint8":
        return bands, dtype, None, placed
    ends = [span_of(train.read_image(sample)) for sample in spread(train.samples, IMAGES)]
    low, high = np.median(ends, axis=0).tolist()
    return bands, dtype, (low, high) if low < high else None, placed


def span_of(values: Any) -> tuple[float, float]:
    """The values of which `CLIPPED` percent lie below, and above. NaN does not count; (0, 0) if there is nothing else."""
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0, 0.0
    low, high = np.percentile(known, (CLIPPED, 100 - CLIPPED)).tolist()
    return low, high


def spread(samples: Sequence[Sample], most: int) -> list[Sample]:
    """At most so many samples, evenly spread."""
    places = np.linspace(0, len(samples) - 1, min(most, len(samples))).round().astype(int)
    return [samples[i] for i in places]


def rounded(values: Floats | Sequence[float]) -> tuple[float, ...]:
    """Four significant digits, which are enough to decide."""
    return tuple(float(f"{value:.4g}") for value in values)
