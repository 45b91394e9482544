"""The server of the page: a thread of this process, at this machine's own address."""

from __future__ import annotations

import threading
from time import monotonic, sleep

import uvicorn

from segdata.errors import OptionError
from segdata.ops.view.app import make_app
from segdata.ops.view.session import Session
from segdata.terminal.ports import bound, told_of, url_of

HOST = "127.0.0.1"

WAITING = 128
"""Connections that the system keeps until they are taken."""

START = 30
"""Seconds in which the server must be there."""


class Serving:
    """The page of a session at a port, until `close`."""

    def __init__(self, session: Session, port: int, token: str | None) -> None:
        self.session, self.token = session, token
        listening = bound(HOST, port)
        try:
            with told_of(HOST, port):
                listening.listen(WAITING)
        except OptionError:
            listening.close()
            raise
        self.port: int = listening.getsockname()[1]
        self.base = url_of(listening)
        config = uvicorn.Config(
            make_app(session, token), http="h11", ws="none", lifespan="off", loop="asyncio", log_level="warning",
            access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._listening = listening
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name="segdata-view", daemon=True)
        self._thread.start()
        end = monotonic() + START
        while not self._server.started and self._thread.is_alive() and monotonic() < end:
            sleep(0.01)

    @property
    def url(self) -> str:
        """Where the page is, with its token."""
        return f"{self.base}/" if self.token is None else f"{self.base}/?token={self.token}"

    def wait(self) -> None:
        """Wait until it is closed, or for Ctrl-C, which closes it."""
        try:
            while self._thread.is_alive():
                self._thread.join(0.2)
        except KeyboardInterrupt:
            self.close()

    def close(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join(10)
        self._listening.close()
        self.session.close()
