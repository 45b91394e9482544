"""Contact sheets: a gap between images, no white beside small ones, headings, and lines that are seen on any image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segdata.labels import Labels
from segdata.pages.crops import LINES, outlined
from segdata.pages.sheet import BETWEEN, CARD, GAP, LINE, PAPER, captioned, panels, write_sheet

LABELS = Labels.of(["road", "car"])


def test_images_of_a_cell_are_apart() -> None:
    one, two = (np.full((30, 40, 3), level, np.uint8) for level in (10, 200))
    cell = np.asarray(captioned([one, two], "", 40))
    assert cell.shape == (30, 80 + BETWEEN, 3)
    assert (cell[:, :40] == 10).all()
    assert (cell[:, 40 : 40 + BETWEEN] == CARD).all()
    assert (cell[:, 40 + BETWEEN :] == 200).all()


def test_each_image_stands_under_its_name() -> None:
    shown = [np.zeros((30, 90, 3), np.uint8)] * 3
    plain, named = (np.asarray(captioned(shown, "", 90, names)) for names in ((), ("image", "truth", "prediction")))
    assert named.shape[0] == plain.shape[0] + LINE
    assert np.array_equal(named[LINE:], plain)
    for left in (0, 90 + BETWEEN, 2 * (90 + BETWEEN)):
        assert (named[:LINE, left : left + 90] != CARD).any(), "a heading"


def test_beside_a_high_image_a_wide_one_leaves_no_hole(tmp_path: Path) -> None:
    """White is only the paper between cells."""
    images = [np.full(size, 90, np.uint8) for size in ((80, 40, 3), (20, 40, 3))]
    cells = [panels(image, np.zeros(image.shape[:2], np.uint8), LABELS, "", 40) for image in images]
    out = write_sheet(tmp_path / "s.png", cells, 2, LABELS, {0: 1})
    with Image.open(str(out)) as opened:
        sheet = np.asarray(opened.convert("RGB"))
    second = sheet[GAP : GAP + 80, GAP + cells[0].width + GAP : GAP + cells[0].width + GAP + cells[1].width]
    assert not (second == PAPER).all(axis=2).any()
    assert (second[40:] == CARD).all()


@pytest.mark.parametrize("level", [0, 128, 255])
def test_lines_are_seen_on_white_and_on_black(level: int) -> None:
    inside = np.zeros((60, 60), np.bool_)
    inside[20:40, 20:40] = True
    out = outlined(np.full((60, 60, 3), level, np.uint8), inside, 120).astype(int)
    assert len(LINES) == 2
    assert (abs(out - level).max(axis=2) > 100).sum() >= 4 * 40, "at least one of two lines all around"


def test_rows_of_training_have_headings_and_a_legend(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from segdata.nn.folder import WIDTH, write_rows_of

    rng = np.random.default_rng(0)
    image, mask = rng.integers(0, 256, (48, 64, 3), np.uint8), np.zeros((96, 128), np.uint8)
    write_rows_of(tmp_path / "rows.jpg", [(image, mask, mask)] * 2, LABELS)
    with Image.open(tmp_path / "rows.jpg") as sheet:
        width, height = sheet.size
    assert width == 3 * WIDTH + 2 * BETWEEN + 2 * GAP
    assert height > 2 * WIDTH * 48 // 64 + LINE + 3 * GAP
