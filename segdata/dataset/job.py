"""A dataset that is made item by item, and goes on where it was stopped: the one resumable loop, and its receipt."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Generic, TypeVar

import msgspec

from segdata.dataset.dataset import Dataset
from segdata.dataset.destination import DATASET, Kind, refuse_held
from segdata.dataset.inputs import Stamp, unchanged
from segdata.dataset.journal import Journal
from segdata.dataset.sample import Images, Sample
from segdata.errors import Problem, refuse_nothing
from segdata.executors.run import Run
from segdata.files.places import absolute, file_digest, listed
from segdata.files.remote import Place, Remote
from segdata.version import __version__


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """What a line of the journal says of every item: the files that it was made from."""

    inputs: list[Stamp] = []


class Named(Noted, frozen=True):
    """What one item became: the item's name. Also a line of the journal."""

    name: str


class Made(Named, frozen=True):
    """The same of a dataset, with the item's lines of the manifest."""

    samples: list[Sample]


Item = TypeVar("Item")

Entry = TypeVar("Entry", bound="Named")

Lines = TypeVar("Lines", bound="Made")

Reads = Callable[[Item], list[Stamp]]
"""Gives the files that an item is made from, as they are before it is made."""


@dataclass(slots=True)
class Loop(Generic[Entry]):
    """A folder in the making: `done` by the items' names, and `failed`, the problems of what was left out, by its name.

    `root` is where to write: not the destination if that is to be replaced.
    """

    root: Place
    run: Run
    journal: Journal[Entry]
    done: dict[str, Entry]
    failed: dict[str, Problem] = field(default_factory=dict)

    def work(
        self,
        function: Callable[[Item], Entry],
        items: Sequence[Item],
        name: Callable[[Item], str],
        whole: Callable[[Item], str] | None = None,
        *,
        reads: Reads[Item],
    ) -> None:
        """Make the items that are not done yet. `whole` names what an item is a part of: with one part all of it fails.

        Raises `DataError` for the first bad item (`run.report` may skip instead).
        """
        whole = whole or name
        todo = [item for item in items if name(item) not in self.done and whole(item) not in self.failed]
        self.gather(self.run.map(partial(_noted, function=function, reads=reads), todo, into=self.root), whole)

    def gather(self, results: Iterable[tuple[Item, Entry | Problem]], whole: Callable[[Item], str]) -> None:
        """Keep what items became, as it comes. Raises as `work`."""
        for item, result in results:
            if isinstance(result, Problem):
                self.fail(whole(item), result)
            else:
                self.journal.append(result)
                self.done[result.name] = result

    def fail(self, name: str, problem: Problem) -> None:
        """Leave something out; its first problem is reported and kept. Raises `DataError` unless `run.report` skips."""
        if name not in self.failed:
            self.run.report.add(problem)
            self.failed[name] = problem

    @property
    def left_out(self) -> list[Problem]:
        """What was left out, each with its name."""
        return [replace(problem, sample=name) for name, problem in self.failed.items()]


@dataclass(slots=True)
class Job(Loop[Lines]):
    """The same of a dataset. `dataset` has no samples yet; its root is that of the loop."""

    dataset: Dataset = field(kw_only=True)

    @property
    def samples(self) -> list[Sample]:
        """The lines of all that is done."""
        return [sample for entry in self.done.values() for sample in entry.samples]

    def save(
        self,
        receipt: Callable[[Dataset], dict[str, Any]],
        samples: Sequence[Sample] | None = None,
        images: Images | None = None,
    ) -> Dataset:
        """Write the manifest, of `samples` if they are not those that are done, and the receipt; the dataset is whole then, and
        takes the place of what it replaces. Raises `DataError` if everything was left out."""
        if not self.done:
            refuse_nothing(self.left_out)
        lines = sorted(self.samples if samples is None else samples, key=lambda sample: sample.id)
        whole = replace(self.dataset, samples=lines, images=images or self.dataset.images)
        self.journal.flush()
        whole.save(receipt(whole))
        return replace(whole, root=self.journal.land())


def _noted(item: Item, function: Callable[[Item], Entry], reads: Reads[Item]) -> Entry:
    """What the function makes from an item, with the files that it was made from, as they were before."""
    inputs = reads(item)
    return msgspec.structs.replace(function(item), inputs=inputs)


