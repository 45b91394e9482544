"""Which value of a mask in Parquet is which class: by a file, or by the features that the table has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from segdata.errors import DataError
from segdata.files.cells import Table, read_value
from segdata.files.members import Cell, member_of
from segdata.labels import is_background, tally
from segdata.readers.classes.entries import Entry, check_entries, in_order
from segdata.readers.classes.files import given_classes
from segdata.readers.hf.arrays import ArrayCell
from segdata.readers.hf.columns import Named, named_classes
from segdata.readers.label_files import Hints, read_values
from segdata.readers.source import Input, Receipt

OWN_CLASSES = "id2label.json"
"""The class file that lies beside many sets, in the form that models have it."""

UNDECLARED = "which value is which class is not declared: --classes FILE, one name a line in order of value"

VOID = 255
"""The value that most masks have for what is ignored; classes are seldom so many."""

LOOKED_AT = 16
"""So many masks are compared with the class numbers that stand in another column."""


class Given(NamedTuple):
    """The classes, the file that they are from, and what is told of them in the dataset."""

    entries: list[Entry]
    inputs: tuple[Input, ...] = ()
    told: str | list[str] = "none"


def find_classes(
    base: Path,
    table: Table,
    column: str,
    masks: Sequence[str | ArrayCell],
    classes: str | Path | Sequence[str] | None,
    receipt: Receipt,
) -> Given:
    """The classes that are given, those of id2label.json, or those of features. Raises `DataError` (`classes.*`)."""
    folder = base if base.is_dir() else base.parent
    own = next((path for path in (folder / OWN_CLASSES, folder.parent / OWN_CLASSES) if path.is_file()), None)
    if classes is None and own is not None:
        receipt.notes.append(f"classes are those of {OWN_CLASSES} in {own.parent}")
    if (chosen := own if classes is None else classes) is not None:
        entries, inputs = given_classes(chosen, folder, receipt)
        return Given(entries, inputs, inputs[0].name if inputs else [entry.name for entry in entries])
    for named in named_classes(table):
        if _is_of_masks(named, column, masks):
            receipt.notes.append(f"classes are those that the features have for {named}")
            return Given(
                check_entries(in_order((n, f"name {i}") for i, n in enumerate(named.names, 1))), (), str(named)
            )
    return Given([])


def _is_of_masks(named: Named, column: str, masks: Sequence[str | ArrayCell]) -> bool:
    """Whether a feature names the numbers in masks: it is theirs, or lists those that occur in each.

    A number alone is the class of the whole image, and means nothing here.
    """
    if named.column == column:
        return named.lists == 2 and not named.keys
    if named.lists == 0:
        return False
    shared = 0
    for listed, values in _looked_at(named, masks):
        free = {0} if is_background(named.names[0]) else set()
        if not values <= listed | free or not listed:
            return False
        shared += len(listed & values)
    return shared > 0


def _looked_at(named: Named, masks: Sequence[str | ArrayCell]) -> Iterator[tuple[set[int], set[int]]]:
    """Of some rows the numbers that the column lists, and the values of the mask but for 255."""
    count = min(LOOKED_AT, len(masks))
    for mask in (masks[i * len(masks) // count] for i in range(count)):
        cell = mask if isinstance(mask, ArrayCell) else member_of(mask)
        if isinstance(cell, Cell | ArrayCell):
            try:
                values = cell.read() if isinstance(cell, ArrayCell) else read_values(str(mask), Hints({}))[0]
            except DataError:
                continue  # which converting it says better
            held = cell.path if isinstance(cell, ArrayCell) else cell.file
            yield set(named.values(read_value(held, named.column, cell.row))), set(tally(values)) - {VOID}
