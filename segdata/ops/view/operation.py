"""A dataset in the browser until it is closed."""

from __future__ import annotations

import html
import os
import secrets
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segdata.dataset.dataset import Dataset
from segdata.errors import MissingDependency, OptionError
from segdata.files.places import real


def view(
    dataset: Dataset | str | Path,
    preds: Sequence[Dataset | str | Path] | Dataset | str | Path = (),
    *,
    port: int = 8900,
    browser: bool = False,
    token: bool = True,
    image_roots: Sequence[str] = (),
    vrt: bool = False,
    host_names: Sequence[str] = (),
    tags: str | Path | None = None,
) -> Viewer:
    """Serve a page of a dataset, and of predictions beside it, to this machine; in a notebook it is shown inline.

    Returns at once: `Viewer.wait` waits, `Viewer.close` ends it, as does the end of Python. To call it again for the same
    dataset and port ends the first page. Nothing is changed in place. Raises `OptionError`, also for a port that is in use,
    `DatasetError`, `MissingDependency`.

    Args:
        dataset: The dataset, or its folder.
        preds: Datasets of predictions for it, or their folders; or folders of mask files named after its samples. One may be
            given alone.
        port: The port of the page. 0: a free one.
        browser: Open the page in a browser.
        token: Answer only to whoever knows the token in the URL. Without it nothing can be written.
        image_roots: Read images from the dataset and from this folder or URL alone. By default they are read from the folders
            of this machine that the manifest names, which are told.
        vrt: Read VRTs, which name other files; those must be below the folder of the VRT.
        host_names: Answer under this name of a host, too: that of a proxy before this page.
        tags: The CSV file that holds the tags of samples; segdata evaluate --slice takes it. By default NAME.tags.csv in the
            working directory, made at the first tag.
    """
    try:
        from segdata.ops.view.serving import Serving
        from segdata.ops.view.session import Session
        from segdata.ops.view.tags import Tags
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"view takes {error.name}, which is not installed: pip install 'segdata[view]'"
        ) from error
    refuse_names(host_names)
    given = [preds] if isinstance(preds, Dataset | str | Path) else preds
    own = None if tags is None else Tags(Path(tags).absolute())
    if own is not None:
        own.read()
    session = Session.open(dataset, given, writable=token, image_roots=image_roots, vrt=vrt)
    session.tags = own
    key = real(session.truth.root), port
    if port and key in _shown:
        _shown[key].close()
    viewer = Viewer(Serving(session, port, secrets.token_urlsafe(24) if token else None, host_names))
    if port:
        _shown[key] = viewer
    if browser and has_screen():
        webbrowser.open(viewer.url)
    return viewer


class Viewer:
    """A page that is being served. In a notebook it shows itself inline; as a context it is closed at the end."""

    def __init__(self, serving: Any) -> None:
        self._serving = serving

    def __repr__(self) -> str:
        return f"Viewer({self.url!r})"

    def __enter__(self) -> Viewer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where the page is, with its token."""
        return str(self._serving.url)

    def wait(self) -> None:
        """Wait until it is closed, or for Ctrl-C or SIGTERM, which close it."""
        self._serving.wait()

    def close(self) -> None:
        """End it; the URL does not answer any more."""
        self._serving.close()
        for key in [key for key, viewer in _shown.items() if viewer is self]:
            del _shown[key]

    def _repr_html_(self) -> str:
        return f'<iframe src="{html.escape(self.url)}" width="100%" height="720" style="border: 0"></iframe>'


_shown: dict[tuple[str, int], Viewer] = {}
"""The viewers of this process, by dataset and port: a cell of a notebook is run again and again."""


def refuse_names(names: Sequence[str]) -> None:
    """Raise `OptionError` for what is not the name of a host alone."""
    for name in names:
        if not name or set(name) & set("/:@*?# ") or not name.isascii():
            raise OptionError(f"--host-name {name}: must be the name of a host, such as hub.example.org")


def has_screen() -> bool:
    """Whether a browser would be seen: over SSH, or without a screen, it would fill the terminal instead."""
    if os.environ.get("SSH_CONNECTION"):
        return False
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
