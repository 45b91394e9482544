"""What rejecting unsure pixels would give: the error rate of those that are kept, over how many are kept.

Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", 2017. `segdata predict --reject-below t` keeps the
pixels whose likeliest class has a probability of t or more. Of all labelled pixels,

    coverage(t) = pixels kept / all pixels
    risk(t)     = pixels kept whose likeliest class is wrong / pixels kept
    AURC        = the mean of risk over all coverages: the area under the curve
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segdata.metrics.base import Curve, Section
from segdata.metrics.confusion import Floats, Ints, plain, ratio
from segdata.words import percent, share

STEPS = 200
"""Thresholds: 0, 0.005, 0.01 and so on to 0.995."""

READING = (
    "What segdata predict --reject-below would keep of the labelled pixels, and the part of those kept that is wrong. Far to the "
    "right all pixels are kept. The area of a dot is how many pixels the threshold keeps."
)

TABLE = "The same in numbers: what each threshold of segdata predict would keep."

SHOWN = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
"""The thresholds that the page lists."""


@dataclass(frozen=True, slots=True, eq=False)
class Rejection:
    """Pixels by confidence in steps of 1 / `STEPS`: `pixels`, and `hits`, the right ones; both (STEPS,) int64. The parts add."""

    pixels: Ints
    hits: Ints

    @classmethod
    def empty(cls) -> Rejection:
        """Of no pixel."""
        return cls(np.zeros(STEPS, np.int64), np.zeros(STEPS, np.int64))

    def __add__(self, other: Rejection) -> Rejection:
        """The pixels of both."""
        return Rejection(self.pixels + other.pixels, self.hits + other.hits)

    @property
    def kept(self) -> Ints:
        """(STEPS,) int64: how many pixels each threshold keeps."""
        return np.cumsum(self.pixels[::-1])[::-1]

    @property
    def coverage(self) -> Floats:
        """(STEPS,) float64: the part of the pixels that each threshold keeps; NaN if there are none."""
        return ratio(self.kept, np.full(STEPS, self.pixels.sum()))

    @property
    def risk(self) -> Floats:
        """(STEPS,) float64: the part of the pixels kept that is wrong; NaN where none is kept."""
        return ratio(self.kept - np.cumsum(self.hits[::-1])[::-1], self.kept)

    @property
    def aurc(self) -> float:
        """The area under the risk-coverage curve, 0 to 1; NaN if there is no pixel. Up to the first coverage risk is level."""
        some = self.kept > 0
        if not some.any():
            return float("nan")
        coverage, risk = self.coverage[some][::-1], self.risk[some][::-1]  # coverage ascends
        return float(coverage[0] * risk[0] + (np.diff(coverage) * (risk[1:] + risk[:-1]) / 2).sum())

    def to_json(self) -> dict[str, Any]:
        """`aurc`, and the curve: what each threshold keeps, and how much of it is wrong."""
        values = zip(self.coverage, self.risk, strict=True)
        curve = [{"reject_below": i / STEPS, "coverage": plain(c), "risk": plain(r)} for i, (c, r) in enumerate(values)]
        return {"aurc": plain(self.aurc), "curve": curve}

    def line(self) -> str:
        """What the terminal says: the area, and what a common threshold would give."""
        at = STEPS * 8 // 10
        if not self.kept[at]:
            return f"rejection: AURC {share(self.aurc)}"
        kept, wrong = percent(self.coverage[at], 1), percent(self.risk[at], 1)
        return (
            f"rejection: AURC {share(self.aurc)}; --reject-below 0.8 would keep {kept} of the pixels, {wrong} of them wrong "
            f"(of all: {percent(self.risk[0], 1)})"
        )

    def sections(self) -> Sequence[Section]:
        """The curve, and a table of some thresholds."""
        if not self.pixels.any():
            return []
        values = list(zip(self.coverage.tolist(), self.risk.tolist(), self.kept.tolist(), strict=True))
        highest = float(np.nanmax(self.risk))
        points = [point for point in values[:: STEPS // 20] if point[2]]
        head = ["--reject-below", "pixels kept", "of these wrong"]
        rows = [
            [f"{t:g}", *(percent(v, 1) for v in values[round(t * STEPS)][:2])]
            for t in SHOWN
            if values[round(t * STEPS)][2]
        ]
        drawn = Curve(points, "kept", "wrong", diagonal=False, top=highest or 1.0)
        return [
            Section("Rejecting unsure pixels", READING, curve=drawn),
            Section("Thresholds", TABLE, table=[head, *rows]),
        ]
