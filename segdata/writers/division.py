"""How samples are divided into files that hold many: by bytes, by number, or into so many files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import OptionError
from segdata.files.places import size_of
from segdata.files.remote import Place
from segdata.writers.images import as_it_is

SIZE = 2**28
"""Bytes of a shard by default: 256 MiB, about a thousand photographs."""

Bytes = Annotated[int, "bytes"]
"""A number of bytes, which a person may give as 256M."""

ABOUT = 4096
"""Bytes of a sample besides its image and mask, about: three headers, the filling of blocks, and the metadata."""


@dataclass(frozen=True, slots=True)
class Division:
    """How samples are divided into shards: of at most `size` bytes, of `samples` each, or each split into `count` shards."""

    size: int | None = None
    samples: int | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        given = {"--shard-size": self.size, "--samples-per-shard": self.samples, "--shard-count": self.count}
        asked = {name: value for name, value in given.items() if value is not None}
        if len(asked) > 1:
            raise OptionError(f"{' and '.join(asked)} exclude each other")
        if wrong := [f"{name} {value}" for name, value in asked.items() if value < 1]:
            raise OptionError(f"{wrong[0]}: must be 1 or more")

    def ends(self, samples: Sequence[Sample], dataset: Dataset) -> list[int]:
        """The index in `samples` at which each shard ends."""
        n = len(samples)
        if self.samples is not None:
            return [*range(self.samples, n, self.samples), n]
        if self.count is not None:
            count = min(n, self.count)
            return [n * (i + 1) // count for i in range(count)]
        ends, held = [], 0
        for i, size in enumerate(sizes(samples, dataset)):
            if held and held + size > (self.size or SIZE):
                ends.append(i)
                held = 0
            held += size
        return [*ends, n]


def sizes(samples: Sequence[Sample], dataset: Dataset) -> Iterator[int]:
    """The largest number of bytes that each sample can take in a shard: its files as they are, or its pixels uncompressed."""
    depth = 0
    for sample in samples:
        pixels = sample.height * sample.width
        with_image = sample.image is not None and dataset.images != "none"
        if as_it_is(sample, dataset):
            own = _size_of(dataset.image_path(sample)) if with_image else 0
            yield ABOUT + own + _size_of(dataset.inside(sample.mask))
            continue
        if with_image and not depth:
            with dataset.open_image(sample) as image:
                depth = image.bands * image.dtype.itemsize
        yield ABOUT + round(1.01 * pixels * (np.dtype(dataset.labels.dtype).itemsize + depth * with_image))


def _size_of(path: str | Place) -> int:
    try:
        return size_of(path)
    except OSError:  # reported later, when the file is read
        return 0
