"""Which label of Cityscapes' files each mask value is: by Cityscapes' own table, or by one of the dataset's classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segdata.dataset.dataset import Dataset
from segdata.errors import OptionError
from segdata.files.cityscapes_table import CLASSES_JSON, GROUP, LABEL_COLORS, TABLE, VOID_TRAIN_ID, Row
from segdata.kernels.count import translate
from segdata.labels import IGNORE, RGB, Labels, Mask
from segdata.words import some
from segdata.writers.classes import class_list, has_ignored, refuse_alike, refuse_ignore, refuse_spaces

Table = Literal["auto", "cityscapes", "own"]

MOST = 255
"""Classes that a label image of 8 bits holds beside ignored pixels."""

UNLABELED = TABLE[0]

WITH_INSTANCES = ("human", "vehicle")
"""The categories whose labels have instances."""

PLAIN = re.compile(r"[^\W\d][\w./()&+-]*")
"""Names that label_colors.txt can hold, as Datumaro reads it: its columns are apart by white space."""


@dataclass(frozen=True, slots=True)
class Codes:
    """What the files say of each mask value: (256,) uint8 label ids and train ids, (256, 4) uint8 colours, and polygons' labels.

    `names`: see `Contract`. `own`: whether the labels are the dataset's own; the names and colours of all label ids then.
    """

    label_ids: NDArray[np.uint8]
    train_ids: NDArray[np.uint8]
    colors: NDArray[np.uint8]
    labels: Mapping[int, str]
    names: Mapping[str, int | None]
    own: tuple[tuple[str, RGB], ...] = ()

    @property
    def class_file(self) -> str | None:
        """The name of the class file; None if the table is Cityscapes'."""
        if not self.own:
            return None
        return LABEL_COLORS if all(PLAIN.fullmatch(name) for name, _ in self.own) else CLASSES_JSON

    def values(self, labels: Labels) -> dict[int, int | None]:
        """The class id of each label id that is used; None: ignored."""
        classes: dict[int, int | None] = {int(self.label_ids[label.id]): label.id for label in labels.classes}
        return {int(self.label_ids[labels.ignore]): None, **classes}

    def class_bytes(self) -> bytes:
        """The bytes of the class file."""
        if self.class_file == CLASSES_JSON:
            return class_list(self.own)
        return "".join(f"{r} {g} {b} {name}\n" for name, (r, g, b) in self.own).encode()


def codes_of(dataset: Dataset, table: Table) -> Codes:
    """How a dataset's classes are written; `auto`: by Cityscapes' table if that has them all.

    Raises `OptionError` if they cannot be.
    """
    why = why_not_official(dataset) if table != "own" else "--table own"
    if why is None:
        return official_codes(dataset.labels)
    if table == "cityscapes":
        raise OptionError(f"{why}: segdata remap --map OLD=NEW renames them, or --table own")
    return own_codes(dataset.labels)


def why_not_official(dataset: Dataset) -> str | None:
    """Why Cityscapes' table does not hold a dataset's classes; None if it does."""
    rows = [official_row(name) for name in dataset.labels.names]
    if strange := [repr(name) for name, row in zip(dataset.labels.names, rows, strict=True) if row is None]:
        return f"Cityscapes' label images have no class {some(strange)}"
    if len({row.id for row in rows if row is not None}) < len(rows):
        return "several classes have the name of one of Cityscapes' labels"
    if UNLABELED in rows and has_ignored(dataset):
        return "there are ignored pixels and a class called unlabeled, which are one in Cityscapes' files"
    return None


def official_row(name: str) -> Row | None:
    """The label of that name, apart from case, spaces and signs. The license plate is in no label image."""
    return next((row for row in TABLE if row.id >= 0 and bare(row.name) == bare(name)), None)


def bare(name: str) -> str:
    """A name without what programs spell differently."""
    return re.sub(r"[\s_-]", "", name).lower()


def official_codes(labels: Labels) -> Codes:
    """Cityscapes' own codes; ignored pixels are unlabeled. Regions of labels with instances are groups: nobody told which."""
    rows = {label.id: official_row(label.name) or UNLABELED for label in labels.classes}
    ids = {row.name: id for id, row in rows.items()}
    rows[labels.ignore] = UNLABELED
    return Codes(
        _by_value({value: row.id for value, row in rows.items()}),
        _by_value({value: row.train_id for value, row in rows.items()}),
        _colors({value: row.color for value, row in rows.items()}),
        {value: row.name + (GROUP if row.category in WITH_INSTANCES else "") for value, row in rows.items()},
        {row.name: ids.get(row.name) for row in TABLE if row.id >= 0},
    )


def own_codes(labels: Labels) -> Codes:
    """Class ids as label ids and as train ids; ignored pixels have the label id behind them, and the train id 255.

    Raises `OptionError` for what an image of 8 bits or a class file cannot hold.
    """
    refuse_ignore(labels)
    refuse_alike(labels)
    refuse_spaces(labels, CLASSES_JSON)
    if len(labels.classes) > MOST:
        what = f"{len(labels.classes):,} classes: Cityscapes' label images have 8 bits, which hold {MOST}"
        raise OptionError(f"{what}: segdata remap --only or --map leaves fewer")
    own = (*((label.name, label.color) for label in labels.classes), (IGNORE, (0, 0, 0)))  # Datumaro wants a black one
    colors = {label.id: label.color for label in labels.classes} | {labels.ignore: (0, 0, 0)}
    ids = {label.id: label.id for label in labels.classes}
    return Codes(
        _by_value({**ids, labels.ignore: len(ids)}),
        _by_value({**ids, labels.ignore: VOID_TRAIN_ID}),
        _colors(colors),
        {**{label.id: label.name for label in labels.classes}, labels.ignore: IGNORE},
        {label.name: label.id for label in labels.classes},
        own,
    )


def translated(mask: Mask, codes: Mask) -> Mask:
    """(H, W) mask values -> (H, W) label ids or train ids, by `codes` (256,) and of their dtype."""
    found = np.empty(mask.size, codes.dtype)
    translate(np.ascontiguousarray(mask).ravel(), codes, found)
    return found.reshape(mask.shape)


def _by_value(codes: Mapping[int, int]) -> NDArray[np.uint8]:
    found = np.zeros(256, np.uint8)
    found[list(codes)] = list(codes.values())
    return found


def _colors(colors: Mapping[int, RGB]) -> NDArray[np.uint8]:
    """Opaque, as Cityscapes' are."""
    found = np.zeros((256, 4), np.uint8)
    found[list(colors)] = [(*color, 255) for color in colors.values()]
    return found
