"""Which splits of a dataset are meant for training and validation, where they have other names than asked for.

Names stay as the dataset has them: a message names the option that takes them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from segdata.dataset.choosing import ALL_BUT, AND
from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError
from segdata.words import some

TRAIN = ("train", "training", "trn", "trainset", "trainval", "default", "all")
"""What exports call a split to train on, the likeliest first; `default` is CVAT's for what was not divided."""

VAL = ("val", "valid", "validation", "validate", "valset", "dev", "eval", "evaluation")
"""What they call a split to validate on."""


def refuse_splits(dataset: Dataset, train: str, val: str | None) -> None:
    """Raise `DatasetError` for a split that there is not, with options that run. `val`: None if a part of `train` is held out."""
    splits = dataset.splits
    no_train, no_val = bool(splits) and _is_lacking(train, splits), val is not None and _is_lacking(val, splits)
    if not (no_train or no_val):
        return
    lacking = [f"no split {train!r} to train on"] * no_train + [f"no split {val!r} to validate on"] * no_val
    found = likely(train, splits) if no_train else train
    options = [f"--train-split {found}"] if no_train and found else []
    if no_val:
        other = likely(val or "", [name for name in splits if name != found])
        options.append("--val-share 0.2" if other is None else f"--val-split {other}")
    ways = f"give {' '.join(options)}" if found else "name them with --train-split and --val-split"
    if no_train and {"fold0", "fold1"} <= set(splits):
        found, ways = None, "give --train-split '!fold0' --val-split fold0, or --folds to train once per fold"
    if found and "--val-share 0.2" in options:
        ways = f"hold out a part of the training split ({ways}), or make a split with segdata split"
    there = f"there are {some(splits)}" if splits else "it has no splits"
    raise DatasetError(f"{dataset.root}: {', '.join(lacking)}: {there}: {ways}")


def _is_lacking(split: str, splits: Sequence[str]) -> bool:
    """Whether no split has this name. `Dataset.split` tells of an expression of several what is wrong with it."""
    return split not in splits and not split.startswith(ALL_BUT) and AND not in split


def likely(wanted: str, splits: Sequence[str]) -> str | None:
    """The split that is meant by a name: of the same meaning in any case, also with a year or number after it, or a near one."""
    lower = wanted.casefold()
    words = next((group for group in (TRAIN, VAL) if lower in group), (lower,))
    for word in words:
        for split in splits:
            if re.sub(r"[^a-z]*$", "", split.casefold()) == word:
                return split
    near = {split.casefold(): split for split in splits}
    return next((near[found] for found in difflib.get_close_matches(lower, near, 1)), None)
