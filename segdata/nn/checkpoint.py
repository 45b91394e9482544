"""Checkpoints: weights with their label contract, recipe and options; plain types and tensors only."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import torch

from segdata.errors import DatasetError, OptionError
from segdata.files.drafts import local_draft
from segdata.files.places import read_bytes
from segdata.files.remote import Place
from segdata.labels import Labels
from segdata.nn import models
from segdata.nn.options import Training
from segdata.nn.saved import load_saved
from segdata.version import __version__

FORMAT = 1

AGAIN = "train again, or give the dataset these classes (segdata remap)"
"""The way out where a checkpoint is of other classes."""


def of(
    options: Training, state: Mapping[str, torch.Tensor], *, labels: Labels, bands: int, recipe: Mapping[str, Any], dataset: str
) -> dict[str, Any]:  # fmt: skip
    """The part of a checkpoint that prediction needs. `state`: the model's; `dataset`: the digest of the training dataset."""
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
    }


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
    if found["format"] > FORMAT:
        raise DatasetError(f"{path}: of format {found['format']}, this segdata reads {FORMAT}: upgrade segdata")
    return found


def labels_of(checkpoint: Mapping[str, Any], path: str | Place) -> Labels:
    """The label contract of a checkpoint. Raises `DatasetError`."""
    try:
        return Labels.from_json(checkpoint["labels"])
    except (KeyError, TypeError, OptionError) as error:
        raise DatasetError(f"{path}: its label contract is damaged: {error}") from error


def model_of(checkpoint: Mapping[str, Any], path: str | Place, *, trust_code: bool = False) -> torch.nn.Module:
    """The model of a checkpoint with its weights. Raises `DatasetError` if they do not fit the model.

    Also raises it if the model is a `package.module:factory`, unless `trust_code`: a file must not choose which code is run.
    """
    about = checkpoint["model"]
    if ":" in about["name"] and not about["name"].startswith("smp:") and not trust_code:
        raise DatasetError(f"{path}: its model is the code {about['name']}: if you trust it, give --trust-code")
    model = models.build(
        about["name"], encoder=about["encoder"], bands=about["bands"], classes=about["classes"], head=about["head"],
        **about["options"],
    )  # fmt: skip
    load_state(model, checkpoint["state"], path)
    return model


def load_state(model: torch.nn.Module, state: Mapping[str, Any], path: str | Place) -> None:
    """Give a model the weights of a checkpoint. Raises `DatasetError`, which names the first weight that does not fit."""
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise DatasetError(f"{path}: its weights do not fit this model: {first}") from error
