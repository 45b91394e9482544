"""Masks decoded to what changes from row to row: beside zlib, NumPy and PNGs of others."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from numpy.typing import NDArray

from segdata.errors import DataError
from segdata.files import png
from segdata.files.changes import Changes, inflated
from segdata.kernels import inflate
from segdata.labels import Labels
from segdata.metrics.confusion import pair_counts

Bytes = NDArray[np.uint8]


class Guarded(np.ndarray):  # type: ignore[type-arg]
    """An array that also refuses what NumPy takes for places counted from the end."""

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, int | np.integer) and place < 0:
            raise IndexError(place)
        return super().__getitem__(place)


@st.composite
def label_maps(draw: st.DrawFn, values: int = 256) -> Bytes:
    """(H, W) uint8: rectangles on one another, with some noise in some of them."""
    height, width = draw(array_shapes(min_dims=2, max_dims=2, max_side=70))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    mask = np.full((height, width), random.integers(values), np.uint8)
    for _ in range(draw(st.integers(0, 12))):
        y, x = random.integers(height), random.integers(width)
        part = mask[y : y + random.integers(1, 40), x : x + random.integers(1, 40)]
        part[:] = random.integers(values, size=part.shape) if random.random() < 0.1 else random.integers(values)
    return mask


def filtered(mask: Bytes) -> bytes:
    """The rows filtered "up", by NumPy alone."""
    above = np.vstack([np.zeros_like(mask[:1]), mask[:-1]])
    return np.hstack([np.full((len(mask), 1), 2, np.uint8), mask - above]).tobytes()


def deflated(data: bytes, strategy: int = zlib.Z_RLE, level: int = 6, memory: int = 8) -> bytes:
    """By zlib itself, which is no encoder of segdata's."""
    deflater = zlib.compressobj(level, zlib.DEFLATED, 15, memory, strategy)
    return deflater.compress(data) + deflater.flush()


@given(label_maps(), st.sampled_from([1, 8]))
def test_changes_are_those_of_the_mask(mask: Bytes, memory: int) -> None:
    found = inflated(deflated(filtered(mask), memory=memory), (mask.shape[0], mask.shape[1]))
    if found is not None:
        above = np.vstack([np.zeros_like(mask[:1]), mask[:-1]])
        places = np.flatnonzero(mask != above)
        np.testing.assert_array_equal(found.places, places)
        np.testing.assert_array_equal(found.deltas, (mask - above).ravel()[places])
        np.testing.assert_array_equal(found.mask, mask)
        np.testing.assert_array_equal(found.counts, np.bincount(mask.ravel(), minlength=256))


@given(label_maps())
def test_what_is_written_is_read_back_either_way(mask: Bytes) -> None:
    data = png.encode_mask(mask)
    found = png.decode_lazily(data)
    np.testing.assert_array_equal(found.mask if isinstance(found, Changes) else found, mask)
    np.testing.assert_array_equal(png.decode_mask(data), mask)


