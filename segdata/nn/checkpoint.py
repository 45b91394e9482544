"""Checkpoints: weights with their label contract, recipe and options; plain types and tensors only.

A bundle (`segdata.nn.bundle`) is a checkpoint too. It may hold several models (`members`, and then no `state` of its own),
settings of a refinement and the plan of a training. What an older segdata must not leave out makes it of format 2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Annotated, Any, Literal

import msgspec
import torch
from msgspec import Meta

from segdata.errors import DatasetError, OptionError, reason
from segdata.files.drafts import local_draft
from segdata.files.places import place, read_bytes, real
from segdata.files.reading import AS_IT_IS, Reading
from segdata.files.remote import Place
from segdata.labels import MAX_CLASSES, Labels
from segdata.nn import models
from segdata.nn.options import Training
from segdata.nn.saved import load_saved
from segdata.version import __version__

FORMAT, BUNDLE = 1, 2
"""The format of a training's checkpoints, and of bundles with several models or with a refinement: the latest that is read."""

AGAIN = "train again, or give the dataset these classes (segdata remap)"
"""The way out where a checkpoint is of other classes."""

LARGEST = 2**14
"""The largest number, positive or negative, that a stranger's model may have as an option: a width, a depth, a rate."""

FAULTS = (RuntimeError, KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError, MemoryError)
"""What torch raises on numbers and tensors that do not fit."""


class About(msgspec.Struct, frozen=True):
    """The model that a checkpoint has weights of."""

    name: str
    encoder: str | None
    head: Literal["softmax", "sigmoid"]
    bands: Annotated[int, Meta(ge=1, le=LARGEST)]
    classes: Annotated[int, Meta(ge=1, le=MAX_CLASSES)]
    options: dict[str, Any]

    @property
    def code(self) -> bool:
        """Whether it is a user's own code."""
        return ":" in self.name and not self.name.startswith("smp:")


Temperature = Annotated[float, Meta(gt=0, le=LARGEST)]


class Member(msgspec.Struct, frozen=True):
    """A model of an ensemble: what it does not share with the others."""

    state: dict[str, Any]
    recipe: dict[str, Any]
    temperature: Temperature = 1.0


class Plain(msgspec.Struct, frozen=True):
    """What a checkpoint must have besides its weights."""

    format: Annotated[int, Meta(ge=1)]
    model: About
    labels: dict[str, Any]
    recipe: dict[str, Any]
    reading: Reading = AS_IT_IS
    names: tuple[str, ...] = ()
    dtype: Literal["uint8", "uint16", "float32"] | None = None
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    temperature: Temperature = 1.0
    """What logits are divided by before the softmax, so that confidences are calibrated."""
    members: Annotated[tuple[Member, ...], Meta(max_length=64)] = ()
    """The models of an ensemble, of which there is no `state` then."""
    refinement: dict[str, Any] | None = None
    """Settings as `Refinement.to_json` gives them."""
    plan: Annotated[str, Meta(max_length=2**20)] | None = None
    """The text of plan.yaml."""
    checkpoint: Annotated[str, Meta(max_length=64)] | None = None
    """The SHA-256 of the checkpoint whose one model a bundle has."""

    @property
    def chosen(self) -> str | None:
        """The --bands of the training."""
        bands = self.options.get("bands")
        return bands if isinstance(bands, str) else None


