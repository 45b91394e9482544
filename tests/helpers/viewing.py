"""A viewer without a browser and without a network: what its page asks, and what it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from segdata.dataset.dataset import Dataset
from segdata.ops.view import cache
from segdata.ops.view.session import Session


def own_cache(monkeypatch: pytest.MonkeyPatch, root: Path | None) -> cache.Cache:
    """A cache below `root` (None: in memory) instead of the user's."""
    mine = cache.Cache(root)
    monkeypatch.setattr(cache, "_own", lambda: mine)
    return mine


class Page:
    """Asks the application of a session as a page would, with the token. Threads share it."""

    def __init__(self, session: Session, token: str | None = "secret") -> None:
        from segdata.ops.view.app import make_app

        self._app, self._headers = make_app(session, token), {} if token is None else {"segdata-token": token}

    def get(self, path: str, **more: Any) -> Any:
        """The answer to a question."""
        return asyncio.run(self._asked("GET", path, more))

    def post(self, path: str, **more: Any) -> Any:
        """The answer to what is to be done."""
        return asyncio.run(self._asked("POST", path, more))

    async def _asked(self, method: str, path: str, more: Any) -> Any:
        import httpx

        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=self._headers) as client:
            return await client.request(method, path, **more)


@contextmanager
def viewed(dataset: Dataset, *preds: Dataset) -> Iterator[Page]:
    """A page of these, until the viewer is closed."""
    session = Session.open(dataset, preds, writable=False)
    try:
        yield Page(session)
    finally:
        session.close()


def pixels_of(answer: Any) -> NDArray[Any]:
    """(h, w, 3) colours of an image, (h, w) ids of a mask, as the page understands an answer."""
    assert answer.status_code == 200, answer.text
    image = Image.open(BytesIO(answer.content))
    if answer.headers["content-type"] == "image/jpeg":
        assert image.format == "JPEG"
        return np.asarray(image)
    assert image.format == "PNG"
    values = np.asarray(image)
    if answer.headers.get("segdata-bits") == "16":
        assert image.mode == "RGB"
        return values[:, :, 0].astype(np.uint16) + 256 * values[:, :, 1].astype(np.uint16)
    assert image.mode == "L"
    return values


def refused(answer: Any) -> tuple[int, str]:
    """The status and code of an answer that is none."""
    return answer.status_code, answer.json()["error"]["code"]


def told(answer: Any, status: int = 200) -> Any:
    """The values of an answer, which has this status."""
    assert answer.status_code == status, answer.text
    return answer.json()
