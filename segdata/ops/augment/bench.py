"""How many samples per second each part of a recipe makes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError
from segdata.files.rasters import WholeMask, WholeRaster
from segdata.ops.augment.operation import recipe_for
from segdata.recipes.pipeline import Opened, Pair, Pipeline
from segdata.recipes.recipe import Recipe
from segdata.recipes.transforms import Transforms, parse_step

Part = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Rate:
    """One part of a recipe: its name, and samples per second on one core, transforms with the probability they have."""

    name: str
    per_second: float


def bench(
    dataset: Dataset | str | Path, recipe: Recipe | str | Path, *, split: str | None = None, seconds: float = 0.5
) -> list[Rate]:
    """Time reading, each part of a recipe, and all of it, on eight samples spread over a dataset.

    The last two are `all`, without reading, and `all, with reading`. `normalise: dataset` is timed with other numbers.
    Raises `DatasetError`, `DataError`, `OptionError`, `MissingDependency`.

    Args:
        dataset: The dataset, or its folder.
        recipe: A recipe, the name of a preset, or a YAML file.
        split: Take this split only.
        seconds: About how long each part is timed.
    """
    import cv2

    dataset = Dataset.of(dataset)
    dataset = dataset if split is None else dataset.split(split)
    recipe = recipe_for(dataset, recipe)
    if not len(dataset):
        raise DatasetError(f"{dataset.root}: it has no samples")
    samples = [dataset.samples[i] for i in np.linspace(0, len(dataset) - 1, min(8, len(dataset))).astype(int)]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        parts = _parts(dataset, recipe, samples)
        return [Rate(name, _rate(function, samples, seconds)) for name, function in parts.items()]
    finally:
        cv2.setNumThreads(threads)


def _parts(dataset: Dataset, recipe: Recipe, samples: Sequence[Sample]) -> dict[str, Part]:
    """What there is to time, by name, each as a function of the sample's place and of a number to seed it with."""
    whole = Pipeline(dataset, recipe, 0, partial(_opened, dataset))
    cutting = Pipeline(dataset, replace(recipe, copy_paste=None, transforms=()), 0)
    pairs = [whole.read(sample) for sample in samples]
    cut = [_version(cutting, pair, i) for i, pair in enumerate(pairs)]
    bands = pairs[0][0].shape[2]
    ready = recipe.with_statistics([0.5] * bands, [0.25] * bands)
    parts: dict[str, Part] = {"read": lambda at, _: whole.read(samples[at])}
    if recipe.resize or recipe.crop:
        parts["resize, crop"] = lambda at, n: _version(cutting, pairs[at], n)
    if recipe.copy_paste:
        pasting = Pipeline(dataset, replace(recipe, resize=None, crop=None, transforms=()), 0)
        parts["copy_paste, with reading"] = lambda at, n: _version(pasting, cut[at], n)
    for i, entry in enumerate(recipe.transforms):
        step = parse_step(entry, f"{recipe.origin}: transforms[{i}]")
        alone = Transforms([step], dataset.labels.ignore, recipe.span)
        parts[step.name if step.name not in parts else f"{step.name} [{i}]"] = partial(_transformed, cut, alone)
    parts["normalise"] = lambda at, _: ready.normalise(cut[at][0])
    parts["all"] = lambda at, n: ready.normalise(_version(whole, pairs[at], n)[0])
    parts["all, with reading"] = lambda at, n: ready.normalise(whole.version(samples[at], 0, n)[0])
    return parts


def _opened(dataset: Dataset, sample: Sample) -> Opened:
    """Both read as often as they are asked for."""
    return WholeRaster(dataset.read_image(sample)), WholeMask(dataset.read_mask(sample))


def _version(pipeline: Pipeline, pair: Pair, seed: int) -> Pair:
    """A version of a sample that is in memory."""
    return pipeline.augmentation(*pair, (0, 0, seed), pipeline.other)


def _transformed(pairs: Sequence[Pair], transforms: Transforms, at: int, seed: int) -> Pair:
    return transforms(*pairs[at], np.random.default_rng(seed))


def _rate(function: Part, samples: Sequence[Sample], seconds: float) -> float:
    """Calls a second, sample after sample, after one call that does not count."""
    function(0, 0)
    start = time.perf_counter()
    for calls in count(1):
        function(calls % len(samples), calls)
        if (spent := time.perf_counter() - start) >= seconds:
            return calls / spent
    return 0.0
