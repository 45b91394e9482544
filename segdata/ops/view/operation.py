"""A dataset in the browser until it is closed."""

from __future__ import annotations

import html
import secrets
import webbrowser
from pathlib import Path
from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.errors import MissingDependency
from segdata.ops.view.session import Session


def view(
    dataset: Dataset | str | Path,
    *preds: Dataset | str | Path,
    port: int = 8900,
    browser: bool = False,
    token: bool = True,
) -> Viewer:
    """Serve a page of a dataset, and of predictions beside it, to this machine; in a notebook it is shown inline.

    Returns at once: `Viewer.wait` waits, `Viewer.close` ends it. Nothing is changed in place. Raises `OptionError`, also for a
    port that is in use, `DatasetError`, `MissingDependency`.

    Args:
        dataset: The dataset, or its folder.
        preds: Datasets of predictions for it, or their folders; or folders of mask files named after its samples.
        port: The port of the page. 0: a free one.
        browser: Open the page in a browser.
        token: Answer only to whoever knows the token in the URL. Without it nothing can be written.
    """
    try:
        from segdata.ops.view.serving import Serving
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"view takes {error.name}, which is not installed: pip install 'segdata[view]'"
        ) from error
    session = Session.open(dataset, preds, writable=token)
    serving = Serving(session, port, secrets.token_urlsafe(24) if token else None)
    viewer = Viewer(serving)
    if browser:
        webbrowser.open(viewer.url)
    return viewer


class Viewer:
    """A page that is being served. In a notebook it shows itself inline."""

    def __init__(self, serving: Any) -> None:
        self._serving = serving

    @property
    def url(self) -> str:
        """Where the page is, with its token."""
        return str(self._serving.url)

    def wait(self) -> None:
        """Wait until it is closed, or for Ctrl-C."""
        self._serving.wait()

    def close(self) -> None:
        """End it; the URL does not answer any more."""
        self._serving.close()

    def _repr_html_(self) -> str:
        return f'<iframe src="{html.escape(self.url)}" width="100%" height="720" style="border: 0"></iframe>'
