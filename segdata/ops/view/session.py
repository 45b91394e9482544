"""What is open: a dataset, predictions for it, and what is known of each sample."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.dataset.layout import MANIFEST
from segdata.dataset.match import renamed_like
from segdata.dataset.sample import Sample
from segdata.labels import must_agree
from segdata.ops.view.answers import Refusal
from segdata.ops.view.index import Index
from segdata.readers.predictions.opening import open_predictions


@dataclass(eq=False)
class Session:
    """A dataset that is open, `preds` beside it, and its `index`. Threads share it; `lock` is held while it changes.

    `edition` grows when the dataset is opened anew: rows are numbers of samples in one edition.
    """

    truth: Dataset
    preds: tuple[Dataset, ...]
    index: Index
    writable: bool
    given: tuple[Any, tuple[Any, ...]]
    edition: int = 1
    stamp: tuple[int, int] | None = None
    lock: RLock = field(default_factory=RLock)
    closing: ExitStack = field(default_factory=ExitStack)
    """What else is closed with it."""

    @classmethod
    def open(cls, dataset: Dataset | str | Path, preds: Sequence[Dataset | str | Path], *, writable: bool) -> Session:
        """Open all of them. Raises `DatasetError`, `OptionError`."""
        truth = Dataset.of(dataset)
        opened = []
        for pred in preds:
            side = open_predictions(pred, truth, truth, None)
            must_agree(side.labels, truth.labels, folder_name(side), folder_name(truth), "segdata remap makes them so")
            opened.append(renamed_like(side, truth)[0])
        given = (dataset, tuple(preds))
        return cls(truth, tuple(opened), Index.of(truth, opened), writable, given, stamp=stamp_of(truth))

    @property
    def changed(self) -> bool:
        """Whether the dataset on disk is another than the one that is open."""
        return self.stamp != stamp_of(self.truth)

    def reload(self) -> None:
        """Open all anew. Raises as `open`, and then what is open stays."""
        fresh = Session.open(self.given[0], self.given[1], writable=self.writable)
        with self.lock:
            self.truth, self.preds, self.index, self.stamp = fresh.truth, fresh.preds, fresh.index, fresh.stamp
            self.edition += 1

    def sample(self, row: int) -> Sample:
        """The sample of a row. Raises `Refusal`."""
        if not 0 <= row < len(self.truth):
            raise Refusal(404, "row", f"there is no sample number {row}: reload the page")
        return self.truth.samples[row]

    def pred(self, number: int, row: int) -> tuple[Dataset, Sample]:
        """A prediction of a row, by the number of its dataset. Raises `Refusal` if there is none."""
        place = int(self.index.preds[number][row]) if 0 <= number < len(self.preds) else -1
        if place < 0:
            raise Refusal(404, "prediction", f"{self.sample(row).id} has no such prediction")
        return self.preds[number], self.preds[number].samples[place]

    def close(self) -> None:
        """Let go of what is open."""
        self.closing.close()


def stamp_of(dataset: Dataset) -> tuple[int, int] | None:
    """When the manifest was written and how long it is; None if it is gone, or not a file of this machine."""
    path = dataset.root / MANIFEST
    if not isinstance(path, Path):
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
