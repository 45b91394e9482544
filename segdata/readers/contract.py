"""segdata.json, the label contract of an export, honoured: its classes, their ids, and what is ignored, by the names in files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from segdata.dataset.contract import CONTRACT, WAY_OUT, Contract, refuse_unfinished
from segdata.dataset.sample import Images
from segdata.errors import DataError, Problem
from segdata.files.places import place
from segdata.files.remote import Place
from segdata.labels import Label, Labels, Remap, class_name, is_background
from segdata.readers import READERS, reader, reader_options
from segdata.readers.source import Source
from segdata.words import some


def contract_of(source: str | Path) -> Contract | None:
    """The contract in a source's folder. Raises `DataError` as `known_contract`, and `DatasetError` for an export that was
    stopped.

    Files that its options name are those of the folder, whatever lies where the command is run.
    """
    root = place(source)
    contract = known_contract(root)
    refuse_unfinished(root)
    if contract is None:
        return None
    files = {name: root / value for name, value in contract.options.items() if isinstance(value, str)}
    own = {name: str(path) for name, path in files.items() if path.is_file()}
    return replace(contract, options={**contract.options, **own})


def known_contract(root: Place) -> Contract | None:
    """The contract in a folder. Raises `DataError` (`contract.json`) for one that is damaged, and for a reader or options of
    one that this segdata does not have."""
    contract = Contract.read(root)
    if contract is not None and (wrong := _unknown(contract)) is not None:
        what = f"{wrong} is nothing that this segdata reads: upgrade segdata, {WAY_OUT}"
        raise DataError(Problem("contract.json", what, file=str(root / CONTRACT)))
    return contract


def _unknown(contract: Contract) -> str | None:
    """The reader that there is not, or the first option that it does not have, or not of such a type."""
    if contract.reader not in READERS:
        return f"the format {contract.reader!r}"
    hints, known = get_type_hints(reader(contract.reader)), reader_options(contract.reader)
    for name, value in contract.options.items():
        if name not in known or not isinstance(value, tuple(_types(hints[name]))):
            return f"the option {name!r}"
    return None


def _types(hint: Any) -> Iterator[type]:
    """The types of the values that a hint allows."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        for part in get_args(hint):
            yield from _types(part)
    else:
        yield str if origin is Literal else origin or hint


class Agreed(NamedTuple):
    """How files are read: as their contract says, unless options that a person gave say otherwise.

    `contract`: the one whose classes they have, if there is one. `notes`: what of a contract is not used.
    """

    options: dict[str, Any]
    images: Images
    contract: Contract | None
    notes: list[str]


def agree(contract: Contract | None, format: str, options: dict[str, Any], images: Images) -> Agreed:
    """How files of a format are read by a contract, and by the options and `images` that a person gave."""
    if contract is None:
        return Agreed(options, images, None, [])
    if contract.reader != format:
        return Agreed(
            options, images, None, [f"{CONTRACT} is not used: it is of files that are read as {contract.reader}"]
        )
    notes = []
    if contract.images == "none" and images == "reference" and options.get("image_dir") is None:
        notes.append(f"there are no images, as {CONTRACT} says: --images link, copy or --image-dir DIR asks for them")
        images = "none"
    named = options.get("classes") is not None
    if named:
        notes.append(f"classes and their ids are those of --classes, not of {CONTRACT}")
    return Agreed({**contract.options, **options}, images, None if named else contract, notes)


def with_contract(found: Source, contract: Contract) -> tuple[Labels, dict[int, int | None]]:
    """The classes of the contract, and each class id of the source as one of theirs (None: ignored).

    Classes are told by name. Background that the contract does not know, and that stands for what has no label, is ignored: no
    pixel of the dataset was without a class. Other classes that it does not know were added since; they come last. The receipt
    notes what was done.
    """
    known = {label.name: label.id for label in contract.labels.classes}
    known = {**{class_name(name): id for name, id in known.items()}, **known}
    named = {**{class_name(name): id for name, id in contract.names.items()}, **contract.names}
    ids: dict[int, int | None] = {}
    added: list[Label] = []
    for label in found.labels.classes:
        name = label.name
        told = next((table[key] for table in (named, known) for key in (name, class_name(name)) if key in table), -1)
        if told in (-1, None) and is_background(name):
            told = -1 if found.options.get("background") == "ignore" else None
            if told is None:
                found.receipt.notes.append(f"{name}, which is no class of {CONTRACT}, is ignored")
        if told == -1:
            told = len(contract.labels.classes) + len(added)
            added.append(label)
        ids[label.id] = told
    labels = contract.labels
    if added:
        every = [*labels.classes, *added]
        labels = Labels.of([one.name for one in every], [one.color for one in every])
        found.receipt.notes.append(
            f"classes that {CONTRACT} does not have come last: {some(one.name for one in added)}"
        )
    found.receipt.notes.append(f"classes, their ids and what is ignored are those of {CONTRACT}")
    return labels, {**ids, found.labels.ignore: None}


def through(ids: dict[int, int | None], chosen: Remap) -> Remap:
    """The remap of a source's class ids, first to those of the contract, then to the chosen ones."""
    return replace(chosen, mapping={source: None if id is None else chosen.mapping[id] for source, id in ids.items()})
