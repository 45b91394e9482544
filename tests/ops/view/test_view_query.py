"""What a query finds, beside a loop over the samples that knows nothing of columns."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carry_files import make
from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.labels import Labels

pytest.importorskip("starlette")

from segdata.ops.view.answers import Refusal
from segdata.ops.view.query import class_id, rows_of, span
from segdata.ops.view.samples import facets_json, found_json, page_json
from segdata.ops.view.session import Session

NAMES = ("road", "car", "a:0..1", "ignore it", "side,walk")
SPLITS = (None, "train", "val", "a,b")
GROUPS = (None, "g1", "G 2", "g,1")
LABELS = Labels.of(NAMES)
Pair = tuple[str, str]


@st.composite
def samples(draw: st.DrawFn) -> list[Sample]:
    """Samples of any split, group, size and counts; some classes with 0 pixels."""
    ids = draw(st.lists(st.text("abAB1é/́", min_size=1, max_size=4), unique=True, max_size=12))
    made = []
    for id in ids:
        height, width = draw(st.integers(1, 5)), draw(st.integers(1, 5))
        shares = draw(st.lists(st.integers(0, 6), min_size=6, max_size=6))
        counts = {value: n for value, n in zip((0, 1, 2, 3, 4, 255), shares, strict=True) if n or draw(st.booleans())}
        split, group = draw(st.sampled_from(SPLITS)), draw(st.sampled_from(GROUPS))
        made.append(
            Sample(id=id, mask="m.png", height=height, width=width, counts=counts, sha256="", split=split, group=group)
        )
    return made


ENDS = st.one_of(st.just(""), st.sampled_from(["0", "0.25", ".5", "1", "2e0", "-1"]))
RANGES = st.tuples(ENDS, ENDS).filter(lambda e: not all(e) or float(e[0]) <= float(e[1])).map("..".join)
CLASSES = st.sampled_from([*NAMES, "ignore"])
PAIRS = st.one_of(
    st.tuples(st.just("text"), st.sampled_from(["", "a", "A", "B1", "É", "é", "/"])),
    st.tuples(st.sampled_from(["class", "not"]), CLASSES),
    st.tuples(st.sampled_from(["class", "not"]), st.tuples(CLASSES, RANGES).map(":".join)),
    st.tuples(st.just("ignore"), RANGES),
    st.tuples(st.just("size"), st.sampled_from(["4..9", "..6", "12..", "6", ".."])),
    st.tuples(st.just("iou"), RANGES),
    st.tuples(st.just("big"), st.sampled_from(["yes", "no"])),
    st.tuples(st.just("id"), st.sampled_from(["a", "b", "nowhere"])),
)
SORTS = ["id", "size", "ignore", "split", "group", "class.car", "class.ignore", "iou", "odd"]
ORDERS = st.tuples(st.just("sort"), st.sampled_from([*SORTS, *(f"-{name}" for name in SORTS)]))


def session_of(found: Sequence[Sample]) -> Session:
    session = Session.open(Dataset(Path("nowhere"), LABELS, found), writable=True)
    session.index.more["iou"] = np.array([iou_of(i) for i in range(len(found))], np.float32)
    session.filters["big"] = lambda value: (session.index.areas > 9) == (value == "yes")
    session.orders["odd"] = lambda: np.arange(len(found)) % 2.0
    return session


def iou_of(row: int) -> float:
    return (math.nan, 0.25, 0.5, 0.1)[row % 4]


def within(value: float, text: str) -> bool:
    """NaN is in no range."""
    low, dots, high = text.partition("..")
    if not dots:
        return value == float(text)
    return not math.isnan(value) and (not low or float(low) <= value) and (not high or value <= float(high))


def plain(text: str) -> str:
    return normalize("NFC", normalize("NFC", text).casefold())


def share_of(sample: Sample, name: str) -> float:
    return sample.counts.get(255 if name == "ignore" else NAMES.index(name), 0) / (sample.height * sample.width)


def has_class(sample: Sample, value: str) -> bool:
    if value in (*NAMES, "ignore"):
        return share_of(sample, value) > 0
    name, _, ends = value.rpartition(":")
    return within(share_of(sample, name), ends)


def fits(row: int, sample: Sample, pairs: Sequence[Pair]) -> bool:
    """What the words of a query say of one sample."""
    for name in ("split", "group", "id"):
        values = [value for key, value in pairs if key == name]
        own = {"split": sample.split or "(no split)", "group": sample.group, "id": sample.id}[name]
        if values and own not in values and not (name == "split" and any(own in value.split(",") for value in values)):
            return False
    area = sample.height * sample.width
    checks: dict[str, Callable[[str], bool]] = {
        "text": lambda value: plain(value) in plain(sample.id),
        "class": lambda value: has_class(sample, value),
        "not": lambda value: not has_class(sample, value),
        "ignore": lambda value: within(share_of(sample, "ignore"), value),
        "size": lambda value: within(area, value),
        "iou": lambda value: within(float(np.float32(iou_of(row))), value),
        "big": lambda value: (area > 9) == (value == "yes"),
    }
    return all(checks[name](value) for name, value in pairs if name in checks)


def key_of(row: int, sample: Sample, order: str) -> tuple[bool, float, tuple[int, ...]]:
    """Unknown last, then the number, or the text in its order."""
    name = order.removeprefix("-")
    sign = -1 if order[0] == "-" else 1
    texts = {"id": sample.id, "split": sample.split or "(no split)", "group": sample.group}
    if name in texts:
        text = texts[name]
        return text is None, 0, (*(sign * ord(c) for c in text or ""), sign * -1)
    numbers = {
        "size": sample.height * sample.width,
        "ignore": share_of(sample, "ignore"),
        "iou": iou_of(row),
        "odd": row % 2,
    }
    number = share_of(sample, name.removeprefix("class.")) if name.startswith("class.") else numbers[name]
    return math.isnan(number), 0 if math.isnan(number) else sign * number, ()


def brute(found: Sequence[Sample], pairs: Sequence[Pair]) -> list[int]:
    rows = [row for row, sample in enumerate(found) if fits(row, sample, pairs)]
    for order in reversed([value for name, value in pairs if name == "sort"]):
        rows.sort(key=lambda row: key_of(row, found[row], order))
    return rows


@given(samples(), st.data())
def test_any_query_finds_what_a_loop_finds(found: list[Sample], data: st.DataObject) -> None:
    there = [("split", s.split or "(no split)") for s in found] + [("group", s.group) for s in found if s.group]
    known = st.sampled_from(there) if there else st.nothing()
    pairs = data.draw(st.lists(PAIRS | ORDERS | known, max_size=5))
    session = session_of(found)
    for _ in range(2):  # the second time it is remembered
        assert rows_of(session, pairs).tolist() == brute(found, pairs)
    rows = brute(found, pairs)
    page = page_json(session, pairs, 2, 3)
    assert (page["total"], [s["id"] for s in page["samples"]]) == (len(rows), [found[row].id for row in rows[2:5]])
    check_facets(session, found, rows)


def check_facets(session: Session, found: Sequence[Sample], rows: list[int]) -> None:
    facets = facets_json(session, np.array(rows, np.int64))
    held = [found[row] for row in rows]
    assert facets["total"] == len(rows)
    times = Counter(s.split or "(no split)" for s in held)
    assert list(facets["splits"].items()) == sorted(times.items())
    for one in facets["classes"]:
        counts = [s.counts.get(one["id"], 0) for s in held]
        assert (one["samples"], one["pixels"]) == (sum(n > 0 for n in counts), sum(counts))
    assert [one["id"] for one in facets["classes"]] == [0, 1, 2, 3, 4, 255]
    known = [iou_of(row) for row in rows if not math.isnan(iou_of(row))]
    low, high = (min(known), max(known)) if known else (None, None)
    assert facets["columns"]["iou"] == {"low": low, "high": high, "known": len(known)}


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        (("class", "rod"), "road"), (("class", "rod:0..1"), "no class 'rod"), (("class", "road:1..0"), "the lower one first"),
        (("not", "nothing"), "road, car"), (("split", "tain"), "train"), (("split", "train,x"), "'x': there are"),
        (("group", "g"), "g1"), (("size", "big"), "LOW..HIGH"), (("size", ""), "LOW..HIGH"), (("ignore", "nan..1"), "LOW..HIGH"),
        (("ignore", "0..inf"), "LOW..HIGH"), (("ignore", "0..1..2"), "LOW..HIGH"), (("ignore", "1_0.."), "LOW..HIGH"),
        (("iou", "x"), "LOW..HIGH"), (("colour", "1"), "there are split, group, id, text, class"),
        (("sort", "x"), "there are id, size"),
        (("sort", ""), "there are id, size"), (("sort", "class.x"), "no class 'x'"), (("sort", "--id"), "there are id"),
    ],
)  # fmt: skip
def test_a_name_or_value_that_there_is_not_is_refused_with_what_there_is(pair: Pair, told: str) -> None:
    found = [
        Sample(id=f"{i}", mask="m", height=2, width=2, counts={}, sha256="", split="train", group="g1")
        for i in range(3)
    ]
    with pytest.raises(Refusal) as refused:
        rows_of(session_of(found), [pair])
    assert refused.value.status == 422
    assert told in refused.value.message


def test_a_range_is_two_numbers() -> None:
    assert span("size", "1..2") == (1, 2)
    assert span("size", "..") == (-math.inf, math.inf)
    assert span("size", "-1.5e2...5") == (-150, 0.5)
    assert span("size", "7") == (7, 7)


def test_a_class_called_ignore_comes_before_what_is_ignored() -> None:
    assert class_id(LABELS, "ignore") == 255
    assert class_id(Labels.of(["a", "ignore"]), "ignore") == 1


def test_what_is_remembered_is_forgotten_when_something_changes() -> None:
    found = [Sample(id=f"{i}", mask="m", height=i + 2, width=2, counts={}, sha256="") for i in range(4)]
    session = session_of(found)
    assert rows_of(session, [("iou", "0.2..")]).tolist() == [1, 2]
    session.index.more.update({"iou": np.array([1, 0, 0, 0], np.float32)})
    assert rows_of(session, [("iou", "0.2..")]).tolist() == [0]
    tagged = np.array([True, False, False, False])
    session.filters["tag"] = lambda value: tagged
    assert rows_of(session, [("tag", "x")]).tolist() == [0]
    tagged = ~tagged
    assert rows_of(session, [("tag", "x")]).tolist() == [0]
    session.touch()
    assert rows_of(session, [("tag", "x")]).tolist() == [1, 2, 3]


def test_a_sample_is_found_by_id_and_by_place() -> None:
    found = [Sample(id=id, mask="m", height=2, width=2, counts={}, sha256="") for id in "cab"]  # in no order
    session = session_of(found)
    assert found_json(session, [("id", "a"), ("sort", "-id")], None)["place"] == 2
    assert found_json(session, [("id", "a"), ("id", "b")], None) == {
        **found_json(session, [("id", "a")], None),
        "place": None,
        "total": 1,
    }
    assert found_json(session, [("sort", "id")], 1)["sample"]["id"] == "b"
    for query, place, status in (([("id", "x")], None, 404), ([], None, 422), ([], 3, 404)):
        with pytest.raises(Refusal) as refused:
            found_json(session, query, place)
        assert refused.value.status == status


def test_real_masks(shared_data: Path, tmp_path: Path) -> None:
    """CamVid's: class and share filters find the images whose masks, read by Pillow, have the pixels."""
    paths = sorted((shared_data / "camvid" / "valannot").glob("*.png"))[:40]
    masks = {f"val/{path.stem}": np.where((mask := np.array(Image.open(path))) == 11, 255, mask) for path in paths}
    make(tmp_path / "data", masks, names=[f"class{i}" for i in range(11)])
    session = Session.open(tmp_path / "data", writable=True)
    ids = session.index.ids
    for value in (*range(11), 255):
        name = "ignore" if value == 255 else f"class{value}"
        shares = {id: float((masks[id] == value).mean()) for id in ids}
        assert {ids[row] for row in rows_of(session, [("class", name)])} == {id for id in ids if shares[id] > 0}
        middle = sorted(shares.values())[len(ids) // 2]
        found = rows_of(session, [("class", f"{name}:{middle:.6f}.."), ("sort", f"-class.{name}")])
        wanted = sorted(
            (id for id in ids if shares[id] >= float(f"{middle:.6f}")), key=lambda id: (-shares[id], ids.index(id))
        )
        assert [ids[row] for row in found] == wanted
