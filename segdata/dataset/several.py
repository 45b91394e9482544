"""What several datasets have together: names that tell them apart, one way to keep images, and one way to read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.dataset.sample import Images
from segdata.dataset.transparency import may_be
from segdata.errors import DatasetError
from segdata.files.places import real
from segdata.files.reading import Reading


def folder_names(datasets: Sequence[Dataset]) -> list[str]:
    """Folder names, numbered where several datasets have the same."""
    names: list[str] = []
    for dataset in datasets:
        name, number = folder_name(dataset), 1
        while name in names:
            number += 1
            name = f"{folder_name(dataset)}-{number}"
        names.append(name)
    return names


def images_of(datasets: Sequence[Dataset]) -> Images:
    """How their images are kept: as all keep them, or referred to where they are if they differ."""
    kinds = {d.images for d in datasets if len(d)}
    return kinds.pop() if len(kinds) == 1 else "reference"


def one_reading(datasets: Sequence[Dataset]) -> Reading:
    """How the images of all of them are read. Raises `DatasetError` if they are read differently.

    What one dataset says of alpha holds for one that says nothing, if its images are read alike then.
    """
    said = next((d.reading.alpha for d in datasets if d.reading.alpha is not None), None)
    reading = replace(datasets[0].reading, alpha=said)
    for dataset in datasets:
        own = dataset.reading
        if own != reading and not (own == replace(reading, alpha=None) and said is not None and _may_be(said, dataset)):
            ways = f"{reading.to_json() or 'as the files are'} and {own.to_json() or 'as the files are'}"
            message = f"{dataset.root}: its images are read otherwise than those of {datasets[0].root}: {ways}"
            raise DatasetError(f"{message}: convert both with the same --bands and --alpha")
    return reading


def _may_be(alpha: bool, dataset: Dataset) -> bool:
    return may_be(alpha, (dataset.image_path(sample) for sample in dataset if sample.image is not None))


def in_one_of(dataset: Dataset, others: Sequence[Dataset]) -> bool:
    """Whether a dataset lies where one of the others does."""
    return any(real(dataset.root) == real(other.root) for other in others)
