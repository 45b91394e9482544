"""Processes on this machine: chunks are sent to them, and the processes that die are replaced."""

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
from segdata.executors.processes import refuse_unguarded, start_method, starting
from segdata.executors.worker import Work, run_chunk, settle

LOOK = 3.0
"""Seconds between two checks that all processes are alive."""

DEATHS = 16
"""How many processes may die during one piece of work. If more die, single files are not the cause, and the run ends."""


def process_pool(jobs: int) -> ProcessPoolExecutor:
    """A pool of `jobs` worker processes, which are never forks of this one. Raises `SegdataError` if it cannot be made."""
    refuse_unguarded()
    with starting("-j 1"):
        return ProcessPoolExecutor(jobs, multiprocessing.get_context(start_method()), _start_worker)


class Pool:
    """Any executor of `concurrent.futures` for one piece of work.

    A process that dies breaks its whole pool; a new pool then goes on. The chunks that were under way are done again, one item
    at a time in a separate process. If that process dies too, the item gets a `Problem`.
    """

    def __init__(self, executor: Executor, work: Work[Any, Any]) -> None:
        self._executor, self._work = executor, work
        self._jobs = getattr(executor, "_max_workers", None) or os.cpu_count() or 1
        self._sent: dict[Future[Any], tuple[Executor, Sequence[Any]]] = {}
        self._ours: list[Executor] = []
        self._deaths = 0

    def ahead(self) -> int:
        """How many chunks should be under way: one in work and one waiting for each process."""
        return 2 * self._jobs + 1

    def submit(self, part: Sequence[Any]) -> Future[Any]:
        """Send a chunk. Raises `SegdataError` if too many processes died, or none can be started."""
        try:
            future = _send(self._executor, self._work, part)
        except BrokenProcessPool as error:
            end(self._executor)
            self._died(error)
            self._executor = process_pool(self._jobs)
            self._ours.append(self._executor)
            future = _send(self._executor, self._work, part)
        self._sent[future] = self._executor, part
        return future

    def result(self, future: Future[Any]) -> Any:
        """The result of `run_chunk`. Raises `SegdataError` if too many processes died."""
        executor, part = self._sent.pop(future)
        try:
            while not wait([future], LOOK).done:
                # Submitting makes the executor check its processes again: it may have missed one that died as it started
                executor.submit(int).cancel()
            return future.result()
        except BrokenProcessPool:
            end(executor)  # its living processes must end before others write the same files
            return self._singly(part)

    def leave(self, futures: Sequence[Future[Any]]) -> None:
        """Drop these chunks. The owner of the executor waits for those that have begun."""
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
                results += _send(alone, self._work, [item]).result()[0]
            except BrokenProcessPool as error:
                end(alone)
                alone = None
                self._died(error)
                message = "the process that worked on it died, twice: a decoder crashes, or there is too little memory"
                results.append(Problem("worker.died", message, sample=name_of(item)))
        if alone is not None:
            alone.shutdown()
        return results, time.perf_counter() - start

    def _died(self, error: BrokenProcessPool) -> None:
        self._deaths += 1
        if self._deaths > DEATHS:
            raise SegdataError(
                f"{self._deaths} worker processes died, often because memory ran out: run the same command again to go on, or "
                "use fewer with -j"
            ) from error


def _send(executor: Executor, work: Work[Any, Any], part: Sequence[Any]) -> Future[Any]:
    with starting("-j 1"):  # the first call starts the processes
        return executor.submit(run_chunk, work, part)


def end(broken: Executor) -> None:
    """Kill all processes of a broken pool, then shut it down.

    A pool waits for its processes by itself. But `submit` may start one while the pool ends the others, and for that one it
    would wait for ever.
    """
    for process in list((getattr(broken, "_processes", None) or {}).values()):
        process.kill()
    broken.shutdown()


def name_of(item: Any) -> str | None:
    """The id of the sample that an item is about; None if the item does not say."""
    for field in ("id", "sample", "new"):
        if (found := getattr(item, field, None)) is not None:
            return found if isinstance(found, str) else name_of(found)
    return name_of(item[0]) if isinstance(item, tuple | list) and item else None


def _start_worker() -> None:
    settle()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent ends: otherwise it would wait for work for ever if the parent is killed."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
