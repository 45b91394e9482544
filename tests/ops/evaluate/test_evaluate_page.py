"""The page of `segdata evaluate --html`: what it says and shows, that names stay names, and what a browser makes of it."""

from __future__ import annotations

import base64
import html
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from browser import browse
from carry_files import make
from page_text import charts_of, names_are_text, nothing_is_fetched
from segdata.cli import main
from segdata.dataset.dataset import Dataset
from segdata.metrics.calibration import Bins, Calibration
from segdata.metrics.rejection import STEPS, Rejection
from segdata.ops.evaluate.operation import evaluate
from segdata.ops.evaluate.page import errors, evaluate_page, worst_images
from segdata.pages.charts import Row, curve, heat_map
from segdata.windows import Window

HOSTILE = ["<script>alert(1)</script>", "a\"b'&amp;{{ 7 * 7 }}", "</title></svg>x"]


def scenes(count: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {f"val/<b>{i}": np.kron(rng.choice([0, 1, 2, 255], (4, 6)), np.ones((20, 20), int)) for i in range(count)}


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Dataset, Dataset]:
    """A prediction with errors and rejected pixels, and the truth, whose every name is a trap."""
    rng = np.random.default_rng(1)
    guessed = {k: np.where(rng.random(m.shape) < 0.2, 1, np.where(m == 255, 0, m)) for k, m in scenes().items()}
    for mask in guessed.values():
        mask[:9, :9] = 255
    truth = make(tmp_path / "<i>truth", scenes(), names=HOSTILE, images="copy")
    return make(tmp_path / "<u>pred", guessed, names=HOSTILE), truth


