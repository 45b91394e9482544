"""A canvas for the sample images: textured shapes, and for each pixel the thing that owns it.

Positions are image pixels, x to the right, y down; pixel (0, 0) covers [0, 1) x [0, 1). Nothing here reads or writes files, and
all randomness comes from the canvas's generator, so a seed determines an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Bits = NDArray[np.bool_]
Floats = NDArray[np.float64]
Colour = Sequence[float] | NDArray[Any]

SCALE = 4  # canvas pixels per image pixel, each way
NOWHERE = (slice(0, 0), slice(0, 0))
# noise textures: (height, width) of a grain in image pixels, coarse and fine
GRAINS = {
    "plain": ((9.0, 9.0), (2.0, 2.0)),
    "leaves": ((6.0, 6.0), (1.6, 1.6)),
    "grass": ((14.0, 20.0), (3.5, 1.0)),
    "fur": ((5.0, 5.0), (2.6, 0.9)),
    "water": ((5.0, 40.0), (1.2, 9.0)),
    "cloud": ((18.0, 40.0), (8.0, 14.0)),
    "spots": ((5.0, 5.0), (4.0, 4.0)),
    "patches": ((13.0, 13.0), (9.0, 9.0)),
}
TEXTURES = (*GRAINS, "bricks", "planks", "stripes")


@dataclass(slots=True)
class Thing:
    """One object or piece of background. mask: (H * SCALE, W * SCALE) bool of all of it, hidden parts too."""

    name: str
    mask: Bits
    crowd: bool = False


class Canvas:
    """An unfinished image, with SCALE times the resolution of the result."""

    def __init__(self, height: int, width: int, seed: int) -> None:
        self.height, self.width, self.seed = height, width, seed
        self.rng = np.random.default_rng(seed)
        self.pixels = np.zeros((height * SCALE, width * SCALE, 3), np.float32)
        self.owner = np.full((height * SCALE, width * SCALE), -1, np.int32)  # index into things
        self.things: list[Thing] = []
        self.horizon = 0.4 * height
        self._fields: dict[str, NDArray[np.float32]] = {}

    def begin(self, name: str, crowd: bool = False) -> None:
        """Start a new thing: everything that is filled from now on belongs to it."""
        self.things.append(Thing(name, np.zeros(self.owner.shape, np.bool_), crowd))

    def fill(
        self, points: Floats, colour: Colour, texture: str = "plain", depth: float = 0.06, shade: float = 0.2
    ) -> None:
        """Paint a polygon (N, 2) of the latest thing. shade: how much lighter its top is than its bottom."""
        region, inside = self._inside(points)
        top, bottom = points[:, 1].min() * SCALE, points[:, 1].max() * SCALE
        down = (np.arange(self.owner.shape[0])[region[0]] - top) / max(bottom - top, 1.0)
        tone = (1 + depth * self._field(texture)[region]) * (1 + shade * (0.5 - down))[:, None]
        paint = np.asarray(colour, np.float32) * tone[..., None].astype(np.float32)
        self.pixels[region][inside] = paint[inside]
        self.owner[region][inside] = len(self.things) - 1
        self.things[-1].mask[region] |= inside

    def darken(self, points: Floats, factor: float = 0.72) -> None:
        """Paint a shadow on everything below it; it belongs to no thing."""
        region, inside = self._inside(points)
        self.pixels[region][inside] *= factor

    def vary(self, colour: Colour, amount: float = 14.0) -> Floats:
        """A colour near the given one: lighter or darker, and a little off in hue."""
        return np.clip(
            np.asarray(colour, np.float64) + self.rng.normal(0, amount) + self.rng.normal(0, amount / 2, 3), 8, 250
        )

    def pick(self, colours: Sequence[Colour]) -> Floats:
        """One of the colours, varied."""
        return self.vary(colours[int(self.rng.integers(len(colours)))])

    def between(self, low: float, high: float) -> float:
        """A uniform number."""
        return float(self.rng.uniform(low, high))

    def near(self, y: float) -> float:
        """The nearness of the ground at y: 0 at the horizon, 1 at the lower edge."""
        return max(y - self.horizon, 1.0) / (self.height - self.horizon)

    def visible(self, index: int) -> Bits:
        """(H, W) bool: the pixels whose centre shows thing `index`."""
        return np.asarray(self.owners() == index, np.bool_)

    def owners(self) -> NDArray[np.int32]:
        """(H, W) int32: index of the thing seen at each pixel centre, -1 for none."""
        return self.owner[SCALE // 2 :: SCALE, SCALE // 2 :: SCALE]

    def image(self) -> Pixels:
        """(H, W, 3) uint8 RGB: the canvas averaged down, with a random light and a little noise."""
        small = cv2.resize(self.pixels, (self.width, self.height), interpolation=cv2.INTER_AREA).astype(np.float64)
        rng = np.random.default_rng([self.seed, 1000])
        small *= rng.uniform(0.86, 1.1) * (1 + rng.normal(0, 0.025, 3))
        small += rng.normal(0, 2.2, small.shape)
        return np.clip(np.round(small), 0, 255).astype(np.uint8)

    def _inside(self, points: Floats) -> tuple[tuple[slice, slice], Bits]:
        fine = np.round(points * SCALE - 0.5).astype(np.int32)
        x0, y0 = np.maximum(fine.min(0), 0)
        x1, y1 = np.minimum(fine.max(0) + 1, self.owner.shape[::-1])
        if x0 >= x1 or y0 >= y1:
            return NOWHERE, np.zeros((0, 0), np.bool_)
        inside = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillPoly(inside, [fine], (1,), offset=(-int(x0), -int(y0)))
        return (slice(int(y0), int(y1)), slice(int(x0), int(x1))), inside.astype(np.bool_)

    def _field(self, texture: str) -> NDArray[np.float32]:
        """(H * SCALE, W * SCALE) float32 around 0, about -1 to 1, made at the first call."""
        if texture not in self._fields:
            rng = np.random.default_rng([self.seed, TEXTURES.index(texture)])
            y, x = np.mgrid[: self.owner.shape[0], : self.owner.shape[1]] / SCALE
            if texture == "bricks":
                gap = (y % 5 < 0.8) | ((x + 5 * (y // 5 % 2)) % 10 < 0.8)
                field = np.where(gap, -1.0, 0.4 * self._noise(rng, (5, 10)))
            elif texture == "planks":
                field = np.where(y % 9 < 0.7, -1.2, 0.5 * self._noise(rng, (2, 30)) + 0.4 * np.sin(y // 9 * 2.4))
            elif texture == "stripes":
                field = np.where(x % 16 < 8, 0.5, -0.5)
            else:
                coarse, fine = GRAINS[texture]
                field = 0.6 * self._noise(rng, coarse) + 0.6 * self._noise(rng, fine)
                if texture in ("spots", "patches"):
                    field = np.where(field > 0.12, -1.0, 0.0)
            self._fields[texture] = field.astype(np.float32)
        return self._fields[texture]

    def _noise(self, rng: np.random.Generator, grain: tuple[float, float]) -> NDArray[Any]:
        rows, columns = (max(2, round(n / g)) for n, g in zip((self.height, self.width), grain, strict=True))
        rough = rng.normal(0, 0.7, (rows, columns)).astype(np.float32)
        return cv2.resize(rough, self.owner.shape[::-1], interpolation=cv2.INTER_CUBIC)


# shapes: (N, 2) float64


def outline(
    *points: tuple[float, float], at: tuple[float, float] = (0, 0), size: float = 1.0, wide: float = 1.0
) -> Floats:
    """The polygon through the points, scaled, x also by `wide` (-1 mirrors), then moved."""
    return np.array(points, np.float64) * (size * wide, size) + at


def box(x0: float, y0: float, x1: float, y1: float) -> Floats:
    """A rectangle."""
    return outline((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def oval(x: float, y: float, rx: float, ry: float, tilt: float = 0.0, wobble: Floats | None = None) -> Floats:
    """An ellipse, tilted by radians; wobble (N,) makes its radius uneven."""
    turn = np.linspace(0, 2 * np.pi, 40 if wobble is None else len(wobble), endpoint=False)
    radius = 1.0 if wobble is None else 1 + wobble
    u, v = rx * np.cos(turn) * radius, ry * np.sin(turn) * radius
    return np.stack([x + u * np.cos(tilt) - v * np.sin(tilt), y + u * np.sin(tilt) + v * np.cos(tilt)], 1)


def limb(x0: float, y0: float, x1: float, y1: float, r0: float, r1: float) -> Floats:
    """A rounded stroke from one point to another that tapers from radius r0 to r1."""
    ends = np.concatenate([oval(x0, y0, r0, r0), oval(x1, y1, r1, r1)]).astype(np.float32)
    return cv2.convexHull(ends)[:, 0].astype(np.float64)


def tuft(c: Canvas, x: float, y: float, rx: float, ry: float, rough: float = 0.12) -> Floats:
    """A round shape with an uneven edge: foliage, fluff, clouds."""
    return oval(x, y, rx, ry, wobble=c.rng.uniform(-rough, rough, 28))
