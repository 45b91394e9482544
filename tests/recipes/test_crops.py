"""Class-aware windows and copy-paste against brute force: where they are, what they hold, how often."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipe_cases import make_image, mask
from segdata.dataset.counts import ClassCounts
from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DataError, DatasetError
from segdata.labels import Labels
from segdata.recipes.crops import (
    ClassIndex,
    Region,
    choose_class,
    choose_region,
    choose_window,
    copy_paste,
    paste,
)
from segdata.recipes.pipeline import RareSamples
from segdata.windows import Window

sides = st.integers(1, 40)


@dataclass
class Reader:
    """A mask that is only read by windows; notes how much was read at once."""

    mask: Any
    largest: int = 0
    reads: list[Window] = field(default_factory=list)

    @property
    def height(self) -> int:
        return int(self.mask.shape[0])

    @property
    def width(self) -> int:
        return int(self.mask.shape[1])

    def read(self, window: Window) -> Any:
        self.reads.append(window)
        self.largest = max(self.largest, window.height * window.width)
        assert 0 <= window.y <= window.y + window.height <= self.height
        assert 0 <= window.x <= window.x + window.width <= self.width
        return self.mask[window.slices]


@given(sides, sides, st.integers(1, 60), st.integers(1, 60), st.integers(0, 99), st.integers(1, 30))
def test_windows_lie_inside_around_their_pixel(h: int, w: int, height: int, width: int, seed: int, block: int) -> None:
    ids = np.random.default_rng(seed).integers(0, 3, (h, w)).astype(np.uint8)
    for class_id in (None, *np.unique(ids)):
        for source, index in (
            (ids, None),
            (ids, ClassIndex.of(ids, block)),
            (Reader(ids), ClassIndex.of(Reader(ids), block)),
        ):
            window = choose_window(source, (height, width), np.random.default_rng(seed), class_id, index=index)
            assert (window.height, window.width) == (min(h, height), min(w, width))
            assert 0 <= window.y <= h - window.height
            assert 0 <= window.x <= w - window.width
            assert class_id is None or (ids[window.slices] == class_id).any()


def test_windows_are_centred_where_there_is_room() -> None:
    ids = np.zeros((100, 100), np.uint8)
    ids[40, 60] = 1
    assert choose_window(ids, (20, 30), np.random.default_rng(0), 1) == Window(30, 45, 20, 30)
    ids[:] = 0
    ids[2, 99] = 1
    assert choose_window(ids, (20, 30), np.random.default_rng(0), 1) == Window(0, 70, 20, 30)


def test_every_place_and_every_pixel_is_as_likely() -> None:
    ids = np.zeros((9, 12), np.uint8)
    ids[[0, 4, 4, 8, 8], [0, 5, 6, 2, 11]] = 7
    index = ClassIndex.of(ids, 5)
    free, pixels, indexed = Counter(), Counter(), Counter()  # type: Counter[Any], Counter[Any], Counter[Any]
    n = 5000
    for seed in range(n):
        rng = np.random.default_rng(seed)
        free[choose_window(ids, (7, 10), rng)] += 1
        pixels[choose_window(ids, (1, 1), rng, 7)[:2]] += 1
        indexed[choose_window(Reader(ids), (1, 1), rng, 7, index=index)[:2]] += 1
    assert len(free) == 9
    expected = {(int(y), int(x)) for y, x in np.argwhere(ids == 7)}
    assert set(pixels) == set(indexed) == expected
    for counts, kinds in ((free, 9), (pixels, 5), (indexed, 5)):
        assert all(abs(c - n / kinds) < 5 * np.sqrt(n / kinds) for c in counts.values())


@settings(max_examples=30)
@given(sides, sides, st.integers(7, 40), st.sampled_from([np.uint8, np.uint16]), st.integers(0, 99))
def test_an_index_counts_what_is_there(h: int, w: int, block: int, dtype: Any, seed: int) -> None:
    ids = np.random.default_rng(seed).choice([0, 3, np.iinfo(dtype).max], (h, w)).astype(dtype)
    reader = Reader(ids)
    index = ClassIndex.of(reader, block)
    assert reader.largest <= block * w
    for b, (y, x, height, width) in enumerate(index.blocks):
        entry = index.block == b
        counted = dict(zip(index.class_id[entry].tolist(), index.pixels[entry].tolist(), strict=True))
        assert counted == dict(Counter(ids[y : y + height, x : x + width].ravel().tolist()))
    assert sum(height * width for _, _, height, width in index.blocks) == h * w


def test_a_draw_reads_one_block() -> None:
    ids = np.zeros((1000, 1000), np.uint8)
    ids[700, 300] = 5
    index = ClassIndex.of(ids, 128)
    reader = Reader(ids)
    assert index.draw(reader, np.random.default_rng(0), 5) == (700, 300)
    assert reader.reads == [Window(640, 256, 128, 128)]
    for source in (ids, reader):
        with pytest.raises(DataError, match=r"has no pixel of class 9.*\[mask\.class\]"):
            choose_window(source, (3, 3), np.random.default_rng(0), 9)


def test_classes_are_drawn_by_rarity() -> None:
    pixels = np.array([900, 0, 100, 0, 4])
    n = 4000
    rng = np.random.default_rng(0)
    drawn = Counter(choose_class(pixels, rng) for _ in range(n))
    weights = {i: 1 / np.sqrt(p) for i, p in enumerate(pixels) if p}
    assert set(drawn) == set(weights)
    for i, weight in weights.items():
        assert abs(drawn[i] / n - weight / sum(weights.values())) < 0.03
    weighted = Counter(choose_class(pixels, rng, np.array([1.0, 9, 3, 9, 0])) for _ in range(n))
    assert set(weighted) == {0, 2}
    assert abs(weighted[2] / n - 0.75) < 0.03
    assert choose_class(np.zeros(3, np.int64), rng) is None
    labels = Labels.of(["a", "b", "c", "d", "e"])
    published = ClassCounts.of([dict(enumerate(pixels.tolist()))], labels).weights("sqrt_inverse")
    assert np.allclose(published[[0, 2, 4]] * 1 / published[0], np.array([1, 3, 15]))
    assert all(abs(drawn[i] / n - published[i] / published.sum()) < 0.03 for i in (0, 2, 4))


def regions(ids: Any, class_id: int) -> list[frozenset[tuple[int, int]]]:
    """The connected parts of a class, by flood fill."""
    left = {(int(y), int(x)) for y, x in np.argwhere(ids == class_id)}
    found = []
    while left:
        part, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            part.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge += near
        found.append(frozenset(part))
    return found


@settings(max_examples=60)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 999), st.integers(1, 4))
def test_regions_are_connected_parts(h: int, w: int, seed: int, least: int) -> None:
    ids = (np.random.default_rng(seed).random((h, w)) < 0.4).astype(np.uint8) * 5
    expected = {r for r in regions(ids, 5) if len(r) >= least}
    seen = set()
    for draw in range(60):
        region = choose_region(ids, 5, np.random.default_rng(draw), least)
        if region is not None:
            y, x = region.window[:2]
            seen.add(frozenset((y + int(i), x + int(j)) for i, j in np.argwhere(region.inside)))
    assert seen <= expected
    assert bool(seen) == bool(expected)
    assert len(expected) > 4 or seen == expected


@settings(max_examples=80)
@given(st.integers(0, 999), st.integers(-8, 14), st.integers(-8, 14))
def test_pasting_is_pixel_by_pixel(seed: int, y: int, x: int) -> None:
    rng = np.random.default_rng(seed)
    image, ids = rng.integers(0, 256, (10, 12, 2), np.uint8), rng.choice([0, 1, 255], (10, 12)).astype(np.uint8)
    source = rng.integers(0, 256, (8, 9, 2), np.uint8), rng.integers(2, 4, (8, 9)).astype(np.uint8)
    region = Region(Window(1, 2, 5, 6), rng.random((5, 6)) < 0.6)
    expected_image, expected_ids, n = image.copy(), ids.copy(), 0
    for i in range(5):
        for j in range(6):
            inside = 0 <= y + i < 10 and 0 <= x + j < 12
            if region.inside[i, j] and inside and ids[y + i, x + j] != 255:
                expected_image[y + i, x + j] = source[0][1 + i, 2 + j]
                expected_ids[y + i, x + j] = source[1][1 + i, 2 + j]
                n += 1
    assert paste(image, ids, source, region, (y, x), 255) == n
    assert np.array_equal(image, expected_image)
    assert np.array_equal(ids, expected_ids)


@pytest.mark.parametrize(
    ("dtype", "bands", "ignore"), [(np.uint8, 3, 255), (np.uint16, 5, 65535), (np.float32, 1, 255)]
)
def test_copy_paste_brings_rare_classes_with_their_pixels(dtype: Any, bands: int, ignore: int) -> None:
    kind = np.uint8 if ignore == 255 else np.uint16
    image, ids = np.zeros((96, 100, bands), dtype), mask([0, ignore], kind)
    other = make_image(bands, dtype, seed=4), mask([1, 2, ignore], kind, seed=4)
    before = [a.copy() for a in (image, ids, *other)]
    pasted = Counter()  # type: Counter[int]
    for seed in range(30):
        made, under = copy_paste(image, ids, other, np.random.default_rng(seed), ignore=ignore, least=1)
        new = under != ids
        assert np.array_equal(under == ignore, ids == ignore)  # void is left alone, and none comes in
        assert (made[~new] == 0).all()
        assert (made[new] > 0).all()
        assert new.any()
        pasted.update(np.unique(under[new]).tolist())
        again = copy_paste(image, ids, other, np.random.default_rng(seed), ignore=ignore, least=1)
        assert np.array_equal(made, again[0])
        assert np.array_equal(under, again[1])
    assert set(pasted) == {1, 2}
    assert all(np.array_equal(a, b) for a, b in zip(before, (image, ids, *other), strict=True))
    chosen = copy_paste(image, ids, other, np.random.default_rng(0), ignore=ignore, classes=[2], least=1)[1]
    assert set(np.unique(chosen)) <= {0, 2, ignore}
    none = copy_paste(image, ids, other, np.random.default_rng(0), ignore=ignore, classes=[0])
    assert np.array_equal(none[1], ids)


def test_copy_paste_moves_as_far_as_it_may() -> None:
    ids, image = np.zeros((50, 60), np.uint8), np.zeros((50, 60, 1), np.uint8)
    source = np.zeros((50, 60), np.uint8)
    source[20:24, 30:36] = 1
    other = np.full((50, 60, 1), 9, np.uint8), source
    places = {0.0: set(), 0.1: set(), 1.0: set()}  # type: dict[float, set[tuple[int, int]]]
    for shift, seen in places.items():
        for seed in range(400):
            out = copy_paste(
                image, ids, other, np.random.default_rng(seed), ignore=255, classes=[1], regions=1, shift=shift
            )
            at = np.argwhere(out[1] == 1)
            assert len(at) == 24
            seen.add((int(at[0, 0]), int(at[0, 1])))
    assert places[0.0] == {(20, 30)}
    assert {y for y, _ in places[0.1]} == set(range(15, 26))
    assert {x for _, x in places[0.1]} == set(range(24, 37))
    assert {y for y, _ in places[1.0]} == set(range(47))


def test_what_does_not_fit_is_refused() -> None:
    good = make_image(), mask([0])
    for other in (
        (make_image(4), mask([1])),
        (make_image(3, np.float32), mask([1])),
        (make_image(), mask([1], np.uint16)),
    ):
        with pytest.raises(DataError, match=r"cannot be pasted into 3 bands uint8.*\[image\.bands\]"):
            copy_paste(*good, other, np.random.default_rng(0), ignore=255)


def test_samples_are_drawn_by_their_rarest_class(tmp_path: Any) -> None:
    labels = Labels.of(["sky", "road", "bird", "none"])
    counts = [{0: 500, 1: 500}, {0: 1000}, {0: 996, 2: 4}, {255: 1000}]
    samples = [
        Sample(id=str(i), mask="m", height=10, width=100, counts=c, sha256="") for i, c in enumerate(counts)
    ]  # fmt: skip
    dataset = Dataset(tmp_path, labels, samples)
    rare = RareSamples.of(dataset)
    rng = np.random.default_rng(0)
    n = 3000
    drawn = Counter(rare.draw(rng).id for _ in range(n))
    weights = np.array([1 / np.sqrt(2496), 1 / np.sqrt(500), 1 / np.sqrt(4)])
    chances = weights / weights.sum()
    expected = {"0": chances[0] / 3 + chances[1], "1": chances[0] / 3, "2": chances[0] / 3 + chances[2], "3": 0}
    assert all(abs(drawn[id] / n - chance) < 0.03 for id, chance in expected.items())
    assert {rare.draw(rng, [1]).id for _ in range(20)} == {"0"}
    assert {rare.draw(rng, [3]).id for _ in range(80)} == {"0", "1", "2", "3"}  # none has it: any
    with pytest.raises(DatasetError, match="has no samples to draw from"):
        RareSamples.of(Dataset(tmp_path, labels, []))
    bad = Sample(id="a", mask="m", height=1, width=1, counts={9: 1}, sha256="")
    with pytest.raises(DatasetError, match="the manifest counts 1 pixels of value 9"):
        RareSamples.of(Dataset(tmp_path, labels, [bad]))
