"""Which mask value is which class, from JSON and YAML.

A list of names, {name: id}, {id: name}, {name: colour}, or a list of {id, name, color}: by itself, or under a key of `UNDER`
anywhere in the file, such as `classes` of a segdata dataset, `names` of YOLO's data.yaml, `categories` of COCO. What else such
a file holds is not read, but for beside names `nc`, the number of them, and `palette`, their colours.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import msgspec

from segdata.errors import MissingDependency
from segdata.readers.classes.cells import find_columns, parse_color, plain
from segdata.readers.classes.entries import Entry, in_order, refuse, whole

FORMS = "a list of names, {name: id}, {id: name}, or a list of {id, name, color}"

UNDER = ("classes", "names", "categories", "labels", "classnames", "labelnames", "id2label", "label2id")
"""Keys of class tables, as `cells.plain` has them."""

PALETTES = ("palette", "colors", "colours")


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
    try:
        return parse_data(yaml_values(text))
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        refuse("yaml", f"not a class table ({FORMS}): {' '.join(str(error).split())}")


def yaml_values(text: str) -> Any:
    """What YAML holds: whole numbers as such, other scalars and all keys as they are written.

    Raises `ValueError`, `RecursionError`, `DataError` (`classes.yaml`) for an alias, `MissingDependency` without PyYAML.
    """
    yaml = _yaml()
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                refuse("yaml", "an alias is not read: write the names out", f"line {event.start_mark.line + 1}")
        return _plain(yaml.compose(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def parse_data(data: Any) -> list[Entry]:
    """The classes of plain values. Raises `DataError`, `ValueError` and `msgspec.ValidationError` for other values."""
    tables = list(_tables(data, "")) if isinstance(data, dict) else []
    if not tables:
        return _entries(data)
    found = [(path, _table(beside, beside[key])) for path, key, beside in tables]
    (first, entries), *others = found
    for path, other in others:
        if {(e.value, e.name) for e in other} != {(e.value, e.name) for e in entries}:
            raise ValueError(f"{first} and {path} name different classes: keep the one that is meant")
    return max((entries for _, entries in found), key=lambda some: sum(entry.color is not None for entry in some))


def _tables(data: Mapping[str, Any], above: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """The class tables in an object: path, key, and the object in which they stand."""
    for key, value in data.items():
        if plain(key) in UNDER and isinstance(value, list | dict) and value:
            yield above + key, key, data
        elif isinstance(value, dict):
            yield from _tables(value, f"{above}{key}.")


def _table(beside: Mapping[str, Any], data: Any) -> list[Entry]:
    """The classes of a table, checked against the count and coloured by the palette that stand beside it."""
    entries = _entries(data)
    if isinstance(count := beside.get("nc"), int) and count != len(entries):
        raise ValueError(f"nc is {count}, but there are {len(entries)} names")
    palette = next((value for key, value in beside.items() if plain(key) in PALETTES and isinstance(value, list)), None)
    if palette is None or any(entry.color for entry in entries):
        return entries
    colors = [parse_color(color) for color in palette]
    if len(colors) != len(entries) or None in colors:
        raise ValueError(
            f"the palette of {len(colors)} is not one colour (red, green, blue) for each of {len(entries)} classes"
        )
    return [replace(entry, color=color) for entry, color in zip(entries, colors, strict=True)]


def _entries(data: Any) -> list[Entry]:
    if isinstance(data, dict):
        return _mapped(data)
    if isinstance(data, list) and all(isinstance(name, str) for name in data):
        return in_order((name.strip(), f"name {i}") for i, name in enumerate(data, 1))
    records = [_record(one, f"class {i}") for i, one in enumerate(msgspec.convert(data, list[dict[str, Any]]), 1)]
    if len({value is None for value, _, _ in records}) > 1:
        raise ValueError("some classes have an id and some have none")
    return [
        Entry.of(i if value is None else value, name, color, f"class {i + 1}")
        for i, (value, name, color) in enumerate(records)
    ]


def _mapped(data: Mapping[str, Any]) -> list[Entry]:
    """The classes of {name: id}, {id: name} or {name: colour}."""
    colors = {
        key: parse_color(value)
        for key, value in data.items()
        if not isinstance(value, str) or value[:1] in "#([0123456789"
    }
    if data and len(colors) == len(data) and None not in colors.values():
        if all(key.isdigit() for key in data):
            raise ValueError("it has ids and colours, and no names")
        return [Entry.of(i, name.strip(), color, f"key {name!r}") for i, (name, color) in enumerate(colors.items())]
    if data and all(isinstance(value, str) for value in data.values()):
        return [
            Entry.of(whole(key, f"key {key[:40]!r}"), name.strip(), at=f"key {key!r}") for key, name in data.items()
        ]
    ids = msgspec.convert(data, dict[str, int])
    return [Entry.of(id, name.strip(), at=f"key {name!r}") for name, id in ids.items()]


def _record(one: Mapping[str, Any], at: str) -> tuple[int | None, str, tuple[int, int, int] | None]:
    """Value, name and colour of a class in a list."""
    keys = [(column, key) for column, key in zip(find_columns(list(one)), one, strict=True) if column]
    if repeated := [key for column, key in keys if Counter(c for c, _ in keys)[column] > 1]:
        raise ValueError(f"{at}: {' and '.join(repeated)} mean the same: keep one")
    row = {column: one[key] for column, key in keys}
    if not isinstance(name := row.get("name"), str):
        raise ValueError(f"{at} has no name: {str(dict(one))[:60]}")
    value, color = row.get("id"), row.get("color")
    if value is not None and type(value) is not int:
        raise ValueError(f"{at}: the id {value!r} is no whole number")
    if color is not None and parse_color(color) is None:
        raise ValueError(f"{at}: {str(color)[:40]!r} is no colour, such as [255, 128, 0] or #ff8000")
    return value, name.strip(), parse_color(color)


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
