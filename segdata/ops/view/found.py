"""What analyses give to the page: their state, filters and orders, matrix, reliability, findings and regions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segdata.dataset.job import folder_name
from segdata.labels import IGNORE, Labels
from segdata.metrics.calibration import BINS
from segdata.metrics.confusion import Ints, plain
from segdata.ops.view.analyses import Analyses, numbered
from segdata.ops.view.answers import Refusal, answer
from segdata.ops.view.matrix import comparison_json, matrix_json
from segdata.ops.view.query import Pairs, rows_of, within
from segdata.ops.view.regions import bin_regions, cell_regions, suspect_regions
from segdata.ops.view.session import Session

Flags = NDArray[np.bool_]

RELIABILITY = (
    "Pixels by how sure the model is of its likeliest class; right: how many of them are. Pixels that the labels ignore are not "
    "counted. The calibration error (ECE) is the mean distance of right from sure, weighted by pixels, in {bins} bins."
)
OWN = ("of", "other")
"""Names in a request that are no part of the query."""


def routes(session: Session) -> list[Route]:
    """Analyses, and what follows from them."""
    analyses = Analyses(session, hook)
    session.ends.append(analyses.stop)
    analyses.jobs  # noqa: B018  # starts what starts by itself
    told = {"matrix": matrix, "reliability": reliability, "findings": codes}
    rows = {"regions": regions, "findings": findings}
    return [
        Route("/api/analyses", lambda _: answer(states(analyses)), methods=["GET"]),
        Route("/api/analyses/{name}", partial(start, analyses=analyses), methods=["POST"]),
        *(Route(f"/api/{name}", partial(one, session=session, analyses=analyses)) for name, one in told.items()),
        *(
            Route(f"/api/{name}/{{row:int}}", partial(one, session=session, analyses=analyses))
            for name, one in rows.items()
        ),
    ]


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
        out["comparison"] = {"other": other, **comparison_json(session, rows, scores, second, folder_name(session.preds[other]))}
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
    row = int(request.path_params["row"])
    session.sample(row)
    return answer(analyses.result("check").of(row))


def regions(request: Request, session: Session, analyses: Analyses) -> Response:
    """Where in a sample the pixels of a cell, of a bin, or what is suspect are. Raises `Refusal` if none of them is asked for."""
    row, of, query = int(request.path_params["row"]), number_of(request, session), request.query_params
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
    given = request.query_params.get(name, "0")
    if not given.isdecimal() or int(given) >= len(session.preds):
        raise Refusal(422, "prediction", f"{name}={given}: there are {len(session.preds)} predictions, numbered from 0")
    return int(given)


def query_of(request: Request) -> Pairs:
    """The query in a request, without order."""
    return [
        (name, value) for name, value in request.query_params.multi_items() if name not in (*OWN, "sort", "token", "v")
    ]


def hook(analyses: Analyses) -> None:
    """Make known what samples can be filtered and ordered by, once the analyses are done."""
    session = analyses.session
    labels = session.truth.labels
    for of in range(max(1, len(session.preds))):
        cell = partial(cell_pixels, analyses, labels, of)
        inside = partial(bin_pixels, analyses, of)
        for name, pixels in (("cell", cell), ("bin", inside)):
            key = numbered(name, of)
            session.filters[key] = partial(_any, pixels)
            session.orders[key] = partial(_asked, pixels, key)
        for label in labels.classes:
            iou = partial(class_iou, analyses, label.id, of)
            key = numbered(f"iou.{label.name}", of)
            session.filters[key] = partial(_between, iou, key)
            session.orders[key] = partial(_ignoring, iou)
    session.filters["finding"] = partial(having, session, analyses)
    session.filters["duplicates"] = partial(in_group, analyses)
    session.orders["duplicates"] = partial(_ignoring, partial(groups, analyses))


def cell_pixels(analyses: Analyses, labels: Labels, of: int, value: str) -> Ints:
    """(N,) pixels of a cell, TRUE:GIVEN."""
    pixels: Ints = analyses.result(numbered("evaluate", of)).cell(*cell_of(value, labels))
    return pixels


def bin_pixels(analyses: Analyses, of: int, value: str) -> Ints:
    """(N,) pixels of a bin."""
    pixels: Ints = analyses.result(numbered("confidence", of)).in_bin(bin_of(value))
    return pixels


def class_iou(analyses: Analyses, class_id: int, of: int) -> NDArray[np.float32]:
    """(N,) the IoU of a class."""
    iou: NDArray[np.float32] = analyses.result(numbered("evaluate", of)).iou(class_id)
    return iou


def having(session: Session, analyses: Analyses, code: str) -> Flags:
    """(N,) which samples have a finding. Raises `Refusal` for a code that nothing has."""
    found = analyses.result("check")
    known = {one.code for one in found.findings}
    if code != "any" and code not in known:
        raise Refusal(422, "finding", f"no finding is {code!r}: there are {', '.join(sorted(known)) or 'none'}")
    out = np.zeros(len(session.index), np.bool_)
    out[found.having(code)] = True
    return out


def in_group(analyses: Analyses, value: str) -> Flags:
    """(N,) which samples are in a group of like images, or (yes) in any. Raises `Refusal`."""
    group = analyses.result("duplicates").group
    if value == "yes":
        return np.asarray(group > 0)
    if not value.isdecimal() or not 1 <= int(value) <= group.max(initial=0):
        raise Refusal(
            422, "duplicates", f"duplicates={value}: must be yes, or a group from 1 to {group.max(initial=0)}"
        )
    return np.asarray(group == int(value))


def groups(analyses: Analyses) -> NDArray[np.float64]:
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
    if not value.isdecimal() or int(value) >= BINS:
        raise Refusal(422, "bin", f"bin={value}: must be 0 to {BINS - 1}")
    return int(value)


def _any(pixels: Callable[[str], Ints], value: str) -> Flags:
    return np.asarray(pixels(value) > 0)


def _between(values: Callable[[], NDArray[np.float32]], name: str, span: str) -> Flags:
    return within(values(), name, span)


def _ignoring(values: Callable[[], NDArray[Any]], query: Pairs) -> NDArray[np.float64]:
    return values().astype(np.float64)


def _asked(pixels: Callable[[str], Ints], name: str, query: Pairs) -> NDArray[np.float64]:
    """(N,) by the value that the query itself has. Raises `Refusal` if it has none."""
    given = [value for key, value in query if key == name]
    if not given:
        raise Refusal(422, "sort", f"sort={name} takes {name}=... beside it")
    return pixels(given[-1]).astype(np.float64)
