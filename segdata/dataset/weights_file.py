"""weights.json: class weights with all that they were made from, so that a training can tell whether they are its own."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from segdata.dataset.counts import ClassCounts
from segdata.dataset.dataset import Dataset
from segdata.dataset.layout import UNDECODABLE
from segdata.errors import DatasetError, OptionError, reason
from segdata.files.places import read_bytes
from segdata.files.remote import Place
from segdata.labels import Labels

SCHEMA = 1
"""0: the weights alone, as older versions wrote them. 1: with what they were made from."""


class WeightsFile(msgspec.Struct, frozen=True, kw_only=True):
    """Weights of classes by name, in order of the classes.

    `labels`: the digest of the label contract. `scheme`, and `weighting`: its options, among them `clamp` and `normalise`.
    `split`: what was counted, as `Dataset.split` takes it (None: all samples). `counts`: the digest of the counts.
    """

    schema: int = 0
    labels: str
    scheme: str
    split: str | None = None
    counts: str | None = None
    weighting: dict[str, Any] = {}
    weights: dict[str, Annotated[float, Meta(ge=0)]]

    @property
    def told(self) -> str:
        """What the weights are, in one line."""
        if not self.schema:
            return f"{self.scheme} (of which split, the file does not say)"
        clamp, normalise = self.weighting.get("clamp"), self.weighting.get("normalise", "none")
        told = [self.scheme, "of all splits" if self.split is None else f"of split {self.split}"]
        told += [] if normalise == "none" else [f"normalised to a {normalise} of 1"]
        told += [] if not clamp else [f"clamped to {clamp[0]:g} to {clamp[1]:g}"]
        return ", ".join(told)

    def fit(self, dataset: Dataset, split: str, path: str) -> str:
        """What to tell of weights for a training on `dataset`, which is of this split: what they are, and whether of its samples.

        Raises `DatasetError` for weights of another split that has other counts.
        """
        if self.counts is None or self.counts == ClassCounts.of((s.counts for s in dataset), dataset.labels).digest:
            return self.told
        if self.split is not None and self.split != split:
            words = ["segdata", "stats", str(dataset.root), "--split", split, *self._options, "--out", path]
            way = f"write them for this one: {shlex.join(words)}"
            raise DatasetError(f"{path}: has weights of split {self.split!r}, and the training is on {split!r}: {way}")
        return f"{self.told}; counted on other samples than those that are trained on"

    @property
    def _options(self) -> list[str]:
        """The options of `segdata stats` that make such weights, but for `--split`."""
        words = ["--scheme", self.scheme]
        if self.scheme == "effective_number":
            words += [f"--{key}={self.weighting[key]}" for key in ("count", "beta") if key in self.weighting]
        normalise, clamp = self.weighting.get("normalise", "none"), self.weighting.get("clamp")
        words += [] if normalise == "none" else ["--normalise", normalise]
        return words + (["--clamp", *(f"{end:g}" for end in clamp)] if clamp else [])


def read_weights_file(path: str | Place, labels: Labels) -> WeightsFile:
    """The weights of a file. Raises `OptionError` for one that is none; `DatasetError` for weights of other classes."""
    try:
        found = msgspec.json.decode(read_bytes(path), type=WeightsFile)
    except OSError as error:
        raise OptionError(f"--weights-file {path}: cannot be read: {error.strerror}") from error
    except UNDECODABLE as error:
        raise OptionError(f"--weights-file {path}: not what `segdata stats --out` writes: {reason(error)}") from error
    if found.schema > SCHEMA:
        raise OptionError(
            f"--weights-file {path}: of schema {found.schema}, this segdata reads {SCHEMA}: upgrade segdata"
        )
    if found.labels != labels.digest or list(found.weights) != list(labels.names):
        raise DatasetError(f"{path}: has weights of other classes: write them for this dataset (segdata stats --out)")
    return found