def of(
    options: Training, state: Mapping[str, torch.Tensor], *, labels: Labels, bands: int, recipe: Mapping[str, Any],
    dataset: str, reading: Reading = AS_IT_IS, names: Sequence[str] = (), dtype: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The part of a checkpoint that prediction needs. `state`: the model's; `dataset`: the digest of the training dataset.

    `reading`: how its images were read. `names`: what these call their bands. `dtype`: their type, if that alone says what
    their values mean.
    """
    return {
        "format": FORMAT,
        "segdata": __version__,
        "model": {
            "name": options.model,
            "encoder": options.encoder,
            "head": options.head,
            "bands": bands,
            "classes": len(labels.classes),
            "options": dict(options.model_options),
        },
        "state": dict(state),
        "labels": labels.to_json(),
        "recipe": dict(recipe),
        "options": options.to_json(),
        "dataset": dataset,
        **({"reading": how} if (how := reading.to_json()) else {}),
        **({"names": list(names)} if names else {}),
        **({"dtype": dtype} if dtype else {}),
    }


def free(destination: str | Place, sources: Sequence[str | Place], overwrite: bool) -> Place:
    """The place of a new checkpoint. Raises `OptionError` for another name and for a source, `DatasetError` if it exists."""
    path = place(destination)
    if path.suffix != ".pt":
        raise OptionError(f"{path}: a checkpoint ends in .pt: call it {path.stem or 'model'}.pt")
    if real(path) in [real(source) for source in sources]:
        raise OptionError(f"{path}: is what is read: choose another name")
    if path.is_dir() or (path.exists() and not overwrite):
        way = "choose another name" if path.is_dir() else "choose another name, or --overwrite"
        raise DatasetError(f"{path}: exists: {way}")
    return path


def write(path: Place, checkpoint: Mapping[str, Any]) -> None:
    """Write a checkpoint; if this is interrupted, no incomplete file has its name."""
    with local_draft(path) as here, open(here, "wb") as file:
        try:
            torch.save(dict(checkpoint), file)
        except RuntimeError as error:  # torch's own error as it ends a file on a full disk
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def read(path: str | Place) -> dict[str, Any]:
    """Read a checkpoint, its tensors on the CPU. Runs no code from the file. Raises `DatasetError` if it is no checkpoint."""
    try:
        data = BytesIO(read_bytes(path))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        found = load_saved(data)
    except ValueError as error:
        raise DatasetError(f"{path}: not a checkpoint: {error}") from error
    if not isinstance(found, dict) or not {"format", "model", "state", "labels", "recipe"} <= found.keys():
        raise DatasetError(f"{path}: not a checkpoint of segdata (segdata train writes them)")
    plain = plain_of(found, path)
    if plain.format > BUNDLE:
        raise DatasetError(f"{path}: of format {plain.format}, this segdata reads {BUNDLE}: upgrade segdata")
    if not isinstance(found["state"], Mapping) or not all(isinstance(name, str) for name in found["state"]):
        raise DatasetError(f"{path}: not a checkpoint of segdata: its state is no mapping of names to tensors")
    return found


def read_one(path: str | Place) -> dict[str, Any]:
    """Read a checkpoint of one model. Raises `DatasetError` as `read`, and for an ensemble."""
    found = read(path)
    if members := found.get("members"):
        raise DatasetError(f"{path}: holds {len(members)} models: give one of the checkpoints that it was made of")
    return found


def plain_of(checkpoint: Mapping[str, Any], path: str | Place) -> Plain:
    """What a checkpoint says of itself. Raises `DatasetError` for values of other types, or out of bounds."""
    try:
        return msgspec.convert(
            {name: checkpoint[name] for name in Plain.__struct_fields__ if name in checkpoint}, Plain
        )
    except (msgspec.ValidationError, RecursionError, TypeError) as error:
        raise DatasetError(f"{path}: not a checkpoint of segdata: {reason(error)}") from error


def labels_of(checkpoint: Mapping[str, Any], path: str | Place) -> Labels:
    """The label contract of a checkpoint. Raises `DatasetError`."""
    try:
        return Labels.from_json(checkpoint["labels"])
    except (KeyError, TypeError, ValueError, AttributeError, OptionError) as error:
        raise DatasetError(f"{path}: its label contract is damaged: {reason(error)}") from error


def model_of(checkpoint: Mapping[str, Any], path: str | Place, *, trust_code: bool = False) -> torch.nn.Module:
    """The model of a checkpoint with its weights. Raises `DatasetError` if they do not fit the model.

    Also raises it if the model is a `package.module:factory`, unless `trust_code`: a file must not choose which code is run.
    For all other models, no memory is taken before the weights are known to have the model's shapes.
    """
    about = plain_of(checkpoint, path).model
    if about.code and not trust_code:
        raise DatasetError(f"{path}: its model is the code {about.name}: if you trust it, give --trust-code")
    if not about.code:
        refuse_options(about, path)
    if ":" not in about.name:
        refuse_shapes(_built(about, path, "meta"), checkpoint["state"], path)
    model = _built(about, path, "cpu")
    load_state(model, checkpoint["state"], path)
    return model


def _built(about: About, path: str | Place, device: str) -> torch.nn.Module:
    """A model with random weights, or, on the device "meta", with shapes alone. Raises `DatasetError`."""
    try:
        with torch.device(device):
            return models.build(
                about.name, encoder=about.encoder, bands=about.bands, classes=about.classes, head=about.head,
                **about.options,
            )  # fmt: skip
    except (*FAULTS, OptionError) as error:
        if about.code:
            raise
        raise DatasetError(
            f"{path}: not a checkpoint of segdata: its model cannot be built: {_first_line(error)}"
        ) from error


def refuse_options(about: About, path: str | Place) -> None:
    """Raise `DatasetError` for options that a stranger's model may not have: other weights, files, and numbers without bounds."""
    what = None
    if about.name.startswith("smp:") and not re.fullmatch(r"smp:\w+(/[\w.-]+)?", about.name):
        what = f"there is no model {about.name!r}"
    for name, value in about.options.items():
        if name in (*models.COMMON, "encoder_weights", "encoder_name", "weights", "name"):
            what = f"{name!r} is no option of a model"
        elif not _bounded(value):
            what = f"its option {name!r} is no number up to {LARGEST:,}, no word and no short list of these"
    if what is not None:
        raise DatasetError(f"{path}: not a checkpoint of segdata: {what}")


def _bounded(value: object) -> bool:
    """Whether an option is small: a number, a word, or some of them."""
    if isinstance(value, list | tuple):
        return len(value) <= 64 and all(not isinstance(one, list | tuple) and _bounded(one) for one in value)
    if isinstance(value, str):
        return re.fullmatch(r"[\w.+-]{0,64}", value) is not None
    return value is None or (isinstance(value, bool | int | float) and abs(value) <= LARGEST)


def refuse_shapes(model: torch.nn.Module, state: Mapping[str, Any], path: str | Place) -> None:
    """Raise `DatasetError` unless `state` has a whole tensor for each of the model's, which may be on the device "meta"."""
    needed, held = 0, dict[int, int]()
    for name, own in model.state_dict().items():
        value = state.get(name)
        if not isinstance(value, torch.Tensor) or value.shape != own.shape:
            got = f"has {tuple(value.shape)}" if isinstance(value, torch.Tensor) else "has none"
            raise DatasetError(
                f"{path}: its weights do not fit this model: {name} is {tuple(own.shape)}, the file {got}"
            )
        if value.layout != torch.strided or value.device.type == "meta":
            raise DatasetError(f"{path}: its weights do not fit this model: {name} is no plain tensor")
        needed += value.numel() * value.element_size()
        held[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
    if needed > sum(held.values()):  # a tensor may repeat a few numbers, and many tensors may share them
        raise DatasetError(f"{path}: its weights do not fit this model: they need {needed:,} bytes, the file has fewer")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def load_state(model: torch.nn.Module, state: Mapping[str, Any], path: str | Place) -> None:
    """Give a model the weights of a checkpoint. Raises `DatasetError`, which names the first weight that does not fit."""
    try:
        model.load_state_dict(state)
    except FAULTS as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise DatasetError(f"{path}: its weights do not fit this model: {first}") from error
