"""Whatever is asked, the viewer answers or says why not: it never breaks."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytest.importorskip("starlette")

from segdata.ops.view.acts import ACTS
from segdata.ops.view.tags import Tags
from segdata.ops.view.tasks import TOOLS
from viewed import ANALYSES, NAMES, Viewed
from viewing import Page

ROWS = ("image", "mask", "levels", "tile", "regions", "findings")
PLAIN = ("about", "samples", "facets", "rows", "find", "analyses", "matrix", "reliability", "findings", "tags", "acts")

NUMBERS = (
    "", "0", "1", "7", "11", "12", "-1", "-0", "+1", "1.5", "1e3", "1e99", "-1e99", "9" * 30, "9" * 5000, "1e999", "nan", "inf",
    "-inf", "0x1", "٣", "²", "1_000", " 1", "\x00",
)  # fmt: skip
WORDS = (
    *NAMES, "train", "val", "train,val", "ignore", "road:0..1", "road:..", "sign: old:0.1..", "car:car", "sign: old:ignore",
    "road:sign: old", "train/00", "any", "yes", "image", "truth", "iou.car", "class.road", "-id", "-iou@1", "cell", "-bin",
    "duplicates", "finding", "-", ":", "..", "\ud7ff", "<img onerror=x>", "a" * 3000,
)  # fmt: skip
KEYS = (
    "start", "count", "place", "of", "other", "v", "size", "level", "y", "x", "cell", "cell@1", "bin", "bin@1", "suspects",
    "sort", "split", "group", "id", "text", "class", "not", "ignore", "tag", "finding", "duplicates", "iou", "iou@1",
    "iou.car", "iou.sign: old@1", "accuracy", "suspicion", "confidence", "",
)  # fmt: skip

numbers = st.sampled_from(NUMBERS) | st.integers(0, 20).map(str)
ranges = st.builds("{}..{}".format, numbers, numbers)
values = numbers | ranges | st.sampled_from(WORDS) | st.text(max_size=5)
queries = st.lists(st.tuples(st.sampled_from(KEYS) | st.text(max_size=4), values), max_size=5)
ids = st.lists(st.sampled_from(("train/00", "val/07", "", "nothing", "=1+1")), max_size=3)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
sides = st.sampled_from((-1, 0, 1, 5, 39, 2**31, 2**63, 10**30))
regions = st.fixed_dictionaries(
    {"id": st.sampled_from(("train/00", "x")), "row": sides, "y": sides, "x": sides, "height": sides, "width": sides},
    optional={"given": st.sampled_from((None, *NAMES, "x")), "score": st.floats(0, 1e308), "of": sides},
)
bodies = json | st.fixed_dictionaries(
    {"destination": values | st.sampled_from(("out", "out.csv", "~/x", "s3://bucket/out", "/dev/null/x", "truth/x"))},
    optional={
        "ids": ids, "regions": st.lists(regions, max_size=2), "split": values, "tool": st.sampled_from((*TOOLS, "x")),
        "ignored": st.sampled_from(("class", "x")), "proposals": st.booleans(), "skip": st.booleans(),
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def page(viewed: Viewed, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """Of predictions of which all is found out."""
    viewed.session.tags = Tags(tmp_path_factory.mktemp("tags") / "t.csv")
    return Page(viewed.session)


def answered(found: Any) -> None:
    """It is an answer, or says in a sentence why it is none."""
    assert found.status_code < 500 or found.json()["error"]["code"] in ("building", "loading"), found.text
    if found.status_code >= 400:
        assert found.json()["error"]["message"]


@given(path=st.sampled_from(PLAIN), query=queries)
def test_questions_about_all(page: Page, path: str, query: list[tuple[str, str]]) -> None:
    answered(page.get(f"/api/{path}", params=query))


@example("levels", "9" * 5000, [])
@example("mask", "0", [("of", "9" * 5000)])
@example("tile", "0", [("level", "9" * 5000)])
@given(path=st.sampled_from(ROWS), row=numbers, query=queries)
def test_questions_about_a_sample(page: Page, path: str, row: str, query: list[tuple[str, str]]) -> None:
    answered(page.get(f"/api/{path}/{quote(row)}", params=query))


@given(name=st.sampled_from((*ANALYSES, "evaluate@9", "")) | values, query=queries)
def test_analyses_that_are_started(page: Page, name: str, query: list[tuple[str, str]]) -> None:
    answered(page.post(f"/api/analyses/{quote(name)}", params=query))


@given(act=st.sampled_from((*ACTS, "x")), body=bodies)
def test_acts(page: Page, act: str, body: Any) -> None:
    if isinstance(body, dict):
        body["preview"] = True
    answered(page.post(f"/api/acts/{act}", json=body))


@given(body=json | st.fixed_dictionaries({"ids": ids, "tag": values}, optional={"on": st.booleans()}))
def test_tags(page: Page, body: Any) -> None:
    answered(page.post("/api/tags", json=body))


@given(st.binary(max_size=20))
def test_bodies_that_are_no_json(page: Page, body: bytes) -> None:
    for path in ("tags", "acts/list"):
        answered(page.post(f"/api/{path}", content=body))
