"""Some samples of a dataset in a new one: those of a list, all but those of a list, or a list as a split of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from segdata.dataset.carry import Move, Origin, carry
from segdata.dataset.dataset import Dataset
from segdata.dataset.id_lists import file_of, read_ids
from segdata.dataset.job import made_of, receipt_of
from segdata.dataset.moving import id_in, refuse_split, refuse_twice, stems_of
from segdata.dataset.sample import Sample
from segdata.errors import OptionError, Problem
from segdata.executors.run import Run
from segdata.files.places import place


class Wanted(NamedTuple):
    """What is asked for: ids to keep or to move (None: all), ids to leave out, and where the former are moved to."""

    ids: frozenset[str] | None
    without: frozenset[str]
    to_split: str | None


def select(
    dataset: Dataset | str | Path,
    destination: str | Path,
    *,
    ids: Sequence[str] | str | Path | None = None,
    without: Sequence[str] | str | Path | None = None,
    split: str | None = None,
    to_split: str | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Keep some samples of a dataset, in a new one. Masks and scores are copied.

    With several options samples are kept that all of them keep. With `to_split` the samples of `ids` are moved, and the others
    are kept as they are. Their ids begin with the new split if they began with the old one.

    Raises `OptionError` for ids that the dataset has not, if nothing is asked and if nothing is left, `DatasetError` for a split
    that it has not, and as `carry` does.

    Args:
        dataset: The dataset, or its folder.
        destination: The folder of the new dataset.
        ids: Keep these samples: a file with an id per line (.txt) or with ids in its first column (.csv); in Python also the
            ids themselves.
        without: Leave these samples out: such a file.
        split: Keep this split only; several: a,b; all but one: !a.
        to_split: Move the samples of `ids` to this split, and keep the others too.
        overwrite: Replace a dataset at `destination`.
    """
    dataset = Dataset.of(dataset)
    if ids is None and without is None and split is None:
        raise OptionError("nothing to select: give --ids, --without or --split")
    if to_split is not None:
        refuse_split(to_split, "--to-split")
        if ids is None:
            raise OptionError("--to-split: give --ids too: the samples that are moved")
    known = {sample.id for sample in dataset}
    name = str(dataset.root)
    wanted = Wanted(
        None if ids is None else frozenset(read_ids(ids, "--ids", known, name)),
        frozenset() if without is None else frozenset(read_ids(without, "--without", known, name)),
        to_split,
    )
    moves = moves_of(dataset, dataset if split is None else dataset.split(split), wanted)
    if not moves:
        raise OptionError(f"{dataset.root}: none of its {len(dataset):,} samples is left: select others")
    told = {"ids": _digest(wanted.ids), "without": _digest(wanted.without) if wanted.without else None}
    options = {**told, "split": split, "to_split": to_split}
    made_by = made_of("select", options, [dataset])
    target = Dataset(place(destination), dataset.labels, (), made_by, dataset.images, dataset.reading)

    def receipt(whole: Dataset, left_out: list[Problem]) -> dict[str, Any]:
        moved = sum(move.old.split != move.new.split for move in moves)
        out = receipt_of("kept", len(dataset), left_out, select={**options, "moved": moved})
        counts = {"kept": len(whole), "left_out": len(dataset) - len(moves), "skipped": len(left_out)}
        return {**out, "images": {"in": len(dataset), **counts}}

    beside = [file_of(ids), file_of(without)]
    return carry(target, [Origin(dataset)], moves, receipt, beside=beside, overwrite=overwrite, run=run or Run())


def moves_of(dataset: Dataset, kept: Dataset, wanted: Wanted) -> list[Move]:
    """Those of the samples of a dataset that were `kept` so far which stay, as they shall be. Raises `DatasetError`."""
    left = [sample for sample in kept if sample.id not in wanted.without]
    if wanted.ids is None:
        return [Move(0, sample, sample) for sample in left]
    if wanted.to_split is None:
        return [Move(0, sample, sample) for sample in left if sample.id in wanted.ids]
    new = _renamed(dataset, left, wanted.ids, wanted.to_split)
    return [Move(0, sample, _moved(sample, new, wanted)) for sample in left]


def _renamed(dataset: Dataset, samples: Sequence[Sample], ids: Collection[str], split: str) -> dict[str, str]:
    """The new id of each sample; those that are moved to the split begin with it. Raises `DatasetError` if two are the same."""
    stems = stems_of(dataset)
    new = {s.id: id_in(s, split, stems) if s.id in ids and s.split != split else s.id for s in samples}
    refuse_twice(dataset, new)
    return new


def _moved(sample: Sample, new: dict[str, str], wanted: Wanted) -> Sample:
    """A sample under its new id, and in its new split if it is moved."""
    split = wanted.to_split if wanted.ids and sample.id in wanted.ids else sample.split
    parent = new.get(sample.parent or "", sample.parent)
    return msgspec.structs.replace(sample, id=new[sample.id], split=split, parent=parent)


def _digest(ids: Collection[str] | None) -> dict[str, Any] | None:
    """What is written down of a list of ids, which may be long."""
    if ids is None:
        return None
    return {"number": len(ids), "sha256": hashlib.sha256(json.dumps(sorted(ids)).encode()).hexdigest()}
