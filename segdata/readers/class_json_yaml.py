"""Which mask value is which class, from JSON and YAML.

A list of names, {name: id}, {id: name}, or a list of {id, name, color}: by itself, or under `classes`, as in dataset.json of a
segdata dataset, or `names`, as in YOLO's data.yaml. What else such a file holds is not read, but for `nc`, the number of names.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from types import ModuleType
from typing import Any

import msgspec

from segdata.errors import MissingDependency
from segdata.readers.class_entries import Entry, in_order, refuse, whole

FORMS = "a list of names, {name: id}, {id: name}, or a list of {id, name, color}"

UNDER = ("classes", "names")


class Record(msgspec.Struct):
    """A class in a list."""

    name: str
    id: int | None = None
    color: tuple[int, int, int] | None = None


def parse_json(text: str) -> list[Entry]:
    """The classes of JSON. Raises `DataError` (`classes.json`)."""
    try:
        return parse_data(json.loads(text, object_pairs_hook=_once))
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        refuse("json", f"not a class table ({FORMS}): {error}")


def parse_yaml(text: str) -> list[Entry]:
    """The classes of YAML; names are taken as they are written, so that `no` is a name. Raises `DataError` (`classes.yaml`).

    Raises `MissingDependency` without PyYAML.
    """
    yaml = _yaml()
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                refuse("yaml", "an alias is not read: write the names out", f"line {event.start_mark.line + 1}")
        return parse_data(_plain(yaml.compose(text, Loader=yaml.SafeLoader)))
    except (yaml.YAMLError, ValueError, RecursionError, msgspec.ValidationError) as error:
        refuse("yaml", f"not a class table ({FORMS}): {' '.join(str(error).split())}")


def parse_data(data: Any) -> list[Entry]:
    """The classes of plain values. Raises `DataError`, `ValueError` and `msgspec.ValidationError` for other values."""
    count = None
    if isinstance(data, dict):
        key = next((key for key in UNDER if isinstance(data.get(key), list | dict)), None)
        count, data = (None, data) if key is None else (data.get("nc"), data[key])
    entries = _entries(data)
    if isinstance(count, int) and count != len(entries):
        raise ValueError(f"nc is {count}, but there are {len(entries)} names")
    return entries


def _entries(data: Any) -> list[Entry]:
    if isinstance(data, dict):
        if data and all(isinstance(value, str) for value in data.values()):
            return [
                Entry.of(whole(key, f"key {key[:40]!r}"), name.strip(), at=f"key {key!r}") for key, name in data.items()
            ]
        ids = msgspec.convert(data, dict[str, int])
        return [Entry.of(id, name.strip(), at=f"key {name!r}") for name, id in ids.items()]
    if isinstance(data, list) and all(isinstance(name, str) for name in data):
        return in_order((name.strip(), f"name {i}") for i, name in enumerate(data, 1))
    records = msgspec.convert(data, list[Record])
    if len({record.id is None for record in records}) > 1:
        raise ValueError("some classes have an id and some have none")
    return [
        Entry.of(i if r.id is None else r.id, r.name.strip(), r.color, f"class {i + 1}") for i, r in enumerate(records)
    ]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's items, each key once. Raises `ValueError`."""
    if repeated := [key for key, n in Counter(key for key, _ in pairs).items() if n > 1]:
        raise ValueError(f"{repeated[0]!r} appears twice")
    return dict(pairs)


def _plain(node: Any) -> Any:
    """What a node of YAML holds: whole numbers as such, other scalars and all keys as they are written."""
    if node is None:
        return None
    if node.id == "scalar":
        return (
            int(node.value) if node.tag.endswith(":int") and re.fullmatch(r"\d+", node.value, re.ASCII) else node.value
        )
    if node.id == "sequence":
        return [_plain(part) for part in node.value]
    if not all(key.id == "scalar" for key, _ in node.value):
        raise ValueError(f"line {node.start_mark.line + 1}: a key is no text")
    return _once([(key.value, _plain(value)) for key, value in node.value])


def _yaml() -> ModuleType:
    try:
        import yaml
    except ImportError as error:
        message = "class files in YAML need PyYAML: pip install 'segdata[train]', or write the names as a JSON list"
        raise MissingDependency(message) from error
    return yaml
