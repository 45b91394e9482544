"""Datasets merged into one, classes matched by name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from segdata.dataset.carry import Move, Origin, carry
from segdata.dataset.dataset import Dataset
from segdata.dataset.job import made_of, pixels_of, receipt_of
from segdata.dataset.sample import Sample
from segdata.dataset.several import folder_names, images_of, in_one_of, one_reading
from segdata.errors import OptionError, Problem
from segdata.executors.run import Run
from segdata.files.places import place
from segdata.labels import into_union, union_of
from segdata.words import some


def join(
    datasets: Sequence[Dataset | str | Path],
    destination: str | Path,
    *,
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Merge datasets into a new one: the union of their classes, by name, in order of first appearance.

    Masks whose values stay are copied, the others remapped; scores go along only with values that stay. Ids that
    several datasets have get the folder's name before them, behind the split, and so do parents. Images stay as they are
    if all datasets have them alike (`reference`, `link`, `copy`), otherwise they are referred to where they are. The receipt
    tells which classes come from where, and what was renamed.

    Raises `OptionError` for fewer than two datasets or one given twice, and as `carry` does.

    Args:
        datasets: Two datasets or more, or their folders.
        destination: The folder of the new dataset.
        overwrite: Replace a dataset at `destination`.
    """
    opened = [Dataset.of(d) for d in datasets]
    if len(opened) < 2:
        raise OptionError("join takes two datasets or more")
    if repeated := [str(d.root) for i, d in enumerate(opened) if in_one_of(d, opened[:i])]:
        raise OptionError(f"{repeated[0]}: given twice")
    labels = union_of([d.labels for d in opened])
    origins = [Origin.remapped(d, into_union(d.labels, labels)) for d in opened]
    names = folder_names(opened)
    moves = _moves(opened, names)
    target = Dataset(
        place(destination), labels, (), made_of("join", {}, opened), images_of(opened), one_reading(opened)
    )

    def receipt(whole: Dataset, left_out: list[Problem]) -> dict[str, Any]:
        return _receipt(opened, names, moves, whole, left_out)

    return carry(target, origins, moves, receipt, overwrite=overwrite, run=run or Run())


def _moves(datasets: Sequence[Dataset], names: Sequence[str]) -> list[Move]:
    """All samples, those renamed whose ids several datasets have. Raises `OptionError` where that is of no help."""
    ids = _shared({s.id for s in d} for d in datasets)
    parents = _shared({s.parent for s in d if s.parent} for d in datasets)
    moves = []
    for number, (dataset, name) in enumerate(zip(datasets, names, strict=True)):
        for s in dataset:
            id = _prefixed(s.id, s, name) if s.id in ids else s.id
            parent = _prefixed(s.parent, s, name) if s.parent in parents else s.parent
            moves.append(Move(number, s, msgspec.structs.replace(s, id=id, parent=parent)))
    if twice := [id for id, n in Counter(move.new.id for move in moves).items() if n > 1]:
        raise OptionError(f"two samples would be called {some(twice, 3)}: rename the folder of one of the datasets")
    return moves


def _shared(sets: Iterable[set[str]]) -> set[str]:
    """What is in more than one of some sets."""
    return {value for value, n in Counter(value for one in sets for value in one).items() if n > 1}


def _prefixed(id: str | None, sample: Sample, name: str) -> str:
    split = f"{sample.split}/" if sample.split and str(id).startswith(f"{sample.split}/") else ""
    return f"{split}{name}/{str(id).removeprefix(split)}"


def _receipt(
    datasets: Sequence[Dataset],
    names: Sequence[str],
    moves: Sequence[Move],
    whole: Dataset,
    left_out: Sequence[Problem],
) -> dict[str, Any]:
    """What came from where: samples, classes with the datasets that have them, and what was renamed."""
    having = {
        c.name: [n for n, d in zip(names, datasets, strict=True) if c.name in d.labels.names]
        for c in whole.labels.classes
    }
    return receipt_of(
        "joined",
        len(moves),
        left_out,
        datasets=[{"name": n, "samples": len(d)} for n, d in zip(names, datasets, strict=True)],
        classes=[{"class_id": c.id, "class": c.name, "of": having[c.name]} for c in whole.labels.classes],
        pixels=pixels_of(whole),
        notes=_notes(having, names, datasets) + _same_images(moves, whole),
        renamed=[{"sample": m.new.id, "was": m.old.id, "of": names[m.origin]} for m in moves if m.new.id != m.old.id],
    )


def _notes(having: Mapping[str, Sequence[str]], names: Sequence[str], datasets: Sequence[Dataset]) -> list[str]:
    """What a person should look at: names that differ little, groups of one name, and classes that some datasets do not know."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in having:
        alike["".join(c for c in name.casefold() if c.isalnum())].append(name)
    notes = [
        f"{' and '.join(map(repr, same))} stay apart: segdata remap makes them one"
        for same in alike.values()
        if len(same) > 1
    ]
    if shared := _shared({s.group for s in d if s.group is not None} for d in datasets):
        notes.append(
            f"{len(shared):,} groups are in several of the datasets, and stay one each: {some(sorted(shared), 3)}"
        )
    if partial := [name for name, of in having.items() if len(of) < len(names)]:
        notes.append(
            f"not every dataset has the classes {some(partial)}: where they are not labelled, such pixels are of another class"
        )
    return notes


def _same_images(moves: Sequence[Move], whole: Dataset) -> list[str]:
    """A note where datasets refer to the same image files."""
    origin = {move.new.id: move.origin for move in moves}
    users: dict[str, set[int]] = defaultdict(set)
    for sample in whole:
        if sample.image is not None:
            users[sample.image].add(origin[sample.id])
    twice = sorted(image for image, of in users.items() if len(of) > 1)
    return [f"{len(twice):,} images are in several of the datasets: {some(twice, 3)}"] if twice else []
