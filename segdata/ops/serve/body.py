"""The image in a request: its body, or the one file of a form (RFC 7578), in memory alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from segdata.ops.serve.limits import Limits
from segdata.ops.serve.refusals import Gone, Refusal

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FORM = "multipart/form-data"

HOW = "send its bytes as the body (curl --data-binary @photo.jpg URL), or as the one file of a form (curl -F file=@photo.jpg URL)"


async def received(request: Request, limits: Limits, until: float) -> bytes:
    """The body of a request, whole. `until` is a time of the event loop. Raises `Refusal`, `Gone`."""
    _refuse_headers(request, limits)
    body = bytearray()
    try:
        async with asyncio.timeout_at(until):
            async for part in request.stream():
                body += part
                if len(body) > limits.bytes:
                    raise _too_long(limits)
    except TimeoutError as error:
        message = f"the request did not come in within {limits.seconds:g} seconds (segdata serve --seconds)"
        raise Refusal(408, "slow", message) from error
    except ClientDisconnect as error:
        raise Gone from error
    if not body:
        raise Refusal(400, "empty", f"no image was sent: {HOW}")
    return bytes(body)


def _refuse_headers(request: Request, limits: Limits) -> None:
    """Refuse what need not be read for it."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.bytes:
        raise _too_long(limits)
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise Refusal(415, "encoding", f"the body is encoded ({coding[:40]}): send the image as it is")


def _too_long(limits: Limits) -> Refusal:
    message = f"the request has more than the limit of {limits.bytes:,} bytes (segdata serve --max-bytes sets it)"
    return Refusal(413, "too_long", message)


def image_in(body: bytes, content_type: str) -> bytes:
    """The image of a request: the file of a form, or all of it, whatever type it is said to have. Raises `Refusal`."""
    if content_type.partition(";")[0].strip().lower() != FORM:
        return body
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise Refusal(400, "form", f"the form does not say what its parts begin with (boundary): {HOW}")
    form = _Form()
    try:
        MultipartParser(boundary, form.callbacks()).write(body)
    except FormParserError as error:
        raise Refusal(400, "form", f"the form is damaged ({error})") from error
    if not form.ended:
        raise Refusal(400, "form", "the form is cut off")
    if not form.data:
        raise Refusal(400, "empty", f"no image was sent: {HOW}")
    return bytes(form.data)


class _Form:
    """What a parser of forms finds; the first part that is not the one file is refused."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.parts, self.ended = 0, False
        self._field, self._value, self._is_file = b"", b"", False

    def callbacks(self) -> MultipartCallbacks:
        """What the parser calls."""
        return {
            "on_part_begin": self._begin, "on_part_data": self._more, "on_header_field": self._name,
            "on_header_value": self._text, "on_header_end": self._header, "on_headers_finished": self._headed,
            "on_end": self._end,
        }  # fmt: skip

    def _begin(self) -> None:
        self.parts += 1
        if self.parts > 1:
            raise Refusal(
                400, "form", f"the form has several parts, and takes one file; a format goes into the URL: {HOW}"
            )

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _text(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._is_file = b"filename" in parse_options_header(self._value)[1]
        self._field = self._value = b""

    def _headed(self) -> None:
        if not self._is_file:
            raise Refusal(400, "form", f"the form has a field, and takes one file; a format goes into the URL: {HOW}")

    def _more(self, data: bytes, start: int, end: int) -> None:
        self.data += data[start:end]

    def _end(self) -> None:
        self.ended = True
