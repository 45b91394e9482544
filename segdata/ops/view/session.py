"""What is open: a dataset, predictions for it, and what is known of each sample."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock
from typing import Any

import msgspec
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.job import folder_name
from segdata.dataset.layout import CARD, MANIFEST
from segdata.dataset.sample import Sample
from segdata.files.places import place
from segdata.labels import must_agree
from segdata.ops.view.answers import Refusal
from segdata.ops.view.index import Bools, Index, Ints
from segdata.ops.view.loading import Loading
from segdata.ops.view.roots import Fenced
from segdata.ops.view.tags import Tags
from segdata.readers.predictions.opening import open_predictions

KEPT, ROWS = 32, 2**23
"""Queries that are remembered, and rows of all of them."""

Given = Dataset | str | Path
Stamp = tuple[tuple[int, ...] | None, ...]
Filter = Callable[[str], Bools]
Sorting = Callable[[Mapping[str, Sequence[str]]], NDArray[Any]]


class Stopped(Exception):
    """The dataset was closed or opened anew, so nobody waits for this any more."""


@dataclass(frozen=True, slots=True)
class Column:
    """What a column of `Index.more` is: a `share` of 0..1 or a `number`, and whether low values are the bad ones."""

    title: str
    kind: str = "share"
    low_is_bad: bool = True


@dataclass(frozen=True, slots=True)
class Options:
    """How a dataset is opened: see `view`."""

    dataset: Given
    preds: tuple[Given, ...]
    image_roots: tuple[str, ...] = ()
    vrt: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """One edition: what was opened together. `stamp` tells whether it is still what is on disk."""

    loading: Loading
    edition: int
    stamp: Stamp

    @classmethod
    def of(cls, options: Options, edition: int) -> Opened:
        """Open all of it. Raises `DatasetError`, `OptionError`."""
        stamp = tuple(stamp_of(_root(one)) for one in (options.dataset, *options.preds))
        found = Dataset.of(options.dataset)
        reading = found.reading if options.vrt else replace(found.reading, vrt=False)  # the card is not the user's word
        truth = Fenced.around(replace(found, reading=reading), options.image_roots)
        preds = []
        for given in options.preds:
            pred = open_predictions(given, truth, truth, None)
            must_agree(pred.labels, truth.labels, folder_name(pred), folder_name(truth), "segdata remap makes them so")
            preds.append(pred)
        return cls(Loading(truth, preds), edition, stamp)


@dataclass(eq=False)
class Session:
    """A dataset that is open, `preds` beside it, and its `index`. Threads share it; `lock` is held while it changes.

    `edition` grows when the dataset is opened anew: rows are numbers of samples in one edition. What analyses and tags know is
    asked for by name: `filters` (a value -> (N,) which samples fit), `orders` (the filters that are given, by name -> (N,)
    numbers to sort by), `columns` (what the columns of `index.more` are), `about`, `facets` and `fields` (more for the answers:
    of all, of rows, of one row).
    `reopened` is called after each `reload`, `ends` in the end.
    """

    options: Options
    writable: bool
    opened: Opened
    lock: RLock = field(default_factory=RLock)
    filters: dict[str, Filter] = field(default_factory=dict)
    orders: dict[str, Sorting] = field(default_factory=dict)
    columns: dict[str, Column] = field(default_factory=dict)
    about: dict[str, Callable[[], Any]] = field(default_factory=dict)
    facets: dict[str, Callable[[Ints], Any]] = field(default_factory=dict)
    fields: dict[str, Callable[[int], Any]] = field(default_factory=dict)
    reopened: list[Callable[[], None]] = field(default_factory=list)
    tags: Tags | None = None
    ends: list[Callable[[], None]] = field(default_factory=list)
    _changes: int = 0
    _found: OrderedDict[tuple[Any, ...], Ints] = field(default_factory=OrderedDict)

    @classmethod
    def open(
        cls,
        dataset: Given,
        preds: Sequence[Given] = (),
        *,
        writable: bool,
        image_roots: Sequence[str] = (),
        vrt: bool = False,
    ) -> Session:
        """Open all of them. Raises `DatasetError`, `OptionError`."""
        options = Options(dataset, tuple(preds), tuple(map(str, image_roots)), vrt)
        return cls(options, writable, Opened.of(options, 1))

    @property
    def truth(self) -> Fenced:
        """The dataset. Its images are opened only if they may be (`roots`)."""
        return self.opened.loading.truth

    @property
    def preds(self) -> tuple[Dataset, ...]:
        """The predictions, under the ids of the dataset once the index is read."""
        return self.opened.loading.preds

    @property
    def index(self) -> Index:
        """What is known of each sample. Waits until it is read. Raises as `Loading.index`."""
        return self.opened.loading.index

    @property
    def edition(self) -> int:
        """How many times the dataset was opened."""
        return self.opened.edition

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders outside the dataset that images are read from."""
        return self.opened.loading.outside.folders

    @property
    def changed(self) -> bool:
        """Whether the dataset or a prediction on disk is another than the one that is open, or is gone."""
        options = self.options
        return self.opened.stamp != tuple(stamp_of(_root(one)) for one in (options.dataset, *options.preds))

    def reload(self) -> None:
        """Open all anew. Raises as `open`, and then what is open stays; `Refusal` if it was given as an object."""
        if isinstance(self.options.dataset, Dataset):
            raise Refusal(409, "reload", "it was given as an object of Python: open that anew, and call view again")
        opened = Opened.of(self.options, 0)  # which may take long: others go on with what is open
        with self.lock:
            self.opened = replace(opened, edition=self.edition + 1)
            self._found.clear()
        for heard in self.reopened:
            heard()

    def refuse_old(self, edition: str | None) -> None:
        """Raise `Refusal` if rows are those of another edition; None: of the one that is open."""
        if edition is not None and edition != str(self.edition):
            raise Refusal(409, "edition", "the dataset was opened anew since this page was loaded: reload the page")

    def touch(self) -> None:
        """Say that what `filters` and `orders` go by has changed."""
        with self.lock:
            self._changes += 1

    def remembered(self, query: tuple[Any, ...], find: Callable[[], Ints]) -> Ints:
        """The rows of a query; `find` finds them if nothing has changed since they were found."""
        key = (self.edition, self._changes, self.index.more.version, query)
        with self.lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        rows = find()
        with self.lock:
            self._found[key] = rows
            while len(self._found) > KEPT or (len(self._found) > 1 and sum(map(len, self._found.values())) > ROWS):
                self._found.popitem(last=False)
        return rows

    def sample(self, row: int) -> Sample:
        """The sample of a row. Raises `Refusal`."""
        if not 0 <= row < len(self.truth):
            raise Refusal(404, "row", f"there is no sample number {row}: reload the page")
        return self.truth.samples[row]

    def pred(self, number: int, row: int) -> tuple[Dataset, Sample]:
        """A prediction of a row, by the number of its dataset. Raises `Refusal` if there is none.

        Of mask files of another program nothing is known: the sample has the size of the truth.
        """
        sample, index = self.sample(row), self.index
        place = int(index.preds[number][row]) if 0 <= number < len(index.preds) else -1
        if place < 0:
            raise Refusal(404, "prediction", f"{sample.id} has no such prediction")
        found = self.preds[number].samples[place]
        if found.size == (0, 0):
            found = msgspec.structs.replace(found, height=sample.height, width=sample.width)
        return self.preds[number], found

    def close(self) -> None:
        """Let go of what is open."""
        for end in self.ends:
            end()
        self._found.clear()


def _root(given: Given) -> Any:
    return given.root if isinstance(given, Dataset) else place(given)


def stamp_of(root: Any) -> tuple[int, ...] | None:
    """When a dataset was written and how long its manifest is; None if it is gone, or not a folder of this machine.

    A manifest in parts is a list of them, which is written anew with each part. A folder of mask files has the time of its
    last new name.
    """
    if not isinstance(root, Path):
        return None
    found: list[int] = []
    for path in (root / MANIFEST, root / CARD):
        with suppress(OSError):
            there = path.stat()
            found += [there.st_mtime_ns, there.st_size, there.st_ino]
    with suppress(OSError):
        return tuple(found or [root.stat().st_mtime_ns])
    return None
