"""What is known of every sample, as columns: a million samples are filtered and sorted in a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import split_name


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    """N samples. `splits`, `groups`: (N,) number of the name in `split_names`, `group_names` (the group -1: none).

    `starts` (N + 1), `values`, `pixels`: sample i has `pixels[j]` pixels of value `values[j]`, j from `starts[i]` on.
    `preds`: of each prediction dataset, (N,) the number of its sample, -1: none. `more`: further columns, (N,) float32 each by
    name, NaN where unknown: what analyses find.
    """

    ids: Sequence[str]
    splits: NDArray[np.int16]
    split_names: Sequence[str]
    groups: NDArray[np.int32]
    group_names: Sequence[str]
    heights: NDArray[np.int32]
    widths: NDArray[np.int32]
    starts: NDArray[np.int64]
    values: NDArray[np.uint16]
    pixels: NDArray[np.int64]
    ignore: int
    preds: Sequence[NDArray[np.int64]] = ()
    more: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    @classmethod
    def of(cls, truth: Dataset, preds: Sequence[Dataset] = ()) -> Index:
        """Of all samples, read once; of a manifest in parts, one part at a time."""
        ids: list[str] = []
        splits: dict[str, int] = {}
        groups: dict[str, int] = {}
        split, group, heights, widths, lengths, values, pixels = ([] for _ in range(7))  # type: ignore[var-annotated]
        for sample in truth:
            ids.append(sample.id)
            split.append(splits.setdefault(split_name(sample.split), len(splits)))
            group.append(-1 if sample.group is None else groups.setdefault(sample.group, len(groups)))
            heights.append(sample.height)
            widths.append(sample.width)
            lengths.append(len(sample.counts))
            values.extend(sample.counts)
            pixels.extend(sample.counts.values())
        starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        return cls(
            ids, np.array(split, np.int16), list(splits), np.array(group, np.int32), list(groups),
            np.array(heights, np.int32), np.array(widths, np.int32), starts, np.array(values, np.uint16),
            np.array(pixels, np.int64), truth.labels.ignore, [_places(ids, pred) for pred in preds],
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def areas(self) -> NDArray[np.int64]:
        """(N,) pixels."""
        return self.heights.astype(np.int64) * self.widths

    def of_value(self, value: int) -> NDArray[np.int64]:
        """(N,) how many pixels have a mask value."""
        out = np.zeros(len(self), np.int64)
        at = np.flatnonzero(self.values == value)
        out[np.searchsorted(self.starts, at, side="right") - 1] = self.pixels[at]
        return out

    def share(self, value: int) -> NDArray[np.float32]:
        """(N,) which part of the pixels has a mask value."""
        return (self.of_value(value) / np.maximum(self.areas, 1)).astype(np.float32)

    def counts(self, row: int) -> Mapping[int, int]:
        """How many pixels of a sample have each value that occurs."""
        part = slice(self.starts[row], self.starts[row + 1])
        return {int(v): int(n) for v, n in zip(self.values[part], self.pixels[part], strict=True) if n}


def _places(ids: Sequence[str], pred: Dataset) -> NDArray[Any]:
    """(N,) where the samples of these ids are in a dataset of predictions, -1: nowhere."""
    known = {sample.id: i for i, sample in enumerate(pred)}
    return np.array([known.get(id, -1) for id in ids], np.int64)