@pytest.fixture
def page(sides: tuple[Dataset, Dataset], tmp_path: Path) -> Path:
    """With all that it can show: a comparison, and a reliability curve."""
    pred, truth = sides
    found = evaluate(pred, truth, other=truth)
    n = np.tile(np.arange(15) * 100, (len(HOSTILE), 1))
    steps = np.arange(STEPS) * 210
    calibration = Calibration(truth.labels.names, Bins(n, n // 2, n * 0.9), Rejection(steps, steps // 2))
    found = replace(found, metrics={**found.metrics, "calibration": calibration})
    return evaluate_page(found, pred, truth, tmp_path / "new" / "page.html")


def embedded(text: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def test_the_command_writes_it(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    pred, truth = sides
    out = tmp_path / "out" / "page.html"
    command = ["evaluate", str(pred.root), str(truth.root), "--html"]
    result = CliRunner().invoke(main, [*command, str(out), "--boundary-f"])
    assert result.exit_code == 0, result.output
    assert "mean boundary F" in out.read_text()
    result = CliRunner().invoke(main, [*command, str(out)])
    assert result.exit_code == 0, result.output
    assert "boundary F" not in out.read_text()
    assert result.stdout.endswith(f"wrote {out}\n")
    text = html.unescape(out.read_text())
    found = evaluate(pred, truth)
    assert f"{100 * found.confusion.mean_iou:.2f}</b> <span>mean IoU" in text
    assert f"{found.confusion.rejected:,} labelled pixels are predicted as ignored" in text
    assert [f"<h3>{p.id}<" in text for p in found.images] == [True] * 4
    assert len(embedded(out.read_text())) == 4 * 4


def test_names_are_text_and_nothing_is_fetched(page: Path) -> None:
    text = page.read_text()
    assert names_are_text(text)
    assert "Evaluation of &lt;u&gt;pred" in text
    assert nothing_is_fetched(text)
    assert len(charts_of(text)) == 9, "panels of classes 3 and of OTHER 2 and their ECE, matrix, reliability, rejection"


def test_the_matrix_tells_its_numbers(sides: tuple[Dataset, Dataset], page: Path) -> None:
    found = evaluate(*sides)
    text = html.unescape(page.read_text())
    counts, truth = found.confusion.counts, found.confusion.tally.truth
    assert f"{counts[0, 1]:,} of {truth[0]:,} pixels of {HOSTILE[0]} are predicted as {HOSTILE[1]}" in text
    assert f"{counts[2, 3]:,} of {truth[2]:,} pixels of {HOSTILE[2]} are predicted as ignored" in text


def test_errors_are_red_rejected_yellow_and_void_dark() -> None:
    image = np.full((1, 4, 3), 100, np.uint8)
    truth, pred = np.array([[0, 0, 0, 255]], np.uint8), np.array([[0, 1, 255, 1]], np.uint8)
    right, wrong, rejected, void = errors(image, truth, pred, evaluate_labels()).astype(int)[0]
    assert right.tolist() == [150] * 3
    assert wrong[0] > 150 > 60 > max(wrong[1:])
    assert min(rejected[:2]) > 150 > 70 > rejected[2]
    assert void.tolist() == [25] * 3


def evaluate_labels():  # type: ignore[no-untyped-def]
    from segdata.labels import Labels

    return Labels.of(["a", "b"])


def test_images_that_cannot_be_read_are_named(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    pred, truth = sides
    found = evaluate(pred, truth)
    first = found.images[0].id
    (truth.root / str(truth.sample(first).image)).write_bytes(b"no image")
    shown = worst_images(found, pred, truth, 2)
    assert [one.score.id for one in shown] == [p.id for p in found.images[:2]]
    assert "cannot be decoded" in shown[0].reason
    assert [name for name, _ in shown[1].panels] == ["image", "truth", "prediction", "errors"]
    assert "cannot be decoded" in evaluate_page(found, pred, truth, tmp_path / "p.html").read_text()


def test_what_is_outside_of_an_area_is_no_error(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    pred, truth = sides
    aoi = tmp_path / "aoi.geojson"
    aoi.write_text('{"type":"Polygon","coordinates":[[[0,0],[4,0],[4,4],[0,4],[0,0]]]}')
    found = evaluate(pred, truth, aoi=aoi)
    assert {image.labelled <= 16 for image in found.images} == {True}
    empty = Dataset(pred.root, pred.labels, ())
    before, after = (worst_images(one, empty, truth, 1) for one in (evaluate(pred, truth), found))
    panels = [dict(shown.panels)["errors"] for (shown,) in (before, after)]
    assert panels[0] != panels[1]


def test_masks_alone_and_tiles(tmp_path: Path) -> None:
    """Without images the masks are shown; tiles as the image that they are of, padding cut away."""
    whole = next(iter(scenes(1).values()))
    fields, masks = {}, {}
    for x in (0, 60, 100):
        window = Window(0, x, 80, min(60, 120 - x))
        masks[f"a@{x}"] = np.pad(whole[window.slices], ((0, 0), (0, 60 - window.width)), constant_values=255)
        fields[f"a@{x}"] = {"parent": "a", "window": window}
    for images, count in (("none", 3), ("copy", 4)):
        truth = make(tmp_path / images, masks, fields=fields, images=images)
        (shown,) = worst_images(evaluate(truth, truth), truth, truth, 5)
        assert len(shown.panels) == count
        text = f'src="{shown.panels[0][1]}"'
        assert embedded(text)[0].size == (640, 427)


def test_an_evaluation_of_nothing(tmp_path: Path) -> None:
    void = make(tmp_path / "t", {"a": np.full((4, 4), 255)})
    text = evaluate_page(evaluate(void, void), void, void, tmp_path / "p.html").read_text()
    assert "Truth is ignored everywhere" in text
    assert not re.search(r"\b(nan|inf|None|Undefined)\b", re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL))


def test_charts_of_next_to_nothing() -> None:
    rows, columns = [Row("only", (1, 2, 3))], [Row("a", (0, 0, 0)), Row("b", (9, 9, 9))]
    chart = ElementTree.fromstring(f"<p>{heat_map(rows, [[0.25, 0.75]], [['x', 'y']], columns)}</p>")
    assert [t.text for t in chart.iter() if t.get("class") == "tip"] == ["x", "y"]
    assert [t.text for t in chart.iter() if t.tag == "li"] == ["y", "x"], "the largest first"
    drawn = curve([(0.5, 0.25, 400), (1.0, 1.0, 100)], "confidence", "right")
    found = re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)"', drawn)
    (x, y, r), (x2, y2, r2) = [tuple(map(float, dot)) for dot in found]
    assert (x2 - x, y - y2) == pytest.approx((145, 217.5), abs=0.2), "half and three quarters of 290"
    assert r == 2 * r2, "a quarter of the pixels"


# In the browser


PROBE = """<script>
const out = {wide: document.documentElement.scrollWidth - innerWidth, images: document.images.length,
  decoded: [...document.images].every(i => i.naturalWidth > 0), outside: []};
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


@pytest.mark.page
@pytest.mark.parametrize("width", [700, 1200])
def test_a_browser_shows_it_whole(page: Path, tmp_path: Path, chromium: str, width: int) -> None:
    """All images decoded, no text outside its chart, nothing wider than the window."""
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text().replace("</body>", PROBE + "</body>"))
    dom = browse(chromium, probed, tmp_path / "profile", "--dump-dom", f"--window-size={width},2000")
    said = json.loads(html.unescape(re.search(r"<title>(.*?)</title>", dom, re.DOTALL)[1]))  # type: ignore[index]
    assert said == {"wide": 0, "images": 16, "decoded": True, "outside": []}


SMALLEST = """<script>
const texts = document.querySelectorAll("svg text, .panel span, .panel h4, .heat td, .heat th");
const shown = [...texts].filter((text) => text.getClientRects().length);
const scale = (text) => text.getScreenCTM ? Math.hypot(text.getScreenCTM().a, text.getScreenCTM().b) : 1;
const high = shown.map((text) => scale(text) * parseFloat(getComputedStyle(text).fontSize));
const root = document.documentElement;
document.title = [Math.min(...high), root.scrollWidth - root.clientWidth].join();
</script>"""
"""Puts the height of the smallest text in a chart into the title, and by how much the page is wider than the window."""


@pytest.mark.page
def test_a_phone_shows_text_that_can_be_read(page: Path, tmp_path: Path, chromium: str) -> None:
    """No text of a chart is lower than 11 pixels, and nothing is wider than the page."""
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text().replace("</body>", SMALLEST + "</body>"))
    dom = browse(chromium, probed, tmp_path / "profile", "--dump-dom", "--window-size=500,2000")
    height, over = (float(n) for n in re.search(r"<title>(.*?)</title>", dom, re.DOTALL)[1].split(","))  # type: ignore[index]
    assert height >= 11
    assert over <= 0


def test_an_area_is_a_score_too(sides: tuple[Dataset, Dataset], page: Path) -> None:
    """The ECE of a class is told by the table of classes and by that of reliability, the AURC by the terminal and a card."""
    rejection = Rejection(np.arange(STEPS) * 210, np.arange(STEPS) * 105)
    n = np.tile(np.arange(15) * 100, (3, 1))
    found = Calibration(sides[1].labels.names, Bins(n, n // 2, n * 0.9), rejection)
    table = next(section for section in found.sections() if section.title == "Reliability of classes").table
    assert table[1][table[0].index("ECE")] == pytest.approx(found.classes.ece[0])
    assert f"AURC {100 * rejection.aurc:.2f};" in rejection.line()
    assert f"<b>{100 * rejection.aurc:.2f}</b>" in page.read_text()


def test_a_score_is_told_in_one_form(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    """On the terminal, on the cards, in the tables and beside images: per cent, two decimals, no sign."""
    pred, truth = sides
    out = tmp_path / "page.html"
    terminal = CliRunner().invoke(main, ["evaluate", str(pred.root), str(truth.root), "--html", str(out)]).stdout
    text = out.read_text()
    found = evaluate(pred, truth)
    said = f"{100 * found.confusion.mean_iou:.2f}"
    assert f"mean IoU {said}" in re.sub(" +", " ", terminal)
    assert f"<b>{said}</b>" in text
    assert f"<td>{said}</td>" in text
    assert f"mean IoU {100 * found.images[0].mean_iou:.2f}, pixel" in text
    signed = {
        sign for sign in re.findall(r"[\d.]+ ?%", html.unescape(text)) if not sign.startswith(("95", "100%", "0%"))
    }
    assert not {s for s in signed if " " in s}, "only the level of intervals has a sign"
