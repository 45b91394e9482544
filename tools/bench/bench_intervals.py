"""How often intervals contain the truth: those of `segdata evaluate` and four ways to draw, on simulated predictions.

    python tools/bench/bench_intervals.py [coverage | compare | distances | all] [--quick] [--record]

Images are drawn from populations whose IoU is known: each is a sum over 400,000 images. One population is a model and its images:
how large classes are, how often they occur, how hard an image is. Pixels are counts; none is drawn. Seeds are fixed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from measure import QUICK, Sizes
from results import Target, measure_tables, table
from segdata.metrics.intervals import FEWEST, Columns, metric_spreads, spread
from segdata.metrics.surface import Surface

Floats = NDArray[np.float64]

DRAWS, LEVEL, NORMAL = 400, 0.95, 1.959964


@dataclass(frozen=True, slots=True)
class Population:
    """K classes: how often an image has each, `easy` the log-odds of a pixel's being hit; and what makes images differ.

    `hard`: how much an image's difficulty moves all its classes together, of Student's t with `tail` degrees of freedom (0: the
    normal distribution); `own`: how much each class has of its own; `size`: how much sizes vary, as a logarithm; `far`: the part
    of wrong pixels that are given to classes that the image may not have.
    """

    present: Floats
    easy: Floats
    hard: float
    own: float
    size: float
    tail: int = 0
    far: float = 0.1

    def sample(self, count: int, images: int, rng: np.random.Generator, sides: int = 1) -> list[Counts]:
        """`count` sets of `images`, as one model sees them, or two equally good ones whose errors go together."""
        shape, classes = (count, images), len(self.present)
        hard = rng.standard_t(self.tail, shape) if self.tail else rng.standard_normal(shape)
        sizes = np.exp(self.size * rng.standard_normal((*shape, classes))) * np.geomspace(1, 0.1, classes)
        sizes *= rng.random((*shape, classes)) < self.present
        truth = sizes / np.maximum(sizes.sum(-1, keepdims=True), 1e-9)
        shared = rng.standard_normal((*shape, classes))
        found = []
        for _ in range(sides):
            own = (shared + rng.standard_normal(shared.shape)) / np.sqrt(2) if sides > 1 else shared
            moved = hard + (0.5 * rng.standard_normal(shape) if sides > 1 else 0)
            hits = truth / (1 + np.exp(-(self.easy + self.hard * moved[..., None] + self.own * own)))
            missed = (truth - hits).sum(-1, keepdims=True)
            anywhere = rng.dirichlet(np.full(classes, 0.1), shape)
            found.append(Counts(hits, truth, hits + missed * ((1 - self.far) * truth + self.far * anywhere)))
        return found


@dataclass(frozen=True, slots=True)
class Counts:
    """Parts of each image's pixels, (S, U, K): of S sets of U images."""

    hits: Floats
    truth: Floats
    pred: Floats

    @property
    def union(self) -> Floats:
        """(S, U, K)."""
        return self.truth + self.pred - self.hits

    def columns(self, number: int) -> Columns:
        """One of the sets, in whole pixels of images of 1,000,000."""
        parts = np.stack([self.hits[number], self.truth[number], self.pred[number]], axis=1)
        return Columns.from_counts(np.rint(1e6 * parts).astype(np.int64))


POPULATIONS = {
    "5 classes in each image": Population(np.ones(5), np.linspace(1, 3, 5), 0.8, 0.5, 0.5),
    "two classes, some images fail": Population(np.ones(2), np.array([3.0, 2.0]), 1.2, 0.4, 0.8, tail=4),
    "heavy tails, 8 classes": Population(np.linspace(1, 0.5, 8), np.linspace(0.5, 3, 8), 0.8, 0.7, 1.0, tail=3),
    "errors of all classes go together": Population(np.full(6, 0.8), np.linspace(0.5, 2.5, 6), 1.5, 0.2, 0.7),
    "12 classes, rare to common": Population(np.geomspace(1, 0.06, 12), np.linspace(3, 0, 12), 0.6, 1.0, 1.0),
    "one rare class, never predicted elsewhere": Population(
        np.array([1, 1, 0.9, 0.05]), np.array([3, 2.5, 2.5, 0]), 0.6, 1.0, 0.5, far=0.0
    ),
    "21 classes, two in an image": Population(
        np.array([1.0, *[0.08] * 20]), np.array([3.0, *np.linspace(0, 2.5, 20)]), 0.6, 1.0, 0.8, tail=4
    ),
}

WAYS = (
    "percentile, as before",
    "percentile, classes kept",
    "BCa, classes kept",
    "bootstrap-t, classes kept",
    "segdata",
)


def true_iou(population: Population) -> Floats:
    """(K,): of 400,000 images."""
    rng = np.random.default_rng(99)
    hits = union = np.zeros(len(population.present))
    for _ in range(20):
        (part,) = population.sample(1, 20_000, rng)
        hits, union = hits + part.hits.sum((0, 1)), union + part.union.sum((0, 1))
    return np.asarray(hits / union)


