"""The task of a training, prepared and checked before the first step: samples, recipe, order, class weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from operator import add
from pathlib import Path

import numpy as np

from segdata.dataset.counts import ClassCounts, ImageCounts
from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.dataset.sampling import class_aware
from segdata.dataset.weights import Floats, Ints
from segdata.dataset.weights_file import read_weights_file
from segdata.errors import DataError, DatasetError, OptionError, Problem
from segdata.executors.run import Run
from segdata.files.values import known_bands, span_given
from segdata.labels import Labels
from segdata.nn.data import Order
from segdata.nn.models.sources import normalisation
from segdata.nn.notes import note_once
from segdata.nn.options import Training
from segdata.nn.split_names import refuse_splits
from segdata.ops.split.balance import balance
from segdata.recipes.pixels import Moments
from segdata.recipes.recipe import Recipe
from segdata.recipes.settings import IMAGENET, Crop, Normalise, Resize
from segdata.windows import Window
from segdata.words import some, suggest


@dataclass(frozen=True, slots=True)
class Task:
    """Everything that a training needs, checked. `items` (M,) int64: the training sample of each of the M items of a turn."""

    options: Training
    labels: Labels
    recipe: Recipe
    train: Dataset
    val: Dataset
    items: Ints
    order: Order
    weights: tuple[float, ...] | None
    bands: int
    digest: str
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """What the first image calls its bands."""
    dtype: str | None = None
    """What the type of its images is, if that alone says what values mean."""

    @property
    def steps(self) -> int:
        """Updates of the weights per epoch."""
        return self.options.steps or max(1, round(len(self.items) / self.options.batch))

    @property
    def last(self) -> int:
        """Updates of the weights in all."""
        return self.options.epochs * self.steps

    def validates(self, step: int) -> bool:
        """Whether the weights are measured after `step` updates."""
        epoch, rest = divmod(step, self.steps)
        return not rest and (epoch % self.options.val_every == 0 or step == self.last)


def prepare(dataset: Dataset | str | Path, options: Training, run: Run) -> Task:
    """Prepare everything that a training needs, and refuse what would go wrong later.

    Raises `OptionError`; `DatasetError` if a split or a class has no pixels; `DataError` for the first mask that holds
    values other than class ids, or that differs from the manifest.
    """
    dataset = Dataset.of(dataset).read_as(options.bands, options.alpha)
    train, val = choose_splits(dataset, options)
    if bare := [s for s in (*train, *val) if s.image is None]:
        raise DatasetError(f"{dataset.root}: {bare[0].id} has no image: convert without --images none")
    check_labels(train, val, run)
    refuse_missing(train, options.allow_missing)
    recipe, bands, told = choose_recipe(train, options, run)
    items = turn_items(train, recipe, options.crops)
    return Task(
        options=options,
        labels=dataset.labels,
        recipe=recipe,
        train=train,
        val=val,
        items=items,
        order=Order(items, options.batch, options.seed, chance_of(train, items, options.sampler)),
        weights=class_weights(train, options),
        bands=bands,
        digest=dataset.digest,
        notes=(*([told] if told else []), *missing_told(val, options.allow_missing)),
        names=band_names(train),
        dtype=value_type(train, recipe),
    )


def choose_splits(dataset: Dataset, options: Training) -> tuple[Dataset, Dataset]:
    """Choose the samples to train on and those to validate on. Raises `DatasetError`, `OptionError`."""
    refuse_splits(dataset, options.train_split, options.val_split if options.val_share is None else None)
    train = dataset.split(options.train_split) if dataset.splits else dataset
    if options.val_share is None:
        val = dataset.split(options.val_split)
        refuse_overlap(train, val, options)
        return train, val
    return hold_out(train, options.val_share, options.seed)


def refuse_overlap(train: Dataset, val: Dataset, options: Training) -> None:
    """Refuse splits that are both trained and validated on, unless both options name the same. Raises `DatasetError`."""
    both = [name for name in train.splits if name in val.splits]
    if both and options.train_split != options.val_split:
        without = ",".join([options.train_split, *(f"!{name}" for name in both)])
        ways = f"leave it out (--train-split '{without}') or validate on another"
        raise DatasetError(f"{train.root}: --train-split {options.train_split} holds {some(both)}, which --val-split "
                           f"{options.val_split} holds too: {ways}")  # fmt: skip


def hold_out(dataset: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Divide a dataset in two; the second part gets `share` of every class. Groups, and tiles of one image, stay together.

    Raises `OptionError` if there are fewer than two groups.
    """
    part = divided(dataset, (1 - share, share), seed, f"--val-share {share:g}")
    parts = [[s for s, where in zip(dataset, part, strict=True) if where == number] for number in (0, 1)]
    return replace(dataset, samples=parts[0]), replace(dataset, samples=parts[1])


