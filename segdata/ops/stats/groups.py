"""How many groups of samples hold each class, counted as samples come."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from segdata.dataset.counts import ImageCounts
from segdata.dataset.sample import Sample, split_name
from segdata.dataset.weights import Ints
from segdata.ops.stats.result import Grouped

Of = str | None
"""The name of a split; None is all."""


class Grouping:
    """The groups of K classes, of each split and of all. A sample without a group is one of its own."""

    def __init__(self, classes: int) -> None:
        self._groups: dict[Of, set[str]] = defaultdict(set)
        self._held: dict[Of, set[tuple[str, int]]] = defaultdict(set)
        self._alone: Counter[Of] = Counter()
        self._held_alone: dict[Of, Ints] = defaultdict(lambda: np.zeros(classes, np.int64))
        self._classes = classes

    def add(self, samples: Sequence[Sample], table: ImageCounts) -> None:
        """Count some samples, with the table of what they hold."""
        splits = [split_name(sample.split) for sample in samples]
        alone = np.array([sample.group is None for sample in samples], np.bool_)
        names = np.array(splits)
        for split in (None, *np.unique(names[alone]).tolist()):
            of = alone if split is None else alone & (names == split)
            self._alone[split] += int(of.sum())
            self._held_alone[split] += np.bincount(table.where(of).class_id, minlength=self._classes)
        if alone.all():
            return
        for sample, split in zip(samples, splits, strict=True):
            if sample.group is not None:
                self._groups[None].add(sample.group)
                self._groups[split].add(sample.group)
        for place, class_id in zip(table.image.tolist(), table.class_id.tolist(), strict=True):
            if (group := samples[place].group) is not None:
                self._held[None].add((group, class_id))
                self._held[splits[place]].add((group, class_id))

    @property
    def found(self) -> dict[Of, Grouped]:
        """The groups by split, and under None of all; nothing if no sample has a group."""
        if not self._groups:
            return {}
        return {split: self._of(split) for split in {*self._groups, *self._alone}}

    def _of(self, split: Of) -> Grouped:
        class_ids = np.array([class_id for _, class_id in self._held[split]], np.int64)
        held = np.bincount(class_ids, minlength=self._classes)
        return Grouped(len(self._groups[split]) + self._alone[split], held + self._held_alone[split])
