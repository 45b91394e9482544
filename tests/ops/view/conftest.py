"""What tests of the viewer share: a browser, and a dataset of whose predictions all is found out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from browser import driven


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    """A browser that obeys Playwright."""
    with driven(chromium) as found:
        yield found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A `Made` of `viewed.scene`."""
    from viewed import scene

    return scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def viewed(made: Any) -> Any:
    """A `Viewed` of it whose analyses are done."""
    from viewed import ANALYSES, Viewed

    shown = Viewed(made.truth, made.preds)
    for name in ANALYSES:
        assert shown.ended(name)["state"] == "ready"
    return shown
