"""The routes of a service: an image in, a mask out; whether it lives, what it knows, what it counts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from segdata.ops.serve.answers import GEOJSON, JSON, PNG, TYPES, Asked, Format
from segdata.ops.serve.body import FORM
from segdata.ops.serve.refusals import Gone, Refusal
from segdata.ops.serve.service import GONE, Service
from segdata.version import __version__

ANY_BYTES = {"schema": {"type": "string", "format": "binary"}}
IN_FORM = {"type": "object", "required": ["file"], "properties": {"file": ANY_BYTES["schema"]}}
BODY = {
    "requestBody": {
        "required": True, "description": "An image: its bytes, or a form with one file.",
        "content": {"application/octet-stream": ANY_BYTES, "image/*": ANY_BYTES, FORM: {"schema": IN_FORM}},
    }
}  # fmt: skip
REFUSED = {
    400: "No image, a damaged one, or a damaged form.", 408: "The request came in too slowly.",
    413: "Too many bytes or pixels.", 415: "No image of a format that is read.",
    422: "An image that is not like those of the model, or a query that is not understood.",
    500: "An error of the service.", 503: "Too many requests; Retry-After says when to try again.",
    504: "It took too long.",
}  # fmt: skip
"""Statuses other than 200, and what they mean."""

ERROR = {"type": "object", "properties": {"error": {"type": "object", "properties": {
    "code": {"type": "string"}, "message": {"type": "string"}}}}}  # fmt: skip

RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The mask.", "content": {PNG: ANY_BYTES, GEOJSON: {"schema": {"type": "object"}},
                                                  JSON: {"schema": {"type": "object"}}}},
    **{status: {"description": what, "content": {JSON: {"schema": ERROR}}} for status, what in REFUSED.items()},
}  # fmt: skip

Large = Annotated[float, Query(ge=0, le=1e12, allow_inf_nan=False)]

QUERY = ("format", "min_area", "simplify")


ELSEWHERE = {
    404: "there is nothing here: POST /predict, GET /model, /health, /ready, /metrics and /openapi.json are",
    405: "not by this method: POST an image to /predict, GET the others",
}  # fmt: skip


def make_app(service: Service) -> FastAPI:
    """The routes as an ASGI application, with `/openapi.json`. There are no pages of it: theirs load scripts of others."""
    app = FastAPI(title="segdata", version=__version__, docs_url=None, redoc_url=None)

    @app.post("/predict", response_class=Response, responses=RESPONSES, openapi_extra=BODY)
    async def predict(
        request: Request, format: Format = "mask", min_area: Large = 0.0, simplify: Large = 0.0
    ) -> Response:
        """The mask of an image, upright. format: mask (grey PNG of class ids), palette (the same in colours), polygons
        (GeoJSON in pixels; min_area and simplify are for these), shares (JSON)."""
        _refuse_unknown(request)
        body = await service.predict(request, Asked(format, min_area, simplify))
        return Response(body, media_type=TYPES[format], headers={"Segdata-Labels": service.digest})

    @app.get("/model")
    async def model() -> dict[str, Any]:
        """What the model knows, and the limits of the service."""
        return service.about

    @app.get("/health")
    async def health() -> dict[str, str]:
        """Whether the service lives."""
        return {"status": "ok"}

    @app.get("/ready", responses={503: RESPONSES[503]})
    async def ready() -> dict[str, str]:
        """Whether the next image would be taken in."""
        if service.gate.full:
            raise Refusal(503, "busy", "as many requests are inside as may be", 1)
        return {"status": "ready"}

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    _say_errors(app)
    return app


def _refuse_unknown(request: Request) -> None:
    if unknown := [name for name in request.query_params if name not in QUERY]:
        raise Refusal(422, "query", f"no parameter is called {unknown[0][:40]!r}: there are {', '.join(QUERY)}")


def _say_errors(app: FastAPI) -> None:
    """Have every error told in one form of JSON."""

    @app.exception_handler(Refusal)
    async def refused(_: Request, error: Refusal) -> Response:
        headers = {} if error.retry is None else {"Retry-After": str(error.retry)}
        return JSONResponse(error.to_json(), error.status, headers)

    @app.exception_handler(Gone)
    async def gone(_: Request, error: Gone) -> Response:
        return Response(status_code=GONE)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        message = f"{first['loc'][-1]}: {first['msg']}"
        return JSONResponse(Refusal(422, "query", message).to_json(), 422)

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> Response:
        said = Refusal(error.status_code, "http", ELSEWHERE.get(error.status_code, str(error.detail)))
        return JSONResponse(said.to_json(), error.status_code, error.headers)

    @app.exception_handler(Exception)
    async def internal(_: Request, error: Exception) -> Response:
        said = Refusal(500, "internal", "an error of the service, which its log tells")
        return JSONResponse(said.to_json(), 500, {"Connection": "close"})  # as the server does, once the error is told
