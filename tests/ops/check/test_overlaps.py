"""Crops of one scene on both sides of a split are found by what they show."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from carry_files import make
from segdata.ops.check.operation import check
from segdata.ops.check.overlaps import MOST, detail, pairs_to_compare, shared


def scene(seed: int, side: int = 400) -> Image.Image:
    """Noise of the detail of a photograph: coarse and fine."""
    rng = np.random.default_rng(seed)
    parts = []
    for by in (4, 10, 40):
        coarse = Image.fromarray(rng.integers(0, 256, (side // by, side // by), np.uint8))
        parts.append(np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.float64))
    return Image.fromarray(np.mean(parts, axis=0).astype(np.uint8)).convert("RGB")


def brute(a: Any, b: Any) -> float:
    """The largest correlation over all displacements that leave a fifth, one after the other."""
    a, b = (x.astype(np.float32) - cv2.GaussianBlur(x.astype(np.float32), (0, 0), 2) for x in (a, b))
    n, best = len(a), -1.0
    for dy in range(-n + 1, n):
        for dx in range(-n + 1, n):
            one = a[max(dy, 0) : n + min(dy, 0), max(dx, 0) : n + min(dx, 0)]
            other = b[max(-dy, 0) : n + min(-dy, 0), max(-dx, 0) : n + min(-dx, 0)]
            if one.size >= 0.2 * n * n and one.var() > 4 and other.var() > 4:
                best = max(best, float(np.corrcoef(one.ravel(), other.ravel())[0, 1]))
    return best


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**16), st.integers(-9, 9), st.integers(-9, 9))
def test_every_displacement_is_tried(seed: int, dy: int, dx: int) -> None:
    whole = np.random.default_rng(seed).integers(0, 256, (40, 40)).astype(np.uint8)
    one, other = whole[10:28, 10:28], whole[10 + dy : 28 + dy, 10 + dx : 28 + dx]
    correlation, part = shared(detail(one), detail(other))
    assert correlation == pytest.approx(brute(one, other), abs=1e-3)
    assert part == pytest.approx((18 - abs(dy)) * (18 - abs(dx)) / 18**2)


def crops(root: Path, step: int, form: str, names: str) -> None:
    """The crops of two scenes, 100 x 100 every `step` pixels, as files of their own, one here, one there."""
    images = {}
    for number in (0, 1):
        whole = scene(number)
        for y in range(0, 301, step):
            for x in range(0, 301, step):
                id = f"scene{number}_{y:03d}_{x:03d}"
                id = hashlib.sha256(id.encode()).hexdigest()[:12] if names == "hash" else id
                images[id] = whole.crop((x, y, x + 100, y + 100))
    fields = {id: {"split": ("train", "val")[i % 2]} for i, id in enumerate(images)}
    made = make(root, {id: np.zeros((100, 100)) for id in images}, images="copy", fields=fields, names=("road",))
    for sample in made:
        images[sample.id].save(root / str(sample.image), format=form, quality=85)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
@pytest.mark.parametrize("names", ["place", "hash"])
def test_crops_that_overlap_are_found(tmp_path: Path, form: str, names: str) -> None:
    crops(tmp_path / "d", 50, form, names)
    (leak,) = [f for f in check(tmp_path / "d", splits_only=True).findings if f.code == "leak.overlap"]
    assert leak.level == "warning"
    assert "images overlap, as crops of one scene do: " in leak.message
    assert len(leak.samples) >= 2


def test_crops_beside_one_another_do_not_overlap(tmp_path: Path) -> None:
    crops(tmp_path / "d", 100, "PNG", "place")
    assert "leak.overlap" not in {f.code for f in check(tmp_path / "d").findings}


def test_pairs_are_bounded_and_lie_across_splits(tmp_path: Path) -> None:
    masks = {f"im_{n:04d}": np.zeros((1, 1)) for n in range(1800)}
    fields = {id: {"split": ("train", "val", None)[n % 3], "image": f"../{id}.png"} for n, id in enumerate(masks)}
    samples = make(tmp_path / "d", masks, names=("road",), fields=fields).samples
    pairs = pairs_to_compare(samples)
    assert len(set(pairs)) == len(pairs) == MOST
    assert all(i < j and {samples[i].split, samples[j].split} == {"train", "val"} for i, j in pairs)
    assert pairs_to_compare(samples[:1]) == pairs_to_compare([]) == []
