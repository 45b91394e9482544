"""The page of `segdata diff --html`: what it says and shows, that names stay names, and what a browser makes of it."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from browser import browse
from carry_files import make
from page_text import charts_of, names_are_text, nothing_is_fetched
from segdata import Dataset, diff, tile
from segdata.cli import main
from segdata.ops.diff.page import diff_page

HOSTILE = ["<script>alert(1)</script>", "a\"b'&amp;{{ 7 * 7 }}", "</title></svg>x"]


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Dataset, Dataset]:
    """Two labellings whose every name is a trap."""
    rng = np.random.default_rng(0)
    before = {f"<b>{i}": np.kron(rng.choice([0, 1, 2, 255], (4, 6)), np.ones((20, 20), int)) for i in range(4)}
    after = {id: np.where(np.arange(120) < 10 * i, 2, m) for i, (id, m) in enumerate(before.items())}
    a = make(tmp_path / "<i>a", before, names=HOSTILE, images="copy")
    return a, make(tmp_path / "<u>b", after, names=[*HOSTILE, "new"])


def test_names_are_text_and_nothing_is_fetched(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    found = diff(*sides, worst=5)
    text = diff_page(found, tmp_path / "new" / "page.html").read_text()
    assert names_are_text(text)
    assert nothing_is_fetched(text)
    assert len(charts_of(text)) == 3, "classes 2, matrix"
    assert text.count("<img") == 5 * 3, "image, before, after"
    plain = html.unescape(text)
    counts = found.matrix
    assert f"{counts[0, 2]:,} of {counts[0].sum():,} pixels of {HOSTILE[0]} are {HOSTILE[2]} now" in plain
    assert "Classes added: new" in plain
    assert f"<b>{len(found.images)}</b> <span>images changed</span>" in plain
    region = found.regions[0]
    assert f"{region.image}, {region.pixels:,} pixels" in plain


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(40)]
    masks = {f"i{n}": np.arange(40).repeat(4).reshape(10, 16) for n in range(60)}
    a = make(tmp_path / "a", masks, names=names)
    found = diff(a, make(tmp_path / "b", {id: (m + 3) % 40 for id, m in masks.items()}, names=names), worst=1)
    text = diff_page(found, tmp_path / "page.html").read_text()
    assert "The 30 classes with most changed pixels, of 40 (" in text
    assert "The 50 images with most changed pixels, of 60 (" in text
    assert "changes with most" not in text, "all 40 are there"
    assert "with most changed" not in diff_page(diff(a, a), tmp_path / "page.html").read_text()


def test_tiles_are_shown_too_and_what_cannot_be_read_is_named(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    a, b = sides
    found = diff(tile(a, tmp_path / "t", size=32, overlap=4), b, worst=3)
    text = diff_page(found, tmp_path / "page.html").read_text()
    assert text.count("<img") == 3 * 3
    b.inside(b.sample(found.regions[0].image).mask).unlink()
    text = diff_page(found, tmp_path / "page.html").read_text()
    assert "there is no such file" in text


def test_the_command_writes_it(sides: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    out = tmp_path / "out" / "page.html"
    a, b = (str(side.root) for side in sides)
    result = CliRunner().invoke(main, ["diff", a, b, "--html", str(out)])
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(f"wrote {out}\n")
    assert CliRunner().invoke(main, ["diff", a, a, "--html", str(out)]).exit_code == 0
    assert "No difference" in out.read_text()


def test_a_browser_shows_it(sides: tuple[Dataset, Dataset], tmp_path: Path, chromium: str) -> None:
    page = diff_page(diff(*sides, worst=4), tmp_path / "page.html")
    body = browse(chromium, page, tmp_path / "profile", "--dump-dom")
    assert len(re.findall(r'<section class="panel"|<table class="heat"', body)) == 3
    assert "alert(1)</script>" not in body
