"""The label contract: which classes there are, in which order, and which value means "not labelled".

A mask holds class ids 0..K-1 and `ignore`: 255 in 8-bit masks (K <= 255), 65535 in 16-bit ones.
"""

from __future__ import annotations

import colorsys
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DatasetError, OptionError, one_of
from segdata.words import briefly, some, suggest

Mask = NDArray[np.unsignedinteger[Any]]
"""(H, W) uint8 or uint16: class ids and ignore."""

RGB = tuple[int, int, int]

MAX_CLASSES = 65534

PASS = 2**18
"""Pixels that are checked together: they fit in the cache of a core."""

SMALL = 2**20
"""The most pixels that are counted without a kernel."""


@dataclass(frozen=True, slots=True)
class Label:
    """One class. `color` is (R, G, B), 0..255, for images only: it never takes part in a comparison of contracts."""

    id: int
    name: str
    color: RGB


@dataclass(frozen=True, slots=True)
class Labels:
    """The classes of a dataset, in order of id, and its ignore value. Make one with `Labels.of`."""

    __repr__ = briefly

    classes: tuple[Label, ...]
    ignore: int

    @classmethod
    def of(cls, names: Sequence[str], colors: Sequence[RGB | None] | None = None) -> Labels:
        """Labels named in order of id. A colour that is None or not given is chosen; `background` is black.

        Raises `OptionError` for no class, an empty or repeated name, a colour that is none, or more than 65,534 classes.
        """
        if not names:
            raise OptionError("a dataset needs at least one class")
        if len(names) > MAX_CLASSES:
            raise OptionError(
                f"{len(names)} classes do not fit 16-bit masks: at most {MAX_CLASSES}, drop or merge some"
            )
        repeated = {n for n in names if names.count(n) > 1} if len(set(names)) < len(names) else set()
        if repeated or not all(names):
            raise OptionError(f"class names must be different and not empty: {', '.join(sorted(repeated)) or repr('')}")
        for name in names:
            if not name.isascii() and any("\ud800" <= c <= "\udfff" for c in name):
                raise OptionError(f"class name {name!r} holds half a character: no file can hold it, rename the class")
        given = list(colors) if colors is not None else [None] * len(names)
        for name, color in zip(names, given, strict=True):
            if color is not None and [c in range(256) for c in color] != [True] * 3:
                raise OptionError(f"class {name!r}: {color} is no colour: give red, green and blue, 0 to 255 each")
        classes = tuple(
            Label(i, name, color or default_color(i, name))
            for i, (name, color) in enumerate(zip(names, given, strict=True))
        )
        return cls(classes, 255 if len(names) <= 255 else 65535)

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in order of id."""
        return tuple(label.name for label in self.classes)

    @property
    def dtype(self) -> type[np.unsignedinteger[Any]]:
        """The dtype of masks: uint8 up to 255 classes, else uint16."""
        return np.uint8 if self.ignore == 255 else np.uint16

    @property
    def digest(self) -> str:
        """The label contract as a SHA-256: the same names in the same order give the same digest."""
        return hashlib.sha256(json.dumps(self.names, ensure_ascii=True).encode()).hexdigest()

    def id(self, name: str) -> int:
        """The id of a class. Raises `OptionError` that lists near names."""
        for label in self.classes:
            if label.name == name:
                return label.id
        raise OptionError(f"no class {name!r}: {suggest(name, self.names)}")

    def name(self, value: int) -> str:
        """What a mask value is called: the class, or `ignore`."""
        return "ignore" if value == self.ignore else self.classes[value].name

    def known(self, values: Mask) -> bool:
        """Whether each of (H, W) values, of the labels' dtype, is a class or ignore."""
        one = values.dtype.type(1)  # ignore, the greatest value, becomes 0, and only other values than classes exceed K
        rows = max(1, PASS // max(1, values.shape[1]))
        return all(
            (values[y : y + rows] + one).max(initial=0) <= len(self.classes) for y in range(0, len(values), rows)
        )

    def palette(self) -> NDArray[np.uint8]:
        """(ignore + 1, 3) uint8: the colour of every mask value; ignore is white."""
        colors = np.zeros((self.ignore + 1, 3), np.uint8)
        colors[: len(self.classes)] = [label.color for label in self.classes]
        colors[self.ignore] = 255
        return colors

    def table(self, mapping: Mapping[int, int | None]) -> Remap:
        """The remap from source values to these class ids (None: ignore). Values that are not listed are found out.

        Raises `OptionError` for a target that is no class id.
        """
        for source, target in mapping.items():
            if target is not None and not 0 <= target < len(self.classes):
                raise OptionError(f"value {source}: {target} is no class id: there are 0 to {len(self.classes) - 1}")
        return Remap(dict(mapping), self)

    def to_json(self) -> dict[str, Any]:
        """The `classes` and `ignore` of dataset.json."""
        classes = [{"id": c.id, "name": c.name, "color": list(c.color)} for c in self.classes]
        return {"classes": classes, "ignore": self.ignore}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Labels:
        """Back from `to_json`. Raises `OptionError` if ids are not 0..K-1 in order, ignore is not the contract's, as `of`."""
        classes = data["classes"]
        if [c["id"] for c in classes] != list(range(len(classes))):
            raise OptionError("class ids must be 0, 1, 2 ... in order")
        if not all(isinstance(c["name"], str) for c in classes):
            raise OptionError("class names must be strings")
        labels = cls.of([c["name"] for c in classes], [tuple(c["color"]) for c in classes])
        if data["ignore"] != labels.ignore:
            raise OptionError(f"ignore is {data['ignore']}, but must be {labels.ignore} for {len(classes)} classes")
        return labels


@dataclass(frozen=True, slots=True)
class Remap:
    """Source values to class ids in one lookup; never in place, never chained, nothing wraps."""

    mapping: dict[int, int | None]
    labels: Labels

    def value(self, source: int | None) -> int:
        """One source value's mask value; of None, what is ignored. Raises `KeyError` if it is not listed."""
        target = None if source is None else self.mapping[source]
        return self.labels.ignore if target is None else target

    def __call__(self, values: NDArray[Any]) -> Mask:
        """(H, W) any integers -> (H, W) class ids. Raises `ValueError` with the values that are not listed."""
        return self.counted(values)[0]

    def counted(self, values: NDArray[Any]) -> tuple[Mask, dict[int, int]]:
        """The same, and how often each id occurs, in order of id: from counts of the values, without a look at the ids."""
        from segdata.kernels.count import translate

        small = values.dtype in (np.uint8, np.uint16)
        flat = np.ascontiguousarray(values).ravel()
        present, pixels = _occurring(value_counts(flat)) if small else np.unique(flat, return_counts=True)
        unlisted = [int(v) for v in present if int(v) not in self.mapping]
        if unlisted:
            raise ValueError(f"values that no class is declared for: {some(unlisted)}")
        ids = np.array([self.value(int(v)) for v in present], self.labels.dtype)
        totals = np.zeros(self.labels.ignore + 1, np.int64)
        np.add.at(totals, ids, pixels)
        counts = occurring(totals)
        if not small:
            return np.asarray(ids[np.searchsorted(present, flat)]).reshape(values.shape), counts
        lookup = np.full(2 ** (8 * flat.itemsize), self.labels.ignore, self.labels.dtype)
        lookup[present] = ids
        out = np.empty(flat.shape, self.labels.dtype)
        translate(flat, lookup, out)
        return out.reshape(values.shape), counts


def value_counts(values: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.int64]:
    """uint8 or uint16 values of any shape -> (256,) or (65536,) int64: how often each value occurs."""
    flat, bins = np.ascontiguousarray(values).ravel(), 2 ** (8 * values.itemsize)
    if "segdata.kernels" not in sys.modules and 0 < flat.size <= SMALL:
        # Numba takes longer to load than many tiles to count by their runs.
        ends = flat[1:] != flat[:-1]
        if np.count_nonzero(ends) < flat.size // 16:
            last = np.append(np.flatnonzero(ends), flat.size - 1)
            return np.bincount(flat[last], np.diff(last, prepend=-1), bins).astype(np.int64)
    from segdata.kernels.count import count_values

    return count_values(flat, bins)


def tally(values: NDArray[Any]) -> dict[int, int]:
    """Integers of any shape -> how often each one occurs that does, in order of value, as manifests have it."""
    if values.dtype in (np.uint8, np.uint16):
        return occurring(value_counts(values))
    present, counts = np.unique(values, return_counts=True)
    return dict(zip(present.tolist(), counts.tolist(), strict=True))


def occurring(counts: NDArray[np.int64]) -> dict[int, int]:
    """How often each value occurs that does, from (N,) how often each one does."""
    present, pixels = _occurring(counts)
    return dict(zip(present.tolist(), pixels.tolist(), strict=True))


def _occurring(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The values that occur, and how often each does."""
    present = np.flatnonzero(counts)
    return present, counts[present]


SAFE = bytes.fromhex(
    "e69f00 56b4e9 009e73 f0e442 0072b2 d55e00 cc79a7 962d00 0000ff c3d2b4 5a87ff 960f69 b4d2ff a5b487 c31e96 691ec3"
    "b42d5a 0f69f0 e1c369 c33c2d 69c3c3 ff3c69 870f96 e10fc3 0087d2 d28700 1ea5ff 96f096 b4e1e1 4b6987 a5004b e1965a"
    "d2d200 87c3ff a5784b ff96b4 8796c3 3c96e1 4be187 4b8778 2d4be1 5a69d2 b41e78 d28796 b46996 78d2d2 69691e c33c5a"
    "f0a55a 4ba5e1 b40fa5 69c3a5 4b5a87 5a78f0 87c3e1 d2e169 f03c4b 69a587 d2874b 004bff 0087b4 a5a5d2 d22da5 c3c30f"
)
"""Colours that people tell apart, red-green blind ones too, each seen on black and on white: three bytes for each.

The first seven are those of M. Okabe and K. Ito, "Color Universal Design" (2008). Each further one is, of all candidates, the
farthest from those before it for the kind of sight that tells it worst; `tests/helpers/sight.py` has the rule."""


def safe_colors(n: int) -> list[RGB]:
    """`n` different colours that people tell apart, as far as there are so many: the first 64."""
    return [_safe_color(i) for i in range(n)]


def _safe_color(index: int) -> RGB:
    if (place := 3 * index) < len(SAFE):
        return SAFE[place], SAFE[place + 1], SAFE[place + 2]
    hue, value = (0.02 + index * 0.6180339887) % 1, (0.95, 0.75, 0.85)[index % 3]
    r, g, b = colorsys.hsv_to_rgb(hue, 0.3 + 0.7 * ((index * 0.7548776662) % 1), value)
    return round(255 * r), round(255 * g), round(255 * b)


def default_color(index: int, name: str) -> RGB:
    """The colour of a class by its id, of `safe_colors`. `background` is black."""
    return (0, 0, 0) if name == BACKGROUND else _safe_color(index)


Unlisted = Literal["keep", "ignore", "background"]

IGNORE, BACKGROUND = "ignore", "background"

LABELME = {"__ignore__": IGNORE, "_background_": BACKGROUND}
"""labelme's names, and what they are called here."""


def is_background(name: str) -> bool:
    """Whether a class is the background by its name, in one of its spellings."""
    return name.strip(" _").casefold() == BACKGROUND


def class_name(name: str) -> str:
    """The name of the class: without spaces around it, accents composed, and one spelling of background and of ignore."""
    name = normalize("NFC", " ".join(part for part in name.strip().split(" ") if part))
    return LABELME.get(name) or (BACKGROUND if is_background(name) else name)


def choose_classes(
    labels: Labels, renames: Mapping[str, str], only: Sequence[str], drop: Sequence[str], unlisted: Unlisted | None
) -> Remap:
    """The remap from a source's classes to the chosen ones, numbered in the source's order.

    A class called background is never unlisted. Raises `OptionError` for names that the source has not, and for values
    that are no names.
    """
    for option, given in (("only", only), ("drop", drop)):
        if isinstance(given, str):
            raise OptionError(f"{option}={given!r}: give a list of class names: [{given!r}]")
    new_names: Mapping[str, object] = renames
    for old, new in new_names.items():
        if not (isinstance(new, str) and new):
            raise OptionError(f"map: class {old!r} becomes {new!r}: must be the name of a class")
    if unlisted is not None:
        one_of("unlisted", unlisted, Unlisted)
    targets = set(renames.values())
    if both := [name for name in only if name in drop and name not in targets]:
        raise OptionError(f"--only and --drop both name {both[0]!r}: take one of them away")
    for name in [*renames, *drop, *(n for n in only if n not in targets)]:
        if name not in labels.names:
            raise OptionError(f"no class {name!r} in the source: {suggest(name, labels.names)}")
    if unlisted == BACKGROUND and BACKGROUND not in labels.names:
        raise OptionError("--unlisted background: the source has no class called background")

    def target(name: str) -> str:
        new = renames.get(name, name)
        if name in drop:
            return IGNORE
        if name == BACKGROUND or (name in renames and not only) or {name, new} & set(only) or not (only or renames):
            return new
        rest = unlisted or ("ignore" if only else "keep")
        return new if rest == "keep" else rest

    goes_to = {label.id: target(label.name) for label in labels.classes}
    kept = {name: i for i, name in enumerate(dict.fromkeys(n for n in goes_to.values() if n != IGNORE))}
    if not kept:
        raise OptionError("no class is left: --only, --drop and --map leave nothing")
    colors = {name: label.color for label in reversed(labels.classes) for name in [goes_to[label.id]]}
    chosen = Labels.of(list(kept), [colors[name] for name in kept])
    return chosen.table({**{i: kept.get(name) for i, name in goes_to.items()}, labels.ignore: None})


def union_of(parts: Sequence[Labels]) -> Labels:
    """All classes by name in order of first appearance, each in the colour that it has there."""
    colors = {label.name: label.color for labels in reversed(parts) for label in labels.classes}
    names = list(dict.fromkeys(label.name for labels in parts for label in labels.classes))
    return Labels.of(names, [colors[name] for name in names])


def into_union(labels: Labels, union: Labels) -> Remap | None:
    """The remap from mask values to those of the classes of the same names in a union; None if they are the same."""
    ids = {name: i for i, name in enumerate(union.names)}
    mapping = {label.id: ids[label.name] for label in labels.classes}
    if labels.ignore == union.ignore and all(old == new for old, new in mapping.items()):
        return None
    return union.table({**mapping, labels.ignore: None})


def must_agree(one: Labels, other: Labels, what: str, that: str, way_out: str) -> None:
    """Raise `DatasetError` that names the first difference if two label contracts are not the same names in the same order."""
    if one.digest == other.digest:
        return
    pairs = enumerate(zip(one.names, other.names, strict=False))
    first = next(((i, a, b) for i, (a, b) in pairs if a != b), None)
    if first is not None:
        difference = f"class {first[0]} is {first[1]!r} in {what}, {first[2]!r} in {that}"
    else:
        difference = f"{what} has {len(one.classes)} classes, {that} {len(other.classes)}"
    raise DatasetError(f"the label contracts differ: {difference}: {way_out}")
