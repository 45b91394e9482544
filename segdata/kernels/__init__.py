"""Every numba function of segdata, and nothing else. Callers pass arrays; kernels raise nothing and print nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TypeVar

from segdata.caches import has_home, note, private_folder

# Numba reads `.numba_config.yaml` in the working directory, which may be a stranger's. The environment overrides that file, so no
# file decides where compiled code is loaded from.
os.environ.setdefault("NUMBA_CACHE_DIR", "")

# With its first kernel numba loads scipy.linalg if scipy is installed. That takes 0.1 to 0.2 s in every process, only to choose
# between two ways to an inner product, and no kernel here computes one. Numba's own linear algebra looks for scipy again when it
# is used, so nothing is lost.
if "numba.np.arraymath" not in sys.modules and "scipy.linalg" not in sys.modules:
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        del sys.modules["scipy.linalg"]

from numba import config, njit
from numba.core import event

Function = TypeVar("Function", bound=Callable[..., object])


def _has_place() -> bool:
    """Whether numba finds a place for compiled code: one that the user named, beside this file, or in the user's home."""
    if not (os.environ["NUMBA_CACHE_DIR"] or has_home()):
        return False
    try:
        place = njit(cache=True)(_has_place).stats.cache_path  # this compiles nothing
    except RuntimeError:
        return False
    return place is not None and not place.startswith("~")


def _cached() -> bool:
    """Whether compiled code is kept. Finds a place for it."""
    if _has_place():
        return True
    way_out = "set NUMBA_CACHE_DIR to a folder of yours that can be written to"
    if (folder := private_folder()) is None:
        note(f"compiled code cannot be kept, so every run compiles it again, which takes seconds: {way_out}")
        return False
    note(f"there is no home folder for compiled code, so it is kept in {folder}: {way_out}")
    os.environ["NUMBA_CACHE_DIR"] = str(folder)  # for the processes that this one starts, too
    config.reload_config()  # type: ignore[no-untyped-call]
    return True


CACHED = _cached()


class Told(event.Listener):
    """Tells of the first compiling, which takes seconds. What is kept from an earlier one is only loaded."""

    def on_start(self, event: event.Event) -> None:
        """Say it, once per process."""
        note("compiling for this machine, which takes some seconds; the next command need not")

    def on_end(self, event: event.Event) -> None:
        """Nothing: the work goes on."""


if CACHED and sys.stderr.isatty():
    event.register("numba:compile", Told())  # type: ignore[no-untyped-call]


def kernel(function: Function) -> Function:
    """Compile a function when it is first called, and keep the compiled code. It runs without Python's lock."""
    return njit(cache=CACHED, nogil=True)(function)  # type: ignore[return-value]  # what it makes is called as it is
