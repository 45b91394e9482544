"""What there is, and which samples fit a query."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segdata.dataset.job import folder_name
from segdata.ops.view.answers import answer
from segdata.ops.view.query import rows_of
from segdata.ops.view.session import Session
from segdata.version import __version__

MOST = 500
"""Samples that one answer tells of."""


def routes(session: Session) -> list[Route]:
    """About the dataset, and its samples."""

    def about(_: Request) -> Response:
        return answer(about_json(session))

    def listed(request: Request) -> Response:
        query = request.query_params
        rows = rows_of(session.index, session.truth.labels, query.multi_items())
        start, count = int(query.get("start", 0)), min(MOST, int(query.get("count", 60)))
        samples = [sample_json(session, row) for row in rows[start : start + count].tolist()]
        return answer(
            {
                "edition": session.edition,
                "changed": session.changed,
                "total": len(rows),
                "start": start,
                "samples": samples,
            }
        )

    return [Route("/api/about", about), Route("/api/samples", listed)]


def about_json(session: Session) -> dict[str, Any]:
    """The dataset, its classes, its predictions, and what samples can be filtered and sorted by."""
    truth, labels = session.truth, session.truth.labels
    return {
        "version": __version__, "edition": session.edition, "writable": session.writable,
        "name": folder_name(truth), "root": str(truth.root), "samples": len(truth), "images": truth.images,
        "ignore": labels.ignore,
        "classes": [{"id": c.id, "name": c.name, "color": list(c.color)} for c in labels.classes],
        "splits": list(session.index.split_names),
        "preds": [{"name": folder_name(pred), "samples": len(pred)} for pred in session.preds],
    }  # fmt: skip


def sample_json(session: Session, row: int) -> dict[str, Any]:
    """A sample."""
    index = session.index
    group = int(index.groups[row])
    return {
        "row": row, "id": index.ids[row], "split": index.split_names[index.splits[row]],
        "group": None if group < 0 else index.group_names[group], "height": int(index.heights[row]),
        "width": int(index.widths[row]), "counts": {str(v): n for v, n in index.counts(row).items()},
        "preds": [bool(places[row] >= 0) for places in index.preds],
    }  # fmt: skip
