"""A contact sheet of a recipe: samples before it, and some of what it makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError, OptionError
from segdata.files.colors import to_rgb
from segdata.files.remote import Place
from segdata.labels import value_counts
from segdata.ops.augment.operation import recipe_for
from segdata.pages.sheet import Sort, choose, panels, write_sheet
from segdata.recipes.pipeline import Pipeline
from segdata.recipes.pixels import span_of
from segdata.recipes.recipe import Recipe


def augment_sheet(
    dataset: Dataset | str | Path,
    out: str | Place,
    recipe: Recipe | str | Path,
    *,
    split: str | None = None,
    seed: int = 0,
    count: int = 6,
    versions: int = 3,
    samples: Sequence[str] = (),
    sort: Sort = "rarest",
    size: int = 160,
) -> Place:
    """Write a sheet (PNG or JPEG by the name of `out`): a row per sample, itself first, then its versions, with their masks.

    The versions are what a training with this seed sees in its first epochs, of several crops the first. Raises `OptionError`,
    `DatasetError`, `DataError`, `MissingDependency`.

    Args:
        dataset: The dataset, or its folder.
        out: The file to write.
        recipe: A recipe, the name of a preset, or a YAML file.
        split: Take this split only.
        seed: Another seed gives other versions.
        count: How many samples are shown.
        versions: How many versions of each sample are shown.
        samples: Show the sample of this id.
        sort: Which samples are shown: spread over all (id), the rarest classes first, or the most ignored pixels first
            (worst).
        size: The width of one image in pixels.
    """
    dataset = Dataset.of(dataset)
    dataset = dataset if split is None else dataset.split(split)
    recipe = recipe_for(dataset, recipe)
    if min(count, versions, size) < 1:
        raise OptionError("--count, --versions and --size must be 1 or more")
    chosen = [dataset.sample(id) for id in samples] or choose(dataset, count, (), sort)
    if not chosen:
        raise DatasetError(f"{dataset.root}: it has no samples with labels to show")
    if bare := next((s.id for s in chosen if s.image is None), None):
        raise OptionError(f"{dataset.root}: {bare} has no image to augment: convert with images")
    pipeline = Pipeline(dataset, recipe, seed)
    place = {sample.id: i for i, sample in enumerate(dataset)}
    cells, counts = [], np.zeros(dataset.labels.ignore + 1, np.int64)
    for sample in chosen:
        made = [pipeline.version(sample, epoch, place[sample.id]) for epoch in range(versions)]
        shown = [pipeline.read(sample), *made]
        captions = [sample.id, *(f"{recipe.origin}, epoch {epoch}" for epoch in range(versions))]
        counts += sum(value_counts(mask) for _, mask in shown)
        cells += [
            panels(
                to_rgb(image, span_of(image, recipe.span)),
                mask,
                dataset.labels,
                f"{caption}   {mask.shape[1]} x {mask.shape[0]}",
                size,
            )
            for (image, mask), caption in zip(shown, captions, strict=True)
        ]
    return write_sheet(out, cells, 1 + versions, dataset.labels, dict(enumerate(counts.tolist())))
