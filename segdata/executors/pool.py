"""The processes of this machine: chunks sent to them, and what becomes of them where one dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from segdata.errors import Problem, SegdataError
from segdata.executors.worker import Work, run_chunk, settle

LOOK = 3.0
"""Seconds between two looks at whether all processes are there."""

DEATHS = 16
"""So many processes may die at one piece of work: with more it is not the files."""


def process_pool(jobs: int) -> ProcessPoolExecutor:
    """Processes that never are forks of this one, each fit to be a worker."""
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    return ProcessPoolExecutor(jobs, multiprocessing.get_context(method), _start_worker)


class Pool:
    """Any executor of `concurrent.futures` at one piece of work.

    Where a process dies, which takes its whole pool along, new ones go on. The chunks that were under way are done again, an
    item at a time in a process of its own: the item that this one dies of as well has its `Problem`.
    """

    def __init__(self, executor: Executor, work: Work[Any, Any]) -> None:
        self._executor, self._work = executor, work
        self._jobs = getattr(executor, "_max_workers", None) or os.cpu_count() or 1
        self._sent: dict[Future[Any], tuple[Executor, Sequence[Any]]] = {}
        self._ours: list[Executor] = []
        self._deaths = 0

    def ahead(self) -> int:
        """How many chunks shall be under way: each process has one to do and one to come."""
        return 2 * self._jobs + 1

    def submit(self, part: Sequence[Any]) -> Future[Any]:
        """Send a chunk. Raises `SegdataError` where too many processes died."""
        try:
            future = self._executor.submit(run_chunk, self._work, part)
        except BrokenProcessPool as error:
            end(self._executor)
            self._died(error)
            self._executor = process_pool(self._jobs)
            self._ours.append(self._executor)
            future = self._executor.submit(run_chunk, self._work, part)
        self._sent[future] = self._executor, part
        return future

    def result(self, future: Future[Any]) -> Any:
        """What `run_chunk` gave. Raises `SegdataError` where too many processes died."""
        executor, part = self._sent.pop(future)
        try:
            while not wait([future], LOOK).done:
                executor.submit(
                    int
                ).cancel()  # which has it look anew: one that dies as it starts may not have been seen
            return future.result()
        except BrokenProcessPool:
            end(executor)  # those of its processes that live must have ended before others write the same files
            return self._singly(part)

    def leave(self, futures: Sequence[Future[Any]]) -> None:
        """Drop these chunks; who made the executor waits for what has begun."""
        for future in futures:
            future.cancel()
        for executor in self._ours:
            executor.shutdown(cancel_futures=True)

    def _singly(self, part: Sequence[Any]) -> tuple[list[Any], float]:
        start, results = time.perf_counter(), []
        alone: ProcessPoolExecutor | None = None
        for item in part:
            alone = alone or process_pool(1)
            try:
                results += alone.submit(run_chunk, self._work, [item]).result()[0]
            except BrokenProcessPool as error:
                end(alone)
                alone = None
                self._died(error)
                message = "the process that worked on it died, alone too: a decoder that crashes, or too little memory"
                results.append(Problem("worker.died", message, sample=name_of(item)))
        if alone is not None:
            alone.shutdown()
        return results, time.perf_counter() - start

    def _died(self, error: BrokenProcessPool) -> None:
        self._deaths += 1
        if self._deaths > DEATHS:
            raise SegdataError(
                f"{self._deaths} worker processes died, often for want of memory: run the same command again to go on, or "
                "use fewer with -j"
            ) from error


def end(broken: Executor) -> None:
    """Have no process of a broken pool left. It waits for all of them itself, but for ever for one that was started while it
    ended the others, as `submit` may do."""
    for process in list((getattr(broken, "_processes", None) or {}).values()):
        process.kill()
    broken.shutdown()


def name_of(item: Any) -> str | None:
    """The id of what an item is about, where that can be told."""
    for field in ("id", "sample", "new"):
        if (found := getattr(item, field, None)) is not None:
            return found if isinstance(found, str) else name_of(found)
    return name_of(item[0]) if isinstance(item, tuple | list) and item else None


def _start_worker() -> None:
    settle()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
