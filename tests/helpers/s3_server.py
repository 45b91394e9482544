"""A server that speaks S3 (moto's) on this machine, and what a test needs around it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from segdata.files.places import files_below, place

fsspec = pytest.importorskip("fsspec")
BUCKET = "bucket"
BASE = f"s3://{BUCKET}"


@dataclass
class Server:
    """A running server: what was asked of it, how many of the next requests it is to refuse, and what it is to do at one."""

    url: str = ""
    seen: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, path with query, and bytes of the answer."""
    failures: int = 0
    method: str = ""
    path: str = ""
    left: float = math.inf
    """How many requests are answered; those after them are denied, as if their sender had been killed."""
    events: list[tuple[str, str, Callable[[], None]]] = field(default_factory=list)

    def once(self, method: str, path: str, action: Callable[[], None]) -> None:
        """Do something when the next request of that method whose path holds that arrives, before it is carried out."""
        self.events.append((method, path, action))

    def act(self, method: str, path: str) -> None:
        """Do what is to be done at this request."""
        for event in list(self.events):
            if event[0] == method and event[1] in path:
                self.events.remove(event)
                event[2]()

    def fail(self, times: int, method: str = "", path: str = "") -> None:
        """Answer the next requests of that method whose path holds that with 503."""
        self.failures, self.method, self.path = times, method, path

    def refuses(self, method: str, path: str) -> bool:
        """Whether this request is one of those."""
        refused = self.failures > 0 and self.method in ("", method) and self.path in path
        self.failures -= refused
        return refused

    def asked(self, method: str, part: str = "") -> list[tuple[str, str, int]]:
        """The requests of a method whose path holds that."""
        return [one for one in self.seen if one[0] == method and part in one[1]]


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """moto's server on a free port, with an empty bucket."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    inner = DomainDispatcherApplication(create_backend_app)

    def application(environ: Any, start: Any) -> Any:
        method, path = environ["REQUEST_METHOD"], environ.get("RAW_URI", environ["PATH_INFO"])
        server.act(method, path)
        server.left -= 1
        refusal = "403 Forbidden" if server.left < 0 else "503 Service Unavailable"
        if server.left < 0 or server.refuses(method, path):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start(refusal, [("Content-Length", "0")])
            answer = [b""]
        else:
            answer = list(inner(environ, start))
        server.seen.append((method, path, sum(map(len, answer))))
        return answer

    class Quiet(MotoRequestHandler):
        def log_request(self, *_: Any) -> None:
            pass

    running = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    server.url = f"http://127.0.0.1:{running.server_port}"
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def point_at(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every client of this process, and of those that it starts, ask that endpoint."""
    settings = {
        "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_S3_ENDPOINT", "AWS_HTTPS", "AWS_VIRTUAL_HOSTING", "GDAL_HTTP_MAX_RETRY", "GDAL_HTTP_RETRY_DELAY"):
        monkeypatch.setenv(name, "")  # what opening a TIFF sets, taken back in the end
        monkeypatch.delenv(name)
    fsspec.get_filesystem_class("s3").clear_instance_cache()


def bytes_of(folder: str | Path) -> dict[str, bytes]:
    """The bytes of all files below a folder or URL, by POSIX path."""
    root = place(folder)
    return {name: (root / name).read_bytes() for name in files_below(root)}
