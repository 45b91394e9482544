"""One image in the large view: its pixels, the ways through it, and what it tells, by mouse, keys and fingers."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from browser import axe_faults, opened_page, until
from carry_files import make
from segdata.dataset.dataset import Dataset
from segdata.ops.evaluate.page import errors

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from segdata.ops.view.operation import Viewer, view

pytestmark = pytest.mark.net

IGNORE = 255
HEIGHT, WIDTH = 610, 740
"""Two tiles by two, which fit into a pane as they are."""


def blocks(seed: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> NDArray[np.uint8]:
    """A mask of small rectangles, some of them ignored, and a few single pixels."""
    draw = np.random.default_rng(seed)
    coarse = draw.choice(
        np.array([0, 1, 2, IGNORE], np.uint8), (size[0] // 7 + 1, size[1] // 5 + 1), p=[0.4, 0.3, 0.2, 0.1]
    )
    mask = np.repeat(np.repeat(coarse, 7, 0), 5, 1)[: size[0], : size[1]].copy()
    mask[draw.integers(0, size[0], 500), draw.integers(0, size[1], 500)] = 1
    return mask


TRUTH = {"val/a": blocks(1), "val/b": blocks(2), "val/c": blocks(3, (90, 60))}
GIVEN = {id: np.where(blocks(9, mask.shape) == 1, blocks(8, mask.shape), mask) for id, mask in TRUTH.items()}


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make(tmp_path_factory.mktemp("truth") / "data", TRUTH, images="reference")


@pytest.fixture(scope="module")
def viewer(truth: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    pred = make(tmp_path_factory.mktemp("pred") / "data", GIVEN)
    shown = view(truth, pred, port=0)
    yield shown
    shown.close()


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Viewer]:
    """Without images."""
    root = tmp_path_factory.mktemp("bare")
    shown = view(make(root / "data", TRUTH), make(root / "pred", GIVEN), port=0)
    yield shown
    shown.close()


def at(browser: Any, viewer: Viewer, id: str = "val/a", **options: Any) -> AbstractContextManager[Any]:
    return opened_page(browser, f"{viewer.url}#open={id}", **options)


def ready(page: Any) -> None:
    """Wait until all that is in sight is drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.wait_for_selector("#sample .stage[aria-busy=false] canvas")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def panes(page: Any, *names: str) -> None:
    """Show these panes and no others."""
    wanted = {*names}
    ready(page)
    for button in page.locator("#sample [data-name]").all():
        name = button.get_attribute("data-name")
        if name != "swipe" and (name in wanted) != (button.get_attribute("aria-pressed") == "true"):
            button.click()
    ready(page)


def drawn(page: Any, number: int = 0) -> NDArray[np.uint8]:
    """(H, W, 4) the pixels of a pane."""
    data = page.locator("#sample canvas").nth(number).evaluate("canvas => canvas.toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGBA"))


def place_told(page: Any) -> tuple[int, int]:
    """(row, column) of the pixel that the readout tells of."""
    found = re.search(r"row ([\d,]+), column ([\d,]+)", page.locator("#sample .readout").inner_text())
    assert found is not None
    return int(found[1].replace(",", "")), int(found[2].replace(",", ""))


def corner(pane: NDArray[Any], scale: float, size: tuple[int, int] = (HEIGHT, WIDTH)) -> tuple[int, int]:
    """(y, x) where the image begins if its middle is that of the pane."""
    y, x = (int(np.floor(side / 2 - scale * full / 2 + 0.5)) for side, full in zip(pane.shape, size, strict=False))
    return y, x


def test_pixels_of_a_mask_at_one_to_one_have_the_colours_of_their_classes(
    browser: Any, viewer: Viewer, truth: Dataset
) -> None:
    with at(browser, viewer) as page:
        panes(page, "truth")
        page.get_by_label("Base").select_option("none")
        page.keyboard.press("Tab")
        page.get_by_role("button", name="One to one").click()
        ready(page)
        found = drawn(page)
    y, x = corner(found, 1)
    assert y >= 0
    assert x >= 0
    image = found[y : y + HEIGHT, x : x + WIDTH]
    mask = TRUTH["val/a"]
    for label in truth.labels.classes:
        assert (image[mask == label.id] == (*label.color, 255)).all()
    stripes = {tuple(color) for color in image[mask == IGNORE].tolist()}
    assert stripes <= {(255, 255, 255, 255), (90, 90, 90, 255), (0, 0, 0, 0)}
    assert len(stripes) == 3
    assert not found[:y].any()


