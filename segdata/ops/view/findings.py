"""What is wrong with samples, as `segdata check` finds it, and what mends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DataError
from segdata.executors.run import Run
from segdata.metrics.confusion import Ints
from segdata.ops.check.findings import LEVELS, Checked, Finding
from segdata.ops.check.operation import check
from segdata.words import some


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """All findings, and (E,) which sample has which: `rows` ascending, `numbers` the place of the finding."""

    findings: Sequence[Finding]
    rows: Ints
    numbers: Ints
    columns: Mapping[str, NDArray[np.float32]]
    message: str

    def having(self, code: str) -> Ints:
        """The samples with a finding of a code, or with `any`."""
        if code == "any":
            return self.rows
        codes = np.array([one.code == code for one in self.findings], np.bool_)
        return self.rows[codes[self.numbers]]

    def of(self, row: int) -> list[dict[str, Any]]:
        """The findings of a sample, as plain values."""
        start, end = np.searchsorted(self.rows, [row, row + 1])
        return [told(self.findings[n]) for n in sorted(self.numbers[start:end].tolist())]

    def codes(self) -> list[dict[str, Any]]:
        """Every code once: its first finding, how many findings and samples there are."""
        first: dict[str, dict[str, Any]] = {}
        for one in self.findings:
            entry = first.setdefault(one.code, {**told(one), "findings": 0})
            entry["findings"] += 1
        return [{**entry, "samples": len(np.unique(self.having(code)))} for code, entry in first.items()]


def find(sides: Sequence[Dataset], run: Run) -> Findings:
    """Check the dataset. Raises as `check`."""
    (truth,) = sides
    return kept(check(openable(truth), run=run), [sample.id for sample in truth])


def openable(truth: Dataset) -> Dataset:
    """Without images that may not be opened (see `segdata.ops.view.roots`)."""
    return replace(truth, samples=[s if is_open(truth, s) else msgspec.structs.replace(s, image=None) for s in truth])


def is_open(truth: Dataset, sample: Sample) -> bool:
    """Whether a sample's image, if it has one, may be opened."""
    if sample.image is None or truth.images == "none":
        return True
    try:
        truth.image_path(sample)
    except DataError as error:
        return error.problem.code != "image.outside"
    return True


def kept(found: Checked, ids: Sequence[str]) -> Findings:
    """By sample."""
    places = {id: i for i, id in enumerate(ids)}
    pairs = [(places[id], n) for n, one in enumerate(found.findings) for id in set(one.samples) if id in places]
    rows, numbers = np.array(sorted(pairs), np.int64).reshape(-1, 2).T
    levels = [f"{n:,} {level}{'s' * (n > 1)}" for level in LEVELS if (n := found.count(level))]
    return Findings(found.findings, rows, numbers, {}, some(levels) or "nothing is wrong")


def told(one: Finding) -> dict[str, Any]:
    """A finding as plain values, without its samples."""
    return {"level": one.level, "code": one.code, "message": one.message, "repair": one.repair}
