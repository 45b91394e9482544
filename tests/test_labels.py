"""The label contract, and the one remap."""

from __future__ import annotations

import json
import sys
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from segdata.errors import OptionError
from segdata.labels import MAX_CLASSES, Label, Labels, default_color, tally, value_counts
from segdata.words import some, suggest

TWO = Labels.of(["background", "cat"])


def names(count: int) -> list[str]:
    return [f"class {i}" for i in range(count)]


def test_ids_are_positions_and_colours_are_kept() -> None:
    labels = Labels.of(["background", "cat", "dog"], [None, (1, 2, 3), (0, 0, 0)])
    assert labels.classes == (
        Label(0, "background", (0, 0, 0)),
        Label(1, "cat", (1, 2, 3)),
        Label(2, "dog", (0, 0, 0)),  # black was asked for: it is no missing colour
    )
    assert labels.names == ("background", "cat", "dog")
    assert [labels.id(n) for n in labels.names] == [0, 1, 2]


@pytest.mark.parametrize(
    ("count", "ignore", "dtype"),
    [(1, 255, np.uint8), (255, 255, np.uint8), (256, 65535, np.uint16), (300, 65535, np.uint16)],
)
def test_more_than_255_classes_take_16_bits(count: int, ignore: int, dtype: type) -> None:
    labels = Labels.of(names(count))
    assert (labels.ignore, labels.dtype) == (ignore, dtype)
    assert labels.ignore not in range(count)
    assert labels.palette().shape == (ignore + 1, 3)
    assert labels.palette()[ignore].tolist() == [255, 255, 255]
    assert labels.palette()[count - 1].tolist() == list(labels.classes[-1].color)
    assert labels.name(count - 1) == f"class {count - 1}"
    assert labels.name(ignore) == "ignore"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([], "at least one class"),
        (["cat", "dog", "cat"], "different and not empty: cat"),
        (["cat", ""], "different and not empty: ''"),
        (names(MAX_CLASSES + 1), "do not fit 16-bit masks"),
    ],
)
def test_bad_names_are_refused(bad: list[str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Labels.of(bad)


@pytest.mark.parametrize("color", [(300, 0, 0), (-1, 0, 0), (1, 2), (1, 2, 3, 4), (0.5, 0, 0), ("1", "2", "3")])
def test_bad_colours_are_refused(color: Any) -> None:
    with pytest.raises(OptionError, match="cat"):
        Labels.of(["background", "cat"], [None, color])


def test_the_most_classes_there_may_be() -> None:
    labels = Labels.of(names(MAX_CLASSES))
    assert labels.classes[-1].id == MAX_CLASSES - 1 < labels.ignore


def test_an_unknown_class_names_near_ones() -> None:
    with pytest.raises(OptionError, match=r"no class 'cta': did you mean cat\?"):
        TWO.id("cta")
    with pytest.raises(OptionError, match="there are background, cat"):
        TWO.id("aeroplane")


def test_the_digest_is_the_names_in_order() -> None:
    same = Labels.of(["background", "cat"], [(9, 9, 9), (8, 8, 8)])
    assert TWO.digest == same.digest
    assert (
        len(
            {
                TWO.digest,
                *(Labels.of(n).digest for n in (["cat", "background"], ["background"], ["background", "cats"])),
            }
        )
        == 4
    )
    assert Labels.of(["a", "b, c"]).digest != Labels.of(["a, b", "c"]).digest
    assert len(TWO.digest) == 64


@given(st.lists(st.text(min_size=1), min_size=1, max_size=300, unique=True))
def test_json_round_trip(words: list[str]) -> None:
    labels = Labels.of(words)
    assert Labels.from_json(json.loads(json.dumps(labels.to_json()))) == labels


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ignore": 0}, "ignore is 0, but must be 255 for 2 classes"),
        ({"ignore": 65535}, "must be 255"),
        ({"classes": []}, "at least one class"),
        ({"classes": [{"id": 1, "name": "a", "color": [0, 0, 0]}]}, "class ids must be 0, 1, 2"),
        ({"classes": [{"id": i, "name": n, "color": [0, 0, 0]} for i, n in ((1, "a"), (0, "b"))]}, "in order"),
        ({"classes": [{"id": 0, "name": n, "color": [0, 0, 0]} for n in "ab"]}, "in order"),
        ({"classes": [{"id": i, "name": "a", "color": [0, 0, 0]} for i in (0, 1)]}, "different"),
        ({"classes": [{"id": 0, "name": "a", "color": [0, 0, 256]}]}, "0 to 255"),
        ({"classes": [{"id": 0, "name": "a", "color": "red"}]}, "0 to 255"),
        ({"classes": [{"id": 0, "name": 5, "color": [0, 0, 0]}]}, "must be strings"),
    ],
)
def test_json_that_is_no_contract_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Labels.from_json({**TWO.to_json(), **change})


def test_default_colours_differ_and_none_is_that_of_ignore() -> None:
    colors = [default_color(i, f"class {i}") for i in range(64)]
    assert len(set(colors)) == 64
    assert (255, 255, 255) not in colors
    assert (0, 0, 0) not in colors
    assert default_color(5, "background") == (0, 0, 0)


def test_lists_in_messages_are_short() -> None:
    assert some(range(3)) == "0, 1, 2"
    assert some(range(10)) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
    assert suggest("dgo", ["cat", "dog"]) == "did you mean dog?"


