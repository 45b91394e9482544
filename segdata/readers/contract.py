"""segdata.json, the label contract of an export, honoured: its classes, their ids, and what is ignored, by the names in files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from segdata.dataset.contract import CONTRACT, Contract, refuse_unfinished
from segdata.files.places import place
from segdata.labels import Label, Labels, Remap, class_name, is_background
from segdata.readers.source import Source
from segdata.words import some


def contract_of(source: str | Path, format: str) -> Contract | None:
    """The contract in a source's folder, if it is one of files that are read as `format`. Raises `DataError`, and
    `DatasetError` for an export that was stopped.

    Files that its options name are those of the folder, whatever lies where the command is run.
    """
    root = place(source)
    contract = Contract.read(root)
    refuse_unfinished(root)
    if contract is None or contract.reader != format:
        return None
    files = {name: root / value for name, value in contract.options.items() if isinstance(value, str)}
    own = {name: str(path) for name, path in files.items() if path.is_file()}
    return replace(contract, options={**contract.options, **own})


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
