"""The page of `segdata agree --html`: what it says and shows, that names stay names, and what a browser makes of it."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from browser import browse
from carry_files import make
from page_text import charts_of, names_are_text, nothing_is_fetched
from segdata import Dataset, agree, tile
from segdata.cli import main
from segdata.labels import Labels
from segdata.ops.agree.page import agree_page, differences, least_images
from segdata.ops.agree.text import agreement_lines
from segdata.words import share

HOSTILE = ["<script>alert(1)</script>", "a\"b'&amp;{{ 7 * 7 }}", "</title></svg>x"]


@pytest.fixture
def sides(tmp_path: Path) -> list[Dataset]:
    """Three annotators whose every name is a trap; one has not labelled the first image."""
    rng = np.random.default_rng(0)
    truth = {f"val/<b>{i}": np.kron(rng.choice([0, 1, 2, 255], (4, 6)), np.ones((20, 20), int)) for i in range(4)}
    out = []
    for number, name in enumerate(("<i>a", "<u>b", "<s>c")):
        wrong = {id: np.where(rng.random(m.shape) < 0.1 * number, 1, m) for id, m in truth.items()}
        if number == 2:
            del wrong["val/<b>0"]
        out.append(make(tmp_path / name, wrong, names=HOSTILE, images="copy"))
    return out


def test_names_are_text_and_nothing_is_fetched(sides: list[Dataset], tmp_path: Path) -> None:
    found = agree(sides, boundary_f=True)
    text = agree_page(found, tmp_path / "new" / "page.html").read_text()
    assert names_are_text(text)
    assert "Agreement of &lt;i&gt;a, &lt;u&gt;b, &lt;s&gt;c" in text
    assert nothing_is_fetched(text)
    assert len(charts_of(text)) == 5, "classes 4, matrix"
    assert text.count("<img") == 3 * 5 + 4, "image, all labels, differences"
    plain = html.unescape(text)
    assert [f"<h3>{image.id}<" in plain for image in found.images] == [True] * 4
    counts = found.every.confusion.counts[:, :-1]
    both = counts + counts.T
    assert f"beside {HOSTILE[0]} another annotator says {HOSTILE[1]}: {share(both[0, 1] / both[0].sum())} %" in plain
    for pair in found.pairs:
        assert f"<td>{share(pair.kappa)}</td>" in plain


def test_the_command_writes_it(sides: list[Dataset], tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    run = CliRunner().invoke(main, ["agree", *(str(side.root) for side in sides), "--html", str(out), "--no-boundary"])
    assert run.exit_code == 0, run.output
    assert run.stdout.endswith(f"wrote {out}\n")
    assert "boundary" not in out.read_text()


def test_images_on_which_all_agree_are_not_told(sides: list[Dataset], tmp_path: Path) -> None:
    first, second, _ = sides
    shutil.copyfile(second.root / second.samples[1].mask, first.root / first.samples[1].mask)
    found = agree([first, second])
    assert {one.score.id for one in least_images(found, 8)} == {s.id for s in first} - {first.samples[1].id}
    same = agree([first, Dataset.of(shutil.copytree(first.root, tmp_path / "same"))])
    assert least_images(same, 8) == []
    assert "least agreement" not in agree_page(same, tmp_path / "page.html").read_text()
    assert not any("least agreement" in line for line in agreement_lines(same))


def test_a_kappa_below_zero_is_told(tmp_path: Path) -> None:
    masks = [{f"i{n}": np.roll([[0, 1] * 8], side) for n in range(3)} for side in range(2)]
    found = agree([make(tmp_path / f"{n}", each, names=["a", "b"]) for n, each in enumerate(masks)])
    assert found.fleiss.tolist() == [-1, -1]
    text = agree_page(found, tmp_path / "p.html").read_text()
    assert (
        len(re.findall(r'<b class="bar s0" style="width: 0\.00%"></b></span><span class="said">-100\.00</span>', text))
        == 2
    )


def test_tiles_are_shown_as_images_and_lost_ones_are_named(sides: list[Dataset], tmp_path: Path) -> None:
    tiles = [tile(side, tmp_path / f"t{n}", size=40) for n, side in enumerate(sides)]
    found = agree(tiles)
    assert all(len(one.panels) >= 4 for one in least_images(found, 8))
    (tiles[0].root / tiles[0].samples[0].mask).write_bytes(b"no image")
    text = agree_page(found, tmp_path / "p.html").read_text()
    assert "cannot be decoded" in text


def test_differences_are_red_and_single_votes_dark() -> None:
    image = np.full((1, 4, 3), 100, np.uint8)
    one, other, third = (np.array([row], np.uint8) for row in ([0, 0, 255, 1], [0, 1, 255, 255], [0, 255, 255, 1]))
    same, differ, nobody, two = differences(image, {"a": one, "b": other, "c": third}, Labels.of(["x", "y"])).astype(
        int
    )[0]
    assert same.tolist() == two.tolist() == [150] * 3
    assert differ[0] > 150 > 60 > max(differ[1:])
    assert nobody.tolist() == [25] * 3


@pytest.mark.page
def test_a_browser_shows_it(sides: list[Dataset], tmp_path: Path, chromium: str) -> None:
    page = agree_page(agree(sides), tmp_path / "page.html")
    dom = browse(chromium, page, tmp_path / "profile", "--dump-dom")
    assert dom.count("<img") == 3 * 5 + 4
    assert "alert(1)</h2>" not in dom
