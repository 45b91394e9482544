"""The server of the page: a thread of this process, at this machine's own address."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from time import monotonic, sleep
from typing import Any

import uvicorn

from segdata.errors import OptionError
from segdata.ops.view.app import make_app
from segdata.ops.view.session import Session
from segdata.pages.running import announced
from segdata.terminal.ports import bound, told_of, url_of

HOST = "127.0.0.1"

WAITING = 128
"""Connections that the system keeps until they are taken."""

START = 30
"""Seconds in which the server must be there."""

GRACE = 1.0
"""Seconds in which answers that are under way may be finished."""


class Serving:
    """The page of a session at a port, until `close`, which closes the session too.

    Raises `OptionError` for a port that cannot be had; then the session is closed.
    """

    def __init__(self, session: Session, port: int, token: str | None, names: Sequence[str] = ()) -> None:
        self.token = token
        with ExitStack() as stack:
            stack.callback(session.close)
            listening = stack.enter_context(bound(HOST, port))
            with told_of(HOST, port):
                listening.listen(WAITING)
            self.port: int = listening.getsockname()[1]
            self.base = url_of(listening)
            stack.enter_context(announced(session.truth.root, self.port))
            config = uvicorn.Config(
                make_app(session, token, tuple(names)), http="h11", ws="none", lifespan="off", loop="asyncio",
                log_level="warning", access_log=False, server_header=False, proxy_headers=False,
                timeout_graceful_shutdown=1,
            )  # fmt: skip
            self._server = _Server(config)
            self._thread = threading.Thread(
                target=self._server.run, args=([listening],), name="segdata-view", daemon=True
            )
            self._thread.start()
            end = monotonic() + START
            while not self._server.started and self._thread.is_alive() and monotonic() < end:
                sleep(0.01)
            if not self._server.started:
                raise OptionError(f"--port {self.port}: the server did not start there: give another one")
            self._held = stack.pop_all()

    @property
    def url(self) -> str:
        """Where the page is, with its token."""
        return f"{self.base}/" if self.token is None else f"{self.base}/?token={self.token}"

    def wait(self) -> None:
        """Wait until it is closed, or for Ctrl-C or SIGTERM, which close it."""
        with _interrupted():
            try:
                while self._thread.is_alive():
                    self._thread.join(0.2)
            except KeyboardInterrupt:
                self.close()

    def close(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join(10)
        self._held.close()


class _Server(uvicorn.Server):
    """A server that leaves no connection open: in a notebook the process goes on, and pages would wait for answers."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End it, and hang up on whoever has not let go or taken an answer after a moment."""
        for server in self.servers:  # nobody comes in any more
            server.close()
        open_now, end = self.server_state.connections, monotonic() + GRACE
        for connection in list(open_now):
            connection.shutdown()
        while open_now and monotonic() < end:
            await asyncio.sleep(0.02)
        for connection in list(open_now):
            connection.transport.abort()
        await asyncio.sleep(0)  # in which the sockets are closed
        await super().shutdown(sockets)


@contextmanager
def _interrupted() -> Iterator[None]:
    """Have both signals raise `KeyboardInterrupt`, if this is the thread that hears of them. A shell's job in the background
    would ignore SIGINT."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
