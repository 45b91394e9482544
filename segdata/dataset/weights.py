"""Published class weights: one formula per scheme, for classes that have pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

Floats = NDArray[np.float64]


class Held(NamedTuple):
    """The counts of K classes, all of which have pixels.

    `pixels`, `images` and `where`, all (K,) int64: pixels of the class, images that hold it, and the labelled pixels of those
    images. `labelled`: the labelled pixels of all `samples`.
    """

    pixels: Ints
    images: Ints
    where: Ints
    labelled: int
    samples: int


def inverse(held: Held) -> Floats:
    """Inverse frequency, also called "balanced"."""
    return held.labelled / (len(held.pixels) * held.pixels)


def sqrt_inverse(held: Held) -> Floats:
    """The square root of `inverse`."""
    return np.sqrt(inverse(held))


def median_frequency(held: Held) -> Floats:
    """The median of all class frequencies, divided by the frequency of the class in the images that hold it."""
    frequency = held.pixels / held.where
    return np.asarray(np.median(frequency) / frequency)


def enet(held: Held) -> Floats:
    """The inverse logarithm of the share, between 1.4 and 50.5."""
    return np.asarray(1 / np.log(1.02 + held.pixels / held.labelled))


def effective_number(held: Held, occurrences: Ints | None = None, beta: float | None = None) -> Floats:
    """The inverse of the effective number of `occurrences` (K,) of the class.

    By default, occurrences are the images that hold the class, and `beta` is `default_beta`. With pixels as occurrences,
    beta^n is nearly 0 for every class, and all weights are nearly equal.
    """
    n = held.images if occurrences is None else occurrences
    beta = default_beta(held.samples) if beta is None else beta
    with np.errstate(divide="ignore"):  # for beta 0: ln 0 is -inf, and beta^n is 0, which is right
        return np.asarray((1 - beta) / -np.expm1(n * np.log(beta)))


def default_beta(samples: int) -> float:
    """(N - 1) / N for N images, from proposition 1 of the effective number's paper; 0 without images."""
    return 1 - 1 / max(samples, 1)


def uniform(held: Held) -> Floats:
    """1 for every class."""
    return np.ones(len(held.pixels))


@dataclass(frozen=True, slots=True)
class Scheme:
    """A published way to weight classes: `weigh` gets only classes that have pixels; K is their number."""

    weigh: Callable[[Held], Floats]
    formula: str
    source: str


SCHEMES: dict[str, Scheme] = {
    "inverse": Scheme(inverse, "labelled / (K * pixels)", "King & Zeng 2001, Logistic Regression in Rare Events Data"),
    "sqrt_inverse": Scheme(
        sqrt_inverse,
        "sqrt(labelled / (K * pixels))",
        "Mahajan et al. 2018, Exploring the Limits of Weakly Supervised Pretraining",
    ),
    "median_frequency": Scheme(
        median_frequency,
        "median(f) / f, f = pixels / labelled pixels of the images that hold the class",
        "Eigen & Fergus 2015, Predicting Depth, Surface Normals and Semantic Labels with a Common Multi-Scale "
        "Convolutional Architecture",
    ),
    "enet": Scheme(
        enet,
        "1 / ln(1.02 + pixels / labelled)",
        "Paszke et al. 2016, ENet: A Deep Neural Network Architecture for Real-Time Semantic Segmentation",
    ),
    "effective_number": Scheme(
        effective_number,
        "(1 - beta) / (1 - beta^n), n = images that hold the class (or --count), beta = 1 - 1 / images (or --beta)",
        "Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples",
    ),
    "uniform": Scheme(uniform, "1", "no weights"),
}
"""The schemes by name, with formula and source. `labelled`: all pixels except ignored ones."""
