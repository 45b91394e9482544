"""The viewer as its users meet it: predictions beside truth, by clicks and by keys, in a real browser.

What the grid does alone is in `test_view_browser_grid.py`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray

from browser import axe_faults, opened_page, ready, until
from refine_files import datasets
from segdata.dataset.dataset import Dataset

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from segdata.ops.view.operation import view

pytestmark = pytest.mark.page

COUNT = 12
PHONE = {"width": 400, "height": 800, "touch": True}
PAINTED = """() => {
  const canvas = document.querySelector('.cell canvas');
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return data.filter((value, i) => i % 4 === 3 && value).length;
}"""
"""How many pixels of the first mask are painted."""

Opened = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Truth, images, and predictions with scores."""
    root = tmp_path_factory.mktemp("looked")
    datasets(root, COUNT)
    return root


@pytest.fixture(scope="module")
def viewer(folder: Path) -> Iterator[Any]:
    shown = view(folder / "truth", folder / "pred", port=0)
    yield shown
    shown.close()


@pytest.fixture
def opened(browser: Any, viewer: Any) -> Opened:
    """Opens the page with a query behind `#`, and waits for images."""

    @contextmanager
    def open_at(query: str = "", **options: Any) -> Iterator[Any]:
        with opened_page(browser, f"{viewer.url}#{query}", **options) as page:
            ready(page)
            yield page

    return open_at


def total(page: Any, count: int, of: int = COUNT) -> None:
    """Wait until the page says how many images fit."""
    words = f"{of} images" if count == of else f"{count} of {of} images"
    page.wait_for_function("(words) => document.querySelector('#total')?.textContent === words", arg=words)


def ids(page: Any) -> list[str]:
    """The ids in the grid, in its order."""
    page.wait_for_function(
        "() => !document.querySelector('#grid [aria-busy]') && !document.querySelector('.cell:not([data-id])')"
    )
    return [str(id) for id in page.evaluate("[...document.querySelectorAll('.cell')].map((one) => one.dataset.id)")]


def large(page: Any) -> Any:
    """The large view, once its tiles are drawn."""
    dialog = page.get_by_role("dialog", name="One image")
    dialog.wait_for()
    page.wait_for_function("() => [...document.querySelectorAll('#sample canvas')].length > 0")
    return dialog


def errors(folder: Path, true: int, given: int) -> dict[str, int]:
    """How many pixels of a class are given as another, per image that has any: counted by numpy."""
    truth, pred = Dataset.open(folder / "truth"), Dataset.open(folder / "pred")
    found = {s.id: pixels(truth, s, true) & pixels(pred, pred.sample(s.id), given) for s in truth}
    return {id: int(where.sum()) for id, where in found.items() if where.any()}


def pixels(dataset: Dataset, sample: Any, value: int) -> NDArray[np.bool_]:
    return dataset.read_mask(sample) == value


# The large view


def test_an_image_opens_beside_truth_prediction_and_difference(opened: Opened) -> None:
    with opened() as page:
        page.locator(".cell").nth(2).click()
        dialog = large(page)
        for name in "Image", "Truth", "Prediction", "Difference":
            assert dialog.get_by_role("button", name=name, exact=True).get_attribute("aria-pressed") == "true"
        shown = parse_qs(urlsplit(page.url).fragment)["open"]
        assert shown == ids(page)[2:3]
        page.keyboard.press("j")
        page.wait_for_function("(old) => !location.hash.includes(encodeURIComponent(old))", arg=shown[0])
        until(page, lambda: parse_qs(urlsplit(page.url).fragment).get("open") == ids(page)[3:4])
        page.keyboard.press("Escape")
        dialog.wait_for(state="hidden")
        until(page, lambda: "open" not in parse_qs(urlsplit(page.url).fragment))


def test_a_link_opens_the_image_and_panes_come_and_go(opened: Opened) -> None:
    with opened("open=val/001&split=val") as page:
        dialog = large(page)
        until(page, lambda: dialog.get_by_role("heading", name="val/001").is_visible())
        dialog.get_by_role("button", name="Difference", exact=True).click()
        assert dialog.get_by_role("button", name="Difference", exact=True).get_attribute("aria-pressed") == "false"
        page.keyboard.press("s")
        assert dialog.get_by_role("button", name="Swipe").get_attribute("aria-pressed") == "true"
        divider = dialog.get_by_role("slider", name="Divider: left Truth, right Prediction")
        assert divider.get_attribute("aria-valuenow") == "50"
        divider.press("ArrowRight")
        assert int(divider.get_attribute("aria-valuenow")) > 50
        dialog.get_by_role("combobox", name="Left").select_option("Image")
        dialog.get_by_role("slider", name="Divider: left Image, right Prediction").wait_for()


