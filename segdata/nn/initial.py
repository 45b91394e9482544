"""Where a training starts from: the weights of a checkpoint (`--init`), whose classes may be others.

What does not depend on the classes is taken as it is. Of what does, the rows of classes of the same name are taken, and others
stay as they begin. Names, their order and the head are read from the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segdata.errors import DatasetError
from segdata.labels import Labels
from segdata.nn import checkpoint, models
from segdata.nn.models.base import Segmenter
from segdata.nn.models.naming import UNLEARNT, alike
from segdata.nn.models.weights import fit_bands
from segdata.nn.notes import note_once
from segdata.nn.options import Training
from segdata.recipes.recipe import Recipe
from segdata.recipes.settings import IMAGENET, Normalise
from segdata.words import some

AUXILIARY = "auxiliary_head."
"""Where models have heads that are only for training; either side may lack them."""

APART = 0.5
"""By how many standard deviations means may be apart, and by what factor, its logarithm, standard deviations may."""

Floats = NDArray[np.float64]

Axes = dict[str, tuple[int, ...]]
"""Names of tensors, and along which of their axes lie the outputs, or the bands."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Which outputs of a head are another's: `new[i]` is `old[i]`. `outputs`: how many the other head has."""

    new: tuple[int, ...]
    old: tuple[int, ...]
    outputs: int


@dataclass(frozen=True, slots=True)
class Depends:
    """What depends on the classes (`heads`: tensors with an axis of `outputs`), and on the `bands` (`firsts`)."""

    heads: Axes
    firsts: Axes
    rows: Rows
    outputs: int
    bands: int


def start_from(
    model: Segmenter, path: str, options: Training, labels: Labels, bands: int, recipe: Recipe | None = None
) -> None:
    """Give a model the weights of a checkpoint, and say on stderr what was carried over, if not all was.

    `labels` and `bands` are the dataset's; if the `recipe` normalises otherwise than the checkpoint's, that is said too. Raises
    `DatasetError` if it is no checkpoint, or of another model.
    """
    found = checkpoint.read_one(path)
    if recipe is not None and normalised_apart(Recipe.from_dict(found["recipe"], path), recipe):
        what = "its weights learnt from images that were normalised otherwise"
        note_once(
            f"--init {path}: {what}: `normalise:` in the recipe.yaml beside it says how, and --recipe takes that file"
        )
    about, base = checkpoint.plain_of(found, path).model, checkpoint.labels_of(found, path)
    if len(base.classes) != about.classes:
        raise DatasetError(f"{path}: its label contract is damaged: its model has {about.classes} classes")
    state, own = found["state"], model.state_dict()
    same = base.digest == labels.digest and (about.head, about.bands) == (options.head, bands)
    rows = rows_of(about.head, base, model.head, labels)
    heads, firsts = ({}, {}) if same else axes_of(options, len(labels.classes), bands)
    depends = Depends(heads, firsts, rows, model.outputs, bands)
    missing = [name for name, tensor in own.items() if not take(name, tensor, state.get(name), depends)]
    strange = [name for name in (*missing, *(name for name in state if name not in own)) if not may_lack(name)]
    if strange:
        raise DatasetError(f"{path}: its weights do not fit this model: {unlike(about, options, strange[0])}")
    new = "; the auxiliary head is new" * any(name.startswith(AUXILIARY) for name in missing)
    if not same or new:
        note_once(f"--init {path}: {told(rows, base, labels, about, options)}{fitted(about.bands, bands)}{new}")


