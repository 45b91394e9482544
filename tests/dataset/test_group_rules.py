"""Groups by a pattern over ids, or by a table."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from segdata.dataset.group_rules import group_names, is_rule, read_rule
from segdata.errors import OptionError


class One(NamedTuple):
    id: str
    split: str | None = None
    image: str | None = None


def names(text: str, *members: One) -> list[str | None]:
    return group_names(read_rule(text, "--group"), members)


def test_what_is_a_rule() -> None:
    assert all(map(is_rule, ("regex:x", "csv:x", "g.csv", "G.CSV", "^(.*)_")))
    assert not any(map(is_rule, ("group", "parent", "duplicates", "city")))


@pytest.mark.parametrize("text", ["regex:^(.*)_[0-9]+$", "^(.*)_[0-9]+$"])
def test_a_pattern(text: str) -> None:
    assert names(text, One("a_1"), One("b/c_22")) == ["a", "b/c"]


def test_a_group_may_lie_across_splits() -> None:
    """The split that an id begins with is no part of the group's name, or a group across splits would pass for two."""
    both = One("train/v_1", "train"), One("val/v_2", "val"), One("v_3", "val")
    assert names("regex:^(.*)_", *both) == ["v", "v", "v"]
    assert names("regex:^([^/]*)", *both) == ["train", "val", "v_3"]


def test_the_first_parentheses_that_match() -> None:
    assert names("regex:^(a.)_|^(b)", One("ax_1"), One("bx_1")) == ["ax", "b"]


def test_the_way_out_of_ids_that_do_not_match_is_a_pattern_that_does() -> None:
    for pattern in ("^(.*)_[0-9]+$", "_([0-9]+)", "_(x)_|_(y)_"):
        members = [One("q_x_7"), One("q_y_8"), One("odd")]
        with pytest.raises(OptionError, match="every id must have a group") as caught:
            names(f"regex:{pattern}", *members)
        found = names(str(caught.value).split("'")[-2], *members)
        assert found[-1] == "odd"
        for member, name in list(zip(members, found, strict=True))[:2]:
            assert name in (names(f"regex:{pattern}", member)[0], member.id)


def table(folder: Path, text: str, encoding: str = "utf-8") -> str:
    (folder / "g.csv").write_bytes(text.encode(encoding))
    return f"csv:{folder / 'g.csv'}"


@pytest.mark.parametrize(
    "text",
    [
        "id,group\na,x\nb,y\n",
        "group;id\nx;a\ny;b\n",
        "ID\tGroup\tplace\n a \tx\t1\nb\ty\t2\n",
        '\ufeffid,group\r\n"a",x\r\n\r\nb,"y"\r\n',
        "id,group\nval/a,x\nb,y\nmore,z\n",
    ],
)
def test_a_table_of_ids(tmp_path: Path, text: str) -> None:
    assert names(table(tmp_path, text), One("val/a", "val"), One("b")) == ["x", "y"]


def test_a_table_of_images(tmp_path: Path) -> None:
    members = (
        One("1", image="../p/a.jpg"),
        One("2", image="/q/a.jpg"),
        One("3", image="../p/b.jpg"),
        One("4", image="../p/b.jpg"),
    )
    assert names(table(tmp_path, "image,group\np/a.jpg,x\nq\\a.jpg,y\nb.jpg,\n"), *members) == ["x", "y", None, None]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,group\na,x\nc,z\n", r"g.csv: no row for 1 of 2 samples: b \(rows that fit nothing: c\): add rows"),
        ("image,group\nb.jpg,x\n", "'b.jpg' may be p/b.jpg and q/b.jpg: write more of the path"),
        ("id,group\na,x\na,y\nb,x\n", "'a' is in two groups, 'x' and 'y': leave one row"),
        ("name,group\na,x\n", "its first line must be id,group or image,group, not 'name,group'"),
        ("a,x\nb,y\n", "its first line must be"),
        ("", "its first line must be"),
        ("id,group\na\nb,x\n", "line 2 has 1 cells, the heading 2"),
    ],
)
def test_tables_that_do_not_do(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        names(table(tmp_path, text), One("a", image="p/b.jpg"), One("b", image="q/b.jpg"))


def test_rules_that_are_none(tmp_path: Path) -> None:
    for text, words in (
        ("city", r"--group city: must be regex:PATTERN or csv:FILE, such as"),
        ("regex:^x", "needs the group's name in parentheses"),
        ("regex:(", "not a regular expression"),
        (f"csv:{tmp_path / 'none.csv'}", "cannot be read: No such file"),
        (table(tmp_path, "id,group\nä,x\n", "latin-1"), "is not text in UTF-8"),
    ):
        with pytest.raises(OptionError, match=words):
            names(text, One("a"))
