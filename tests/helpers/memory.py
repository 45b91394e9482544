"""How much memory a process takes, read from /proc (proc(5)): tests that ask are skipped where there is none.

`resource.getrusage` does not tell: a process inherits the `ru_maxrss` of the one that started it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATUS = Path("/proc/self/status")
TELL = f"""
import pathlib, re
print(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("{STATUS}").read_text())[1])
"""


def memory_now() -> int:
    """The memory of this process, in KiB."""
    _needs_proc()
    found = re.search(r"VmRSS:\s+(\d+)", STATUS.read_text())
    assert found
    return int(found[1])


def peak_memory(code: str, *arguments: str) -> tuple[str, float]:
    """What a new Python prints that runs the code with the arguments, and the most memory it held, in MiB."""
    _needs_proc()
    done = subprocess.run(
        [sys.executable, "-c", code + TELL, *arguments], capture_output=True, text=True, timeout=600,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    *printed, peak = done.stdout.splitlines()
    return "\n".join(printed), int(peak) / 1024


def _needs_proc() -> None:
    if not STATUS.exists():
        pytest.skip("no /proc on this system")
