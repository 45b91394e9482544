"""What the page is told: JSON, or why it gets none."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response


class Refusal(Exception):
    """No answer, and why. `code` is stable, `message` is for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def answer(data: Any, status: int = 200) -> Response:
    """Plain values as JSON, which no cache keeps."""
    return Response(msgspec.json.encode(data), status, {"cache-control": "no-store"}, media_type="application/json")


def refused(error: Refusal) -> Response:
    """A refusal as JSON."""
    return answer({"error": {"code": error.code, "message": error.message}}, error.status)
