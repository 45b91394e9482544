"""The models of a cross-validation, each for the fold that it has not seen."""

from __future__ import annotations

import hashlib
import os
import shlex
import uuid
from pathlib import Path
from typing import Any

import msgspec

from segdata.dataset.dataset import Dataset
from segdata.dataset.folds import folds_of
from segdata.dataset.layout import UNDECODABLE
from segdata.errors import DatasetError, OptionError
from segdata.files.places import file_digest, read_start, read_text
from segdata.files.remote import Place
from segdata.files.yaml_text import load_yaml
from segdata.labels import must_agree
from segdata.prediction.predictor import Predictor, Stored

FOLDS = "folds"
"""What `split` is called if each fold is to be predicted by the model that has not seen it."""


def held_out(root: Place, dataset: Dataset, device: str, trust_code: bool) -> dict[str, Stored]:
    """The best model of each fold, from the folder of a cross-validation. Raises `DatasetError` if one is missing.

    Also raises it for a model that was validated on another split or on another dataset: it may have seen the fold.
    """
    if not root.is_dir():
        raise OptionError(f"{root}: --split folds takes the folder of a cross-validation (segdata train --folds)")
    models = {}
    for fold in folds_of(dataset):
        path = root / fold / "best.pt"
        if not path.is_file():
            words = ["segdata", "train", str(dataset.root), str(root), "--folds", *_options_of(root, dataset)]
            raise DatasetError(
                f"{path}: there is no such file, so nothing can predict {fold}: {shlex.join(words)} goes on"
            )
        refuse_seen(root / fold, fold, dataset)
        models[fold] = Stored(str(path), device, trust_code, file_digest(path))
    first, *rest = models.values()
    for other in rest:
        must_agree(other.load().labels, first.load().labels, other.path, first.path, "train all folds alike")
    return models


def _options_of(root: Place, dataset: Dataset) -> list[str]:
    """What a training of all folds must be given to go on: the options of one that was begun, if any was."""
    configs = [root / fold / "config.yaml" for fold in folds_of(dataset)]
    return next((["--config", str(path)] for path in configs if path.is_file()), [])


def refuse_seen(run: Place, fold: str, dataset: Dataset) -> None:
    """Refuse the run of a fold that may have been trained on it. Raises `DatasetError`."""
    try:
        config = load_yaml(read_text(run / "config.yaml"))
        about = msgspec.json.decode(read_start(run / "run.json", 2**20))
        validated, trained = config["val_split"], about["dataset"]
    except (*UNDECODABLE, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{run}: run.json or config.yaml is damaged: {error}") from error
    if validated != fold or config.get("val_share") is not None:
        raise DatasetError(
            f"{run}: was validated on {validated}, so it may have learnt from {fold}: train it with --folds"
        )
    if trained != dataset.digest:
        raise DatasetError(
            f"{run}: was trained on another dataset, so it may have learnt from {fold} of {dataset.root}"
        )


def digest_of(models: dict[str, Stored]) -> str:
    """One SHA-256 of the files of all models."""
    return hashlib.sha256("".join(model.sha256 for model in models.values()).encode()).hexdigest()


def named_as(model: Predictor | str | Path, predictor: Predictor, models: dict[str, Stored]) -> dict[str, Any]:
    """What a job calls its model; one that is no file is like no other, so that nobody's job is taken up with another model."""
    if models and isinstance(model, str | Path):
        return {"name": os.path.basename(model), "sha256": digest_of(models)}
    if isinstance(model, str | Path):
        return {"name": os.path.basename(model), "sha256": file_digest(model)}
    return {"name": type(predictor).__name__, "sha256": None, "job": uuid.uuid4().hex}
