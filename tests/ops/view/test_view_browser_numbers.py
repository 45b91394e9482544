"""The panel of numbers, by clicks and keys in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from browser import axe_faults, driven, opened_page, until
from segdata.ops.view.operation import view
from viewed import Made

pytestmark = pytest.mark.page

PANEL = "#numbers"


@pytest.fixture(params=[1280, 400], ids=["desk", "phone"])
def page(made: Made, chromium: str, request: pytest.FixtureRequest) -> Iterator[Any]:
    shown = view(made.truth, made.preds, port=0)
    try:
        with driven(chromium) as browser, opened_page(browser, shown.url, width=request.param) as found:
            found.click('[aria-controls="numbers"]')
            found.wait_for_selector(f"{PANEL} .matrix")
            yield found
    finally:
        shown.close()


def query(page: Any) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(page.url).fragment))


def said(page: Any, words: str) -> None:
    """Wait until the head of the panel says this."""
    page.wait_for_function(
        "words => document.querySelector('#numbers header p')?.textContent.includes(words)", arg=words
    )


def test_numbers_lead_to_their_images(page: Any, made: Made) -> None:
    said(page, "of the 8 images that are predicted")
    pixels = {id: int(((made.masks[id] == 0) & (mask == 1)).sum()) for id, mask in made.given[0].items()}
    page.click('[data-key="cell road:car"]')
    assert query(page) == {"cell": "road:car", "sort": "-cell"}
    said(page, f"of the {sum(n > 0 for n in pixels.values())} images that fit")
    assert page.get_attribute('[data-key="cell road:car"]', "aria-pressed") == "true"
    assert page.evaluate("document.activeElement.dataset.key") == "cell road:car"
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.key") == "cell car:car"
    until(page, lambda: "car rightly given" in page.inner_text(f"{PANEL} .matrix .said"))
    page.keyboard.press("Enter")
    page.wait_for_selector('[data-key="cell car:car"][aria-pressed="true"]')
    page.keyboard.press("Enter")
    page.wait_for_selector('[data-key="cell car:car"][aria-pressed="false"]')
    assert query(page) == {}
    page.click('[data-key="class sign: old"]')
    assert query(page) == {"iou.sign: old": "0..1", "sort": "iou.sign: old"}


def test_analyses_are_started_and_bins_lead_to_images(page: Any) -> None:
    page.click('[data-key="start confidence"]')
    page.wait_for_selector(f"{PANEL} .reliability svg")
    page.focus('[data-key="bin 9"]')
    until(page, lambda: "sure: right in" in page.inner_text(f"{PANEL} .reliability .said"))
    page.keyboard.press("Enter")
    page.wait_for_selector('[data-key="bin 9"][aria-pressed="true"]')
    assert query(page) == {"bin": "9", "sort": "-bin"}
    page.click('[data-key="start duplicates"]')
    page.click('[data-key="lead duplicates yes"]')
    assert query(page) == {"duplicates": "yes", "sort": "duplicates"}


def test_two_predictions_are_compared(page: Any) -> None:
    page.wait_for_selector('[data-key="other"]')
    page.wait_for_selector(f"{PANEL} .classes-worst")
    page.select_option('[data-key="other"]', "1")
    page.wait_for_selector("text=Less that of other")
    page.select_option('[data-key="of"]', "1")
    page.wait_for_selector("text=Scores of other")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.click('[data-key="start confidence"]')
    page.click('[data-key="start check"]')
    page.wait_for_selector(f"{PANEL} .reliability svg", timeout=60_000)
    page.wait_for_selector(f"{PANEL} .codes li", timeout=60_000)
    page.click('[data-key="cell road:car"]')
    assert axe_faults(page) == []


def test_it_is_as_wide_as_the_screen_and_closes_by_escape(page: Any) -> None:
    wide = page.evaluate(
        "[document.documentElement.scrollWidth, document.querySelector('#numbers').scrollWidth, innerWidth]"
    )
    assert max(wide[:2]) <= wide[2]
    page.focus('[data-key^="class "]')
    page.keyboard.press("Escape")
    assert page.is_hidden(PANEL)
