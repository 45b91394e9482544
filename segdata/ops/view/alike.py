"""Images that are the same, or nearly, in groups: those that `segdata.dataset.duplicates` finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.duplicates import Look
from segdata.dataset.groups import alike_pairs, look_item
from segdata.dataset.union_find import Forest
from segdata.errors import Problem
from segdata.executors.run import Run
from segdata.ops.check.operation import files_of


@dataclass(frozen=True, slots=True, eq=False)
class Duplicates:
    """`group` (N,) int32: the number of each sample's group of like images, from 1; 0: it is like no other."""

    group: NDArray[np.int32]
    left_out: int

    @property
    def columns(self) -> Mapping[str, NDArray[np.float32]]:
        """None: a group's number tells nothing by itself."""
        return {}

    @property
    def message(self) -> str:
        """How many there are."""
        groups, samples = int(self.group.max(initial=0)), int(np.count_nonzero(self.group))
        gone = f"; {self.left_out:,} images cannot be read" if self.left_out else ""
        return f"{samples:,} samples in {groups:,} groups{gone}" if groups else f"no two images are alike{gone}"


def find(sides: Sequence[Dataset], run: Run) -> Duplicates:
    """Look at every image. Raises as `Run.map`."""
    (truth,) = sides
    places = {sample.id: i for i, sample in enumerate(truth)}
    files = files_of([sample for sample in truth if sample.image is not None])
    looks: dict[int, Look] = {}
    gone = 0
    for samples, result in run.map(partial(look_item, dataset=replace(truth, samples=())), files):
        if isinstance(result, Problem):
            run.report.add(result)
            gone += len(samples)
        else:
            looks |= dict(zip((places[sample.id] for sample in samples), result, strict=True))
    return Duplicates(grouped(alike_pairs(looks), len(places)), gone)


def grouped(pairs: Sequence[tuple[int, int]], count: int) -> NDArray[np.int32]:
    """(N,) int32: groups of what pairs connect, numbered from 1 in order of their first member; 0: in no pair."""
    forest = Forest()
    for one, other in pairs:
        forest.join(one, other)
    out = np.zeros(count, np.int32)
    numbers: dict[int, int] = {}
    for i in sorted({i for pair in pairs for i in pair}):
        out[i] = numbers.setdefault(forest.root(i), len(numbers) + 1)
    return out
