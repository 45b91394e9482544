"""What a notebook shows of a dataset: true images and numbers, nothing that a name makes, and no error."""

from __future__ import annotations

from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from carry_files import make
from segdata.dataset import notebook
from segdata.dataset.dataset import Dataset
from segdata.files.colors import overlay
from segdata.files.images import write_image

HOSTILE = "<img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """Tags with their attributes, and the text, as a browser takes them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"

    @property
    def images(self) -> list[Image.Image]:
        sources = [str(about["src"]) for tag, about in self.tags if tag == "img"]
        return [Image.open(BytesIO(b64decode(source.removeprefix("data:image/jpeg;base64,")))) for source in sources]


def shown(dataset: Dataset) -> Page:
    return Page(dataset._repr_html_())


def with_images(root: Path, count: int, names: list[str]) -> Dataset:
    """Masks of halves, with images of one grey each."""
    mask = np.repeat(np.array([0, 1], np.uint8), 20)[None, :].repeat(30, 0)
    dataset = make(root, {f"{i:02d}": mask for i in range(count)}, names=names)
    for i in range(count):
        write_image(root / f"{i:02d}.png", np.full((30, 40, 3), 10 * i, np.uint8))
    samples = [msgspec.structs.replace(s, image=f"{s.id}.png", split="val" if s.id > "01" else None) for s in dataset]
    return Dataset(root, dataset.labels, samples, images="reference")


def test_a_few_images_lie_under_their_masks(tmp_path: Path) -> None:
    dataset = with_images(tmp_path, 20, ["a", "b"])
    page = shown(dataset)
    assert len(page.images) == notebook.IMAGES
    ids = [str(about["alt"]).split(",")[0] for tag, about in page.tags if tag == "img"]
    assert (ids[0], ids[-1]) == ("00", "19")
    for id, image in zip(ids, page.images, strict=True):
        sample = dataset.sample(id)
        expected = overlay(dataset.read_rgb(sample), dataset.read_mask(sample), dataset.labels)
        inner = np.s_[4:-4, 4:14]  # away from edges, which a JPEG blurs
        assert abs(np.asarray(image)[inner].astype(int) - expected[inner]).mean() < 6
    assert "20 samples · 2 classes · (no split) 2, val 18" in page.text
    assert page.text.count("50.0 %") == 2


def test_names_become_no_markup(tmp_path: Path) -> None:
    dataset = make(
        tmp_path / "a", {"x": np.zeros((4, 4), np.uint8)}, names=[HOSTILE, '"><script>alert(1)</script>', "\u202edca"]
    )
    page = shown(dataset)
    assert {tag for tag, _ in page.tags} <= {"div", "span", "strong", "figure", "figcaption", "img"}
    assert not [name for _, about in page.tags for name in about if name.startswith("on")]
    assert HOSTILE in page.text
    assert "\u202e" not in dataset._repr_html_()


def test_what_is_gone_is_said(tmp_path: Path) -> None:
    dataset = with_images(tmp_path, 3, ["a", "b"])
    (tmp_path / "01.png").unlink()
    page = shown(dataset)
    assert len(page.images) == 2
    assert "01: there is no such file" in page.text
    for path in tmp_path.rglob("*.png"):
        path.unlink()
    assert not shown(dataset).images
    assert "3 samples" in shown(dataset).text


def test_a_dataset_of_nothing_or_in_parts_that_are_gone_is_shown_all_the_same(tmp_path: Path) -> None:
    dataset = make(tmp_path / "a", {f"{i}": np.zeros((4, 4), np.uint8) for i in range(9)}, names=["a"])
    assert "0 samples" in shown(dataset.select(lambda _: False)).text
    dataset.save(part=2)
    parts = Dataset.open(tmp_path / "a")
    assert len(shown(parts).images) == notebook.IMAGES
    for path in (tmp_path / "a" / "manifest").iterdir():
        path.unlink()
    assert "such file" in shown(parts).text


def test_little_is_read_of_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = with_images(tmp_path, 9, [f"class {i}" for i in range(100)])
    monkeypatch.setattr(notebook, "MANY", 9)
    monkeypatch.setattr(notebook, "LARGE", 30 * 40 - 1)
    page = shown(dataset)
    assert not page.images
    assert page.text.count("large: see it with segdata view") == notebook.IMAGES
    assert "and 60 more" in page.text
    assert "%" not in page.text
