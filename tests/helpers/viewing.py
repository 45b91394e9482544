"""A viewer of a small dataset, asked without a browser: every byte of a request is the test's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from typing import Any
from urllib.parse import urlencode, urlsplit


@dataclass(frozen=True)
class Answer:
    """What a server answered."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a refusal."""
        return str(self.json["error"]["code"])


def ask(
    url: str,
    path: str = "/api/about",
    query: Mapping[str, Any] | None = None,
    *,
    method: str = "GET",
    token: bool = True,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
) -> Answer:
    """Ask the viewer at a URL for a path, which goes out as it is. `Host` is its own unless `headers` names one (empty: none)."""
    here = urlsplit(url)
    pairs = urlencode(query or {}, doseq=True) if not isinstance(query, str) else query
    whole = "&".join(part for part in (pairs, here.query if token else "") if part)
    connection = HTTPConnection(str(here.hostname), int(here.port or 80), timeout=30)
    data = None if body is None else json.dumps(body).encode()
    sent = {"Host": here.netloc, **({"Content-Type": "application/json"} if data else {}), **(headers or {})}
    connection.putrequest(method, f"{path}?{whole}" if whole else path, skip_host=True)
    for name, value in sent.items():
        if value:
            connection.putheader(name, value)
    if data is not None:
        connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data)
    found = connection.getresponse()
    out = Answer(found.status, found.headers, found.read())
    connection.close()
    return out
