"""What there is, and which samples fit a query."""

from __future__ import annotations

from math import isnan
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segdata.dataset.job import folder_name
from segdata.dataset.manifest import Parts
from segdata.dataset.sample import Sample, split_name
from segdata.labels import Label, default_color
from segdata.ops.view.answers import Refusal, answer, whole
from segdata.ops.view.index import Index, Ints
from segdata.ops.view.query import Pairs, pairs_of, rows_of, sorted_by
from segdata.ops.view.session import Column, Session
from segdata.version import __version__
from segdata.words import suggest

MOST, ALL = 500, 1_000_000
"""Samples that one answer tells of, and ids."""

RELOAD = "/api/reload"

MOMENT = 0.2
"""Seconds for which a first page waits for the index, which tells more; that of a manifest in parts takes longer."""


def routes(session: Session) -> list[Route]:
    """About the dataset, and its samples."""

    def about(_: Request) -> Response:
        return answer(about_json(session))

    def listed(request: Request) -> Response:
        start, count = whole(request.query_params, "start", 0), whole(request.query_params, "count", 60)
        return answer(page_json(session, pairs_of(request), start, min(MOST, count)))

    def facets(request: Request) -> Response:
        return answer(facets_json(session, rows_of(session, pairs_of(request))))

    def ids(request: Request) -> Response:
        rows, known = rows_of(session, pairs_of(request)), session.index.ids
        return answer(
            {"edition": session.edition, "total": len(rows), "ids": [known[row] for row in rows[:ALL].tolist()]}
        )

    def find(request: Request) -> Response:
        place = None if "place" not in request.query_params else whole(request.query_params, "place", 0)
        return answer(found_json(session, pairs_of(request), place))

    def reload(_: Request) -> Response:
        session.reload()
        return answer(about_json(session))

    return [
        Route("/api/about", about), Route("/api/samples", listed), Route("/api/facets", facets), Route("/api/rows", ids),
        Route("/api/find", find), Route(RELOAD, reload, methods=["POST"]),
    ]  # fmt: skip


def about_json(session: Session) -> dict[str, Any]:
    """The dataset, its classes, its predictions, and what samples can be filtered and sorted by."""
    loading, truth = session.opened.loading, session.truth
    labels = truth.labels
    index = loading.index if loading.is_done else None
    return {
        "version": __version__, "edition": session.edition, "changed": session.changed, "writable": session.writable,
        "name": folder_name(truth), "root": str(truth.root), "samples": len(truth), "images": truth.images,
        "ignore": labels.ignore, "classes": [_class_json(one) for one in labels.classes],
        "splits": sorted(truth.splits if index is None else index.split_names),
        "groups": None if index is None else len(index.group_names),
        "preds": [
            {"name": folder_name(pred), "samples": len(pred), "scored": bool(len(pred)) and pred.samples[0].scores is not None}
            for pred in loading.preds
        ],
        "columns": [] if index is None else [_column_json(session, name) for name in index.more],
        "roots": list(loading.outside.folders), "refused": list(loading.outside.refused),
        "ready": round(loading.share, 2), "fault": loading.fault,
        **{name: tell() for name, tell in session.about.items()},
    }  # fmt: skip


def _class_json(one: Label) -> dict[str, Any]:
    safe = default_color(one.id, one.name)  # which colour-blind people tell apart
    return {"id": one.id, "name": one.name, "color": list(one.color), "safe": list(safe)}


def _column_json(session: Session, name: str) -> dict[str, Any]:
    column = session.columns.get(name, Column(name))
    return {"name": name, "title": column.title, "kind": column.kind, "low_is_bad": column.low_is_bad}


def page_json(session: Session, query: Pairs, start: int, count: int) -> dict[str, Any]:
    """Some of the samples that fit. All of them are told of before the index is read, from the manifest."""
    loading = session.opened.loading
    if query or loading.wait(0 if isinstance(session.truth.samples, Parts) else MOMENT):
        rows = rows_of(session, query)
        total, samples = len(rows), [sample_json(session, row) for row in rows[start : start + count].tolist()]
        if (told := sorted_by(session, query)) is not None:
            for sample in samples:
                sample["values"][told[0]] = _number(float(told[1][sample["row"]]))
    else:
        total, found = len(session.truth), session.truth.samples[start : start + count]
        samples = [_from_manifest(sample, start + i, len(session.preds)) for i, sample in enumerate(found)]
    return {
        "edition": session.edition, "changed": session.changed, "ready": loading.is_done, "total": total, "start": start,
        "samples": samples,
    }  # fmt: skip


