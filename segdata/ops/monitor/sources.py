"""Where signals are read from, and a sample of them: of streams of any length."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.errors import DatasetError, OptionError
from segdata.files.places import file_digest, listed
from segdata.files.remote import Place
from segdata.ops.monitor.drift import Floats
from segdata.ops.monitor.estimate import share_of
from segdata.prediction.predictor import LOADERS
from segdata.prediction.profile import PROFILE, SIGNALS, About, Profile, streamed
from segdata.prediction.signals import BINS, Signals

Given = Profile | Dataset | str | Path

BLOCK = re.compile(r"block:([1-9][0-9]*)")

KINDS = "image, group, or block:N for N images in a row, such as block:10"


@dataclass(slots=True)
class Gathered:
    """The images of one side: sums over all of them, and a sample of `rows`, each with its place."""

    name: str
    about: About
    rows: list[tuple[int, Signals]]
    images: int = 0
    pixels: Floats = field(default_factory=lambda: np.zeros(0))
    confidence: Floats = field(default_factory=lambda: np.zeros(0))
    entropy: Floats = field(default_factory=lambda: np.zeros(0))
    histogram: Floats = field(default_factory=lambda: np.zeros(BINS))
    judged: Floats = field(default_factory=lambda: np.zeros(BINS))
    right: Floats = field(default_factory=lambda: np.zeros(BINS))

    @property
    def grouped(self) -> bool:
        """Whether an image is of a group."""
        return any(row.group is not None for _, row in self.rows)

    def of_class(self, number: int) -> tuple[float | None, float | None, float | None]:
        """A class's share of the pixels, and its mean confidence and entropy; None of no pixels."""
        pixels = self.pixels[number]
        share = share_of(pixels, self.pixels.sum())
        return share, share_of(self.confidence[number], pixels), share_of(self.entropy[number], pixels)

    def units(self, resample: str) -> list[str]:
        """What each image stays together with."""
        if block := BLOCK.fullmatch(resample):
            return [f"{self.name} {place // int(block[1])}" for place, _ in self.rows]
        return [f"{self.name} {row.unit if resample == 'group' else place}" for place, row in self.rows]


def gather(given: Given, name: str, most: int, seed: int) -> Gathered:
    """Read one side, and keep `most` images of it, each with the same chance (Vitter 1985, algorithm R).

    Raises `DatasetError` for what has no signals, and for none.
    """
    with opened(given) as (about, rows):
        out = Gathered(name, about, [])
        out.pixels, out.confidence, out.entropy = (np.zeros(len(about.contract.classes)) for _ in range(3))
        out.rows = _sampled(_summed(out, rows), most, np.random.default_rng(seed))
    if not out.images:
        raise DatasetError(f"{_called(given)}: has signals of no image")
    return out


@contextmanager
def opened(given: Given) -> Iterator[tuple[About, Iterable[Signals]]]:
    """What signals are of, and the signals. Raises `DatasetError`."""
    if isinstance(given, Profile):
        yield given.about, given.rows
        return
    with streamed(signals_file(given.root if isinstance(given, Dataset) else given)) as found:
        yield found


def signals_file(path: str | Place) -> Place:
    """The file of signals that a path means: itself, of a folder, or beside a model. Raises `DatasetError`, with the way out."""
    there = listed(path)
    if there.is_dir():
        for name in (SIGNALS, PROFILE):
            if (there / name).is_file():
                return there / name
        raise DatasetError(
            f"{path}: has neither {SIGNALS}, which segdata predict writes, nor {PROFILE}, which segdata train writes: "
            "give a folder of predictions made without --no-signals, or a file of signals"
        )
    if not there.is_file():
        raise DatasetError(f"{path}: there is no such file or folder")
    if there.suffix not in LOADERS:
        return there
    beside = there.parent / PROFILE
    if not beside.is_file():
        raise DatasetError(
            f"{path}: there is no {PROFILE} beside it, which segdata train writes: predict the validation images with it, and "
            "give those predictions instead"
        )
    _refuse_other(there, beside)
    return beside


def _refuse_other(model: Place, profile: Place) -> None:
    """Raise `DatasetError` for a checkpoint that the profile beside it is not of; of exported models nobody knows."""
    with streamed(profile) as (about, _):
        if model.suffix == ".pt" and about.model not in (None, file_digest(model)):
            raise DatasetError(
                f"{model}: {profile.name} beside it is of another checkpoint, most likely best.pt: give that, or predict the "
                "validation images with this one, and give those predictions"
            )


def resampling(resample: str | None, grouped: bool) -> str:
    """What is one independent unit: by default group if images have any. Raises `OptionError`."""
    if resample is None:
        return "group" if grouped else "image"
    if resample == "group" and not grouped:
        raise OptionError("--resample group: no image has a group: --resample image, or --resample block:10")
    if resample not in ("image", "group") and not BLOCK.fullmatch(resample):
        raise OptionError(f"--resample {resample}: must be {KINDS}")
    return resample


def _summed(out: Gathered, rows: Iterable[Signals]) -> Iterator[Signals]:
    for row in rows:
        out.images += 1
        out.pixels += row.pixels
        out.confidence += row.confidence
        out.entropy += row.entropy
        out.histogram += row.histogram
        if row.judged is not None and row.right is not None:
            out.judged += row.judged
            out.right += row.right
        yield row


def _sampled(rows: Iterable[Signals], most: int, rng: np.random.Generator) -> list[tuple[int, Signals]]:
    held: list[tuple[int, Signals]] = []
    for place, row in enumerate(rows):
        if len(held) < most:
            held.append((place, row))
        elif (at := int(rng.integers(0, place + 1))) < most:
            held[at] = place, row
    return sorted(held, key=lambda one: one[0])


def _called(given: Given) -> str:
    return "the profile" if isinstance(given, Profile) else str(given.root if isinstance(given, Dataset) else given)
