"""Where specks are: each one's class, pixels and box, against scipy's components; on the page marked in a crop."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import ndimage

from carry_files import make
from segdata import Dataset, check, check_page
from segdata.cli import main
from segdata.ops.check.findings import SPOTS
from segdata.ops.check.operation import Rules, _specks
from segdata.ops.check.page import thumbnail


def specks(mask: np.ndarray, least: int) -> set[tuple[int, ...]]:
    """(value, pixels, y, x, height, width) of each region of fewer pixels, those that touch at corners connected."""
    found = set()
    for value in np.unique(mask[mask != 255]):
        parts, _ = ndimage.label(mask == value, np.ones((3, 3)))
        for number, box in enumerate(ndimage.find_objects(parts), 1):
            pixels = int((parts[box] == number).sum())
            if pixels < least:
                rows, columns = box
                found.add(
                    (
                        int(value),
                        pixels,
                        rows.start,
                        columns.start,
                        rows.stop - rows.start,
                        columns.stop - columns.start,
                    )
                )
    return found


@given(npst.arrays(np.uint8, (9, 11), elements=st.sampled_from([0, 1, 2, 255])), st.integers(2, 8))
def test_each_speck_is_where_it_is(mask: np.ndarray, least: int) -> None:
    from types import SimpleNamespace

    from segdata.labels import Labels

    labels = Labels.of(["0", "1", "2"])
    rules: Rules = SimpleNamespace(labels=labels, speck=least)  # type: ignore[assignment]
    sample = SimpleNamespace(id="a")
    count, spots = _specks(sample, mask, rules)  # type: ignore[arg-type]
    expected = specks(mask, least)
    found = {(int(s.name), s.pixels, *s.box) for s in spots}
    assert count == len(expected)
    assert found <= expected
    assert len(spots) == min(count, SPOTS)


def two(root: Path) -> Dataset:
    """A mask with two specks, and a clean one."""
    mask = np.zeros((120, 160), int)
    mask[:, 80:] = 1
    mask[20, 30:32], mask[100, 140] = 2, 0
    return make(root, {"a": mask, "b": np.where(mask == 2, 0, mask)}, images="copy")


def test_json_and_the_page_say_where(tmp_path: Path) -> None:
    dataset = two(tmp_path / "d")
    out = CliRunner().invoke(main, ["check", str(dataset.root), "--json"]).stdout
    (finding,) = [one for one in json.loads(out)["findings"] if one["code"] == "mask.specks"]
    places = {(s["sample"], s["name"], s["pixels"], s["y"], s["x"], s["height"], s["width"]) for s in finding["spots"]}
    assert places >= {("a", "sign", 2, 20, 30, 1, 2), ("a", "road", 1, 100, 140, 1, 1)}
    text = check_page(check(dataset), dataset, tmp_path / "page.html").read_text()  # type: ignore[union-attr]
    assert "sign, 2 px at row 20, column 30" in text


def test_a_speck_is_cropped_and_marked(tmp_path: Path) -> None:
    """Light and dark lines around it, in a part of the image."""
    from base64 import b64decode
    from io import BytesIO

    from PIL import Image

    dataset = two(tmp_path / "d")
    (finding,) = [one for one in check(dataset).findings if one.code == "mask.specks"]
    thumb = thumbnail(dataset, dataset.sample("a"), laid_over=True, spots=[s for s in finding.spots if s.sample == "a"])
    pixels = np.asarray(Image.open(BytesIO(b64decode((thumb.source or "").partition(",")[2])))).astype(int)
    assert pixels.shape[:2] == (192, 192), "64 pixels around it, three times as large"
    grey = np.ptp(pixels, axis=2) < 40
    assert (grey & (pixels.min(axis=2) > 230)).sum() > 40
    assert (grey & (pixels.max(axis=2) < 30)).sum() > 40


def test_what_is_left_out_is_a_click_away(tmp_path: Path) -> None:
    noisy = {f"i{n:02}": np.kron([[0, 1] * 20], np.ones((30, 1), int)) for n in range(12)}
    for mask in noisy.values():
        mask[5, 5] = 2
    dataset = make(tmp_path / "d", noisy)
    text = check_page(check(dataset), dataset, tmp_path / "page.html").read_text()  # type: ignore[union-attr]
    assert "<summary>and 4 more</summary>" in text
    assert re.findall(r"<li>(i\d\d): sign at row 5, column 5</li>", text) == ["i08", "i09", "i10", "i11"]
