"""What analyses give to the page: their state, filters and orders, matrix, reliability, findings and regions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segdata.dataset.job import folder_name
from segdata.metrics.calibration import BINS
from segdata.metrics.confusion import plain
from segdata.ops.view.analyses import Analyses, numbered
from segdata.ops.view.answers import Refusal, answer, row_of, whole
from segdata.ops.view.hooks import bin_of, cell_of, hook
from segdata.ops.view.matrix import comparison_json, matrix_json
from segdata.ops.view.query import Pairs, pairs_of, rows_of
from segdata.ops.view.regions import bin_regions, cell_regions, suspect_regions
from segdata.ops.view.session import Session

RELIABILITY = (
    "Pixels by how sure the model is of its likeliest class; right: how many of them are. Pixels that the labels ignore are not "
    "counted. The calibration error (ECE) is the mean distance of right from sure, weighted by pixels, in {bins} bins."
)


def routes(session: Session) -> list[Route]:
    """Analyses, and what follows from them."""
    analyses = Analyses(session, hook)
    session.ends.append(analyses.stop)
    session.reopened.append(analyses.renew)
    analyses.renew()

    def told(path: str, tell: Callable[..., Response]) -> Route:
        return Route(f"/api/{path}", partial(tell, session=session, analyses=analyses))

    return [
        Route("/api/analyses", lambda _: answer(states(analyses)), methods=["GET"]),
        Route("/api/analyses/{name}", partial(start, analyses=analyses), methods=["POST"]),
        told("matrix", matrix), told("reliability", reliability), told("findings", codes),
        told("findings/{row}", findings), told("regions/{row}", regions),
    ]  # fmt: skip


def states(analyses: Analyses) -> list[dict[str, Any]]:
    """Every analysis and how far it is."""
    return [job.to_json() for job in analyses.jobs.values()]


def start(request: Request, analyses: Analyses) -> Response:
    """Start an analysis."""
    analyses.start(request.path_params["name"])
    return answer(states(analyses), 202)


def matrix(request: Request, session: Session, analyses: Analyses) -> Response:
    """The matrix of the images that fit; with `other`, the difference from that prediction."""
    of, rows = number_of(request, session), rows_of(session, query_of(request))
    scores = analyses.result(numbered("evaluate", of))
    out = matrix_json(session, rows, scores, of)
    if "other" in request.query_params:
        other = number_of(request, session, "other")
        second = analyses.result(numbered("evaluate", other))
        out["comparison"] = {
            "other": other,
            **comparison_json(session, rows, scores, second, folder_name(session.preds[other])),
        }
    return answer(out)


def reliability(request: Request, session: Session, analyses: Analyses) -> Response:
    """The reliability curve of the images that fit."""
    of, rows = number_of(request, session), rows_of(session, query_of(request))
    bins, images = analyses.result(numbered("confidence", of)).of(rows)
    told = RELIABILITY.format(bins=BINS)
    return answer({"of": of, "bins": bins.to_json(), "ece": plain(bins.ece), "images": images, "policy": told})


def codes(request: Request, session: Session, analyses: Analyses) -> Response:
    """What is wrong with the dataset, by code."""
    return answer(analyses.result("check").codes())


def findings(request: Request, session: Session, analyses: Analyses) -> Response:
    """What is wrong with a sample."""
    row = row_of(request)
    session.sample(row)
    return answer(analyses.result("check").of(row))


def regions(request: Request, session: Session, analyses: Analyses) -> Response:
    """Where in a sample the pixels of a cell, of a bin, or what is suspect are. Raises `Refusal` if none of them is asked for."""
    row, of, query = row_of(request), number_of(request, session), request.query_params
    labels, truth = session.truth.labels, (session.truth, session.sample(row))
    if "suspects" in query:
        return answer(suspect_regions(analyses.result(numbered("suspects", of)), row, labels))
    if "cell" in query:
        true, given = cell_of(query["cell"], labels)
        value = labels.ignore if given == len(labels.classes) else given
        return answer(cell_regions(truth, session.pred(of, row), true, value))
    if "bin" in query:
        pred = session.pred(of, row)
        if pred[1].scores is None:
            raise Refusal(404, "scores", f"{truth[1].id} has no scores")
        return answer(bin_regions(truth, pred, bin_of(query["bin"])))
    raise Refusal(422, "regions", "ask for cell=TRUE:GIVEN, bin=N or suspects=1")


def number_of(request: Request, session: Session, name: str = "of") -> int:
    """The number of the prediction that is asked for. Raises `Refusal`."""
    if not session.preds:
        raise Refusal(422, name, f"there is no prediction: segdata view {session.truth.root} PRED")
    return whole(request.query_params, name, 0, most=len(session.preds) - 1)


def query_of(request: Request) -> Pairs:
    """The query in a request, without order."""
    return [pair for pair in pairs_of(request) if pair[0] not in ("other", "sort")]
