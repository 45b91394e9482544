"""What is known of every sample, as columns: a million samples are filtered and sorted in a moment."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, pairwise
from typing import Any
from unicodedata import normalize

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.dataset.counts import batches
from segdata.dataset.dataset import Dataset
from segdata.dataset.manifest import Parts
from segdata.dataset.sample import Pixels, Sample, Value, split_name
from segdata.windows import Side

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Brief(msgspec.Struct, frozen=True, gc=False):
    """What is read here of a line of a manifest in parts: half of it, in half of the time."""

    id: str
    height: Side
    width: Side
    counts: dict[Value, Pixels]
    split: str | None = None
    group: str | None = None
    parent: str | None = None
    image: str | None = None


class Columns(MutableMapping[str, NDArray[np.float32]]):
    """(N,) float32 columns by name, NaN where unknown; `version` grows with each change."""

    def __init__(self) -> None:
        self._columns: dict[str, NDArray[np.float32]] = {}
        self.version = 0

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        return self._columns[name]

    def __setitem__(self, name: str, column: NDArray[np.float32]) -> None:
        self._columns = {**self._columns, name: column}  # other threads may be going through the old ones
        self.version += 1

    def __delitem__(self, name: str) -> None:
        self._columns = {one: column for one, column in self._columns.items() if one != name}
        self.version += 1

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


@dataclass(eq=False)
class Index:
    """N samples. `splits`, `groups`: (N,) number of the name in `split_names`, `group_names` (the group -1: none).

    `starts` (N + 1), `values`, `pixels`: sample i has `pixels[j]` pixels of value `values[j]`, j from `starts[i]` on; values
    without pixels are left out. `folders`: where image files are, as the manifest names them. `preds`: of each prediction
    dataset, (N,) the number of its sample, -1: none. `more`: further columns by name: what analyses find.
    """

    ids: Sequence[str]
    splits: NDArray[np.int32]
    split_names: Sequence[str]
    groups: NDArray[np.int32]
    group_names: Sequence[str]
    heights: NDArray[np.int32]
    widths: NDArray[np.int32]
    starts: Ints
    values: NDArray[np.uint16]
    pixels: Ints
    ignore: int
    folders: frozenset[str] = frozenset()
    preds: Sequence[Ints] = ()
    more: Columns = field(default_factory=Columns)

    @classmethod
    def of(cls, truth: Dataset, told: Callable[[int], None] = lambda count: None) -> Index:
        """Of all samples, read once; of a manifest in parts, one part at a time. `told` hears how many are read."""
        builder = _Builder()
        for batch in lines(truth):
            builder.add(batch)
            told(len(builder.ids))
        return builder.index(truth.labels.ignore)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def areas(self) -> Ints:
        """(N,) pixels."""
        return self.heights.astype(np.int64) * self.widths

    @cached_property
    def folded(self) -> Sequence[str]:
        """The ids as they are searched: lower case is like upper case, and it does not matter how accents are composed."""
        return [same if (same := folded(id)) != id else id for id in self.ids]

    @cached_property
    def _is_sorted(self) -> bool:
        return all(a < b for a, b in pairwise(self.ids))

    @cached_property
    def _rows(self) -> Mapping[str, int]:
        return {id: row for row, id in enumerate(self.ids)}

    @cached_property
    def rank(self) -> Ints:
        """(N,) the place of each id among all in order."""
        if self._is_sorted:
            return np.arange(len(self))
        rank = np.empty(len(self), np.int64)
        rank[sorted(range(len(self)), key=self.ids.__getitem__)] = np.arange(len(self))
        return rank

    def row_of(self, id: str) -> int | None:
        """The row of an id; None if there is none."""
        if not self._is_sorted:
            return self._rows.get(id)
        at = bisect_left(self.ids, id)
        return at if at < len(self) and self.ids[at] == id else None

    def of_value(self, value: int) -> Ints:
        """(N,) how many pixels have a mask value."""
        out = np.zeros(len(self), np.int64)
        at = np.flatnonzero(self.values == value)
        out[np.searchsorted(self.starts, at, side="right") - 1] = self.pixels[at]
        return out

    def share(self, value: int) -> Floats:
        """(N,) which part of all pixels of an image has a mask value, 0..1."""
        return self.of_value(value) / np.maximum(self.areas, 1)

    def sums(self, rows: Ints) -> dict[int, tuple[int, int]]:
        """In how many of these rows each mask value occurs, and how many pixels have it there."""
        values, pixels = self.values, self.pixels
        if len(rows) < len(self):
            chosen = np.zeros(len(self), np.bool_)
            chosen[rows] = True
            at = np.repeat(chosen, np.diff(self.starts))
            values, pixels = values[at], pixels[at]
        images = np.bincount(values)
        sums = np.zeros(len(images), np.int64)
        np.add.at(sums, values, pixels)
        return {int(v): (int(images[v]), int(sums[v])) for v in np.flatnonzero(images)}

    def counts(self, row: int) -> dict[int, int]:
        """How many pixels of a sample have each value that occurs."""
        part = slice(self.starts[row], self.starts[row + 1])
        return dict(zip(self.values[part].tolist(), self.pixels[part].tolist(), strict=True))

    def places(self, ids: Sequence[str]) -> Ints:
        """(N,) where each sample is among these ids, -1: nowhere."""
        if ids == self.ids:
            return np.arange(len(self))
        known = {id: place for place, id in enumerate(ids)}
        return np.array([known.get(id, -1) for id in self.ids], np.int64)


def folded(text: str) -> str:
    """A text as it is searched."""
    return text.lower() if text.isascii() else normalize("NFC", normalize("NFC", text).casefold())


def lines(dataset: Dataset) -> Iterator[Sequence[Sample | Brief]]:
    """The samples of a dataset, some at a time."""
    found = dataset.samples
    if isinstance(found, Parts):
        yield from found.read_as(Brief).batches()
    else:
        yield from batches(found)


def ids_of(dataset: Dataset) -> list[str]:
    """The ids of all samples, in order."""
    return [line.id for batch in lines(dataset) for line in batch]


class _Builder:
    """The columns of what was read so far."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.folders: set[str] = set()
        self._splits: dict[str, int] = {}
        self._groups: dict[str, int] = {}
        self._columns: list[tuple[NDArray[Any], ...]] = []

    def add(self, batch: Sequence[Sample | Brief]) -> None:
        """Some more samples."""
        n, groups, splits = len(batch), self._groups, self._splits
        self.ids += [line.id for line in batch]
        self.folders.update({_folder(line.image) for line in batch if line.image is not None})
        counts = [line.counts for line in batch]
        lengths = np.fromiter(map(len, counts), np.int64, n)
        values = np.fromiter(chain.from_iterable(counts), np.uint16, int(lengths.sum()))
        pixels = np.fromiter(chain.from_iterable(c.values() for c in counts), np.int64, len(values))
        if (empty := pixels == 0).any():
            np.subtract.at(lengths, np.repeat(np.arange(n), lengths)[empty], 1)
            values, pixels = values[~empty], pixels[~empty]
        self._columns.append(
            (
                np.fromiter((splits.setdefault(split_name(line.split), len(splits)) for line in batch), np.int32, n),
                np.fromiter((_number(groups, line.group) for line in batch), np.int32, n),
                np.fromiter((line.height for line in batch), np.int32, n),
                np.fromiter((line.width for line in batch), np.int32, n),
                lengths, values, pixels,
            )
        )  # fmt: skip

    def index(self, ignore: int) -> Index:
        """All of it."""
        kinds = (np.int32, np.int32, np.int32, np.int32, np.int64, np.uint16, np.int64)
        columns = zip(*self._columns, strict=True) if self._columns else ((np.empty(0, kind),) for kind in kinds)
        splits, groups, heights, widths, lengths, values, pixels = (np.concatenate(column) for column in columns)
        starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        return Index(
            self.ids, splits, list(self._splits), groups, list(self._groups), heights, widths, starts, values, pixels,
            ignore, frozenset(self.folders),
        )  # fmt: skip


def _folder(image: str) -> str:
    """The folder of an image; of a URL that is a host alone, the URL."""
    folder = image.rpartition("/")[0]
    return image if "://" in image and "://" not in folder else folder


def _number(names: dict[str, int], name: str | None) -> int:
    return -1 if name is None else names.setdefault(name, len(names))
