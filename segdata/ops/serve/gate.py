"""How many requests are inside at once: some at work, some waiting, and the others are sent away."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Lock
from time import monotonic
from typing import Any, TypeVar

from starlette.requests import Request

from segdata.ops.serve.limits import Limits
from segdata.ops.serve.refusals import Gone, Refusal, Stopped

T = TypeVar("T")

SHARE = 0.2
"""How much the last request counts in the mean of their seconds."""


class Gate:
    """Places for requests. One is taken from its arrival until it is answered and nothing works on it any more.

    Work is done by threads, in the order in which it comes.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.inside = 0
        self.at_work = 0
        self._lock = Lock()
        self._mean = 0.0
        self._threads = ThreadPoolExecutor(limits.at_once, "segdata-serve")

    @property
    def full(self) -> bool:
        """Whether the next request would be sent away."""
        return self.inside >= self.limits.inside

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A place for a request. Raises `Refusal` if there is none."""
        if self.full:
            message = f"{self.inside} requests are inside, as many as may be (segdata serve --queue): try again later"
            raise Refusal(503, "busy", message, self._retry())
        self.inside += 1
        place = Place(self)
        try:
            yield place
        finally:
            if place.work is None or place.work.done():
                self._leave()
            else:  # it has not heard yet that it is to stop
                place.stop.set()
                place.work.add_done_callback(self._leave)

    def submit(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Have a thread do it."""
        return asyncio.get_running_loop().run_in_executor(self._threads, self._timed, job)

    def close(self) -> None:
        """Wait until nothing is at work."""
        self._threads.shutdown()

    def _timed(self, job: Callable[[], T]) -> T:
        with self._lock:
            self.at_work += 1
        start = monotonic()
        try:
            return job()
        finally:
            seconds = monotonic() - start
            with self._lock:
                self.at_work -= 1
                self._mean = seconds if not self._mean else SHARE * seconds + (1 - SHARE) * self._mean

    def _leave(self, work: asyncio.Future[T] | None = None) -> None:
        self.inside -= 1
        if work is not None and not work.cancelled():
            work.exception()  # nobody else asks for it

    def _retry(self) -> int:
        """In how many seconds there may be a place."""
        return max(1, min(60, math.ceil(self._mean * self.inside / self.limits.at_once)))


class Place:
    """The place of one request. `stop` tells its work that nobody waits for it."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.until = asyncio.get_running_loop().time() + gate.limits.seconds
        self.stop = Event()
        self.work: asyncio.Future[bytes] | None = None

    async def done(self, job: Callable[[], bytes], request: Request) -> bytes:
        """What a job gives in time. Raises what it raises, `Refusal` when the time is over, `Gone` when the client is."""
        gone = asyncio.ensure_future(_gone(request))
        self.work = self._gate.submit(lambda: self._started(job))
        try:
            left = self.until - asyncio.get_running_loop().time()
            either: set[asyncio.Future[Any]] = {self.work, gone}
            await asyncio.wait(either, timeout=max(0, left), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        if self.work.done():
            return self.work.result()
        if gone.done():
            raise Gone
        seconds = self._gate.limits.seconds
        message = f"there was no answer within {seconds:g} seconds (segdata serve --seconds): send a smaller image"
        raise Refusal(504, "time", message)

    def _started(self, job: Callable[[], bytes]) -> bytes:
        if self.stop.is_set():
            raise Stopped
        return job()


async def _gone(request: Request) -> None:
    """Returns once the client has left; its request has come in whole."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
