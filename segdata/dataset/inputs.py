"""The files that an item was made of, as they were: what tells whether one was changed since."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from segdata.dataset.dataset import Dataset
from segdata.dataset.layout import CARD
from segdata.dataset.sample import Sample
from segdata.files.members import holder
from segdata.files.places import file_digest
from segdata.files.remote import Place, is_remote


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """A file of this machine: its bytes, when it was last written (ns), and SHA-256 if it was asked for."""

    path: str
    size: int
    mtime: int
    sha256: str | None = None

    @property
    def is_current(self) -> bool:
        """Whether the file is as it was."""
        try:
            size, mtime = _facts(self.path)
            if (size, mtime) == (self.size, self.mtime):
                return True
            return self.sha256 is not None and file_digest(self.path) == self.sha256
        except OSError:
            return False


def stamps(paths: Iterable[str | Place | None], *, digest: bool = False) -> list[Stamp]:
    """Of files as they are now; `digest`: with their SHA-256. Those that are missing, and what is not on this machine, have
    none."""
    out = []
    for path in map(str, filter(None, paths)):
        if not is_remote(path):
            try:
                out.append(Stamp(path, *_facts(path), file_digest(path) if digest else None))
            except OSError:  # whoever reads it says so
                continue
    return out


def unchanged(inputs: Iterable[Stamp]) -> bool:
    """Whether all these files are as they were."""
    return all(stamp.is_current for stamp in inputs)


@dataclass(frozen=True, slots=True)
class Inputs:
    """All files and folders that a job reads: datasets, and `more`. Goes through them as often as it is asked to."""

    datasets: Sequence[Dataset]
    more: Sequence[str | Place | None] = ()

    def __iter__(self) -> Iterator[str | Place]:
        yield from filter(None, self.more)
        for dataset in self.datasets:
            yield dataset.root
            yield dataset.root / CARD
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
    """When the last of these files was written or put there, in ns; 0 for none on this machine."""
    last = 0
    for path in {holder(path) for path in paths if not is_remote(path)}:
        try:
            found = os.stat(path)
        except OSError:
            continue
        if not stat.S_ISDIR(found.st_mode):
            last = max(last, found.st_mtime_ns, found.st_ctime_ns)
    return last


def _facts(path: str) -> tuple[int, int]:
    found = os.stat(holder(path))
    return found.st_size, found.st_mtime_ns
