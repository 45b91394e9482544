"""Selecting, tagging and making things of a selection, by clicks and keys in a browser."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import segdata
from browser import axe_faults, opened_page, ready, until
from carry_files import contents, make
from segdata.dataset.dataset import Dataset
from segdata.ops.view.operation import view

IDS = [f"{'train' if i < 20 else 'val'}/im{i:02d}" for i in range(30)]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A working directory with a dataset `toy`."""
    masks = {id: np.full((30, 40), i % 3, np.uint8) for i, id in enumerate(IDS)}
    masks[IDS[0]][:5] = 255
    make(tmp_path / "toy", masks, images="copy")
    before = os.getcwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


@pytest.fixture
def shown(browser: Any, folder: Path) -> Iterator[Any]:
    viewer = view("toy", port=0)
    with opened_page(browser, viewer.url) as page:
        ready(page)
        yield page
    viewer.close()


def told(page: Any) -> str:
    """What the bar says is selected; empty if it is not there."""
    return page.text_content("#acts .told") if page.is_visible("#acts") else ""


def pick(page: Any, *places: int) -> None:
    """Select images by their boxes."""
    for place in places:
        page.check(f".cell[data-place='{place}'] input")


def press(page: Any, text: str) -> None:
    """Click a button of the bar."""
    page.get_by_role("toolbar", name="What to do with the selection").get_by_role("button", name=text).click()


def choose_place(page: Any, name: str, field: str = "Write to") -> None:
    page.get_by_label(field).fill(name)


def done(page: Any) -> str:
    """What the dialog says once it is done."""
    page.wait_for_selector("#act .done", timeout=60_000)
    return page.inner_text("#act")


def test_the_bar_is_there_for_a_selection_alone(shown: Any) -> None:
    assert told(shown) == ""
    pick(shown, 0)
    assert told(shown) == "1 image selected"
    pick(shown, 2, 3)
    assert told(shown) == "3 images selected"
    shown.click(".cell[data-place='5']", modifiers=["Control"])
    shown.click(".cell[data-place='7']", modifiers=["Shift"])
    shown.wait_for_function("() => document.querySelector('#acts .told')?.textContent.startsWith('6')")
    press(shown, "Clear")
    assert told(shown) == ""
    assert shown.evaluate("document.activeElement.id") == "grid", "the keyboard is not lost with the button"


def test_all_that_fit_and_the_others_by_keys(shown: Any) -> None:
    pick(shown, 0, 1)
    shown.get_by_role("checkbox", name=re.compile("^val")).check()
    shown.wait_for_function("() => document.querySelector('#total')?.textContent.startsWith('10 of')")
    shown.focus("#grid")
    shown.keyboard.press("Shift+X")
    shown.wait_for_function("() => document.querySelector('#acts .told')?.textContent === '12 images selected'")
    shown.keyboard.press("Shift+I")
    shown.wait_for_function("() => document.querySelector('#acts .told')?.textContent === '2 images selected'")
    shown.keyboard.press("m")
    assert shown.evaluate("document.activeElement.textContent") == "List of ids"
    shown.keyboard.press("Escape")
    assert told(shown) == ""


def test_a_dataset_of_the_selection(shown: Any, folder: Path) -> None:
    before = contents(folder / "toy")
    pick(shown, 1, 4)
    press(shown, "Dataset of them")
    until(shown, lambda: shown.get_by_label("Write to").input_value() == "toy-selection")
    choose_place(shown, "toy/inside")
    shown.wait_for_selector("text=toy/inside: is in toy, which is never changed")
    choose_place(shown, "few of them")
    shown.wait_for_selector("text=segdata select toy 'few of them' --ids 'few of them.ids.txt'")
    shown.keyboard.press("Enter")
    assert "7 in" not in (text := done(shown))
    assert "30 in = 2 kept + 28 left out" in text
    assert "segdata info 'few of them'" in text
    direct = segdata.select("toy", "direct", ids=[IDS[1], IDS[4]])
    assert contents(folder / "few of them") == contents(direct.root)
    shown.keyboard.press("Escape")
    assert shown.evaluate("document.activeElement.textContent") == "Dataset of them"
    assert contents(folder / "toy") == before


def test_a_split_and_what_fails_is_said_in_place(shown: Any, folder: Path) -> None:
    (folder / "taken").mkdir()
    (folder / "taken/mine").write_text("x")
    pick(shown, 0, 25 % 12)
    press(shown, "New split")
    choose_place(shown, "night", "Name of the split")
    choose_place(shown, "taken")
    shown.get_by_role("button", name="Make the dataset").click()
    shown.wait_for_selector('#act .error:has-text("holds files that are not segdata\'s")', timeout=60_000)
    assert sorted(os.listdir("taken")) == ["mine"]
    shown.get_by_role("button", name="Change it and try again").click()
    choose_place(shown, "night", "Name of the split")
    choose_place(shown, "moved")
    shown.get_by_role("button", name="Make the dataset").click()
    assert "2 samples to night" in done(shown)
    assert Dataset.open("moved").splits == ("night", "train", "val")


