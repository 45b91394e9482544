"""The folds of a cross-validation: the splits `fold0`, `fold1` and so on, of which each is once what is not trained on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError


def folds_of(dataset: Dataset) -> tuple[str, ...]:
    """The names of a dataset's folds in the order of their numbers. Raises `DatasetError` if there are fewer than two."""
    found = sorted((name for name in dataset.splits if re.fullmatch(r"fold\d+", name)), key=lambda name: int(name[4:]))
    if len(found) < 2:
        raise DatasetError(
            f"{dataset.root}: no folds (fold0, fold1 and so on): segdata split {dataset.root} NEW --folds 5"
        )
    return tuple(found)


def others(folds: Sequence[str], fold: str) -> str:
    """What is trained on while `fold` is held out, as an expression: all other folds, and no split besides."""
    return ",".join(name for name in folds if name != fold)
