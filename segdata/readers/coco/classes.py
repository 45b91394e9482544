"""COCO's categories as classes: which of them are one class, and which is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from segdata.errors import DataError, Problem
from segdata.labels import Labels, class_name
from segdata.readers.classes.named import Background, NamedClass, name_classes
from segdata.readers.coco.records import Id, one_id
from segdata.readers.coco.tables import Category, LabelTable
from segdata.readers.source import Receipt, SourceClass


class Used(msgspec.Struct, gc=False):
    """What a record of `annotations` is of."""

    category_id: Id


def class_table(
    files: Sequence[tuple[LabelTable, list[Category]]], background: Background, receipt: Receipt
) -> tuple[Labels, tuple[SourceClass, ...]]:
    """The classes: background if it is one, then categories in order of id; categories of one name are one class.

    See `name_classes`. Raises `DataError` (`coco.category`) for an id of two names.
    """
    categories = _by_id(files)
    _drop_root(categories, [table for table, _ in files], receipt)
    named = [NamedClass(category.id, category.name, category.color) for category in categories.values()]
    return name_classes(named, background, receipt, "category")


def _by_id(files: Sequence[tuple[LabelTable, list[Category]]]) -> dict[Id, Category]:
    """The categories of all files in order of id: numbers, then texts."""
    categories: dict[Id, Category] = {}
    for table, part in files:
        here: dict[Id, Category] = {}
        for category in part:
            if class_name(here.setdefault(category.id, category).name) != class_name(category.name):
                names = f"{here[category.id].name!r} and {category.name!r}"
                message = f"the category id {category.id} occurs twice, for {names}: give each an id of its own"
                raise DataError(Problem("coco.category", message, file=str(table.path)))
            other = categories.setdefault(category.id, category)
            if class_name(other.name) != class_name(category.name):
                message = f"category {category.id} is {category.name!r} here and {other.name!r} elsewhere"
                raise DataError(Problem("coco.category", message, file=str(table.path)))
    return {id: categories[id] for id in sorted(categories, key=lambda id: (isinstance(id, str), id))}


def _drop_root(categories: dict[Id, Category], tables: Sequence[LabelTable], receipt: Receipt) -> None:
    """Take away the category that only heads the others, as Roboflow writes it: their supercategory, without an annotation."""
    headed = Counter(category.supercategory for category in categories.values())
    others = len(categories) - 1
    for id, category in categories.items():
        heads = others and headed[category.name] - (category.supercategory == category.name) == others
        alone = category.supercategory in (None, "", "none", category.name)
        if heads and alone and not any(table.panoptic or _uses(table, id) for table in tables):
            what = "only heads the others as their supercategory, and has no annotation: no class"
            receipt.notes.append(f"category {id} {category.name!r} {what}")
            del categories[id]
            return


def _uses(table: LabelTable, id: Id) -> bool:
    """Whether an annotation is of a category."""
    return any(one_id(record.category_id) == id for record in table.records("annotations", Used)[0])
