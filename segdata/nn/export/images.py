"""The real images on which an exported model is compared with its checkpoint, and those on which it is calibrated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.layout import UNDECODABLE
from segdata.errors import DatasetError, OptionError
from segdata.files.places import place, read_start
from segdata.files.remote import Place
from segdata.labels import must_agree
from segdata.nn import checkpoint
from segdata.nn.options import Training
from segdata.nn.predictor import TorchPredictor
from segdata.nn.task import choose_splits

ABOUT = "run.json"
"""The file beside a checkpoint that says where the dataset of its training is."""

MOST = 2**20
"""So many bytes of it are read."""


def shown_images(
    model: str | Path, predictor: TorchPredictor, verify: Dataset | str | Path | None, split: str | None, count: int
) -> Dataset:
    """The images to compare on. Raises `OptionError` and `DatasetError` for none."""
    if count < 1:
        raise OptionError(f"--count {count}: must be 1 or more: --no-verify compares on none")
    if verify is not None:
        return images_of(verify, split, "val", count, predictor)
    if split is not None:
        raise OptionError(f"--split {split}: of which dataset? Name it with --verify")
    return spread_over(own_images(model, "--verify DATASET, or --no-verify")[1], count)


def trained_images(
    model: str | Path,
    predictor: TorchPredictor,
    ranges_from: Dataset | str | Path | None,
    verify: Dataset | str | Path | None,
    count: int,
) -> Dataset:
    """The images that show the ranges of values: of the dataset named for it, the one to compare on, or the training's.

    Raises `OptionError` and `DatasetError` for none.
    """
    if count < 1:
        raise OptionError(f"--ranges-count {count}: must be 1 or more")
    if (named := verify if ranges_from is None else ranges_from) is not None:
        return images_of(named, None, "train", count, predictor)
    return spread_over(own_images(model, "--ranges-from DATASET, or --precision fp16")[0], count)


def images_of(
    dataset: Dataset | str | Path, split: str | None, usual: str, count: int, predictor: TorchPredictor
) -> Dataset:
    """`count` samples of a dataset, evenly spread: of a split; by default of the `usual` one if there is one, or else of all.

    Raises `DatasetError` for another label contract, and if there are none.
    """
    found = Dataset.of(dataset).read_as(predictor.chosen, "auto")
    must_agree(predictor.labels, found.labels, "the model", str(found.root), "give a dataset of these classes")
    if split is not None or usual in found.splits:
        found = found.split(usual if split is None else split)
    return spread_over(found, count)


def spread_over(dataset: Dataset, count: int) -> Dataset:
    """`count` samples, evenly spread over the dataset, of those that have an image. Raises `DatasetError` for none."""
    samples = [sample for sample in dataset if sample.image is not None]
    if not samples:
        raise DatasetError(f"{dataset.root}: has no images: name a dataset that has")
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int))
    return replace(dataset, samples=[samples[i] for i in chosen])


def own_images(model: str | Path, ways: str) -> tuple[Dataset, Dataset]:
    """The samples that a checkpoint was trained on, and those it was validated on, if its dataset is where it was.

    Raises `OptionError` with the `ways` out if that is not known, or if the dataset has changed.
    """
    nothing = f"{model}: its own images cannot be taken"
    root = trained_on(place(model))
    if root is None:
        raise OptionError(f"{nothing}: no {ABOUT} beside it says where its dataset is: give {ways}")
    found = checkpoint.read(model)
    try:
        dataset = Dataset.of(root)
        options = Training.of(found["options"])
        train, val = choose_splits(dataset.read_as(options.bands, options.alpha), options)
        same = dataset.digest == found["dataset"]
    except (DatasetError, OptionError, KeyError) as error:
        raise OptionError(f"{nothing} ({error}): give {ways}") from error
    if not same:
        raise OptionError(f"{nothing}: the dataset {root} has changed since: give {ways}")
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
