"""The manifest of a dataset written anew, whole or in parts."""

from __future__ import annotations

from pathlib import Path

from segdata.dataset.dataset import Dataset
from segdata.dataset.manifest import LARGEST, PART
from segdata.errors import OptionError


def manifest(dataset: Dataset | str | Path, *, part: int | None = PART) -> Dataset:
    """Write a dataset's manifest anew, in parts, or as one file (`part` None); masks and images stay as they are.

    In parts it is read as it is needed, see `segdata.dataset.manifest`. Made of a whole one it is read at once first. Raises
    `OptionError` and `DatasetError`.

    Args:
        dataset: The dataset, or its folder.
        part: How many samples a part holds.
    """
    if part is not None and not 1 <= part <= LARGEST:
        raise OptionError(f"--parts {part}: must be 1 to {LARGEST:,} samples")
    dataset = Dataset.of(dataset)
    dataset.save(part=part or 0)
    return Dataset.open(dataset.root)
