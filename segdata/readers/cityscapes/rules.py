"""Which labels of Cityscapes' layout are which classes: by Cityscapes' own table, or by a table that a set of others brings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from segdata.errors import DataError, Problem
from segdata.files.cityscapes_table import (
    CLASSES_JSON,
    COLOR,
    INSTANCE_IDS,
    LABEL_COLORS,
    LABEL_IDS,
    POLYGONS,
    TABLE,
    TRAIN_IDS,
    VOID_TRAIN_ID,
    Row,
)
from segdata.files.remote import Place
from segdata.labels import RGB, Labels
from segdata.readers.cityscapes.polygons import Polygons
from segdata.readers.classes.entries import Entry
from segdata.readers.classes.files import given_classes
from segdata.readers.label_files import LabelFile, Meaning
from segdata.readers.source import Annotation, Input, Receipt, SourceClass
from segdata.words import some

LabelSet = Literal["train", "id", "category"]

From = Literal["auto", "png", "polygons"]

OWN_FILES = (
    LABEL_COLORS,
    "labelmap.txt",
    "classes.csv",
    CLASSES_JSON,
    "classes.txt",
    "labels.txt",
    "class_names.txt",
)
"""Names of class files that a set in this layout may bring, beside gtFine/ or in it."""

BY_COLOR = (
    "convert masks --image-dir 'leftImg8bit/{split}' --mask-dir 'gtFine/{split}' --image-pattern '{stem}_leftImg8bit' "
    "--mask-pattern '{stem}_gtFine_color' --colors --classes FILE"
)

WAY_OUT = "--classes FILE (rows id,name; the name ignore for what is no class) reads labels of one's own"


# Cityscapes' table


def class_ids(labels: LabelSet) -> dict[int, int | None]:
    """Label id -> class id, None for ignored pixels."""
    if labels == "train":
        return {row.id: row.train_id if 0 <= row.train_id < VOID_TRAIN_ID else None for row in TABLE}
    if labels == "category":
        return {row.id: row.category_id - 1 if row.id >= 0 and row.category_id else None for row in TABLE}
    return {row.id: row.id if row.id >= 0 else None for row in TABLE}


def class_labels(labels: LabelSet) -> Labels:
    """The classes in the official order and colours; a category has the colour of its first label."""
    first: dict[int, Row] = {}
    for row in TABLE:
        if (class_id := class_ids(labels)[row.id]) is not None:
            first.setdefault(class_id, row)
    rows = [first[class_id] for class_id in sorted(first)]
    return Labels.of([r.category if labels == "category" else r.name for r in rows], [r.color for r in rows])


# Another table


def own_classes(
    classes: str | Path | Sequence[str] | None, root: Place, folder: Place, receipt: Receipt
) -> tuple[list[Entry], tuple[Input, ...]]:
    """The classes of `--classes`, or of the class file that the set brings; none if that says what Cityscapes' table does.

    Raises `DataError` (`classes.*`), also for several such files.
    """
    if classes is not None:
        return given_classes(classes, root, receipt)
    there = [path for place in dict.fromkeys((root, folder, folder.parent)) for path in _class_files(place)]
    if not there:
        return [], ()
    if len(there) > 1:
        message = f"{some(path.name for path in there)} are beside the labels: name the class file by --classes"
        raise DataError(Problem("cityscapes.classes", message, file=str(root)))
    entries, inputs = given_classes(str(there[0]), root, receipt)
    if is_official(entries):
        return [], ()
    receipt.notes.append(f"{there[0].name}: names {len(entries)} labels of the set's own, which are the classes")
    return entries, inputs


def _class_files(folder: Place) -> list[Place]:
    return [folder / name for name in OWN_FILES if (folder / name).is_file()]


def is_official(entries: Iterable[Entry]) -> bool:
    """Whether names have Cityscapes' ids. Datumaro writes them without spaces, and the license plate behind the others."""
    official = {re.sub(r"\W|_", "", row.name): row.id for row in TABLE}
    found = {re.sub(r"\W|_", "", entry.source_name.lower()): entry.value for entry in entries}
    plate = {"licenseplate": len(TABLE) - 1}
    return all(official.get(name) == id or plate.get(name) == id for name, id in found.items())


# Both


