"""How an operation works through its items: in this process or on an executor, with one policy for bad items."""

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
from segdata.words import briefly

T = TypeVar("T")

R = TypeVar("R")

Track = Callable[[Iterator[T], int], Iterable[T]]

TARGET = 0.3
"""Seconds that a chunk should take: sending it costs a few milliseconds, which then does not matter."""

GROWTH, MOST = 8, 1024
"""A chunk has at most `GROWTH` times the items of the chunk that was measured, and never more than `MOST`."""


def untracked(items: Iterator[T], total: int) -> Iterable[T]:
    """A `Track` that shows no progress."""
    return items


@dataclass(frozen=True, slots=True)
class Run:
    """Parallelism, progress and the policy for bad items, in one place.

    `executor`: any `concurrent.futures.Executor`, for example a Dask client's `get_executor()`; None for this process.
    `report`: stop at the first problem, or skip it. `track(iterator, total)` wraps the results to show progress. `chunk`:
    items per task; if None, the run measures how many items take about 0.3 seconds. None of these changes a result.
    """

    __repr__ = briefly

    executor: Executor | None = None
    report: Report = field(default_factory=Report)
    track: Track = untracked  # type: ignore[type-arg]
    chunk: int | None = None

    def __post_init__(self) -> None:
        """Raises `OptionError` for an executor that cannot be one, such as `workers(2)` without its `with`."""
        if self.executor is not None and not callable(getattr(self.executor, "submit", None)):
            raise OptionError(
                f"Run's executor is {type(self.executor).__name__}, not an executor of concurrent.futures: "
                "write `with segdata.workers(2) as executor:` and, below it, `run=segdata.Run(executor)`"
            )

    def map(
        self, function: Callable[[T], R], items: Sequence[T], *, into: Place | None = None
    ) -> Iterator[tuple[T, R | Problem]]:
        """Each item with its result, or with the `Problem` of a `DataError`, in the order of the items.

        With an executor, `function` and the items must pickle. `into` is the folder that `function` writes to, if any. Only a
        few chunks are under way at a time, so that neither side fills its memory. An item that kills a process of a pool gets
        a `Problem` too; without an executor it ends this process. Raises `SegdataError` if many processes die or a cluster is
        lost. Any other exception is a bug and is raised unchanged.
        """
        return self.stream(partial(each, function=function), items, into=into)

    def stream(self, work: Work[T, R], items: Sequence[T], *, into: Place | None = None) -> Iterator[tuple[T, R]]:
        """Like `map`, for work that takes several items at a time because that is faster: one chunk of them with an executor,
        otherwise all."""
        results = self._here(work, items) if self.executor is None else self._there(self.executor, work, items, into)
        yield from self.track(results, len(items))

    def _here(self, work: Work[T, R], items: Sequence[T]) -> Iterator[tuple[T, R]]:
        keep_memory()
        with closing(work(iter(items))) as results:  # the work may take its items in another thread
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
                    wait([future for _, future in under_way])  # the caller may remove what these still write
                yield from zip(oldest, results, strict=True)
        finally:
            crew.leave([future for _, future in under_way])


def _has_problem(result: object) -> bool:
    return any(map(_has_problem, result)) if isinstance(result, list) else isinstance(result, Problem)


@dataclass(slots=True)
class Pace:
    """How many items make a chunk: one at first, then as many as take `TARGET` seconds. `fixed`: the caller's own number."""

    fixed: int | None = None
    measured: int = 1

    def size(self, left: int, ahead: int) -> int:
        """The size of the next chunk if `left` items are shared among `ahead` chunks: the last chunks are smaller."""
        return self.fixed or max(1, self.measured // GROWTH, min(self.measured, left // ahead))

    def learn(self, items: int, seconds: float) -> None:
        """Adapt the size to a chunk of `items` that took so many `seconds`."""
        wanted = items * TARGET / max(seconds, 1e-6)
        self.measured = max(1, int(min(wanted, GROWTH * items, MOST)))


class Crew(Protocol):
    """An executor for one piece of work."""

    def ahead(self) -> int:
        """How many chunks should be under way."""

    def submit(self, part: Sequence[Any]) -> Future[Any]:
        """Send a chunk."""

    def result(self, future: Future[Any]) -> Any:
        """The result of `run_chunk`. Raises `SegdataError` if workers died."""

    def leave(self, futures: Sequence[Future[Any]]) -> None:
        """Drop these chunks."""


@contextmanager
def workers(jobs: int | str) -> Iterator[Executor | None]:
    """An executor of `jobs` processes (0: one per core; 1: None, this process), or of the Dask scheduler at an address.

    Never forks this process; each worker uses one thread. Raises `OptionError`, and what `dask.connected` raises.
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