# --- Remap

ARRAYS = st.sampled_from([np.uint8, np.uint16, np.int32, np.int64]).flatmap(
    lambda dtype: npst.arrays(
        dtype,
        npst.array_shapes(min_dims=2, max_dims=2, max_side=20),
        elements=st.sampled_from([0, 1, 2, 6, 7, 9, 100, 255]) if dtype == np.uint8
        else st.sampled_from([0, 1, 6, 7, 9, 255, 256, 300, 65535]) if dtype == np.uint16
        else st.sampled_from([-7, -1, 0, 1, 6, 9, 255, 256, 300, 70000]),
    )
)  # fmt: skip


@given(ARRAYS, st.data(), st.sampled_from([2, 12, 255, 256, 300]))
def test_remap_is_a_dictionary_lookup(values: np.ndarray, data: st.DataObject, count: int) -> None:
    labels = Labels.of(names(count))
    mapping = {
        int(v): data.draw(st.one_of(st.none(), st.integers(0, count - 1)), label=f"target of {v}")
        for v in np.unique(values)
    }
    before = values.copy()
    out = labels.table({**mapping, 12345: 0})(values)
    expected = [[labels.ignore if mapping[int(v)] is None else mapping[int(v)] for v in row] for row in values]
    assert out.tolist() == expected
    assert out.dtype == labels.dtype
    assert out.shape == values.shape
    assert np.array_equal(values, before), "the input was written to"
    assert not np.shares_memory(out, values)


@given(ARRAYS, st.sets(st.sampled_from([-7, 0, 6, 9, 255, 300])))
def test_unlisted_values_are_named(values: np.ndarray, listed: set[int]) -> None:
    remap = TWO.table(dict.fromkeys(listed, 1))
    missing = sorted({int(v) for v in values.flat} - listed)
    if not missing:
        assert (remap(values) == 1).all()
        return
    with pytest.raises(ValueError, match="values that no class is declared for") as caught:
        remap(values)
    assert str(caught.value).endswith(f": {some(missing)}")


def test_nothing_wraps() -> None:
    """300 is 44 in 8 bits, and -1 is 255."""
    remap = TWO.table({44: 1, 0: 0, 255: None})
    for values in (np.array([[0, 300]], np.uint16), np.array([[0, 300]], np.int32)):
        with pytest.raises(ValueError, match=r": 300$"):
            remap(values)
    with pytest.raises(ValueError, match=r": -1$"):
        remap(np.array([[0, -1]], np.int16))


def test_a_target_that_is_no_class_is_refused() -> None:
    for target in (2, 255, 300, -1):
        with pytest.raises(OptionError):
            TWO.table({0: target})


def test_remapping_does_not_chain() -> None:
    labels = Labels.of(names(12))
    remap = labels.table({6: 9, 9: 7, 7: 6})
    assert remap(np.array([[6, 9, 7]], np.uint8)).tolist() == [[9, 7, 6]]
    assert [remap.value(v) for v in (6, 9, 7)] == [9, 7, 6]


def test_source_and_class_zero_are_values_like_any_other() -> None:
    remap = TWO.table({0: 1, 5: 0, 7: None})
    assert remap(np.array([[0, 5, 7]], np.uint8)).tolist() == [[1, 0, 255]]
    assert [remap.value(v) for v in (0, 5, 7)] == [1, 0, 255]
    with pytest.raises(KeyError):
        remap.value(1)


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.uint16, ">u2", np.int8, np.int32, np.uint32, np.int64, np.uint64, np.bool_]
)
def test_any_integer_dtype_and_any_memory_layout(dtype: Any) -> None:
    rng = np.random.default_rng(3)
    whole = rng.integers(0, 2, (17, 33)).astype(dtype)
    remap = TWO.table({0: 1, 1: 0})
    for values in (whole, whole.T, whole[::-1, ::2], whole[:, 1:], np.asfortranarray(whole), whole[:0]):
        assert np.array_equal(remap(values), 1 - values.astype(np.uint8))


@given(npst.arrays(st.sampled_from([np.uint8, np.uint16, np.int32, np.int64]), (7, 9), elements=st.integers(0, 255)))
def test_values_are_counted(values: NDArray[Any]) -> None:
    """Of any dtype, and of parts that are not contiguous."""
    part = values[:, ::2]
    found, counts = np.unique(part, return_counts=True)
    assert list(tally(part).items()) == list(zip(found.tolist(), counts.tolist(), strict=True))
    if values.dtype.kind == "u":
        expected = np.bincount(part.ravel(), minlength=2 ** (8 * values.itemsize))
        assert np.array_equal(value_counts(part), expected)


@given(npst.arrays(st.sampled_from([np.uint8, np.uint16]), 7, elements=st.integers(0, 255)))
def test_few_runs_are_counted_without_numba(drawn: NDArray[Any]) -> None:
    values = np.repeat(drawn, 40).reshape(14, 20)
    with mock.patch.dict(sys.modules):
        sys.modules.pop("segdata.kernels", None)
        found = value_counts(values)
        assert "segdata.kernels" not in sys.modules
    assert found.dtype == np.int64
    assert np.array_equal(found, np.bincount(values.ravel(), minlength=2 ** (8 * values.itemsize)))
    assert np.array_equal(found, value_counts(np.ascontiguousarray(values.T)))
