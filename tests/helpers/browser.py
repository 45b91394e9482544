"""Pages in a browser, without any network."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest


def find_chromium() -> str:
    """The browser; the test is skipped where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium here")


def browse(chromium: str, page: Path, profile: Path, *options: str) -> str:
    """What headless Chromium prints for a page."""
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars",
        f"--user-data-dir={profile}", *options, page.as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@contextmanager
def driven(chromium: str) -> Iterator[Any]:
    """A browser that obeys Playwright; the test is skipped where that is not installed."""
    driver = pytest.importorskip("playwright.sync_api")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@contextmanager
def opened_page(
    browser: Any, url: str, *, width: int = 1280, height: int = 800, dark: bool = False, touch: bool = False
) -> Iterator[Any]:
    """A page in a fresh profile. In the end it must have had no error, no dialog and no request to another place."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", has_touch=touch,
        reduced_motion="reduce",
    )  # fmt: skip
    context.set_default_timeout(10_000)
    page = context.new_page()
    faults: list[str] = []
    home = urlsplit(url).netloc
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    page.on("request", lambda asked: faults.append(asked.url) if foreign(asked.url, home) else None)
    try:
        page.goto(url)
        yield page
    finally:
        context.close()
    assert not faults, faults


def until(page: Any, holds: Callable[[], object]) -> None:
    """Wait until something holds: a page does what it is asked a little later, and on a busy machine later still."""
    end = time.monotonic() + 10
    while not holds():
        if time.monotonic() > end:
            assert holds()
        page.wait_for_timeout(50)


def ready(page: Any) -> None:
    """Wait until a viewer shows images."""
    page.wait_for_selector(".cell[data-row] canvas[width]")


def foreign(url: str, home: str) -> bool:
    """Whether a request leaves the page's own place."""
    parts = urlsplit(url)
    return parts.scheme not in ("data", "blob") and parts.netloc != home


def axe_faults(page: Any) -> list[str]:
    """The serious and critical faults that axe-core finds in a page as it is now."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"][:3]
    ]
