"""The application: the page's own files, and what each part of the viewer answers."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from segdata.errors import DataError, SegdataError
from segdata.ops.view import acts, found, pictures, samples, tagging
from segdata.ops.view.answers import BROKEN, Refusal, refused
from segdata.ops.view.guard import Guard
from segdata.ops.view.samples import RELOAD
from segdata.ops.view.session import Session

PARTS = (samples, pictures, found, tagging, acts)
"""Each has `routes(session)`: a list of routes below /api/."""

TYPES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}  # fmt: skip

STATUS = {"image.missing": 404, "mask.missing": 404, "image.outside": 403}
"""What a problem with a file is in HTTP; any other is 422."""


def make_app(session: Session, token: str | None, names: tuple[str, ...] = ()) -> ASGIApp:
    """The whole application, behind its guard; `names` are further names of this machine."""
    routes = [Route("/", page), Route("/static/{name}", static)]
    for part in PARTS:
        routes += part.routes(session)
    said = {Refusal: _refused, SegdataError: _wrong, HTTPException: _http, Exception: _broken}
    return Guard(Edition(Starlette(routes=routes, exception_handlers=said), session), token, names)


class Edition:
    """An application that answers about rows of the edition that is open alone: `v` says of which they are.

    While it answers another edition may be opened; what it made of both is not sent.
    """

    def __init__(self, app: ASGIApp, session: Session) -> None:
        self.app, self.session = app, session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what asks about another edition."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        said: list[Message] = []

        async def keep(message: Message) -> None:
            said.append(message)

        begun = None if scope["path"] == RELOAD else str(self.session.edition)
        try:
            self.session.refuse_old(QueryParams(scope["query_string"]).get("v"))
            try:
                await self.app(scope, receive, keep)
            finally:
                self.session.refuse_old(begun)
                for message in said:
                    await send(message)
        except Refusal as why:
            await refused(why)(scope, receive, send)


async def page(_: Request) -> Response:
    """The page."""
    return _own("index.html")


async def static(request: Request) -> Response:
    """A script, style or picture of the page."""
    return _own(request.path_params["name"])


def _own(name: str) -> Response:
    if name not in own_files():
        raise Refusal(404, "static", f"there is no {name!r}")
    media = TYPES[name[name.rfind(".") :]]
    return Response(own_files()[name], headers={"cache-control": "no-cache"}, media_type=media)


@cache
def own_files() -> dict[str, bytes]:
    """The page's own files by name, read once: a page asks for all of them before it shows anything.

    Colours and type are in look.css, which the pages that commands write have too.
    """
    places = [files("segdata.pages") / "templates" / "look.css", *(files("segdata.ops.view") / "static").iterdir()]
    return {one.name: one.read_bytes() for one in places if one.name[one.name.rfind(".") :] in TYPES}


async def _refused(_: Request, error: Exception) -> Response:
    return refused(error) if isinstance(error, Refusal) else await _broken(_, error)


async def _wrong(_: Request, error: Exception) -> Response:
    code = error.problem.code if isinstance(error, DataError) else "data"
    return refused(Refusal(STATUS.get(code, 422), code, str(error)))


async def _http(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return refused(Refusal(status, "http", "there is no such page" if status == 404 else str(error)))


async def _broken(_: Request, error: Exception) -> Response:
    return refused(Refusal(500, "internal", f"{BROKEN} ({type(error).__name__})"))
