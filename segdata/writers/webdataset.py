"""Tar shards in the format of WebDataset (https://github.com/webdataset/webdataset), which are also a segdata dataset.

    OUT/dataset.json  manifest.jsonl  receipt.json  shards/index.json  shards/train-000000.tar ...

A sample is three members, `000000012.jpg`, `000000012.mask.png` and `000000012.json`: the bytes of its image, its mask, and
its manifest line with the names of the classes. Members are stored uncompressed, and the manifest says where they lie. So
segdata reads OUT in any order like every dataset, and any program for tar files reads the shards from front to back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Annotated

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.finished import finished
from segdata.dataset.inputs import Inputs
from segdata.dataset.job import made_of, receipt_of, resumable
from segdata.dataset.sample import Images, Sample
from segdata.errors import DataError, OptionError, Problem, Report, refuse_nothing
from segdata.executors.run import Run
from segdata.files.places import absolute, file_digest, place, size_of, write_whole
from segdata.files.remote import Place
from segdata.writers.about import About
from segdata.writers.images import as_it_is
from segdata.writers.webdataset_shard import INDEX, SHARDS, Shard, Target, Written, write_shard

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


def write(
    dataset: Dataset,
    root: str | Place,
    *,
    shard_size: Bytes | None = None,
    samples_per_shard: int | None = None,
    shard_count: int | None = None,
    shuffle: int | None = None,
    about: About | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Write shards of each split, `train-000000.tar` and so on, and return the dataset that they form.

    What is cut out of larger files, as virtual tiles are, becomes a PNG, or a TIFF if that cannot hold it; so do images
    of which the dataset reads some bands alone. Scores are left behind. The same inputs give the same bytes; an export that
    was stopped goes on after its last shard.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead: such samples are then left
    out), and `DatasetError` for the destination.

    Args:
        dataset: The dataset to write.
        root: The folder to write to.
        shard_size: The most bytes of a shard, such as 256M (the default) or 1G. A larger sample has a shard alone.
        samples_per_shard: How many samples a shard holds, instead of `shard_size`.
        shard_count: How many shards each split has, instead of `shard_size`.
        shuffle: Mix the samples in an order drawn by this seed. By default they come in order of id.
        about: What croissant.json says of the dataset.
        overwrite: Replace a dataset there.
    """
    run, root = run or Run(), place(root)
    if shuffle is not None and shuffle < 0:
        raise OptionError(f"--shuffle {shuffle}: must be 0 or more")
    options = {
        "shard_size": shard_size, "samples_per_shard": samples_per_shard, "shard_count": shard_count, "shuffle": shuffle,
    }  # fmt: skip
    shards = list(plan(dataset, Division(shard_size, samples_per_shard, shard_count), shuffle))
    made_by = made_of("export", {"format": "webdataset", **options}, [dataset], shuffle)
    made = Dataset(root, dataset.labels, (), made_by, dataset.images, dataset.reading.written())
    given, inputs = {"source": absolute(dataset.root)}, Inputs([dataset])
    if (there := finished(made, inputs, overwrite=overwrite)) is not None:
        return there
    with resumable(made, Written, given, inputs, is_there=shard_is_there, overwrite=overwrite, run=run) as job:
        work = partial(write_shard, target=Target(replace(dataset, samples=()), job.root))
        todo = [shard for shard in shards if shard.name not in job.done]
        job.gather(_told(replace(run, chunk=1).map(work, todo, into=job.root), run.report), lambda shard: shard.name)
        done = [job.done[shard.name] for shard in shards]
        written = [one for one in done if one.samples]
        write_whole(job.root / SHARDS / INDEX, _index(written))
        gone = [problem for one in done for problem in one.left_out]
        if not written:
            refuse_nothing(gone)
        sizes = {"number": len(written), "bytes": sum(one.size for one in written)}
        images: Images = "copy" if any(line.image for line in job.samples) else "none"
        return job.save(lambda _: receipt_of("exported", len(dataset), gone, shards=sizes), images=images)


def _told(results: Iterable[tuple[Shard, Written | Problem]], report: Report) -> Iterator[tuple[Shard, Written]]:
    """The same, what could not be read reported. Raises `DataError` for a shard that could not be written at all."""
    for shard, result in results:
        if isinstance(result, Problem):
            raise DataError(result)
        for problem in result.left_out:
            report.add(problem)
        yield shard, result


def plan(dataset: Dataset, division: Division, shuffle: int | None) -> Iterator[Shard]:
    """Plan the shards: which samples each one holds, split by split. Raises `OptionError`."""
    splits: dict[str | None, list[Sample]] = {}
    for sample in sorted(dataset, key=lambda s: s.id):
        splits.setdefault(sample.split, []).append(sample)
    stems: dict[str, str | None] = {}
    first = 0
    for split, samples in sorted(splits.items(), key=lambda item: str(item[0])):
        stem = re.sub(r"[^\w-]+", "_", split or "shard")
        if stem in stems:
            raise OptionError(f"splits {split!r} and {stems[stem]!r} would both be {stem}-000000.tar: rename one")
        stems[stem] = split
        if shuffle is not None:
            order = np.random.default_rng([shuffle, *stem.encode()]).permutation(len(samples))
            samples = [samples[i] for i in order]
        for number, (start, end) in enumerate(pairwise([0, *division.ends(samples, dataset)])):
            yield Shard(f"{stem}-{number:06d}.tar", split, first + start, tuple(samples[start:end]))
        first += len(samples)


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


def shard_is_there(root: Place, written: Written) -> bool:
    """Whether a shard that a journal lists is on disk as it was written."""
    try:
        return not written.samples or file_digest(root / SHARDS / written.name) == written.sha256
    except OSError:
        return False


def _index(written: Sequence[Written]) -> bytes:
    """The bytes of shards/index.json: the shards and their contents."""
    shards = [
        {"shard": one.name, "split": one.split, "samples": len(one.samples), "bytes": one.size, "sha256": one.sha256}
        for one in written
    ]
    return (json.dumps({"shards": shards}, indent=2) + "\n").encode()


def summary(written: Dataset) -> str:
    """How many shards there are, and what they hold."""
    shards = written.read_receipt()["shards"]
    return f"{shards['number']:,} shards of {len(written):,} samples, {shards['bytes']:,} bytes,"
