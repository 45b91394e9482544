"""The viewer's grid, filters, legend and keys, by clicks and keys in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from browser import axe_faults, opened_page, ready, until
from carry_files import make
from segdata.dataset.dataset import Dataset
from segdata.ops.view.operation import view

NAMES = (
    "road",
    "car",
    "<img onerror=alert(1)>",
    "sign",
    "sky",
    "tree",
    "wall",
    "pole",
    "bus",
    "van",
    "dog",
    "cat",
    "cow",
)
"""More than a legend shows without a field that finds them."""

SIGHT = """() => {
  const view = document.querySelector(".scroller").getBoundingClientRect();
  const boxes = [...document.querySelectorAll(".cell")].map((cell) => [cell, cell.getBoundingClientRect()]);
  const seen = boxes.filter(([, box]) => box.bottom > view.top && box.top < view.bottom);
  return seen.map(([cell, box]) => [Number(cell.dataset.place), cell.dataset.id ?? null, Math.round(box.top - view.top)]);
}"""
"""Place, id and top of every cell in sight."""

SCROLL = """(share) => {
  const view = document.querySelector(".scroller");
  view.scrollTop = share * (view.scrollHeight - view.clientHeight);
}"""
"""Go to a share of the list."""


def masks() -> dict[str, Any]:
    """60 masks of two halves: image i of class i % 13 at the left, and road at the right; every third has an ignored corner."""
    out = {}
    for i in range(60):
        mask = np.zeros((30, 40), np.uint8)
        mask[:, :20] = i % len(NAMES)
        if i % 3 == 0:
            mask[:5, 35:] = 255
        out[f"{'train' if i < 40 else 'val'}/im{i:03d}"] = mask
    return out


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make(tmp_path / "toy", masks(), names=NAMES, images="copy")


@pytest.fixture
def shown(browser: Any, dataset: Dataset) -> Iterator[Any]:
    viewer = view(dataset.root, port=0)
    with opened_page(browser, viewer.url) as page:
        ready(page)
        yield page
    viewer.close()


def total(page: Any, words: str) -> None:
    """Wait until the page says how many images fit."""
    page.wait_for_function("(words) => document.querySelector('#total')?.textContent === words", arg=words)


def selected(page: Any, number: int) -> None:
    """Wait until so many images are selected, also those that are out of sight and not in the page."""
    page.wait_for_function(
        "(number) => import('./static/state.js').then((module) => module.state.selected.size === number)", arg=number
    )


def focused(page: Any) -> str:
    return str(page.evaluate("document.activeElement.dataset.id"))


def test_masks_have_the_colours_of_the_classes(shown: Any, dataset: Dataset) -> None:
    shown.locator(".tools input[aria-label='Opacity of the masks']").fill("100")
    shown.wait_for_timeout(200)
    for id in ("train/im001", "train/im005"):
        pixel = shown.evaluate(
            """(id) => { const canvas = document.querySelector(`[data-id="${id}"] canvas`);
                return [...canvas.getContext("2d").getImageData(5, 15, 1, 1).data]; }""",
            id,
        )
        assert pixel == [*dataset.labels.classes[int(id[-2:])].color, 255]


def test_filters_are_in_the_url_and_back_undoes_them(shown: Any) -> None:
    total(shown, "60 images")
    shown.get_by_role("checkbox", name=re.compile("^val")).check()
    total(shown, "20 of 60 images")
    until(shown, lambda: shown.url.endswith("#split=val"))
    shown.locator("#side").get_by_role("button", name="car 1", exact=True).click()
    want = [i for i in range(40, 60) if i % len(NAMES) == 1]
    total(shown, f"{len(want)} of 60 images")
    cells = "(want) => [...document.querySelectorAll('.cell')].map((one) => one.dataset.id).join() === want"
    shown.wait_for_function(cells, arg=",".join(f"val/im{i:03d}" for i in want))
    shown.go_back()
    total(shown, "20 of 60 images")
    shown.get_by_role("button", name="Take the filter away: split val").click()
    total(shown, "60 images")


def test_a_link_shows_the_same(browser: Any, shown: Any) -> None:
    shown.get_by_label("Search ids").fill("IM05")
    total(shown, "10 of 60 images")
    with opened_page(browser, shown.url) as other:
        total(other, "10 of 60 images")
        until(other, lambda: other.get_by_label("Search ids").input_value() == "IM05")


def test_a_copied_link_has_no_token_unless_that_is_wanted(shown: Any) -> None:
    shown.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.get_by_role("checkbox", name=re.compile("^val")).check()
    total(shown, "20 of 60 images")
    shown.get_by_role("button", name="Copy link").click()
    shown.get_by_text("Copied the link, without the token").wait_for()
    home = shown.url.partition("?")[0]
    assert shown.evaluate("navigator.clipboard.readText()") == f"{home}#split=val"
    shown.get_by_role("button", name="Copy with the token").click()
    shown.get_by_text("Copied the link, with the token").wait_for()
    until(shown, lambda: shown.evaluate("navigator.clipboard.readText()") == shown.url)
    shown.goto(f"{home}#split=val")
    total(shown, "20 of 60 images")


def test_a_filter_that_cannot_be_is_said(shown: Any) -> None:
    shown.goto(f"{shown.url.partition('#')[0]}#class=horse")
    shown.get_by_text("horse").first.wait_for()
    shown.locator("#notes .error").wait_for()
    shown.get_by_role("button", name="Reset").click()
    total(shown, "60 images")
    shown.locator("#notes .error").wait_for(state="detached")


def test_images_that_stay_are_not_loaded_again(shown: Any) -> None:
    """A filter keeps the elements of images that still fit: nothing flickers."""
    shown.evaluate("document.querySelector('[data-id=\"train/im001\"] img').mine = true")
    shown.locator("#side").get_by_role("button", name="car 1", exact=True).click()
    total(shown, f"{sum(i % len(NAMES) == 1 for i in range(60))} of 60 images")
    shown.wait_for_selector("[data-place='0'][data-id='train/im001']")
    assert shown.evaluate("document.querySelector('[data-id=\"train/im001\"] img').mine") is True


def test_images_asked_for_again_stay_in_place(shown: Any) -> None:
    """A click that is under way when all samples are read is not lost."""
    shown.evaluate("document.querySelector('[data-place=\"3\"] input').mine = true")
    with shown.expect_response(re.compile("api/samples")):
        shown.evaluate("import('./static/state.js').then((module) => module.change('about'))")
    shown.wait_for_selector(".tall:not([aria-busy])")
    shown.wait_for_timeout(200)
    assert shown.evaluate("document.querySelector('[data-place=\"3\"] input').mine") is True


def test_what_is_typed_is_no_key(shown: Any) -> None:
    shown.keyboard.press("/")
    shown.keyboard.type("nfc?")
    until(shown, lambda: shown.get_by_label("Search ids").input_value() == "nfc?")
    until(shown, lambda: not shown.locator("#help").is_visible())
    until(shown, lambda: shown.locator("#filters").is_visible())
    total(shown, "0 of 60 images")


def test_share_of_a_class(shown: Any) -> None:
    shown.get_by_label("Class", exact=True).fill("road")
    shown.get_by_label("Share of the class, at least, %").fill("90")
    shown.get_by_role("button", name="Add").click()
    total(shown, f"{sum(i % len(NAMES) == 0 for i in range(60))} of 60 images")
    until(shown, lambda: "class=road%3A0.9.." in shown.url)


def test_the_keyboard_moves_selects_and_opens(shown: Any) -> None:
    shown.focus(".cell[tabindex='0']")
    columns = int(shown.locator(".tall").get_attribute("aria-colcount"))
    for key, at in (("ArrowRight", 1), ("ArrowDown", 1 + columns), ("ArrowUp", 1), ("End", 59), ("Home", 0)):
        shown.keyboard.press(key)
        shown.wait_for_function(
            f"() => document.activeElement.dataset.place === '{at}' && document.activeElement.dataset.id"
        )
    shown.keyboard.press("x")
    shown.wait_for_selector("[data-place='0'][aria-selected=true]")
    shown.keyboard.press("Shift+ArrowRight")
    shown.keyboard.press("Shift+ArrowRight")
    selected(shown, 3)
    shown.keyboard.press("Enter")
    until(shown, lambda: "open=train%2Fim002" in shown.url)


def test_a_check_box_begins_and_ends_a_range(shown: Any) -> None:
    def box(place: int) -> Any:
        return shown.locator(f".cell[data-place='{place}'] input")

    box(2).click()
    box(5).click(modifiers=["Shift"])
    selected(shown, 4)
    box(7).click()
    shown.locator(".cell[data-place='9']").click(modifiers=["Shift"])
    selected(shown, 7)
    until(shown, lambda: "open=" not in shown.url)


def test_classes_are_toggled_by_clicks_and_numbers(shown: Any) -> None:
    def clear() -> bool:
        return bool(
            shown.evaluate(
                "document.querySelector('[data-place=\"1\"] canvas').getContext('2d').getImageData(5, 15, 1, 1).data[3] === 0"
            )
        )

    assert not clear()
    shown.keyboard.press("2")
    shown.wait_for_timeout(100)
    assert clear()
    until(shown, lambda: not shown.get_by_label("Paint car").is_checked())
    shown.get_by_label("Only car").click()
    shown.wait_for_timeout(100)
    assert not clear()
    until(shown, lambda: not shown.get_by_label("Paint road").is_checked())
    shown.keyboard.down("o")
    shown.wait_for_timeout(100)
    assert clear()
    shown.keyboard.up("o")
    shown.wait_for_timeout(100)
    assert not clear()
    shown.get_by_label("Find a class").fill("onerror")
    until(shown, lambda: shown.locator("#side li:visible").count() == 1)


def test_the_class_under_the_pointer(shown: Any) -> None:
    box = shown.locator("[data-place='1'] canvas").bounding_box()
    shown.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    until(
        shown, lambda: shown.locator(".status").inner_text() == "train/im001 · car (1): 600 pixels, 50.0 % of the image"
    )
    shown.mouse.move(box["x"] + box["width"] * 3 / 4, box["y"] + box["height"] / 2)
    until(shown, lambda: "road (0): 600 pixels" in shown.locator(".status").inner_text())


def test_order(shown: Any) -> None:
    shown.get_by_label("Order", exact=True).select_option("ignore")
    shown.wait_for_function("() => document.querySelector('.cell .value')?.textContent === '2.1 % ignored'")
    until(shown, lambda: shown.url.endswith("#sort=-ignore"))
    shown.get_by_role("button", name="Highest first").click()
    shown.wait_for_function("() => document.querySelector('.cell .value')?.textContent === '0 % ignored'")


def iou(truth: Any, pred: Any, value: int) -> float:
    """The IoU of a class in one image, NaN where it is in neither."""
    counts = truth != 255
    both, either = (
        ((truth == value) & (pred == value) & counts).sum(),
        (((truth == value) | (pred == value)) & counts).sum(),
    )
    return float(both / either) if either else float("nan")


def test_predictions_are_shown_ordered_and_filtered(browser: Any, dataset: Dataset, tmp_path: Path) -> None:
    guesses = {}
    for i, (id, mask) in enumerate(masks().items()):
        guess = np.where(mask == 255, 0, mask)
        guess[:, 40 - i % 17 :] = 12
        guesses[id] = guess.astype(np.uint8)
    make(tmp_path / "guess", guesses, names=NAMES)
    want = {id: iou(mask, guesses[id], 0) for id, mask in masks().items()}
    viewer = view(dataset.root, tmp_path / "guess", port=0)
    with opened_page(browser, viewer.url) as page:
        ready(page)
        page.wait_for_selector("option[value='iou.road']", state="attached", timeout=20_000)
        page.get_by_label("Order", exact=True).select_option("iou.road")
        page.wait_for_function("() => document.querySelector('.cell .value')?.textContent")
        until(page, lambda: page.url.endswith("#sort=iou.road"))
        first = page.evaluate("[...document.querySelectorAll('.cell')].map((one) => one.dataset.id)")
        said = page.evaluate("[...document.querySelectorAll('.cell .value')].map((one) => one.textContent)")
        assert [want[id] for id in first] == sorted(want.values())[: len(first)]
        assert said == [f"{100 * want[id]:.1f} %" for id in first]
        page.get_by_label("Value of a class").select_option("iou.road")
        page.get_by_label("IoU of road, at most, %").fill("50")
        page.keyboard.press("Tab")
        total(page, f"{sum(value <= 0.5 for value in want.values())} of 60 images")
        page.get_by_label("Whose masks").select_option("0")
        page.locator(".tools input[aria-label='Opacity of the masks']").fill("100")
        page.wait_for_timeout(500)
        pixel = """() => [...document.querySelector(".cell canvas").getContext("2d").getImageData(39, 20, 1, 1).data]"""
        assert page.evaluate(pixel) == [*dataset.labels.classes[12].color, 255]
    viewer.close()


def test_duplicates_and_findings_are_looked_for_and_filtered(browser: Any, dataset: Dataset) -> None:
    for i in range(3):  # these three are one image
        same = (dataset.root / "images/train/im000.png").read_bytes()
        (dataset.root / f"images/train/im{i:03d}.png").write_bytes(same)
    viewer = view(dataset.root, port=0)
    with opened_page(browser, viewer.url) as page:
        ready(page)
        page.locator("#filters summary", has_text="Findings").click()
        page.get_by_role("button", name="Look for duplicates").click()
        page.get_by_role("checkbox", name="has duplicates").check(timeout=30_000)
        total(page, "3 of 60 images")
        page.get_by_role("checkbox", name="has duplicates").uncheck()
        total(page, "60 images")
        page.get_by_role("button", name="Check files, labels and splits").click()
        page.get_by_role("checkbox", name="duplicate.exact").check(timeout=60_000)
        total(page, "3 of 60 images")
    viewer.close()


def test_an_image_that_is_gone_is_said_in_its_cell(browser: Any, dataset: Dataset) -> None:
    (dataset.root / "images/train/im001.png").unlink()
    viewer = view(dataset.root, port=0)
    with opened_page(browser, viewer.url) as page:
        ready(page)
        page.wait_for_selector("[data-place='1'] .broken .said:not(:empty)")
        page.wait_for_timeout(500)  # in which its mask comes
        until(page, lambda: "im001" in page.locator("[data-place='1'] .said").inner_text())
    viewer.close()


def test_a_dataset_that_changes_and_a_server_that_ends(browser: Any, dataset: Dataset, tmp_path: Path) -> None:
    viewer = view(dataset.root, port=0)
    with opened_page(browser, viewer.url) as page:
        total(page, "60 images")
        make(dataset.root, dict(list(masks().items())[:50]), names=NAMES, images="copy")
        page.get_by_role("button", name="Reload").click(timeout=15_000)
        total(page, "50 images")
        viewer.close()
        page.get_by_text("is not running any more").wait_for(timeout=30_000)


def test_a_million_images(browser: Any, dataset: Dataset) -> None:
    """Only what is in sight is asked for and is in the page, and every image can be reached by the wheel."""
    viewer, asked = view(dataset.root, port=0), []

    def answer(route: Any) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        start, count = (int(query[name][0]) for name in ("start", "count"))
        asked.append(start)
        known = {
            "split": "train",
            "group": None,
            "height": 30,
            "width": 40,
            "counts": {"0": 1200},
            "preds": [],
            "values": {},
        }
        samples = [{"row": i, "id": f"im{i:07d}", **known} for i in range(start, min(start + count, 1_000_000))]
        route.fulfill(json={"edition": 1, "changed": False, "total": 1_000_000, "start": start, "samples": samples})

    def picture(route: Any) -> None:
        route.continue_(
            url=re.sub(r"/(image|mask)/(\d+)", lambda found: f"/{found[1]}/{int(found[2]) % 60}", route.request.url)
        )

    with opened_page(browser, viewer.url) as page:
        page.route("**/api/samples*", answer)
        page.route(re.compile("/api/(image|mask)/"), picture)
        page.reload()
        ready(page)
        page.hover(".scroller")
        for share in (0.0, 0.3, 0.7):
            page.evaluate(
                SCROLL,
                share,
            )
            page.wait_for_timeout(400)
            before = {place: top for place, _, top in page.evaluate(SIGHT)}
            page.mouse.wheel(0, 120)
            page.wait_for_timeout(500)
            after = page.evaluate(SIGHT)
            assert {before[place] - top for place, _, top in after if place in before} == {120}
            assert all(id == f"im{place:07d}" for place, id, _ in after)
        page.focus(".cell[tabindex='0']")
        page.keyboard.press("End")
        page.wait_for_function("() => document.activeElement.dataset.id === 'im0999999'")
        until(page, lambda: page.locator(".cell").count() < 100)
        assert len(asked) < 20
    viewer.close()


def test_places_in_a_long_list_go_there_and_back(shown: Any) -> None:
    """`toTop` is the inverse of `toScroll`, which never goes back and reaches both ends."""
    faults = shown.evaluate(
        """async () => {
          const { MOST, toScroll, toTop } = await import("./static/scrolling.js");
          const faults = [];
          for (const height of [1000, MOST, MOST + 1, 5e6, 5e7, 1e9]) {
            const last = height - 700;
            let before = -1;
            for (let i = 0; i <= 1000; i++) {
              const top = (last * i) / 1000;
              const at = toScroll(top, height, 700);
              if (Math.abs(toTop(at, height, 700) - top) > 1e-3 || at <= before) faults.push([height, top, at]);
              before = at;
            }
            if (Math.abs(before - (Math.min(height, MOST) - 700)) > 1e-6) faults.push([height, before]);
          }
          return faults;
        }"""
    )
    assert faults == []


def test_a_resized_window_stays_where_it_is(shown: Any) -> None:
    shown.evaluate("document.querySelector('.scroller').scrollTop = 1500")
    shown.wait_for_timeout(300)
    first = shown.evaluate(SIGHT)[0][0]
    for width in (1000, 1400, 1280):
        shown.set_viewport_size({"width": width, "height": 800})
        shown.wait_for_timeout(300)
        assert first in [place for place, _, _ in shown.evaluate(SIGHT)]


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_no_serious_fault(browser: Any, dataset: Dataset, dark: bool) -> None:
    viewer = view(dataset.root, port=0)
    with opened_page(browser, viewer.url + "#split=train", dark=dark) as page:
        ready(page)
        assert axe_faults(page) == []
        page.keyboard.press("?")
        until(page, lambda: page.locator("#help").is_visible())
        assert axe_faults(page) == []
    viewer.close()


def test_a_phone_reaches_everything(browser: Any, dataset: Dataset) -> None:
    viewer = view(dataset.root, port=0)
    with opened_page(browser, viewer.url, width=400, touch=True) as page:
        ready(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        for id, name in (("filters", "Filters"), ("side", "Classes")):
            page.locator(f"#{id}").wait_for(state="hidden")
            page.get_by_role("button", name=name, exact=True).tap()
            page.locator(f"#{id}").wait_for(state="visible")
            assert axe_faults(page) == []
        page.keyboard.press("Escape")
        until(page, lambda: not page.locator("#side").is_visible())
        page.get_by_label("Select train/im000").tap()
        page.wait_for_selector("[data-place='0'][aria-selected=true]")
    viewer.close()
