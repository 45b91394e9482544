"""segmentation_models_pytorch: a class in neither truth nor prediction counts as 1.

`_get_stats_multiclass` and `_compute_metric`; https://github.com/qubvel-org/segmentation_models.pytorch. For a single class,
`torch.histc` from 0 to 0 counts every pixel as a hit: so it cannot be asked.
"""

from __future__ import annotations

import numpy as np

from segdata.metrics.confusion import Floats, ratio
from segdata.metrics.conventions.counts import Counts, Library, Score, binary_accuracy, micro_iou, unions


def micro(counts: Counts) -> Score:
    """Sum of hits / sum of unions. `_compute_metric` with "micro"."""
    return micro_iou(counts.whole)


def macro(counts: Counts) -> Score:
    """Mean IoU over all classes, a class in neither counts as 1. `_compute_metric` with "macro"."""
    return _mean_or_one(counts.whole.iou)


def micro_images(counts: Counts) -> Score:
    """Sum of hits / sum of unions of each image, averaged; 1 if all of an image is ignored. "micro-imagewise"."""
    each = counts.images
    return _mean_or_one(ratio(each.by_unit(each.tally.hits), each.by_unit(unions(each.tally))))


def macro_images(counts: Counts) -> Score:
    """IoU of every class in every image, averaged; 1 if it is in neither. "macro-imagewise"."""
    each = counts.images
    cells = each.units * each.classes
    return float(each.tally.iou.sum() + cells - len(each.unit)) / cells if cells else None


def _mean_or_one(scores: Floats) -> float:
    return float(np.where(np.isnan(scores), 1.0, scores).mean()) if scores.size else float("nan")


LIBRARY = Library(
    "0.6",
    {
        "iou_score micro": micro,
        "iou_score macro": macro,
        "iou_score micro-imagewise": micro_images,
        "iou_score macro-imagewise": macro_images,
        "accuracy micro": binary_accuracy,
    },
    lambda counts: counts.classes > 1,
)
