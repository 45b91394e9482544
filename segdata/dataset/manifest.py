"""A manifest in parts, for datasets with more samples than fit into memory; it is read one part or one line at a time.

    manifest.jsonl                    one line per part: its file, how many samples, the first and last id, splits, SHA-256
    manifest/000000-1f0c2b7d.jsonl    the samples, sorted by id over all parts, each as in a manifest without parts

The names contain the start of the SHA-256, so that a new manifest can be written while the old one is being read. Joined,
the parts are the bytes of a manifest without parts.
"""

from __future__ import annotations

import gc
import hashlib
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice, pairwise
from typing import Annotated, Any, Generic, Protocol, TypeVar, overload

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from segdata.dataset.ids import NAME_MAX, longest_name
from segdata.dataset.layout import UNDECODABLE
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError, reason
from segdata.files.places import read_bytes, read_range, refuse_outside
from segdata.files.remote import Place
from segdata.labels import Labels

FOLDER = "manifest"

MARK = b'{"part":'
"""The bytes with which a manifest in parts begins."""

PART = 2**14
"""Samples per part: about 6 MB on disk, and about 30 MB in memory."""

LARGEST = 2**20
"""The most samples per part."""


class Line(Protocol):
    """The fields of a sample that this module uses."""

    @property
    def id(self) -> str:
        """The id, by which lines are sorted."""

    @property
    def split(self) -> str | None:
        """The split, if there is one."""

    @property
    def parent(self) -> str | None:
        """The id of the image that a tile was cut from."""

    @property
    def counts(self) -> Mapping[int, int]:
        """How often each mask value occurs."""


Record = TypeVar("Record", bound=Line)
Other = TypeVar("Other", bound=Line)


class Part(msgspec.Struct, frozen=True):
    """One line of the index. `splits`: how many samples each split has, "" for those without a split."""

    part: str
    samples: Annotated[int, Meta(ge=1, le=LARGEST)]
    first: str
    last: str
    splits: dict[str, Annotated[int, Meta(ge=0, le=LARGEST)]]
    sha256: str


