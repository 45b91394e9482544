"""What a mark promises: `--quick` runs nothing that starts processes, talks over sockets or imports torch."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable

import pytest


def connect() -> None:
    """Ask a port of this machine."""
    with socket.socket() as asking:
        asking.connect(("127.0.0.1", 9))


REFUSED: dict[str, Callable[[], object]] = {
    "process": lambda: subprocess.run([sys.executable, "-c", ""]),
    "net": connect,
    "torch": lambda: __import__("torch"),
}


@pytest.mark.parametrize("mark", REFUSED)
def test_quick_refuses_what_a_mark_is_for(mark: str, request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("quick"):
        pytest.skip("only with --quick")
    with pytest.raises(pytest.fail.Exception, match=f"is marked .*{mark}"):
        REFUSED[mark]()
