"""What `predict` writes of all images together: their signals."""

from __future__ import annotations

from collections.abc import Iterable

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.files.remote import Place
from segdata.prediction.predictor import Predictor
from segdata.prediction.profile import SIGNALS, About, Profile
from segdata.prediction.signals import Measure, Signals
from segdata.tiling.tiles import tile_content


def about_of(predictor: Predictor, model: str | None, alone: bool) -> About:
    """What the signals are of; `model` is the SHA-256 of the file or files. `alone`: it is the one model that predicts."""
    return About.by(predictor, model) if alone else About.of(predictor.labels, model)


def measure_of(sample: Sample, classes: int) -> Measure:
    """What measures an image."""
    return Measure(classes, tile_content(sample))


def signals_of(sample: Sample, measure: Measure) -> Signals:
    """The signals of an image whose bands have all come."""
    return measure.signals(sample.id, sample.group or sample.parent)


def save_signals(root: Place, about: About, found: Iterable[Signals | None]) -> None:
    """Write `signals.jsonl`."""
    Profile(about, tuple(one for one in found if one is not None)).save(root / SIGNALS)


def whole_with(about: About | None, there: Dataset) -> bool:
    """Whether predictions have their signals, if they are asked for: those of older versions have none."""
    return about is None or (there.root / SIGNALS).is_file()
