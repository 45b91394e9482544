"""Which splits an expression names: one (`train`), several (`fold1,fold2`), or all but some (`!fold0`)."""

from __future__ import annotations

from collections.abc import Sequence

from segdata.errors import OptionError
from segdata.words import some, suggest

ALL_BUT, AND = "!", ","


def chosen_splits(expression: str, splits: Sequence[str]) -> tuple[str, ...]:
    """The splits, of those there are, that an expression names, in the order of `splits`.

    `fold1,fold2` are these, `!fold0` all but this one, `!val,!test` all but these. A split that is called like the whole
    expression is meant before anything else. Raises `OptionError` for a name that is no split, and where nothing is left.
    """
    if expression in splits:
        return (expression,)
    parts = [part.strip() for part in expression.split(AND)]
    without = {part.removeprefix(ALL_BUT).strip() for part in parts if part.startswith(ALL_BUT)}
    named = {part for part in parts if not part.startswith(ALL_BUT)}
    if foreign := [name for name in (*sorted(named), *sorted(without)) if name not in splits]:
        raise OptionError(f"no split {foreign[0]!r}: {_there_are(foreign[0], splits)}")
    chosen = tuple(name for name in splits if name in (named or set(splits)) - without)
    if not chosen:
        raise OptionError(f"{expression!r} leaves no split: {_there_are('', splits)}")
    return chosen


def _there_are(name: str, splits: Sequence[str]) -> str:
    if len(splits) > 8:
        return suggest(name, splits)
    return f"there are {some(splits)}" if splits else "it has no splits"
