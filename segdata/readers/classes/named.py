"""Classes that label files name: which names are one class, and which is the background."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from segdata.errors import DataError, Problem
from segdata.files.remote import Place
from segdata.labels import BACKGROUND, IGNORE, RGB, Labels, class_name
from segdata.readers.classes.entries import Entry
from segdata.readers.classes.files import given_classes
from segdata.readers.source import Input, Receipt, SourceClass
from segdata.words import some, suggest

Background = Literal["class", "ignore"]
"""What unlabelled pixels are: class 0, background, or ignored."""


class NamedClass(NamedTuple):
    """A class as a label file has it: what it calls it (the name itself if it has no ids), its name and its colour."""

    id: int | str
    name: str
    color: RGB | None = None


class Chosen(NamedTuple):
    """The classes of a source, the receipt's rows of them, and the class file if there is one.

    `ids`: the class id by class name, None for ignored, which `class_id_of` looks names up in. `background`: the class id of
    unlabelled pixels, None if they are ignored.
    """

    labels: Labels
    rows: tuple[SourceClass, ...]
    ids: Mapping[str, int | None]
    background: int | None
    inputs: tuple[Input, ...] = ()

    @property
    def told(self) -> str | list[str]:
        """What dataset.json says of them: the name of the class file, or the names of the classes."""
        return self.inputs[0].name if self.inputs else list(self.labels.names)


def choose_classes(
    classes: str | Path | Sequence[str] | None,
    root: Place,
    background: Background,
    receipt: Receipt,
    own: Callable[[], Sequence[NamedClass]],
    word: str = "label",
) -> Chosen:
    """The classes that `--classes` gives, or else the source's `own`. Raises `DataError` (`classes.*`).

    See `name_classes` and `listed_classes`.
    """
    inputs: tuple[Input, ...] = ()
    if classes is None:
        labels, rows = name_classes(own(), background, receipt, word)
    else:
        entries, inputs = given_classes(classes, root, receipt)
        labels, rows = listed_classes(entries, background, receipt)
    ids: dict[str, int | None] = {name: i for i, name in enumerate(labels.names)}
    ids |= {class_name(row.name): None for row in rows if row.class_id is None} | {IGNORE: None}
    ground = labels.id(BACKGROUND) if background == "class" else None
    return Chosen(labels, rows, ids, ground, inputs)


def name_classes(
    named: Sequence[NamedClass], background: Background, receipt: Receipt, word: str = "label"
) -> tuple[Labels, tuple[SourceClass, ...]]:
    """The classes: background if it is one, then the others in order; those of one name are one class.

    Names are one apart from spaces around them and from how accents are composed, and so are the spellings of background.
    labelme's `__ignore__` is no class: its pixels are ignored. What is merged, and what differs in case alone, is a note,
    where `word` is what the source calls a class.
    """
    colors: dict[str, RGB | None] = {BACKGROUND: (0, 0, 0)} if background == "class" else {}
    given: dict[str, list[NamedClass]] = defaultdict(list)
    for one in named:
        if (name := class_name(one.name)) != IGNORE:
            colors.setdefault(name, one.color)
        given[name].append(one)
    receipt.notes += _merged(given, background, word)
    labels = Labels.of(list(colors), list(colors.values()))
    ids = {name: i for i, name in enumerate(labels.names)}
    return labels, tuple(SourceClass(one.id, one.name, ids.get(class_name(one.name))) for one in named)


def listed_classes(
    entries: Sequence[Entry], background: Background, receipt: Receipt
) -> tuple[Labels, tuple[SourceClass, ...]]:
    """The same of a class file's entries: their order is that of the class ids, after background if they do not name it."""
    names = [class_name(entry.source_name or entry.name) if entry.is_class else IGNORE for entry in entries]
    given: dict[str, list[NamedClass]] = defaultdict(list)
    colors: dict[str, RGB | None] = {}
    if background == "class" and BACKGROUND not in names:
        colors[BACKGROUND] = (0, 0, 0)
    for name, entry in zip(names, entries, strict=True):
        given[name].append(NamedClass(entry.value, entry.source_name or entry.name, entry.color))
        if name != IGNORE:
            colors.setdefault(name, entry.color or ((0, 0, 0) if name == BACKGROUND else None))
    receipt.notes += _merged(given, background, "label")
    labels = Labels.of(list(colors), list(colors.values()))
    ids = {name: i for i, name in enumerate(labels.names)}
    rows = zip(names, entries, strict=True)
    return labels, tuple(
        SourceClass(entry.value, entry.source_name or entry.name, ids.get(name)) for name, entry in rows
    )


def class_id_of(
    name: str, ids: Mapping[str, int | None], code: str, annotation: int | str, file: str = "the class file"
) -> int | None:
    """The class id of an annotation's label; None for ignored. Raises `DataError` (`code`) for one that is no class.

    `file`: what the class file is called.
    """
    if (known := class_name(name)) in ids:
        return ids[known]
    message = f"no class {name!r}: {suggest(known, ids)}: add it to {file}, or correct the label"
    raise DataError(Problem(code, message, annotation=annotation))


def _merged(given: Mapping[str, Sequence[NamedClass]], background: Background, word: str) -> Iterable[str]:
    """A line on each class that is of several names or has another name, and on names that differ in case alone."""
    words = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    for name, classes in given.items():
        told = some(f"{one.name!r}" if one.id == one.name else f"{one.id} {one.name!r}" for one in classes)
        if name == BACKGROUND and background == "class":
            yield f"{word} {told}: taken for the background, class 0"
        elif name == IGNORE:
            yield f"{word} {told}: no class, its pixels are ignored"
        elif len(classes) > 1:
            yield f"{words} {told}: one class, {name!r}"
        elif classes[0].name != name:
            yield f"{word} {told}: its class is {name!r}"
    alike: dict[str, list[str]] = defaultdict(list)
    for name in given:
        alike[name.casefold()].append(name)
    for names in alike.values():
        for name in names[1:]:
            yield f"classes {names[0]!r} and {name!r} differ in case alone: --map '{name}={names[0]}' makes them one"