def test_masks_as_they_are_written_are_not_drawn() -> None:
    mask = np.add.outer(np.arange(300) // 7, np.arange(400) // 11).astype(np.uint8)
    mask[100:150, 200:220] = np.random.default_rng(0).integers(0, 256, (50, 20))
    found = png.decode_lazily(png.encode_mask(mask))
    assert isinstance(found, Changes)
    np.testing.assert_array_equal(found.mask, mask)


def test_many_blocks_and_long_codes_are_read() -> None:
    """Values as rare as 1 in 2^n have codes longer than the table; little memory ends blocks early."""
    random = np.random.default_rng(1)
    deltas = np.minimum(random.geometric(0.5, (400, 600)) - 1, 40).astype(np.uint8)
    deltas[random.random(deltas.shape) < 0.9] = 0
    mask = np.cumsum(deltas, axis=0).astype(np.uint8)
    for memory in (1, 4, 9):
        found = inflated(deflated(filtered(mask), memory=memory), (400, 600))
        assert found is not None
        np.testing.assert_array_equal(found.mask, mask)


def test_other_matches_filters_sizes_and_noise_are_left_to_the_other_decoder() -> None:
    mask = np.add.outer(np.arange(60) // 7, np.arange(80) // 11).astype(np.uint8)
    rows = filtered(mask)
    assert inflated(deflated(rows), (60, 80)) is not None
    assert inflated(deflated(rows, zlib.Z_DEFAULT_STRATEGY), (60, 80)) is None
    assert inflated(deflated(rows, level=0), (60, 80)) is None
    assert inflated(deflated(rows[:81].replace(b"\2", b"\0", 1) + rows[81:]), (60, 80)) is None
    for shape in ((59, 80), (61, 80), (60, 79), (60, 81)):
        assert inflated(deflated(rows), shape) is None
    noise = np.random.default_rng(0).integers(0, 256, (60, 80), np.uint8)
    assert inflated(deflated(filtered(noise)), (60, 80)) is None
    np.testing.assert_array_equal(png.decode_mask(png.encode_mask(noise)), noise)


@given(st.data())
def test_damage_is_found_as_the_other_decoder_finds_it(data: st.DataObject) -> None:
    mask = np.add.outer(np.arange(60) // 7, np.arange(80) // 11).astype(np.uint8)
    body = bytearray(deflated(filtered(mask)))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(2, len(body) - 5))] ^= data.draw(st.integers(1, 255))
    body = body[: data.draw(st.integers(3, len(body)))]
    found = inflated(bytes(body), (60, 80))
    if found is not None:
        raw = png._inflate(bytes(body), 60 * 81)
        np.testing.assert_array_equal(found.mask, png._values(raw, (60, 80), 8))


@pytest.mark.parametrize("classes", [3, 20, 65, 200])
@given(data=st.data())
def test_pairs_of_changes_are_those_of_pixels(classes: int, data: st.DataObject) -> None:
    labels = Labels.of([str(i) for i in range(classes)])
    truth = data.draw(label_maps(classes))
    pred = np.where(np.random.default_rng(0).random(truth.shape) < 0.05, labels.ignore, np.roll(truth, 2, 1))
    pred = pred.astype(np.uint8)
    np.testing.assert_array_equal(pair_counts(changes(truth), changes(pred), labels), pair_counts(truth, pred, labels))
    np.testing.assert_array_equal(pair_counts(changes(truth), pred, labels), pair_counts(truth, pred, labels))


def test_pairs_of_changes_refuse_other_values() -> None:
    labels = Labels.of(["a", "b"])
    good, bad = np.zeros((3, 4), np.uint8), np.full((3, 4), 7, np.uint8)
    with pytest.raises(ValueError, match="truth has values that are no class: 7"):
        pair_counts(changes(bad), changes(good), labels)
    with pytest.raises(ValueError, match="the prediction has values that are no class: 7"):
        pair_counts(changes(good), changes(bad), labels)


def changes(mask: Bytes) -> Changes:
    """Of any mask, by NumPy."""
    delta = np.diff(mask, axis=0, prepend=np.zeros((1, mask.shape[1]), np.uint8)).ravel()
    places: Any = np.flatnonzero(delta).astype(np.int32)
    return Changes((mask.shape[0], mask.shape[1]), places, delta[places])


def test_wrong_data_keeps_its_message() -> None:
    data = png.encode_mask(np.add.outer(np.arange(60) // 7, np.arange(80) // 11).astype(np.uint8))
    with pytest.raises(DataError, match="cut off"):
        png.decode_mask(data[:-20])


def test_damaged_data_reads_nothing_beyond_its_arrays() -> None:
    """A compiled kernel checks no bounds, so its source is run by Python, which does: also on data cut off within a code."""
    source = Path(inflate.__file__).read_text().replace("from segdata.kernels import kernel", "kernel = lambda f: f")
    plain: dict[str, Any] = {}
    exec(compile(source, inflate.__file__, "exec"), plain)
    random = np.random.default_rng(0)
    mask = np.repeat(random.integers(0, 9, (6, 7)), 3, axis=1).astype(np.uint8)
    cases = [bytes.fromhex("1dc1810900000c8330f1ff")]  # ends within the codes of its block
    for level, strategy in ((9, zlib.Z_DEFAULT_STRATEGY), (6, zlib.Z_RLE), (6, zlib.Z_FIXED)):
        whole = deflated(filtered(mask), strategy, level)[2:]
        cases += [whole[:size] for size in range(1, len(whole) + 1)]
    for number, case in enumerate(cases):
        size, data = len(case), bytearray(case)
        if number % 2:
            data[random.integers(size)] ^= 1 << random.integers(8)
        words = np.zeros(size // 4 + 4, np.uint32)
        words.view(np.uint8)[:size] = data
        places, deltas = np.empty(mask.size, np.int32), np.empty(mask.size, np.uint8)
        with np.errstate(over="ignore"):
            plain["inflate_changes"](words.view(Guarded), size, *mask.shape, places, deltas)
