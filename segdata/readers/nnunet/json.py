"""What nnU-Net's dataset.json and splits_final.json say: labels by value, channels, where cases lie, folds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import msgspec

from segdata.errors import DataError, OptionError, Problem
from segdata.files.remote import Place
from segdata.labels import BACKGROUND, IGNORE
from segdata.readers.classes.entries import MAX_VALUE
from segdata.readers.json_text import read_json
from segdata.words import some

REGION = "labels are regions, some of them of several values: each value has the class of the last region that holds it"


class Card(msgspec.Struct):
    """A dataset.json, as far as it is read. Version 1 has `modality`, and labels by value: its keys are numbers."""

    labels: dict[str, Any]
    channel_names: dict[str, Any] | None = None
    modality: dict[str, Any] | None = None
    numTraining: Any = None
    file_ending: Any = None
    regions_class_order: Any = None
    overwrite_image_reader_writer: Any = None
    dataset: dict[str, Case] | None = None

    @property
    def channels(self) -> dict[str, str]:
        """The name of each channel, by its number as files have it: `0000`."""
        named = self.channel_names or self.modality or {}
        return {key.zfill(4): str(name) for key, name in named.items()}


class Case(msgspec.Struct):
    """A case whose files lie elsewhere than in imagesTr/ and labelsTr/: their paths from the folder of dataset.json."""

    label: str
    images: list[str]


class Fold(msgspec.Struct):
    """The cases of a fold."""

    train: list[str]
    val: list[str]


CARD, FOLDS = msgspec.json.Decoder(Card), msgspec.json.Decoder(list[Fold])


def read_card(path: Place) -> Card:
    """A dataset.json. Raises `DataError` (`nnunet.missing`, `nnunet.json`)."""
    return read_json(str(path), CARD, "nnunet", "a dataset.json of nnU-Net, which has labels")


class Named(NamedTuple):
    """The name of each value, in order of value, and what nnU-Net does not allow of them."""

    names: dict[int, str]
    notes: list[str]
    warnings: list[str]


def read_labels(card: Card, file: str) -> Named:
    """What the values of label images are called. Raises `DataError` (`nnunet.labels`) where that is not plain.

    Regions of several values overlap. nnU-Net writes them in the order of dataset.json, each over the ones before it: so a value
    has the name of the last region that holds it.
    """
    regions = _regions(card, file)
    several = any(len(values) > 1 for _, values in regions)
    names: dict[int, str] = {}
    for name, values in regions:
        for value in values:
            if value in names and not several and name != names[value]:
                _refuse(f"{names[value]!r} and {name!r} are both {value}: give each a value of its own", file)
            names[value] = name
    notes = [f"{REGION}: {some(f'{value} {names[value]}' for value in sorted(names))}"] if several else []
    if several and (gone := [name for name, _ in regions if name not in names.values()]):
        _refuse(
            f"no value is left for {some(map(repr, gone))}, as regions after it hold them all: put large ones first",
            file,
        )
    warnings = [*_rules(names), *(_order(card, regions, names) if several else [])]
    return Named(dict(sorted(names.items())), notes, warnings)


def _regions(card: Card, file: str) -> list[tuple[str, list[int]]]:
    """The labels as they stand there: a name, and its values."""
    if not card.labels:
        _refuse("names no label", file)
    by_value = all(re.fullmatch(r"\d+", key) for key in card.labels) and all(
        isinstance(v, str) for v in card.labels.values()
    )
    if by_value and not (card.file_ending and all(re.fullmatch(r"\d+", v) for v in card.labels.values())):
        return [(name, [_value(key, name, file)]) for key, name in card.labels.items()]
    regions = []
    for name, given in card.labels.items():
        values = [_value(one, name, file) for one in (given if isinstance(given, list) else [given])]
        if not values or (name == IGNORE and isinstance(given, list)):
            _refuse(f"the label {name!r} is {given!r}, and must be a number" + (" or numbers" * (name != IGNORE)), file)
        regions.append((name, values))
    return regions


def _value(given: object, name: str, file: str) -> int:
    """The value of a label, a whole number."""
    text = str(int(given) if isinstance(given, float) and given.is_integer() else given)
    if isinstance(given, bool) or not re.fullmatch(r"\d{1,5}", text, re.ASCII) or int(text) > MAX_VALUE:
        _refuse(f"the label {name!r} has the value {text[:40]}: must be a whole number from 0 to {MAX_VALUE}", file)
    if not name.strip():
        _refuse(f"the label of value {text} has no name", file)
    return int(text)


def _rules(names: Mapping[int, str]) -> Sequence[str]:
    """What nnU-Net asks of labels and does not find."""
    values = sorted(names)
    broken = []
    if names.get(0, "").casefold() != BACKGROUND:
        broken.append(f"labels: nnU-Net wants background to be 0, here 0 is {names.get(0, 'no label')!r}")
    if missing := sorted(set(range(values[-1])) - set(values) - {0}):
        broken.append(f"labels: nnU-Net wants them to be 0, 1, 2 ... in a row: there is no {some(missing)}")
    ignored = [value for value, name in names.items() if name == IGNORE]
    if ignored and ignored[0] != values[-1]:
        broken.append(f"labels: nnU-Net wants ignore to be the highest value, here it is {ignored[0]} of {values[-1]}")
    return broken


def _order(card: Card, regions: Sequence[tuple[str, list[int]]], names: Mapping[int, str]) -> list[str]:
    """What regions_class_order, the value that nnU-Net writes for each region but the background, says otherwise."""
    wanted, order = (
        [name for name, values in regions if set(values) != {0} and name != IGNORE],
        card.regions_class_order,
    )
    if isinstance(order, list) and [names.get(value) if isinstance(value, int) else None for value in order] == wanted:
        return []
    return [f"regions_class_order: is {order}, and the last regions that hold values are {some(names.values())}"]


def _refuse(message: str, file: str) -> NoReturn:
    raise DataError(Problem("nnunet.labels", f"labels: {message}", file))


def read_fold(path: Place, fold: int) -> dict[str, str]:
    """The split of each case, train or val, by a splits_final.json.

    Raises `OptionError` for a fold that there is not, `DataError` (`nnunet.*`), also for a case that is in both splits.
    """
    folds = read_json(str(path), FOLDS, "nnunet", "a splits_final.json of nnU-Net, a list of folds with train and val")
    if not 0 <= fold < len(folds):
        there = f"the folds 0 to {len(folds) - 1}" if folds else "no fold"
        raise OptionError(f"--fold {fold}: {path.name} has {there}")
    chosen = folds[fold]
    if both := sorted(set(chosen.train) & set(chosen.val)):
        message = f"fold {fold} has {some(both)} in train and in val: take it out of one"
        raise DataError(Problem("nnunet.fold", message, file=str(path)))
    return {**dict.fromkeys(chosen.train, "train"), **dict.fromkeys(chosen.val, "val")}
