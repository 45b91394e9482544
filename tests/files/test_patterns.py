"""The language of file name patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.errors import OptionError
from segdata.files.patterns import Pattern

WORDS = st.text("ab_.-1é ", min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("text", "path", "key"),
    [
        ("{stem}", "a.png", "a"),
        ("{stem}", "x/a.b.PNG", "x/a.b"),
        ("{stem}", "a.txt", None),
        ("{stem}", "a", None),
        ("*", "a.png", "a"),
        ("mask_*", "x/mask_a.tif", "x/a"),
        ("{stem}_mask.png", "a_mask.png", "a"),
        ("{stem}_mask.png", "a_mask.tif", None),
        ("{stem}_mask", "a_mask.tif", "a"),
        ("{stem}_mask", "_mask.tif", ""),
        ("{stem}_*", "a_b_c.tif", "a_b"),
        ("{stem}.jpg.png", "a.jpg.png", "a"),
        ("{name}.png", "x/a.jpg.png", "x/a.jpg"),
        ("{name}", "x/a.jpg", "x/a.jpg"),
        ("{name}_mask", "a.jpg_mask.png", "a.jpg"),
        ("{stem}/image", "x/s1/image.jpg", "x/s1"),
        ("{stem}/image", "image.jpg", None),
        ("{stem}/masks/*", "train/s1/masks/m0.png", "train/s1"),
        ("{stem}/masks/*.png", "train/s1/masks/m0.tif", None),
        ("{stem}/images/{stem}", "s1/images/s1.png", "s1"),
        ("{stem}/images/{stem}", "s1/images/s2.png", None),
        ("a.b{stem}", "aXb1.png", None),
        ("a[b{stem}", "a[b1.png", "1"),
    ],
)
def test_keys(text: str, path: str, key: str | None) -> None:
    assert Pattern.of(text, "match").key(path) == key


@pytest.mark.parametrize(
    "text", ["mask", "{}", "{stem}{name}", "*_*", "{split}/{stem}", "../{stem}", "/{stem}", "a\\{stem}"]
)
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(OptionError, match="--match"):
        Pattern.of(text, "match")


@given(WORDS, WORDS, WORDS)
def test_a_name_that_was_made_is_taken_apart(before: str, stem: str, after: str) -> None:
    text = "a" + before + "{stem}" + after
    assert Pattern.of(text, "match").key(f"x/{text.replace('{stem}', stem)}.png") == f"x/{stem}"


def test_other_endings() -> None:
    pattern = Pattern.of("{stem}_scores", "match", (".npy", ".npz"))
    assert (pattern.key("a_scores.npz"), pattern.key("a_scores.png")) == ("a", None)


@pytest.mark.parametrize(
    ("text", "key", "path"),
    [
        ("{stem}_sat.jpg", "x/1", "x/1_sat"), ("{name}", "x/1.jpg", "x/1"), ("{stem}/image", "x/1", "x/1"), ("{stem}", "1", "1"),
    ],
)  # fmt: skip
def test_the_path_of_an_id(text: str, key: str, path: str) -> None:
    assert Pattern.of(text, "match").fill(key) == path


def test_a_file_of_two_forms_is_of_the_longer_one() -> None:
    plain, longer = Pattern(), Pattern("{stem}_mask")
    assert plain.key("a_mask.png") == "a_mask"
    assert plain.key_beside("a_mask.png", longer) is None
    assert longer.key_beside("a_mask.png", plain) == plain.key_beside("a.png", longer) == "a"
