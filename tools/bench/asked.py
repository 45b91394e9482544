"""A peer that runs as one process in its own environment; it makes one measurement at a time, between ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType

from measure import BUILD, HERE


class Asked:
    """`script` of tools/bench, run by the environment build/bench/`home`: it answers each line with seconds."""

    def __init__(self, home: str, script: str, *arguments: str | Path) -> None:
        python = BUILD / home / "bin/python"
        if not python.exists():
            sys.exit(f"{python} is missing: run tools/bench/peers.sh")
        command = [python, HERE / script, *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, line: str) -> float:
        """The seconds that the peer took."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        print(line, file=stdin, flush=True)
        answer = stdout.readline()
        if not answer:
            sys.exit("the peer ended: see above")
        return float(answer)

    def total(self, cases: int) -> float:
        """The seconds of cases 0 to `cases` - 1."""
        return sum(self(str(number)) for number in range(cases))

    def __enter__(self) -> Asked:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()
