"""Where the windows of a model lie on an image, and what is averaged over them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from segdata.errors import OptionError, one_of
from segdata.prediction.predictor import Predictor
from segdata.tiling.stitcher import Blend
from segdata.windows import Window

Flip = Literal["x", "y", "xy"]
"""Mirrored left to right, top to bottom, or both."""

SMALLEST, LARGEST = 1, 2**16


@dataclass(frozen=True, slots=True)
class Sliding:
    """How windows are laid and what is averaged over them.

    `size` (height, width) of a window in the model's pixels, `overlap` the part of it that the next one has too, at least:
    steps are even. `batch` windows go to the model at once. `flips` and `scales` are variants of each window whose
    probabilities are averaged, besides the window as it is (a `scales` without 1 leaves that away).
    """

    size: tuple[int, int] = (512, 512)
    overlap: float = 0.25
    blend: Blend = "gaussian"
    batch: int = 4
    flips: tuple[Flip, ...] = ()
    scales: tuple[float, ...] = (1.0,)

    def check(self) -> None:
        """Raise `OptionError` for what cannot be."""
        if not all(SMALLEST <= n <= LARGEST for n in self.size):
            raise OptionError(f"--size {self.size[0]} {self.size[1]}: must be {SMALLEST} to {LARGEST}")
        if not 0 <= self.overlap < 1:
            raise OptionError(f"--overlap {self.overlap:g}: must be 0 or more and below 1")
        one_of("blend", self.blend, Blend)
        if self.batch < 1:
            raise OptionError(f"--batch {self.batch}: must be 1 or more")
        for flip in self.flips:
            one_of("flip", flip, Flip)
        if not self.scales or not all(0.1 <= scale <= 10 for scale in self.scales):
            raise OptionError("--scales: must be from 0.1 to 10, at least one")

    def windows(self, size: tuple[int, int], target: tuple[int, int]) -> list[Window]:
        """Windows that cover an image of `size`, which the model sees as `target`, row by row, in the image's pixels."""
        lengths = [max(1, round(n * whole / seen)) for n, whole, seen in zip(self.size, size, target, strict=True)]
        height, width = (min(n, whole) for n, whole in zip(lengths, size, strict=True))
        columns = even_starts(size[1], width, self.overlap)
        return [Window(y, x, height, width) for y in even_starts(size[0], height, self.overlap) for x in columns]


def window_size(predictor: Predictor, asked: tuple[int, int] | None) -> tuple[int, int]:
    """(height, width) of the windows: as `asked`, by default that of a model which takes no other, or else 512.

    Raises `OptionError` for windows larger than such a model takes.
    """
    most: tuple[int, int] | None = getattr(predictor, "size", None)
    if asked is None:
        return most or Sliding().size
    if most is not None and (asked[0] > most[0] or asked[1] > most[1]):
        raise OptionError(
            f"--size {asked[0]}x{asked[1]}: the model takes no more than {most[0]} x {most[1]}: leave it out"
        )
    return asked


def even_starts(length: int, size: int, overlap: float) -> list[int]:
    """Where as few windows of `size` as overlap by that part begin along `length` pixels, in even steps (to a pixel).

    The first begins at 0, the last ends at the end.
    """
    step = max(1.0, size * (1 - overlap))
    count = 1 + math.ceil(max(0, length - size) / step - 1e-9)
    return [round(i * (length - size) / max(1, count - 1)) for i in range(count)]
