"""segdata.json: the label contract beside the files of another format, by which they come back as the same classes.

    {"segdata": 1, "format": "yolo", "reader": "yolo", "options": {}, "classes": [...], "ignore": 255,
     "names": {"cat": 1, "ignore": null}, "images": "link", "made_by": {...}, "holds": ["data.yaml", "images", "labels"]}

`segdata convert auto` finds it. It holds no pixels: what was changed in the files since is what is read.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from segdata.dataset.destination import Kind, State, begun_state, journal_header
from segdata.dataset.layout import CROISSANT, JOURNAL, LOG, RECEIPT, UNDECODABLE
from segdata.errors import DataError, DatasetError, OptionError, Problem, reason
from segdata.files.places import leads_out, read_bytes
from segdata.files.remote import Place
from segdata.labels import Labels

CONTRACT = "segdata.json"

VERSION = 1

WAY_OUT = "export again, or remove it: the labels are then read without it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What segdata.json says of an export.

    `reader` and `options`: how `segdata convert` reads it. `names`: what the files call the classes, each with its class id
    (None: ignored); a class that is not listed has its own name there. `images`: what became of the images. `holds`: the names
    of all files and folders of the format. `made_by`: see dataset.json.
    """

    format: str
    reader: str
    options: Mapping[str, Any]
    labels: Labels
    names: Mapping[str, int | None]
    images: str
    made_by: Mapping[str, Any]
    holds: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """The contents of segdata.json."""
        return {
            "segdata": VERSION,
            "format": self.format,
            "reader": self.reader,
            "options": dict(self.options),
            **self.labels.to_json(),
            "names": dict(self.names),
            "images": self.images,
            "made_by": dict(self.made_by),
            "holds": list(self.holds),
        }

    def to_bytes(self) -> bytes:
        """The bytes of segdata.json."""
        return (json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n").encode()

    @classmethod
    def read(cls, root: Place) -> Contract | None:
        """That of a folder, None if it has none. Raises `DataError` (`contract.json`) for one that is damaged, or newer."""
        path = root / CONTRACT
        if not path.is_file():
            return None
        try:
            data = msgspec.json.decode(read_bytes(path))
            if data["segdata"] != VERSION:
                raise ValueError(f"is of version {data['segdata']}, this segdata reads {VERSION}: upgrade segdata")
            labels = Labels.from_json(data)
            names = msgspec.convert(data["names"], dict[str, int | None])
            if wrong := [id for id in names.values() if id is not None and not 0 <= id < len(labels.classes)]:
                raise ValueError(f"names: {wrong[0]} is no class id")
            texts = {name: msgspec.convert(data[name], str) for name in ("format", "reader", "images")}
            options, made_by = (msgspec.convert(data[name], dict[str, Any]) for name in ("options", "made_by"))
            holds = msgspec.convert(data["holds"], list[str])
            if outside := [value for value in _texts(options) if leads_out(value)]:
                raise ValueError(f"options: {outside[0]!r} leads out of the folder")
        except (*UNDECODABLE, KeyError, TypeError, ValueError, AttributeError, OptionError) as error:
            what = f"not a label contract of an export ({reason(error)}): {WAY_OUT}"
            raise DataError(Problem("contract.json", what, file=str(path))) from error
        return cls(**texts, options=options, labels=labels, names=names, made_by=made_by, holds=holds)


def _texts(value: object) -> Iterator[str]:
    """All texts in a value of JSON, which may be paths."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


def refuse_unfinished(root: Place) -> None:
    """Raise `DatasetError` for the folder of an export that was stopped: its files are a part of what they will be."""
    header = journal_header(root)
    if not header or (root / CONTRACT).is_file():
        return
    try:
        is_export = msgspec.json.decode(header)["operation"] == "export"
    except (*UNDECODABLE, KeyError, TypeError):
        return
    if is_export:
        raise DatasetError(f"{root}: is an unfinished export: repeat the command that was making it to finish it")


def _held(root: Place) -> Collection[str]:
    """The names that an export's folder may hold: what is in every one, and what its contract or its journal lists."""
    try:
        contract = Contract.read(root)
    except DataError:
        contract = None
    holds: Sequence[str] = () if contract is None else contract.holds
    if contract is None and (header := journal_header(root)):
        try:
            holds = msgspec.convert(msgspec.json.decode(header)["holds"], list[str])
        except (*UNDECODABLE, KeyError, TypeError, msgspec.ValidationError):
            holds = ()
    return {CONTRACT, CROISSANT, RECEIPT, JOURNAL, LOG, *holds}


def export_state(root: Place, names: set[str]) -> State:
    """What a folder is that holds only names of an export: its contract or its journal says so."""
    if CONTRACT in names:
        try:
            Contract.read(root)
        except DataError:
            return "strange"
        return "whole" if RECEIPT in names else "unfinished"
    return begun_state(root, names)


EXPORT = Kind("from an export of segdata", _held, CONTRACT, RECEIPT, export_state)
