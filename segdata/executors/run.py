"""How the items of an operation are run: in this process or on an executor, with one policy for bad items."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from segdata.errors import OptionError, Problem, Report
from segdata.executors.dask import Cluster, connected, is_cluster
from segdata.executors.pool import Pool, process_pool
from segdata.executors.worker import THREAD_LIMITS, Work, each, keep_memory
from segdata.files.remote import Place

T = TypeVar("T")

R = TypeVar("R")

Track = Callable[[Iterator[T], int], Iterable[T]]

TARGET = 0.3
"""Seconds that a chunk should take: what it costs to send one, some milliseconds, is then of no weight."""

GROWTH, MOST = 8, 1024
"""A chunk has at most `GROWTH` times the items of the one that it is sized by, and never more than `MOST`."""


def untracked(items: Iterator[T], total: int) -> Iterable[T]:
    """No progress."""
    return items


@dataclass(frozen=True, slots=True)
class Run:
    """Parallelism, progress and bad items in one place.

    `executor`: any `concurrent.futures.Executor`, a Dask client's `get_executor()` too, or None for this process. `report`:
    stop at the first problem, or skip. `track(iterator, total)` wraps the results to show progress. `chunk`: items a task;
    None measures how many take a third of a second. None of them changes a result.
    """

    executor: Executor | None = None
    report: Report = field(default_factory=Report)
    track: Track = untracked  # type: ignore[type-arg]
    chunk: int | None = None

    def map(
        self, function: Callable[[T], R], items: Sequence[T], *, into: Place | None = None
    ) -> Iterator[tuple[T, R | Problem]]:
        """Each item with its result, or with the `Problem` of a `DataError`, in the order of the items.

        `function` and the items must pickle where there is an executor; `into` is the folder that `function` writes to, if
        any. At most a few chunks are under way at a time, so that neither side fills its memory. An item that kills the process
        of a pool has its `Problem` too; without an executor it ends this one. Raises `SegdataError` where many die or a cluster
        is lost; any other exception is a bug and travels as itself.
        """
        return self.stream(partial(each, function=function), items, into=into)

    def stream(self, work: Work[T, R], items: Sequence[T], *, into: Place | None = None) -> Iterator[tuple[T, R]]:
        """The same of work that is given several items at a time, since it is faster so: all of them where there is no
        executor, else a chunk."""
        results = self._here(work, items) if self.executor is None else self._there(self.executor, work, items, into)
        yield from self.track(results, len(items))

    def _here(self, work: Work[T, R], items: Sequence[T]) -> Iterator[tuple[T, R]]:
        keep_memory()
        with closing(work(iter(items))) as results:  # which may take them in another thread
            yield from zip(items, results, strict=True)

    def _there(
        self, executor: Executor, work: Work[T, R], items: Sequence[T], into: Place | None
    ) -> Iterator[tuple[T, R]]:
        crew: Crew = Cluster(executor, work, into) if is_cluster(executor) else Pool(executor, work)
        pace, sent = Pace(self.chunk), 0
        under_way: deque[tuple[list[T], Future[Any]]] = deque()
        try:
            while sent < len(items) or under_way:
                ahead = crew.ahead()
                while sent < len(items) and len(under_way) < ahead:
                    part = list(items[sent : sent + pace.size(len(items) - sent, ahead)])
                    under_way.append((part, crew.submit(part)))
                    sent += len(part)
                oldest, future = under_way.popleft()
                results, seconds = crew.result(future)
                pace.learn(len(oldest), seconds)
                if self.report.on_error == "stop" and any(map(_has_problem, results)):
                    wait([future for _, future in under_way])  # whoever hears of it may remove what the others write
                yield from zip(oldest, results, strict=True)
        finally:
            crew.leave([future for _, future in under_way])


def _has_problem(result: object) -> bool:
    return any(map(_has_problem, result)) if isinstance(result, list) else isinstance(result, Problem)


@dataclass(slots=True)
class Pace:
    """How many items make a chunk: one at first, then as many as take `TARGET` seconds. `fixed` is a number of the caller's."""

    fixed: int | None = None
    measured: int = 1

    def size(self, left: int, ahead: int) -> int:
        """Of the next chunk, where `left` items are to be shared among `ahead` chunks: the last ones are smaller."""
        return self.fixed or max(1, self.measured // GROWTH, min(self.measured, left // ahead))

    def learn(self, items: int, seconds: float) -> None:
        """Be told how long a chunk of `items` took."""
        wanted = items * TARGET / max(seconds, 1e-6)
        self.measured = max(1, int(min(wanted, GROWTH * items, MOST)))


class Crew(Protocol):
    """An executor at one piece of work."""

    def ahead(self) -> int:
        """How many chunks shall be under way."""

    def submit(self, part: Sequence[Any]) -> Future[Any]:
        """Send a chunk."""

    def result(self, future: Future[Any]) -> Any:
        """What `run_chunk` gave. Raises `SegdataError` where a worker died."""

    def leave(self, futures: Sequence[Future[Any]]) -> None:
        """Drop these chunks."""


@contextmanager
def workers(jobs: int | str) -> Iterator[Executor | None]:
    """An executor of `jobs` processes (0: one per core), None for 1; or that of the Dask scheduler at an address.

    Never forks this process; workers use one thread each. Raises `OptionError`, and what `dask.connected` raises.
    """
    if isinstance(jobs, str):
        with connected(jobs) as executor:
            yield executor
        return
    if jobs < 0:
        raise OptionError(f"{jobs} processes: must be 1 or more, or 0 for one per core")
    jobs = jobs or os.cpu_count() or 1
    if jobs == 1:
        yield None
        return
    before = {name: os.environ.get(name) for name in THREAD_LIMITS}
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))  # read by libraries as the workers load them
    try:
        pool = process_pool(jobs)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