def test_the_class_under_the_pointer_is_told(opened: Opened, folder: Path) -> None:
    """Of truth and of the prediction, at the pixel in the middle, with how many pixels each has."""
    truth, pred = Dataset.open(folder / "truth"), Dataset.open(folder / "pred")
    sample = truth.sample("val/003")
    with opened("open=val/003") as page:
        dialog = large(page)
        page.keyboard.press("c")
        y, x = sample.height // 2, sample.width // 2
        readout = dialog.locator(".readout")
        readout.get_by_text(f"row {y}, column {x}").wait_for()
        value = int(truth.read_mask(sample)[y, x])
        given = int(pred.read_mask(pred.sample("val/003"))[y, x])
        readout.get_by_text(f"{sample.counts[value]:,} px").first.wait_for()
        text = readout.inner_text()
        assert f"{truth.labels.name(value)} id {value}" in text
        assert f"{truth.labels.name(given)} id {given}" in text.partition("Prediction")[2]
        page.keyboard.press("ArrowRight")
        readout.get_by_text(f"row {y}, column {x + 1}").wait_for()


def test_it_zooms_by_wheel_keys_and_buttons(opened: Opened) -> None:
    with opened("open=val/001") as page:
        dialog = large(page)
        zoom = dialog.get_by_label("Zoom", exact=True).and_(page.locator("output"))

        def scale() -> float:
            return float(zoom.inner_text().rstrip("% ").replace(",", ""))

        start = scale()
        page.keyboard.press("+")
        assert scale() > start
        dialog.get_by_role("button", name=re.compile("^One to one")).click()
        assert scale() == 100
        dialog.locator("canvas").first.hover()
        page.mouse.wheel(0, -300)
        page.wait_for_function("() => document.querySelector('#sample output')?.textContent !== '100 %'")
        assert scale() > 100
        page.keyboard.press("0")
        assert scale() == start


def test_classes_and_opacity_change_what_is_painted_without_a_request(opened: Opened) -> None:
    with opened() as page:
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url))
        before = page.evaluate(PAINTED)
        assert before > 0
        page.get_by_role("button", name="None", exact=True).first.click()
        page.wait_for_function(f"() => ({PAINTED})() === 0")
        page.get_by_role("button", name="All", exact=True).first.click()
        page.wait_for_function(f"() => ({PAINTED})() === {before}")
        page.get_by_role("slider", name="Opacity of the masks").first.fill("0")
        page.keyboard.press("l")
        assert page.get_by_role("button", name="Outlines").first.get_attribute("aria-pressed") == "true"
        assert not [url for url in asked if "/api/" in url and "/api/about" not in url]  # which is asked every 5 s


# Numbers


def numbers(page: Any) -> Any:
    """The panel of numbers, with its matrix."""
    page.get_by_role("button", name="Numbers", exact=True).click()
    panel = page.get_by_role("region", name="Numbers")
    panel.get_by_role("grid", name="Confusion matrix").wait_for()
    return panel


def test_a_cell_of_the_matrix_leads_to_its_images_and_regions(opened: Opened, folder: Path) -> None:
    held = errors(folder, 1, 2)
    with opened() as page:
        cell = numbers(page).get_by_role("button", name=re.compile("^water given as wood"))
        assert f"{sum(held.values()):,} pixels" in cell.get_attribute("aria-label")
        cell.click()
        total(page, len(held))
        worst = sorted(held, key=lambda id: -held[id])
        seen = ids(page)
        assert [held[id] for id in seen] == [held[id] for id in worst[: len(seen)]]
        page.locator(".cell").first.click()
        dialog = large(page)
        regions = dialog.get_by_role("region", name="Regions")
        first = regions.get_by_role("listitem").first
        first.wait_for()
        page.keyboard.press("n")
        assert first.get_by_role("button").get_attribute("aria-current") == "true"
        first.get_by_role("checkbox").check()
        until(page, lambda: first.get_by_role("checkbox").is_checked())


def test_the_matrix_is_of_the_images_that_fit(opened: Opened, folder: Path) -> None:
    held = {id: n for id, n in errors(folder, 0, 1).items() if id.startswith("test/")}
    with opened("split=test") as page:
        cell = numbers(page).get_by_role("button", name=re.compile("^ground given as water"))
        assert f" {sum(held.values()):,} pixels" in cell.get_attribute("aria-label")


def test_a_class_leads_to_where_it_is_worst_and_a_bin_to_its_images(opened: Opened) -> None:
    with opened() as page:
        panel = numbers(page)
        panel.get_by_role("button", name="water", exact=True).click()
        page.wait_for_function("() => location.hash.includes('sort=iou.water')")
        panel.get_by_role("button", name="Start: Confidence", exact=False).first.click()
        bars = panel.get_by_role("group", name="Reliability: how often right, by how sure").get_by_role("button")
        bars.last.wait_for()
        bars.last.press("Enter")
        page.wait_for_function("() => /bin=[0-9]+&sort=-bin/.test(location.hash)")
        assert ids(page)


