"""Class balance: what each class has of pixels, images and objects, and the weights and samplers that follow from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import Any, Literal

import numpy as np

from segdata.dataset.counts import ClassCounts, ImageCounts, Normalise, batches, object_areas
from segdata.dataset.dataset import Dataset
from segdata.dataset.manifest import Parts
from segdata.dataset.sample import Sample, split_name
from segdata.dataset.sampling import sampling, together
from segdata.dataset.weights import SCHEMES, Ints, default_beta
from segdata.errors import DatasetError, Problem, one_of, refuse_nothing
from segdata.executors.run import Run
from segdata.files.reading import Alpha
from segdata.files.values import known_bands
from segdata.labels import Labels
from segdata.ops.stats.groups import Grouping
from segdata.ops.stats.result import Channels, Part, Stats
from segdata.words import some

Occurrences = Literal["images", "objects", "pixels"]

ROWS = 2**21
"""So many pixels of an image are described at once, which bounds memory: 16 bytes a band for each."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one sample's pixels say, as far as it was asked for."""

    counts: dict[int, int] | None
    areas: dict[int, Ints] | None
    channels: Channels | None


def class_counts(dataset: Dataset | str | Path, split: str | None = None) -> ClassCounts:
    """What each class has, from the manifest alone. Raises `DatasetError`, as where there is no such split."""
    dataset = _opened(dataset, split)
    tables = (table for _, table in _tables(dataset))
    return sum(map(ClassCounts.of_table, tables), ClassCounts.of([], dataset.labels))


def stats(
    dataset: Dataset | str | Path,
    *,
    split: str | None = None,
    recount: bool = False,
    objects: bool = False,
    images: bool = False,
    bands: str | None = None,
    alpha: Alpha = "auto",
    count: Occurrences = "images",
    beta: float | None = None,
    clamp: tuple[float, float] | None = None,
    normalise: Normalise = "none",
    run: Run | None = None,
) -> Stats:
    """Count the pixels and images of each class in a dataset and in each split. No pixel is read unless it is asked for.

    Without samples, or with ignored pixels only, all counts, shares and weights are 0. For the weights see
    `ClassCounts.weights`, for the bands `Channels`.

    Raises `DatasetError` if there is no dataset or split, or if the manifest's counts cannot be; `OptionError`; and
    `DataError` for the first bad mask or image (`run.report` may skip instead: such samples are then left out).

    Args:
        dataset: The dataset, or its folder.
        split: Count this split only; several: a,b; all but one: !a. Weights for training are those of the training split.
        recount: Count the masks' pixels, and compare them with the manifest.
        objects: Find the connected components of each class and their areas. Reads the masks.
        images: Compute the mean and standard deviation of each band. Reads the images. Only pixels with data count; 8 and 16
            bits are 0 to 1 of their type, other types as they are, through their scale and offset if they have any.
        bands: Read only these bands of the images, in this order: numbers from 1 on (3,2,1), or names in the files (B4,B3,B2).
            If the dataset reads some bands already, numbers count those.
        alpha: Whether the last band is transparency (yes) or data (no). auto: as the dataset says, or as it looks.
        count: What the effective number of samples counts: images, objects (reads the masks) or pixels (saturate it).
        beta: The beta of the effective number, by default 1 - 1/images.
        clamp: Keep weights between these two numbers, after `normalise`.
        normalise: Make the mean or the sum of the weights 1, before `clamp`, which may change it.
    """
    one_of("count", count, Occurrences)
    options: dict[str, Any] = {"beta": beta, "clamp": clamp, "normalise": normalise}
    dataset = _opened(dataset, split).read_as(bands, alpha)
    ClassCounts.of([], dataset.labels).weights("uniform", **options)  # refuses bad options before the work
    objects = objects or count == "objects"
    measured: list[Measured] = []
    channels = None
    if recount or objects or images:
        bare = replace(dataset, samples=())  # workers need all but the manifest
        measure = partial(measure_item, dataset=bare, recount=recount, objects=objects, images=images)
        dataset, measured, channels = _gather(dataset, run or Run(), measure)
    counts = [m.counts or {} for m in measured] if recount else None
    held = partial(_tables, dataset, counts)
    if not isinstance(dataset.samples, Parts):  # memory holds the samples anyway
        held = partial(iter, list(held()))
    grouping = Grouping(len(dataset.labels.classes))
    sums, sizes, pairs = _sums(held(), grouping)
    areas = _areas_by_split(dataset, measured) if objects else {}
    groups = grouping.found
    splits = {name: Part(summed, areas.get(name), groups.get(name)) for name, summed in sorted(sums.items())}
    whole = Part(
        sum(sums.values(), ClassCounts.of([], dataset.labels)),
        _areas(dataset.labels, measured) if objects else None,
        groups.get(None),
    )
    return Stats(
        labels=dataset.labels,
        whole=whole,
        splits={} if list(splits) == [split_name(None)] else splits,
        weights={s: whole.counts.weights(s, occurrences=_occurrences(whole, count), **options) for s in SCHEMES},
        weighting={"count": count, **options, "beta": default_beta(whole.counts.samples) if beta is None else beta},
        sampling=sampling((table for _, table in held()), whole.counts.images),
        together=pairs,
        sizes=sizes,
        described=images,
        channels=channels,
        recounted=len(dataset) if recount else None,
        differences=() if counts is None else _differences(dataset, counts),
        split=split,
    )


