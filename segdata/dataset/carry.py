"""Samples of datasets carried into a new one: their masks copied or remapped, their images in reach, resumable."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import msgspec

from segdata.dataset.dataset import Dataset
from segdata.dataset.faults import KnownMask
from segdata.dataset.finished import finished
from segdata.dataset.images import place_image, real_folder, refuse_images
from segdata.dataset.inputs import Inputs, Stamp, sample_files, stamps
from segdata.dataset.job import Made, resumable
from segdata.dataset.sample import Sample
from segdata.errors import Problem, located
from segdata.executors.run import Run
from segdata.files.images import write_mask
from segdata.files.opening import open_image, open_mask
from segdata.files.places import absolute, copy_file, file_digest, is_stored
from segdata.files.remote import Place
from segdata.files.tiff import TiffWriter
from segdata.labels import Mask, Remap, tally

Change = Callable[[Dataset, Sequence[Sample]], Mask]
"""Given a dataset and the samples that are in one mask file: all of that file, in its new values."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A dataset that samples come from, and what becomes of its masks (None: they stay)."""

    dataset: Dataset
    change: Change | None = None

    @classmethod
    def remapped(cls, dataset: Dataset, remap: Remap | None) -> Origin:
        """Its mask values are translated (None: they stay)."""
        return cls(dataset, None if remap is None else partial(_remapped, remap=remap))


class Move(NamedTuple):
    """A sample of origin number `origin` as it is there, and as it shall be, apart from its files and counts."""

    origin: int
    old: Sample
    new: Sample


Load = tuple[Move, ...]
"""Samples that share a mask file, as virtual tiles do."""


@dataclass(frozen=True, slots=True)
class Target:
    """All that samples need to be carried, apart from themselves. The origins have no samples here."""

    dataset: Dataset
    origins: tuple[Origin, ...]


def carry(
    dataset: Dataset,
    origins: Sequence[Origin],
    moves: Sequence[Move],
    receipt: Callable[[Dataset, list[Problem]], dict[str, Any]],
    *,
    beside: Sequence[str | Place | None] = (),
    overwrite: bool,
    run: Run,
) -> Dataset:
    """Make `dataset`, given without samples, of samples of the origins; where that was stopped before, go on.

    Masks are copied where their values stay, and changed otherwise. Images stay where they are (`reference`), behind
    symbolic links (`link`), or are copied as well (`copy`). Scores go along with masks whose values stay. `receipt` is asked
    for receipt.json in the end, given what was left out. `beside` are other files and folders that the job reads.

    Raises `DataError` for the first missing or bad mask (`run.report` may skip instead: its samples are then left out),
    `DatasetError` for the destination and for paths that lead out of a dataset, `OptionError` where an origin is the
    destination.
    """
    images = (origins[m.origin].dataset.image_path(m.old) for m in moves if m.old.image is not None)
    refuse_images(dataset.root, dataset.images, images)
    loads = loads_of(dataset, origins, moves)
    bare = tuple(replace(one, dataset=replace(one.dataset, samples=())) for one in origins)
    sources = [absolute(one.dataset.root) for one in origins]
    inputs = Inputs([one.dataset for one in origins], beside)
    if (there := finished(dataset, inputs, overwrite=overwrite)) is not None:
        return there
    with resumable(dataset, Made, {"sources": sources}, inputs, overwrite=overwrite, run=run) as job:
        target = Target(job.dataset, bare)
        job.work(partial(carry_load, target=target), loads, name_of, reads=partial(reads_of, origins=bare))
        return job.save(lambda whole: receipt(whole, left_out(loads, job.failed)))


def loads_of(dataset: Dataset, origins: Sequence[Origin], moves: Sequence[Move]) -> list[Load]:
    """The moves that share a mask file together. Raises `DatasetError` for paths that lead out of a dataset."""
    loads: dict[tuple[int, Place], list[Move]] = defaultdict(list)
    for move in sorted(moves, key=lambda m: m.new.id):
        dataset.inside(move.new.id)
        loads[move.origin, origins[move.origin].dataset.inside(move.old.mask)].append(move)
    return [tuple(load) for load in loads.values()]


