"""The page of `segdata check --html`: every finding with its images, names that stay names, and what a browser makes of it."""

from __future__ import annotations

import base64
import html
import io
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

import segdata
from browser import browse
from page_text import names_are_text, nothing_is_fetched
from planted import Plant, jpeg
from segdata.cli import COMMANDS, main
from segdata.ops.check.command import check as check_command
from segdata.ops.check.findings import Checked, Finding
from segdata.ops.check.operation import check
from segdata.ops.check.page import ALL_THUMBS, FINDINGS, THUMBS, check_page, kinds, thumbnail

if "check" not in COMMANDS:
    main.add_command(check_command)

A, B, V = "train/000000000107", "train/000000000128", "val/000000000228"
TRAP = "<script>alert(1)</script>{{ 7 * 7 }}"


@pytest.fixture
def plant(samples: Path, tmp_path: Path) -> Plant:
    """A dataset with faults of several kinds, and a trap for a class and a group."""
    root = tmp_path / "<b>d & e"
    segdata.convert("coco", samples / "coco", root, images="copy")
    p = Plant(root)
    p.mask_file(A).unlink()
    p.image_file(B).write_bytes(b"no image")
    p.copy(V, "train/copy", lambda image: jpeg(image, 40))
    p.card["classes"].append({"id": 8, "name": TRAP, "color": [1, 2, 3]})
    p.set("train/000000000114", group=TRAP)
    p.set("val/000000000214", group=TRAP)
    p.settle()
    return p


@pytest.fixture
def page(plant: Plant, tmp_path: Path) -> Path:
    result = CliRunner().invoke(main, ["check", str(plant.root), "--html", str(tmp_path / "new" / "page.html")])
    assert result.exit_code == 1
    assert result.stdout.endswith(f"wrote {tmp_path}/new/page.html\n")
    return tmp_path / "new" / "page.html"


def images(text: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def test_every_finding_is_told(plant: Plant, page: Path) -> None:
    text = html.unescape(page.read_text())
    checked = check(plant.root)
    assert {f.code for f in checked.findings} == {
        "leak.near", "leak.group", "mask.missing", "image.unreadable", "class.absent", "mask.specks",
    }  # fmt: skip
    for finding in checked.findings:
        assert finding.message in text
        assert finding.repair in text
        for id in finding.samples[:THUMBS]:
            assert id in text
    assert re.search(r"<b>4</b><span>errors</span>", text)
    assert re.search(r"<b>1</b><span>warning</span>", text)


def test_images_are_there_and_those_that_cannot_be_are_explained(page: Path) -> None:
    text = page.read_text()
    assert len(images(text)) == 2 + 2 + THUMBS  # the leaks, and specks
    assert {image.width for image in images(text)} == {320, 192}, "whole, and around specks"
    assert text.count('class="gone"') == 2
    assert 'class="gone">there is no such file' in text
    assert 'class="gone">cannot be decoded' in text


def test_names_stay_names(page: Path) -> None:
    text = page.read_text()
    assert names_are_text(text)
    assert "Check of &lt;b&gt;d &amp; e" in text


def test_the_page_needs_nothing_else(page: Path, plant: Plant, tmp_path: Path) -> None:
    text = page.read_text()
    assert nothing_is_fetched(text)
    again = check_page(check(plant.root), plant.root, tmp_path / "again.html")
    assert again.read_text() == text


def test_a_clean_dataset(samples: Path, tmp_path: Path) -> None:
    segdata.convert("coco", samples / "coco", tmp_path / "d")
    text = check_page(check(tmp_path / "d", speck=0), tmp_path / "d", tmp_path / "page.html").read_text()
    assert "Nothing was found." in text
    assert not images(text)
    assert "No errors." in check_page(check(tmp_path / "d"), tmp_path / "d", tmp_path / "page.html").read_text()


def test_a_dataset_without_images_shows_its_masks(samples: Path, tmp_path: Path) -> None:
    segdata.convert("coco", samples / "coco", tmp_path / "d", images="none")
    text = check_page(check(tmp_path / "d"), tmp_path / "d", tmp_path / "page.html").read_text()
    assert len(images(text)) == 3 * THUMBS  # those without an image, those with specks, and ids that look like frames


@pytest.mark.slow
def test_there_are_never_too_many_images(samples: Path, tmp_path: Path) -> None:
    dataset = segdata.convert("coco", samples / "coco", tmp_path / "d")
    ids = tuple(sample.id for sample in dataset)
    findings = [Finding("error", f"mask.{n // 30}", "so", "do", ids, None) for n in range(90)]
    shown = kinds(Checked(tuple(findings), len(ids), {}), dataset)
    assert [(kind.count, len(kind.shown)) for kind in shown] == [(30, FINDINGS)] * 3
    assert sum(len(one.thumbs) for kind in shown for one in kind.shown) == ALL_THUMBS
    assert all(len(one.thumbs) + one.more == len(ids) for kind in shown for one in kind.shown)


def test_a_mask_that_does_not_fit_its_image_is_left_away(plant: Plant) -> None:
    """Too deep, too small, of values without a colour: the page shows what there is."""
    plant.edit_mask(V, lambda mask: mask.astype("uint16") + 300, listed=False)
    plant.edit_mask("val/000000000249", lambda mask: mask[:9], listed=False)
    plant.settle()
    dataset = segdata.Dataset.open(plant.root)
    for id in (V, "val/000000000249"):
        assert thumbnail(dataset, dataset.sample(id), laid_over=True).source


# In the browser


PROBE = """<script>addEventListener("load", () => {
  const root = document.documentElement, images = [...document.images];
  root.dataset.probe = [root.scrollWidth <= innerWidth, images.length, images.every(i => i.complete && i.naturalWidth > 0),
    [...document.querySelectorAll(".kind")].every(k => k.getBoundingClientRect().height > 40)].join(" ");
});</script>"""


@pytest.mark.page
@pytest.mark.parametrize("width", [420, 1200])
def test_a_browser_shows_it_whole(page: Path, tmp_path: Path, chromium: str, width: int) -> None:
    """Nothing sticks out at the side, every image is decoded, no name has become a script."""
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text().replace("</body>", PROBE + "</body>"))
    dom = browse(chromium, probed, tmp_path / "profile", "--dump-dom", f"--window-size={width},2000")
    assert f'data-probe="true {4 + THUMBS} true true"' in dom


@pytest.mark.page
def test_light_and_dark_can_both_be_read(page: Path, tmp_path: Path, chromium: str) -> None:
    paper = {}
    for scheme, options in {"light": (), "dark": ("--blink-settings=preferredColorScheme=0",)}.items():
        shot = tmp_path / f"{scheme}.png"
        browse(chromium, page, tmp_path / "profile", f"--screenshot={shot}", "--window-size=900,700", *options)
        grey = segdata.read_image(shot).mean(axis=2)
        paper[scheme] = float(grey[2, 2])
        assert abs(grey - paper[scheme]).max() > 150  # ink stands out
    assert paper["light"] > 200
    assert paper["dark"] < 60
