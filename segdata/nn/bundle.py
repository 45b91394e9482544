"""Bundles: one file with a checkpoint or several, settings of a refinement, and the plan of the training.

Several checkpoints are an ensemble, whose probabilities are averaged (`segdata.nn.ensemble`). The file is a checkpoint, see
`segdata.nn.checkpoint`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from segdata.errors import DatasetError, OptionError
from segdata.files.places import file_digest, place, read_text, size_of
from segdata.files.remote import Place
from segdata.labels import Labels, must_agree
from segdata.nn import checkpoint
from segdata.recipes.recipe import Recipe
from segdata.refinement.settings import Refinement

ALL, EACH = (
    ("segdata", "model", "labels", "reading", "names", "dtype", "recipe", "options", "dataset"),
    ("state", "recipe", "temperature", "calibration", "metrics", "options", "dataset"),
)
"""What the checkpoints of an ensemble share, or what is the first one's; and what is each one's own."""


class Bundled(msgspec.Struct, frozen=True):
    """What a bundle is: the file at `path`, of `bytes` bytes, with so many `models`, each with its temperature."""

    path: str
    bytes: int
    models: int
    model: str
    encoder: str | None
    classes: tuple[str, ...]
    labels: str
    """The SHA-256 of the label contract."""
    temperatures: tuple[float, ...]
    refinement: dict[str, Any] | None
    plan: bool
    """Whether the plan of the training is in it."""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return msgspec.to_builtins(self)  # type: ignore[no-any-return]


def bundle(
    checkpoints: Sequence[str | Path],
    destination: str | Path,
    *,
    refinement: Refinement | str | Path | None = None,
    plan: str | Path | None = None,
    overwrite: bool = False,
) -> Bundled:
    """Put a checkpoint, or several as an ensemble, into one file with what else prediction needs.

    `segdata predict`, `serve` and `export` take the file. Of an ensemble the probabilities are averaged; its checkpoints must
    have the same classes, architecture and size of images. Raises `DatasetError` for what is no checkpoint, for those that
    differ and for a destination that exists, `OptionError`.

    Args:
        checkpoints: The files of one checkpoint or more.
        destination: The file of the bundle, which ends in .pt.
        refinement: Refine each mask with these settings, such as the file that segdata refine --tune wrote.
        plan: A file of text that says how the model was trained, such as plan.yaml. It is kept and not used.
        overwrite: Replace the file `destination`.
    """
    path = checkpoint.free(destination, checkpoints, overwrite)
    try:
        text = None if plan is None else read_text(plan)
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{plan}: cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from error
    return about(write_bundle(path, checkpoints, plan=text, refinement=refinement))


def write_bundle(
    destination: str | Place,
    checkpoints: Sequence[str | Place],
    *,
    plan: str | None = None,
    refinement: Refinement | Mapping[str, Any] | str | Path | None = None,
) -> Place:
    """Write a bundle, also where a file is. `plan` is a text; `refinement` settings, as values, as JSON or as a file.

    Raises `DatasetError` for what is no checkpoint, and for checkpoints that differ; `OptionError` for none, for one given twice
    and for settings that are none.
    """
    if not checkpoints:
        raise OptionError("a bundle takes one checkpoint or more")
    names = [str(one) for one in checkpoints]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise OptionError(f"{twice}: given twice")
    parts = [_read(name) for name in names]
    for name, found in zip(names[1:], parts[1:], strict=True):
        refuse_other(names[0], parts[0], name, found)
    labels = checkpoint.labels_of(parts[0], names[0])
    settings = None if refinement is None else _settings(refinement, labels)
    made = {key: parts[0][key] for key in (*ALL, *EACH) if key in parts[0]} | {"checkpoint": file_digest(names[0])}
    if len(parts) > 1:
        made = {key: parts[0][key] for key in ALL if key in parts[0]}
        members = tuple({key: found[key] for key in EACH if key in found} for found in parts)
        made |= {"state": {}, "members": members}
    made |= {} if settings is None else {"refinement": settings}
    made |= {} if plan is None else {"plan": plan}
    newer = len(parts) > 1 or settings is not None
    made["format"] = checkpoint.BUNDLE if newer else checkpoint.FORMAT
    checkpoint.plain_of(made, destination)
    path = place(destination)
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.write(path, made)
    return path


def about(path: str | Place) -> Bundled:
    """What a bundle, or another checkpoint, is. Raises `DatasetError`."""
    found = checkpoint.read(path)
    plain, labels = checkpoint.plain_of(found, path), checkpoint.labels_of(found, path)
    temperatures = tuple(one.temperature for one in plain.members) or (plain.temperature,)
    return Bundled(
        str(path), size_of(place(path)), len(temperatures), plain.model.name, plain.model.encoder, labels.names,
        labels.digest, temperatures, plain.refinement, plain.plan is not None,
    )  # fmt: skip


def refuse_other(first: str, one: Mapping[str, Any], second: str, other: Mapping[str, Any]) -> None:
    """Raise `DatasetError` for two checkpoints that cannot be in one ensemble."""
    labels, theirs = checkpoint.labels_of(one, first), checkpoint.labels_of(other, second)
    must_agree(theirs, labels, second, first, "an ensemble is of one label contract")
    for what, a, b in zip(SHARED, _shared(one, first), _shared(other, second), strict=True):
        if a != b:
            raise DatasetError(f"{second}: has other {what} than {first}: an ensemble is of models that share them")


SHARED = ("architecture or options of its model", "size of images", "bands or type of images")
"""What the checkpoints of an ensemble have in common, besides their classes; in the order of `_shared`."""


def _shared(found: Mapping[str, Any], path: str) -> tuple[object, ...]:
    plain, recipe = checkpoint.plain_of(found, path), Recipe.from_dict(found["recipe"], path)
    images = (plain.reading, plain.names, plain.dtype, plain.chosen, recipe.span, recipe.scaled)
    return plain.model, recipe.resize, images


def _read(path: str) -> dict[str, Any]:
    """A checkpoint. Raises `DatasetError`, also for a bundle that a new one would not have all of."""
    there = place(path)
    if there.is_dir():
        raise DatasetError(f"{path}: is a folder: give its best.pt, or the one of each fold")
    found = checkpoint.read_one(path)
    if "refinement" in found or "plan" in found:
        raise DatasetError(f"{path}: is a bundle already: give the checkpoint that it was made of")
    return found


def _settings(refinement: Refinement | Mapping[str, Any] | str | Path, labels: Labels) -> dict[str, Any]:
    """The settings as JSON, for these classes. Raises `DatasetError`, `OptionError`."""
    if isinstance(refinement, str | Path):
        refinement = Refinement.read(refinement, labels)
    if not isinstance(refinement, Refinement):
        refinement = Refinement.from_json(refinement, labels)
    return refinement.to_json(labels)
