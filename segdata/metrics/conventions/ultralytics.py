"""Ultralytics' validation of semantic segmentation: a pixel that is predicted as ignore is no miss, it is left out.

`SemanticMetrics.update_stats` and `process` in `ultralytics.utils.metrics`; https://github.com/ultralytics/ultralytics. It
counts at the size that its model takes. A single class is 1 there, beside a background that is 0 and has no name: so it cannot
be asked. Its masks are of 8 bits, and 255 is ignored.
"""

from __future__ import annotations

import numpy as np

from segdata.metrics.confusion import mean
from segdata.metrics.conventions.counts import Counts, Library, Score, or_zero


def mean_iou(counts: Counts) -> Score:
    """Mean IoU of the classes in truth, 0 if there are none: a class that is only predicted is left out."""
    tally = counts.answered
    return or_zero(mean(np.where(tally.truth > 0, tally.iou, np.nan)))


def pixels(counts: Counts) -> Score:
    """Hits / pixels, 0 of nothing."""
    return or_zero(counts.answered.pixel_accuracy)


def takes(counts: Counts) -> bool:
    """Whether there are several classes, and few enough for its masks."""
    return 1 < counts.classes < 256


LIBRARY = Library("8.4", {"metrics/mIoU": mean_iou, "metrics/pixel_acc": pixels}, takes)
