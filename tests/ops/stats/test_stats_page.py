"""The page of `segdata stats --html`: what it says, that names stay names, and what a browser makes of it."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from browser import browse
from page_text import charts_of
from segdata.cli import COMMANDS, main
from segdata.dataset.dataset import Dataset
from segdata.ops.stats.command import stats as stats_command
from segdata.ops.stats.operation import stats
from segdata.ops.stats.page import rare_examples, spotlight, stats_page
from segdata.pages.charts import Panel, Row, bubbles, heat_map, panels
from stats_files import blocks, hand_counted, make_dataset

if "stats" not in COMMANDS:
    main.add_command(stats_command)

HOSTILE = ["<script>alert(1)</script>", "a\"b'&amp;{{ 7 * 7 }}", "</title></svg>x"]


@pytest.fixture
def hand(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "hand", hand_counted(), images=True)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A page of a dataset whose every name is a trap."""
    masks = {k.replace("train", "<b>train"): m for k, m in hand_counted().items()}
    dataset = make_dataset(tmp_path / "<i>root", masks, HOSTILE, images=True)
    return stats_page(stats(dataset, objects=True), dataset, tmp_path / "page.html")


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def drawings(page: Path) -> list[ElementTree.Element]:
    """The charts, each parsed as XML."""
    return [ElementTree.fromstring(chart) for chart in charts_of(page.read_text())]


def test_the_page_says_what_was_counted(hand: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "new/page.html"
    result = CliRunner().invoke(main, ["stats", str(hand.root), "--objects", "--html", str(out)])
    assert result.exit_code == 0, result.output
    assert f"wrote {out}" in result.stdout
    page = Page(out.read_text())
    text = " ".join(page.text.split())
    for said in (
        "Class balance of hand", "train 2, val 1.", "220 labelled pixels", "26.7 % ignored", "3 of 3 classes have pixels",
        "6 : 1 largest to rarest class", "train has no pixels of sign; other splits have some.",
        "Every image is 10 x 10 (width x height).", "car 11.4 % of the labelled pixels",
    ):  # fmt: skip
        assert said in text, said
    table = out.read_text().partition("All numbers")[2]
    cells = [cell.strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", table)]
    assert cells[20:26] == ["", "1", "car", "25", "11.4 %", "2"], "the second row of the table of all numbers"
    charts = drawings(out)
    assert len(charts) == 12, "classes 2, weights 5, samplers 2, objects 2, classes that occur together"
    said = {" ".join(t.itertext()) for chart in charts for t in chart.iter() if t.get("class") in ("said", "tip")}
    assert {"88.2 %   -", "1 of 2 images with road hold car"} <= said, said


def test_names_are_text_and_nothing_else(hostile: Path) -> None:
    page = Page(hostile.read_text())
    assert {tag for tag, _ in page.tags} <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "div", "b", "span", "svg", "text", "rect",
        "line", "circle", "g", "dl", "dt", "dd", "figure", "figcaption", "img", "details", "summary", "table", "tr", "th",
        "td", "section", "ul", "ol", "li", "i", "h4", "label", "input", "footer", "code",
    }  # fmt: skip
    assert not [a for _, attributes in page.tags for a in attributes if a.startswith("on")]
    for name in (*HOSTILE, "<b>train", "<i>root"):
        assert name in page.text or html.escape(name) in hostile.read_text()
    assert "7 * 7" in page.text, "names are never templates"


def test_nothing_is_fetched_and_charts_are_well_formed(hostile: Path) -> None:
    page = Page(hostile.read_text())
    for _, attributes in page.tags:
        for key in ("src", "href", "xlink:href", "srcset", "data"):
            assert (attributes.get(key) or "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
    assert not re.search(r"@import|url\(|<link", hostile.read_text())
    assert len(drawings(hostile)) >= 12
    for image in page.all("img"):
        data = base64.b64decode((image["src"] or "").partition(",")[2])
        assert Image.open(io.BytesIO(data)).size == (968, 480)


def test_no_number_is_infinite_or_missing(hand: Dataset, tmp_path: Path) -> None:
    for split in (None, "train", "val"):
        page = stats_page(stats(hand, split=split, objects=True), hand, tmp_path / "page.html").read_text()
        assert not re.search(r"\b(nan|inf|None|Undefined)\b", re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL))


def test_rare_classes_are_shown_where_they_fill_most(hand: Dataset, tmp_path: Path) -> None:
    found = rare_examples(stats(hand), hand, 2)
    assert [(e.name, e.sample) for e in found] == [("car", "train/a"), ("sign", "val/c")]
    assert [e.name for e in rare_examples(stats(hand), hand, 3)] == ["car", "sign"], "road has 68 %"
    assert rare_examples(stats(hand.split("train").select(lambda s: s.id == "train/b")), hand, 3) == []
    masks = {"a": blocks(10, 10, (0, 80), (1, 9), (2, 11)), "b": blocks(10, 10, (0, 80), (1, 8), (2, 12))}
    alike = make_dataset(tmp_path / "alike", masks)
    assert [e.sample for e in rare_examples(stats(alike), alike, 2)] == ["a", "b"], "each its own"
    (hand.root / "images/train/a.png").write_bytes(b"no image")
    assert "cannot be decoded" in rare_examples(stats(hand), hand, 1)[0].reason
    assert "cannot be decoded" in stats_page(stats(hand), hand, tmp_path / "page.html").read_text()
    bare = make_dataset(tmp_path / "bare", hand_counted())
    assert all(e.source for e in rare_examples(stats(bare), bare, 3)), "masks alone"


def test_the_spotlight_keeps_the_class_and_outlines_it() -> None:
    image = np.full((9, 9, 3), 90, np.uint8)
    mask = np.zeros((9, 9), np.uint8)
    mask[4, 4] = 1
    lit = spotlight(image, mask, 1)
    assert lit[4, 4].tolist() == [90] * 3
    assert lit[3, 3].tolist() == [255] * 3
    assert lit[0, 0].tolist() == [30] * 3


def test_a_log_axis_puts_decades_evenly() -> None:
    rows = [Row(name, (0, 0, 0)) for name in "abcd"]
    chart = panels(rows, [Panel("p", {"": [0.001, 0.01, 0.1, None]}, log=True)])
    xs = [float(x) for x in re.findall(r'<b class="dot s0" style="left: ([\d.]+)%"', chart)]
    assert len(xs) == 3
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.02)
    assert ">none</span>" in chart


