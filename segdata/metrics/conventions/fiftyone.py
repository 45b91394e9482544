"""FiftyOne's `evaluate_segmentations`, with `mask_targets` for all classes: the first class is no class, as its value is 0.

`fiftyone.utils.eval.segmentation`, and `BaseClassificationResults` in `base` beside it; https://github.com/voxel51/fiftyone.
Pixels without a mask target are left out: also those that are predicted as ignore. Without `mask_targets`, ignore would be a
class.
"""

from __future__ import annotations

import numpy as np

from segdata.metrics.confusion import Tally, ratio
from segdata.metrics.conventions.counts import Counts, Library, Score, or_zero


def accuracy(counts: Counts) -> Score:
    """Hits / pixels, without those that are of the first class in both. `_compute_accuracy`."""
    tally = counts.answered
    return or_zero(ratio(tally.hits[1:].sum(), tally.truth.sum() - tally.hits[:1].sum()))


def precision(counts: Counts) -> Score:
    """Sum of hits / sum of predicted pixels, the first class left out. `_precision_recall_fscore` with "micro"."""
    tally = _after_first(counts)
    return or_zero(ratio(tally.hits.sum(), tally.pred.sum()))


def recall(counts: Counts) -> Score:
    """Sum of hits / sum of true pixels, the first class left out. `_precision_recall_fscore` with "micro"."""
    tally = _after_first(counts)
    return or_zero(ratio(tally.hits.sum(), tally.truth.sum()))


def f_score(counts: Counts) -> Score:
    """2 hits / (truth + prediction), each summed over all classes but the first. `_precision_recall_fscore` with "micro"."""
    tally = _after_first(counts)
    return or_zero(ratio(2 * tally.hits.sum(), (tally.truth + tally.pred).sum()))


def macro_f(counts: Counts) -> Score:
    """Mean Dice of all classes but the first; one in neither truth nor prediction counts as 0. `report`."""
    dice = np.nan_to_num(_after_first(counts).dice)
    return or_zero(ratio(dice.sum(), np.asarray(dice.size)))


def dice(counts: Counts) -> Score:
    """Hits / pixels of all classes, which is what its Dice comes to. `_compute_dice_score`."""
    return float(counts.answered.pixel_accuracy)


def _after_first(counts: Counts) -> Tally:
    return counts.answered.keep(range(1, counts.classes))


LIBRARY = Library(
    "1.22",
    {
        "accuracy": accuracy,
        "precision": precision,
        "recall": recall,
        "fscore": f_score,
        "macro avg f1-score": macro_f,
        "dice_score": dice,
    },
)
