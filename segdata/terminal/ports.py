"""A port of this machine: taken before there is anything to say at it, and what the system says against it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from segdata.errors import OptionError


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
        with told_of(host, port):
            found.bind(address)
    except OptionError:
        found.close()
        raise
    return found


def url_of(listening: socket.socket) -> str:
    """The URL of a service at a socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def told_of(host: str, port: int) -> Iterator[None]:
    """What the system says against an address becomes an `OptionError`."""
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


def _no_such_host(host: str) -> OptionError:
    return OptionError(
        f"--host {host}: is no address of this machine: give 127.0.0.1 for itself alone, or 0.0.0.0 for everyone who reaches it"
    )
