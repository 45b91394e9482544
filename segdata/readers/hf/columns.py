"""Which columns of a table are the images and the masks, and what the features of the `datasets` library say of them.

The features are JSON in the metadata of a Parquet file: {"info": {"features": {"image": {"_type": "Image"}}}}. A list of
them is [feature], or an object with `_type` Sequence, List or LargeList and its `feature`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from segdata.errors import DataError, OptionError, Problem
from segdata.files.cells import Table
from segdata.readers.words_in_names import IMAGE_WORDS, MASK_WORDS, words_of
from segdata.words import some

DEEPEST = 20
"""Levels of a feature that are looked into."""

LISTS = ("Sequence", "List", "LargeList")


class Columns(NamedTuple):
    """The columns of images (None: not wanted) and of masks; `array`: masks are rows of numbers."""

    image: str | None
    mask: str
    array: bool = False


class Named(NamedTuple):
    """A feature that names classes: its column, the keys to it there, how many lists it is in, and the names in order."""

    column: str
    keys: tuple[str, ...]
    lists: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((self.column, *self.keys))

    def values(self, value: Any) -> Iterator[int]:
        """The class numbers in a cell of the column."""
        yield from _numbers(value, self.keys)


def find_columns(table: Table, image: str | None, mask: str | None, *, images: bool) -> Columns:
    """The columns that the options name, or that are told by kind and name.

    Raises `OptionError` for one that is not, `DataError` (`hf.columns`) where it is not plain which is meant.
    """
    arrays = array_columns(table)
    files = [name for name, kind in table.columns.items() if kind == "file"]
    masks = mask or _one(table, "mask", [name for name in (*files, *arrays) if name != image])
    _check(table, "mask", masks, ("file", "array"))
    array = table.columns[masks] == "array"
    if not images:
        return Columns(None, masks, array)
    chosen = image or _one(table, "image", [name for name in files if name != masks])
    _check(table, "image", chosen, ("file",))
    if chosen == masks:
        raise OptionError(f"--image-column and --mask-column are both {chosen}")
    return Columns(chosen, masks, array)


def check_columns(table: Table, columns: Columns) -> None:
    """Raise `DataError` (`hf.columns`) for a table that has not the columns of the others."""
    for name, kind in ((columns.mask, "array" if columns.array else "file"), (columns.image, "file")):
        if name is not None and table.columns.get(name) != kind:
            message = f"has no such column {name} as the tables before it, but {_listed(table)}: convert it apart"
            raise DataError(Problem("hf.columns", message, table.path))


def _one(table: Table, option: str, names: Sequence[str]) -> str:
    """The one of some columns that holds images or masks, by a word in its name; for images the only one will do."""
    own, other = (MASK_WORDS, IMAGE_WORDS) if option == "mask" else (IMAGE_WORDS, MASK_WORDS)
    told = [name for name in names if words_of(name) & own]
    told = [name for name in told if not words_of(name) & other] or told
    may_be = told or [name for name in names if not words_of(name) & other]
    if len(told) == 1 or (option == "image" and len(may_be) == 1):
        return may_be[0]
    if may_be:
        ways = " or ".join(f"--{option}-column {name}" for name in may_be)
        message = f"which column holds the {option}s is not plain: {ways}"
    else:
        message = f"no column holds {option}s, but there are {_listed(table)}"
        if option == "mask" and (numbers := [name for name, kind in table.columns.items() if kind == "array"]):
            message += f": if numbers of classes are in {some(numbers)}: --mask-column {numbers[0]}"
    raise DataError(Problem("hf.columns", message, file=table.path))


def _check(table: Table, option: str, name: str, kinds: Sequence[str]) -> None:
    if table.columns.get(name) not in kinds:
        what = "images" if option == "image" else "masks"
        fit = [other for other, kind in table.columns.items() if kind in kinds]
        raise OptionError(f"--{option}-column {name}: {table.path} has no such column of {what}: there are {some(fit)}")


def _listed(table: Table) -> str:
    return some(f"{name} ({kind})" if kind == "file" else name for name, kind in table.columns.items()) or "none"


# Features


def features_of(table: Table) -> dict[str, Any]:
    """The features of the columns by name; none where the file does not tell them."""
    try:
        about = msgspec.json.decode(table.about or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    for key in ("info", "features"):
        about = about.get(key) if isinstance(about, dict) else None
    return about if isinstance(about, dict) else {}


def array_columns(table: Table) -> list[str]:
    """The columns whose features say that a cell is a mask of numbers: an Array2D, or class numbers in lists of lists."""
    named = {one.column for one in named_classes(table) if one.lists == 2 and not one.keys}
    plain = {
        name
        for name, feature in features_of(table).items()
        if isinstance(feature, dict) and feature.get("_type") == "Array2D"
    }
    return [name for name, kind in table.columns.items() if kind == "array" and name in named | plain]


def named_classes(table: Table) -> list[Named]:
    """The features that name classes."""
    return [one for column, feature in features_of(table).items() for one in _named(feature, column, (), 0)]


def _named(feature: Any, column: str, keys: tuple[str, ...], lists: int) -> Iterator[Named]:
    if lists + len(keys) > DEEPEST:
        return
    if isinstance(feature, list) and len(feature) == 1:
        yield from _named(feature[0], column, keys, lists + 1)
    elif isinstance(feature, dict):
        kind = feature.get("_type")
        names = feature.get("names")
        if kind in LISTS:
            yield from _named(feature.get("feature"), column, keys, lists + 1)
        elif kind == "ClassLabel" and isinstance(names, list) and all(isinstance(name, str) for name in names):
            yield Named(column, keys, lists, tuple(names))
        elif not isinstance(kind, str):
            for key, child in feature.items():
                yield from _named(child, column, (*keys, key), lists)


def _numbers(value: Any, keys: Sequence[str]) -> Iterator[int]:
    if isinstance(value, list):
        for one in value:
            yield from _numbers(one, keys)
    elif isinstance(value, dict) and keys:
        yield from _numbers(value.get(keys[0]), keys[1:])
    elif isinstance(value, int) and not keys:
        yield value