def test_tasks_of_images_and_of_regions(shown: Any, folder: Path) -> None:
    pick(shown, 0, 1)
    region = {"id": IDS[0], "row": 0, "y": 0, "x": 0, "height": 5, "width": 40}
    shown.evaluate("region => import('./static/select.js').then((m) => m.toggleRegion(region))", region)
    shown.wait_for_function(
        "() => document.querySelector('#acts .told')?.textContent === '2 images, 1 region selected'"
    )
    press(shown, "Labelling tasks")
    shown.get_by_label("For", exact=True).select_option("labelme")
    shown.wait_for_selector("text=segdata export labelme toy toy-tasks")
    shown.get_by_role("button", name="Write the tasks").click()
    assert "2 in = 2 exported" in done(shown)
    assert len(segdata.convert("auto", "toy-tasks", "back")) == 2
    shown.keyboard.press("Escape")
    press(shown, "Labelling tasks")
    shown.get_by_label("Of", exact=True).select_option("regions")
    until(shown, lambda: not shown.get_by_label("For", exact=True).is_visible())
    shown.get_by_role("button", name="Write the tasks").click()
    assert "1 regions in 1 images" in done(shown)
    assert (folder / "toy-tasks-2/regions.json").is_file()


def test_a_list_is_written_or_downloaded(shown: Any, folder: Path) -> None:
    pick(shown, 3, 1)
    press(shown, "List of ids")
    choose_place(shown, "few.csv")
    with shown.expect_download() as download:
        shown.get_by_role("button", name="Download instead").click()
    assert download.value.suggested_filename == "few.csv"
    shown.get_by_role("button", name="Write the list").click()
    done(shown)
    assert (folder / "few.csv").read_text() == f"id\n{IDS[1]}\n{IDS[3]}\n" == Path(download.value.path()).read_text()


def test_tags(shown: Any, folder: Path) -> None:
    pick(shown, 0, 2)
    shown.focus(".cell[data-place='2']")
    shown.keyboard.press("Shift+T")
    shown.get_by_label("Tag", exact=True).fill("odd <b>!</b>")
    shown.keyboard.press("Enter")
    shown.wait_for_selector(".badge:has-text('odd <b>!</b>')")
    assert (folder / "toy.tags.csv").read_text() == f"id,odd <b>!</b>\n{IDS[0]},yes\n{IDS[2]},yes\n"
    shown.get_by_role("checkbox", name=re.compile("^odd")).check()
    shown.wait_for_function("() => document.querySelector('#total')?.textContent.startsWith('2 of')")
    shown.get_by_role("checkbox", name=re.compile("^odd")).uncheck()
    press(shown, "Tag ...")
    shown.get_by_role("group", name="Known tags").get_by_role("button").click()
    shown.get_by_role("button", name="Untag").click()
    shown.wait_for_selector(".badge:has-text('odd <b>!</b>')", state="detached")
    press(shown, "Tag ...")
    shown.locator("#act input").fill("a:b")
    shown.keyboard.press("Enter")
    shown.wait_for_selector("#act .error:has-text('must begin with a letter')")


def test_without_a_token_only_lists_are_offered(browser: Any, folder: Path) -> None:
    viewer = view("toy", port=0, token=False)
    with opened_page(browser, viewer.url) as page:
        ready(page)
        pick(page, 0)
        names = page.locator("#acts button").all_inner_texts()
        assert names == ["Clear", "Select all 30", "Invert", "List of ids"]
        press(page, "List of ids")
        with page.expect_download() as download:
            page.get_by_role("button", name="Download instead").click()
        assert Path(download.value.path()).read_text() == f"{IDS[0]}\n"
        until(page, lambda: not page.get_by_role("button", name="Write the list").is_visible())
    viewer.close()
    assert os.listdir() == ["toy"]


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_axe_finds_no_serious_fault(browser: Any, folder: Path, width: int, dark: bool) -> None:
    viewer = view("toy", port=0)
    with opened_page(browser, viewer.url, width=width, dark=dark, touch=width < 500) as page:
        ready(page)
        pick(page, 0, 1)
        assert axe_faults(page) == []
        for text in ("Dataset of them", "New split", "Labelling tasks", "Tag ...", "List of ids"):
            press(page, text)
            page.wait_for_selector("#act form")
            page.wait_for_timeout(400)
            assert axe_faults(page) == []
            box = page.locator("#act").bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            page.keyboard.press("Escape")
        press(page, "Dataset of them")
        page.get_by_role("button", name="Make the dataset").click()
        done(page)
        assert axe_faults(page) == []
    viewer.close()