def normalised_apart(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes normalise so differently that it is not for the statistics of two datasets: by `APART`."""
    (mean, std), (mean2, std2) = scale_of(one), scale_of(other)
    if len({len(mean), len(mean2)} - {1}) > 1:  # of other bands
        return False
    return bool((np.abs(mean - mean2) > APART * std).any() or (np.abs(np.log(std / std2)) > APART).any())


def scale_of(recipe: Recipe) -> tuple[Floats, Floats]:
    """The mean and standard deviation of a checkpoint's recipe, (C,) each, or (1,) for all bands."""
    by = recipe.normalise_by
    mean, std = (by.mean, by.std) if isinstance(by, Normalise) else ((0.0,), (1.0,)) if by == "none" else IMAGENET
    return np.array(mean, np.float64), np.array(std, np.float64)


def may_lack(name: str) -> bool:
    """Whether one side may lack a tensor."""
    return name.startswith(AUXILIARY) or name.endswith(UNLEARNT)


def take(name: str, own: Tensor, value: Any, depends: Depends) -> bool:
    """Copy what fits of a tensor; returns whether it could be."""
    if name in depends.heads:
        if not fits_rows(own, value, depends.heads[name], depends):
            return False
        carry(own, value, depends.heads[name], depends.rows)
        return True
    first = name in depends.firsts
    if not isinstance(value, Tensor) or not alike(own, value, first):
        return False
    own.copy_(fit_bands(value, depends.bands) if first else value)
    return True


def rows_of(old_head: str, base: Labels, new_head: str, labels: Labels) -> Rows:
    """The rows of a head that another one may take: those of classes of the same name, if both heads are of one kind.

    One output for two classes says the second class against the first, so it is only the same for the same two.
    """
    ids = {name: id for id, name in enumerate(base.names)}
    pairs = [(new, ids[name]) for new, name in enumerate(labels.names) if name in ids]
    single = [head == "sigmoid" and len(one.classes) == 2 for head, one in ((old_head, base), (new_head, labels))]
    if old_head != new_head or any(single):
        pairs = [(0, 0)] if all(single) and base.names == labels.names else []
    return Rows(tuple(a for a, _ in pairs), tuple(b for _, b in pairs), 1 if single[0] else len(base.classes))


def axes_of(options: Training, classes: int, bands: int) -> tuple[Axes, Axes]:
    """The tensors of a model whose shape depends on the classes, and on the bands: found by building it with more of each."""

    def shapes(classes: int, bands: int) -> dict[str, torch.Size]:
        """The shapes of a model's tensors."""
        device = "cpu" if ":" in options.model else "meta"  # code of others need not know the device "meta"
        with torch.random.fork_rng([]), torch.device(device):
            model = models.build(
                options.model, encoder=options.encoder, bands=bands, classes=classes, head=options.head,
                **options.model_options,
            )  # fmt: skip
        return {name: tensor.shape for name, tensor in model.state_dict().items()}

    usual = shapes(classes, bands)  # with two classes a sigmoid head has one output, with one too
    return differing(usual, shapes(classes + 2, bands)), differing(usual, shapes(classes, bands + 1))


def differing(one: Mapping[str, torch.Size], other: Mapping[str, torch.Size]) -> Axes:
    """The axes along which tensors of the same name have other lengths."""
    each = {name: tuple(i for i, n in enumerate(shape) if n != other[name][i]) for name, shape in one.items()}
    return {name: axes for name, axes in each.items() if axes}


def fits_rows(own: Tensor, value: Any, axes: tuple[int, ...], depends: Depends) -> bool:
    """Whether both tensors have a row per output of their heads, and else the same shape."""
    if any(own.shape[axis] != depends.outputs for axis in axes):
        return False
    wanted = tuple(depends.rows.outputs if axis in axes else n for axis, n in enumerate(own.shape))
    return isinstance(value, Tensor) and alike(own.new_empty(wanted), value, False)


def carry(own: Tensor, value: Tensor, axes: tuple[int, ...], rows: Rows) -> None:
    """Copy the rows, and where classes lie along two axes the cells, of the classes that both have."""
    if rows.new:
        into, out = (
            [ids if i in axes else np.arange(n) for i, n in enumerate(t.shape)]
            for ids, t in ((rows.new, own), (rows.old, value))
        )
        taken = value[tuple(map(torch.as_tensor, np.ix_(*out)))]
        own[tuple(map(torch.as_tensor, np.ix_(*into)))] = taken.to(own.dtype)


def unlike(about: checkpoint.About, options: Training, name: str) -> str:
    """Which model a checkpoint has, and how to train that one."""
    theirs, ours = (about.name, about.encoder, about.options), (options.model, options.encoder, options.model_options)
    if theirs == ours:
        return f"{name} is not as in {about.name}"
    flags = f"--model {about.name}" + (f" --encoder {about.encoder}" if about.encoder else "")
    flags += "".join(f" --model-option {key}={value}" for key, value in about.options.items())
    more = "" if about.encoder or options.encoder is None else ", without --encoder"
    way = f"it is of another one: give {flags}{more}"
    if about.encoder is not None and about.encoder == options.encoder:
        way += ", or take its encoder alone, with --encoder-weights instead of --init"
    return way


def told(rows: Rows, base: Labels, labels: Labels, about: checkpoint.About, options: Training) -> str:
    """What became of the classes."""
    if base.digest == labels.digest and about.head == options.head:
        return "all classes are carried over"
    if about.head != options.head:
        return f"the head is new: the checkpoint's is {about.head}, this one {options.head}"
    if not rows.new:
        return f"the head is new: the checkpoint has {some(base.names)}"
    kept = [labels.names[i] for i in rows.new]
    new = [name for name in labels.names if name not in kept]
    left = [name for name in base.names if name not in kept]
    parts = [f"carried over by name: {some(kept)}"]
    parts += [f"new: {some(new)}"] * bool(new) + [f"not used: {some(left)}"] * bool(left)
    return "; ".join(parts)


def fitted(before: int, bands: int) -> str:
    """What became of the first convolution."""
    return "" if before == bands else f"; the first convolution is fitted from {before} to {bands} bands"