def weights_of(truth: Floats, rng: np.random.Generator, keep: bool) -> Floats:
    """(B, U) how often each draw takes each image. `keep`: drawn anew while a class of three images or more is missing."""
    units = len(truth)
    out = rng.multinomial(units, np.full(units, 1 / units), DRAWS).astype(float)
    held = truth[:, (truth > 0).sum(0) >= FEWEST] > 0
    for _ in range(200 if keep else 0):
        lacking = np.flatnonzero(((out @ held) == 0).any(1))
        if not len(lacking):
            break
        out[lacking] = rng.multinomial(units, np.full(units, 1 / units), len(lacking))
    return out


def drawn(counts: Counts, number: int, weights: Floats, fixed: bool) -> tuple[Floats, Floats]:
    """(B,) the mean IoU of each draw, and its standard error (delta method). `fixed`: a class that a draw lacks keeps its IoU."""
    hits, union = counts.hits[number], counts.union[number]
    whole = hits.sum(0) / np.where(union.sum(0) > 0, union.sum(0), np.nan)
    h, u = weights @ hits, weights @ union
    iou = h / np.where(u > 0, u, np.nan)
    if fixed:
        iou = np.where(np.isnan(iou), whole, iou)
    score = np.nanmean(iou, axis=1)
    parts = hits[None] - np.nan_to_num(iou)[:, None] * union[None]  # (B, U, K)
    each = np.nansum(parts / np.where(u > 0, u, np.nan)[:, None], axis=2) / (~np.isnan(whole)).sum()
    units = len(hits)
    return score, np.sqrt((weights * each**2).sum(1) * units / (units - 1))


def changes(counts: Counts, number: int) -> Floats:
    """(U,) the mean IoU less that without each image; a class that is gone keeps its IoU."""
    hits, union = counts.hits[number], counts.union[number]
    whole = hits.sum(0) / np.where(union.sum(0) > 0, union.sum(0), np.nan)
    left = union.sum(0) - union
    without = (hits.sum(0) - hits) / np.where(left > 1e-12, left, np.nan)
    return np.asarray(np.nanmean(whole - np.where(np.isnan(without), whole, without), axis=1))


def bca(scores: Floats, value: float, change: Floats) -> tuple[float, float]:
    """Efron and Tibshirani, 1993, equations 14.9 to 14.15."""
    normal = NormalDist()
    below = normal.inv_cdf(min(max(float((scores < value).mean()), 1 / DRAWS), 1 - 1 / DRAWS))
    bent = float((change**3).sum() / max(6 * float((change**2).sum()) ** 1.5, 1e-12))
    shares = [normal.cdf(below + (below + z) / (1 - bent * (below + z))) for z in (-NORMAL, NORMAL)]
    low, high = np.quantile(scores, np.clip(shares, 0, 1))
    return float(low), float(high)


