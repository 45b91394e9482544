"""torchmetrics: a class in neither truth nor prediction is left out, and a prediction of no class is refused.

https://github.com/Lightning-AI/torchmetrics
"""

from __future__ import annotations

import numpy as np

from segdata.metrics.confusion import mean, ratio
from segdata.metrics.conventions.counts import Counts, Library, Score, micro_iou, or_zero


def takes(counts: Counts) -> bool:
    """Whether its metrics of several classes answer: they raise for a single class, and for pixels predicted as ignore."""
    return counts.classes > 1 and not counts.confusion.rejected


def macro(counts: Counts) -> Score:
    """Mean IoU of the classes in truth or prediction. `_jaccard_index_reduce`."""
    return float(counts.whole.mean_iou) if takes(counts) else None


def micro(counts: Counts) -> Score:
    """Sum of hits / sum of unions, 0 of nothing. `_jaccard_index_reduce`."""
    return or_zero(micro_iou(counts.whole)) if takes(counts) else None


def weighted(counts: Counts) -> Score:
    """IoU weighted with true pixels. `_jaccard_index_reduce`."""
    return float(counts.whole.frequency_weighted_iou) if takes(counts) else None


def accuracy(counts: Counts) -> Score:
    """Mean recall of the classes in either, 0 for one that is only predicted, 0 of nothing. `_accuracy_reduce`."""
    whole = counts.whole
    recall = np.where(whole.truth > 0, ratio(whole.hits, whole.truth), np.where(whole.pred > 0, 0.0, np.nan))
    return or_zero(mean(recall)) if takes(counts) else None


def images(counts: Counts) -> Score:
    """IoU of each class in each image, averaged over those that have the class in truth or prediction.

    `segmentation.MeanIoU`, which knows no ignored pixels: it takes one-hot masks.
    """
    return None if counts.ignored or counts.confusion.rejected else float(mean(counts.images.tally.iou))


LIBRARY = Library(
    "1.9",
    {
        "JaccardIndex macro": macro,
        "JaccardIndex micro": micro,
        "JaccardIndex weighted": weighted,
        "Accuracy macro": accuracy,
        "segmentation.MeanIoU": images,
    },
)
