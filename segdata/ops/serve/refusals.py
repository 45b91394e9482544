"""Why a request gets no mask: one status, code and message each, whatever went wrong."""

from __future__ import annotations

import re

from segdata.errors import DataError, SegdataError
from segdata.files.file import InMemory
from segdata.files.pillow import is_known
from segdata.prediction.sliding import is_out_of_memory

OPERATOR = " (options and settings are those of segdata serve, for whoever runs it)"
"""What is added to messages that name options, which no client can give."""

SMALLER = ": send a smaller image, or parts of it (segdata serve --max-pixels sets the limit)"


class Refusal(Exception):
    """An answer that is no mask. `code` is stable, `message` is for people; `retry` are seconds after which to try again."""

    def __init__(self, status: int, code: str, message: str, retry: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry = status, code, message, retry

    def to_json(self) -> dict[str, dict[str, str]]:
        """The body of the answer."""
        return {"error": {"code": self.code, "message": self.message}}


class Gone(Exception):
    """The client is not there any more: nobody wants an answer."""


class Stopped(Exception):
    """The work on a request ends, as its answer is not wanted any more."""


def refusal_of(error: SegdataError | MemoryError, file: InMemory) -> Refusal:
    """What to say of an image that cannot be predicted."""
    if isinstance(error, DataError):
        code, message = error.problem.code, error.problem.message
        if code == "image.too_large":
            return Refusal(413, code, message + SMALLER)
        if code != "image.unreadable":
            return Refusal(422, code, for_operator(message))
        return Refusal(400 if is_known(file) else 415, code, for_operator(message))
    if is_out_of_memory(error) or "out of memory" in str(error):
        return Refusal(
            503, "memory", f"the service has too little memory for this image now: {for_operator(str(error))}", 60
        )
    return Refusal(500, "model", f"the model gave no probabilities: {error}")


def for_operator(message: str) -> str:
    """The same message, which says whose options are meant if it names any."""
    return message + (OPERATOR if re.search(r"--[a-z]|SEGDATA_", message) else "")
