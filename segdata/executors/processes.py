"""How processes are started: never as forks of this one, and never by a script that they would run again.

A process that is no fork imports the script that started it. If that script starts processes in its own lines, and not below
`if __name__ == "__main__":`, each process would start more.
"""

from __future__ import annotations

import ast
import errno
import multiprocessing
import sys
from collections.abc import Iterator, Mapping
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

    They need semaphores, which are files in /dev/shm on Linux, a folder for temporary files, and a few open files each.
    """
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
    """Raise `SegdataError` if processes cannot import the main script, or if it calls this from its own lines, unguarded.

    What has no file, such as a notebook, is not imported.
    """
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if file is None or (spec is not None and spec.name.endswith("__main__")):
        return
    if spec is None and not Path(file).is_file():
        raise SegdataError(f"{file}: is no file, so that worker processes cannot import it: save the code as a script")
    line = _line_of(vars(main))
    if line and not _asks_for_name(Path(file), line):
        raise SegdataError(
            f"{file}, line {line}: each worker process would run this script again: "
            f'put its code below `if __name__ == "__main__":`'
        )


def _line_of(main: Mapping[str, object]) -> int:
    """The line of a module that is running now, outside its functions; 0 if none is."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and not (frame.f_globals is main and frame.f_code.co_name == "<module>"):
        frame = frame.f_back
    return frame.f_lineno if frame else 0


def _asks_for_name(script: Path, line: int) -> bool:
    """Whether a line of a script is part of an `if` with `__name__` in its condition."""
    try:
        tree = ast.parse(script.read_bytes())
    except (OSError, SyntaxError, ValueError):  # no file that Python could have run as it is now
        return True
    guards = [
        one for one in ast.walk(tree) if isinstance(one, ast.If) and one.lineno <= line <= (one.end_lineno or line)
    ]
    names = [name for guard in guards for name in ast.walk(guard.test) if isinstance(name, ast.Name)]
    return any(name.id == "__name__" for name in names)
