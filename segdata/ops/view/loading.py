"""The index of a dataset, read by a thread while the first page of it is looked at already."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from segdata.caches import note
from segdata.dataset.dataset import Dataset
from segdata.dataset.match import renamed_like
from segdata.errors import DataError, DatasetError, SegdataError
from segdata.files.png import decode_mask, encode_mask
from segdata.ops.view.answers import BROKEN, Refusal
from segdata.ops.view.index import Index, Ints, ids_of
from segdata.ops.view.roots import Fenced, Outside
from segdata.words import shown, some

WAIT = 30.0
"""Seconds that a request waits for the index."""

WAITING = 12
"""Requests that may wait at a time: the server has threads for the others."""


class Loading:
    """A dataset and its predictions while their index is read. `share` 0..1 is how much of it is read.

    `preds` are then under the ids of the dataset. `outside`: where images are that are not in the dataset.
    """

    def __init__(self, truth: Fenced, preds: Sequence[Dataset]) -> None:
        self.truth, self.preds, self.outside = truth, tuple(preds), Outside()
        self.share = 0.0
        self._index: Index | None = None
        self._wrong: SegdataError | None = None
        self._there = threading.Event()
        self._seats = threading.BoundedSemaphore(WAITING)
        self._thread = threading.Thread(target=self._load, name="segdata-view-index", daemon=True)
        self._thread.start()

    @property
    def index(self) -> Index:
        """The index, once it is read. Raises what is wrong with the dataset, `Refusal` if it takes longer than `WAIT`."""
        if not self._there.is_set() and self._seats.acquire(blocking=False):
            try:
                self._there.wait(WAIT)
            finally:
                self._seats.release()
        if self._wrong is not None:
            raise self._wrong
        if self._index is None:
            so_far = f"{100 * self.share:.0f} % of it so far"
            raise Refusal(503, "loading", f"the dataset is being read, {so_far}: ask again in a moment")
        return self._index

    @property
    def is_done(self) -> bool:
        """Whether the index is read."""
        return self._index is not None

    @property
    def fault(self) -> str | None:
        """Why there will be no index."""
        return None if self._wrong is None else str(self._wrong)

    def wait(self, seconds: float) -> bool:
        """Wait so long at most for the index; whether it is read."""
        self._there.wait(seconds)
        return self.is_done

    def join(self, seconds: float) -> None:
        """Wait so long at most for all that is read."""
        self._thread.join(seconds)

    def _load(self) -> None:
        decode_mask(
            encode_mask(np.zeros((1, 1), np.uint8))
        )  # what decodes masks loads itself: the first ones would wait
        try:
            self._index = self._read()
            self.share = 1.0
            self._there.set()
            self.outside = Outside.of(self.truth, self._index.folders)
            self._tell()
            _ = self._index.folded  # before a first text is searched, which would wait for it
        except SegdataError as error:
            self._wrong = error
        except OSError as error:
            self._wrong = DatasetError(f"{self.truth.root}: {error}")
        finally:
            if self._index is None and self._wrong is None:
                self._wrong = DatasetError(f"{self.truth.root}: {BROKEN}")
            self._there.set()

    def _read(self) -> Index:
        total = max(1, len(self.truth))

        def told(count: int) -> None:
            self.share = 0.99 * count / total

        index = Index.of(self.truth, told)
        matched = [_matched(index, pred, self.truth) for pred in self.preds]
        self.preds = tuple(pred for pred, _ in matched)
        index.preds = [places for _, places in matched]
        return index

    def _tell(self) -> None:
        """Say on stderr which folders are looked into."""
        folders, refused = self.outside.folders, self.outside.refused
        if folders and not self.truth.roots:
            note(shown(f"{self.truth.root}: images are also read from {some(folders)} (--image-root restricts that)"))
        if refused:
            way_out = f"if you trust this dataset, open it with --image-root {refused[0]}"
            note(shown(f"{self.truth.root}: images at {some(refused)} are not fetched: {way_out}"))


def _matched(index: Index, pred: Dataset, truth: Dataset) -> tuple[Dataset, Ints]:
    """Predictions under the ids of the dataset, and (N,) which of them each of its samples has, -1: none."""
    ids = ids_of(pred)
    places = index.places(ids)
    if (places >= 0).sum() == len(ids) or (places >= 0).all():
        return pred, places
    with suppress(DataError):  # an image that may not be opened tells nothing
        pred = renamed_like(pred, truth)[0]
    return pred, index.places(ids_of(pred))
