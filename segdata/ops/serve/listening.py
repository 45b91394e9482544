"""The server at a port until it is told to stop."""

from __future__ import annotations

import math
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from segdata.ops.serve.limits import Limits
from segdata.terminal.ports import told_of, url_of

WAITING = 128
"""Connections that the system keeps until they are taken."""

LAST = 5
"""Seconds, after the longest request, in which answers may be on their way when the service stops."""


def run(app: Any, listening: socket.socket, limits: Limits, announce: Callable[[str], None]) -> None:
    """Serve an ASGI application at a bound socket until SIGINT or SIGTERM; what has begun is answered. Raises `OptionError`."""
    host, port = listening.getsockname()[:2]
    with told_of(host, port):
        listening.listen(WAITING)
    config = uvicorn.Config(
        app, http="h11", ws="none", lifespan="off", loop="asyncio", log_level="warning", access_log=False,
        server_header=False, proxy_headers=False, timeout_graceful_shutdown=math.ceil(limits.seconds) + LAST,
    )  # fmt: skip
    announce(url_of(listening))
    with _heard():
        uvicorn.Server(config).run([listening])


@contextmanager
def _heard() -> Iterator[None]:
    """uvicorn sends itself the signal that stopped it once more, for whom it interrupted: here for nobody."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
