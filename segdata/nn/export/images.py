"""The real images on which an exported model is compared with its checkpoint, and those on which it is calibrated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.layout import UNDECODABLE
from segdata.errors import DatasetError, OptionError
from segdata.files.places import place, read_start
from segdata.files.remote import Place
from segdata.labels import must_agree
from segdata.nn.options import Training
from segdata.nn.predictor import TorchPredictor
from segdata.nn.task import choose_splits

ABOUT = "run.json"
"""The file beside a checkpoint that says where the dataset of its training is."""

MOST = 2**20
"""So many bytes of it are read."""


def images_of(
    dataset: Dataset | str | Path, split: str | None, usual: str, count: int, predictor: TorchPredictor
) -> Dataset:
    """`count` samples of a dataset, evenly spread: of a split; by default of the `usual` one if there is one, or else of all.

    Raises `DatasetError` for another label contract, and where there are none.
    """
    found = Dataset.of(dataset).read_as(predictor.chosen, "auto")
    must_agree(predictor.labels, found.labels, "the model", str(found.root), "give a dataset of these classes")
    if split is not None or usual in found.splits:
        found = found.split(usual if split is None else split)
    return spread_over(found, count)


def spread_over(dataset: Dataset, count: int) -> Dataset:
    """`count` samples, evenly spread over the dataset, without those that have no image. Raises `DatasetError` for none."""
    samples = [sample for sample in dataset if sample.image is not None]
    if not samples:
        raise DatasetError(f"{dataset.root}: has no images to compare on: give a dataset that has, or --no-verify")
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int))
    return replace(dataset, samples=[samples[i] for i in chosen])


def own_images(model: str | Path, checkpoint: dict[str, Any]) -> tuple[Dataset, Dataset]:
    """The samples that a checkpoint was trained on, and those it was validated on, if its dataset is where it was.

    Raises `OptionError` with the way out if that is not known, or if the dataset has changed.
    """
    way = "name a dataset with --verify, or give --no-verify"
    root = trained_on(place(model))
    if root is None:
        raise OptionError(f"{model}: nothing to compare with: no {ABOUT} beside it says where its dataset is: {way}")
    try:
        dataset = Dataset.of(root)
        options = Training.of(checkpoint["options"])
        train, val = choose_splits(dataset.read_as(options.bands, options.alpha), options)
        same = dataset.digest == checkpoint["dataset"]
    except (DatasetError, OptionError, KeyError) as error:
        raise OptionError(f"{model}: nothing to compare with: its dataset cannot be read ({error}): {way}") from error
    if not same:
        raise OptionError(f"{model}: nothing to compare with: its dataset {root} has changed since: {way}")
    return train, val


def trained_on(model: Place) -> str | None:
    """The folder of the dataset, by the run's file beside a checkpoint; None if nothing says it."""
    path = model.parent / ABOUT
    if not path.is_file():
        return None
    try:
        about = msgspec.json.decode(read_start(path, MOST))
    except UNDECODABLE:
        return None
    root = about.get("source") if isinstance(about, dict) else None
    return root if isinstance(root, str) else None