def name_of(load: Load) -> str:
    """What a load is called: as its mask."""
    return load[0].new.id


def left_out(loads: Sequence[Load], failed: Mapping[str, Problem]) -> list[Problem]:
    """A problem for each sample of the loads that failed."""
    problems = ((failed.get(name_of(load)), load) for load in loads)
    return [
        Problem(problem.code, problem.message, problem.file, move.old.id)
        for problem, load in problems
        if problem is not None
        for move in load
    ]


def reads_of(load: Load, origins: Sequence[Origin]) -> list[Stamp]:
    """The files that a load is made from."""
    return stamps(sample_files(origins[load[0].origin].dataset, [move.old for move in load]))


def carry_load(load: Load, target: Target) -> Made:
    """Carry samples that share a mask file, as virtual tiles do, and return their lines. Raises `DataError`."""
    origin, root = target.origins[load[0].origin], target.dataset.root
    first = load[0]
    with located(sample=first.old.id):
        path = origin.dataset.inside(first.old.mask)
        mask = f"masks/{first.new.id}{path.suffix}"
        values = None
        if origin.change is None:
            copy_file(path, root / mask)
            digest = file_digest(path if is_stored(root) else root / mask)
            if any(move.old.sha256 != digest for move in load):  # it was edited, so the manifest's counts are wrong
                values = read_shared(origin.dataset, [move.old for move in load])
        else:
            values = origin.change(origin.dataset, [move.old for move in load])
            digest = write_like(path, root / mask, values)
        images: dict[str, str | None] = {}
        out = []
        for move in load:
            if move.old.image is not None and move.old.image not in images:
                images[move.old.image] = carry_image(move.old, move.new.id, origin.dataset, target.dataset)
            scores = None
            if move.old.scores is not None and origin.change is None:
                there = origin.dataset.inside(move.old.scores)
                scores = f"scores/{move.new.id}{there.suffix}"
                copy_file(there, root / scores)
            out.append(
                msgspec.structs.replace(
                    move.new,
                    image=None if move.old.image is None else images[move.old.image],
                    mask=mask,
                    counts=move.old.counts
                    if values is None
                    else _counts(values, move.old, target.dataset.labels.ignore),
                    sha256=digest,
                    scores=scores,
                )
            )
    return Made(first.new.id, out)


def write_like(there: Place, here: Place, values: Mask) -> str:
    """Write a mask as another is: a PNG, or a TIFF with the same place on earth; returns the SHA-256 of its file."""
    if there.suffix.lower() not in (".tif", ".tiff"):
        return hashlib.sha256(write_mask(here, values)).hexdigest()
    with open_image(there) as raster:
        geo = raster.geo
    height, width = values.shape
    with TiffWriter(here, height, width, 1, values.dtype, tags=geo.tags()) as file:
        file.write(0, 0, values[None])
    return file_digest(here)


def carry_image(sample: Sample, id: str, source: Dataset, target: Dataset) -> str | None:
    """Bring the image of a sample of `source` in reach of `target`, where it is called `id`; returns the manifest's path."""
    path = source.image_path(sample)
    if path == sample.image:  # a URL
        return path
    if source.images == "link" and os.path.islink(path):  # on to what it shows, not to a link to a link
        path = os.path.join(real_folder(os.path.dirname(path)), os.readlink(path))
    return place_image(path, id, target.root, target.images)


def _remapped(dataset: Dataset, samples: Sequence[Sample], remap: Remap) -> Mask:
    """A `Change`, once it is given its remap."""
    return remap(read_shared(dataset, samples))


def read_shared(dataset: Dataset, samples: Sequence[Sample]) -> Mask:
    """The whole mask file that samples share. Raises `DataError` (`mask.*`)."""
    path = dataset.inside(samples[0].mask)
    with open_mask(path) as mask:
        known = [KnownMask(mask, sample, dataset.labels, str(path)) for sample in samples]
        return known[0].read()


def _counts(values: Mask, sample: Sample, ignore: int) -> dict[int, int]:
    """How often each value occurs in a sample's part of the mask file."""
    part = values if sample.view is None else sample.view.mask(values[sample.view.crop.slices], ignore)
    return tally(part)
