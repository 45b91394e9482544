"""The workers of a Dask cluster: chunks are sent to them, and dead workers are dealt with.

If a worker dies, Dask itself repeats its chunks on another one. Any other loss is one `SegdataError`.
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
"""Seconds to wait for a scheduler's answer."""

LOOK = 2.0
"""Seconds between two checks of how many threads the workers have."""

DESERTED = 60.0
"""Seconds without a worker after which a run gives up."""

GO_ON = "run the same command again to go on"


@contextmanager
def connected(address: str) -> Iterator[Executor]:
    """The executor of a running scheduler's client. Raises `SegdataError` if no scheduler answers, and `MissingDependency`."""
    try:
        from distributed import Client
        from distributed.comm.addressing import resolve_address
    except ModuleNotFoundError as error:
        raise MissingDependency(
            "--dask: needs distributed, which is not installed: pip install 'segdata[dask]'"
        ) from error
    log = logging.getLogger("distributed.client")
    before = log.level
    log.setLevel(logging.CRITICAL)  # a lost connection is reported once, by the error
    try:
        resolve_address(address)
        client = Client(address, timeout=CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        message = f"--dask {address}: no scheduler answers there ({error}): `dask scheduler` starts one and prints its address"
        raise SegdataError(message) from error
    try:
        yield client.get_executor()
    finally:
        client.close(timeout=CONNECT)
        log.setLevel(before)


def is_cluster(executor: Executor) -> bool:
    """Whether an executor belongs to a Dask client; does not import Dask."""
    return any(kind.__module__ == "distributed.cfexecutor" for kind in type(executor).__mro__)


@dataclass(frozen=True, slots=True)
class Task:
    """The work as the workers hold it. They call it with a pickled chunk, and it returns what `run_chunk` returns.

    `folder` is where the client's relative paths start. `into` is the folder of the dataset that is being made, if any.
    `work` is pickled; `digest` identifies it.
    """

    version: str
    folder: str
    into: str | None
    digest: str
    work: bytes

    def __call__(self, part: bytes) -> tuple[list[Any], float]:
        """Raises `SegdataError` if this worker cannot do it."""
        from distributed.protocol.pickle import loads

        host = socket.gethostname()
        if self.version != __version__:
            message = (
                f"the Dask worker on {host} has segdata {__version__}, this process {self.version}: install the same"
            )
            raise SegdataError(message)
        _settle_once()
        if limit := getattr(
            sys.modules.get("torch"), "set_num_threads", None
        ):  # another thread may just be importing torch
            limit(1)  # the limit is that of the calling thread
        with _working_in(self.folder, host):
            if self.into is not None and not os.path.isdir(self.into):
                raise _not_shared(self.into, host)
            return run_chunk(_loaded(self.digest, self.work), loads(part))


class Cluster:
    """A client's executor for one piece of work.

    The work is sent once, as the result of its own task. If the worker that holds it dies, Dask makes it again. The scheduler
    sees only bytes, and needs no segdata.
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
        """How many chunks should be under way: one in work and one waiting for each thread."""
        if time.monotonic() - self._looked > LOOK:
            with self._told():
                self._look()
        return 2 * self._threads + 1

    def submit(self, part: Sequence[Any]) -> Future[Any]:
        """Send a chunk. Raises `SegdataError` if the scheduler is gone."""
        from distributed.protocol.pickle import dumps

        with self._told():
            submit: Callable[..., Future[Any]] = self._executor.submit
            return submit(operator.call, self._task, dumps(part), pure=False)

    def result(self, future: Future[Any]) -> Any:
        """The result of a chunk. Raises `SegdataError` if it is lost."""
        with self._told():
            while not wait([future], LOOK).done:
                self._look()
            return future.result()

    def leave(self, futures: Sequence[Future[Any]]) -> None:
        """Wait a short time for chunks that have begun, so that nothing writes after the run; drop the rest."""
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
        """Turn the errors that Dask raises when processes die into a `SegdataError` that says how to go on."""
        from distributed import KilledWorker
        from distributed.client import ClosedClientError
        from distributed.comm.core import CommClosedError

        try:
            yield
        except KilledWorker as error:
            message = (
                "workers of the Dask cluster died one after another on the same items, often because memory ran out: "
            )
            raise SegdataError(f"{message}{GO_ON}, with more memory per worker") from error
        except ModuleNotFoundError as error:
            message = f"the Dask workers have no module {error.name}: install there what this process has"
            raise SegdataError(message) from error
        except (CancelledError, CommClosedError, ClosedClientError) as error:
            raise SegdataError(f"the connection to the Dask scheduler at {self._address} is lost: {GO_ON}") from error


@cache
def _settle_once() -> None:
    # For libraries that are not loaded yet; Dask's nanny has set its own limits before
    os.environ.update(dict.fromkeys(THREAD_LIMITS, "1"))
    settle()


_kept = threading.local()


def _loaded(digest: str, data: bytes) -> Any:
    """The work, unpickled once per thread: it need not be safe to share between threads."""
    from distributed.protocol.pickle import loads

    if getattr(_kept, "digest", None) != digest:
        _kept.work, _kept.digest = loads(data), digest
    return _kept.work


class _Whereabouts:
    """The working directory of the whole process: threads that want the same one share it, others take turns."""

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