@pytest.mark.parametrize("presses", [1, 3, 6, 9])
def test_larger_pixels_are_squares_of_one_colour(browser: Any, viewer: Viewer, truth: Dataset, presses: int) -> None:
    scale = 1.5**presses
    with at(browser, viewer) as page:
        panes(page, "truth")
        page.get_by_label("Base").select_option("none")
        page.get_by_role("button", name="One to one").click()
        for _ in range(presses):
            page.get_by_role("button", name="Zoom in").click()
        ready(page)
        found = drawn(page)
    y, x = corner(found, scale)
    rows, columns = (np.arange(full) for full in (HEIGHT, WIDTH))
    down, across = (np.floor(start + (line + 0.5) * scale).astype(int) for start, line in ((y, rows), (x, columns)))
    inside = np.ix_((down >= 0) & (down < found.shape[0]), (across >= 0) & (across < found.shape[1]))
    seen = found[np.ix_(down[(down >= 0) & (down < found.shape[0])], across[(across >= 0) & (across < found.shape[1])])]
    mask = TRUTH["val/a"][inside]
    assert mask.size > 50
    for label in truth.labels.classes:
        assert (seen[mask == label.id] == (*label.color, 255)).all()


def test_a_difference_is_that_of_the_page_of_evaluate(browser: Any, bare: Viewer, truth: Dataset) -> None:
    with at(browser, bare) as page:
        panes(page, "errors0")
        page.get_by_role("button", name="One to one").click()
        ready(page)
        found = drawn(page)
    y, x = corner(found, 1)
    grey = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    expected = errors(grey, TRUTH["val/a"], GIVEN["val/a"], truth.labels)
    np.testing.assert_array_equal(found[y : y + HEIGHT, x : x + WIDTH, :3], expected)


def test_ids_of_sixteen_bits_have_the_colours_of_their_classes(browser: Any, tmp_path: Path) -> None:
    mask = np.random.default_rng(5).integers(0, 700, (90, 130)).astype(np.uint16)
    dataset = make(tmp_path / "data", {"wide": mask}, names=[f"class {i}" for i in range(700)])
    shown = view(dataset, port=0)
    try:
        with at(browser, shown, "wide") as page:
            panes(page, "truth")
            page.get_by_role("button", name="One to one").click()
            ready(page)
            found = drawn(page)
    finally:
        shown.close()
    y, x = corner(found, 1, mask.shape)
    colors = np.array([label.color for label in dataset.labels.classes], np.uint8)
    np.testing.assert_array_equal(found[y : y + 90, x : x + 130, :3], colors[mask])


def test_outlines_are_where_the_id_changes(browser: Any, viewer: Viewer, truth: Dataset) -> None:
    with at(browser, viewer) as page:
        panes(page, "truth")
        page.locator("#sample .stage").focus()
        for key in "l1":
            page.keyboard.press(key)
        ready(page)
        found = drawn(page)
    y, x = corner(found, 1)
    mask = TRUTH["val/a"]
    padded = np.pad(mask, 1, mode="edge")
    sides = [padded[1 + dy : 1 + dy + HEIGHT, 1 + dx : 1 + dx + WIDTH] for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))]
    edge = np.any([side != mask for side in sides], axis=0)
    edge[:, 511:513] = edge[511:513] = False  # neighbours in another tile are not looked at
    for label in truth.labels.classes:
        seen = found[y : y + HEIGHT, x : x + WIDTH][edge & (mask == label.id)]
        assert (seen == (*label.color, 255)).all()


def test_the_pixel_under_the_pointer_is_told(browser: Any, viewer: Viewer, truth: Dataset) -> None:
    with at(browser, viewer) as page:
        panes(page, "truth")
        page.get_by_role("button", name="One to one").click()
        ready(page)
        y, x = corner(drawn(page), 1)
        box = page.locator("#sample canvas").bounding_box()
        for row, column in ((3, 5), (300, 399), (HEIGHT - 1, WIDTH - 1), (511, 512)):
            page.mouse.move(box["x"] + x + column + 0.5, box["y"] + y + row + 0.5)
            ready(page)
            told = page.locator("#sample .readout").inner_text()
            assert f"row {row}, column {column}" in told
            for name, masks in (("Truth", TRUTH), ("Prediction", GIVEN)):
                mask = masks["val/a"]
                id = int(mask[row, column])
                known = "ignored" if id == IGNORE else truth.labels.names[id]
                pixels = int((mask == id).sum())
                assert re.search(rf"{name} +{known} id {id} · {pixels:,} px · ", " ".join(told.split())), told


