"""Datasets augmented by a recipe: written down, for tools that cannot augment by themselves, or to look at."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.images import refuse_inputs, still_there
from segdata.dataset.job import made_of
from segdata.dataset.journal import Journal
from segdata.dataset.sample import Sample
from segdata.errors import OptionError, Problem, located
from segdata.executors.run import Run
from segdata.files.images import write_image, write_mask
from segdata.files.places import listed, place
from segdata.files.remote import Place
from segdata.recipes.crops import value_counts
from segdata.recipes.pipeline import Augmenter, Pair
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

    The images are PNGs as they leave the transforms, not normalised. Version i of sample number n is drawn from (seed, i, n).
    Each version names its sample as `parent`, and belongs to its group, so that `split` keeps them together. A job that was
    stopped goes on where it was.

    Raises `OptionError` for the recipe or if there are no images, `DatasetError` for the destination,
    `MissingDependency`, and `DataError` for the first bad file (`run.report` may skip instead).

    Args:
        dataset: The dataset, or its folder.
        destination: The folder of the new dataset.
        recipe: A recipe, the name of a preset, or a YAML file.
        versions: How many versions of each sample are written.
        split: Augment this split only.
        seed: Another seed gives other versions.
        overwrite: Replace a dataset that is there.
    """
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    recipe = recipe if isinstance(recipe, Recipe) else Recipe.read(recipe)
    if versions < 1 or seed < 0:
        raise OptionError(f"versions {versions}, seed {seed}: at least 1 version, and a seed of 0 or more")
    chosen = dataset if split is None else dataset.split(split)
    if bare := next((s.id for s in chosen if s.image is None), None):
        raise OptionError(f"{dataset.root}: {bare} has no image to augment: convert with images")
    run = run or Run()
    options = {"recipe": recipe.to_dict(), "versions": versions, "split": split}
    target = Dataset(place(destination), dataset.labels, (), made_of("augment", options, [dataset], seed), "copy")
    refuse_inputs(target.root, [dataset])
    write = partial(augment_item, augmenter=Augmenter.of(chosen, recipe, seed), root=target.root, versions=versions)
    with Journal(target.root, target.made_by, list[Sample], overwrite=overwrite) as journal:
        there = listed(target.root)
        done = {entry[0].parent: entry for entry in journal.done if all(still_there(there, s) for s in entry)}
        todo = [(i, s) for i, s in enumerate(chosen) if s.id not in done]
        left_out: list[Problem] = []
        for (_, sample), result in run.map(write, todo, into=target.root):
            if isinstance(result, Problem):
                run.report.add(result)
                left_out.append(result)
            else:
                journal.append(result)
                done[sample.id] = result
        samples = sorted((s for entry in done.values() for s in entry), key=lambda s: s.id)
        whole = replace(target, samples=samples)
        whole.save(_receipt(whole, len(chosen), versions, left_out))
    return whole


def augment_item(item: tuple[int, Sample], augmenter: Augmenter, root: Place, versions: int) -> list[Sample]:
    """Write the versions of the sample with this number, and return their lines. Raises `DataError`."""
    index, sample = item
    with located(sample=sample.id):
        pair = augmenter.read(sample)
        return [_write(sample, version, augmenter.version(pair, version, index), root) for version in range(versions)]


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
        group=sample.group or sample.parent or sample.id,
        parent=sample.id,
        window=None,
        crop=None,
        exif=None,
        scores=None,
    )


def _receipt(whole: Dataset, samples: int, versions: int, left_out: Sequence[Problem]) -> dict[str, Any]:
    pixels: Counter[int] = Counter()
    for sample in whole:
        pixels.update(sample.counts)
    return {
        "images": {"in": samples, "augmented": samples - len(left_out), "skipped": len(left_out)},
        "versions": versions,
        "pixels": {whole.labels.name(value): pixels[value] for value in sorted(pixels)},
        "skipped": [problem.to_json() for problem in left_out],
    }
