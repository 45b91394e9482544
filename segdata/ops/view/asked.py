"""What the page asks to have done: a body of JSON that is read as a type, and done in a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from segdata.ops.view.answers import Refusal
from segdata.ops.view.session import Session
from segdata.words import some

LARGEST = 2**27
"""The most bytes of a body: the ids of some million samples."""

Body = TypeVar("Body", bound=msgspec.Struct)


def asked(path: str, kind: type[Body], act: Callable[..., Response]) -> Route:
    """A route that reads the body as a `kind` and gives it to `act`, with what the path has in braces."""

    async def post(request: Request) -> Response:
        body = await read_body(request, kind)
        try:
            return await run_in_threadpool(act, body, **request.path_params)
        except OSError as error:
            raise Refusal(422, "file", f"{error.filename or path}: {error.strerror or error}") from error

    return Route(path, post, methods=["POST"])


async def read_body(request: Request, kind: type[Body]) -> Body:
    """The body of a request. Raises `Refusal` for what is too large or not of the kind."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > LARGEST:
            raise Refusal(413, "body", f"more than {LARGEST >> 20} MB at once: select fewer samples")
    try:
        found: Any = msgspec.json.decode(bytes(data), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(422, "body", f"not what this takes: {error}") from error
    return found  # type: ignore[no-any-return]


def refuse_unknown(session: Session, ids: Sequence[str]) -> None:
    """Raise `Refusal` for no ids, and for those that the dataset has not."""
    if not ids:
        raise Refusal(422, "ids", "nothing is selected")
    known = set(session.index.ids)
    if unknown := [id for id in ids if id not in known]:
        what = f"{len(unknown):,} of {len(ids):,} ids are not of this dataset: {some(unknown, 3)}"
        raise Refusal(409, "ids", f"{what}: reload the page")
