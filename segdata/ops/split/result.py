"""What a split aimed at and what it reached, class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from segdata.dataset.counts import ImageCounts
from segdata.dataset.dataset import Dataset
from segdata.dataset.groups import Groups
from segdata.dataset.weights import Ints
from segdata.errors import DatasetError
from segdata.ops.split.balance import forced, reached
from segdata.words import briefly


class Reach(msgspec.Struct, frozen=True):
    """What one class has got: `reached` is the part of its pixels in each split, `deviation` the farthest from its aim.

    `forced`: how far from its aim a split is at least, however groups are assigned (see `balance.forced`).
    """

    id: int
    name: str
    pixels: int
    groups: int
    reached: dict[str, float]
    deviation: float
    forced: float = 0.0


class SplitReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was aimed at and what was reached. Receipt.json has it under `split`.

    `aimed`: the part that each split should have, of the samples and of every class's pixels. `samples` and `groups`: how
    many each split has got. `classes`: what each class that has pixels has got; `missing`: those that do not reach every
    split, with the splits; `absent`: classes without a pixel. `kept`: samples that stayed where they were, and `gone`: the
    ids of those that the dataset no longer has. `across`: how many samples were left out, as they reach into a block of
    another split.
    """

    __repr__ = briefly

    aimed: dict[str, float]
    samples: dict[str, int]
    groups: dict[str, int]
    classes: list[Reach]
    missing: dict[str, list[str]]
    absent: list[str]
    kept: int
    gone: list[str]
    across: int = 0


def read_report(dataset: Dataset) -> SplitReport:
    """What `split` aimed at and reached when it made this dataset. Raises `DatasetError` where it did not make it."""
    try:
        return msgspec.convert(dataset.read_receipt()["split"], SplitReport)
    except (KeyError, msgspec.ValidationError) as error:
        raise DatasetError(f"{dataset.root}: its receipt has no report of a split") from error


def report_of(
    dataset: Dataset,
    table: ImageCounts,
    groups: Groups,
    assigned: Ints,
    aimed: Mapping[str, float],
    kept: int,
    gone: list[str],
    across: int = 0,
) -> SplitReport:
    """What the `assigned` splits (G,) of groups come to."""
    names, ratios = list(aimed), np.array(list(aimed.values()))
    pixels = reached(table, assigned[groups.of], len(names))
    whole = pixels.sum(axis=1)
    parts = pixels / np.maximum(whole, 1)[:, None]
    holders = np.bincount(
        np.unique(groups.of[table.image] * table.classes + table.class_id) % table.classes, minlength=table.classes
    )
    least = forced(table, groups.of, ratios)
    deviations = np.abs(parts - ratios).max(axis=1)
    held = [label for label in dataset.labels.classes if whole[label.id]]
    return SplitReport(
        aimed=dict(aimed),
        samples=_tally(names, assigned[groups.of]),
        groups=_tally(names, assigned[np.unique(groups.of)]),
        classes=[
            Reach(
                label.id,
                label.name,
                int(whole[label.id]),
                int(holders[label.id]),
                dict(zip(names, parts[label.id].round(6).tolist(), strict=True)),
                round(float(deviations[label.id]), 6),
                round(float(least[label.id]), 6),
            )
            for label in held
        ],
        missing={
            label.name: [name for name, n in zip(names, pixels[label.id], strict=True) if n == 0]
            for label in held
            if not pixels[label.id].all()
        },
        absent=[label.name for label in dataset.labels.classes if not whole[label.id]],
        kept=kept,
        gone=gone,
        across=across,
    )


def _tally(names: Sequence[str], splits: Ints) -> dict[str, int]:
    return dict(zip(names, np.bincount(splits, minlength=len(names)).tolist(), strict=True))
