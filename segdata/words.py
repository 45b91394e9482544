"""Lists, shares and numbers as words for people. On terminals and pages there is one form for each kind of number:

    a score               `share`    62.08            per cent, two decimals, no sign
    a distance            `distance` 3.20             in a unit that stands beside it
    bounds of a score     `span`     61.81 to 93.49
    a difference          `points`   +2.10            of two scores; its bounds are a `span` of `points`
    a part of pixels ...  `percent`  6.2 %, 0.003 %
    a count               `{:,}`     48,000
    what is not known                -

Programs get numbers as they are: JSON and CSV have scores and parts from 0 to 1, unrounded, and counts without commas.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, SupportsFloat

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that steer a terminal or end a line (C0, DEL, C1, separators, bidirectional overrides), and surrogates."""


def shown(text: str) -> str:
    """Text with the characters of `STEERING` as Python writes them, such as `\\x1b`: one line, whatever a name holds."""
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def some(values: Iterable[object], limit: int = 8) -> str:
    """The first few, and how many more."""
    listed = [str(v) for v in values]
    return ", ".join(listed[:limit]) + (f" and {len(listed) - limit} more" if len(listed) > limit else "")


def percent(part: float, whole: float) -> str:
    """A share with one decimal, or with its first digit where that is further behind; `-` of nothing."""
    if not whole:
        return "-"
    value = 100 * part / whole
    first = int(f"{value:.0e}".partition("e")[2]) if value else 0  # where the first digit is, once it is rounded
    return f"{value:.{max(1, -first)}f} %"


def part(value: SupportsFloat) -> str:
    """A part in a small square: as `percent`, without its sign, and never with more than one decimal."""
    return f"{100 * float(value):.1f}"


def share(value: SupportsFloat) -> str:
    """A score from 0 to 1 in per cent with two decimals, `-` for NaN."""
    number = float(value)
    return "-" if math.isnan(number) else f"{100 * number:.2f}"


def whole(value: SupportsFloat) -> str:
    """A score or a part at an axis, in per cent and as short as it can be: 50, 0.1."""
    return f"{100 * float(value):.3g}"


def short(value: SupportsFloat) -> str:
    """A number at an axis, with three digits at most: 0, 0.25, 500, 10k, 2.5M."""
    number, unit = float(value), ""
    for larger in "kMGT":
        if abs(number) < 1000:
            break
        number, unit = number / 1000, larger
    return f"{number:.3g}{unit}"


def distance(value: SupportsFloat) -> str:
    """A distance with two decimals, or more if it is short; `-` for NaN."""
    number = float(value)
    if math.isnan(number):
        return "-"
    return f"{number:.2f}" if number >= 0.1 or number == 0 else f"{number:.2g}"


def span(low: SupportsFloat, high: SupportsFloat, *, told: Callable[[SupportsFloat], str] = share) -> str:
    """The bounds of a score, each as `told` says it, such as `points` for a difference; `-` if one is not known."""
    ends = told(low), told(high)
    return "-" if "-" in ends else " to ".join(ends)


def points(value: SupportsFloat) -> str:
    """The difference of two scores with its sign, `-` for NaN."""
    number = float(value)
    return "-" if math.isnan(number) else f"{round(100 * number, 2) + 0.0:+.2f}"  # without the sign of -0.0


def suggest(name: str, known: Iterable[str]) -> str:
    """The way out of a misspelt name: near ones, or what there is."""
    import difflib

    known = list(known)
    near = difflib.get_close_matches(name, known, 3)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {some(known)}"


class Shaped(Protocol):
    """What has a shape, as arrays do."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of its axes."""


def sized(mask: Shaped) -> str:
    """A size as people say it, width first."""
    return " x ".join(str(n) for n in reversed(mask.shape))


class _Brief(reprlib.Repr):
    """Python's short `repr`, with arrays told by what they are."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother = 3, 80, 160
        self.maxtuple = self.maxlist = self.maxdict = self.maxset = self.maxfrozenset = 4

    def repr_ndarray(self, array: NDArray[Any], _: int) -> str:
        """Shape and dtype: the values of an array say little, and are many."""
        return f"<{array.shape} {array.dtype}>"


_brief = _Brief()


def briefly(value: Any) -> str:
    """`Name(field=value, ...)` of a dataclass or a msgspec record, short whatever it holds: to be its `__repr__`.

    Of longer values the first few are shown, then `...`; of arrays shape and dtype.
    """
    names = getattr(value, "__dataclass_fields__", None) or value.__struct_fields__
    fields = ", ".join(f"{name}={_brief.repr(getattr(value, name))}" for name in names)
    return f"{type(value).__name__}({fields})"
