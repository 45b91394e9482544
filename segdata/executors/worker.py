"""What a worker does, whatever started it: a chunk of items with one policy for bad ones, on one thread, keeping its memory."""

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
"""Given items, the result of each, in order."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of malloc.h: bytes at the end of the heap, and bytes of one block, above which memory goes back to the system."""

THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def each(items: Iterable[T], function: Callable[[T], R]) -> Generator[R | Problem, None, None]:
    """A `Work`, once it is given its function: a `DataError` becomes its `Problem`, any other exception travels as itself."""
    for item in items:
        try:
            yield function(item)
        except DataError as error:
            yield error.problem


def run_chunk(work: Work[T, R], items: Iterable[T]) -> tuple[list[R], float]:
    """The results of a chunk, and the seconds that they took."""
    start = time.perf_counter()
    with closing(work(items)) as results:
        found = list(results)
    return found, time.perf_counter() - start


def settle() -> None:
    """Make a process fit to be a worker: one thread in OpenCV, memory kept."""
    import cv2

    keep_memory()
    cv2.setNumThreads(1)


def keep_memory() -> None:
    """Have glibc keep the memory of mask-sized arrays between items: fetching their pages anew costs more than painting them.

    Told in so many words, since Dask sets MALLOC_TRIM_THRESHOLD_ for its workers, which then give back whatever is freed.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # musl has no such function
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(M_MMAP_THRESHOLD, 2**24)
            mallopt(M_TRIM_THRESHOLD, 2**25)
