"""Plain values from a recipe's file, checked: every error names the file and the key."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from segdata.errors import OptionError
from segdata.words import suggest

PLAIN = (str, int, float, bool, type(None))


class Fields:
    """One mapping of a recipe. `place` is what errors call it, such as `street.yaml: crop`."""

    def __init__(self, data: object, place: str, known: Sequence[str]) -> None:
        """Raises `OptionError` if it is no mapping, or for a key that is not known."""
        if not isinstance(data, Mapping):
            raise OptionError(f"{place}: must be a mapping with {', '.join(known)}, not {data!r}")
        self.data, self.place = data, place
        for key in data:
            if key not in known:
                raise OptionError(f"{place}: no key {key!r}: {suggest(str(key), known)}")

    def at(self, key: str) -> str:
        """What errors call a key."""
        return f"{self.place}: {key}" if ": " not in self.place else f"{self.place}.{key}"

    def wrong(self, key: str, must: str) -> NoReturn:
        """Raise `OptionError`: what the key must be, and what it is."""
        raise OptionError(f"{self.at(key)}: must be {must}, not {self.data.get(key)!r}")

    def inner(self, key: str, known: Sequence[str]) -> Fields | None:
        """A mapping within, None if it is not given."""
        value = self.data.get(key)
        return None if value is None else Fields(value, self.at(key), known)

    def number(self, key: str, default: float, low: float, high: float = math.inf) -> float:
        """A number from `low` to `high`."""
        value = self.data.get(key, default)
        if not is_number(value) or not low <= value <= high:
            self.wrong(key, f"a number from {low:g} to {high:g}" if high < math.inf else f"a number of {low:g} or more")
        return float(value)

    def truth(self, key: str) -> bool:
        """true or false, by default false."""
        value = self.data.get(key, False)
        if not isinstance(value, bool):
            self.wrong(key, "true or false")
        return value

    def whole(self, key: str, default: int | None, low: int = 1) -> int:
        """A whole number of `low` or more; required if there is no default."""
        value = self.data.get(key, default)
        if not _is_whole(value) or value < low:
            self.wrong(key, f"a whole number of {low} or more")
        return int(value)

    def size(self, key: str) -> tuple[int, int]:
        """`[height, width]`, or one number for both."""
        value = self.data.get(key)
        pair = value if isinstance(value, list | tuple) else (value, value)
        if len(pair) != 2 or not all(_is_whole(v) and v >= 1 for v in pair):
            self.wrong(key, "[height, width] in pixels")
        return int(pair[0]), int(pair[1])

    def rising(self, key: str, default: tuple[float, float] | None, *, above: float = -math.inf) -> Any:
        """`[low, high]` as floats, low below high (or equal, if there is a default); the default if not given."""
        value = self.data.get(key)
        if value is None:
            return default
        fits = isinstance(value, list | tuple) and len(value) == 2 and all(is_number(v) for v in value)
        if not fits or not above < value[0] <= value[1] or (default is None and value[0] == value[1]):
            self.wrong(key, "[low, high]" + (f", both above {above:g}" if above > -math.inf else ""))
        return float(value[0]), float(value[1])

    def numbers(self, key: str, *, above: float = -math.inf) -> tuple[float, ...]:
        """A list of numbers, one per band."""
        value = self.data.get(key)
        if not isinstance(value, list | tuple) or not value or not all(is_number(v) and v > above for v in value):
            self.wrong(
                key, "a list of numbers, one per band" + (f", each above {above:g}" if above > -math.inf else "")
            )
        return tuple(float(v) for v in value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of names."""
        value = self.data.get(key) or ()
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            self.wrong(key, "a list of names")
        return tuple(value)

    def plain_list(self, key: str) -> tuple[Any, ...]:
        """A list of plain values: mappings, lists, strings, numbers."""
        value = self.data.get(key) or ()
        if not isinstance(value, list | tuple):
            self.wrong(key, "a list")
        return tuple(_plain(v, f"{self.at(key)}[{i}]") for i, v in enumerate(value))


def is_number(value: object) -> bool:
    """Whether it is a finite number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _plain(value: object, place: str) -> Any:
    """A copy in dicts and lists. Raises `OptionError` for what YAML would not give back."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise OptionError(f"{place}: the key {key!r} must be a name")
        return {key: _plain(inner, f"{place}.{key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner, f"{place}[{i}]") for i, inner in enumerate(value)]
    if not isinstance(value, PLAIN) or (isinstance(value, float) and not math.isfinite(value)):
        raise OptionError(f"{place}: {value!r} is no plain value: write numbers, names, lists or mappings")
    return value
