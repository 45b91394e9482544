"""What the routes of a service have in common: the model at work, its limits, its figures."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import Any

from starlette.requests import Request

from segdata.caches import note
from segdata.ops.serve.answers import Asked, answer
from segdata.ops.serve.body import image_in, received
from segdata.ops.serve.gate import Gate, Place
from segdata.ops.serve.limits import Limits
from segdata.ops.serve.metrics import Metrics
from segdata.ops.serve.refusals import Gone, Refusal, Stopped
from segdata.ops.serve.work import Work
from segdata.prediction.profile import Stream
from segdata.prediction.signals import Signals
from segdata.version import __version__

GONE = 499
"""The status of requests whose client has left, in the figures alone."""


DIGITS = 16
"""By so many digits of its SHA-256 an image is called in signals: who keeps images finds them by it."""


class Service:
    """A model behind routes. `model` says which it is, for `/model`."""

    def __init__(self, work: Work, limits: Limits, model: dict[str, Any], stream: Stream | None = None) -> None:
        self.work, self.limits = work, limits
        self._stream, self._writing = stream, Lock()
        self.gate = Gate(limits)
        self.metrics = Metrics(work.labels, lambda: self.gate.inside - self.gate.at_work, lambda: self.gate.at_work)
        self.digest = work.labels.digest
        self.about = {"segdata": __version__, **model, "limits": asdict(limits)}

    async def predict(self, request: Request, asked: Asked) -> bytes:
        """The body of the answer to an image. Raises `Refusal`; `Gone` if the client is."""
        start = monotonic()
        status, code = 500, "internal"
        try:
            asked.check(self.work.labels)
            with self.gate.place() as place:
                body = await received(request, self.limits, place.until)
                job = partial(self._work, body, request.headers.get("content-type", ""), asked, place, start)
                made = await place.done(job, request)
            status, code = 200, ""
            return made
        except Refusal as refusal:
            status, code = refusal.status, refusal.code
            raise
        except Gone:
            status, code = GONE, "gone"
            raise
        finally:
            if code:
                self.metrics.refused(code)
            self.metrics.answered(asked.format, status, start)

    def _work(self, body: bytes, content_type: str, asked: Asked, place: Place, start: float) -> bytes:
        """What a thread does for a request."""
        self.metrics.waited(start)
        image = image_in(body, content_type)
        done = self.work.done(image, place.stop)
        made = answer(done.mask, done.counts, self.work.labels, asked)
        if place.stop.is_set():
            raise Stopped
        self.metrics.predicted(done.counts)
        if self._stream is not None and done.measure is not None:
            self._append(self._stream, done.measure.signals(sha256(image).hexdigest()[:DIGITS]))
        return made

    def _append(self, stream: Stream, row: Signals) -> None:
        """One more row. The client has its mask even if there is no room for the row; that is counted, and told once."""
        try:
            with self._writing:
                stream.append(row)
        except OSError as error:
            self.metrics.lost()
            note(f"{error.filename}: {error.strerror}: signals are lost until there is room")

    def warm(self) -> None:
        """Make one answer of each kind. Raises `SegdataError` for a model that cannot."""
        mask, counts, _ = self.work.warm()
        for make in _kinds(self.work):
            answer(mask, counts, self.work.labels, make)


def _kinds(work: Work) -> list[Asked]:
    wide = work.labels.ignore > 255
    return [Asked("mask"), Asked("polygons"), Asked("shares"), *([] if wide else [Asked("palette")])]
