"""XML of others: elements one by one with their places, equal to a tree, and what is no text that may be read."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segdata.files import xml_text
from segdata.files.xml_text import Element, Entities, parse_part, parse_xml, walk_xml

names = st.sampled_from(["a", "b", "image", "é"])
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\r\ufffe\uffff"), max_size=8)
trees = st.recursive(
    st.tuples(names, st.dictionaries(names, texts, max_size=2), texts, st.just([])),
    lambda inner: st.tuples(names, st.dictionaries(names, texts, max_size=2), texts, st.lists(inner, max_size=3)),
    max_leaves=8,
)


def written(tree: Any, short: bool) -> str:
    """A tree as text; without contents as `<a/>` if `short`."""
    name, attributes, text, inner = tree
    head = f"{name}{''.join(f' {key}={quoteattr(value)}' for key, value in attributes.items())}"
    if short and not text and not inner:
        return f"<{head}/>"
    return f"<{head}>{escape(text)}{''.join(written(one, short) for one in inner)}</{name} >"


HEADS = ("", "\ufeff", "\ufeff<?xml version='1.0'?>\n<!-- x -->")


@given(tree=trees, short=st.booleans(), chunk=st.integers(1, 9), head=st.sampled_from(HEADS))
def test_the_elements_are_those_of_a_tree(tree: Any, short: bool, chunk: int, head: str, tmp_path: Path) -> None:
    data = (head + written(tree, short)).encode()
    path = tmp_path / "a.xml"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xml_text, "CHUNK", chunk)
        found = list(walk_xml(path))
    expected = list(ElementTree.fromstring(data.decode("utf-8-sig")).iter())
    assert sorted((e.names[-1], sorted(e.attributes.items())) for e in found) == sorted(
        (e.tag, sorted(e.attrib.items())) for e in expected
    )
    for element in found:
        again = parse_part(data[element.start : element.end])
        assert [one.names for one in again] == [
            one.names[len(element.names) - 1 :]
            for one in found
            if element.start <= one.start
            and one.end <= element.end
            and one.names[: len(element.names)] == element.names
        ]
        assert (again[-1].attributes, again[-1].text) == (element.attributes, element.text)
    leaf = ElementTree.fromstring(data.decode("utf-8-sig"))
    if not list(leaf):
        assert found[-1].text == (leaf.text or "")


def test_places_are_bytes(tmp_path: Path) -> None:
    data = '<a>é<b x="1"/><c>d</c></a>'.encode()
    (tmp_path / "a.xml").write_bytes(data)
    found = {element.names[-1]: data[element.start : element.end].decode() for element in walk_xml(tmp_path / "a.xml")}
    assert found == {"b": '<b x="1"/>', "c": "<c>d", "a": '<a>é<b x="1"/><c>d</c>'}


BOMB = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]><a>&y;</a>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "no element found"),
        (b"abc", "syntax error"),
        (b"<a>\n<b>", "line 2"),
        (b"<a></b>", "mismatched tag"),
        (b"<a/><b/>", "junk after"),
        (b"<a>&lol;</a>", "undefined entity"),
        (b"<a>\xff</a>", "UTF-8"),
        ("<a>é</a>".encode("utf-16"), "UTF-16"),
        ("<a>é</a>".encode("utf-16-be"), "UTF-16"),
        (b"<a>" * 100, "within each other"),
        (BOMB.encode(), "document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
    ],
)
def test_what_is_no_text_to_read(text: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(text)
    with pytest.raises(ValueError, match=message) as caught:
        list(walk_xml(tmp_path / "a.xml"))
    assert isinstance(caught.value, Entities) == (message == "document type")


@pytest.mark.parametrize("text", [b"<a b='" + b"x" * 2000, b"<a>" + b"x" * 2000, b"<a>" + b"x" * 2000 + b"</a>"])
def test_a_tag_and_a_text_have_a_limit(text: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_text, "LARGEST", 1000)
    monkeypatch.setattr(xml_text, "CHUNK", 100)
    (tmp_path / "a.xml").write_bytes(text)
    with pytest.raises(ValueError, match="more than 1,000"):
        list(walk_xml(tmp_path / "a.xml"))


def test_memory_is_flat(tmp_path: Path) -> None:
    with open(tmp_path / "a.xml", "w", encoding="utf-8") as file:
        file.write("<a>\n")
        file.writelines(f'  <b c="{"1,2;" * 40}">\n    <d>{number}</d>\n  </b>\n' for number in range(20_000))
        file.write("</a>")
    tracemalloc.start()
    try:
        assert sum(1 for _ in walk_xml(tmp_path / "a.xml")) == 40_001
        assert tracemalloc.get_traced_memory()[1] < 3 * 2**20
    finally:
        tracemalloc.stop()
    assert (tmp_path / "a.xml").stat().st_size > 3 * 2**20


def test_a_part_may_lack_its_end_tag() -> None:
    assert parse_part(b'<a b="1"><c/>') == [
        Element(("a", "c"), {}, "", 9, 13),
        Element(("a",), {"b": "1"}, "", 0, 13),
    ]
    with pytest.raises(ValueError, match="unclosed token"):
        parse_part(b"<a b=")


def test_a_small_text_is_a_tree() -> None:
    assert parse_xml(b"\xef\xbb\xbf<a><b/></a>")[0].tag == "b"
    with pytest.raises(Entities):
        parse_xml(BOMB.encode())
