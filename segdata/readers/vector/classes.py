"""Which class a feature is of: by one of its properties, whatever type its values have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segdata.errors import OptionError
from segdata.files.vectors.geojson import Feature, Features
from segdata.labels import BACKGROUND, IGNORE, RGB, Labels
from segdata.readers.classes.entries import Entry
from segdata.words import some, suggest

PROPERTY, QUPATH, ONLY = "class", "classification", "object"
"""The property that is looked at where nothing is said, that of QuPath, and the class of all if there is neither."""

NUMBER = re.compile(r"[+-]?\d{1,300}(\.\d{1,300})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Classes:
    """Which property says the class, and which class id each of its values is (None: ignored)."""

    property: str | None
    ids: Mapping[str, int | None]

    def of(self, feature: Feature) -> str | None:
        """The class's name; None where the feature does not say."""
        return ONLY if self.property is None else name_of(feature.properties.get(self.property))


def name_of(value: Any) -> str | None:
    """A class's name from a property's value; None for none. Whole numbers are the same in every format: 3.0 is 3.

    QuPath has an object with a name there, or with several that are one class together.
    """
    if isinstance(value, dict):
        names = value.get("names")
        value = ": ".join(map(str, names)) if isinstance(names, list) else value.get("name")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None or value == "" else str(value)


def color_of(value: Any) -> RGB | None:
    """The colour that QuPath gives a class; None if there is none."""
    found = value.get("color", value.get("colorRGB")) if isinstance(value, dict) else None
    if isinstance(found, int):
        found = [found >> shift & 255 for shift in (16, 8, 0)]
    if isinstance(found, list) and len(found) == 3 and all(isinstance(n, int) and 0 <= n <= 255 for n in found):
        return found[0], found[1], found[2]
    return None


def in_order(name: str) -> tuple[bool, float, str]:
    """What classes are sorted by: numbers as numbers, before names."""
    number = NUMBER.fullmatch(name) is not None
    return not number, float(name) if number else 0.0, name


def class_table(
    files: Iterable[Features], class_property: str | None, entries: Sequence[Entry] | None, background: str
) -> tuple[Classes, Labels]:
    """Which value is which class, and the classes: those given, or else the values that occur, sorted.

    Raises `OptionError` for a property that no feature has.
    """
    features = [feature for file in files for feature in file.features]
    chosen = choose_property(features, class_property)
    table: dict[str, int | None] = {} if entries is None else {IGNORE: None}
    entries = entries if entries is not None else entries_of(features, chosen)
    colors: dict[str, RGB | None] = {BACKGROUND: None} if background == "class" else {}
    for entry in entries:
        if entry.is_class and colors.get(entry.name) is None:
            colors[entry.name] = entry.color
    labels = Labels.of(list(colors), list(colors.values()))
    ids = {name: id for id, name in enumerate(labels.names)}
    return Classes(chosen, {**ids, **{e.source_name: ids.get(e.name) for e in entries}, **table}), labels


def choose_property(features: Sequence[Feature], asked: str | None) -> str | None:
    """The property that is asked for, or else `class`, in upper case if that alone is there, or QuPath's; None if there is none.

    Raises `OptionError` for one that no feature has.
    """
    there = Counter(name for feature in features for name in feature.properties)
    if asked is not None and features and asked not in there:
        raise OptionError(f"--class-property {asked}: no feature has it: {suggest(asked, there)}")
    if asked is not None or PROPERTY in there:
        return asked or PROPERTY
    if any(isinstance(feature.properties.get(QUPATH), dict) for feature in features):
        return QUPATH
    return next((name for name in there if name.lower() == PROPERTY), None)


def entries_of(features: Iterable[Feature], chosen: str | None) -> list[Entry]:
    """The classes that occur, in order, in the colours that the file gives them."""
    said = Classes(chosen, {})
    colors: dict[str, RGB | None] = {}
    for feature in features:
        if (name := said.of(feature)) is not None and colors.get(name) is None:
            colors[name] = color_of(feature.properties.get(chosen or ""))
    return [Entry(i, name, colors[name], source_name=name) for i, name in enumerate(sorted(colors, key=in_order))]


def one_class(classes: Classes, files: Iterable[Features]) -> str | None:
    """A note where features have properties, and none was taken as their class."""
    names = sorted({name for file in files for feature in file.features for name in feature.properties})
    if classes.property is not None or not names:
        return None
    return f"all features are of one class, {ONLY}: --class-property names a property that tells them apart ({some(names)})"
