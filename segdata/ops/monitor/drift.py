"""Whether two sets of images differ, by permutations: a family of tests whose false-alarm rate as a whole is what is asked.

If nothing has drifted, it makes no difference which units (images, or groups of them) are called new. So old and new are shuffled
many times, and each statistic is measured each time. What has drifted is as large in few of these as it truly is.

- A number of each image, such as its brightness: the Cramer-von Mises criterion of two samples, which sees any change of its
  distribution and nothing of its unit (Anderson, "On the distribution of the two-sample Cramer-von Mises criterion", 1962,
  equation 2). Images without the number, such as the confidence of a class that they lack, are left out.
- Embeddings: the energy distance (Szekely and Rizzo, "Testing for equal distributions in high dimension", InterStat 2004).
- Several statistics of one aspect, such as those of all classes: the largest, each less its mean and over its standard deviation
  over the permutations; over aspects, the least p. Both are measured in the same permutations, so the rate is kept whatever
  depends on what (Westfall and Young, "Resampling-Based Multiple Testing", 1993: max T and min P, in a single step).

All this takes for granted that units are as large on either side. If they are not, images of the larger ones are left out first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Sides = NDArray[np.bool_]
"""(P, N): which images are called new; the first row has the true names."""

CHUNK = 256
"""So many permutations are measured at a time."""

DIGITS = 9
"""Statistics that agree in so many decimals of a standard deviation are equal: sums of the same numbers in another order are."""


@dataclass(frozen=True, slots=True)
class Tested:
    """An aspect: `p`, corrected for all aspects, and the same of each of its `parts`."""

    p: float
    parts: Sequence[float]


def evened(units: Sequence[str], new: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """(N,) which images to keep so that the units of both sides are as large: a large one says more than a small one does.

    Units are compared by their rank in size, the largest of one side with the largest of the other. Images are drawn by chance.
    """
    names, at, sizes = np.unique(np.array(units), return_inverse=True, return_counts=True)
    called = np.zeros(len(names), np.bool_)
    called[at[new]] = True
    ranked = [
        np.flatnonzero(called == side)[np.argsort(sizes[called == side], kind="stable")] for side in (False, True)
    ]
    most = sizes.copy()
    for mine, others in (ranked, ranked[::-1]):
        rank = (2 * np.arange(len(mine)) + 1) * len(others) // (2 * len(mine))
        most[mine] = np.minimum(sizes[mine], sizes[others[rank]])
    drawn = np.random.default_rng(seed).permutation(len(units))
    order = drawn[np.argsort(at[drawn], kind="stable")]
    keep = np.zeros(len(units), np.bool_)
    keep[order] = np.arange(len(units)) - np.repeat(np.cumsum(sizes) - sizes, sizes) < np.repeat(most, sizes)
    return keep


def deal(units: Sequence[str], new: NDArray[np.bool_], count: int, seed: int) -> Sides:
    """(1 + count, N) the true names (N,), and others: as many units are called new as are, each with all its images."""
    names, at = np.unique(np.array(units), return_inverse=True)
    called = np.zeros(len(names), np.bool_)
    called[at[new]] = True
    rng = np.random.default_rng(seed)
    dealt = [called, *(rng.permutation(called) for _ in range(count))]
    return np.stack([one[at] for one in dealt])


def least_p(old: int, new: int, count: int) -> float:
    """The least p that a test of so many units on either side can give, with so many permutations."""
    ways = comb(old + new, new)
    return max(1 / (count + 1), (2 if old == new else 1) / ways)


def cramer_von_mises(values: Floats, sides: Sides) -> Floats:
    """(N,) -> (P,): the criterion in each permutation; 0 if a side has no value. NaN is no value."""
    known = np.isfinite(values)
    order = np.flatnonzero(known)[np.argsort(values[known], kind="stable")]
    if not len(order):
        return np.zeros(len(sides))
    ranked = values[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # equal values step together
    counts = np.diff(ends, prepend=-1)
    return np.concatenate([_criterion(sides[i : i + CHUNK, order], ends, counts) for i in range(0, len(sides), CHUNK)])


def _criterion(sides: Sides, ends: NDArray[np.int64], counts: NDArray[np.int64]) -> Floats:
    above = np.cumsum(sides, axis=1, dtype=np.int32)[:, ends]
    total, new = sides.shape[1], above[:, -1].astype(np.float64)
    old = total - new
    held = np.maximum(old * new, 1)
    # F - G = a / new - (e - a) / old = (a * total - e * new) / (old * new), with e values up to the end, a of them new
    apart = above * float(total) - new[:, None] * (ends + 1)
    squares = np.square(apart, out=apart) @ counts.astype(np.float64)
    return np.asarray(np.where(old * new > 0, squares / held / total**2, 0.0), np.float64)


def energy(apart: Floats, sides: Sides) -> Floats:
    """(N, N) `distances` -> (P,): the energy distance in each permutation; 0 if a side is empty."""
    whole = apart.sum(axis=1)
    found = np.zeros(len(sides))
    for i in range(0, len(sides), CHUNK):
        side = sides[i : i + CHUNK].astype(np.float64)
        new = side.sum(axis=1)
        old = side.shape[1] - new
        within = np.einsum("pn,pn->p", side @ apart, side)
        from_new = side @ whole
        across, others = from_new - within, whole.sum() - 2 * from_new + within
        n, m = np.maximum(new, 1), np.maximum(old, 1)
        value = n * m / (n + m) * (2 * across / (n * m) - within / n**2 - others / m**2)
        found[i : i + CHUNK] = np.where(new * old > 0, value, 0.0)
    return found


def inhomogeneity(apart: Floats, new: NDArray[np.bool_]) -> float | None:
    """How far two sides (N,) lie apart, 0 to 1, for (N, N) `distances`: 1 less the mean distance of two images of one side (the
    mean of both sides') over that of two of different sides. None if all distances between sides are 0, or no side has two.

    (Szekely and Rizzo, "Energy statistics", 2013: the coefficient H; but no image is paired with itself, which would make few
    images lie apart that do not.)
    """
    across = float(apart[np.ix_(new, ~new)].mean())
    counts = [(side, int(side.sum())) for side in (new, ~new)]
    within = [float(apart[np.ix_(side, side)].sum()) / (n * (n - 1)) for side, n in counts if n > 1]
    return max(0.0, 1 - sum(within) / len(within) / across) if across > 0 and within else None


def distances(vectors: NDArray[np.float32]) -> Floats:
    """(N, D) -> (N, N) Euclidean."""
    values = vectors.astype(np.float64)
    squares = np.square(values).sum(axis=1)
    apart: Floats = np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * values @ values.T, 0))
    np.fill_diagonal(apart, 0)
    return apart


def corrected(aspects: Mapping[str, Sequence[Floats]]) -> dict[str, Tested]:
    """The p of aspects, each with one or more statistics (P,), of which the first place has the true names."""
    standard = {name: np.stack([_standard(one) for one in each]) for name, each in aspects.items() if len(each)}
    if not standard:
        return {}
    largest = {name: each.max(axis=0) for name, each in standard.items()}
    alone = {name: p_values(one, one) for name, one in largest.items()}
    least = np.min(np.stack(list(alone.values())), axis=0)

    def family(p: Floats) -> list[float]:
        return [float(np.mean(least <= one)) for one in p]

    return {
        name: Tested(family(alone[name][:1])[0], family(p_values(each[:, 0], largest[name])))
        for name, each in standard.items()
    }


def p_values(values: Floats, dealt: Floats) -> Floats:
    """(V,): in which part of the permutations, the true names among them, a statistic (P,) is as large as each value."""
    return 1 - np.searchsorted(np.sort(dealt), values, side="left") / len(dealt)


def _standard(values: Floats) -> Floats:
    spread = values.std()
    if spread <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return np.zeros(len(values))
    standard: Floats = np.round((values - values.mean()) / spread, DIGITS)
    return standard
