"""Signals of images that are made up: K classes, whose shares, confidences and looks vary from image to image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from segdata.labels import Labels
from segdata.prediction.profile import About, Profile
from segdata.prediction.signals import BINS, EDGES, Signals, encoded

LABELS = Labels.of(["sky", "road", "tree", "car", "pole"])


@dataclass(frozen=True)
class World:
    """Where images come from. `lacks`: a class that is not there. `spread` is how far the groups of images lie apart."""

    brightness: float = 0.5
    blur: float = 0.02
    sure: float = 0.9
    size: tuple[int, int] = (60, 80)
    lacks: int | None = None
    shift: float = 0.0
    spread: float = 0.0
    per_group: int = 1

    def but(self, **changes: object) -> World:
        """Another one."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def rows(self, count: int, seed: int, *, judged: bool = False) -> list[Signals]:
        """Images of it."""
        return list(self.stream(count, np.random.default_rng(seed), judged))

    def profile(self, count: int, seed: int, *, judged: bool = False) -> Profile:
        """The same as a profile."""
        return Profile(About.of(LABELS, "m"), tuple(self.rows(count, seed, judged=judged)))

    def stream(self, count: int, rng: np.random.Generator, judged: bool) -> Iterator[Signals]:
        """Images, one after the other."""
        offset = 0.0
        for i in range(count):
            if i % self.per_group == 0:
                offset = self.spread * rng.standard_normal()
            yield self._row(i, offset, rng, judged)

    def _row(self, i: int, offset: float, rng: np.random.Generator, judged: bool) -> Signals:
        classes, total = len(LABELS.classes), self.size[0] * self.size[1]
        shares = rng.dirichlet(np.full(classes, 0.6))  # rare classes are missing in many images
        if self.lacks is not None:
            shares[self.lacks] = 0
            shares /= shares.sum()
        pixels = rng.multinomial(total, shares)
        light = rng.standard_normal() * 0.05 + offset  # one weather for all that an image says of itself
        sure = np.clip(self.sure + light + rng.normal(0, 0.02, classes), 0.3, 0.999)
        at = np.clip(np.searchsorted(EDGES, sure, side="right") - 1, 0, BINS - 1)
        histogram = np.bincount(at, pixels, BINS).astype(int)
        right = [int(rng.binomial(n, min(1.0, float(c)))) for n, c in zip(histogram, EDGES, strict=True)]
        return Signals(
            id=f"{i:06}", height=self.size[0], width=self.size[1], brightness=round(self.brightness + light, 4),
            contrast=round(0.2 + abs(light), 4), blur=float(self.blur * np.exp(rng.normal(0, 0.4))), pixels=pixels.tolist(),
            confidence=(pixels * sure).tolist(), entropy=(pixels * (1 - sure)).tolist(), histogram=histogram.tolist(),
            embedding=encoded(rng.normal(light, 1, 6) + self.shift), judged=histogram.tolist() if judged else None,
            right=right if judged else None, group=f"g{i // self.per_group}" if self.per_group > 1 else None,
        )  # fmt: skip
