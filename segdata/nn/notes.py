"""Notes of a training on stderr: by one process, where torchrun started several."""

from __future__ import annotations

import os

from segdata.caches import note


def is_first() -> bool:
    """Whether this process is the one that speaks."""
    return os.environ.get("RANK", "0") == "0"


def note_once(text: str) -> None:
    """Say something in one line, in the first process alone."""
    if is_first():
        note(text)
