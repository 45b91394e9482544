"""Running items: the same results whatever the executor, and errors that arrive as what they were."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, overload

import pytest

from segdata.errors import (
    DataError,
    DatasetError,
    MissingDependency,
    OptionError,
    Problem,
    Report,
    SegdataError,
    located,
    strict,
)
from segdata.executors import pool as pools
from segdata.executors.run import MOST, Run, workers
from segdata.executors.worker import THREAD_LIMITS

# --- what workers run: at module level, so that it can be imported there


def double(n: int) -> int:
    return 2 * n


def only_even(n: int) -> int:
    if n % 2:
        raise DataError(Problem("test.odd", f"{n} is odd", file="numbers.txt", sample=str(n), annotation=n))
    return n


def divide(n: int) -> float:
    return 1 / (n - 5)


def die(n: int, by: signal.Signals, at: Container[int] = (13,)) -> int:
    if n in at:
        os.kill(os.getpid(), by)
        time.sleep(5)
    return n


def die_once(n: int, mark: Path) -> int:
    if n == 5 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return n


def surroundings(_: int) -> dict[str, Any]:
    import cv2

    return {
        "method": multiprocessing.get_start_method(),
        "pid": os.getpid(),
        "threads": cv2.getNumThreads(),
        "limits": {name: os.environ.get(name) for name in THREAD_LIMITS},
    }


def wait_then(seconds: float, n: int) -> int:
    time.sleep(seconds)
    return n


class Inline(Executor):
    """An executor of an unknown kind, as a Dask client's is: no `_max_workers`."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **options))
        except ArithmeticError as error:
            future.set_exception(error)
        return future


class Watched(Sequence[int]):
    """0, 1, 2 ... that knows how far anybody has looked."""

    def __init__(self, length: int) -> None:
        self.length, self.seen, self.most = length, 0, 0

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[int]: ...
    def __getitem__(self, at: int | slice) -> int | Sequence[int]:
        found = range(self.length)[at]
        self.most = max(self.most, 1 if isinstance(found, int) else len(found))
        self.seen = max(self.seen, 1 + (found if isinstance(found, int) else max(found, default=-1)))
        return found


@pytest.fixture(params=["none", "inline", "threads", pytest.param("processes", marks=pytest.mark.process)])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor | None]:
    match request.param:
        case "none":
            yield None
        case "inline":
            yield Inline()
        case "threads":
            with ThreadPoolExecutor(3) as pool:
                yield pool
        case "processes":
            yield request.getfixturevalue("processes")


# --- Run.map


@pytest.mark.parametrize("chunk", [1, 7, 32])
@pytest.mark.parametrize("count", [0, 1, 32, 33, 100])
def test_results_come_in_order(executor: Executor | None, count: int, chunk: int) -> None:
    found = list(Run(executor, chunk=chunk).map(double, range(count)))
    assert found == [(n, 2 * n) for n in range(count)]


def test_slow_items_keep_their_place() -> None:
    with ThreadPoolExecutor(4) as pool:
        items = [0.02, 0.0, 0.01, 0.0, 0.0, 0.02, 0.0]
        assert [item for item, _ in Run(pool, chunk=1).map(partial(wait_then, n=1), items)] == items


def test_bad_items_become_problems(executor: Executor | None) -> None:
    """With every field, also out of a process."""
    found = list(Run(executor, chunk=4).map(only_even, range(10)))
    assert [item for item, _ in found] == list(range(10))
    for n, result in found:
        odd = Problem("test.odd", f"{n} is odd", "numbers.txt", str(n), n)
        assert result == (odd if n % 2 else n)


def test_a_bug_travels_as_itself(executor: Executor | None) -> None:
    seen: list[tuple[int, float | Problem]] = []
    with pytest.raises(ZeroDivisionError):
        seen.extend(Run(executor, chunk=2).map(divide, range(20)))
    assert [n for n, _ in seen] in ([0, 1, 2, 3, 4], [0, 1, 2, 3])  # its chunk is lost with it


def test_progress_sees_every_result_and_the_total(executor: Executor | None) -> None:
    totals = []

    def track(items: Iterator[Any], total: int) -> Iterator[Any]:
        totals.append(total)
        yield from items

    assert len(list(Run(executor, track=track).map(double, range(50)))) == 50
    assert totals == [50]


def test_only_a_few_chunks_are_under_way() -> None:
    items, taken = Watched(10_000), 0
    with ThreadPoolExecutor(2) as pool:
        for taken, _ in enumerate(Run(pool, chunk=10).map(double, items), 1):
            assert items.seen - taken <= 10 * (2 * 2 + 2)
            if taken == 25:
                time.sleep(0.05)  # however long the reader takes
    assert taken == 10_000


