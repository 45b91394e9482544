"""What every worker does: work through chunks of items on one thread, with one policy for bad items, and keep its memory."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, suppress
from typing import TypeVar

from segdata.errors import DataError, Problem

T = TypeVar("T")

R = TypeVar("R")

Work = Callable[[Iterable[T]], Generator[R, None, None]]
"""A function of items that yields the result of each, in order."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of malloc.h: how many free bytes at the end of the heap, or in one block, go back to the system."""

THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def each(items: Iterable[T], function: Callable[[T], R]) -> Generator[R | Problem, None, None]:
    """Call `function` on each item. A `DataError` becomes its `Problem`; any other exception is raised unchanged.

    With `function` filled in (`partial`) this is a `Work`.
    """
    for item in items:
        try:
            yield function(item)
        except DataError as error:
            yield error.problem


def run_chunk(work: Work[T, R], items: Iterable[T]) -> tuple[list[R], float]:
    """Work through a chunk: its results, and the seconds that they took."""
    start = time.perf_counter()
    with closing(work(items)) as results:
        found = list(results)
    return found, time.perf_counter() - start


def settle() -> None:
    """Prepare a process to be a worker: one thread in OpenCV, freed memory kept."""
    import cv2

    keep_memory()
    cv2.setNumThreads(1)


def keep_memory() -> None:
    """Let glibc keep the memory of mask-sized arrays between items: fetching their pages again costs more than painting them.

    Both limits are set here because Dask sets MALLOC_TRIM_THRESHOLD_ for its workers, which then give back all freed memory.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # musl has no such function
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_THRESHOLD, 2**24)
            mallopt(M_TRIM_THRESHOLD, 2**25)
