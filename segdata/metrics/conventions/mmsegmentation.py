"""MMSegmentation: means over what is not NaN; a pixel that is predicted as ignore is a miss.

`IoUMetric.total_area_to_metrics`; https://github.com/open-mmlab/mmsegmentation. For a single class, `torch.histc` from 0 to 0
counts all values, also a prediction of ignore: so it cannot be asked.
"""

from __future__ import annotations

import numpy as np

from segdata.metrics.confusion import mean
from segdata.metrics.conventions.counts import Counts, Library, Score


def pixels(counts: Counts) -> Score:
    """Hits / true pixels of all classes."""
    return float(counts.whole.pixel_accuracy)


def iou(counts: Counts) -> Score:
    """nanmean of hits / union."""
    return float(counts.whole.mean_iou)


def accuracy(counts: Counts) -> Score:
    """nanmean of hits / truth."""
    return float(counts.whole.mean_accuracy)


def dice(counts: Counts) -> Score:
    """nanmean of 2 hits / (truth + prediction)."""
    return float(counts.whole.mean_dice)


def f_score(counts: Counts) -> Score:
    """nanmean of F1 from precision and recall: a true class that is never predicted has no precision, and is left out."""
    precision, recall = counts.whole.precision, counts.whole.recall
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN there too
        return float(mean(np.asarray(2 * precision * recall / (precision + recall))))


LIBRARY = Library(
    "1.2",
    {"aAcc": pixels, "mIoU": iou, "mAcc": accuracy, "mDice": dice, "mFscore": f_score},
    lambda counts: counts.classes > 1 or not counts.confusion.rejected,
)