def test_a_cursor_moves_by_keys_and_is_told_aloud(browser: Any, viewer: Viewer) -> None:
    with at(browser, viewer) as page:
        ready(page)
        for key in ("c", "ArrowRight", "ArrowDown", "ArrowDown", "Shift+ArrowLeft"):
            page.keyboard.press(key)
        row, column = HEIGHT // 2 + 2, WIDTH // 2 + 1 - 10
        page.get_by_role("status").get_by_text(f"Row {row}, column {column}. Truth:").wait_for(state="attached")
        page.keyboard.press("c")
        page.keyboard.press("ArrowRight")
        until(page, lambda: f"row {row}, column {column}" in page.locator("#sample .readout").inner_text())


def test_a_tap_tells_the_pixel_on_a_phone(browser: Any, viewer: Viewer) -> None:
    with at(browser, viewer, width=400, touch=True) as page:
        ready(page)
        until(page, lambda: page.locator("#sample canvas").count() == 1)
        box = page.locator("#sample canvas").bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert np.abs(np.subtract(place_told(page), (HEIGHT / 2, WIDTH / 2))).max() < 3
        page.locator("#sample [data-name=pred0]").tap()
        assert page.locator("#sample canvas").get_attribute("aria-label") == "Prediction"
        assert page.evaluate("document.querySelector('#sample').scrollWidth <= innerWidth")


def test_the_wheel_keeps_what_is_under_the_pointer_and_a_drag_moves_it(browser: Any, viewer: Viewer) -> None:
    with at(browser, viewer) as page:
        panes(page, "truth")
        box = page.locator("#sample canvas").bounding_box()
        x, y = box["x"] + 400, box["y"] + 250
        where = page.locator("#sample .where")
        page.mouse.move(x, y)
        before = where.inner_text()
        zoom = page.get_by_label("Zoom", exact=True).locator("output").inner_text()
        for _ in range(3):
            page.mouse.wheel(0, -240)
        ready(page)
        until(page, lambda: page.get_by_label("Zoom", exact=True).locator("output").inner_text() != zoom)
        page.mouse.move(x + 1, y)
        page.mouse.move(x, y)
        until(page, lambda: where.inner_text() == before)
        page.mouse.down()
        page.mouse.move(x - 50, y - 30)
        page.mouse.move(x - 100, y - 60)
        page.mouse.up()
        page.mouse.move(x - 101, y - 60)
        page.mouse.move(x - 100, y - 60)
        until(page, lambda: where.inner_text() == before)


def test_panes_and_divider_are_chosen_and_remembered(browser: Any, viewer: Viewer) -> None:
    with at(browser, viewer) as page:
        panes(page, "truth", "errors0")
        page.get_by_label("Base").select_option("none")
        until(page, lambda: page.locator("#sample canvas").count() == 2)
        page.locator("#sample .stage").focus()
        page.keyboard.press("s")
        ready(page)
        divider = page.get_by_role("slider", name="Divider")
        half = drawn(page)
        divider.focus()
        page.keyboard.press("End")
        ready(page)
        assert divider.get_attribute("aria-valuenow") == "100"
        left = drawn(page)
        page.keyboard.press("Home")
        ready(page)
        right = drawn(page)
        middle = half.shape[1] // 2
        np.testing.assert_array_equal(half[:, : middle - 1], left[:, : middle - 1])
        np.testing.assert_array_equal(half[:, middle + 1 :], right[:, middle + 1 :])
        assert (left != right).any()
        box = page.locator("#sample canvas").bounding_box()
        page.mouse.move(box["x"] + 3, box["y"] + 200)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 200)
        page.mouse.up()
        assert divider.get_attribute("aria-valuenow") == "25"
        page.reload()
        ready(page)
        until(page, lambda: page.get_by_role("slider", name="Divider").count() == 1)
        page.keyboard.press("s")
        ready(page)
        until(page, lambda: page.locator("#sample canvas").count() == 2)


