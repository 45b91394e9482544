"""The largest sample of a dataset."""

from __future__ import annotations

from pathlib import Path

from segdata.dataset.dataset import Dataset


def toy(dataset: Dataset | str | Path, *, names: bool = False) -> str:
    """Find the sample with most pixels.

    Args:
        names: only its id.
    """
    opened = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    largest = max(opened, key=lambda sample: sample.height * sample.width)
    return largest.id if names else f"{largest.id}: {largest.height} x {largest.width}"
