"""What a service takes of each request, and of all at once."""

from __future__ import annotations

from dataclasses import dataclass

from segdata.errors import OptionError
from segdata.files.limits import MAX_BYTES, MAX_PIXELS

LONGEST = 86_400
"""The most seconds that a request may take."""

MOST = 10_000
"""The most requests that may be inside."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of each request its `bytes`, the `pixels` of its image and the `seconds` until its answer; `at_once` are worked on, and
    `queue` more may wait, or be on their way in.
    """

    bytes: int
    pixels: int
    seconds: float
    at_once: int
    queue: int

    def check(self) -> None:
        """Raise `OptionError` for what cannot be."""
        for option, value, least, most in (
            ("max-bytes", self.bytes, 1, MAX_BYTES), ("max-pixels", self.pixels, 1, MAX_PIXELS),
            ("concurrency", self.at_once, 1, MOST), ("queue", self.queue, 0, MOST),
        ):  # fmt: skip
            if not least <= value <= most:
                raise OptionError(f"--{option} {value}: must be {least} to {most}")
        if not 0 < self.seconds <= LONGEST:
            raise OptionError(f"--seconds {self.seconds:g}: must be above 0, and at most {LONGEST}")

    @property
    def inside(self) -> int:
        """How many requests may be inside."""
        return self.at_once + self.queue
