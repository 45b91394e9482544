"""The application: the page's own files, and what each part of the viewer answers."""

from __future__ import annotations

from importlib.resources import files

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from segdata.errors import SegdataError
from segdata.ops.view import pictures, samples
from segdata.ops.view.answers import Refusal, refused
from segdata.ops.view.guard import Guard
from segdata.ops.view.session import Session

PARTS = (samples, pictures)
"""Each has `routes(session)`: a list of routes below /api/."""

TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}  # fmt: skip


def make_app(session: Session, token: str | None) -> ASGIApp:
    """The whole application, behind its guard."""
    routes = [Route("/", page), Route("/static/{name}", static)]
    for part in PARTS:
        routes += part.routes(session)
    said = {Refusal: _refused, SegdataError: _wrong}
    return Guard(Starlette(routes=routes, exception_handlers=said), token)


def page(request: Request) -> Response:
    """The page."""
    return _own("index.html")


def static(request: Request) -> Response:
    """A script, style or picture of the page."""
    return _own(request.path_params["name"])


def _own(name: str) -> Response:
    folder = files("segdata.ops.view") / "static"
    ending = name[name.rfind(".") :]
    if ending not in TYPES or name not in {one.name for one in folder.iterdir()}:
        raise Refusal(404, "static", f"there is no {name!r}")
    return Response((folder / name).read_bytes(), headers={"cache-control": "no-cache"}, media_type=TYPES[ending])


async def _refused(_: Request, error: Exception) -> Response:
    return refused(error) if isinstance(error, Refusal) else refused(Refusal(500, "internal", "an error of the viewer"))


async def _wrong(_: Request, error: Exception) -> Response:
    return refused(Refusal(422, getattr(getattr(error, "problem", None), "code", "data"), str(error)))
