"""The files that an item was made from, as they were then: they tell whether one has changed since."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.files.members import holder
from segdata.files.places import file_digest, is_stored, read_bytes
from segdata.files.remote import Place, is_remote


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """A file: its size in bytes, when it was last written (ns; 0 in storage), and its SHA-256 if asked for."""

    name: bytes
    """The path as bytes, which need not be UTF-8."""
    size: int
    mtime: int
    sha256: str | None = None

    @property
    def path(self) -> str:
        """The path, or URL."""
        return os.fsdecode(self.name)

    @property
    def is_current(self) -> bool:
        """Whether the file is as it was."""
        try:
            if not is_stored(self.path) and _facts(self.path) == (self.size, self.mtime):
                return True
            return self.sha256 is not None and _stamp(self.path, digest=True).sha256 == self.sha256
        except OSError:
            return False


def stamps(paths: Iterable[str | Place | None], *, digest: bool = False) -> list[Stamp]:
    """Stamps of files as they are now; `digest`: with their SHA-256. Missing files are left out, and so are files in storage if
    no digest is asked for."""
    out = []
    for path in map(str, filter(None, paths)):
        if not is_remote(path) or (digest and is_stored(path)):
            with suppress(OSError):  # whoever reads it says so
                out.append(_stamp(path, digest=digest))
    return out


def _stamp(path: str, *, digest: bool) -> Stamp:
    if is_stored(path):
        data = read_bytes(path)
        return Stamp(os.fsencode(path), len(data), 0, hashlib.sha256(data).hexdigest())
    return Stamp(os.fsencode(path), *_facts(path), file_digest(path) if digest else None)


def unchanged(inputs: Iterable[Stamp]) -> bool:
    """Whether all these files are as they were."""
    return all(stamp.is_current for stamp in inputs)


@dataclass(frozen=True, slots=True)
class Inputs:
    """All files and folders that a job reads: datasets, and `more`. Can be iterated any number of times."""

    datasets: Sequence[Dataset]
    more: Sequence[str | Place | None] = ()

    def __iter__(self) -> Iterator[str | Place]:
        yield from filter(None, self.more)
        for dataset in self.datasets:
            yield dataset.root
            yield from sample_files(dataset, dataset)


def sample_files(dataset: Dataset, samples: Iterable[Sample]) -> Iterator[str]:
    """The files that samples of a dataset are read from, each once in a row. Raises `DatasetError`."""
    last = ""
    for sample in samples:
        for path in files_of(dataset, sample):
            if path != last:
                yield path
            last = path


def files_of(dataset: Dataset, sample: Sample) -> list[str]:
    """The files of one sample: mask, image and scores. Raises `DatasetError`."""
    own = (name for name in (sample.mask, sample.scores) if name)
    image = [dataset.image_path(sample)] if sample.image is not None and dataset.images != "none" else []
    return [*(str(dataset.inside(name)) for name in own), *image]


def newest(paths: Iterable[str]) -> int:
    """When the last of these files was written or put there, in ns; 0 for none on this machine, never for one that is missing.

    A file is put there too where a folder above it is, or a link.
    """
    last, folders = 0, set[str]()
    for path in {holder(path) for path in paths if not is_remote(path)}:
        folders.add(os.path.dirname(os.path.abspath(path)))
        try:
            found, last = os.stat(path), max(last, _put(path))
        except OSError:  # it is gone
            return sys.maxsize
        if not stat.S_ISDIR(found.st_mode):
            last = max(last, found.st_mtime_ns, found.st_ctime_ns)
    folders |= {os.path.realpath(folder) for folder in folders}
    return max([last, *map(_put, {str(one) for folder in folders for one in (folder, *Path(folder).parents)})])


def _put(path: str) -> int:
    """When a link, or a folder, was given its name, in ns; 0 if it cannot be told. New names in a folder set both its times."""
    try:
        found = os.lstat(path)
    except OSError:
        return 0
    if stat.S_ISDIR(found.st_mode) and found.st_ctime_ns == found.st_mtime_ns:
        return 0
    return found.st_ctime_ns if stat.S_ISDIR(found.st_mode) or stat.S_ISLNK(found.st_mode) else 0


def _facts(path: str) -> tuple[int, int]:
    found = os.stat(holder(path))
    return found.st_size, found.st_mtime_ns
