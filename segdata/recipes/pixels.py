"""Pixels for a model: resized, scaled to 0..1, made of mean 0 and variance 1; and scores and masks back to the source's size.

Images are (H, W, C) uint8, uint16 or float32 of any number of bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segdata.errors import DataError, OptionError, Problem
from segdata.resize import Pixels

Span = tuple[float, float]
"""The values that are darkest and brightest, which become 0 and 1."""

SPANS: dict[str, Span] = {"uint8": (0.0, 255.0), "uint16": (0.0, 65535.0), "float32": (0.0, 1.0)}
"""The span of each dtype, if a recipe does not say another."""


def span_of(image: Pixels, span: Span | None = None) -> Span:
    """The span of an image's values. Raises `DataError` (`image.pixels`) for what is no image of a known dtype."""
    if image.ndim != 3 or image.dtype.name not in SPANS:
        message = f"pixels of shape {image.shape} and dtype {image.dtype}: must be (H, W, bands) {', '.join(SPANS)}"
        raise DataError(Problem("image.pixels", message))
    return span or SPANS[image.dtype.name]


def to_unit(image: Pixels, span: Span | None = None) -> NDArray[np.float32]:
    """(H, W, C) -> float32, with the span's ends at 0 and 1. Raises `DataError`."""
    low, high = span_of(image, span)
    if (low, high) == (0.0, 1.0):
        return image.astype(np.float32, copy=False)
    return np.multiply(np.subtract(image, np.float32(low), dtype=np.float32), np.float32(1 / (high - low)))


def from_unit(unit: NDArray[np.float32], dtype: np.dtype[Any], span: Span) -> Pixels:
    """Back from `to_unit`; integers are rounded, and held within their dtype."""
    low, high = span
    values = unit if span == (0.0, 1.0) else unit * np.float32(high - low) + np.float32(low)
    if dtype.kind == "f":
        return np.asarray(values, dtype)
    return np.rint(values).clip(0, np.iinfo(dtype).max).astype(dtype)


def standardise(
    image: Pixels, mean: Sequence[float] | None, std: Sequence[float] | None, span: Span | None = None
) -> NDArray[np.float32]:
    """(H, W, C) -> (C, H, W) float32: (x - mean) / std, x, mean and std in units of the span; NaN becomes the mean.

    `mean` and `std` have one value per band; None leaves x in 0..1. Raises `OptionError` if the bands are not as many.
    """
    low, high = span_of(image, span)
    bands = image.shape[2]
    if mean is None or std is None:
        mean, std = (0.0,) * bands, (1.0,) * bands
    if len(mean) != bands:
        raise OptionError(
            f"the recipe's mean and std are of {len(mean)} bands, the image has {bands}: use those of the dataset"
        )
    out = np.empty((bands, *image.shape[:2]), np.float32)
    for c in range(bands):
        scale = 1 / ((high - low) * std[c])
        np.multiply(image[:, :, c], np.float32(scale), out=out[c], dtype=np.float32)
        out[c] -= np.float32((low + mean[c] * (high - low)) * scale)
    if image.dtype.kind == "f":
        np.nan_to_num(out, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return out


@dataclass(frozen=True, slots=True)
class Moments:
    """What a mean and a standard deviation per band are made of; those of parts add up to those of the whole.

    `count`, `mean` and `square`, all (C,) float64: finite values, their mean, and the sum of squared distances from it.
    """

    count: NDArray[np.float64]
    mean: NDArray[np.float64]
    square: NDArray[np.float64]

    @classmethod
    def of(cls, image: Pixels, span: Span | None = None, known: NDArray[np.bool_] | None = None) -> Moments:
        """Of one image (H, W, C), in units of the span; of the pixels that are `known` (H, W). Raises `DataError`."""
        return cls.of_values(to_unit(image, span), known)

    @classmethod
    def of_values(cls, values: NDArray[np.floating[Any]], known: NDArray[np.bool_] | None = None) -> Moments:
        """Of (H, W, C) values as they are; of the pixels that are `known` (H, W), by default all."""
        flat = values.reshape(-1, values.shape[2]) if known is None else values[known]
        held = np.isfinite(flat)
        count = held.sum(axis=0, dtype=np.float64)
        mean = np.where(held, flat, 0).sum(axis=0, dtype=np.float64) / np.maximum(count, 1)
        square = (np.where(held, flat - mean, 0) ** 2).sum(axis=0, dtype=np.float64)
        return cls(count, mean, square)

    def __add__(self, other: Moments) -> Moments:
        """Those of both: Chan, Golub & LeVeque 1983, Algorithms for Computing the Sample Variance, eq. 2.1."""
        count = self.count + other.count
        apart = other.mean - self.mean
        part = other.count / np.maximum(count, 1)
        square = self.square + other.square + apart**2 * self.count * part
        return Moments(count, self.mean + apart * part, square)

    @property
    def std(self) -> NDArray[np.float64]:
        """(C,) float64: the standard deviation; 1 for a band that is all alike, which nothing could be divided by."""
        std = np.sqrt(self.square / np.maximum(self.count, 1))
        return np.where(std > 1e-6, std, 1.0)