def sample_json(session: Session, row: int) -> dict[str, Any]:
    """A sample, with what analyses and tags know of it."""
    index = session.index
    group = int(index.groups[row])
    return {
        "row": row, "id": index.ids[row], "split": index.split_names[index.splits[row]],
        "group": None if group < 0 else index.group_names[group], "height": int(index.heights[row]),
        "width": int(index.widths[row]), "counts": {str(v): n for v, n in index.counts(row).items()},
        "preds": [bool(places[row] >= 0) for places in index.preds],
        "values": {name: _number(float(column[row])) for name, column in index.more.items()},
        **{name: tell(row) for name, tell in session.fields.items()},
    }  # fmt: skip


def _from_manifest(sample: Sample, row: int, preds: int) -> dict[str, Any]:
    """A sample of which the index does not know yet, nor whether there are predictions of it (null)."""
    return {
        "row": row, "id": sample.id, "split": split_name(sample.split), "group": sample.group, "height": sample.height,
        "width": sample.width, "counts": {str(v): n for v, n in sample.counts.items() if n}, "preds": [None] * preds,
        "values": {},
    }  # fmt: skip


def _number(value: float) -> float | None:
    """Six digits; None for what is not known."""
    return None if isnan(value) else float(f"{value:.6g}")


def facets_json(session: Session, rows: Ints) -> dict[str, Any]:
    """What samples of these rows hold: of each split, class and column."""
    index, labels = session.index, session.truth.labels
    sums = index.sums(rows)
    splits = np.bincount(index.splits[rows], minlength=len(index.split_names))
    ids = [*(one.id for one in labels.classes), labels.ignore]
    return {
        "total": len(rows),
        "splits": {name: int(n) for name, n in sorted(zip(index.split_names, splits, strict=True)) if n},
        "classes": [dict(zip(("id", "samples", "pixels"), (id, *sums.get(id, (0, 0))), strict=True)) for id in ids],
        "columns": {name: _extent(column[rows]) for name, column in index.more.items()},
        **{name: tell(rows) for name, tell in session.facets.items()},
    }


def _extent(values: Any) -> dict[str, Any]:
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (np.nan, np.nan)
    return {"low": _number(low), "high": _number(high), "known": len(known)}


def found_json(session: Session, query: Pairs, place: int | None) -> dict[str, Any]:
    """A sample and its place among those that fit: by place, or by the first `id` of the query. Raises `Refusal`."""
    if place is not None:
        rows = rows_of(session, query)
        if place >= len(rows):
            raise Refusal(404, "place", f"place={place}: {len(rows):,} samples fit")
        return {"sample": _shown_json(session, int(rows[place])), "place": place, "total": len(rows)}
    at = next((i for i, (name, _) in enumerate(query) if name == "id"), None)
    if at is None:
        raise Refusal(422, "id", "id=ID or place=N is missing")
    id, rows = query[at][1], rows_of(session, [*query[:at], *query[at + 1 :]])
    row = _row_of(session.index, id)
    found = np.flatnonzero(rows == row)
    return {"sample": _shown_json(session, row), "place": int(found[0]) if len(found) else None, "total": len(rows)}


def _shown_json(session: Session, row: int) -> dict[str, Any]:
    """A sample, and how many pixels its predictions have of each value; null: unknown, or there is none."""
    known = [session.pred(i, row)[1].counts if places[row] >= 0 else {} for i, places in enumerate(session.index.preds)]
    counts = [{str(v): n for v, n in one.items() if n} or None for one in known]
    return sample_json(session, row) | {"pred_counts": counts}


def _row_of(index: Index, id: str) -> int:
    row = index.row_of(id)
    if row is None:
        raise Refusal(404, "id", f"there is no sample {id!r}: {suggest(id, index.ids[:10_000])}")
    return row