class Clocked(Executor):
    """An executor of one thread that tells how long a chunk took as `seconds(item)` has it, and keeps the chunks' sizes."""

    _max_workers = 1

    def __init__(self, seconds: Callable[[int], float]) -> None:
        self.seconds, self.sizes = seconds, list[int]()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        _, part = arguments
        self.sizes.append(len(part))
        future: Future[Any] = Future()
        future.set_result((function(*arguments)[0], sum(map(self.seconds, part))))
        return future


@pytest.mark.parametrize(("seconds", "size"), [(0.01, 30), (0.0001, MOST), (0.0, MOST), (0.2, 1), (7.0, 1)])
def test_chunks_grow_until_they_take_a_third_of_a_second(seconds: float, size: int) -> None:
    clocked = Clocked(lambda _: seconds)
    items = range(50 * size)
    assert [n for n, _ in Run(clocked).map(double, items)] == list(items)
    assert clocked.sizes[0] == 1
    assert clocked.sizes[len(clocked.sizes) // 2] == pytest.approx(size, abs=1)
    assert all(b <= max(8 * a, 8) for a, b in pairwise(clocked.sizes[3:]))
    assert max(clocked.sizes) <= size


def test_chunks_shrink_where_items_take_longer() -> None:
    clocked = Clocked(lambda n: 0.001 if n < 5000 else 0.1)
    list(Run(clocked).map(double, range(10_000)))
    assert max(clocked.sizes) == pytest.approx(300, abs=1)
    done = list(accumulate(clocked.sizes))
    slow = [size for size, end in zip(clocked.sizes, done, strict=True) if end - size >= 5000]
    assert max(slow[:4]) > 3  # what was under way
    assert set(slow[4:]) <= {1, 2, 3}


def test_the_last_items_are_shared_out() -> None:
    """No worker has a large chunk to do while the others have none."""
    clocked = Clocked(lambda _: 0.001)
    list(Run(clocked).map(double, range(3000)))
    assert 37 <= max(clocked.sizes[-3:]) < 60
    assert sum(clocked.sizes) == 3000


def test_a_million_items_are_never_there_at_once() -> None:
    items, clocked = Watched(10**6), Clocked(lambda _: 1e-5)
    for taken, (item, found) in enumerate(Run(clocked).map(double, items), 1):
        assert found == 2 * item
        assert items.seen - taken <= 3 * MOST
    assert taken == 10**6
    assert items.most <= MOST


def test_without_an_executor_nothing_is_read_ahead() -> None:
    done: list[int] = []
    results = Run().map(done.append, range(10))
    assert done == []
    next(results)
    next(results)
    assert done == [0, 1]


def test_who_stops_listening_stops_the_work() -> None:
    started = []
    gate = threading.Event()

    def work(n: int) -> int:
        started.append(n)
        gate.wait(5) if n else None
        return n

    with ThreadPoolExecutor(1) as pool:
        results = Run(pool, chunk=1).map(work, range(100))
        assert next(results) == (0, 0)
        closer = threading.Timer(0.05, gate.set)
        closer.start()
        results.close()  # type: ignore[attr-defined]
    closer.join()
    assert len(started) <= 3


def test_nothing_is_written_after_a_problem_is_told() -> None:
    """Whoever hears of it may remove what was written: the chunks that have begun are waited for."""
    ended: list[int] = []

    def work(n: int) -> int:
        time.sleep(0.002 if n else 0.0)
        ended.append(n)
        return only_even(n + 1)

    with ThreadPoolExecutor(2) as pool:
        results = Run(pool, chunk=1).map(work, range(50))
        assert isinstance(next(results)[1], Problem)
        told = len(ended)
        time.sleep(0.02)
        assert len(ended) == told == 5
        results.close()  # type: ignore[attr-defined]


@pytest.mark.process
@pytest.mark.parametrize("chunk", [1, 4])
@pytest.mark.parametrize("by", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_an_item_that_its_process_dies_of_is_named(by: signal.Signals, chunk: int) -> None:
    """And all others are done, those of its chunk and of the pool that died with it too."""
    with workers(2) as executor:
        found = dict(Run(executor, chunk=chunk).map(partial(die, by=by), range(40)))
        again = dict(Run(executor).map(double, range(5)))  # with an executor that is broken
    assert {n: r for n, r in found.items() if n != 13} == {n: n for n in range(40) if n != 13}
    assert isinstance(found[13], Problem)
    assert found[13].code == "worker.died"
    assert again == {n: 2 * n for n in range(5)}


@pytest.mark.process
def test_a_process_that_is_killed_once_costs_nothing(tmp_path: Path) -> None:
    """As the system does where memory is short."""
    with workers(2) as executor:
        found = list(Run(executor, chunk=2).map(partial(die_once, mark=tmp_path / "died"), range(12)))
    assert found == [(n, n) for n in range(12)]
    assert (tmp_path / "died").exists()


@pytest.mark.process
def test_what_kills_every_process_is_an_error_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "DEATHS", 3)
    with (
        pytest.raises(SegdataError, match=r"4 worker processes died.*run the same command again"),
        workers(2) as executor,
    ):
        list(Run(executor, chunk=1).map(partial(die, by=signal.SIGKILL, at=range(20)), range(20)))


def test_items_have_names() -> None:
    item = SimpleNamespace(id="val/1")
    for thing in (item, SimpleNamespace(sample=item), [item], (SimpleNamespace(new=item, old=None), 3)):
        assert pools.name_of(thing) == "val/1"
    assert pools.name_of(7) is pools.name_of(()) is None


# --- workers


def test_workers_never_fork_and_use_one_thread_each(processes: Executor) -> None:
    for _, found in Run(processes, chunk=1).map(surroundings, range(4)):
        assert isinstance(found, dict)
        assert found["method"] in ("forkserver", "spawn")
        assert found["pid"] != os.getpid()
        assert found["threads"] == 1
        assert set(found["limits"].values()) == {"1"}


def test_one_process_is_this_one() -> None:
    with workers(1) as executor:
        assert executor is None


def test_none_means_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    with workers(0) as executor:
        assert executor is None
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    with workers(0) as executor:
        assert executor is not None
        assert executor._max_workers == 3  # type: ignore[attr-defined]


def test_a_negative_number_of_workers_is_refused() -> None:
    with pytest.raises(OptionError, match="-1 processes"), workers(-1):
        pass


def test_the_environment_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with workers(2):
        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "1"
    assert dict(os.environ) == before
    with pytest.raises(KeyError), workers(2):
        raise KeyError
    assert dict(os.environ) == before


# --- errors on their way


def all_errors(root: type[SegdataError] = SegdataError) -> list[type[SegdataError]]:
    return [root, *(e for sub in root.__subclasses__() for e in all_errors(sub))]


def test_every_error_survives_a_pickle() -> None:
    problem = Problem("a.b", "what", "file.json", "val/1", 7)
    assert pickle.loads(pickle.dumps(problem)) == problem
    assert set(all_errors()) >= {SegdataError, DataError, DatasetError, OptionError, MissingDependency}
    for kind in all_errors():
        error = kind(problem) if issubclass(kind, DataError) else kind("what to do")  # type: ignore[arg-type]
        back = pickle.loads(pickle.dumps(error))
        assert type(back) is kind
        assert str(back) == str(error)
        assert getattr(back, "problem", problem) == problem


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("a.b", "what"), "what [a.b]"),
        (Problem("a.b", "what", "f.json", "val/1", 7), "f.json: val/1: annotation 7: what [a.b]"),
        (Problem("a.b", "what", None, None, 0), "annotation 0: what [a.b]"),
        (Problem("a.b", "what", sample="val/1"), "val/1: what [a.b]"),
    ],
)
def test_a_problem_is_one_line(problem: Problem, text: str) -> None:
    assert str(problem) == str(DataError(problem)) == text