def divided(dataset: Dataset, shares: Sequence[float], seed: int, asked: str) -> Ints:
    """(N,) int64: the part of each sample, of as many as there are `shares`; groups, and tiles of one image, stay together.

    Raises `OptionError`, which names what was `asked`, if there are fewer groups than parts.
    """
    counted(dataset)
    names, of = np.unique([sample.unit for sample in dataset], return_inverse=True)
    if len(names) < len(shares):
        raise OptionError(
            f"{asked}: {len(names)} groups of images cannot be split in {'two' if len(shares) == 2 else len(shares)}"
        )
    table = ImageCounts.of([s.counts for s in dataset], dataset.labels)
    return balance(table, of.astype(np.int64), np.array(shares), seed=seed)[of]


def refuse_missing(train: Dataset, allowed: Sequence[str]) -> None:
    """Refuse classes without a pixel to train on, unless they are allowed (by name, or 'all').

    Raises `DatasetError`, and `OptionError` for unknown names.
    """
    for name in allowed:
        if name != "all" and name not in train.labels.names:
            raise OptionError(f"--allow-missing {name}: no such class: {suggest(name, train.labels.names)}")
    if missing := missing_of(train, allowed):
        ways = "split it again (segdata split), drop the classes (segdata remap), or allow it with --allow-missing CLASS or all"
        raise DatasetError(f"{train.root}: no pixel to train on of {some(map(repr, missing), 5)}: {ways}")


def missing_told(val: Dataset, allowed: Sequence[str]) -> tuple[str, ...]:
    """What it means that classes have no pixel to validate on, for those that are not allowed; empty if there are none."""
    missing = missing_of(val, allowed)
    if not missing:
        return ()
    means = (
        "such a class cannot be measured: its IoU is 0 if it is predicted anywhere, otherwise mean IoU leaves it out"
    )
    return (f"no pixel to validate on of {some(map(repr, missing), 5)}: {means} (--allow-missing CLASS: no note)",)


def missing_of(part: Dataset, allowed: Sequence[str]) -> list[str]:
    """The classes without a pixel, apart from those that are allowed (by name, or 'all')."""
    names = [part.labels.names[i] for i in counted(part).absent]
    return [] if "all" in allowed else [name for name in names if name not in allowed]


def check_labels(train: Dataset, val: Dataset, run: Run) -> None:
    """Read every mask once: a value that is no class would end a training on a GPU with an obscure error.

    Raises `DataError` (`mask.*`) that names file, values and how many pixels have them.
    """
    bare = replace(train, samples=())
    for _, result in run.map(bare.read_counts, [*train, *val]):
        if isinstance(result, Problem):
            raise DataError(result)


def counted(dataset: Dataset) -> ClassCounts:
    """The counts of each class by the manifest. Raises `DatasetError` if they are impossible."""
    try:
        return ClassCounts.of((s.counts for s in dataset), dataset.labels)
    except ValueError as error:
        message = f"the counts of the manifest are impossible ({error}): it was edited; segdata check finds the place"
        raise DatasetError(f"{dataset.root}: {message}") from error


def choose_recipe(train: Dataset, options: Training, run: Run) -> tuple[Recipe, int, str | None]:
    """The recipe, completed by the options and the dataset, the number of bands of the images, and what the bands changed."""
    given = options.recipe
    recipe = Recipe.from_dict(given) if isinstance(given, dict) else Recipe.read(given)
    if (span := span_given(options.scale_values)) is not None:
        recipe = replace(recipe, span=span)
    with train.open_image(train.samples[0]) as raster:
        bands = raster.bands
        recipe, told = recipe.for_bands(bands)
        recipe, read_as = recipe.for_values(raster.dtype.name, bool(raster.geo.scaling))
        first = recipe.values_of(raster).read(Window(0, 0, 1, 1))
    told = "; ".join(filter(None, (told, read_as))) or None
    if options.resize is not None:
        recipe = replace(recipe, resize=Resize("exact", options.resize))
    if options.short_side is not None:
        recipe = replace(recipe, resize=Resize("short", (options.short_side,)))
    if options.crop is not None:
        recipe = replace(recipe, crop=replace(recipe.crop or Crop(options.crop), size=options.crop))
    if options.crops is not None and recipe.crop is None:
        raise OptionError(f"--crops {options.crops}: of which size? Give --crop too, or a recipe with a crop")
    if options.sampler == "class_aware" and recipe.crop is not None and recipe.crop.class_aware == 0:
        recipe = replace(recipe, crop=replace(recipe.crop, class_aware=1.0))
    recipe, other = as_published(recipe, options, bands)
    told = "; ".join(filter(None, (told, other))) or None
    if recipe.normalise_by == "dataset":
        recipe = recipe.with_statistics(*statistics(train, recipe, run))
    recipe.normalise(first)  # raises if mean and std have other bands
    recipe.finer(options.mask_scale)  # raises without a resize
    return recipe, bands, told


