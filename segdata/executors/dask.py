"""The workers of a Dask cluster: chunks sent to them, and what becomes of them where processes die.

Dask itself repeats the chunks of a worker that died on another one. Whatever else is lost is one `SegdataError`.
"""

from __future__ import annotations

import hashlib
import logging
import operator
import os
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from segdata.errors import MissingDependency, SegdataError
from segdata.executors.worker import THREAD_LIMITS, run_chunk, settle
from segdata.files.remote import Place
from segdata.version import __version__

CONNECT = 10.0
"""Seconds that a scheduler has to answer."""

LOOK = 2.0
"""Seconds between two looks at how many threads there are, and at whether there are any."""

DESERTED = 60.0
"""Seconds without a worker after which a run gives up."""

GO_ON = "run the same command again to go on"


@contextmanager
def connected(address: str) -> Iterator[Executor]:
    """The executor of a running scheduler's client. Raises `SegdataError` where none answers, `MissingDependency`."""
    try:
        from distributed import Client
        from distributed.comm.addressing import resolve_address
    except ModuleNotFoundError as error:
        raise MissingDependency(
            "--dask: takes distributed, which is not installed: pip install 'segdata[dask]'"
        ) from error
    log = logging.getLogger("distributed.client")
    before = log.level
    log.setLevel(logging.CRITICAL)  # a lost connection is told once, by the error
    try:
        resolve_address(address)
        client = Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        message = (
            f"--dask {address}: no scheduler answers there ({error}): `dask scheduler` starts one and says its address"
        )
        raise SegdataError(message) from error
    try:
        yield client.get_executor()
    finally:
        client.close(timeout=CONNECT)
        log.setLevel(before)


def is_cluster(executor: Executor) -> bool:
    """Whether an executor is a Dask client's; Dask is not imported to find out."""
    return any(kind.__module__ == "distributed.cfexecutor" for kind in type(executor).__mro__)


@dataclass(frozen=True, slots=True)
class Task:
    """The work as it lies on the workers, which call it with a pickled chunk: as `run_chunk`.

    `folder` is where the client's relative paths start, `into` the folder of the dataset that is being made, if any; `work`
    is pickled, and named by `digest`.
    """

    version: str
    folder: str
    into: str | None
    digest: str
    work: bytes

    def __call__(self, part: bytes) -> tuple[list[Any], float]:
        """Raises `SegdataError` where this worker cannot do it."""
        from distributed.protocol.pickle import loads

        host = socket.gethostname()
        if self.version != __version__:
            message = (
                f"the Dask worker on {host} has segdata {__version__}, this process {self.version}: install the same"
            )
            raise SegdataError(message)
        _settle_once()
        if limit := getattr(sys.modules.get("torch"), "set_num_threads", None):  # another thread may be importing it
            limit(1)  # it counts for the calling thread
        with _working_in(self.folder, host):
            if self.into is not None and not os.path.isdir(self.into):
                raise _not_shared(self.into, host)
            return run_chunk(_loaded(self.digest, self.work), loads(part))


