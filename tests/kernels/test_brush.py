"""Packed run lengths of brushes against a decoder of strings of bits, and where objects lie against Python's parser of JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segdata.kernels.brush import brush_bitmap, brush_texts, brush_values, parse_bytes
from segdata.kernels.json_spans import DEPTH, IN_STRING, WRONG, find_spans
from segdata.kernels.runs import sort_runs


def random_blocks(rng: np.random.Generator, total: int) -> tuple[list[int], list[int]]:
    """Bytes of packed values, with words and lengths of any size, and the values."""
    word, sizes = int(rng.integers(1, 17)), rng.integers(1, 17, 4).tolist()
    bits = [f"{total:032b}", f"{word - 1:05b}", *(f"{size - 1:04b}" for size in sizes)]
    values: list[int] = []
    while len(values) < total:
        kind, repeats = int(rng.integers(4)), bool(rng.random() < 0.5)
        length = int(min(rng.integers(1, 2 ** min(sizes[kind], 6) + 1), total - len(values)))
        block = (rng.integers(0, 2, 1 if repeats else length) * rng.integers(0, 2**word)).tolist()
        bits.append(
            f"{int(repeats)}{kind:02b}{length - 1:0{sizes[kind]}b}" + "".join(f"{value:0{word}b}" for value in block)
        )
        values += block * length if repeats else block
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return [int(text[i : i + 8], 2) for i in range(0, len(text), 8)], values


def test_brushes_are_the_pixels_of_some_alpha() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        height, width = rng.integers(1, 12, 2).tolist()
        data, values = random_blocks(rng, 4 * height * width)
        packed, bitmap, box = np.array(data, np.uint8), np.zeros((height, width), np.uint8), np.zeros(4, np.int64)
        assert brush_values(packed) == 4 * height * width
        assert brush_bitmap(packed, bitmap, box) == 0
        expected = np.array(values).reshape(height, width, 4)[:, :, 3] > 0
        assert np.array_equal(bitmap > 0, expected)
        top, bottom, left, right = box.tolist()
        inside = np.zeros_like(expected)
        inside[top:bottom, left:right] = True
        assert not (expected & ~inside).any()


def test_damaged_brushes_are_told() -> None:
    """Cut off, or of other numbers: never an access beyond the bytes."""
    rng = np.random.default_rng(2)
    for _ in range(300):
        height, width = rng.integers(1, 12, 2).tolist()
        packed = np.array(random_blocks(rng, 4 * height * width)[0], np.uint8)
        bitmap, box = np.zeros((height, width), np.uint8), np.zeros(4, np.int64)
        for cut in range(8, len(packed) - 1):
            assert brush_bitmap(packed[:cut], bitmap, box) == -1
        packed[7:] ^= (rng.random(len(packed) - 7) < 0.2).astype(np.uint8) * rng.integers(0, 256, dtype=np.uint8)
        assert brush_bitmap(packed, bitmap, box) in (0, -1, -2)
    assert brush_values(np.zeros(7, np.uint8)) == -1


def unpacked(data: list[int]) -> list[int]:
    """The values that a list of numbers holds, read as the packing is described, and how many bits are left behind them."""
    bits = "".join(f"{byte:08b}" for byte in data)
    take = iter(range(len(bits)))

    def number(size: int) -> int:
        return int("".join(bits[next(take)] for _ in range(size)), 2)

    total, word = number(32), number(5) + 1
    sizes = [number(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < total:
        repeats, size = number(1), sizes[number(2)]
        length = number(size) + 1
        values += [number(word)] * length if repeats else [number(word) for _ in range(length)]
    assert len(values) == total
    assert len([*take]) < 8
    return values


@given(st.integers(0, 2**32), st.integers(1, 5), st.sampled_from([(1, 1), (3, 7), (40, 33), (9, 2000), (130, 150)]))
def test_texts_hold_the_pixels_of_their_objects(seed: int, count: int, size: tuple[int, int]) -> None:
    """Runs of any length, also longer than a block; an object's runs that follow each other are one."""
    rng = np.random.default_rng(seed)
    pixels = size[0] * size[1]
    begins = np.unique(np.append(rng.integers(0, pixels, rng.integers(0, 30)), [0, pixels]))
    owners = rng.integers(-1, count, len(begins) - 1)
    text, ends = brush_texts(begins, *sort_runs(owners, count))
    assert ends[-1] == len(text)
    owner = np.repeat(owners, np.diff(begins))
    for k, part in enumerate(np.split(text, ends[:-1])):
        data = json.loads(part.tobytes())
        assert unpacked(data) == np.repeat(np.where(owner == k, 255, 0), 4).tolist()
        bitmap, box = np.zeros(size, np.uint8), np.zeros(4, np.int64)
        assert brush_bitmap(np.array(data, np.uint8), bitmap, box) == 0
        assert np.array_equal(bitmap.ravel() > 0, owner == k)


def parsed(text: str) -> list[int] | None:
    """What `parse_bytes` makes of a text."""
    data = np.frombuffer(text.encode(), np.uint8)
    out = np.zeros(len(data) // 2 + 1, np.uint8)
    count = parse_bytes(data, out)
    return None if count < 0 else out[:count].tolist()


@given(st.lists(st.integers(0, 255)), st.sampled_from([None, 1]))
def test_lists_of_bytes(values: list[int], indent: int | None) -> None:
    assert parsed(json.dumps(values, indent=indent)) == values


@pytest.mark.parametrize(
    "text", ["", "[", "null", '"abc"', "{}", "[256]", "[-1]", "[1.5]", "[1,,2]", "[1e1]", "[[1]]", "[true]"]
)
def test_what_is_no_list_of_bytes(text: str) -> None:
    assert parsed(text) is None


Values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
Objects = st.lists(st.dictionaries(st.text(), Values, max_size=3), max_size=5)


def spans_of(text: bytes, chunk: int) -> tuple[list[tuple[int, int]], NDArray[np.int64]]:
    """Where the objects lie, by chunks of so many bytes, and the state at the end."""
    state = np.array([0, 0, 0, -1, -1, -1], np.int64)
    found: list[tuple[int, int]] = []
    for base in range(0, len(text), chunk):
        data = np.frombuffer(text[base : base + chunk], np.uint8)
        spans = np.zeros((len(data) // 2 + 1, 2), np.int64)
        found += [(a, b) for a, b in spans[: find_spans(data, base, state, spans)].tolist()]
    return found, state


@given(Objects, st.integers(1, 40), st.booleans(), st.booleans(), st.sampled_from([None, 2]))
def test_objects_lie_where_the_parser_has_them(
    objects: list[dict[str, Any]], chunk: int, lines: bool, plain: bool, indent: int | None
) -> None:
    one = [json.dumps(each, ensure_ascii=plain, indent=indent) for each in objects]
    text = ("\n".join(one) if lines else json.dumps(objects, ensure_ascii=plain, indent=indent)).encode(
        errors="surrogatepass"
    )
    spans, state = spans_of(text, chunk)
    assert [json.loads(text[a:b].decode(errors="surrogatepass")) for a, b in spans] == objects
    assert state[[DEPTH, IN_STRING]].tolist() == [0, 0]
    assert state[WRONG] < 0


@pytest.mark.parametrize(
    ("text", "at"), [(b"[1]", 1), (b'[{}, "a"]', 5), (b"[[]]", 1), (b"[{}] x", 5), (b"x", 0), (b"{} x", 3)]
)
def test_what_is_no_object_is_told(text: bytes, at: int) -> None:
    for chunk in (1, 100):
        assert spans_of(text, chunk)[1][WRONG] == at
