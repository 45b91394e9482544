"""clDice: whether lines of a class, such as roads or vessels, are found along all of their length, whatever their width.

Shit, Paetzold et al., "clDice - a Novel Topology-Preserving Loss Function for Tubular Structure Segmentation", 2021.
V are the pixels of a class, S is their skeleton, in the prediction (P) and in truth (L):

    topology precision   = |S_P and V_L| / |S_P|
    topology sensitivity = |S_L and V_P| / |S_L|
    clDice = 2 * topology precision * topology sensitivity / (topology precision + topology sensitivity)

The skeleton is that of scikit-image's `skeletonize`, as in the makers' own metric (https://github.com/jocpae/clDice,
cldice_metric/cldice.py): Zhang and Suen, "A Fast Parallel Algorithm for Thinning Digital Patterns", 1984, but for some corners.

Pixels that truth ignores are ignored in the prediction too before skeletons are formed: so one that is right in every labelled
pixel has 1. Pixels are summed over the set first, as for all other scores. A class without a skeleton in truth and in the
prediction has no score and is in no mean; with a skeleton in one of them alone it has 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from segdata.labels import Labels, Mask
from segdata.metrics.base import Case, ClassScore, Metric
from segdata.metrics.confusion import Floats, Ints, pair_counts, ratio
from segdata.words import briefly

FIRST, SECOND = 1, 2
"""The two turns of Zhang and Suen, which add up: 3 is both, 0 neither."""

OTHERWISE = {
    3: 1, 6: 1, 10: 3, 11: 1, 12: 1, 14: 1, 24: 2, 26: 2, 40: 3, 48: 0, 56: 2, 96: 2, 104: 2, 108: 2, 129: 0, 130: 3, 131: 1,
    134: 1, 160: 3, 161: 1, 176: 2, 192: 2, 194: 1, 198: 1, 224: 2,
}  # fmt: skip
"""In which turns scikit-image (0.26) takes a pixel away where Zhang and Suen decide otherwise, by its neighbours (`removable`):
corners of lines one pixel wide go, and fewer ends of lines two pixels wide."""


def measure(case: Case, *, cldice: bool = False) -> ClDice | None:
    """The skeletons of one image; None unless they are asked for.

    Args:
        cldice: Measure clDice too, for thin structures: whether skeletons lie inside the other side's pixels.
    """
    return ClDice.of(case.truth, case.pred, case.labels) if cldice else None


@dataclass(frozen=True, slots=True, eq=False)
class ClDice(Metric):
    """`counts` (K, 4) int64: pixels of the prediction's skeleton, those of them inside truth, pixels of truth's, and those inside
    the prediction."""

    __repr__ = briefly

    intervals: ClassVar[bool] = True
    counts: Ints

    @classmethod
    def of(cls, truth: Mask, pred: Mask, labels: Labels) -> ClDice:
        """Of (H, W) class ids and ignore, both of the labels' dtype."""
        pred = np.where(truth == labels.ignore, truth, pred)
        sides = [_inside(skeletons(one, labels.ignore), other, labels) for one, other in ((pred, truth), (truth, pred))]
        return cls(np.concatenate(sides, axis=1))

    def __add__(self, other: ClDice) -> ClDice:
        """The pixels of both."""
        return ClDice(self.counts + other.counts)

    @property
    def precision(self) -> Floats:
        """(K,) float64 topology precision; NaN for a class without a skeleton in the prediction."""
        return ratio(self.counts[:, 1], self.counts[:, 0])

    @property
    def sensitivity(self) -> Floats:
        """(K,) float64 topology sensitivity; NaN for a class without a skeleton in truth."""
        return ratio(self.counts[:, 3], self.counts[:, 2])

    @property
    def cldice(self) -> Floats:
        """(K,) float64; NaN for a class without a skeleton in truth and in the prediction, 0 if one of them has none."""
        precision, sensitivity = np.nan_to_num(self.precision), np.nan_to_num(self.sensitivity)
        both = np.maximum(precision + sensitivity, np.finfo(float).tiny)
        return np.where(self.counts[:, [0, 2]].any(axis=1), 2 * precision * sensitivity / both, np.nan)

    def by_class(self) -> Sequence[ClassScore]:
        """clDice, and the two scores that it is made of."""
        return [
            ClassScore("cldice", "clDice", self.cldice, absent="no skeleton in truth or prediction"),
            ClassScore(
                "topology_precision", "topology precision", self.precision, absent="no skeleton in the prediction"
            ),
            ClassScore("topology_sensitivity", "topology sensitivity", self.sensitivity, absent="no skeleton in truth"),
        ]


def skeletons(mask: Mask, ignore: int) -> Mask:
    """(H, W): the skeleton of each class of a mask; all other pixels are `ignore`."""
    from segdata.kernels.skeleton import thin

    if not mask.size:
        return mask.copy()
    padded = np.pad(mask, 1, constant_values=ignore)
    thin(padded, ignore, removable())
    return padded[1:-1, 1:-1]


@cache
def removable() -> NDArray[np.bool_]:
    """(2, 256): whether a pixel goes in the first and in the second turn, by which of its neighbours are of its class.

    The number is the sum of 1, 2, 4 ... 128 for upper left, up, upper right, right, lower right, down, lower left, left.
    """
    numbers = np.arange(256)
    _, up, _, right, _, down, _, left = near = (numbers[:, None] >> np.arange(8) & 1).T == 1
    begins = (~near & np.roll(near, -1, axis=0)).sum(axis=0)
    goes = (near.sum(axis=0) >= 2) & (near.sum(axis=0) <= 6) & (begins == 1)
    first = goes & ~(up & right & down) & ~(right & down & left)
    second = goes & ~(up & right & left) & ~(up & down & left)
    for number, turns in OTHERWISE.items():
        first[number], second[number] = turns & FIRST, turns & SECOND
    return np.stack([first, second])


def _inside(skeleton: Mask, other: Mask, labels: Labels) -> Ints:
    """(K, 2) int64: the pixels of the skeleton of each class, and those of the same class in the other mask."""
    lines, values, pixels = pair_counts(skeleton, other, labels).T
    out = np.zeros((len(labels.classes), 2), np.int64)
    for column, held in enumerate((lines != labels.ignore, (lines != labels.ignore) & (lines == values))):
        np.add.at(out[:, column], lines[held], pixels[held])
    return out
