"""The images of an evaluation one by one: each class in each, slices of them, and where the pixels of a confusion are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.dataset.match import match_ids
from segdata.dataset.sample import split_name
from segdata.errors import DatasetError, OptionError
from segdata.files.csv_text import read_table
from segdata.labels import IGNORE, Labels
from segdata.metrics.confusion import Confusion, Ints, Tally, plain
from segdata.metrics.intervals import Columns
from segdata.tiling.tiles import Pair
from segdata.words import briefly, some

NONE = "(none)"
"""The slice of images that have no group, or no value in the CSV."""

CELLS, IMAGES = 20, 5
"""How many confusions are listed, and how many images of each."""


@dataclass(frozen=True, slots=True, eq=False)
class ByImage:
    """Of each image its id, split and group; and (R, 4) int64 `rows`: number of the image, true class, predicted class, pixels.

    A predicted class of K is ignore. Pixels that truth ignores are in no row.
    """

    __repr__ = briefly

    ids: tuple[str, ...]
    splits: tuple[str, ...]
    groups: tuple[str, ...]
    rows: Ints
    classes: int

    @classmethod
    def of(cls, pairs: Sequence[Pair], counts: Sequence[Ints], classes: int) -> ByImage:
        """Of images and what `pair_counts` gives of each."""
        numbered = [np.column_stack([np.full(len(rows), i), rows]) for i, rows in enumerate(counts)]
        rows = np.concatenate([np.empty((0, 4), np.int64), *numbered])
        rows = rows[rows[:, 1] < classes]
        rows[:, 2] = np.minimum(rows[:, 2], classes)
        first = [pair.truth[0] for pair in pairs]
        splits, groups = (split_name(s.split) for s in first), (s.group or NONE for s in first)
        return cls(tuple(pair.id for pair in pairs), tuple(splits), tuple(groups), rows, classes)

    @property
    def columns(self) -> Columns:
        """The tally of each class in each image."""
        starts = np.searchsorted(self.rows[:, 0], np.arange(len(self.ids) + 1))
        each = [self.rows[a:b, 1:] for a, b in pairwise(starts)]
        return Columns.of(each, self.classes)

    def table(self, labels: Labels) -> list[list[object]]:
        """A line per image and class that is in its truth or prediction, heading first; what is not known is empty."""
        columns = self.columns
        tally = columns.tally
        rows: list[list[object]] = [["image", "split", "group", "id", "name", *SCORES, "pixels", "predicted", "hits"]]
        scores = [getattr(tally, name) for name in SCORES]
        for n, (image, class_id) in enumerate(zip(columns.unit.tolist(), columns.class_id.tolist(), strict=True)):
            values = [plain(score[n]) for score in scores]
            counts = [int(part[n]) for part in (tally.truth, tally.pred, tally.hits)]
            group = "" if self.groups[image] == NONE else self.groups[image]
            row = [self.ids[image], self.splits[image], group, class_id, labels.names[class_id], *values, *counts]
            rows.append(["" if cell is None else cell for cell in row])
        return rows

    def cells(self, labels: Labels, most: int = CELLS) -> list[Cell]:
        """The confusions of most pixels, each with the images that have most of them."""
        names = [*labels.names, IGNORE]
        wrong = self.rows[self.rows[:, 1] != self.rows[:, 2]]
        kinds, kind = np.unique(wrong[:, 1:3], axis=0, return_inverse=True)
        sums = np.zeros(len(kinds), np.int64)
        np.add.at(sums, kind, wrong[:, 3])
        cells = []
        for i in np.argsort(-sums, kind="stable")[:most].tolist():
            held = wrong[kind == i]
            held = held[np.argsort(-held[:, 3], kind="stable")][:IMAGES]
            true, given = kinds[i].tolist()
            images = [(self.ids[image], int(n)) for image, _, _, n in held.tolist()]
            cells.append(Cell(true, given, names[true], names[given], int(sums[i]), images))
        return cells

    def slices(self, by: str) -> Slices:
        """The images divided by `split`, `group`, or a column of a CSV file (`FILE:COLUMN`, ids in its first column).

        Raises `OptionError` for anything else, `DatasetError` for a CSV file that is none of these images.
        """
        known = {"split": self.splits, "group": self.groups}
        names = known[by] if by in known else _column(by, self.ids)
        kinds = {name: i for i, name in enumerate(sorted(set(names)))}
        of = np.array([kinds[name] for name in names], np.int64)
        parts = []
        for name, i in kinds.items():
            held = self.rows[of[self.rows[:, 0]] == i, 1:]
            parts.append(Slice(name, int((of == i).sum()), Confusion.from_pairs(held, self.classes)))
        return Slices(by, tuple(parts))


SCORES = ("iou", "dice", "precision", "recall")


@dataclass(frozen=True, slots=True)
class Cell:
    """Pixels of one class that are predicted as another, K for ignore; and the `images` with most of them, (id, pixels)."""

    __repr__ = briefly

    true: int
    given: int
    truth: str
    pred: str
    pixels: int
    images: Sequence[tuple[str, int]]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        images = [{"id": id, "pixels": n} for id, n in self.images]
        return {"truth": self.truth, "pred": self.pred, "pixels": self.pixels, "images": images}


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """The images of one value: how many, and their confusion."""

    name: str
    images: int
    confusion: Confusion

    @property
    def tally(self) -> Tally:
        """The counts by class."""
        return self.confusion.tally


@dataclass(frozen=True, slots=True, eq=False)
class Slices:
    """All images divided `by` something; the confusions of the parts add up to that of all."""

    __repr__ = briefly

    by: str
    parts: tuple[Slice, ...]

    def to_json(self, labels: Labels, means: Sequence[str]) -> dict[str, Any]:
        """Plain values; NaN is None."""
        parts = [
            {
                "name": part.name,
                "images": part.images,
                "pixels": part.confusion.total,
                **{name: plain(getattr(part.tally, name)) for name in means},
                "classes": [
                    {"id": i, "name": name, "iou": plain(part.tally.iou[i]), "pixels": int(part.tally.truth[i])}
                    for i, name in enumerate(labels.names)
                ],
            }
            for part in self.parts
        ]
        return {"by": self.by, "parts": parts}


def check_slice(by: str | None, truth: Dataset) -> None:
    """Raise what `ByImage.slices` would, as far as it can be known before the work, and for groups that there are not."""
    if by == "group" and not any(sample.group for sample in truth):
        raise OptionError(
            f"--slice group: no sample of {truth.root} has a group: segdata split --group-by ... --keep-groups writes them"
        )
    if by is not None and by not in ("split", "group"):
        _values(by)


def _column(by: str, ids: Sequence[str]) -> list[str]:
    """The value of each id in `FILE:COLUMN`. Raises `OptionError`; `DatasetError` if it has none of these ids."""
    values = _values(by)
    found: Mapping[str, str] = match_ids(values, ids)
    if not found:
        raise DatasetError(
            f"--slice {by}: has no image of these: its ids are {some(values, 3)}, those of truth {some(ids, 3)}"
        )
    known = {id: values[key] for key, id in found.items()}
    return [known.get(id) or NONE for id in ids]


def _values(by: str) -> dict[str, str]:
    """The values of `FILE:COLUMN`, by the text in the file's first column. Raises `OptionError`."""
    file, _, column = by.rpartition(":")
    if not file or not column:
        raise OptionError(
            f"--slice {by}: must be split, group, or a CSV file and its column, such as weather.csv:weather"
        )
    heading, lines = read_table(file, "--slice")
    if column not in heading[1:]:
        there = some(heading[1:]) or "none"
        raise OptionError(f"--slice {file}: has no column {column!r} after the ids: it has {there}")
    values: dict[str, str] = {}
    for number, row in lines:
        if row[0] in values:
            raise OptionError(
                f"--slice {file}: line {number} has {row[0]!r} a second time: keep one line for each image"
            )
        values[row[0]] = row[heading.index(column, 1)]
    return values