@contextmanager
def resumable_folder(
    root: Place,
    kind: Kind,
    entry: type[Entry],
    header: Mapping[str, Any],
    inputs: Iterable[str | Place],
    *,
    is_there: Callable[[Place, Entry], bool],
    overwrite: bool,
    run: Run,
) -> Iterator[Loop[Entry]]:
    """Claim the place of a folder of a `kind`, and take up what a job of the same `header` did there.

    An entry is done again if a file that it was made from has changed, or its own are not there: `is_there(root, entry)`. After
    a `DataError` nothing is left; after any other end of the block the job can go on. `inputs` are all files and folders that
    are read: none may lie in a destination that holds something. Raises `DatasetError` for a place that holds something else,
    `OptionError` for one that holds an input.
    """
    refuse_held(root, inputs)
    with Journal(root, dict(header), entry, overwrite=overwrite, kind=kind) as journal:
        there = listed(journal.root)
        done = {one.name: one for one in journal.done if unchanged(one.inputs) and is_there(there, one)}
        yield Loop(journal.root, run, journal, done)


@contextmanager
def resumable(
    dataset: Dataset,
    entry: type[Lines],
    given: Mapping[str, Any],
    inputs: Iterable[str | Place],
    *,
    is_there: Callable[[Place, Lines], bool] | None = None,
    overwrite: bool,
    run: Run,
) -> Iterator[Job[Lines]]:
    """The same of `dataset`, which has no samples: what a job of the same `made_by` and `given` did there is taken up.

    By default the files of an entry are its masks as they were written, and its images. See `resumable_folder`.
    """
    header = {**dataset.made_by, "images": dataset.images, "labels": dataset.labels.digest, **given}
    whether = is_there or (files_there if dataset.images == "copy" else masks_there)
    with resumable_folder(
        dataset.root, DATASET, entry, header, inputs, is_there=whether, overwrite=overwrite, run=run
    ) as loop:
        yield Job(loop.root, run, loop.journal, loop.done, dataset=replace(dataset, root=loop.root))


def masks_there(root: Place, entry: Made) -> bool:
    """Whether the masks of an entry are there as they were written; in storage, where files are whole or absent, at all."""
    masks = {sample.mask: sample.sha256 for sample in entry.samples}  # virtual tiles have one together
    if isinstance(root, Remote):
        return all((root / mask).is_file() for mask in masks)
    try:
        return all(file_digest(root / mask) == sha256 for mask, sha256 in masks.items())
    except OSError:
        return False


def files_there(root: Place, entry: Made) -> bool:
    """The same, of images that are copies too."""
    images = {sample.image for sample in entry.samples if sample.image is not None}
    return masks_there(root, entry) and all((root / image).is_file() for image in images)


# What is written down


def made_of(
    operation: str, options: Mapping[str, object], inputs: Sequence[Dataset | dict[str, Any]], seed: int | None = None
) -> dict[str, Any]:
    """The `made_by` of a dataset that an operation makes of others, or of what is described so already."""
    return {
        "tool": "segdata",
        "version": __version__,
        "operation": operation,
        "options": {name: _plain(value) for name, value in options.items()},
        "seed": seed,
        "inputs": [one if isinstance(one, dict) else _input_of(one) for one in inputs],
    }


def _plain(value: object) -> object:
    """A value of an option; NaN and infinity, which JSON has not, as text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _input_of(dataset: Dataset) -> dict[str, Any]:
    """What is written down of a dataset that another is made of: its name, its digest, and how its images were read."""
    reading = dataset.reading.to_json()
    return {"name": folder_name(dataset), "sha256": dataset.digest, **({"reading": reading} if reading else {})}


def folder_name(dataset: Dataset) -> str:
    """What a dataset is called: its folder's name alone."""
    return os.path.basename(absolute(dataset.root))


def receipt_of(made: str, given: int, left_out: Sequence[Problem], /, **more: Any) -> dict[str, Any]:
    """receipt.json: of so many images given how many were `made` (a verb) and how many skipped, `more`, and each that was."""
    return {
        "images": {"in": given, made: given - len(left_out), "skipped": len(left_out)},
        **more,
        "skipped": [problem.to_json() for problem in left_out],
    }


def pixels_of(dataset: Dataset) -> dict[str, int]:
    """The pixels of each class, and of ignore, by name, as far as there are any."""
    pixels: Counter[int] = Counter()
    for sample in dataset:
        pixels.update(sample.counts)
    return {dataset.labels.name(value): pixels[value] for value in sorted(pixels)}
