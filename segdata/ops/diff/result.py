"""What `diff` finds, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segdata.dataset.dataset import Dataset
from segdata.labels import IGNORE, Labels
from segdata.metrics.confusion import Confusion, Ints, Tally, plain
from segdata.ops.diff.classes import ClassChanges
from segdata.ops.diff.regions import Region
from segdata.ops.diff.samples import SampleChanges
from segdata.words import briefly

IMAGES = 5
"""How many images of each change are listed."""


@dataclass(frozen=True, slots=True)
class ImageChange:
    """An image: the pixels that were compared, and those that are of another class; `renamed`: of these, only by its name."""

    id: str
    pixels: int
    changed: int
    renamed: int

    @property
    def drawn(self) -> int:
        """The pixels that are another class, not one under another name."""
        return self.changed - self.renamed

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"id": self.id, "pixels": self.pixels, "changed": self.changed, "renamed": self.renamed}


@dataclass(frozen=True, slots=True)
class Change:
    """Pixels that were of one class and are of another one, or ignored, in so many `images`; and `most`, (id, pixels) of some."""

    before: int
    after: int
    pixels: int
    images: int
    most: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """What changed from dataset `before` to `after`, which has the ids of the former; `names` are what both are called.

    `labels`: the classes of both, by name. `pairs` (P, 3) int64: id of the class before, after (or `labels.ignore`), and pixels,
    unchanged ones too. `images`: those with changed pixels, those first where most were drawn anew. `rows` (R, 4) int64: number
    of the image in `ids`, class before, class after, changed pixels. `regions`: the largest of `region_count`. `unopened`: how
    many images have masks of the same bytes. `uncovered`: pixels that only tiles before have, and only those after: they are
    not compared. `left_out`: ids of images that could not be compared.
    """

    __repr__ = briefly

    before: Dataset
    after: Dataset
    names: tuple[str, str]
    labels: Labels
    classes: ClassChanges
    samples: SampleChanges
    pairs: Ints
    images: tuple[ImageChange, ...]
    rows: Ints
    ids: tuple[str, ...]
    regions: tuple[Region, ...]
    region_count: int
    unopened: int
    uncovered: tuple[int, int]
    left_out: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing changed, and everything could be compared."""
        return self.classes.same and self.samples.same and not (self.changed or any(self.uncovered) or self.left_out)

    @property
    def pixels(self) -> int:
        """The pixels that were compared."""
        return int(self.pairs[:, 2].sum())

    @property
    def changed(self) -> int:
        """The pixels that were of one class and are of another one, or were or are ignored."""
        return int(self.pairs[self.pairs[:, 0] != self.pairs[:, 1], 2].sum())

    @property
    def renamed(self) -> int:
        """Those of them whose class has only another name."""
        return sum(one.pixels for one in self.classes.renamed)

    @property
    def confusion(self) -> Confusion:
        """The matrix that `evaluate` gives, if the dataset after is a prediction and the one before its truth."""
        return Confusion.from_pairs(self.pairs, len(self.labels.classes))

    @property
    def matrix(self) -> Ints:
        """(K + 1, K + 1) int64: pixels by class before (row) and after (column), ignored ones last."""
        classes = len(self.labels.classes)
        return Confusion.from_pairs(self._placed, classes + 1).counts[:, :-1]

    @property
    def tally(self) -> Tally:
        """The counts by class, and of ignored pixels last: `hits` did not change, `truth` is before, `pred` after."""
        before, after, pixels = self._placed.T
        sums = np.zeros((3, len(self.labels.classes) + 1), np.int64)
        np.add.at(sums[0], before, np.where(before == after, pixels, 0))
        np.add.at(sums[1], before, pixels)
        np.add.at(sums[2], after, pixels)
        return Tally.of(sums)

    @property
    def _placed(self) -> Ints:
        """`pairs` with ignored pixels as one more class, K."""
        pairs = self.pairs.copy()
        pairs[:, :2] = np.minimum(pairs[:, :2], len(self.labels.classes))
        return pairs

    @property
    def changes(self) -> list[Change]:
        """All changes from a class to another one, those of most pixels first."""
        held = self.rows[np.lexsort((-self.rows[:, 3], self.rows[:, 2], self.rows[:, 1]))]
        starts = np.flatnonzero((np.diff(held[:, 1:3], axis=0) != 0).any(axis=1)) + 1
        found = [self._change(group) for group in np.split(held, starts) if len(group)]
        return sorted(found, key=lambda one: (-one.pixels, one.before, one.after))

    def _change(self, rows: Ints) -> Change:
        """Of the rows of one change, those of most pixels first."""
        _, before, after, _ = rows[0].tolist()
        most = [(self.ids[i], n) for i, _, _, n in rows[:IMAGES].tolist()]
        return Change(before, after, int(rows[:, 3].sum()), len(rows), most)

    def to_json(self) -> dict[str, Any]:
        """Plain values; NaN is None."""
        name = self.labels.name
        return {
            "before": self.names[0],
            "after": self.names[1],
            "same": self.same,
            "classes": self.classes.to_json(),
            "samples": self.samples.to_json(),
            "pixels": {
                "compared": self.pixels,
                "changed": self.changed,
                "renamed": self.renamed,
                "only_before": self.uncovered[0],
                "only_after": self.uncovered[1],
            },
            "by_class": self._by_class(),
            "matrix": {"names": [*self.labels.names, IGNORE], "pixels": self.matrix.tolist()},
            "changes": [
                {
                    "before": name(one.before),
                    "after": name(one.after),
                    "pixels": one.pixels,
                    "images": one.images,
                    "most": [{"id": id, "pixels": n} for id, n in one.most],
                }
                for one in self.changes
            ],
            "images": [one.to_json() for one in self.images],
            "region_count": self.region_count,
            "regions": [
                {
                    "id": one.image,
                    "before": name(one.before),
                    "after": name(one.after),
                    "pixels": one.pixels,
                    "box": list(one.box),
                }
                for one in self.regions
            ],
            "unopened": self.unopened,
            "left_out": list(self.left_out),
            "labels": self.labels.digest,
        }

    def _by_class(self) -> list[dict[str, Any]]:
        tally = self.tally
        columns = (tally.truth.tolist(), tally.pred.tolist(), tally.hits.tolist(), tally.iou)
        names = [*self.labels.names, IGNORE]
        return [
            {"name": name, "before": before, "after": after, "kept": kept, "changed": plain(1 - iou)}
            for name, before, after, kept, iou in zip(names, *columns, strict=True)
        ]


def image_changes(ids: Sequence[str], rows: Ints, renamed: Sequence[tuple[int, int]]) -> tuple[ImageChange, ...]:
    """The images that changed. `rows` (R, 4) as in `Difference`, with those that did not change; `renamed`: see `ImageChange`."""
    moved = rows[:, 1] != rows[:, 2]
    again = np.zeros(len(rows), bool)
    for before, after in renamed:
        again |= (rows[:, 1] == before) & (rows[:, 2] == after)
    columns = []
    for held in (slice(None), moved, again):
        sums = np.zeros(len(ids), np.int64)
        np.add.at(sums, rows[held, 0], rows[held, 3])
        columns.append(sums.tolist())
    found = [ImageChange(*one) for one in zip(ids, *columns, strict=True) if one[2]]
    return tuple(sorted(found, key=lambda one: (-one.drawn, -one.changed, one.id)))
