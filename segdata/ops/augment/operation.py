"""Datasets augmented by a recipe: written down, for tools that cannot augment by themselves, or to look at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from segdata.caches import note
from segdata.dataset.dataset import Dataset
from segdata.dataset.finished import finished
from segdata.dataset.inputs import Inputs, Stamp, files_of, stamps
from segdata.dataset.job import Made, made_of, pixels_of, receipt_of, resumable
from segdata.dataset.sample import Sample
from segdata.errors import DataError, OptionError
from segdata.executors.run import Run
from segdata.files.images import write_image, write_mask
from segdata.files.places import absolute, place
from segdata.files.remote import Place
from segdata.labels import value_counts
from segdata.recipes.pipeline import Pair, Pipeline
from segdata.recipes.recipe import Recipe


def augment(
    dataset: Dataset | str | Path,
    destination: str | Path,
    recipe: Recipe | str | Path,
    *,
    versions: int = 1,
    split: str | None = None,
    seed: int = 0,
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Write augmented versions of each sample of a dataset as a new dataset.

    The images are PNGs as they leave the transforms, not normalised. Version i is what a training with this seed sees in its
    epoch i, of several crops the first. Each version names its sample as `parent`, and belongs to its group, so that `split`
    keeps them together. A job that was stopped goes on where it was.

    Raises `OptionError` for the recipe or if there are no images, `DatasetError` for the destination,
    `MissingDependency`, and `DataError` for the first bad file (`run.report` may skip instead).

    Args:
        dataset: The dataset, or its folder.
        destination: The folder of the new dataset.
        recipe: A recipe, the name of a preset, or a YAML file.
        versions: How many versions of each sample are written.
        split: Augment this split only; several: a,b; all but one: !a.
        seed: Another seed gives other versions.
        overwrite: Replace a dataset that is there.
    """
    dataset = Dataset.of(dataset)
    if versions < 1 or seed < 0:
        raise OptionError(f"versions {versions}, seed {seed}: at least 1 version, and a seed of 0 or more")
    chosen = dataset if split is None else dataset.split(split)
    if bare := next((s.id for s in chosen if s.image is None), None):
        raise OptionError(f"{dataset.root}: {bare} has no image to augment: convert with images")
    recipe = recipe_for(chosen, recipe)
    options = {"recipe": recipe.to_dict(), "versions": versions, "split": split}
    target = Dataset(place(destination), dataset.labels, (), made_of("augment", options, [dataset], seed), "copy")
    inputs = Inputs([dataset])
    if (there := finished(target, inputs, overwrite=overwrite)) is not None:
        return there
    given = {"source": absolute(dataset.root)}
    with resumable(target, Made, given, inputs, overwrite=overwrite, run=run or Run()) as job:
        write = partial(augment_item, pipeline=Pipeline(chosen, recipe, seed), root=job.root, versions=versions)
        reads = partial(_reads, dataset=replace(dataset, samples=()))
        job.work(write, list(enumerate(chosen)), lambda item: item[1].id, reads=reads)
        return job.save(
            lambda whole: receipt_of("augmented", len(chosen), job.left_out, versions=versions, pixels=pixels_of(whole))
        )


def recipe_for(dataset: Dataset, recipe: Recipe | str | Path) -> Recipe:
    """The recipe, read if need be; a preset as it is for the bands of the dataset's images, which is noted."""
    recipe = recipe if isinstance(recipe, Recipe) else Recipe.read(recipe)
    bands = next(bands_seen(dataset), None)
    if bands is None:
        return recipe
    recipe, told = recipe.for_bands(bands)
    if told is not None:
        note(told)
    return recipe


def bands_seen(dataset: Dataset, most: int = 16) -> Iterator[int]:
    """The bands of the first images that can be opened; what is wrong with others is told when they are augmented."""
    for sample in islice((sample for sample in dataset if sample.image is not None), most):
        with suppress(DataError), dataset.open_image(sample) as raster:
            yield raster.bands


def _reads(item: tuple[int, Sample], dataset: Dataset) -> list[Stamp]:
    """The files that the versions of a sample are made from, except what is pasted into them."""
    return stamps(files_of(dataset, item[1]))


def augment_item(item: tuple[int, Sample], pipeline: Pipeline, root: Place, versions: int) -> Made:
    """Write the versions of the sample with this number, and return their lines. Raises `DataError`."""
    index, sample = item
    made = [_write(sample, version, pipeline.version(sample, version, index), root) for version in range(versions)]
    return Made(sample.id, made)


def _write(sample: Sample, version: int, pair: Pair, root: Place) -> Sample:
    image, mask = pair
    id = f"{sample.id}-aug{version}"
    write_image(root / f"images/{id}.png", image)
    counts = value_counts(mask)
    return msgspec.structs.replace(
        sample,
        id=id,
        image=f"images/{id}.png",
        mask=f"masks/{id}.png",
        height=mask.shape[0],
        width=mask.shape[1],
        counts={int(v): int(counts[v]) for v in np.flatnonzero(counts)},
        sha256=hashlib.sha256(write_mask(root / f"masks/{id}.png", mask)).hexdigest(),
        group=sample.unit,
        parent=sample.id,
        window=None,
        crop=None,
        exif=None,
        scores=None,
    )