@dataclass(frozen=True, slots=True)
class Rules:
    """What is read: kinds of label files, the best first; class ids by value of each kind of PNG, and by label name.

    `own`: by another table than Cityscapes'. `has_void`: labels that are void by Cityscapes' table are classes. `colors`: those
    of labels in color.png, by value, if they are known.
    """

    labels: Labels
    table: tuple[SourceClass, ...]
    kinds: tuple[str, ...]
    values: Mapping[str, Mapping[int, int | None]]
    names: Mapping[str, tuple[int, int | None]]
    colors: Mapping[int, RGB]
    own: bool = False
    has_void: bool = False

    @classmethod
    def of(cls, labels: LabelSet, from_: From) -> Rules:
        """The rules of Cityscapes' table for two of the options."""
        ids = class_ids(labels)
        pngs = (LABEL_IDS, TRAIN_IDS, INSTANCE_IDS) if labels == "train" else (LABEL_IDS, INSTANCE_IDS)
        plain = {id: class_id for id, class_id in ids.items() if id >= 0}
        train = {row.train_id: ids[row.id] for row in TABLE if row.id >= 0}
        values = {LABEL_IDS: plain, TRAIN_IDS: train, INSTANCE_IDS: with_instances(plain)}
        names = {row.name: (row.id, ids[row.id]) for row in TABLE}
        table = tuple(SourceClass(row.id, row.name, ids[row.id]) for row in TABLE)
        colors = {row.id: row.color for row in TABLE if row.id >= 0}
        return cls(class_labels(labels), table, _kinds(pngs, from_), values, names, colors, has_void=labels == "id")

    @classmethod
    def own_of(cls, entries: Sequence[Entry], kind: str | None, from_: From) -> Rules:
        """The rules of another table; `kind` is the kind of label file that is read, if it is not one of the usual."""
        kept = [entry for entry in entries if entry.is_class]
        labels = Labels.of([entry.name for entry in kept], [entry.color for entry in kept])
        plain = {entry.value: labels.id(entry.name) if entry.is_class else None for entry in entries}
        pngs = (kind,) if kind else (LABEL_IDS, INSTANCE_IDS)
        values = {**dict.fromkeys(pngs, plain), INSTANCE_IDS: with_instances(plain)}
        names = {entry.source_name: (entry.value, plain[entry.value]) for entry in entries}
        table = tuple(SourceClass(entry.value, entry.source_name, plain[entry.value]) for entry in entries)
        colors = {entry.value: entry.color for entry in entries if entry.color is not None}
        return cls(labels, table, _kinds(pngs, from_), values, names, colors, own=True)

    def annotation(self, files: Mapping[str, str]) -> Annotation | None:
        """The best of a frame's label files; None if none may be read."""
        kind = next((kind for kind in self.kinds if kind in files), None)
        if kind is None or kind == POLYGONS:
            return Polygons(files[POLYGONS], self.names) if kind else None
        way_out = f"is it really {kind}? Correct it, or --from polygons"
        way_out = f"give all of them a class: {WAY_OUT}" if self.own else f"{way_out}; {WAY_OUT}"
        return LabelFile(files[kind], Meaning(self.values[kind], way_out=way_out))

    def why_none(self, files: Mapping[str, str]) -> str:
        """What to say of a frame of which no label file may be read."""
        if not files:
            return "the frame has no labels: add them, or take its image away"
        if set(files) == {TRAIN_IDS} and not self.own:
            return f"there is only {TRAIN_IDS}, in which many labels are one: --labels train --from auto can read it"
        if set(files) == {COLOR}:
            return f"there is only {COLOR}: {BY_COLOR} reads colours"
        others = sorted(set(files) - {COLOR, LABEL_IDS, INSTANCE_IDS, POLYGONS})
        if len(others) == len(set(files) - {COLOR}):
            given = "" if self.own else " and --classes FILE"
            return f"there is only {some(others)}: --label-kind {others[0].removesuffix('.png')}{given} reads it"
        return f"none of {some(sorted(set(files) - {COLOR}))} may be read: --from auto reads any"


def with_instances(plain: Mapping[int, int | None]) -> dict[int, int | None]:
    """Class ids by the values of instanceIds: label ids, and of objects label id * 1000 + instance."""
    objects = {value: id for label, id in plain.items() if label for value in range(1000 * label, 1000 * label + 1000)}
    return {**objects, **plain}


def _kinds(pngs: tuple[str, ...], from_: From) -> tuple[str, ...]:
    return {"auto": (*pngs, POLYGONS), "png": pngs, "polygons": (POLYGONS,)}[from_]