def measure_item(sample: Sample, dataset: Dataset, *, recount: bool, objects: bool, images: bool) -> Measured:
    """Read one sample's mask and image as far as needed. Raises `DataError` (`mask.*`, `image.*`)."""
    counts = areas = channels = None
    if recount or objects:
        counts = dataset.read_counts(sample)
    if objects:
        areas = object_areas(dataset.read_mask(sample), dataset.labels)
    if images:
        with dataset.open_image(sample) as image:
            channels = reduce(add, (Channels.of(*part, image.geo) for part in known_bands(image, ROWS)))
    return Measured(counts if recount else None, areas, channels)


def _opened(dataset: Dataset | str | Path, split: str | None) -> Dataset:
    dataset = Dataset.of(dataset)
    return dataset if split is None else dataset.split(split)


def _gather(dataset: Dataset, run: Run, measure: partial[Measured]) -> tuple[Dataset, list[Measured], Channels | None]:
    """Measure all samples; returns those that could be, what they hold, and the channels of all."""
    samples: list[Sample] = []
    measured: list[Measured] = []
    bad: list[Problem] = []
    channels: Channels | None = None
    for sample, result in run.map(measure, dataset.samples):
        here = None if isinstance(result, Problem) else result.channels
        if here is not None and channels is not None and here.kind != channels.kind:
            result = _unlike(dataset, sample, here, f"{samples[0].id} has {channels.kind}")
        if isinstance(result, Problem):
            run.report.add(result)
            bad.append(result)
            continue
        samples.append(sample)
        measured.append(replace(result, channels=None))
        if here is not None:
            channels = here if channels is None else channels + here
    if not samples:
        refuse_nothing(bad)
    return replace(dataset, samples=samples), measured, channels


def _unlike(dataset: Dataset, sample: Sample, channels: Channels, others: str) -> Problem:
    what = f"the image has {channels.kind}, {others}, and no mean is of both"
    message = f"{what}: save it like the others, or leave it out (--on-error skip)"
    return Problem("image.bands", message, dataset.image_path(sample), sample.id)


def _tables(
    dataset: Dataset, counts: Sequence[Mapping[int, int]] | None = None
) -> Iterator[tuple[list[Sample], ImageCounts]]:
    """The samples, some at a time, with what they hold: their `counts`, or what the manifest says.

    Raises `DatasetError` that names the first sample whose counts in the manifest cannot be.
    """
    start = 0
    for samples in batches(dataset):
        if counts is not None:
            yield samples, ImageCounts.of(counts[start : start + len(samples)], dataset.labels)
        else:
            yield samples, _manifest_table(dataset, samples)
        start += len(samples)


