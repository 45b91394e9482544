"""The frame of every export to the files of another format: sample by sample, resumable, with its contract and its receipt.

    OUT/  the format's own files, segdata.json (the label contract), croissant.json, and last receipt.json

A writer makes a `Plan`: what its samples are called, what it writes for one of them, and what it writes for all.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.caches import note
from segdata.dataset.contract import CONTRACT, EXPORT, Contract
from segdata.dataset.dataset import Dataset
from segdata.dataset.images import put_image, refuse_images
from segdata.dataset.inputs import Inputs, Stamp, newest, sample_files, stamps
from segdata.dataset.job import Loop, folder_name, made_of, receipt_of, resumable_folder
from segdata.dataset.journal import settle
from segdata.dataset.layout import JOURNAL, RECEIPT, UNDECODABLE
from segdata.dataset.sample import Sample
from segdata.errors import DataError, Problem, located, refuse_nothing
from segdata.executors.run import Run
from segdata.files.durable import sync_tree
from segdata.files.opening import is_turned
from segdata.files.places import absolute, file_digest, read_bytes, write_bytes, write_whole
from segdata.files.remote import Place, Remote
from segdata.writers.about import About
from segdata.writers.croissant import Described, Shown, day_of, write_croissant
from segdata.writers.images import ExportImages, as_it_is, check_images, encode_image_of, ending_of
from segdata.writers.masks import put_mask
from segdata.writers.names import Named
from segdata.writers.rows import Row, Rows

IMAGE = ""
"""What stands for the digest of an image file, which is not read again."""


class Shard(NamedTuple):
    """A file of several samples: its name, and what is in it."""

    name: str
    samples: tuple[Named, ...]


NO_SIZES = "the files do not say how large the images are: no program reads them until the images are put beside them"

FAR = "segdata reads this format on this machine alone: copy the folder here to convert it"


@dataclass(slots=True)
class Files:
    """The files of one sample or shard, as they are written below `root`; and what is lost of it.

    `skip`: whether bad samples of a shard are left out.
    """

    root: Place
    source: Dataset
    images: ExportImages
    skip: bool = False
    written: dict[str, str] = field(default_factory=dict)
    lost: dict[str, tuple[int, int]] = field(default_factory=dict)
    pixels: int = 0
    left_out: list[Problem] = field(default_factory=list)

    def write(self, path: str, data: bytes) -> None:
        """Write a file, at a POSIX path below the root."""
        write_bytes(self.root / path, data)
        self.written[path] = hashlib.sha256(data).hexdigest()

    def mask(self, sample: Sample, path: str, palette: NDArray[np.uint8] | None = None) -> None:
        """Write the mask of a sample as a PNG of class ids, grey or with a (256, 3) `palette`: see `put_mask`."""
        self.written[path] = put_mask(sample, self.source, self.root / path, palette)

    def image(
        self, sample: Sample, path: str, kinds: Collection[str] | None = None, ending: str | None = None
    ) -> str | None:
        """Link, copy or write the image of a sample at `path`, without an ending; where it is then, None if there are none.

        The pixels are written, as PNG or TIFF, if the file alone is not what lies under the mask: a part of a larger one, some
        of its bands, turned by EXIF; and if its ending is none of `kinds`, those that the format can hold (None: any). With an
        `ending` all files are called so, whatever is in them, for programs that look for no other name.
        """
        if self.images == "none":
            return None
        file = self.source.image_path(sample)
        if self.is_whole(sample) and (kinds is None or ending_of(file) in kinds):
            here = f"{path}{ending or ending_of(file)}"
            self.put(file, here, self.images)
            return here
        with self.source.open_image(sample) as image:
            own, data = encode_image_of(image) if kinds is None else encode_image_of(image, kinds)
        here = f"{path}{ending or own}"
        self.write(here, data)
        self.pixels += 1
        return here

    def is_whole(self, sample: Sample) -> bool:
        """Whether the file of a sample's image is what lies under its mask: not a part of a larger one, nor turned by EXIF."""
        return as_it_is(sample, self.source) and (sample.exif is None or not is_turned(self.source.image_path(sample)))

    def put(self, file: str, path: str, images: Literal["link", "copy"]) -> None:
        """Link or copy an image file as it is."""
        put_image(file, self.root, path, images, others="")
        self.written[path] = IMAGE

    def leave_out(self, error: DataError) -> None:
        """Leave out a sample of a shard. Raises the error if bad samples are not skipped."""
        if not self.skip:
            raise error
        self.left_out.append(error.problem)

    def take_back(self) -> None:
        """Remove what was written: the files of a sample that is left out would be there without the others."""
        for path in self.written:
            (self.root / path).unlink(missing_ok=True)
        self.written.clear()

    def lose(self, kind: str, pixels: int, regions: int = 0) -> None:
        """Note what the format cannot hold of the sample."""
        before = self.lost.get(kind, (0, 0))
        self.lost[kind] = before[0] + pixels, before[1] + regions


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a dataset becomes the files of a format.

    Args:
        format: The name of the format.
        options: The options that change what is written, by name.
        samples: What the samples are called.
        item: `item(named, files)` writes the files of one sample, and returns what `finish` needs of it: values of JSON. It
            must pickle: a function of a module, or a `functools.partial` of one. If there are `shards`, it is
            `item(shard, files)`, and returns that of each sample in the shard by id; others it gives to `files.leave_out`.
        finish: `finish(root, rows)` writes the common files. `rows` are the samples in order of id, each with what `item` has
            returned for it; those that could not be read are not among them. It can be iterated once.
        holds: The names at the top of the folder.
        reader: The format that `segdata convert` reads it as.
        reading: The options with which it does.
        names: What the files call the classes: see `Contract`.
        images: What becomes of the images.
        keeps: Which of `ignored`, `groups` and `scores` the format holds.
        ways: The option that keeps what a format cannot hold, by kind.
        left_out: Samples that are left out as an option says, each with its problem.
        notes: What a person should know of the files, for the receipt.
        shown: Where the images, masks and label files of the samples are, for croissant.json.
        needs_images: Whether the files do not say how large the images are, so that `segdata convert` cannot read them alone.
        needs_here: Whether `segdata convert` reads the format on this machine alone, and not in storage.
        shards: Which samples are in one file, of formats whose files hold many. An export goes on after the last whole one.
    """

    format: str
    options: Mapping[str, object]
    samples: Sequence[Named]
    item: Callable[[Any, Files], Any]
    finish: Callable[[Place, Iterable[tuple[Named, Any]]], None]
    holds: Sequence[str]
    reader: str
    names: Mapping[str, int | None]
    reading: Mapping[str, object] = field(default_factory=dict)
    images: ExportImages = "link"
    keeps: Collection[str] = ("ignored",)
    ways: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[Problem] = ()
    notes: Sequence[str] = ()
    shown: Shown = field(default_factory=Shown)
    needs_images: bool = False
    needs_here: bool = False
    shards: Sequence[Shard] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """An export: the folder, its format, and its receipt."""

    root: Place
    format: str
    receipt: Mapping[str, Any]

    def __len__(self) -> int:
        """The number of samples."""
        return int(self.receipt["images"]["exported"])

    def to_json(self) -> dict[str, Any]:
        """Plain values, fit for JSON: those of receipt.json."""
        return dict(self.receipt)


def export_files(
    dataset: Dataset, root: Place, plan: Plan, *, about: About | None = None, overwrite: bool, run: Run | None
) -> Exported:
    """Write the files of a format, and return what was written. An export that was stopped goes on where it was.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead: such samples are then left out),
    and `DatasetError` for the destination.
    """
    check_images(dataset, plan.images)
    if plan.images != "none":
        refuse_images(root, plan.images, (dataset.image_path(one.sample) for one in plan.samples))
    about = about or About()
    options = {"format": plan.format, "images": plan.images, **plan.options, **about.given()}
    made_by = made_of("export", options, [dataset])
    contract = Contract(
        format=plan.format, reader=plan.reader, options=plan.reading, labels=dataset.labels, names=plan.names,
        images=plan.images, made_by=made_by, holds=sorted(plan.holds),
    )  # fmt: skip
    inputs = Inputs([dataset])
    if (there := _finished(root, contract, inputs, overwrite=overwrite)) is not None:
        return there
    given = {"labels": dataset.labels.digest, "source": absolute(dataset.root), "holds": contract.holds}
    header = {**made_by, "images": plan.images, **given}
    source, run = replace(dataset, samples=()), run or Run()
    with (
        resumable_folder(root, EXPORT, Row, header, inputs, is_there=_is_there, overwrite=overwrite, run=run) as loop,
        closing(Rows(loop.done, loop.root, shards=bool(plan.shards))) as rows,
    ):
        loop.done = rows
        for problem in plan.left_out:
            loop.failed[str(problem.sample)] = problem
        skip = run.report.on_error == "skip"
        item = partial(_row, plan=replace(plan, samples=(), shards=()), source=source, root=loop.root, skip=skip)
        todo = [one for one in plan.shards or plan.samples if _key(one) not in loop.done]
        loop.work(item, todo, _key, reads=partial(_reads, source=source))
        for problem in [problem for row in loop.done.values() for problem in row.left_out]:
            loop.fail(str(problem.sample), problem)
        return _finish(loop, rows, dataset, plan, contract, about)


def _key(one: Named | Shard) -> str:
    """The name of a line of the journal."""
    return one.name if isinstance(one, Shard) else one.sample.id


def _split(one: Named | Shard) -> str | None:
    """The folder of the split of what is written."""
    return one.samples[0].split if isinstance(one, Shard) else one.split


def _row(one: Named | Shard, plan: Plan, source: Dataset, root: Place, skip: bool) -> Row:
    """Write the files of one sample or shard. Raises `DataError`."""
    files = Files(root, source, plan.images, skip)
    try:
        with nullcontext() if isinstance(one, Shard) else located(sample=one.sample.id):
            part = plan.item(one, files)
    except DataError:
        files.take_back()
        raise
    raw = msgspec.Raw(msgspec.json.encode(part))
    return Row(_key(one), files.written, raw, files.lost, files.pixels, files.left_out)


def _reads(one: Named | Shard, source: Dataset) -> list[Stamp]:
    """The files that a sample or shard is made from."""
    samples = [named.sample for named in one.samples] if isinstance(one, Shard) else [one.sample]
    return stamps(sample_files(source, samples))


def _is_there(root: Place, row: Row) -> bool:
    """Whether what was written for a sample is there as it was written; in storage, where files are whole or absent, at all.

    A shard that lacks samples is written again: they may be mended.
    """
    if row.left_out:
        return False
    try:
        return all(
            (root / path).is_file()
            if digest == IMAGE or isinstance(root, Remote)
            else file_digest(root / path) == digest
            for path, digest in row.files.items()
        )
    except OSError:
        return False


def _finish(loop: Loop[Row], rows: Rows, dataset: Dataset, plan: Plan, contract: Contract, about: About) -> Exported:
    """Write what all samples have in common, and the receipt. Raises `DataError` if everything was left out."""
    named = sorted((one for one in plan.samples if one.sample.id in rows.ids), key=lambda one: one.sample.id)
    if not named:
        refuse_nothing(loop.left_out)
    plan.finish(loop.root, ((one, rows.part(one.sample.id)) for one in named))
    loop.journal.flush()
    splits = {_key(one): _split(one) for one in plan.shards or named}
    files = [(splits[name], row.files) for name, row in sorted(rows.items())]
    described = Described(
        folder_name(dataset), plan.format, dataset.labels, len(named), files, contract.holds, day_of(dataset)
    )
    write_croissant(loop.root, described, plan.shown, about)
    if isinstance(loop.root, Path):
        sync_tree(loop.root)
    receipt = _receipt(loop, dataset, plan, named)
    write_whole(loop.root / CONTRACT, contract.to_bytes())
    write_whole(loop.root / RECEIPT, (json.dumps(receipt, indent=2) + "\n").encode())
    return Exported(loop.journal.land(), plan.format, receipt)


def _receipt(loop: Loop[Row], dataset: Dataset, plan: Plan, named: Sequence[Named]) -> dict[str, Any]:
    """What was exported, and what the format cannot hold of it: pixels and regions, in how many images, and what keeps them."""
    pixels, regions, images = Counter[str](), Counter[str](), Counter[str]()
    for one in named:
        row = loop.done.get(one.sample.id)  # none of what is in a shard
        for kind, lost in {**(row.lost if row else {}), **_lost_by_all(one.sample, dataset, plan)}.items():
            pixels[kind] += lost[0]
            regions[kind] += lost[1]
            images[kind] += 1
    alone, far = plan.needs_images and plan.images == "none", plan.needs_here and isinstance(loop.root, Remote)
    counts: Counter[int] = Counter()
    for one in named:
        counts.update(one.sample.counts)
    return receipt_of(
        "exported",
        len(plan.samples) + len(plan.left_out),
        loop.left_out,
        format=plan.format,
        pixels={dataset.labels.name(value): counts[value] for value in sorted(counts)},
        written_as_pixels=sum(row.pixels for row in loop.done.values()),
        cannot_hold={
            kind: {
                "images": images[kind],
                "pixels": pixels[kind],
                "regions": regions[kind],
                "keep": plan.ways.get(kind),
            }
            for kind in sorted(images)
        },
        notes=[*plan.notes, *([NO_SIZES] if alone else []), *([FAR] if far else [])],
        reads_back=not (alone or far),
    )


def _lost_by_all(sample: Sample, dataset: Dataset, plan: Plan) -> dict[str, tuple[int, int]]:
    """What a sample has that formats have no place for, unless the plan says that this one has."""
    ignored = sample.counts.get(dataset.labels.ignore, 0)
    has = {"ignored": bool(ignored), "groups": sample.group is not None, "scores": sample.scores is not None}
    return {
        kind: (ignored if kind == "ignored" else 0, 0)
        for kind, there in has.items()
        if there and kind not in plan.keeps
    }


def _finished(root: Place, contract: Contract, inputs: Inputs, *, overwrite: bool) -> Exported | None:
    """The export at a place, if the same job has made it and no input was written since; otherwise None."""
    if overwrite or isinstance(root, Remote) or not root.exists():
        return None
    settle(root, EXPORT)
    if (root / JOURNAL).exists() or not (root / RECEIPT).is_file():
        return None
    try:
        there = Contract.read(root)
        receipt = msgspec.json.decode(read_bytes(root / RECEIPT), type=dict[str, Any])
    except (DataError, *UNDECODABLE):
        return None
    if there is None or there.to_bytes() != contract.to_bytes():
        return None
    if newest(map(str, inputs)) > (root / RECEIPT).stat().st_mtime_ns:
        return None
    note(f"{root}: is finished already, from the same inputs and options: nothing was done")
    return Exported(root, contract.format, receipt)
