"""What `monitor` found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from segdata.labels import Labels
from segdata.ops.monitor.estimate import Estimate
from segdata.words import briefly


@dataclass(frozen=True, slots=True)
class Change:
    """One number of the images: its mean before and now, None without any, and its p, corrected for all that is tested."""

    name: str
    before: float | None
    now: float | None
    p: float


@dataclass(frozen=True, slots=True)
class Finding:
    """An aspect. `p` is corrected for all aspects; `parts` are what it consists of, such as classes."""

    aspect: str
    p: float
    parts: Sequence[Change]


@dataclass(frozen=True, slots=True)
class ClassChange:
    """A class: its share of the pixels, its mean confidence and entropy, each before and now; None without pixels."""

    name: str
    share: tuple[float | None, float | None]
    confidence: tuple[float | None, float | None]
    entropy: tuple[float | None, float | None]
    drifted: Sequence[str]
    """The aspects in which it did."""


@dataclass(frozen=True, slots=True)
class Monitored:
    """New images beside those of a reference.

    `images` and `units`: how many there are on either side; `tested`: of how many, if not of all. `least`: the least p that so
    few units can give. `left_out`: aspects that could not be tested, with why.
    """

    __repr__ = briefly

    labels: Labels
    alpha: float
    resample: str
    images: tuple[int, int]
    tested: tuple[int, int]
    units: tuple[int, int]
    permutations: int
    least: float
    findings: Sequence[Finding]
    classes: Sequence[ClassChange]
    estimate: Estimate
    left_out: dict[str, str]
    notes: Sequence[str]

    @property
    def drifted(self) -> list[str]:
        """The aspects that have drifted, the surest first."""
        return [one.aspect for one in sorted(self.findings, key=lambda one: one.p) if one.p <= self.alpha]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        both = ("reference", "new")
        estimate = self.estimate
        return {
            "drifted": self.drifted,
            "alpha": self.alpha,
            "resample": self.resample,
            "permutations": self.permutations,
            "least_p": self.least,
            **{
                name: dict(zip(both, pair, strict=True))
                for name, pair in (("images", self.images), ("tested", self.tested), ("units", self.units))
            },
            "aspects": [
                {
                    "aspect": one.aspect,
                    "p": one.p,
                    "drifted": one.p <= self.alpha,
                    "parts": [{"name": c.name, "reference": c.before, "new": c.now, "p": c.p} for c in one.parts],
                }
                for one in self.findings
            ],
            "classes": [
                {
                    "name": one.name,
                    **{name: dict(zip(both, getattr(one, name), strict=True)) for name in ("share", "confidence", "entropy")},
                    "drifted": list(one.drifted),
                }
                for one in self.classes
            ],
            "accuracy": {
                "reference": estimate.measured, "reference_confidence": estimate.before,
                "confidence": estimate.confidence, "atc": estimate.atc,
            },
            "left_out": self.left_out,
            "notes": list(self.notes),
        }  # fmt: skip
