"""Classes of a dataset renamed, merged, kept or ignored, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segdata.dataset.carry import Move, Origin, carry
from segdata.dataset.dataset import Dataset
from segdata.dataset.job import made_of, pixels_of, receipt_of
from segdata.errors import OptionError, Problem
from segdata.executors.run import Run
from segdata.files.places import place
from segdata.labels import Remap, Unlisted, choose_classes


def remap(
    dataset: Dataset | str | Path,
    destination: str | Path,
    *,
    map: Mapping[str, str] | None = None,
    only: Sequence[str] = (),
    drop: Sequence[str] = (),
    unlisted: Unlisted | None = None,
    overwrite: bool = False,
    run: Run | None = None,
) -> Dataset:
    """Change the classes of a dataset by name, in a new one. The options mean what they mean to `segdata.convert`.

    Classes are numbered in the old order. Masks whose values stay, as when a class is only renamed, are copied. Scores go
    along only then.

    Raises `OptionError` for names that the dataset has not and if nothing is asked, and as `carry` does.

    Args:
        dataset: The dataset, or its folder.
        destination: The folder of the new dataset.
        map: Rename a class, or merge it into another of that name; ignore makes its pixels ignored.
        only: Keep these classes.
        drop: Make the pixels of these classes ignored.
        unlisted: What becomes of classes that `map` (default: keep) or `only` (default: ignore) does not name.
        overwrite: Replace a dataset at `destination`.
    """
    dataset = Dataset.of(dataset)
    if not (map or only or drop):
        raise OptionError("nothing to change: give --map, --map-file, --only or --drop")
    table = choose_classes(dataset.labels, map or {}, only, drop, unlisted)
    options = {"map": dict(map or {}), "only": sorted(only), "drop": sorted(drop), "unlisted": unlisted}
    target = Dataset(
        place(destination), table.labels, (), made_of("remap", options, [dataset]), dataset.images, dataset.reading
    )

    def receipt(whole: Dataset, left_out: list[Problem]) -> dict[str, Any]:
        return _receipt(dataset, table, whole, left_out)

    moves = [Move(0, sample, sample) for sample in dataset]
    origin = Origin.remapped(dataset, None if _stays(table) else table)
    return carry(target, [origin], moves, receipt, overwrite=overwrite, run=run or Run())


def _stays(table: Remap) -> bool:
    """Whether every mask value, ignore too, remains what it is."""
    return all(table.value(value) == value for value in table.mapping)


def _receipt(dataset: Dataset, table: Remap, whole: Dataset, left_out: Sequence[Problem]) -> dict[str, Any]:
    """Which class became which, and the pixels of each now."""
    labels = table.labels
    classes = []
    for old in dataset.labels.classes:
        new = table.value(old.id)
        class_id = None if new == labels.ignore else new
        classes.append({"source_id": old.id, "source_name": old.name, "class_id": class_id, "class": labels.name(new)})
    unmapped = [c["source_name"] for c in classes if c["class_id"] is None]
    return receipt_of("remapped", len(dataset), left_out, classes=classes, unmapped=unmapped, pixels=pixels_of(whole))
