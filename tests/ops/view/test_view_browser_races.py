"""The viewer's page in a hurry: keys and answers that cross, Back and Forward, ids of any letters, memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from browser import driven, opened_page, until
from carry_files import make
from segdata.ops.view.operation import view

ODD = ("a%b", "a&b=c", "a#b", "a+b c", "שלום/תמונה", "e\U0001f600" * 12)
"""Ids that mean something in a URL, are read from the right, or take more than one place per letter."""
NAMES = ("road", "a class of a very long name " * 6, "مرحبا بالعالم", "car")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    with driven(chromium) as found:
        yield found


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    masks = {id: np.full((30, 40), i % 4, np.uint8) for i, id in enumerate((*ODD, *(f"im{i:03d}" for i in range(60))))}
    viewer = view(make(tmp_path_factory.mktemp("odd") / "toy", masks, names=NAMES, images="copy").root, port=0)
    yield viewer.url
    viewer.close()


@pytest.fixture
def shown(browser: Any, address: str) -> Iterator[Any]:
    with opened_page(browser, address) as page:
        ready(page)
        yield page


def ready(page: Any) -> None:
    page.wait_for_selector(".cell[data-row] canvas[width]")


def opened(page: Any, id: str, place: int) -> None:
    """Wait until this image is open, and known."""
    page.wait_for_function(
        "([id, place]) => document.querySelector('#sample h2')?.textContent === id"
        " && document.querySelector('#sample header')?.textContent.includes(`${place} of 66`)",
        arg=[id, place],
    )


@pytest.mark.parametrize("id", ODD)
def test_a_link_to_an_odd_id_opens_it_and_escape_closes_it_at_once(browser: Any, shown: Any, id: str) -> None:
    shown.evaluate("(id) => import('./static/state.js').then((m) => m.change('open', { open: id }))", id)
    with opened_page(browser, shown.url) as page:
        page.wait_for_selector("#sample .stage[aria-busy=false] canvas")
        assert page.locator("#sample h2").text_content() == id
        page.keyboard.press("Escape")  # nothing was clicked before, so the browser lets no page hold it back
        page.locator("#sample").wait_for(state="hidden")
        page.wait_for_function("(id) => document.activeElement.dataset.id === id && location.hash === ''", arg=id)


def test_images_that_were_closed_are_no_steps_of_back(shown: Any) -> None:
    shown.evaluate("location.hash = '#text=im0'")
    shown.get_by_text("60 of 66 images").wait_for()
    before = shown.evaluate("history.length")
    for _ in range(3):
        shown.locator("[data-id=im000]").click()
        shown.locator("#sample").wait_for(state="visible")
        shown.keyboard.press("Escape")
        shown.locator("#sample").wait_for(state="hidden")
    assert shown.evaluate("history.length") == before + 1
    shown.locator("[data-id=im000]").click()
    shown.go_back()
    shown.locator("#sample").wait_for(state="hidden")
    shown.go_forward()
    shown.locator("#sample").wait_for(state="visible")


def test_back_passes_a_link_in_another_spelling(shown: Any) -> None:
    for hash in ("#text=im01", "#class=road:0.1..&text=im%300", "#text=im05"):
        shown.evaluate("(hash) => { location.hash = hash; }", hash)
    shown.wait_for_function("() => document.querySelector('#total')?.textContent === '10 of 66 images'")
    shown.go_back()
    shown.wait_for_function("() => document.querySelector('.chips')?.children.length === 2")
    assert shown.evaluate("location.hash") == "#class=road:0.1..&text=im%300"
    shown.get_by_label("Search ids").focus()
    shown.go_back()
    shown.wait_for_function("() => document.querySelector('#top input')?.value === 'im01'")


def test_images_that_are_passed_by_are_not_shown_and_one_that_is_closed_stays_closed(shown: Any) -> None:
    first = shown.locator(".cell[data-id]").first
    id = first.get_attribute("data-id")
    first.click()
    opened(shown, id, 1)
    for _ in range(9):
        shown.keyboard.press("j")
    shown.wait_for_function("() => document.querySelector('#sample header')?.textContent.includes('10 of 66')")
    shown.route("**/api/find?*", lambda route: (shown.wait_for_timeout(300), route.continue_()))
    for key in ("j", "j", "j", "Escape"):
        shown.keyboard.press(key)
    shown.wait_for_timeout(900)
    assert shown.locator("#sample").is_hidden()
    assert shown.evaluate("location.hash") == ""


def test_keys_reach_what_lies_on_top(shown: Any) -> None:
    shown.locator("[data-id=im000]").click()
    shown.locator("#sample").wait_for(state="visible")
    address = shown.url
    shown.keyboard.press("?")
    shown.keyboard.press("j")
    shown.wait_for_timeout(300)
    until(shown, lambda: shown.url == address)
    shown.keyboard.press("Escape")
    assert shown.evaluate("document.activeElement.className") == "stage"
    shown.keyboard.press("Escape")
    shown.keyboard.press("x")
    shown.keyboard.press("n")
    shown.locator("#numbers button").first.focus()
    shown.keyboard.press("Escape")
    assert shown.locator("#numbers").is_hidden()
    until(shown, lambda: shown.locator("#acts .told").text_content() == "1 image selected")


def test_a_window_changes_its_width_before_an_image_is_open(shown: Any) -> None:
    shown.set_viewport_size({"width": 400, "height": 800})
    shown.wait_for_function("() => document.querySelector('#filters')?.hidden")  # an error of the page fails the test


def test_an_answer_that_is_cut_off_is_none(shown: Any) -> None:
    assert shown.evaluate("""async () => {
      const { get } = await import("./static/api.js");
      const real = window.fetch;
      const body = new ReadableStream({ start: (to) => to.error(new Error("cut off")) });
      window.fetch = async () => new Response(body, { status: 200 });
      const said = await get("api/samples").then(() => "an answer", (error) => error.name);
      window.fetch = real;
      return said;
    }""") != "an answer"  # fmt: skip


def test_scrolling_and_filtering_leave_nothing_behind(shown: Any) -> None:
    protocol = shown.context.new_cdp_session(shown)
    protocol.send("Performance.enable")

    def left() -> dict[str, float]:
        shown.wait_for_timeout(300)
        protocol.send("HeapProfiler.collectGarbage")
        return {one["name"]: one["value"] for one in protocol.send("Performance.getMetrics")["metrics"]}

    rounds = """async (n) => {
      const { setValues } = await import("./static/state.js");
      const view = document.querySelector(".scroller");
      const frame = () => new Promise(requestAnimationFrame);
      for (let i = 0; i < n; i++) {
        setValues("class", i % 2 ? ["car"] : []);
        for (let k = 0; k < 20; k++) { view.scrollTop = 70 * k; await frame(); }
        await new Promise((done) => setTimeout(done, 50));
      }
    }"""
    shown.evaluate(rounds, 6)
    before = left()
    shown.evaluate(rounds, 18)
    after = left()
    assert after["JSEventListeners"] < 1.2 * before["JSEventListeners"]
    assert after["Nodes"] < 1.2 * before["Nodes"]
    assert after["JSHeapUsedSize"] < 1.3 * before["JSHeapUsedSize"]
