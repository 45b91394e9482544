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
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.finished import finished
from segdata.dataset.inputs import Inputs
from segdata.dataset.job import Job, folder_name, made_of, receipt_of, resumable
from segdata.dataset.sample import Images, Sample
from segdata.errors import DataError, OptionError, Problem, Report, refuse_nothing
from segdata.executors.run import Run
from segdata.files.endings import ending
from segdata.files.places import absolute, file_digest, place, write_whole
from segdata.files.remote import Place
from segdata.writers.about import About
from segdata.writers.croissant import Described, Shown, day_of, write_croissant
from segdata.writers.division import Bytes, Division
from segdata.writers.webdataset_shard import INDEX, SHARDS, Shard, Target, Written, write_shard


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
    about = about or About()
    made_by = made_of("export", {"format": "webdataset", **options, **about.given()}, [dataset], shuffle)
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
        _describe(job, dataset, written, about)
        scored = sum(sample.scores is not None for sample in dataset)
        lost = {"scores": {"images": scored, "pixels": 0, "regions": 0, "keep": None}} if scored else {}
        sizes = {"number": len(written), "bytes": sum(one.size for one in written)}
        images: Images = "copy" if any(line.image for line in job.samples) else "none"
        return job.save(
            lambda _: receipt_of("exported", len(dataset), gone, shards=sizes, cannot_hold=lost), images=images
        )


def _describe(job: Job[Written], dataset: Dataset, written: Sequence[Written], about: About) -> None:
    """Write croissant.json, which says what members the shards have."""
    kinds = {(f"0{ending(line.image or '')}", f"0.mask{ending(line.mask)}") for line in job.samples}
    told = Described(
        name=folder_name(dataset), format="webdataset", labels=dataset.labels, number=len(job.samples),
        files=[(None, kind) for kind in sorted(kinds)], holds=(), day=day_of(dataset),
        shards={f"{SHARDS}/{one.name}": one.sha256 for one in written},
    )  # fmt: skip
    write_croissant(job.root, told, Shown("*", "*.mask.*"), about)


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
            raise OptionError(
                f"splits {split!r} and {stems[stem]!r} would both be {stem}-000000.tar: --split exports one of them"
            )
        stems[stem] = split
        if shuffle is not None:
            order = np.random.default_rng([shuffle, *stem.encode()]).permutation(len(samples))
            samples = [samples[i] for i in order]
        for number, (start, end) in enumerate(pairwise([0, *division.ends(samples, dataset)])):
            yield Shard(f"{stem}-{number:06d}.tar", split, first + start, tuple(samples[start:end]))
        first += len(samples)


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
    return f"{shards['number']:,} shards of {len(written):,} samples, {shards['bytes']:,} bytes"
