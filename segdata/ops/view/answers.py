"""What the page is told: JSON, or why it gets none; and nothing of what is in files that are no images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from segdata.files.no_image import BEGINS, untold

BROKEN = "an error of segdata view: its terminal says which"
"""What is told of what should not happen."""


class Refusal(Exception):
    """No answer, and why. `code` is stable, `message` is for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def answer(data: Any, status: int = 200) -> Response:
    """Plain values as JSON, which no cache keeps.

    A manifest can name any file, and errors are told in many places: here all of them pass.
    """
    text = msgspec.json.encode(data)
    if BEGINS.encode() in text:
        text = msgspec.json.encode(_untold(msgspec.json.decode(text)))
    return Response(text, status, {"cache-control": "no-store"}, media_type="application/json")


def _untold(data: Any) -> Any:
    if isinstance(data, dict):
        return {_untold(name): _untold(value) for name, value in data.items()}
    if isinstance(data, list):
        return [_untold(one) for one in data]
    return untold(data) if isinstance(data, str) else data


def refused(error: Refusal) -> Response:
    """A refusal as JSON."""
    return answer({"error": {"code": error.code, "message": error.message}}, error.status)


def whole(query: Mapping[str, str], name: str, default: int, least: int = 0, most: int = 2**53) -> int:
    """A whole number of a query. Raises `Refusal` for anything else, and beyond `least` and `most`."""
    text = query.get(name)
    if text is None:
        return default
    found = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else -1
    if not least <= found <= most:
        raise Refusal(422, name, f"{name}={text}: must be a whole number from {least} to {most}")
    return found


def row_of(request: Request) -> int:
    """The number of a sample in the path. Raises `Refusal`."""
    return whole(request.path_params, "row", 0)
