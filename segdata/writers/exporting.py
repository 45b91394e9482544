"""The frame of every export to the files of another format: sample by sample, resumable, with its contract and its receipt.

    OUT/  the format's own files, segdata.json (the label contract), croissant.json, and last receipt.json

A writer makes a `Plan`: what its samples are called, what it writes for one of them, and what it writes for all.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.caches import note
from segdata.dataset.contract import CONTRACT, EXPORT, Contract
from segdata.dataset.dataset import Dataset
from segdata.dataset.images import put_image, refuse_images
from segdata.dataset.inputs import Inputs, Stamp, newest, sample_files, stamps
from segdata.dataset.job import Loop, made_of, receipt_of, resumable_folder
from segdata.dataset.journal import settle
from segdata.dataset.layout import JOURNAL, RECEIPT, UNDECODABLE
from segdata.dataset.sample import Sample
from segdata.errors import DataError, Problem, located, refuse_nothing
from segdata.executors.run import Run
from segdata.files.durable import sync_tree
from segdata.files.places import absolute, file_digest, read_bytes, write_bytes, write_whole
from segdata.files.remote import Place, Remote
from segdata.writers.images import ExportImages, as_it_is, check_images, encode_image_of, ending_of
from segdata.writers.masks import put_mask
from segdata.writers.names import Named
from segdata.writers.rows import Row, Rows

IMAGE = ""
"""What stands for the digest of an image file, which is not read again."""


@dataclass(slots=True)
class Files:
    """The files of one sample, as they are written below `root`; and what is lost of it."""

    root: Place
    source: Dataset
    images: ExportImages
    written: dict[str, str] = field(default_factory=dict)
    lost: dict[str, tuple[int, int]] = field(default_factory=dict)
    pixels: bool = False

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
        as_file = as_it_is(sample, self.source) and sample.exif is None
        if as_file and (kinds is None or ending_of(file) in kinds):
            here = f"{path}{ending or ending_of(file)}"
            put_image(file, self.root, here, self.images, others="")
            self.written[here] = IMAGE
            return here
        with self.source.open_image(sample) as image:
            own, data = encode_image_of(image) if kinds is None else encode_image_of(image, kinds)
        here = f"{path}{ending or own}"
        self.write(here, data)
        self.pixels = True
        return here

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
            must pickle: a function of a module, or a `functools.partial` of one.
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
    """

    format: str
    options: Mapping[str, object]
    samples: Sequence[Named]
    item: Callable[[Named, Files], Any]
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


def export_files(dataset: Dataset, root: Place, plan: Plan, *, overwrite: bool, run: Run | None) -> Exported:
    """Write the files of a format, and return what was written. An export that was stopped goes on where it was.

    Raises `OptionError`, `DataError` for the first bad file (`run.report` may skip instead: such samples are then left out),
    and `DatasetError` for the destination.
    """
    check_images(dataset, plan.images)
    if plan.images != "none":
        refuse_images(root, plan.images, (dataset.image_path(one.sample) for one in plan.samples))
    options = {"format": plan.format, "images": plan.images, **plan.options}
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
    source = replace(dataset, samples=())
    with (
        resumable_folder(
            root, EXPORT, Row, header, inputs, is_there=_is_there, overwrite=overwrite, run=run or Run()
        ) as loop,
        closing(Rows(loop.done, loop.root)) as rows,
    ):
        loop.done = rows
        for problem in plan.left_out:
            loop.failed[str(problem.sample)] = problem
        item = partial(_row, plan=replace(plan, samples=()), source=source, root=loop.root)
        todo = [one for one in plan.samples if one.sample.id not in loop.done]
        reads = partial(_reads, source=source)
        loop.work(item, todo, lambda one: one.sample.id, reads=reads)
        return _finish(loop, rows, dataset, plan, contract)


def _row(named: Named, plan: Plan, source: Dataset, root: Place) -> Row:
    """Write the files of one sample. Raises `DataError`."""
    files = Files(root, source, plan.images)
    with located(sample=named.sample.id):
        part = plan.item(named, files)
    return Row(named.sample.id, files.written, msgspec.Raw(msgspec.json.encode(part)), files.lost, files.pixels)


def _reads(named: Named, source: Dataset) -> list[Stamp]:
    """The files that a sample is made from."""
    return stamps(sample_files(source, [named.sample]))


def _is_there(root: Place, row: Row) -> bool:
    """Whether what was written for a sample is there as it was written; in storage, where files are whole or absent, at all."""
    try:
        return all(
            (root / path).is_file()
            if digest == IMAGE or isinstance(root, Remote)
            else file_digest(root / path) == digest
            for path, digest in row.files.items()
        )
    except OSError:
        return False


def _finish(loop: Loop[Row], rows: Rows, dataset: Dataset, plan: Plan, contract: Contract) -> Exported:
    """Write the files of all samples, the contract and the receipt. Raises `DataError` if everything was left out."""
    if not loop.done:
        refuse_nothing(loop.left_out)
    named = sorted((one for one in plan.samples if one.sample.id in loop.done), key=lambda one: one.sample.id)
    plan.finish(loop.root, ((one, rows.part(one.sample.id)) for one in named))
    loop.journal.flush()
    if isinstance(loop.root, Path):
        sync_tree(loop.root)
    receipt = _receipt(loop, dataset, plan, named)
    write_whole(loop.root / CONTRACT, contract.to_bytes())
    write_whole(loop.root / RECEIPT, (json.dumps(receipt, indent=2) + "\n").encode())
    return Exported(loop.journal.land(), plan.format, receipt)


def _receipt(loop: Loop[Row], dataset: Dataset, plan: Plan, named: Sequence[Named]) -> dict[str, Any]:
    """What was exported, and what the format cannot hold of it: pixels and regions, in how many images, and what keeps them."""
    rows = [loop.done[one.sample.id] for one in named]
    pixels, regions, images = Counter[str](), Counter[str](), Counter[str]()
    for one, row in zip(named, rows, strict=True):
        for kind, lost in {**row.lost, **_lost_by_all(one.sample, dataset, plan)}.items():
            pixels[kind] += lost[0]
            regions[kind] += lost[1]
            images[kind] += 1
    counts: Counter[int] = Counter()
    for one in named:
        counts.update(one.sample.counts)
    return receipt_of(
        "exported",
        len(plan.samples) + len(plan.left_out),
        loop.left_out,
        format=plan.format,
        pixels={dataset.labels.name(value): counts[value] for value in sorted(counts)},
        written_as_pixels=sum(row.pixels for row in rows),
        cannot_hold={
            kind: {
                "images": images[kind],
                "pixels": pixels[kind],
                "regions": regions[kind],
                "keep": plan.ways.get(kind),
            }
            for kind in sorted(images)
        },
        notes=list(plan.notes),
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
