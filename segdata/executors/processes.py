"""How processes are started: never as forks of this one, and never by a script that they would run again.

A process that is no fork imports the script that started it. If that script starts processes in its own lines, and not below
`if __name__ == "__main__":`, each process would start more.
"""

from __future__ import annotations

import ast
import errno
import multiprocessing
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from segdata.errors import SegdataError


def start_method() -> str:
    """`forkserver` where there is one, otherwise `spawn`, as on Windows."""
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


@contextmanager
def starting(option: str) -> Iterator[None]:
    """Turn what keeps processes from starting into one `SegdataError`; `option` is what to use instead.

    They need semaphores, which are files in /dev/shm on Linux, a folder for temporary files, a few open files each, and a
    script that they can import.
    """
    refuse_unguarded()
    try:
        yield
    except (OSError, ImportError, NotImplementedError) as error:
        way_out = (
            "they need a /dev/shm (in a container too) and a folder for temporary files (TMPDIR) that can be written to"
        )
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            way_out = "raise the limit (ulimit -n)"
        raise SegdataError(f"no processes can be started ({error}): {way_out}; or use {option}") from error


def refuse_unguarded() -> None:
    """Raise `SegdataError` if a script is calling this from its own lines, without asking for its `__name__` before.

    What has no file, such as a notebook, is never run again.
    """
    frame = _script_frame()
    if frame is not None and not _asks_for_name(Path(frame.f_code.co_filename), frame.f_lineno):
        raise SegdataError(
            f"{frame.f_code.co_filename}, line {frame.f_lineno}: each worker process would run this script again: "
            f'put its code below `if __name__ == "__main__":`'
        )


def _script_frame() -> FrameType | None:
    """The frame of the main script's own lines, if they are what is running now and if processes would import them."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if getattr(main, "__file__", None) is None or (spec is not None and spec.name.endswith("__main__")):
        return None
    frame: FrameType | None = sys._getframe()
    while frame is not None and not (frame.f_globals is vars(main) and frame.f_code.co_name == "<module>"):
        frame = frame.f_back
    return frame


def _asks_for_name(script: Path, line: int) -> bool:
    """Whether an `if` with `__name__` in its condition stands in a script at or before a line, outside functions."""
    try:
        tree = ast.parse(script.read_bytes())
    except (OSError, SyntaxError, ValueError):  # no file that Python could have run as it is now
        return True
    guards = [node for node in tree.body if isinstance(node, ast.If) and node.lineno <= line]
    names = [node for guard in guards for node in ast.walk(guard.test) if isinstance(node, ast.Name)]
    return any(name.id == "__name__" for name in names)