def _manifest_table(dataset: Dataset, samples: Sequence[Sample]) -> ImageCounts:
    """The manifest's counts. Raises `DatasetError` that names the first sample whose counts cannot be."""
    try:
        table = ImageCounts.of([s.counts for s in samples], dataset.labels)
        if np.array_equal(table.labelled + table.ignored, [s.height * s.width for s in samples]):
            return table
    except ValueError:
        pass
    what = _impossible(dataset, samples)
    raise DatasetError(f"{dataset.root}: {what}: it was edited; --recount counts the masks themselves")


def _impossible(dataset: Dataset, samples: Sequence[Sample]) -> str:
    """The first sample whose counts cannot be, and why."""
    for sample in samples:
        try:
            table = ImageCounts.of([sample.counts], dataset.labels)
        except ValueError as error:
            return f"{sample.id}: the manifest counts {error}"
        pixels = int(table.labelled[0] + table.ignored[0])
        if pixels != sample.height * sample.width:
            return f"{sample.id}: the manifest counts {pixels} pixels in {sample.width} x {sample.height}"
    return "the manifest's counts cannot be"


def _sums(
    tables: Iterable[tuple[list[Sample], ImageCounts]], grouping: Grouping
) -> tuple[dict[str, ClassCounts], Ints, Ints]:
    """What the classes have in each split; the sizes of images, (S, 3) as `Stats` has them; and `together`.

    What the groups have is added to `grouping`.
    """
    sums: dict[str, ClassCounts] = {}
    sizes: Counter[tuple[int, int]] = Counter()

    def noted() -> Iterator[ImageCounts]:
        for samples, table in tables:
            names = np.array([split_name(sample.split) for sample in samples])
            for name in np.unique(names).tolist():
                part = ClassCounts.of_table(table.where(names == name))
                sums[name] = sums[name] + part if name in sums else part
            sizes.update(sample.size for sample in samples)
            grouping.add(samples, table)
            yield table

    pairs = together(noted())
    rows = sorted(((h, w, n) for (h, w), n in sizes.items()), key=lambda row: (-row[2], row))
    return sums, np.array(rows, np.int64).reshape(-1, 3), pairs


def _areas_by_split(dataset: Dataset, measured: Sequence[Measured]) -> dict[str, tuple[Ints, ...]]:
    """For each split what `_areas` gives."""
    places: dict[str, list[Measured]] = {}
    for sample, one in zip(dataset, measured, strict=True):
        places.setdefault(split_name(sample.split), []).append(one)
    return {name: _areas(dataset.labels, part) for name, part in places.items()}


def _areas(labels: Labels, measured: Sequence[Measured]) -> tuple[Ints, ...]:
    """K times the areas of a class's objects in these samples, ascending."""
    parts: list[list[Ints]] = [[np.empty(0, np.int64)] for _ in labels.classes]
    for one in measured:
        for class_id, areas in (one.areas or {}).items():
            parts[class_id].append(areas)
    return tuple(np.sort(np.concatenate(p)) for p in parts)


def _occurrences(part: Part, count: Occurrences) -> Ints:
    if count == "objects":
        return np.array([len(areas) for areas in part.areas or ()])
    return part.counts.images if count == "images" else part.counts.pixels


def _differences(dataset: Dataset, counts: Sequence[Mapping[int, int]]) -> tuple[Problem, ...]:
    """The samples whose masks hold other counts than the manifest says."""
    found = []
    for sample, held in zip(dataset, counts, strict=True):
        said = {v: n for v, n in sample.counts.items() if n}
        if said != held:
            values = [v for v in sorted({*said, *held}) if said.get(v, 0) != held.get(v, 0)]
            what = some(
                (f"value {v}: {said.get(v, 0)} in the manifest, {held.get(v, 0)} in the mask" for v in values), 3
            )
            found.append(Problem("stats.counts", what, file=sample.mask, sample=sample.id))
    return tuple(found)
