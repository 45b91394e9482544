"""The columns of a dataset: the same whether its manifest is whole or in parts, and not in the way of the first page."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest

from segdata.dataset.dataset import Dataset
from segdata.dataset.sample import Sample
from segdata.errors import DatasetError
from segdata.labels import Labels

pytest.importorskip("starlette")

from segdata.ops.view import index as index_module
from segdata.ops.view import loading as loading_module
from segdata.ops.view.answers import Refusal
from segdata.ops.view.index import Brief, Columns, Index
from segdata.ops.view.query import rows_of
from segdata.ops.view.samples import about_json, page_json
from segdata.ops.view.session import Session


def written(root: Path, n: int, part: int | None = None) -> Dataset:
    """A dataset of n samples without files, its manifest whole or in parts."""
    rng = np.random.default_rng(0)
    samples = [
        Sample(
            id=f"s/{i:05d}", split=("train", "val", None)[i % 3], group=f"g{i // 4}" if i % 5 else None, mask=f"masks/{i}.png",
            height=int(rng.integers(1, 50)), width=int(rng.integers(1, 50)), sha256="0" * 64, image=f"images/{i % 2}/{i}.jpg",
            counts={int(v): int(rng.integers(0, 9)) for v in rng.choice([0, 1, 2, 255], rng.integers(0, 4), replace=False)},
        )
        for i in range(n)
    ]  # fmt: skip
    root.mkdir(parents=True)
    Dataset(root, Labels.of(["a", "b", "c"]), samples, {"operation": "test"}, "copy").save(part=part)
    return Dataset.open(root)


@pytest.mark.parametrize("n", [0, 1, 50])
@pytest.mark.parametrize("part", [0, 7])
def test_the_columns_are_those_of_the_samples(tmp_path: Path, n: int, part: int) -> None:
    dataset = written(tmp_path / "data", n, part)
    told: list[int] = []
    index, samples = Index.of(dataset, told.append), list(dataset)
    assert (told or [0])[-1] == len(index) == n
    assert list(index.ids) == [s.id for s in samples]
    assert [index.split_names[i] for i in index.splits] == [s.split or "(no split)" for s in samples]
    assert [None if i < 0 else index.group_names[i] for i in index.groups] == [s.group for s in samples]
    assert list(zip(index.heights, index.widths, strict=True)) == [s.size for s in samples]
    assert [index.counts(row) for row in range(n)] == [{v: k for v, k in s.counts.items() if k} for s in samples]
    for value in (0, 1, 2, 255, 7):
        assert index.of_value(value).tolist() == [s.counts.get(value, 0) for s in samples]
    assert index.folders == {f"images/{i % 2}" for i in range(n)}
    assert [index.row_of(s.id) for s in samples] == list(range(n))
    assert index.row_of("s/") is index.row_of("t") is None
    assert index.rank.tolist() == list(range(n))


def test_ids_in_no_order_are_found(tmp_path: Path) -> None:
    samples = [Sample(id=id, mask="m", height=1, width=1, counts={}, sha256="") for id in "dbca"]
    index = Index.of(Dataset(tmp_path, Labels.of(["a"]), samples))
    assert [index.row_of(id) for id in "abcdx"] == [3, 1, 2, 0, None]
    assert index.rank.tolist() == [3, 1, 2, 0]
    assert index.places(["c", "x", "d"]).tolist() == [2, -1, 0, -1]


def test_columns_count_their_changes() -> None:
    columns = Columns()
    columns.update({"a": np.zeros(1, np.float32), "b": np.ones(1, np.float32)})
    del columns["a"]
    assert (columns.version, list(columns), len(columns)) == (3, ["b"], 1)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Manifests that are read on until the event is set, but for the first lines."""
    go_on, lines = threading.Event(), index_module.lines

    def slowly(dataset: Dataset) -> Iterator[Sequence[Sample | Brief]]:
        for batch in lines(dataset):
            yield batch
            assert go_on.wait(20)

    monkeypatch.setattr(index_module, "lines", slowly)
    yield go_on
    go_on.set()


@pytest.fixture
def session(tmp_path: Path, slow: threading.Event) -> Session:
    """Of 50 samples, of which 7 are read."""
    written(tmp_path / "data", 50, 7)
    return Session.open(tmp_path / "data", writable=True)


@pytest.mark.parametrize("part", [0, 7])
def test_the_first_page_does_not_wait_for_the_index(tmp_path: Path, slow: threading.Event, part: int) -> None:
    written(tmp_path / "data", 50, part)
    session = Session.open(tmp_path / "data", [tmp_path / "data"], writable=True)
    page, about = page_json(session, [], 6, 9), about_json(session)
    assert not page["ready"]
    assert 0 <= about["ready"] < 1
    assert about["splits"] == ["train", "val"]
    slow.set()
    assert session.opened.loading.wait(20)
    whole = page_json(session, [], 6, 9)
    assert whole["ready"]
    assert [{**s, "preds": [None]} for s in whole["samples"]] == page["samples"]
    assert [s["preds"] for s in whole["samples"]] == [[True]] * 9
    assert (page["total"], page["start"]) == (whole["total"], whole["start"]) == (50, 6)
    assert about_json(session)["ready"] == 1


def test_a_filter_waits_and_says_so_in_the_end(
    session: Session, slow: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading_module, "WAIT", 0.1)
    with pytest.raises(Refusal, match=r"being read, (0|14) % of it so far") as refused:
        rows_of(session, [("split", "val")])
    assert refused.value.status == 503
    monkeypatch.setattr(loading_module, "WAIT", 20)
    threading.Timer(0.2, slow.set).start()
    assert len(rows_of(session, [("split", "val")])) == 17


def test_those_who_wait_leave_threads_for_others(
    session: Session, slow: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading_module, "WAIT", 20)
    waiting = [threading.Thread(target=lambda: session.index) for _ in range(loading_module.WAITING)]
    for thread in waiting:
        thread.start()
    end = monotonic() + 10
    while session.opened.loading._seats.acquire(blocking=False) and monotonic() < end:
        session.opened.loading._seats.release()
        sleep(0.01)
    with pytest.raises(Refusal, match="ask again"):
        session.index  # noqa: B018
    slow.set()
    for thread in waiting:
        thread.join()


def test_a_damaged_part_is_said_and_the_rest_is_shown(tmp_path: Path) -> None:
    dataset = written(tmp_path / "data", 50, 7)
    (tmp_path / "data" / dataset.samples.parts[3].part).write_text("{}\n")  # type: ignore[attr-defined]
    session = Session.open(tmp_path / "data", writable=True)
    with pytest.raises(DatasetError, match="was changed since it was written"):
        rows_of(session, [("split", "val")])
    assert "was changed" in about_json(session)["fault"]
    assert [s["row"] for s in page_json(session, [], 0, 5)["samples"]] == list(range(5))


def test_once_the_index_is_read_a_sample_in_parts_is_one_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "data", 50, 7)
    session = Session.open(tmp_path / "data", writable=True)
    ids = list(session.index.ids)
    monkeypatch.setattr("segdata.dataset.manifest.read_bytes", None)  # what reads whole parts
    assert [session.sample(row).id for row in range(50)] == ids
