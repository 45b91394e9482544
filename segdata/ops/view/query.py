"""Which samples are asked for, and in which order: a filter and a sort as the page's URL has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from segdata.labels import Labels
from segdata.ops.view.answers import Refusal
from segdata.ops.view.index import Bools, Floats, Index, Ints, folded
from segdata.ops.view.session import Session
from segdata.words import some, suggest

Pairs = Sequence[tuple[str, str]]
"""Names and values of a query, in order; a name may come again."""

ASIDE = ("token", "v", "start", "count", "place", "of")
"""What a request may say besides."""

NUMBER = re.compile(r"[+-]?(\d{1,20}\.?\d{0,20}|\.\d{1,20})([eE][+-]?\d{1,2})?", re.ASCII)


def pairs_of(request: Request) -> Pairs:
    """The query of a request."""
    return [pair for pair in request.query_params.multi_items() if pair[0] not in ASIDE]


def rows_of(session: Session, query: Pairs) -> Ints:
    """(M,) the rows that fit all of a query, in its order. Raises `Refusal` for names and values that there are not.

    split=a,b · group=G · id=ID (of several of one of these names, one must fit) · text=part of the id · class=NAME or
    NAME:LOW..HIGH (of its share in the image) · not=NAME · ignore=LOW..HIGH (share) · size=LOW..HIGH (pixels) ·
    COLUMN=LOW..HIGH of what an analysis gave · what `session.filters` has · sort=NAME or -NAME (the first one counts most):
    id, size, ignore, split, group, class.NAME, a column, what `session.orders` has. An end of a range may be left out. What is
    not known never fits a range, and comes last in any order.
    """
    pairs = tuple((name, value) for name, value in query)
    if not pairs:
        return np.arange(len(session.truth))
    return session.remembered(pairs, lambda: _Query(session, session.index, session.truth.labels).rows(pairs))


def sorted_by(session: Session, query: Pairs) -> tuple[str, Floats] | None:
    """The name and (N,) numbers of the first order, if an analysis gave it and it is no column; otherwise None."""
    given: dict[str, list[str]] = {}
    for name, value in query:
        given.setdefault(name, []).append(value)
    order = given.pop("sort", [""])[0].removeprefix("-")
    return (order, np.asarray(session.orders[order](given))) if order in session.orders else None


def class_id(labels: Labels, name: str) -> int:
    """The mask value of a class, or of `ignore`. Raises `Refusal`."""
    if name == "ignore" and name not in labels.names:
        return labels.ignore
    if name not in labels.names:
        raise Refusal(422, "class", f"there is no class {name!r}: {suggest(name, (*labels.names, 'ignore'))}")
    return labels.names.index(name)


def span(name: str, text: str) -> tuple[float, float]:
    """LOW..HIGH, either of which may be left out, or one number. Raises `Refusal`."""
    low, dots, high = text.partition("..")
    given = [end for end in ((low, high) if dots else (text,)) if end or not dots]
    if all(NUMBER.fullmatch(end) for end in given):
        ends = float(low or -inf), float(high or inf) if dots else float(text)
        if ends[0] <= ends[1]:
            return ends
    what = "must be LOW..HIGH, two numbers, the lower one first, of which one may be left out"
    raise Refusal(422, name, f"{name}={text}: {what}")


@dataclass(frozen=True, slots=True)
class _Query:
    """What names of filters and orders mean for an index."""

    session: Session
    index: Index
    labels: Labels

    def rows(self, pairs: Pairs) -> Ints:
        """(M,) as `rows_of`."""
        given: dict[str, list[str]] = {}
        for name, value in pairs:
            given.setdefault(name, []).append(value)
        orders = [self.order(value, given) for value in given.pop("sort", [])]
        keep = np.ones(len(self.index), np.bool_)
        for name, values in given.items():
            keep &= self.fitting(name, values)
        rows = np.flatnonzero(keep)
        return rows[np.lexsort([order[rows] for order in reversed(orders)])] if orders else rows

    def fitting(self, name: str, values: Sequence[str]) -> Bools:
        """(N,) which samples fit each value of a name; of `EITHER`, one."""
        if name in EITHER:
            return EITHER[name](self.index, values)
        found = [self._fits(name, value) for value in dict.fromkeys(values)]
        return np.asarray(np.logical_and.reduce(found))

    def _fits(self, name: str, value: str) -> Bools:
        if name in EACH:
            return EACH[name](self.index, self.labels, value)
        if name in self.session.filters:
            return self.session.filters[name](value)
        if (column := self.index.more.get(name)) is not None:
            return in_span(column, *span(name, value))
        known = (*EITHER, *EACH, *self.session.filters, *self.index.more, "sort")
        raise Refusal(422, "filter", f"there is no filter {name!r}: there are {some(known, 40)}")

    def order(self, name: str, given: Mapping[str, Sequence[str]]) -> Floats:
        """(N,) numbers that ascend in an order, beside the filters that are given; what is not known last."""
        plain = name.removeprefix("-")
        values = self._order(plain, given).astype(np.float64)
        return np.where(np.isnan(values), inf, values if plain == name else -values)

    def _order(self, name: str, given: Mapping[str, Sequence[str]]) -> Floats:
        if name in ORDERS:
            return np.asarray(ORDERS[name](self.index))
        if name in self.session.orders:
            return np.asarray(self.session.orders[name](given))
        if (column := self.index.more.get(name)) is not None:
            return np.asarray(column)
        if name.startswith("class."):
            return self.index.share(class_id(self.labels, name.removeprefix("class.")))
        known = (*ORDERS, "class.NAME", *self.session.orders, *self.index.more)
        raise Refusal(422, "sort", f"sort={name}: there is no such order: there are {some(known, 40)}")


def in_span(values: NDArray[Any], low: float, high: float) -> Bools:
    """(N,) which values are in a range; NaN is in none."""
    return (values >= low) & (values <= high)


def _split(index: Index, values: Sequence[str]) -> Bools:
    wanted = _named(values, index.split_names, "split")
    return np.isin(index.splits, [i for i, name in enumerate(index.split_names) if name in wanted])


def _group(index: Index, values: Sequence[str]) -> Bools:
    known = {name: i for i, name in enumerate(index.group_names)}
    for value in values:
        if value not in known:
            raise Refusal(422, "group", f"there is no group {value!r}: {suggest(value, index.group_names)}")
    return np.isin(index.groups, [known[value] for value in values])


def _named(values: Iterable[str], known: Sequence[str], what: str) -> set[str]:
    """Names that are given alone or as lists with commas. Raises `Refusal`."""
    wanted = {name for value in values for name in ([value] if value in known else value.split(","))}
    if strange := sorted(wanted - set(known)):
        raise Refusal(422, what, f"there is no {what} {strange[0]!r}: there are {some(known, 40)}")
    return wanted


def _id(index: Index, values: Sequence[str]) -> Bools:
    keep = np.zeros(len(index), np.bool_)
    keep[[row for value in values if (row := index.row_of(value)) is not None]] = True
    return keep


def _text(index: Index, _: Labels, value: str) -> Bools:
    part = folded(value)
    return np.array([part in id for id in index.folded], np.bool_)


def _class(index: Index, labels: Labels, value: str) -> Bools:
    name, colon, ends = value.rpartition(":")
    if value in labels.names or not (colon and ".." in ends):
        return index.of_value(class_id(labels, value)) > 0
    return in_span(index.share(class_id(labels, name)), *span("class", ends))


def _not(index: Index, labels: Labels, value: str) -> Bools:
    return ~_class(index, labels, value)


def _ignore(index: Index, _: Labels, value: str) -> Bools:
    return in_span(index.share(index.ignore), *span("ignore", value))


def _size(index: Index, _: Labels, value: str) -> Bools:
    return in_span(index.areas, *span("size", value))


EITHER: dict[str, Callable[[Index, Sequence[str]], Bools]] = {"split": _split, "group": _group, "id": _id}
"""Filters of which a sample has one value: it fits if it is one of those given."""

EACH: dict[str, Callable[[Index, Labels, str], Bools]] = {
    "text": _text, "class": _class, "not": _not, "ignore": _ignore, "size": _size,
}  # fmt: skip
"""Filters that must all fit, however often they are given."""


def _by_name(numbers: NDArray[Any], names: Sequence[str]) -> Floats:
    """(N,) the place of each name among all in order, NaN for none."""
    places = np.full(len(names) + 1, np.nan)
    places[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return np.asarray(places[numbers])


ORDERS: dict[str, Callable[[Index], Floats | Ints]] = {
    "id": lambda index: index.rank,
    "size": lambda index: index.areas,
    "ignore": lambda index: index.share(index.ignore),
    "split": lambda index: _by_name(index.splits, index.split_names),
    "group": lambda index: _by_name(index.groups, index.group_names),
}