class Cluster:
    """A client's executor at one piece of work.

    The work is sent once, as the result of a task of its own, which Dask makes again where its worker dies; the scheduler sees
    bytes, and needs no segdata.
    """

    def __init__(self, executor: Executor, work: Callable[..., Any], into: Place | None) -> None:
        from distributed.protocol.pickle import dumps, loads

        self._executor, self._client = executor, executor._client  # type: ignore[attr-defined]
        self._address = str(getattr(self._client.scheduler, "address", "?"))
        self._threads, self._looked, self._peopled = 0, 0.0, time.monotonic()
        data = dumps(work)
        folder = os.path.abspath(into) if isinstance(into, Path) else None  # storage is reached from anywhere
        task = Task(__version__, os.getcwd(), folder, hashlib.sha256(data).hexdigest(), data)
        with warnings.catch_warnings(), self._told():
            warnings.filterwarnings("ignore", "Sending large graph")
            self._task = self._client.submit(loads, dumps(task), pure=False)

    def ahead(self) -> int:
        """How many chunks shall be under way: each thread has one to do and one to come."""
        if time.monotonic() - self._looked > LOOK:
            with self._told():
                self._look()
        return 2 * self._threads + 1

    def submit(self, part: Sequence[Any]) -> Future[Any]:
        """Send a chunk. Raises `SegdataError` where the scheduler is gone."""
        from distributed.protocol.pickle import dumps

        with self._told():
            submit: Callable[..., Future[Any]] = self._executor.submit
            return submit(operator.call, self._task, dumps(part), pure=False)

    def result(self, future: Future[Any]) -> Any:
        """What became of a chunk. Raises `SegdataError` where it is lost."""
        with self._told():
            while not wait([future], LOOK).done:
                self._look()
            return future.result()

    def leave(self, futures: Sequence[Future[Any]]) -> None:
        """Let what has begun come to its end, if that is soon, so that nothing writes after the run; drop the rest."""
        if self._client.status == "running":
            wait(futures, LOOK)
        for future in futures:
            future.cancel()

    def _look(self) -> None:
        now = time.monotonic()
        if self._client.status != "running":
            raise CancelledError
        self._threads, self._looked = sum(self._client.nthreads().values()), now
        if self._threads:
            self._peopled = now
        elif now - self._peopled > DESERTED:
            message = f"the Dask scheduler at {self._address} has had no workers for {DESERTED:.0f} s: "
            raise SegdataError(f"{message}start some with `dask worker {self._address}`, then {GO_ON}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What Dask raises where processes die, as a `SegdataError` that says how to go on."""
        from distributed import KilledWorker
        from distributed.client import ClosedClientError
        from distributed.comm.core import CommClosedError

        try:
            yield
        except KilledWorker as error:
            message = (
                "workers of the Dask cluster died one after another over the same items, often for want of memory: "
            )
            raise SegdataError(f"{message}{GO_ON}, with more memory a worker") from error
        except ModuleNotFoundError as error:
            message = f"the Dask workers have no module {error.name}: install there what this process has"
            raise SegdataError(message) from error
        except (CancelledError, CommClosedError, ClosedClientError) as error:
            raise SegdataError(f"the connection to the Dask scheduler at {self._address} is lost: {GO_ON}") from error


@cache
def _settle_once() -> None:
    os.environ.update(
        dict.fromkeys(THREAD_LIMITS, "1")
    )  # for libraries that are not loaded yet; Dask's nanny did it before
    settle()


_kept = threading.local()


def _loaded(digest: str, data: bytes) -> Any:
    """The work, unpickled once a thread: what it holds need not be fit for several threads."""
    from distributed.protocol.pickle import loads

    if getattr(_kept, "digest", None) != digest:
        _kept.work, _kept.digest = loads(data), digest
    return _kept.work


class _Whereabouts:
    """The working directory, which is the whole process's: threads that want the same one share it, others take turns."""

    def __init__(self) -> None:
        self.turn = threading.Condition()
        self.users, self.folder, self.before = 0, "", ""


_here = _Whereabouts()


@contextmanager
def _working_in(folder: str, host: str) -> Iterator[None]:
    with _here.turn:
        _here.turn.wait_for(lambda: _here.users == 0 or _here.folder == folder)
        if _here.users == 0:
            _here.before, _here.folder = os.getcwd(), folder
            try:
                os.chdir(folder)
            except OSError as error:
                raise _not_shared(folder, host) from error
        _here.users += 1
    try:
        yield
    finally:
        with _here.turn:
            _here.users -= 1
            if _here.users == 0:
                os.chdir(_here.before)
                _here.turn.notify_all()


def _not_shared(folder: str, host: str) -> SegdataError:
    return SegdataError(
        f"{folder}: the Dask worker on {host} has no such folder: workers need the files under the same paths"
    )