def test_a_report_stops_or_keeps() -> None:
    problems = [Problem("a.b", str(n)) for n in range(3)]
    skipping = Report("skip")
    for problem in problems:
        skipping.add(problem)
        with pytest.raises(DataError) as caught:
            strict.add(problem)
        assert caught.value.problem == problem
    assert skipping.problems == problems
    assert strict.problems == []
    assert Report().problems == []


def test_located_fills_in_only_what_is_blank() -> None:
    with pytest.raises(DataError) as caught, located("outer.json", "outer", 1), located("inner.json", annotation=0):
        raise DataError(Problem("a.b", "what"))
    assert caught.value.problem == Problem("a.b", "what", "inner.json", "outer", 0)
    known = Problem("a.b", "what", "f", "s", 0)
    with pytest.raises(DataError) as caught, located("x", "y", 9):
        raise DataError(known)
    assert caught.value.problem == known


def test_located_lets_others_pass(tmp_path: Path) -> None:
    for error in (ValueError("bug"), OptionError("no"), DatasetError("no")):
        with pytest.raises(type(error)) as caught, located("x", "y", 9):
            raise error
        assert caught.value is error


@pytest.mark.parametrize("given", [workers(2), 2, "tcp://10.0.0.1:8786"])
def test_what_is_no_executor_is_refused_with_the_right_lines(given: Any) -> None:
    with pytest.raises(OptionError, match=r"with segdata\.workers\(2\) as executor:.*run=segdata\.Run\(executor\)"):
        Run(given)
