"""What an image looks like, in three numbers, from rows as they come: how bright, how much contrast, how sharp.

All are of the grey image, the mean over the bands, in 0..1 of the span: its mean, its standard deviation, and the variance of
its Laplacian, which falls when an image is blurred (Pech-Pacheco, Cristobal, Chamorro-Martinez and Fernandez-Valdivia, "Diatom
autofocusing in brightfield microscopy: a comparative study", ICPR 2000).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segdata.recipes.pixels import SPANS, Span


class Light(NamedTuple):
    """Of one image. None without a known pixel; `blur` without one whose four neighbours are known too."""

    brightness: float | None
    contrast: float | None
    blur: float | None


class LightMeter:
    """Give it rows from top to bottom; `light` says what they look like. It holds two rows.

    `span`: the values that become 0 and 1, by default those of the dtype. `content` (height, width): the rest is padding.
    """

    def __init__(self, span: Span | None = None, content: tuple[int, int] = (0, 0)) -> None:
        self._span, self._content = span, content
        self._y = 0
        self._values, self._edges = Spread(), Spread()
        self._held: tuple[NDArray[np.float32], NDArray[np.bool_]] | None = None

    def add(self, pixels: NDArray[Any], known: NDArray[np.bool_]) -> None:
        """(rows, W, C) pixels, and (rows, W) which have data; the rows lie below those given before."""
        height, width = self._content
        if height and width:
            left = max(0, height - self._y)
            self._y += len(pixels)
            pixels, known = pixels[:left, :width], known[:left, :width]
        if not pixels.size:
            return
        grey = grey_of(pixels, self._span)
        known = known & np.isfinite(grey)
        self._values.add(grey, known)
        if self._held is not None:
            grey, known = np.concatenate([self._held[0], grey]), np.concatenate([self._held[1], known])
        self._edges.add(*laplacian(grey, known))
        self._held = grey[-2:].copy(), known[-2:].copy()

    def light(self) -> Light:
        """Of all rows until now."""
        brightness, variance = self._values.moments()
        blur = self._edges.moments()[1]
        return Light(_plain(brightness), _plain(None if variance is None else variance**0.5), _plain(blur))


class Spread:
    """The mean and the variance of values that come in parts."""

    def __init__(self) -> None:
        self._count, self._sum, self._squares = 0, 0.0, 0.0

    def add(self, values: NDArray[np.float32], known: NDArray[np.bool_]) -> None:
        """Those of (h, w) values that are `known` (h, w)."""
        kept = values.ravel() if known.all() else values[known]
        self._count += kept.size
        self._sum += float(kept.sum(dtype=np.float64))
        self._squares += float(np.square(kept, dtype=np.float64).sum())

    def moments(self) -> tuple[float | None, float | None]:
        """The mean and the variance; None if there are no values."""
        if not self._count:
            return None, None
        mean = self._sum / self._count
        return mean, max(0.0, self._squares / self._count - mean**2)


def grey_of(pixels: NDArray[Any], span: Span | None = None) -> NDArray[np.float32]:
    """(h, w, C) of any number type -> (h, w) float32: the mean over the bands, the span's ends at 0 and 1."""
    low, high = span or span_of_type(pixels.dtype)
    total = pixels[..., 0].astype(np.float32)
    for band in range(1, pixels.shape[2]):
        total += pixels[..., band].astype(np.float32, copy=False)
    total *= np.float32(1 / (pixels.shape[2] * (high - low)))
    total -= np.float32(low / (high - low))
    return total


def span_of_type(dtype: np.dtype[Any]) -> Span:
    """The span of a dtype: that of `SPANS`; of other whole numbers all that they hold, of others 0 to 1."""
    if dtype.name in SPANS:
        return SPANS[dtype.name]
    return (0.0, float(np.iinfo(dtype).max)) if dtype.kind in "iu" else (0.0, 1.0)


def laplacian(grey: NDArray[np.float32], known: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(h, w) -> (h - 2, w - 2): the sum of the four neighbours less four times the pixel, and where all five are known."""
    if min(grey.shape) < 3:
        return np.empty((0, 0), np.float32), np.empty((0, 0), np.bool_)
    out = grey[:-2, 1:-1] + grey[2:, 1:-1]
    out += grey[1:-1, :-2]
    out += grey[1:-1, 2:]
    out -= 4 * grey[1:-1, 1:-1]
    if known.all():
        return out, np.ones(out.shape, np.bool_)
    around = known[:-2, 1:-1] & known[2:, 1:-1] & known[1:-1, :-2] & known[1:-1, 2:]
    return out, around & known[1:-1, 1:-1]


def _plain(value: float | None) -> float | None:
    """To six digits: what a file says is the same on any machine. None for what a file cannot hold."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.6g}")