class Parts(Sequence[Record], Generic[Record]):
    """The samples of a manifest in parts, or only those at `chosen` (M,), ascending. Keeps no samples; pickles as its index.

    A loop over it keeps one part in memory. To get a single sample it opens one file; if no loop has read that part before, it
    also reads all of it to find where its lines begin, and keeps that (4 bytes per line). Raises `DatasetError` if a part does
    not match the index.
    """

    def __init__(
        self,
        root: Any,
        parts: Sequence[Part],
        record: type[Record],
        labels: Labels,
        chosen: NDArray[np.int64] | None = None,
    ) -> None:
        self.root, self.parts, self.chosen = root, parts, chosen
        self._record, self._labels = record, labels
        self._ends = list(accumulate(part.samples for part in parts))
        self._decoder = msgspec.json.Decoder(record)
        self._lines: dict[int, NDArray[np.uint32]] = {}

    def __repr__(self) -> str:
        return f"<{len(self):,} samples in {len(self.parts):,} parts>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Parts, (self.root, self.parts, self._record, self._labels, self.chosen)

    def __len__(self) -> int:
        return (self._ends or [0])[-1] if self.chosen is None else len(self.chosen)

    def __iter__(self) -> Iterator[Record]:
        for batch in self.batches():
            yield from batch

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            wanted = range(len(self))[index]
            return self._near(wanted) if wanted.step == 1 else [self[i] for i in wanted]
        place = range(len(self))[index]
        return self._between(place if self.chosen is None else int(self.chosen[place]), 1)[0]

    def batches(self) -> Iterator[list[Record]]:
        """All records, one part at a time."""
        start = 0
        for number, end in enumerate(self._ends):
            if self.chosen is None:
                yield self._load(number)
            else:
                first, last = np.searchsorted(self.chosen, (start, end)).tolist()
                if first < last:
                    records = self._load(number)
                    yield [records[i] for i in (self.chosen[first:last] - start).tolist()]
            start = end

    def select(self, keep: Callable[[Record], bool]) -> Parts[Record]:
        """The records for which `keep(record)` is true."""
        kept = np.flatnonzero(np.fromiter((keep(record) for record in self), np.bool_, len(self)))
        return self._of(kept if self.chosen is None else self.chosen[kept])

    def read_as(self, record: type[Other]) -> Parts[Other]:
        """The same lines as other records, such as of fewer fields; both know where lines begin once one of them does."""
        other = Parts(self.root, self.parts, record, self._labels, self.chosen)
        other._lines = self._lines
        return other

    def of_splits(self, names: Collection[str]) -> Parts[Record]:
        """The records of these splits. Reads only parts that contain records of others too."""
        if self.chosen is not None:
            return self.select(lambda record: record.split in names)
        kept = [np.empty(0, np.int64)]
        for number, (part, end) in enumerate(zip(self.parts, self._ends, strict=True)):
            places = np.arange(end - part.samples, end)
            held = sum(part.splits.get(name, 0) for name in names)
            if 0 < held < part.samples:
                places = places[[record.split in names for record in self._load(number)]]
            kept.append(places if held else places[:0])
        return self._of(np.concatenate(kept))

    def find(self, id: str) -> Record | None:
        """The record with this id; None if there is none."""
        number = bisect_left(self.parts, id, key=lambda part: part.last)
        if number == len(self.parts) or self.parts[number].first > id:
            return None
        start = self._ends[number] - self.parts[number].samples
        at = bisect_left(range(start, self._ends[number]), id, key=lambda i: self._between(i, 1)[0].id) + start
        if self.chosen is not None and at not in self.chosen[np.searchsorted(self.chosen, at) :][:1]:
            return None
        found = self._between(at, 1)[0]
        return found if found.id == id else None

    def splits(self) -> set[str]:
        """The splits that occur."""
        if self.chosen is None:
            return {split for part in self.parts for split in part.splits if split}
        return {record.split for record in self if record.split is not None}

    def data(self) -> Iterator[bytes]:
        """The lines of a manifest without parts, some at a time."""
        if self.chosen is None:
            yield from map(self._read, self.parts)
        else:
            yield from map(msgspec.json.Encoder().encode_lines, self.batches())

    def _of(self, chosen: NDArray[np.int64]) -> Parts[Record]:
        return Parts(self.root, self.parts, self._record, self._labels, chosen)

    def _near(self, wanted: range) -> list[Record]:
        """Records that follow one another; those of one part are read together."""
        places = (
            np.arange(wanted.start, wanted.stop) if self.chosen is None else self.chosen[wanted.start : wanted.stop]
        )
        out: list[Record] = []
        for run in np.split(places, np.flatnonzero(np.diff(places) != 1) + 1):
            start, stop = (int(run[0]), int(run[-1]) + 1) if len(run) else (0, 0)
            while start < stop:
                end = min(stop, self._ends[bisect_right(self._ends, start)])
                out += self._between(start, end - start)
                start = end
        return out

    def _between(self, start: int, count: int) -> list[Record]:
        """`count` records of one part, beginning at record number `start` of all parts."""
        number = bisect_right(self._ends, start)
        part = self.parts[number]
        if number not in self._lines:
            self._note(number, self._read(part))
        begins, at = self._lines[number], start - (self._ends[number] - part.samples)
        data = read_range(self.root / part.part, int(begins[at]), int(begins[at + count]))
        return self._decoded(data, part)

    def _load(self, number: int) -> list[Record]:
        part = self.parts[number]
        data = self._read(part)
        self._note(number, data)
        records = self._decoded(data, part)
        ids = [record.id for record in records]
        if len(ids) != part.samples or (ids[0], ids[-1]) != (part.first, part.last) or not _ascending(ids):
            raise DatasetError(f"{self.root / part.part}: its ids do not match the index: {AGAIN}")
        return records

    def _note(self, number: int, data: bytes) -> None:
        """Keep where the lines of a part begin."""
        ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
        self._lines[number] = np.append(0, ends).astype(np.uint32)

    def _read(self, part: Part) -> bytes:
        try:
            data: bytes = read_bytes(self.root / part.part)
        except FileNotFoundError as error:
            raise DatasetError(
                f"{self.root / part.part}: there is no such file: put it back, or convert again"
            ) from error
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise DatasetError(f"{self.root / part.part}: was changed since it was written: {AGAIN}")
        return data

    def _decoded(self, data: bytes, part: Part) -> list[Record]:
        try:
            records = self._decoder.decode_lines(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DatasetError(f"{self.root / part.part}: {reason(error)}: {AGAIN}") from error
        refuse_impossible(records, self._labels, self.root / part.part)
        return records


AGAIN = "put it back, or convert again"


def read_index(path: Place, data: bytes) -> list[Part]:
    """The parts that a manifest lists. Raises `DatasetError` for paths outside its folder, and for ids that are not in order."""
    try:
        parts = msgspec.json.Decoder(Part).decode_lines(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DatasetError(f"{path}: lists its parts, but {reason(error)}: {AGAIN}") from error
    for part in parts:
        folder, _, name = part.part.partition("/")
        if folder != FOLDER or not name.endswith(".jsonl") or set(name) & set("/\\") or name.startswith("."):
            raise DatasetError(f"{path}: lists {part.part!r}, which is not a part of a manifest")
    if not _ascending(
        [id for part in parts for id in ((part.first, part.last) if part.samples > 1 else (part.first,))]
    ):
        raise DatasetError(f"{path}: the ids of its parts are not in order: {AGAIN}")
    return parts


def parts_of(batches: Iterable[Sequence[Record]], size: int = PART) -> Iterator[tuple[Part, bytes]]:
    """Divide records, sorted by id and given in batches, into parts of `size`. Yields each part and its bytes."""
    encoder = msgspec.json.Encoder()
    records = (record for batch in batches for record in batch)
    number = 0
    while held := list(islice(records, size)):
        data = encoder.encode_lines(held)
        digest = hashlib.sha256(data).hexdigest()
        splits = dict(sorted(Counter(record.split or "" for record in held).items()))
        name = f"{FOLDER}/{number:06d}-{digest[:8]}.jsonl"
        yield Part(name, len(held), held[0].id, held[-1].id, splits, digest), data
        number += 1


def _ascending(ids: Sequence[str]) -> bool:
    """Whether each id is greater than the one before."""
    return all(a < b for a, b in pairwise(ids))


def _id_in(line: bytes) -> str:
    """The id in a line that is not a valid sample, as the start of a sentence; an empty text if there is none."""
    try:
        return f"{msgspec.json.decode(line)['id']}: "
    except (*UNDECODABLE, KeyError, TypeError):
        return ""


def refuse_twice(ids: Sequence[str], file: object) -> None:
    """Raise `DatasetError` for the first line of a manifest's `file` whose id is an earlier one's."""
    seen: set[str] = set()
    for number, id in enumerate(ids, 1):
        if id in seen:
            raise DatasetError(f"{file}: line {number}: the id {id!r} occurs twice: {AGAIN}")
        seen.add(id)


def refuse_impossible(samples: Sequence[Line], labels: Labels, file: object) -> None:
    """Raise `DatasetError` for lines of a manifest's `file` if ids cannot be names of files or occur twice, or if a
    counted value is no class."""
    names = [sample.id for sample in samples]
    if len(set(names)) < len(names):
        refuse_twice(names, file)
    names += [sample.parent for sample in samples if sample.parent is not None]
    refuse_outside(names, file)
    known = {*range(len(labels.classes)), labels.ignore}
    short = 4 * max(map(len, names), default=0) <= NAME_MAX  # at most 4 bytes per character
    if short and set().union(*[sample.counts for sample in samples]) <= known:
        return
    for number, sample in enumerate(samples, 1):
        if foreign := [value for value in sample.counts if value not in known]:
            fault = f"it counts pixels of value {foreign[0]}, which is no class"
        elif (longest := max(longest_name(name) for name in (sample.id, sample.parent or ""))) > NAME_MAX:
            fault = f"its id or parent has a part of {longest} bytes, {NAME_MAX} are allowed"
        else:
            continue
        raise DatasetError(f"{file}: line {number}: {sample.id[:NAME_MAX]}: {fault}: {AGAIN}")


def read_manifest(path: Place, labels: Labels) -> Sequence[Sample]:
    """The samples of a manifest; if it is in parts, they are read when they are used.

    Raises `DatasetError`, which names the first bad line, or an id that occurs twice. `labels` say which values may be counted.
    """
    data = read_bytes(path)
    if data.startswith(MARK):
        return Parts(path.parent, read_index(path, data), Sample, labels)
    decoder = msgspec.json.Decoder(Sample)
    collecting = gc.isenabled()
    gc.disable()  # a million small objects without cycles: collecting would double the time
    try:
        samples = decoder.decode_lines(data)
    except UNDECODABLE:
        for number, line in enumerate(data.split(b"\n"), 1):
            try:
                if line.strip():
                    decoder.decode(line)
            except UNDECODABLE as error:
                raise DatasetError(f"{path}: line {number}: {_id_in(line)}{reason(error)}: {AGAIN}") from error
        raise
    finally:
        if collecting:
            gc.enable()
    refuse_impossible(samples, labels, path)
    return samples
