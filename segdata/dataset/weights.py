"""Published class weights: a formula for each scheme, of classes that have pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

Floats = NDArray[np.float64]


class Held(NamedTuple):
    """What K classes with pixels have.

    `pixels`, `images` and `where`, all (K,) int64: pixels of the class, images that hold it, and the labelled pixels of those
    images. `labelled`: the labelled pixels of all `samples`.
    """

    pixels: Ints
    images: Ints
    where: Ints
    labelled: int
    samples: int


def inverse(held: Held) -> Floats:
    """Inverse frequency, "balanced"."""
    return held.labelled / (len(held.pixels) * held.pixels)


def sqrt_inverse(held: Held) -> Floats:
    """The square root of `inverse`."""
    return np.sqrt(inverse(held))


def median_frequency(held: Held) -> Floats:
    """By the frequency of a class in the images where it occurs."""
    frequency = held.pixels / held.where
    return np.asarray(np.median(frequency) / frequency)


def enet(held: Held) -> Floats:
    """Between 1.4 and 50.5."""
    return np.asarray(1 / np.log(1.02 + held.pixels / held.labelled))


def effective_number(held: Held, occurrences: Ints | None = None, beta: float | None = None) -> Floats:
    """By the `occurrences` (K,) of the class: unless given, the images that hold it; `beta` as `default_beta`.

    With pixels as occurrences, beta^n is next to 0 for every class, and the weights are all alike.
    """
    n = held.images if occurrences is None else occurrences
    beta = default_beta(held.samples) if beta is None else beta
    with np.errstate(divide="ignore"):  # ln 0 is -inf, and beta^n then 0, as it should be
        return np.asarray((1 - beta) / -np.expm1(n * np.log(beta)))


def default_beta(samples: int) -> float:
    """(N - 1) / N of N images, the effective number's proposition 1; 0 without images."""
    return 1 - 1 / max(samples, 1)


def uniform(held: Held) -> Floats:
    """1 for every class."""
    return np.ones(len(held.pixels))


@dataclass(frozen=True, slots=True)
class Scheme:
    """A published way to weigh classes: `weigh` is asked only for classes that have pixels, and K is their number."""

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
"""The weights by name, with formula and source. `labelled`: all pixels but void."""
