"""MONAI: a score of each image, averaged; a class counts in the images that have it in truth, and nowhere else.

`compute_iou`, `DiceHelper.compute_channel` and `get_confusion_matrix`, each with `do_metric_reduction` "mean", and an
`ignore_index` that is no class; https://github.com/Project-MONAI/MONAI. Masks are one-hot there, and an ignored pixel is 0 in
all channels. A single channel would be taken for a label map, and its ignored pixels for labelled ones: so it cannot be asked.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from segdata.metrics.confusion import Floats, mean, ratio
from segdata.metrics.conventions.counts import Counts, Library, Score, binary_accuracy, or_zero


def iou(counts: Counts, first: int = 0) -> Score:
    """The mean over images of their mean IoU over the classes in truth. `MeanIoU`."""
    return _mean_of_images(counts, counts.images.tally.iou, first)


def dice(counts: Counts, first: int = 0) -> Score:
    """The mean over images of their mean Dice over the classes in truth. `DiceMetric`."""
    return _mean_of_images(counts, counts.images.tally.dice, first)


def sensitivity(counts: Counts) -> Score:
    """Sum of hits / sum of true pixels: without `compute_sample`, counts are averaged first."""
    return float(counts.whole.pixel_accuracy)


def precision(counts: Counts) -> Score:
    """Sum of hits / sum of predicted pixels."""
    return float(ratio(counts.whole.hits.sum(), counts.whole.pred.sum()))


def f_score(counts: Counts) -> Score:
    """2 hits / (truth + prediction), each summed over classes."""
    whole = counts.whole
    return float(ratio(2 * whole.hits.sum(), (whole.truth + whole.pred).sum()))


def _mean_of_images(counts: Counts, scores: Floats, first: int) -> Score:
    """Of (M,) `scores`, as the entries of `counts.images`: those of class `first` and later; 0 if no image has one."""
    each = counts.images
    if not each.units:
        return None
    held = (each.tally.truth > 0) & (each.class_id >= min(first, each.classes - 1))
    return or_zero(mean(ratio(each.by_unit(np.where(held, scores, 0)), each.by_unit(held))))


def takes(counts: Counts) -> bool:
    """Whether ignored pixels, if there are any, can be told from others."""
    return counts.classes > 1 or not counts.ignored


LIBRARY = Library(
    "1.6",
    {
        "MeanIoU": iou,
        "MeanIoU include_background=False": partial(iou, first=1),
        "DiceMetric": dice,
        "DiceMetric include_background=False": partial(dice, first=1),
        "ConfusionMatrixMetric sensitivity": sensitivity,
        "ConfusionMatrixMetric precision": precision,
        "ConfusionMatrixMetric f1 score": f_score,
        "ConfusionMatrixMetric accuracy": binary_accuracy,
    },
    takes,
)
