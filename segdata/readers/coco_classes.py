"""COCO's categories as classes: which of them are one class, and which is none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from unicodedata import normalize

import msgspec

from segdata.errors import DataError, Problem
from segdata.labels import BACKGROUND, RGB, Labels, is_background
from segdata.readers.coco_records import Id, one_id
from segdata.readers.coco_tables import Background, Category, LabelTable
from segdata.readers.source import Receipt, SourceClass
from segdata.words import some


class Used(msgspec.Struct, gc=False):
    """What a record of `annotations` is of."""

    category_id: Id


def class_table(
    files: Sequence[tuple[LabelTable, list[Category]]], background: Background, receipt: Receipt
) -> tuple[Labels, tuple[SourceClass, ...]]:
    """The classes: background if it is one, then categories in order of id; categories of one name are one class.

    Names are one apart from spaces around them and from how accents are composed, and so are the spellings of background.
    What is merged, and what differs in case alone, is a note. Raises `DataError` (`coco.category`) for an id of two names.
    """
    categories = _by_id(files)
    _drop_root(categories, [table for table, _ in files], receipt)
    colors: dict[str, RGB | None] = {BACKGROUND: (0, 0, 0)} if background == "class" else {}
    given: dict[str, list[Category]] = defaultdict(list)
    for category in categories.values():
        name = class_name(category)
        colors.setdefault(name, category.color)
        given[name].append(category)
    receipt.notes += _merged(given, background)
    labels = Labels.of(list(colors), list(colors.values()))
    ids = {name: i for i, name in enumerate(labels.names)}
    return labels, tuple(SourceClass(c.id, c.name, ids[class_name(c)]) for c in categories.values())


def class_name(category: Category) -> str:
    """The name of a category's class."""
    name = normalize("NFC", " ".join(category.name.split()))
    return BACKGROUND if is_background(name) else name


def _by_id(files: Sequence[tuple[LabelTable, list[Category]]]) -> dict[Id, Category]:
    """The categories of all files in order of id: numbers, then texts."""
    categories: dict[Id, Category] = {}
    for table, part in files:
        here: dict[Id, Category] = {}
        for category in part:
            if class_name(here.setdefault(category.id, category)) != class_name(category):
                names = f"{here[category.id].name!r} and {category.name!r}"
                message = f"the category id {category.id} occurs twice, for {names}: give each an id of its own"
                raise DataError(Problem("coco.category", message, file=str(table.path)))
            other = categories.setdefault(category.id, category)
            if class_name(other) != class_name(category):
                message = f"category {category.id} is {category.name!r} here and {other.name!r} elsewhere"
                raise DataError(Problem("coco.category", message, file=str(table.path)))
    return {id: categories[id] for id in sorted(categories, key=lambda id: (isinstance(id, str), id))}


def _drop_root(categories: dict[Id, Category], tables: Sequence[LabelTable], receipt: Receipt) -> None:
    """Take away the category that only heads the others, as Roboflow writes it: their supercategory, without an annotation."""
    for id, category in categories.items():
        others = [other for other in categories.values() if other is not category]
        heads = others and all(other.supercategory == category.name for other in others)
        alone = category.supercategory in (None, "", "none", category.name)
        if heads and alone and not any(table.panoptic or _uses(table, id) for table in tables):
            what = "only heads the others as their supercategory, and has no annotation: no class"
            receipt.notes.append(f"category {id} {category.name!r} {what}")
            del categories[id]
            return


def _uses(table: LabelTable, id: Id) -> bool:
    """Whether an annotation is of a category."""
    return any(one_id(record.category_id) == id for record in table.records("annotations", Used)[0])


def _merged(given: dict[str, list[Category]], background: Background) -> Iterable[str]:
    """A line on each class that is of several categories or has another name, and on names that differ in case alone."""
    for name, categories in given.items():
        listed = some(f"{category.id} {category.name!r}" for category in categories)
        if name == BACKGROUND and background == "class":
            yield f"category {listed}: taken for the background, class 0"
        elif len(categories) > 1:
            yield f"categories {listed}: one class, {name!r}"
        elif categories[0].name != name:
            yield f"category {listed}: its class is {name!r}"
    alike: dict[str, list[str]] = defaultdict(list)
    for name in given:
        alike[name.casefold()].append(name)
    for names in alike.values():
        for name in names[1:]:
            yield f"classes {names[0]!r} and {name!r} differ in case alone: --map '{name}={names[0]}' makes them one"