def intervals(counts: Counts, number: int, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
    """The interval of the mean IoU of one set, by each of `WAYS`."""
    free, kept = (weights_of(counts.truth[number], rng, keep) for keep in (False, True))
    tails = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    low, high = np.quantile(drawn(counts, number, free, fixed=False)[0], tails)
    yield float(low), float(high)
    scores, errors = drawn(counts, number, kept, fixed=True)
    value, error = (float(one[0]) for one in drawn(counts, number, np.ones((1, kept.shape[1])), fixed=True))
    low, high = np.quantile(scores, tails)
    yield float(low), float(high)
    yield bca(scores, value, changes(counts, number))
    studentised = (scores - value) / np.where(errors > 0, errors, np.inf)
    low, high = value - error * np.quantile(studentised, tails[::-1])
    yield float(low), float(high)
    low, high = spread(counts.columns(number), "mean_iou").interval()[:, 0]
    yield float(low), float(high)


def coverage(sizes: Sizes) -> list[str]:
    """The part of sets whose interval contains the true mean IoU of the classes that they have, and its length."""
    rows, worst = [], 1.0
    for name, population in POPULATIONS.items():
        iou = true_iou(population)
        for images in (5, 10, 20, 50):
            count = 20 if sizes == QUICK else 1000 if images < 50 else 500
            rng = np.random.default_rng(images)
            (counts,) = population.sample(count, images, rng)
            inside, lengths = np.zeros(len(WAYS)), np.zeros(len(WAYS))
            classes: list[bool] = []
            for number in range(count):
                seen, known = (part[number].sum(0) > 0 for part in (counts.union, counts.truth))
                target = np.where(known, iou, 0)[seen].mean()
                for way, (low, high) in enumerate(intervals(counts, number, rng)):
                    inside[way] += low <= target <= high
                    lengths[way] += high - low
                low, high = spread(counts.columns(number), "iou").interval()
                classes += [bool(a <= t <= b) for a, b, t in zip(low, high, iou, strict=True) if not np.isnan(a)]
            if images >= 10:
                worst = min(worst, inside[-1] / count)
            cells = [f"{100 * i / count:.0f} ({100 * n / count:.0f})" for i, n in zip(inside, lengths, strict=True)]
            rows.append([name, str(images), *cells, f"{100 * np.mean(classes):.0f}"])
    return [
        "In per cent: how often the 95 % interval of the mean IoU contains the population's, over 1,000 sets (500 of 50 images), "
        f"and in brackets its mean length in points. {DRAWS} draws each. As before: a draw without a class leaves it out of its "
        "mean. Classes kept: draws without a class that three images or more have are drawn again, and what is still gone keeps "
        "its IoU. A class that is only predicted counts as 0, in the population's mean too. The last column is segdata's "
        "interval of the IoU of a class, over all that have one.",
        "",
        *table(f"population | images | {' | '.join(WAYS)} | segdata, classes", rows),
        "",
        str(Target("the least coverage of segdata from 10 images on", 100 * worst, 90, unit=" %")),
    ]


def compare(sizes: Sizes) -> list[str]:
    """How often two models that are equally good are told apart by the paired interval of their difference."""
    rows, worst = [], 0.0
    for name, population in POPULATIONS.items():
        for images in (5, 10, 20, 50):
            count = 20 if sizes == QUICK else 2000 if images < 50 else 1000
            rng = np.random.default_rng(images)
            sides = population.sample(count, images, rng, sides=2)
            apart, lengths = np.zeros(2), np.zeros(2)
            for number in range(count):
                weights = weights_of(sides[0].truth[number], rng, keep=False)
                one, two = (drawn(side, number, weights, fixed=False)[0] for side in sides)
                first, second = (spread(side.columns(number), "mean_iou", paired=True) for side in sides)
                both = np.quantile(one - two, ((1 - LEVEL) / 2, (1 + LEVEL) / 2)), (first - second).interval()[:, 0]
                for way, (low, high) in enumerate(both):
                    apart[way] += not low <= 0 <= high
                    lengths[way] += high - low
            worst = max(worst, apart[1] / count)
            cells = [f"{100 * a / count:.1f} ({100 * n / count:.0f})" for a, n in zip(apart, lengths, strict=True)]
            rows.append([name, str(images), *cells])
    return [
        "In per cent: how often the 95 % interval of the difference in mean IoU excludes 0, over 2,000 sets (1,000 of 50 "
        "images), and in brackets its mean length in points. Both models are equally good, and their errors go together. 5 would "
        "be right.",
        "",
        *table("population | images | percentile, as before | segdata", rows),
        "",
        str(Target("the most of segdata", 100 * worst, 8, at_most=True, unit=" %")),
    ]


DISTANCES: dict[str, tuple[Callable[[np.random.Generator, tuple[int, int]], Floats], float]] = {
    "much alike (log-normal, 0.5)": (lambda rng, shape: rng.lognormal(0, 0.5, shape), float(np.exp(1 / 8))),
    "exponential": (lambda rng, shape: rng.exponential(1, shape), 1.0),
    "some far (log-normal, 1)": (lambda rng, shape: rng.lognormal(0, 1, shape), float(np.exp(1 / 2))),
}
"""How the distances of images are spread, and their true mean."""


def distances(sizes: Sizes) -> list[str]:
    """The part of sets whose interval contains the true mean distance: segdata's, and the same without the logarithm."""
    rows = []
    for name, (draw, mean) in DISTANCES.items():
        for images in (5, 10, 20, 50):
            count = 20 if sizes == QUICK else 1000
            found = draw(np.random.default_rng(images), (count, images))
            inside, lengths = np.zeros(2), np.zeros(2)
            for values in found:
                for way, (low, high) in enumerate(distance_intervals(values)):
                    inside[way] += low <= mean <= high
                    lengths[way] += high - low
            cells = [f"{100 * i / count:.0f} ({n / count / mean:.2f})" for i, n in zip(inside, lengths, strict=True)]
            rows.append([name, str(images), *cells])
    return [
        "In per cent: how often the 95 % interval of a distance that is a mean over images, such as Hausdorff 95, contains the "
        "true mean, over 1,000 sets, and in brackets its mean length as a part of the true mean.",
        "",
        *table("distances of images | images | segdata | as a difference", rows),
    ]


def distance_intervals(values: Floats) -> Iterator[Floats]:
    """Both intervals of the mean of (U,) distances, one of each image."""
    units = len(values)
    zero = Surface(np.zeros((1, 7)), 1.0, "px", ("class",))
    parts = [replace(zero, sums=np.array([[1, 1, 1, value, value, 0, 0]])) for value in values]
    columns = Columns.from_counts(np.ones((units, 3, 1), np.int64))
    spreads = metric_spreads(parts, zero, columns)
    found = next(
        classes for score, (classes, _) in zip(zero.by_class(), spreads, strict=True) if score.unit is not None
    )
    yield found.interval()[:, 0]
    yield replace(found, scale="difference").interval()[:, 0]


Tables = dict[str, tuple[str, Callable[[Sizes], list[str]]]]

TABLES: Tables = {
    "coverage": ("Coverage of intervals", coverage),
    "compare": ("Two equal models told apart", compare),
    "distances": ("Coverage of intervals of distances", distances),
}

if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)
    measure_tables(__doc__, TABLES, peers=False)
