"""A port of this machine, and the server on it until it is told to stop."""

from __future__ import annotations

import errno
import math
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from segdata.errors import OptionError
from segdata.ops.serve.limits import Limits

WAITING = 128
"""Connections that the system keeps until they are taken."""

LAST = 5
"""Seconds, after the longest request, in which answers may be on their way when the service stops."""


def bound(host: str, port: int) -> socket.socket:
    """A socket at this address, which does not listen yet. Raises `OptionError`."""
    if not 0 <= port <= 65535:
        raise OptionError(f"--port {port}: must be 0 to 65535; 0 takes a free one")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise _no_such_host(host) from error
    found = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with _told(host, port):
            found.bind(address)
    except OptionError:
        found.close()
        raise
    return found


def url_of(listening: socket.socket) -> str:
    """The URL of a service at a socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(app: Any, listening: socket.socket, limits: Limits, announce: Callable[[str], None]) -> None:
    """Serve an ASGI application at a bound socket until SIGINT or SIGTERM; what has begun is answered. Raises `OptionError`."""
    host, port = listening.getsockname()[:2]
    with _told(host, port):
        listening.listen(WAITING)
    config = uvicorn.Config(
        app, http="h11", ws="none", lifespan="off", loop="asyncio", log_level="warning", access_log=False,
        server_header=False, proxy_headers=False, timeout_graceful_shutdown=math.ceil(limits.seconds) + LAST,
    )  # fmt: skip
    announce(url_of(listening))
    with _heard():
        uvicorn.Server(config).run([listening])


def _no_such_host(host: str) -> OptionError:
    return OptionError(
        f"--host {host}: is no address of this machine: give 127.0.0.1 for itself alone, or 0.0.0.0 for everyone who reaches it"
    )


@contextmanager
def _told(host: str, port: int) -> Iterator[None]:
    """What the system says of an address becomes an `OptionError`."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            what = (
                f"--port {port}: is in use at {host}: give another one, or stop what uses it; --port 0 takes a free one"
            )
            raise OptionError(what) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise OptionError(f"--port {port}: this user may not use it: give one above 1023") from error
        raise _no_such_host(host) from error


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