def test_classes_are_hidden_by_a_click(browser: Any, viewer: Viewer) -> None:
    with at(browser, viewer) as page:
        panes(page, "truth")
        page.get_by_label("Base").select_option("none")
        page.get_by_role("button", name="One to one").click()
        page.locator("#sample .counted").get_by_role("button", name="car").click()
        ready(page)
        found = drawn(page)
    y, x = corner(found, 1)
    image = found[y : y + HEIGHT, x : x + WIDTH]
    assert not image[TRUTH["val/a"] == 1].any()
    assert image[TRUTH["val/a"] == 0].any(axis=-1).all()


def test_pixels_of_a_cell_are_lit_and_its_regions_are_gone_through(browser: Any, viewer: Viewer) -> None:
    asked = "cell=road%3Acar"
    true, given = TRUTH["val/a"], GIVEN["val/a"]
    places = [(300, 400, 7, 5, 35), (10, 20, 1, 1, 1)]
    regions = [dict(zip(("y", "x", "height", "width", "area"), place, strict=True)) for place in places]
    with opened_page(browser, viewer.url) as page:
        page.route("**/api/regions/**", lambda route: route.fulfill(json=regions))
        page.route("**/api/find*", lambda route: route.continue_(url=route.request.url.replace(f"{asked}&", "")))
        page.goto(f"{viewer.url}#{asked}&open=val/a")
        page.reload()
        panes(page, "truth")
        page.get_by_label("Base").select_option("none")
        page.get_by_role("button", name="One to one").click()
        page.locator("#sample .regions").get_by_text("2. 1 px at row 10, column 20").wait_for()
        ready(page)
        found = drawn(page)
        y, x = corner(found, 1)
        image = found[y : y + HEIGHT, x : x + WIDTH]
        frames = np.zeros(true.shape, np.bool_)
        frames[290:320, 390:420] = frames[:30, :40] = True
        lit = (true == 0) & (given == 1)
        full = np.unique(image[lit & ~frames], axis=0)
        assert len(full) == 1
        assert (image[(true == 0) & ~lit & ~frames][:, :3] < full[0, :3]).any(axis=1).all()
        page.locator("#sample .stage").focus()
        page.keyboard.press("n")
        ready(page)
        current = page.locator("#sample .regions [aria-current=true]")
        until(page, lambda: current.inner_text().startswith("1. "))
        until(page, lambda: page.get_by_label("Zoom", exact=True).locator("output").inner_text() == "1,600 %")
        page.keyboard.press("p")
        until(page, lambda: current.inner_text().startswith("2. "))
        page.get_by_label("Select region 2").check()
        selected = page.evaluate("import('./static/state.js').then(({ state }) => state.regions)")
        assert [(one["id"], one["y"], one["x"]) for one in selected] == [("val/a", 10, 20)]


def test_images_follow_each_other_and_escape_and_back_close(browser: Any, viewer: Viewer) -> None:
    with opened_page(browser, viewer.url) as page:
        page.locator("[data-id='val/a']").dblclick()
        title = page.locator("#sample h2")
        title.get_by_text("val/a").wait_for()
        for key, id, place in (("j", "val/b", 2), ("PageDown", "val/c", 3), ("k", "val/b", 2)):
            page.keyboard.press(key)
            title.get_by_text(id).wait_for()
            page.locator("#sample header").get_by_text(f"{place} of 3").wait_for()
        until(page, lambda: "open=val%2Fb" in page.url)
        page.keyboard.press("Escape")
        page.locator("#sample").wait_for(state="hidden")
        until(page, lambda: "open=" not in page.url)
        page.wait_for_function("document.activeElement.dataset.id === 'val/b'")
        page.keyboard.press("Enter")
        title.get_by_text("val/b").wait_for()
        page.go_back()
        page.locator("#sample").wait_for(state="hidden")


def test_an_image_that_is_not_there_is_said(browser: Any, viewer: Viewer, bare: Viewer) -> None:
    with at(browser, viewer, "val/none") as page:
        page.locator("#sample .message").get_by_text("val/none").wait_for()
    with at(browser, bare) as page:
        page.locator("#sample .facts").get_by_text("none: masks alone").wait_for()


