"""The labels of Mapillary Vistas: the config that says what they are, and instance masks that code them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

import msgspec

from segdata.errors import DataError, Problem, located
from segdata.files.images import read_mask
from segdata.files.remote import Place
from segdata.labels import RGB, Labels, Remap
from segdata.readers.classes.files import given_classes
from segdata.readers.json_text import read_json
from segdata.readers.label_files import Meaning, ids_of
from segdata.readers.source import Drawn, InFile, Input, Receipt, SourceClass
from segdata.words import some

Void = Literal["unevaluated", "all", "none"]
"""Which labels are ignored: those that the config does not evaluate, these and all of void--, or none."""

VOID = "void--"

MOST = 256
"""So many labels have room in an instance mask."""


class Label(msgspec.Struct):
    """An entry of `labels`; `readable` and `instances` say nothing of masks."""

    name: str
    color: list[int] | None = None
    evaluate: bool | None = None


class Config(msgspec.Struct):
    """A config.json."""

    labels: list[Label]
    version: str | float | None = None


CONFIG = msgspec.json.Decoder(Config)


class Table(NamedTuple):
    """The classes, the class id by label id and by name (None: ignored), and the receipt's table."""

    labels: Labels
    values: Mapping[int, int | None]
    names: Mapping[str, int | None]
    classes: tuple[SourceClass, ...]


def config_table(path: Place, void: Void, receipt: Receipt) -> tuple[Table, tuple[Input, ...]]:
    """What a config's labels mean; a note tells which of void-- are classes. Raises `DataError` (`mapillary.*`)."""
    labels = read_json(str(path), CONFIG, "mapillary", "a Mapillary Vistas config", ("labels", Label)).labels
    names = [label.name for label in labels]
    if twice := sorted(
        {name for name in names if names.count(name) > 1} | {name for name in names if not name.strip()}
    ):
        refuse(path, f"two labels, or one without a name, are called {some(map(repr, twice))}")
    if not 0 < len(labels) <= MOST:
        refuse(path, f"has {len(labels)} labels, where 1 to {MOST} can be")
    gone = [label.name for label in labels if is_ignored(label, void)]
    kept = [label.name for label in labels if label.name.startswith(VOID) and label.name not in gone]
    if len(gone) == len(labels):
        refuse(path, f"every label is ignored by --void {void}: --void none makes classes of them")
    if kept:
        receipt.notes.append(f"{path.name}: evaluated, and so classes: {some(kept)} (--void all ignores them)")
    rows = [(number, label.name, color_of(label), label.name not in gone) for number, label in enumerate(labels)]
    return table_of(rows), (Input.of(path),)


def config_version(path: Place) -> str:
    """The version that a config says it is of. Raises `DataError` (`mapillary.*`)."""
    return str(read_json(str(path), CONFIG, "mapillary", "a Mapillary Vistas config", ("labels", Label)).version)


def is_ignored(label: Label, void: Void) -> bool:
    """Whether the pixels of a label are ignored. Where a config does not say what it evaluates, that is all but void--."""
    is_void = label.name.startswith(VOID)
    evaluated = not is_void if label.evaluate is None else label.evaluate
    return void != "none" and (not evaluated or (void == "all" and is_void))


def color_of(label: Label) -> RGB | None:
    """The colour of a label; None for none, and for one that is no colour."""
    color = label.color or []
    return (color[0], color[1], color[2]) if len(color) == 3 and all(0 <= part <= 255 for part in color) else None


def given_table(classes: str | Path | Sequence[str], root: Place, receipt: Receipt) -> tuple[Table, tuple[Input, ...]]:
    """What the classes of `--classes` mean, by label id. Raises `DataError` (`classes.*`)."""
    entries, inputs = given_classes(classes, root, receipt)
    if kept := [entry.name for entry in entries if entry.is_class and entry.source_name.startswith(VOID)]:
        receipt.notes.append(f"classes, as --classes names them so: {some(kept)} (the name ignore is of no class)")
    return table_of([(entry.value, entry.name, entry.color, entry.is_class) for entry in entries]), inputs


def table_of(rows: Sequence[tuple[int, str, RGB | None, bool]]) -> Table:
    """The table of labels: id, name, colour, and whether it is a class."""
    kept = [row for row in rows if row[3]]
    ids = {number: class_id for class_id, (number, _, _, _) in enumerate(kept)}
    classes = tuple(SourceClass(number, name, ids.get(number)) for number, name, _, _ in rows)
    labels = Labels.of([name for _, name, _, _ in kept], [color for _, _, color, _ in kept])
    values = {number: ids.get(number) for number, _, _, _ in rows}
    return Table(labels, values, {one.name: one.class_id for one in classes}, classes)


def refuse(path: Place, what: str) -> NoReturn:
    """Raise `DataError` (`mapillary.config`)."""
    raise DataError(Problem("mapillary.config", f"{what}: correct it, or name the labels by --classes FILE", str(path)))


@dataclass(frozen=True, slots=True)
class InstanceFile(InFile):
    """An instance mask: a value // 256 is a label id, of which `meaning.values` has the class ids."""

    meaning: Meaning

    def draw(self, remap: Remap) -> Drawn:
        """Its labels as class ids. Raises `DataError` (`mask.*`), also for a mask of 8 bits, which has no instances."""
        with located(file=self.path):
            values = read_mask(self.path)
            if values.itemsize == 1:
                message = "has 8 bits, where an instance mask has 16: read label masks, which have 8, by --from labels"
                raise DataError(Problem("mask.instances", message))
            mask = ids_of((values >> 8).astype("uint8"), self.meaning, remap)
        return Drawn(mask, Receipt(annotations=1, painted=1))
