"""Operations that are killed. One process has everything loaded; it forks another for each, which ends at the item it is told.

As a program: a line of JSON on stdin for each, and the signal that it died of, as a line on stdout.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

HELPERS = Path(__file__).resolve().parent


class Killer:
    """The process that forks. A context manager, which ends it."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(HELPERS.parents[1]), str(HELPERS), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip

    def __enter__(self) -> Killer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def kill(self, operation: str, inputs: Path, out: Path, loop: int, item: int) -> int:
        """Run an operation into `out` until this item of this loop is there; the signal that ended it, or 0.

        What is at `out` is to be replaced.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([operation, str(inputs), str(out), loop, item]) + "\n")
        return int(self._process.stdout.readline())


def main() -> None:
    """Fork for each line of stdin."""
    import operations

    for line in sys.stdin:
        if (child := os.fork()) == 0:
            _run_and_die(operations, *json.loads(line))
        sys.stdout.write(f"{os.WTERMSIG(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()


def _run_and_die(operations, operation, inputs, out, loop, item) -> None:  # type: ignore[no-untyped-def]
    def at(*where: int) -> None:
        if where == (loop, item):
            for log in gc.get_objects():
                if isinstance(log, operations.Lines):
                    log.flush()  # else its lines are written every second
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        run = operations.Run(track=operations.Steps(at))
        more = {"overwrite": True} if Path(out).exists() else {}
        operations.OPERATIONS[operation](operations.Inputs(Path(inputs)), Path(out), run, **more)
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