# Acting


def test_what_is_selected_by_keys_becomes_a_dataset_without_it(opened: Opened, folder: Path, tmp_path: Path) -> None:
    with opened("split=val") as page:
        total(page, 9)
        page.keyboard.press("g")
        page.wait_for_function("() => document.activeElement.matches('.cell[data-id]')")
        page.keyboard.press("x")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("x")
        bar = page.get_by_role("region", name="Selection")
        bar.get_by_text("2 images selected").wait_for()
        chosen = ids(page)[:2]
        bar.get_by_role("button", name="Dataset without them").click()
        form = page.get_by_role("dialog", name="Dataset without the selection")
        form.get_by_label("Write to").fill(str(tmp_path / "rest"))
        form.get_by_role("button", name="Make the dataset").click()
        form = page.get_by_role("dialog")  # its name says what is done now
        form.get_by_text(f"Done: {tmp_path / 'rest'}").wait_for(timeout=60_000)
        assert axe_faults(page) == []
    rest = Dataset.open(tmp_path / "rest")
    assert {s.id for s in rest} == {s.id for s in Dataset.open(folder / "truth")} - set(chosen)


# What changes meanwhile


def test_a_dataset_that_changes_is_said_and_opened_anew(browser: Any, folder: Path, tmp_path: Path) -> None:
    root = shutil.copytree(folder, tmp_path / "copy") / "truth"
    shown = view(root, port=0)
    try:
        with opened_page(browser, shown.url) as page:
            total(page, COUNT)
            dataset = Dataset.open(root)
            dataset.select(lambda sample: sample.split == "val").save()
            count = len(dataset.split("val"))
            again = page.get_by_role("button", name=re.compile("^(Reload|Open|Load)", re.IGNORECASE))
            page.get_by_label("Search ids").fill("0")
            again.first.wait_for()
            again.first.click()
            page.get_by_label("Search ids").fill("")
            total(page, count, count)
    finally:
        shown.close()


def test_an_image_that_is_gone_is_said(browser: Any, folder: Path, tmp_path: Path) -> None:
    root = shutil.copytree(folder, tmp_path / "copy") / "truth"
    (tmp_path / "copy/images/val/001.png").unlink()
    shown = view(root, port=0)
    try:
        with opened_page(browser, shown.url) as page:
            cell = page.locator('.cell[data-id="val/001"]')
            cell.get_by_text(re.compile("gone|no such file|missing")).wait_for()
            cell.click()
            large(page).get_by_text(re.compile("gone|no such file|missing")).first.wait_for()
    finally:
        shown.close()


def test_a_viewer_that_ends_is_said(browser: Any, folder: Path) -> None:
    shown = view(folder / "truth", port=0)
    with opened_page(browser, shown.url) as page:
        total(page, COUNT)
        shown.close()
        page.get_by_label("Search ids").fill("0")
        page.get_by_text("segdata view is not running any more").wait_for()


# Everyone


SIZES: dict[str, dict[str, Any]] = {"wide": {}, "dark": {"dark": True}, "phone": PHONE}


@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_no_serious_fault(opened: Opened, size: str) -> None:
    with opened(**SIZES[size]) as page:
        assert axe_faults(page) == []
        for name in ("Filters", "Classes") if size == "phone" else ():
            page.get_by_role("button", name=name, exact=True).click()
            assert axe_faults(page) == []
            page.keyboard.press("Escape")
        numbers(page)
        assert axe_faults(page) == []
        page.keyboard.press("Escape")
        page.locator(".cell").first.click()
        large(page)
        assert axe_faults(page) == []
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        page.get_by_role("dialog", name="Keys").wait_for()
        assert axe_faults(page) == []


def test_a_phone_scrolls_down_alone(opened: Opened) -> None:
    wide = "document.documentElement.scrollWidth > innerWidth"
    with opened(**PHONE) as page:
        assert not page.evaluate(wide)
        numbers(page)
        assert not page.evaluate(wide)
        page.keyboard.press("Escape")
        page.locator(".cell").first.tap()
        large(page)
        assert not page.evaluate(wide)


def test_the_keyboard_alone_reaches_an_image_and_back(opened: Opened) -> None:
    with opened() as page:
        page.keyboard.press("g")
        page.wait_for_function("() => document.activeElement.matches('.cell[data-id]')")
        page.keyboard.press("ArrowRight")
        at = page.evaluate("document.activeElement.dataset.id")
        page.keyboard.press("Enter")
        large(page)
        page.keyboard.press("Escape")
        page.wait_for_function("(id) => document.activeElement.dataset.id === id", arg=at)
