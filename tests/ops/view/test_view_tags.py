"""Tags in a CSV file: as `csv` reads it, as `evaluate --slice` takes it, and as others write it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import segdata
from carry_files import contents, make, random_masks
from segdata.errors import OptionError
from segdata.ops.view.tags import Tags, read_tags

pytest.importorskip("httpx")
pytest.importorskip("starlette")

from segdata.ops.view.operation import view
from segdata.ops.view.session import Session
from viewing import Page

IDS = [f"{i:03d}" for i in range(6)]

names = st.sampled_from(["odd", "night", "to do, soon", 'say "x"', "schön"])
changes = st.lists(
    st.tuples(st.lists(st.sampled_from([*IDS, "=1+1", "-x"]), max_size=4), names, st.booleans()), max_size=8
)


@given(changes)
def test_a_dict_of_sets_is_the_same(tmp_path_factory: Any, changes: Any) -> None:
    path = tmp_path_factory.mktemp("tags") / "a.csv"
    expected: dict[str, set[str]] = {}
    for ids, tag, on in changes:
        Tags(path).change(ids, tag, on)  # each time as another program would
        if on:
            expected.setdefault(tag, set()).update(ids)
        else:
            expected.get(tag, set()).difference_update(ids)
    assert {tag: set(ids) for tag, ids in Tags(path).read().tags.items()} == expected
    if path.exists():
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert {row["id"] for row in rows} >= {id for ids in expected.values() for id in ids if id[0] not in "=-"}
        assert not any(row["id"].startswith(("=", "-")) for row in rows), "a spreadsheet would run it"


def test_what_others_wrote_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id;weather;odd;note\n"a;1";fog;yes;-1,5\nnot of it;;;x\n')
    tags = Tags(path)
    assert {tag: set(ids) for tag, ids in tags.read().tags.items()} == {"odd": {"a;1"}}, "weather and note are no tags"
    tags.change(["b"], "new", True)
    assert path.read_text() == 'id;weather;odd;note;new\n"a;1";fog;yes;-1,5;\nnot of it;;;x;\nb;;;;yes\n'
    with path.open("a") as file:
        file.write("c;sun;yes;;\n")
    tags.change(["b"], "new", False)
    assert path.read_text() == 'id;weather;odd;note;new\n"a;1";fog;yes;-1,5;\nnot of it;;;x;\nb;;;;\nc;sun;yes;;\n'
    with pytest.raises(OptionError, match="the column weather holds other values than yes"):
        tags.change(["b"], "weather", True)
    assert list(tmp_path.iterdir()) == [path], "no draft stays"


def test_nothing_is_written_if_nothing_changes(tmp_path: Path) -> None:
    tags = Tags(tmp_path / "a.csv")
    tags.change(["a"], "odd", False)
    assert not tags.path.exists()
    tags.change([], "odd", True)
    assert tags.path.read_text() == "id,odd\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,odd\na,yes\n", "its first column is called 'name', must be id"),
        ("id,odd,odd\na,yes,\n", "has two columns called odd"),
        ("id,odd\na,yes\na,\n", "line 3 has 'a' a second time"),
        ("id,odd\na,yes,1\n", "line 2 has 3 cells, the heading 2"),
        (b"\xff\xfe\x00\x01", "is not text in UTF-8"),
    ],
)
def test_other_files_are_refused_and_stay(tmp_path: Path, text: str | bytes, words: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    before = path.read_bytes()
    for attempt in (lambda: read_tags(path), lambda: Tags(path).change(["a"], "new", True)):
        with pytest.raises(OptionError, match=words):
            attempt()
    assert path.read_bytes() == before


@pytest.mark.parametrize("tag", ["", " ", "id", "-x", "a:b", "=x", "a\nb", "x" * 101, "\u202eabc"])
def test_bad_names(tmp_path: Path, tag: str) -> None:
    with pytest.raises(OptionError, match="must begin with a letter"):
        Tags(tmp_path / "a.csv").change(["a"], tag, True)


def test_it_slices_an_evaluation(tmp_path: Path) -> None:
    masks = random_masks(6)
    truth = make(tmp_path / "d", masks)
    pred = make(tmp_path / "p", {id: np.where(mask == 255, 0, mask) for id, mask in masks.items()})
    Tags(tmp_path / "t.csv").change(IDS[:2], "night", True)
    found = segdata.evaluate(pred, truth, slice=f"{tmp_path / 't.csv'}:night")
    assert found.slices is not None
    assert {part.name: part.images for part in found.slices.parts} == {"yes": 2, "(none)": 4}


class Tagging(Page):
    """A page of `mydata` in the working directory."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.session = Session.open(folder / "mydata", (), writable=True)
        if more:
            self.session.tags = Tags(more["tags"])
        super().__init__(self.session)

    def tag(self, *ids: str, tag: str = "odd", on: bool = True) -> Any:
        return self.post("/api/tags", json={"ids": ids, "tag": tag, "on": on})

    def fitting(self, value: str) -> list[str]:
        return [id for id, fits in zip(self.session.index.ids, self.session.filters["tag"](value), strict=True) if fits]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A dataset `mydata` in the working directory."""
    make(tmp_path / "mydata", random_masks(6))
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)
        yield tmp_path


def test_the_page_tags(folder: Path) -> None:
    before = contents(folder / "mydata")
    page = Tagging(folder)
    assert page.get("/api/tags").json() == {"file": str(folder / "mydata.tags.csv"), "tags": {}}
    assert not (folder / "mydata.tags.csv").exists()
    assert page.tag("001", "004").json()["tags"] == {"odd": 2}
    assert page.tag("004", "005", tag="night").json()["tags"] == {"odd": 2, "night": 2}
    assert page.tag("001", on=False).json()["tags"] == {"odd": 1, "night": 2}
    assert (folder / "mydata.tags.csv").read_text() == "id,odd,night\n001,,\n004,yes,yes\n005,,yes\n"
    assert (page.fitting("night"), page.fitting("-night")) == (["004", "005"], ["000", "001", "002", "003"])
    assert page.session.fields["tags"](4) == ["odd", "night"]
    assert page.session.about["tags"]() == ["odd", "night"]
    assert page.session.facets["tags"](np.array([0, 5])) == {"odd": 0, "night": 1}
    (folder / "mydata.tags.csv").write_text("id,mine\n000,yes\n")
    assert page.fitting("mine") == ["000"], "another program has written it"
    assert contents(folder / "mydata") == before


def test_the_page_is_told_what_is_wrong(folder: Path) -> None:
    page = Tagging(folder)
    for answer, status, words in (
        (page.tag(), 422, "nothing is selected"),
        (page.tag("x"), 409, "1 of 1 ids are not of this dataset: x"),
        (page.tag("001", tag="a:b"), 422, "must begin with a letter"),
        (page.post("/api/tags", content=b"\xff"), 422, "not what this takes"),
        (page.post("/api/tags", json={"ids": "001", "tag": "x"}), 422, "not what this takes"),
    ):
        assert (answer.status_code, words in answer.json()["error"]["message"]) == (status, True), answer.text
    page.tag("001")
    (folder / "mydata.tags.csv").write_text("something else\n")
    assert page.tag("002").status_code == 422
    assert (folder / "mydata.tags.csv").read_text() == "something else\n"
    assert page.fitting("odd") == ["001"], "what was read last"
    from segdata.ops.view.answers import Refusal

    with pytest.raises(Refusal, match="there is no tag 'no': there are odd"):
        page.fitting("no")


def test_a_file_of_ones_own(folder: Path) -> None:
    (folder / "own.csv").write_text("id,night\n000,yes\n")
    page = Tagging(folder, tags=folder / "own.csv")
    assert page.fitting("night") == ["000"]
    page.tag("001", tag="night")
    assert (folder / "own.csv").read_text() == "id,night\n000,yes\n001,yes\n"
    (folder / "own.csv").write_text("name\n")
    with pytest.raises(OptionError, match=r"own.csv: its first column"):
        view("mydata", port=0, tags="own.csv")
