"""What became of the classes: by name, and by the pixels that they have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from segdata.labels import RGB, Labels
from segdata.metrics.confusion import Ints
from segdata.words import briefly

MOST = 0.5
"""Two classes are one under another name if more of the pixels of either are of both: then no other class can be."""


@dataclass(frozen=True, slots=True)
class Renamed:
    """A class that has another name: the `pixels` that were `before` and are `after`, a `share` of the pixels of either."""

    before: str
    after: str
    pixels: int
    share: float


@dataclass(frozen=True, slots=True)
class ClassChanges:
    """Names of classes that are new, and of those that are gone, but for the `renamed` ones; and what changed of the others.

    `ids` and `colors`: by name, what it was and what it is. `ignore`: the two values of ignored pixels, if they differ.
    """

    __repr__ = briefly

    added: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[Renamed, ...]
    ids: Mapping[str, tuple[int, int]]
    colors: Mapping[str, tuple[RGB, RGB]]
    ignore: tuple[int, int] | None

    @classmethod
    def of(cls, before: Labels, after: Labels, renamed: tuple[Renamed, ...]) -> ClassChanges:
        """Of two label contracts, and the classes that have another name."""
        old, new = ({label.name: label for label in labels.classes} for labels in (before, after))
        both = [(name, old[name], new[name]) for name in old if name in new]
        gone, come = {one.before for one in renamed}, {one.after for one in renamed}
        return cls(
            tuple(name for name in new if name not in old and name not in come),
            tuple(name for name in old if name not in new and name not in gone),
            renamed,
            {name: (a.id, b.id) for name, a, b in both if a.id != b.id},
            {name: (a.color, b.color) for name, a, b in both if a.color != b.color},
            None if before.ignore == after.ignore else (before.ignore, after.ignore),
        )

    @property
    def same(self) -> bool:
        """Whether nothing changed."""
        return not (self.added or self.removed or self.renamed or self.ids or self.colors or self.ignore)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "added": list(self.added),
            "removed": list(self.removed),
            "renamed": [
                {"before": one.before, "after": one.after, "pixels": one.pixels, "share": one.share}
                for one in self.renamed
            ],
            "ids": [{"name": name, "before": a, "after": b} for name, (a, b) in self.ids.items()],
            "colors": [{"name": name, "before": list(a), "after": list(b)} for name, (a, b) in self.colors.items()],
            "ignore": None if self.ignore is None else {"before": self.ignore[0], "after": self.ignore[1]},
        }


def find_renamed(before: Labels, after: Labels, union: Labels, pairs: Ints) -> tuple[Renamed, ...]:
    """The classes of the same pixels under another name. `pairs` (P, 3): id in the union before, after, and pixels."""
    gone, come = (
        {union.id(name) for name in one.names if name not in other.names}
        for one, other in ((before, after), (after, before))
    )
    found = []
    for a, b, n in pairs.tolist():
        if a in gone and b in come:
            either = (pairs[:, 0] == a) | (pairs[:, 1] == b)
            share = n / int(pairs[either, 2].sum())
            found += [Renamed(union.names[a], union.names[b], n, share)] if share > MOST else []
    return tuple(found)
