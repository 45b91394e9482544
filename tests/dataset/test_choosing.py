"""Which splits an expression names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.dataset.choosing import chosen_splits
from segdata.errors import OptionError

FOLDS = ("fold0", "fold1", "fold2", "fold3")

NAMES = st.text("abc", min_size=1, max_size=3)


@given(st.lists(NAMES, min_size=1, max_size=6, unique=True), st.data())
def test_named_splits_are_chosen_and_the_others_are_the_rest(names: list[str], data: st.DataObject) -> None:
    some = data.draw(st.lists(st.sampled_from(names), min_size=1))
    assert chosen_splits(",".join(some), names) == tuple(name for name in names if name in some)
    if set(some) < set(names):
        rest = chosen_splits(", ".join(f"!{name}" for name in some), names)
        assert rest == tuple(name for name in names if name not in some)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fold2", ("fold2",)),
        ("!fold0", ("fold1", "fold2", "fold3")),
        ("fold2,fold1", ("fold1", "fold2")),
        (" fold1 , fold1 ", ("fold1",)),
        ("! fold0,!fold3", ("fold1", "fold2")),
        ("fold0,fold1,!fold1", ("fold0",)),
    ],
)
def test_folds(text: str, expected: tuple[str, ...]) -> None:
    assert chosen_splits(text, FOLDS) == expected


def test_a_split_of_that_name_is_meant_first() -> None:
    assert chosen_splits("a,b", ("a", "a,b", "b")) == ("a,b",)
    assert chosen_splits("!a", ("!a", "a", "b")) == ("!a",)


@pytest.mark.parametrize(
    ("text", "splits", "message"),
    [
        ("fold9", FOLDS, "no split 'fold9': there are fold0, fold1, fold2, fold3"),
        ("!fold9", FOLDS, "no split 'fold9': there are"),
        ("fold0,", FOLDS, "no split '': there are"),
        ("!", FOLDS, "no split '': there are"),
        ("", FOLDS, "no split '': there are"),
        ("!train", ("train",), "'!train' leaves no split: there are train"),
        ("fold1,!fold1", FOLDS, "'fold1,!fold1' leaves no split"),
        ("train", (), "no split 'train': it has no splits"),
        ("fold21", tuple(f"fold{i}" for i in range(20)), "no split 'fold21': did you mean fold"),
    ],
)
def test_what_is_no_split_is_refused(text: str, splits: tuple[str, ...], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        chosen_splits(text, splits)