def test_without_images_masks_are_shown_alone_and_no_image_is_asked_for(browser: Any, bare: Viewer) -> None:
    with opened_page(browser, bare.url) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.reload()
        page.wait_for_selector(".cell[data-row] canvas[width]")
        page.locator(".cell[data-row]").first.click()
        ready(page)
        until(page, lambda: page.locator("#sample .pane").count() == 3)
        page.keyboard.press("s")
        ready(page)
        until(page, lambda: page.locator("#sample .pane").count() == 1)
        until(page, lambda: page.locator("#sample .message").inner_text() == "")
        until(page, lambda: page.locator(".said:not(:empty)").count() == 0)
    assert any("/api/tile/" in url for url in asked)
    assert not [url for url in asked if "/api/image/" in url or "of=image" in url]


def test_what_is_wrong_with_the_next_image_is_not_said_of_this_one(browser: Any, tmp_path: Path) -> None:
    dataset = make(tmp_path / "data", {"a": blocks(1, (60, 80)), "b": blocks(2, (60, 80))}, images="copy")
    (dataset.root / "images/b.png").unlink()
    shown = view(dataset, port=0)
    try:
        with at(browser, shown, "a") as page:
            ready(page)
            page.wait_for_timeout(700)
            until(page, lambda: page.locator("#sample .message").inner_text() == "")
            page.keyboard.press("j")
            page.locator("#sample .message").get_by_text("b.png").wait_for()
    finally:
        shown.close()


def test_black_classes_are_clear_over_images_and_black_without(browser: Any, tmp_path: Path) -> None:
    mask = blocks(3, (60, 80))
    dataset = make(tmp_path / "data", {"a": mask}, names=["background", "car", "sign"], images="copy")
    assert dataset.labels.classes[0].color == (0, 0, 0)
    shown = view(dataset, port=0)
    try:
        with at(browser, shown, "a") as page:
            panes(page, "truth")
            page.get_by_role("button", name="One to one").click()
            page.get_by_label("Base").select_option("grey")
            page.keyboard.press("Tab")
            page.locator("#sample .stage").focus()
            seen = []
            for key in ("Shift", "l", "g"):
                page.keyboard.press(key)
                ready(page)
                found = drawn(page)
                y, x = corner(found, 1, mask.shape)
                seen.append(found[y : y + 60, x : x + 80, :3][mask == 0])
    finally:
        shown.close()
    assert (seen[0] > 60).mean() > 0.5, "the image is as bright as it is"
    np.testing.assert_array_equal(seen[0], seen[1], "nor do outlines paint it")
    assert not seen[2].any()


def test_tiles_in_sight_are_asked_for_and_no_others(browser: Any, tmp_path: Path) -> None:
    shown = view(make(tmp_path / "data", {"large": blocks(4, (4000, 6000))}), port=0)
    asked: list[str] = []
    try:
        with opened_page(browser, shown.url) as page:
            page.on(
                "request",
                lambda request: (
                    asked.append(request.url) if "of=truth" in request.url and "/tile/" in request.url else None
                ),
            )
            page.locator("[data-id='large']").dblclick()
            ready(page)
            panes(page, "truth")
            assert len(asked) < 20
            assert not [url for url in asked if "level=0" in url]
            asked.clear()
            box = page.locator("#sample canvas").bounding_box()
            page.mouse.move(box["x"] + 300, box["y"] + 200)
            before = place_told(page)
            for _ in range(6):
                page.mouse.wheel(0, -400)
            page.mouse.move(box["x"] + 301, box["y"] + 200)
            page.mouse.move(box["x"] + 300, box["y"] + 200)
            assert (
                np.abs(np.subtract(place_told(page), before)).max() <= 1
            )  # one pixel of the screen was 7 of the image
            ready(page)
            asked.clear()
            page.get_by_role("button", name="One to one").click()
            ready(page)
            assert 0 < len([url for url in asked if "level=0" in url]) <= 9
    finally:
        shown.close()


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_no_serious_fault(browser: Any, viewer: Viewer, width: int, dark: bool) -> None:
    with at(browser, viewer, width=width, dark=dark) as page:
        ready(page)
        page.keyboard.press("s")
        ready(page)
        assert axe_faults(page) == []


def test_focus_stays_in_the_view(browser: Any, viewer: Viewer) -> None:
    with at(browser, viewer) as page:
        ready(page)
        for _ in range(40):
            page.keyboard.press("Tab")
            assert page.evaluate(
                "document.activeElement === document.body || document.querySelector('#sample').contains(document.activeElement)"
            )
