"""Trainings side by side: what each came to, as a table and as curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os.path import commonprefix
from pathlib import Path
from typing import Any

import msgspec

from segdata.errors import DatasetError, OptionError
from segdata.files.places import place, read_bytes, real
from segdata.files.remote import Place
from segdata.nn.curves import draw_curves, read_rows
from segdata.nn.options import read_config

METRICS, ABOUT, CONFIG = "metrics.csv", "run.json", "config.yaml"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """run.json: what a run is of. `best` is the row of metrics.csv that best.pt is of, by the column `best_by`."""

    segdata: str
    model: str
    parameters: int
    labels: str
    dataset: str
    device: str
    processes: int
    epochs: int
    best_by: str
    best: dict[str, float]


@dataclass(frozen=True, slots=True)
class Setting:
    """Runs that differ in nothing but the seed, under the beginning that their names share."""

    name: str
    trials: tuple[Trial, ...]

    def of(self, column: str) -> list[float]:
        """A column of metrics.csv at each run's best epoch, if it was measured there."""
        return [trial.best[column] for trial in self.trials if column in trial.best]


@dataclass(frozen=True, slots=True)
class Trial:
    """A run as `compare` shows it: its folder's name, run.json, a row an epoch, and its options."""

    name: str
    about: About
    rows: tuple[dict[str, float], ...]
    options: dict[str, Any]

    @property
    def seconds(self) -> float:
        """Of all its sessions."""
        return self.rows[-1]["seconds"]

    @property
    def best(self) -> dict[str, float]:
        """The row of the best epoch; the last one's if nothing was validated."""
        return self.about.best or self.rows[-1]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"run": self.name, "seconds": self.seconds, "last": self.rows[-1], **msgspec.to_builtins(self.about)}


def compare(runs: Sequence[str | Path], out: str | Path | None = None) -> list[Trial]:
    """Read trainings by their folders.

    Raises `DatasetError` for a folder that holds no run, or one whose first epoch is not over.

    Args:
        runs: The folders of the trainings.
        out: Draw the curves of all into this file: .png, .svg or .pdf.
    """
    trials = [read_trial(place(run)) for run in runs]
    if out is not None:
        if place(out).suffix.lower() not in (".png", ".svg", ".pdf"):
            raise OptionError(f"{out}: name a .png, .svg or .pdf file for the curves")
        place(out).parent.mkdir(parents=True, exist_ok=True)
        draw_curves(out, {s.name: [trial.rows for trial in s.trials] for s in settings(trials)})
    return trials


def settings(trials: Sequence[Trial]) -> list[Setting]:
    """The runs by what they are of, in the order of the first of each."""
    same: dict[str, list[Trial]] = {}
    for trial in named(trials):
        key = {**trial.options, "seed": None, "": (trial.about.model, trial.about.dataset, trial.about.labels)}
        same.setdefault(repr(sorted(key.items())), []).append(trial)
    names = {
        key: commonprefix([trial.name for trial in group]).rstrip("-_. ")  # noqa: RUF071 - of names, not of paths
        for key, group in same.items()
    }
    clear = len(set(names.values())) == len(names) and all(names.values())
    return [Setting(names[key] if clear else group[0].name, tuple(group)) for key, group in same.items()]


def read_trial(root: Place) -> Trial:
    """One run. Raises `DatasetError`."""
    try:
        about = msgspec.json.decode(read_bytes(root / ABOUT), type=About)
        rows = read_rows(root / METRICS)
        options = read_config(root / CONFIG)
    except FileNotFoundError as error:
        raise DatasetError(f"{root}: no finished epoch of a training (segdata train DATASET {root})") from error
    except (OSError, ValueError, msgspec.DecodeError, OptionError) as error:
        raise DatasetError(f"{root}: {ABOUT}, {METRICS} or {CONFIG} is damaged: {error}") from error
    if not rows:
        raise DatasetError(f"{root}: {METRICS} holds no epoch")
    return Trial(place(real(root)).name, about, tuple(rows), options)


def named(trials: Sequence[Trial]) -> list[Trial]:
    """The same, with numbers if two folders have the same name."""
    names = [trial.name for trial in trials]
    return [
        replace(t, name=t.name if names.count(t.name) == 1 else f"{t.name} ({number})")
        for number, t in enumerate(trials, 1)
    ]
