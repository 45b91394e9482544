"""The images to pick from, with their signals: a dataset of predictions, or a file of a service; and what is labelled already."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.groups import group_samples
from segdata.dataset.layout import CARD, JOURNAL, LOG, MANIFEST
from segdata.dataset.match import renamed_like
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError, OptionError
from segdata.executors.run import Run
from segdata.files.places import absolute, file_digest, names_in, place
from segdata.files.remote import Place
from segdata.ops.pick.choose import Ints, Vectors
from segdata.ops.pick.weigh import vectors_among
from segdata.prediction.profile import SIGNALS, About, streamed
from segdata.prediction.signals import Signals
from segdata.words import briefly, some

ENDING = ".jsonl"


@dataclass(frozen=True, slots=True)
class Pool:
    """Images with signals. `name` is what was given, `dataset` has a line for each. `masks`: it is of predictions, with files."""

    __repr__ = briefly

    name: str
    signals: Place
    about: About
    dataset: Dataset
    rows: int
    """How many lines of signals there are: a service may write more while they are read."""
    masks: bool

    def read(self) -> Iterator[Signals]:
        """The signals of the images, one at a time. Raises `DatasetError` for a damaged line."""
        wanted = {sample.id for sample in self.dataset}
        with streamed(self.signals) as (_, rows):
            yield from (row for row in islice(rows, self.rows) if row.id in wanted)

    def image_path(self, sample: Sample) -> str | None:
        """Where an image is; None if that is not known."""
        return None if sample.image is None else absolute(self.dataset.image_path(sample))

    @property
    def digest(self) -> str:
        """SHA-256 of the file of signals."""
        return file_digest(self.signals)


def open_pool(pool: Dataset | str | Place, split: str | None = None) -> Pool:
    """The pool at a place. Raises `DatasetError` if there is none, or it has no signals, `OptionError` for a split of signals."""
    if not isinstance(pool, Dataset) and str(pool).endswith(ENDING):
        if split is not None:
            raise OptionError(f"--split: {pool} has no splits: give the dataset of predictions")
        return _bare(place(pool))
    if (
        not isinstance(pool, Dataset)
        and place(pool).is_dir()
        and not names_in(place(pool)) & {CARD, MANIFEST, JOURNAL, LOG}
    ):
        way = f"segdata predict MODEL {pool} PRED, and pick from PRED; or --model MODEL, for a list"
        raise DatasetError(f"{pool}: is no dataset of predictions: {way}")
    dataset = Dataset.of(pool)
    dataset = dataset if split is None else dataset.split(split)
    if not (dataset.root / SIGNALS).is_file():
        way = f"segdata predict MODEL {dataset.root} PRED, and pick from PRED"
        raise DatasetError(f"{dataset.root}: has no {SIGNALS}, which says how sure a model is: {way}")
    return _of_dataset(dataset, whole=True)


def _of_dataset(dataset: Dataset, *, whole: bool) -> Pool:
    """The images of a dataset that have signals, which are all of them if it is `whole`. Raises `DatasetError`."""
    signals = dataset.root / SIGNALS
    with streamed(signals) as (about, rows):
        ids = [row.id for row in rows]
    if whole and (lacking := {sample.id for sample in dataset} - set(ids)):
        raise DatasetError(f"{signals}: has no line of {some(sorted(lacking), 3)}: predict again")
    return Pool(str(dataset.root), signals, about, dataset, len(ids), True)


def _bare(signals: Place) -> Pool:
    """The pool of a file of signals: its images are known by id and group alone."""
    samples = dict[str, Sample]()
    count = 0
    with streamed(signals) as (about, rows):
        for row in rows:
            count += 1
            samples.setdefault(
                row.id, Sample(id=row.id, mask="", height=0, width=0, counts={}, sha256="", group=row.group)
            )
    dataset = Dataset(signals.parent, about.contract, tuple(samples.values()))
    return Pool(str(signals), signals, about, dataset, count, False)


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images that are labelled already: `ids` are of the pool, `others` are not in it, of which there may be `own` signals."""

    __repr__ = briefly

    dataset: Dataset | None = None
    ids: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()
    own: Pool | None = None

    @classmethod
    def of(cls, labelled: Dataset | str | Place | None, pool: Pool, *, signals: bool = True) -> Labelled:
        """Those of a dataset, the same by their id, or by their image; with the `signals` that it has, if it has any.

        Raises `DatasetError` for signals of another model.
        """
        if labelled is None:
            return cls()
        dataset = Dataset.of(labelled)
        known = {sample.id for sample in pool.dataset}
        alike, _ = renamed_like(dataset, pool.dataset)
        ids = frozenset(sample.id for sample in alike) & known
        others = frozenset(sample.id for sample in alike) - known
        own = _of_dataset(dataset, whole=False) if signals and others and (dataset.root / SIGNALS).is_file() else None
        if own is not None and (own.about.digest, own.about.origin) != (pool.about.digest, pool.about.origin):
            what = "its signals are of another model than the pool's"
            raise DatasetError(f"{dataset.root}: {what}: predict both with the same one, and give that as --labelled")
        return cls(dataset, ids, others, own)

    @property
    def root(self) -> Place | None:
        """Where they are."""
        return None if self.dataset is None else self.dataset.root

    @property
    def digest(self) -> str | None:
        """That of their dataset."""
        return None if self.dataset is None else self.dataset.digest

    def vectors(self, pool: Pool) -> Iterator[tuple[list[str], Vectors]]:
        """Their embeddings, some at a time, with their ids, as far as they are known."""
        yield from vectors_among(pool.read, self.ids)
        if self.own is not None:
            yield from vectors_among(self.own.read, self.others)


def groups_of(pool: Pool, ids: Sequence[str], by: Sequence[str], run: Run) -> tuple[Ints, list[str]]:
    """(N,) the group's number of each image of `ids`, and what each of these is called. Raises as `group_samples`."""
    wanted = set(ids)
    members = replace(pool.dataset, samples=[sample for sample in pool.dataset if sample.id in wanted])
    groups = group_samples(members, by, run)
    of = {sample.id: int(number) for sample, number in zip(members, groups.of, strict=True)}
    return np.array([of[id] for id in ids], np.int64), list(groups.names)


def refuse_alone(groups: Collection[str], images: int) -> None:
    """Raise `OptionError` if each image is a group of its own, so that no limit per group would do anything."""
    if len(groups) == images:
        way = "--group-by sequence, or 'regex:^(.*)_[0-9]+$', makes them of ids"
        raise OptionError(f"--per-group: no two images are in one group: {way}")
