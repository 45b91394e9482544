"""Signals of images that never were, and files of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segdata.labels import Labels
from segdata.prediction.profile import About, Profile
from segdata.prediction.signals import BINS, Signals, encoded

NAMES = ("road", "car", "sign")
MODEL = "a" * 64


def signals(
    id: str, pixels: Sequence[int], unsure: float, vector: Sequence[float] | None, group: str | None = None
) -> Signals:
    """Of an image whose pixels all have the entropy `unsure`."""
    whole = sum(pixels)
    return Signals(
        id=id, height=1, width=max(whole, 1), brightness=0.5, contrast=0.1, blur=0.1, pixels=list(pixels),
        confidence=[float(n) for n in pixels], entropy=[n * unsure for n in pixels],
        histogram=[whole, *[0] * (BINS - 1)], embedding=None if vector is None else encoded(np.array(vector)), group=group,
    )  # fmt: skip


def save(root: Path, rows: Sequence[Signals], names: Sequence[str] = NAMES, model: str | None = MODEL) -> Path:
    """A file of signals."""
    path = root if root.suffix == ".jsonl" else root / "signals.jsonl"
    Profile(About.of(Labels.of(names), model), tuple(rows)).save(path)
    return path
