"""Notes of a training on stderr: by one process, where torchrun started several."""

from __future__ import annotations

import os

from segdata.caches import note


def once(text: str) -> None:
    """Say something in one line, once."""
    if os.environ.get("RANK", "0") == "0":
        note(text)
