"""The classes that an export has, and what becomes of ignored pixels in formats that cannot hold them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from segdata.dataset.dataset import Dataset
from segdata.errors import OptionError, Problem, one_of
from segdata.labels import BACKGROUND, IGNORE, RGB, Labels, class_name, is_background

IN_LINES = r"^\s|\s$|[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]"
"""What no line of text can hold of a name: space around it, and characters that end a line or are no text."""

Ignored = Literal["class", "background", "drop"]
"""What becomes of ignored pixels where a format has no value for them. class: they are a class of their own, called ignore.
background: they are without a label, as background is. drop: samples that have any are left out."""


class Written(NamedTuple):
    """A class that is written: the mask value of its pixels, what the files call it, and its colour."""

    value: int
    name: str
    color: RGB


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of a format of shapes: `written` in order, and `background`, the class id that no shape has (None: no class).

    `names`: see `Contract`. `skip`: the mask values that no shape has. `lost`: that of ignored pixels, if they become background.
    """

    written: tuple[Written, ...]
    background: int | None
    names: Mapping[str, int | None]
    skip: frozenset[int]
    lost: int | None


def background_of(labels: Labels) -> int | None:
    """The id of the class that is called background, None if there is none."""
    return next((label.id for label in labels.classes if is_background(label.name)), None)


def has_ignored(dataset: Dataset) -> int:
    """In how many samples there are ignored pixels."""
    return sum(1 for sample in dataset if sample.counts.get(dataset.labels.ignore))


def ask_ignored(dataset: Dataset, ignored: Ignored | None, format: str) -> tuple[Dataset, list[Problem]]:
    """The dataset, without the samples that `ignored` drops, and a problem (`export.ignored`) for each of those.

    Raises `OptionError` if there are ignored pixels, and nobody said what becomes of them.
    """
    if ignored is not None:
        one_of("ignored", ignored, Ignored)
    number = has_ignored(dataset)
    if number and ignored is None:
        raise OptionError(
            f"{number:,} of {len(dataset):,} samples have ignored pixels, which {format} cannot hold: choose --ignored class "
            "(they are a class called ignore), --ignored background (they have no label) or --ignored drop (these samples are "
            "left out)"
        )
    if ignored != "drop" or not number:
        return dataset, []
    ignore = dataset.labels.ignore
    gone = [sample for sample in dataset if sample.counts.get(ignore)]
    if len(gone) == len(dataset):
        raise OptionError(
            "--ignored drop leaves no sample, as all have ignored pixels: choose --ignored class or background"
        )
    problems = [
        Problem("export.ignored", f"has ignored pixels (--ignored drop): {sample.counts[ignore]:,}", sample=sample.id)
        for sample in gone
    ]
    return dataset.select(lambda sample: not sample.counts.get(ignore)), problems


def shape_classes(labels: Labels, ignored: Ignored | None, *, with_ignore: bool = True) -> Classes:
    """The classes of a format of shapes: all but the one called background, whose pixels no shape covers; ignore last.

    `with_ignore`: whether the class of ignored pixels is written, if `ignored` is `class`. Raises `OptionError` for a class
    that is called ignore, for names that are one, or if background is the only class.
    """
    refuse_ignore(labels)
    refuse_alike(labels)
    ground = background_of(labels)
    written = [Written(label.id, label.name, label.color) for label in labels.classes if label.id != ground]
    names: dict[str, int | None] = {one.name: one.value for one in written}
    names[BACKGROUND] = ground
    if ignored == "class" and with_ignore:
        written.append(Written(labels.ignore, IGNORE, (255, 255, 255)))
        names[IGNORE] = None
    if not written:
        raise OptionError(
            f"the only class is {labels.names[0]!r}, which no shape has: segdata export folders writes it"
        )
    skip = frozenset({*range(len(labels.classes)), labels.ignore} - {one.value for one in written})
    lost = labels.ignore if ignored == "background" and ground is not None else None
    return Classes(tuple(written), ground, names, skip, lost)


def class_list(classes: Iterable[tuple[str, RGB]]) -> bytes:
    """The names and colours of classes, in order of id, as the bytes of a class file: a JSON list of id, name and color.

    It cannot hold spaces around names: see `refuse_spaces`.
    """
    rows = [{"id": id, "name": name, "color": list(color)} for id, (name, color) in enumerate(classes)]
    return ("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]\n").encode()


def refuse_ignore(labels: Labels) -> None:
    """Raise `OptionError` for a class that is called as ignored pixels are, and for two that are called as background is."""
    if (name := next((name for name in labels.names if class_name(name) in (IGNORE, "__ignore__")), None)) is not None:
        raise OptionError(f"a class is called {name}, as ignored pixels are: {renaming(labels, name)}")
    if {BACKGROUND, "_background_"} <= set(labels.names):
        way_out = f"segdata remap --map _background_={BACKGROUND} makes them one"
        raise OptionError(f"classes {BACKGROUND} and _background_ are both read as {BACKGROUND}: {way_out}")


def refuse_alike(labels: Labels) -> None:
    """Raise `OptionError` for classes that a format's names do not tell apart, or for a name of spaces alone."""
    first: dict[str, str] = {}
    for name in labels.names:
        other = first.setdefault(class_name(name), name)
        if other != name or not name.strip():
            what = (
                f"names {other!r} and {name!r} are one in label files"
                if name.strip()
                else f"a class is called {name!r}"
            )
            raise OptionError(f"{what}: {renaming(labels, name)}")


def refuse_spaces(labels: Labels, file: str) -> None:
    """Raise `OptionError` for a class name with spaces around it, which class files do not keep."""
    refuse_names(labels, r"^\s+|\s+$", file)


def refuse_names(labels: Labels, what: str, file: str) -> None:
    """Raise `OptionError` for a class name that a line of a file cannot hold: one in which `what`, a pattern, is found."""
    for name in labels.names:
        if (found := re.search(what, name)) is not None:
            what = f"class name {name!r}: no line of {file} can hold {found[0]!r}"
            raise OptionError(f"{what}: {renaming(labels, name)}")


def renaming(labels: Labels, name: str) -> str:
    """The way out of a name that a format cannot hold: the command that gives the class one that no other has."""
    typed = shlex.quote(f"{name}={_free(labels)}") if name.isprintable() and "=" not in name else None
    how = f"--map {typed}" if typed else "--map-file FILE (JSON: an object of old and new names)"
    return f"segdata remap {how} renames it"


def _free(labels: Labels) -> str:
    """A name that no class has: of two classes of one name `remap` would make one."""
    return next(name for i in range(len(labels.names) + 1) if (name := f"other{i or ''}") not in labels.names)
