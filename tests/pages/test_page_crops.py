"""Crops: where they lie, the lines around a region, and that a part of tiles is the part of their image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carry_files import make
from segdata import Dataset, Labels, tile
from segdata.pages.crops import LEAST, LINES, WIDTH, around, beside, class_key, outlined, read_crop, read_ids, read_rgb
from segdata.tiling.tiles import by_image
from segdata.windows import Window

LABELS = Labels.of(["ground", "road"])


@given(st.data(), st.integers(1, 400), st.integers(1, 400))
def test_a_crop_lies_in_the_image_and_shows_the_region(data: st.DataObject, height: int, width: int) -> None:
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    box = Window(y, x, data.draw(st.integers(1, height - y)), data.draw(st.integers(1, width - x)))
    window = around(tuple(box), (height, width))  # type: ignore[arg-type]
    assert Window(0, 0, height, width).meet(window) == window
    assert window.meet(box) == box
    assert min(window.height, LEAST) == min(height, LEAST)


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_lines_run_around_the_pixels_and_touch_none_of_them(inside: Any) -> None:
    image = np.full((*inside.shape, 3), 77, np.uint8)
    out = outlined(image, inside, inside.shape[1] * 2)
    assert out.shape == (2 * inside.shape[0], 2 * inside.shape[1], 3) or inside.shape[0] > 2 * inside.shape[1]
    part = np.zeros(out.shape[:2], bool)
    scale = out.shape[0] / inside.shape[0]
    for y, x in np.argwhere(inside):
        part[int(y * scale) : int((y + 1) * scale), int(x * scale) : int((x + 1) * scale)] = True
    if scale != 2:
        return
    assert (out[part] == 77).all()
    far = np.array([[_distance(part, y, x) for x in range(out.shape[1])] for y in range(out.shape[0])])
    for number, color in enumerate(LINES, 1):
        assert (out[far == number] == color).all()
    assert (out[far > len(LINES)] == 77).all()


def _distance(part: Any, y: int, x: int) -> int:
    """Steps, diagonal ones too, to the nearest pixel of a part; many if there is none."""
    return min((max(abs(y - a), abs(x - b)) for a, b in np.argwhere(part)), default=99)


def test_a_thin_region_is_not_lost_when_a_crop_shrinks() -> None:
    inside = np.zeros((900, 900), bool)
    inside[:, 451] = True
    out = outlined(np.zeros((900, 900, 3), np.uint8), inside, 100)
    assert (out.max(axis=(1, 2)) == 255).all()


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Dataset]:
    root = tmp_path_factory.mktemp("crops")
    masks = {"a": np.random.default_rng(0).choice([0, 1, 255], (50, 70))}
    whole = make(root / "whole", masks, names=LABELS.names, images="copy")
    return whole, tile(whole, root / "tiles", size=24, overlap=8)


@given(st.integers(0, 49), st.integers(0, 69), st.integers(1, 50), st.integers(1, 70))
def test_a_part_of_tiles_is_the_part_of_their_image(
    sides: tuple[Dataset, Dataset], y: int, x: int, height: int, width: int
) -> None:
    whole, tiles = sides
    window = Window(y, x, min(height, 50 - y), min(width, 70 - x))
    sample = whole.samples[0]
    pieces = by_image(tiles.samples)["a"]
    mask, image = whole.read_mask(sample)[window.slices], whole.read_rgb(sample)[window.slices]
    for dataset, samples in ((whole, (sample,)), (tiles, pieces)):
        assert np.array_equal(read_ids(dataset, samples, window, (50, 70)), mask)
        assert np.array_equal(read_rgb(dataset, samples, window), image)  # type: ignore[arg-type]
    found, ids = read_crop(whole, sample, window)
    assert np.array_equal(ids, mask)
    assert np.array_equal(found, image)  # type: ignore[arg-type]


def test_panels_and_key() -> None:
    mask = np.array([[0, 1, 255]], np.uint8)
    inside = mask == 1
    shown = beside(np.zeros((1, 3, 3), np.uint8), {"before": mask, "after": mask[:, ::-1]}, inside, LABELS)
    assert [name for name, _ in shown] == ["image", "before", "after"]
    assert [name for name, _ in beside(None, {"before": mask}, inside, LABELS)] == ["before"]
    assert all(uri.startswith("data:image/jpeg;base64,") for _, uri in shown)
    key = class_key(LABELS, [255, 1, 1])
    assert [name for name, _ in key] == ["road", "ignore"]
    assert key[0][1] == "rgb({}, {}, {})".format(*LABELS.classes[1].color)
    assert WIDTH > 0
