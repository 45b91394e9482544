"""How many pixels are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from segdata.metrics.base import Case, Metric, Section


@dataclass(frozen=True, slots=True)
class Right(Metric):
    """A number of pixels."""

    pixels: int

    def __add__(self, other: Right) -> Right:
        """Those of both."""
        return Right(self.pixels + other.pixels)

    def to_json(self) -> dict[str, Any]:
        """`right`: the number."""
        return {"right": self.pixels}

    def lines(self) -> list[str]:
        """One line for the terminal."""
        return [f"right: {self.pixels:,} pixels"]

    def sections(self) -> list[Section]:
        """A table of one number for the page."""
        return [Section("Right pixels", "Of all.", table=[["what", "pixels"], ["right", self.pixels]])]


def measure(case: Case, *, count_right: bool = False) -> Right | None:
    """The right pixels of an image; None unless they are asked for.

    Args:
        count_right: Count the pixels that are right.
    """
    return Right(int((case.truth == case.pred)[case.truth != case.labels.ignore].sum())) if count_right else None
