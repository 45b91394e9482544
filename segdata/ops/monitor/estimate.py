"""How many pixels are right, estimated without labels.

Average thresholded confidence (Garg, Balakrishnan, Lipton, Neyshabur and Sedghi, "Leveraging Unlabeled Data to Predict
Out-of-Distribution Performance", ICLR 2022, with the largest probability as the score): on images with labels find the confidence
below which as many pixels lie as are wrong; of new images, the part of the pixels that are at least as sure is the estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segdata.ops.monitor.drift import Floats


@dataclass(frozen=True, slots=True)
class Estimate:
    """Shares of the pixels, each None if nothing tells it.

    `measured`: what is right in the labelled images of the reference. `confidence`: the mean confidence in the new images, what a
    calibrated model is right in; `before` that of the reference. `atc`: the estimate of Garg et al.
    """

    measured: float | None
    before: float | None
    confidence: float | None
    atc: float | None


def thresholded(judged: Floats, right: Floats, new: Floats) -> float | None:
    """The estimate for new pixels (B,), by confidence, from labelled ones (B,), of which some are right (B,).

    The threshold may lie within a bin, whose pixels are taken to lie evenly. None without pixels.
    """
    total = judged.sum()
    if not total or not new.sum():
        return None
    wrong = total - right.sum()
    below = np.cumsum(judged)
    at = min(int(np.searchsorted(below, wrong, side="left")), len(judged) - 1)
    before = below[at] - judged[at]
    within = (wrong - before) / judged[at] if judged[at] else 0.0
    unsure = new[:at].sum() + within * new[at]
    return float(1 - unsure / new.sum())


def share_of(part: float, whole: float) -> float | None:
    """None of nothing."""
    return float(part / whole) if whole else None