def as_published(recipe: Recipe, options: Training, bands: int) -> tuple[Recipe, str | None]:
    """The recipe whose `normalise: imagenet` is that of the encoder's published weights; and what is told if it has another."""
    wanted, by = normalisation(options.encoder), recipe.normalise_by
    if by == "imagenet":
        return recipe if wanted == Normalise(*IMAGENET) else replace(recipe, normalise_by=wanted), None
    if options.encoder_weights != "imagenet" or bands != 3 or by == wanted:
        return recipe, None
    given = f"mean {numbers(by.mean)} and std {numbers(by.std)}" if isinstance(by, Normalise) else f"`{by}`"
    return recipe, (
        f"{recipe.origin}: normalises by {given}; the published weights learnt with mean {numbers(wanted.mean)} and "
        f"std {numbers(wanted.std)}: `normalise: imagenet` in the recipe gives them that"
    )


def numbers(values: Sequence[float]) -> str:
    """Numbers for people."""
    return ", ".join(f"{value:.3f}" for value in values)


def band_names(train: Dataset) -> tuple[str, ...]:
    """What the first image calls its bands; () if it does not call all of them something."""
    with train.open_image(train.samples[0]) as raster:
        names = tuple(band.name for band in raster.about)
    return names if all(names) else ()


def value_type(train: Dataset, recipe: Recipe) -> str | None:
    """The type of the first image, if that alone says what its values mean; None if the recipe's span says it."""
    if recipe.span is not None:
        return None
    with train.open_image(train.samples[0]) as raster:
        return recipe.values_of(raster).dtype.name


def statistics(dataset: Dataset, recipe: Recipe, run: Run, most: int = 2000) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each band, in 0..1 of the span, over all images, or over `most` evenly spread ones."""
    chosen = np.linspace(0, len(dataset) - 1, min(most, len(dataset))).round().astype(int)
    total: Moments | None = None
    measure = partial(measure_image, dataset=replace(dataset, samples=()), recipe=recipe)
    for _, result in run.map(measure, [dataset.samples[i] for i in chosen]):
        if isinstance(result, Problem):
            raise DataError(result)
        total = result if total is None else total + result
    if total is None:
        return [], []
    return total.mean.tolist(), total.std.tolist()


def measure_image(sample: Sample, dataset: Dataset, recipe: Recipe) -> Moments:
    """The moments of one image. Raises `DataError`."""
    with dataset.open_image(sample) as raster:
        parts = known_bands(recipe.values_of(raster))
        return reduce(add, (Moments.of(rows, recipe.span, known) for rows, known in parts))


def turn_items(dataset: Dataset, recipe: Recipe, crops: int | None) -> Ints:
    """(M,) int64: the sample of each item of a turn. Each sample occurs once, or, with crops, as often as crops cover it."""
    if recipe.crop is None:
        return np.arange(len(dataset))
    area = recipe.crop.size[0] * recipe.crop.size[1]
    sizes = [recipe.resized(*s.size) for s in dataset]
    times = [crops or max(1, round(h * w / area)) for h, w in sizes]
    return np.repeat(np.arange(len(dataset)), times)


def chance_of(dataset: Dataset, items: Ints, sampler: str) -> Floats | None:
    """(M,) float64: how likely each item is drawn; None if each item comes once.

    Class-aware: first a class is drawn, all equally likely, then one of the samples that hold it
    (`segdata.dataset.sampling.sampling`).
    """
    if sampler == "uniform":
        return None
    table = ImageCounts.of([dataset.samples[i].counts for i in items], dataset.labels)
    chance = class_aware(table)
    return np.asarray(chance / chance.sum())


def class_weights(train: Dataset, options: Training) -> tuple[float, ...] | None:
    """A weight for each class, from a file, of which it tells what it holds, or by a scheme.

    Raises `OptionError`; `DatasetError` for weights of other classes or of another split.
    """
    if options.class_weights is not None:
        return tuple(counted(train).weights(options.class_weights).tolist())
    if options.weights_file is None:
        return None
    file = read_weights_file(options.weights_file, train.labels)
    note_once(f"class weights: {file.fit(train, options.train_split, options.weights_file)}")
    return tuple(file.weights.values())
