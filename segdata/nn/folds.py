"""Cross-validation: a training for each fold, on the other folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.dataset.folds import folds_of, others
from segdata.errors import DatasetError, OptionError
from segdata.executors.run import Run
from segdata.files.places import names_in, place
from segdata.files.remote import Place
from segdata.nn.distributed import world
from segdata.nn.folder import PLANNED
from segdata.nn.options import Training
from segdata.nn.train import Trained, Watch, silent, train

OWN = ("train_split", "val_split", "val_share")
"""Options that each fold has its own values of."""


def begin_silently(fold: str) -> Mapping[str, Any]:
    """Tell nobody which fold is trained."""
    return {}


def end_silently(fold: str, trained: Trained) -> None:
    """Tell nobody the result of a fold."""


def train_folds(
    dataset: Dataset | str | Path,
    run_dir: str | Path,
    *,
    config: str | Path | None = None,
    overwrite: bool = False,
    run: Run | None = None,
    watch: Watch = silent,
    begin: Callable[[str], Mapping[str, Any]] = begin_silently,
    end: Callable[[str, Trained], None] = end_silently,
    **options: Any,
) -> dict[str, Trained]:
    """Train once per fold of a dataset, each on all other folds, in `run_dir`/fold0 and so on. Other splits are left alone.

    `options` are those of `segdata.train`. `begin` is called with a fold before it is trained, and may give more of them; `end`
    with a fold and its result. What was stopped goes on when the same call is repeated; folds that are finished are returned
    as they are. Raises as `segdata.train`, and `OptionError` for options that say what to train on.
    """
    dataset, root = Dataset.of(dataset), place(run_dir)
    if given := [name for name in OWN if options.get(name) is not None]:
        raise OptionError(f"--folds and --{given[0].replace('_', '-')}: each fold is held out once: give one of them")
    folds = folds_of(dataset)
    refuse_foreign(root, folds)
    out = {}
    with world(Training.choose(config, options).device):
        for fold in folds:
            own = {"train_split": others(folds, fold), "val_split": fold, "val_share": None}
            more = {"watch": watch, **options, **own, **begin(fold)}
            out[fold] = train(dataset, str(root / fold), config=config, overwrite=overwrite, run=run, **more)
            end(fold, out[fold])
    return out


def refuse_foreign(root: Place, folds: Sequence[str]) -> None:
    """Raise `DatasetError` for a folder that holds anything but runs of these folds, and their plan and bundle."""
    if foreign := [name for name in (names_in(root) if root.is_dir() else ()) if name not in (*folds, *PLANNED)]:
        raise DatasetError(f"{root}: holds {foreign[0]}, which is no fold of this dataset: choose another folder")
