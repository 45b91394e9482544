"""Who may ask: whoever knows the token, from this machine's own names, and never a page of another place.

A page of another site can make a browser ask this address: by a link, or after its own name has come to lead here (DNS
rebinding). It knows no token, and its name is in `Host`, `Origin` or both, so it is refused before anything is read.
"""

from __future__ import annotations

import secrets
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from segdata.ops.view.answers import Refusal, refused

NAMES = ("localhost", "127.0.0.1", "::1")
"""The names of this machine, at any port: a tunnel has one of its own."""

OPEN = ("/static/",)
"""What holds nothing of the dataset, and is the same for everyone."""

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self' http://localhost:* http://127.0.0.1:* https://localhost:* vscode-webview:",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
"""What each answer says of itself: scripts and requests of this page alone, and the token in its URL is told to nobody."""

DOOR = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>segdata view: its token is missing</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="static/look.css">
<link rel="stylesheet" href="static/door.css">
<script type="module" src="static/door.js"></script>
</head>
<body>
<main>
<h1>This page takes a token</h1>
<p>Open the URL that <code>segdata view</code> printed: it ends in <code>?token=</code> and letters. Each time the viewer is
started it has another one.</p>
<p>In a notebook, run the cell with <code>segdata.view</code> again.</p>
<form><label for="token">Token, or the whole URL</label>
<div><input id="token" autocomplete="off" spellcheck="false"><button>Open</button></div></form>
</main>
</body>
</html>
"""


class Guard:
    """An ASGI application behind a token (None: none is asked for, and nothing may be written).

    `names`: of hosts that lead here besides this machine's own, such as that of a proxy.
    """

    def __init__(self, app: ASGIApp, token: str | None, names: tuple[str, ...] = ()) -> None:
        self.app, self.token = app, token
        self.names = {*NAMES, *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that may be answered; refuse the others."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if (why := self.refusal(scope)) is not None:
            return await _told(why, scope)(scope, receive, told)
        await self.app(scope, receive, told)

    def refusal(self, scope: Scope) -> Refusal | None:
        """Why a request is refused; None if it is not."""
        headers = Headers(scope=scope)
        if not self.is_here(f"//{headers.get('host', '')}"):
            what = "this page answers as localhost and 127.0.0.1 alone"
            return Refusal(421, "host", f"{what}: start segdata view with --host-name NAME for a proxy of that name")
        origin = headers.get("origin")
        if origin is not None and not self.is_here(origin):
            return Refusal(403, "origin", "a page of another site may not ask")
        if scope["method"] not in ("GET", "HEAD"):
            if self.token is None:
                return Refusal(403, "token", "started with --no-token, so nothing can be written: start it without")
            if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                return Refusal(403, "origin", "a page of another site may not ask")
        if self.token is None or scope["path"].startswith(OPEN):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[-1]
        given = headers.get("segdata-token", given)
        if secrets.compare_digest(given.encode(), self.token.encode()):
            return None
        return Refusal(403, "token", "open the URL that segdata view printed: it ends in a token")

    def is_here(self, url: str) -> bool:
        """Whether a URL, or `//host:port`, is of one of this machine's names."""
        try:
            return urlsplit(url).hostname in self.names
        except ValueError:
            return False


def _told(why: Refusal, scope: Scope) -> Response:
    """A refusal: as a page to whoever comes without the token, as JSON to programs."""
    if why.code == "token" and scope["path"] == "/" and scope["method"] in ("GET", "HEAD"):
        return HTMLResponse(DOOR, why.status, {"cache-control": "no-store"})
    return refused(why)
