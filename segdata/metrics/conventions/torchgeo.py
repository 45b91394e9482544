"""torchgeo's `SemanticSegmentationTask`: torchmetrics with "micro", which is what a test run prints.

`configure_metrics` in `torchgeo.trainers.segmentation`; https://github.com/torchgeo/torchgeo
"""

from __future__ import annotations

from segdata.metrics.conventions.counts import Counts, Library, Score, or_zero
from segdata.metrics.conventions.torchmetrics import micro, takes


def accuracy(counts: Counts) -> Score:
    """Hits / pixels, 0 of nothing. `task="multiclass"`."""
    return or_zero(counts.whole.pixel_accuracy)


def binary_iou(counts: Counts) -> Score:
    """IoU of the second class, 0 if it is in neither. `task="binary"`, for two classes."""
    return or_zero(counts.whole.iou[1]) if counts.classes == 2 else None


LIBRARY = Library(
    "0.8",
    {"MulticlassAccuracy": accuracy, "MulticlassJaccardIndex": micro, "BinaryJaccardIndex": binary_iou},
    takes,
)