def test_bars_are_in_proportion() -> None:
    rows = [Row(name, (0, 0, 0)) for name in "abc"]
    chart = panels(rows, [Panel("p", {"": [4.0, 2.0, 0.0]}, "bars")])
    widths = [float(w) for w in re.findall(r'<b class="bar s0" style="width: ([\d.]+)%"', chart)]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.02)
    assert widths[2] == 0


def test_charts_of_next_to_nothing() -> None:
    rows = [Row("only", (1, 2, 3))]
    for log in (False, True):
        for values in ([0.0], [None], [5.0]):
            ElementTree.fromstring(panels(rows, [Panel("p", {"a": values, "b": values}, log=log)]))
    ElementTree.fromstring(f"<p>{heat_map(rows, [[1.0]], [['tip']])}</p>")
    ElementTree.fromstring(bubbles([(1, 1, 1)]))
    areas = re.findall(r' r="([\d.]+)"', bubbles([(10, 20, 400), (30, 20, 100)]))
    assert float(areas[0]) == 2 * float(areas[1]), "a quarter of the images, a quarter of the area"


@pytest.mark.page
def test_a_browser_shows_it_whole(hand: Dataset, hostile: Path, tmp_path: Path, chromium: str) -> None:
    """Measured in the page itself: all images decoded, no text outside its chart, nothing wider than the window."""
    probe = """<script>
const out = {wide: document.documentElement.scrollWidth - innerWidth, images: [...document.images].map(i => i.naturalWidth),
  svgs: document.querySelectorAll("svg").length, outside: []};
for (const svg of document.querySelectorAll("svg")) {
  const box = svg.getBoundingClientRect();
  for (const text of svg.querySelectorAll("text")) {
    const b = text.getBoundingClientRect();
    const inside = b.left >= box.left - 1 && b.right <= box.right + 1 && b.top >= box.top - 1 && b.bottom <= box.bottom + 1;
    if (!inside) out.outside.push(text.textContent);
  }
}
document.title = JSON.stringify(out);
</script>"""
    dataset = make_dataset(tmp_path / "sizes", {**hand_counted(), "val/d": blocks(20, 30, (0, 600))}, images=True)
    other = stats_page(stats(dataset), dataset, tmp_path / "other.html")
    for page, charts in ((hostile, 0), (other, 1)):
        probed = tmp_path / "probed.html"
        probed.write_text(page.read_text().replace("</body>", probe + "</body>"))
        for width in (1200, 700):
            dom = browse(chromium, probed, tmp_path / "profile", "--dump-dom", f"--window-size={width},2000")
            found = json.loads(html.unescape(re.search(r"<title>(.*?)</title>", dom, re.DOTALL)[1]))  # type: ignore[index]
            assert found == {"wide": 0, "images": [968] * 2, "svgs": charts, "outside": []}


@pytest.mark.page
def test_light_and_dark_can_both_be_read(hand: Dataset, tmp_path: Path, chromium: str) -> None:
    page = stats_page(stats(hand), hand, tmp_path / "page.html")
    shots = []
    for scheme in (1, 0):  # preferredColorScheme: 0 is dark, 1 light
        shot = tmp_path / f"{scheme}.png"
        options = (f"--blink-settings=preferredColorScheme={scheme}", f"--screenshot={shot}", "--window-size=1200,1400")
        browse(chromium, page, tmp_path / "profile", *options)
        shots.append(np.asarray(Image.open(shot).convert("L")).astype(int))
    light, dark = shots
    assert np.median(light) > 240
    assert np.median(dark) < 40
    for shot in shots:
        assert (abs(shot - np.median(shot)) > 128).mean() > 0.005, "text stands out from the paper"


@pytest.mark.process
def test_the_page_needs_nothing_that_help_would_load() -> None:
    code = "import sys, segdata.ops.stats.command; print([m for m in ('jinja2', 'numpy', 'cv2', 'PIL') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
