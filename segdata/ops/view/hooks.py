"""What samples can be filtered and ordered by, once analyses are done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from segdata.dataset.job import folder_name
from segdata.labels import IGNORE, Labels
from segdata.metrics.calibration import BINS
from segdata.ops.view.analyses import Analyses, numbered
from segdata.ops.view.answers import Refusal, whole
from segdata.ops.view.index import Bools, Floats, Ints
from segdata.ops.view.query import in_span, span
from segdata.ops.view.session import Column, Filter, Sorting

Given = Mapping[str, Sequence[str]]
"""The filters of a query, by name."""

COLUMNS = {
    "iou": Column("Mean IoU"), "accuracy": Column("Pixel accuracy"), "suspicion": Column("Suspicion", low_is_bad=False),
    "confidence": Column("Confidence"),
}  # fmt: skip


def hook(analyses: Analyses) -> None:
    """Make them known to the session, for the edition that is open, in place of those of the one before."""
    session = analyses.session
    labels, preds = session.truth.labels, session.preds
    filters: dict[str, Filter] = {"finding": partial(having, analyses), "duplicates": partial(in_group, analyses)}
    orders: dict[str, Sorting] = {"duplicates": partial(_always, partial(groups, analyses))}
    columns: dict[str, Column] = {}
    for of in range(max(1, len(preds))):
        whose = f" ({folder_name(preds[of])})" if len(preds) > 1 else ""
        for name, column in COLUMNS.items():
            columns[numbered(name, of)] = replace(column, title=f"{column.title}{whose}")
        for name, pixels in (
            ("cell", partial(cell_pixels, analyses, labels, of)),
            ("bin", partial(bin_pixels, analyses, of)),
        ):
            key = numbered(name, of)
            filters[key] = partial(_any, pixels)
            orders[key] = partial(_asked, pixels, key)
        for label in labels.classes:
            key = numbered(f"iou.{label.name}", of)
            iou = partial(class_iou, analyses, label.id, of, key)
            columns[key] = Column(f"IoU of {label.name}{whose}")
            filters[key] = partial(_between, iou, key)
            orders[key] = partial(_always, iou)
    others = {name: one for name, one in session.filters.items() if name not in analyses.offered}
    session.filters, session.orders, session.columns = {**others, **filters}, orders, columns
    analyses.offered = frozenset(filters)


def cell_pixels(analyses: Analyses, labels: Labels, of: int, value: str) -> Ints:
    """(N,) pixels of a cell, TRUE:GIVEN."""
    pixels: Ints = analyses.result(numbered("evaluate", of)).cell(*cell_of(value, labels))
    return pixels


def bin_pixels(analyses: Analyses, of: int, value: str) -> Ints:
    """(N,) pixels of a bin."""
    pixels: Ints = analyses.result(numbered("confidence", of)).in_bin(bin_of(value))
    return pixels


def class_iou(analyses: Analyses, class_id: int, of: int, name: str) -> Floats:
    """(N,) the IoU of a class; it becomes a column of the index once it is asked for, as all of them would be large."""
    scores, more = analyses.result(numbered("evaluate", of)), analyses.session.index.more
    if name not in more:
        more[name] = scores.iou(class_id)
    return np.asarray(more[name], np.float64)


def having(analyses: Analyses, code: str) -> Bools:
    """(N,) which samples have a finding. Raises `Refusal` for a code that nothing has."""
    found = analyses.result("check")
    known = {one.code for one in found.findings}
    if code != "any" and code not in known:
        raise Refusal(422, "finding", f"no finding is {code!r}: there are {', '.join(sorted(known)) or 'none'}")
    out = np.zeros(len(analyses.session.index), np.bool_)
    out[found.having(code)] = True
    return out


def in_group(analyses: Analyses, value: str) -> Bools:
    """(N,) which samples are in a group of like images, or (yes) in any. Raises `Refusal`."""
    group = analyses.result("duplicates").group
    if value == "yes":
        return np.asarray(group > 0)
    number = whole({"duplicates": value}, "duplicates", 0, 1, int(group.max(initial=0)))
    return np.asarray(group == number)


def groups(analyses: Analyses) -> Floats:
    """(N,) the group of like images, NaN: none."""
    group = analyses.result("duplicates").group
    return np.where(group > 0, group, np.nan)


def cell_of(value: str, labels: Labels) -> tuple[int, int]:
    """The class ids of TRUE:GIVEN, K for a `given` of ignore. Names may contain colons. Raises `Refusal`."""
    given = {IGNORE: len(labels.classes), **{name: i for i, name in enumerate(labels.names)}}
    for i in [i for i, sign in enumerate(value) if sign == ":"]:
        true, other = value[:i], value[i + 1 :]
        if true in labels.names and other in given:
            return labels.names.index(true), given[other]
    raise Refusal(422, "cell", f"cell={value}: must be TRUE:GIVEN, of {', '.join(labels.names)}; GIVEN may be {IGNORE}")


def bin_of(value: str) -> int:
    """The number of a bin. Raises `Refusal`."""
    return whole({"bin": value}, "bin", 0, most=BINS - 1)


def _any(pixels: Callable[[str], Ints], value: str) -> Bools:
    return np.asarray(pixels(value) > 0)


def _between(values: Callable[[], Floats], name: str, text: str) -> Bools:
    return in_span(values(), *span(name, text))


def _always(values: Callable[[], Floats], given: Given) -> Floats:
    return values()


def _asked(pixels: Callable[[str], Ints], name: str, given: Given) -> Floats:
    """(N,) by the value that the query itself has. Raises `Refusal` if it has none."""
    if name not in given:
        raise Refusal(422, "sort", f"sort={name} takes {name}=... beside it")
    return pixels(given[name][-1]).astype(np.float64)
