"""Student's t distribution, for whole degrees of freedom.

Abramowitz and Stegun, "Handbook of Mathematical Functions", 1964: 26.7.3 and 26.7.4 (the distribution, exact), 26.7.5 (its
quantiles from those of the normal distribution, for many degrees of freedom).
"""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

MANY = 200
"""Beyond so many degrees of freedom the first terms of 26.7.5 are exact to 9 digits."""


def t_below(t: float, freedom: int) -> float:
    """The probability, 0 to 1, that a variable with so many degrees of freedom (1 or more) is below `t`."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, odd = math.cos(angle), freedom % 2
    term, total = cosine if odd else 1.0, 0.0
    for i in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cosine * cosine * (i - 1) / i
    between = math.sin(angle) * total  # -t and t, as a probability with the sign of t
    if odd:
        between = 2 / math.pi * (angle + between)
    return (1 + between) / 2


@cache
def t_quantile(share: float, freedom: int) -> float:
    """The t that `share`, above 0 and below 1, of a variable with so many degrees of freedom (1 or more) lies below."""
    z: float = NormalDist().inv_cdf(share)
    if freedom > MANY:
        terms = ((z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384)
        return z + math.fsum(term / float(freedom) ** power for power, term in enumerate(terms, 1))
    low, high = -1.0, 1.0
    while t_below(low, freedom) > share:
        low *= 2
    while t_below(high, freedom) < share:
        high *= 2
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if t_below(middle, freedom) < share else (low, middle)
    return middle
