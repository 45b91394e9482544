"""Hugging Face's `evaluate.load("mean_iou")`: the formulas of MMSegmentation, from histograms of NumPy.

`mean_iou` in `metrics/mean_iou/mean_iou.py`, with `num_labels` and `ignore_index` and no other option;
https://github.com/huggingface/evaluate
"""

from __future__ import annotations

from segdata.metrics.conventions.counts import Counts, Library, Score


def iou(counts: Counts) -> Score:
    """nanmean of hits / union."""
    return float(counts.whole.mean_iou)


def accuracy(counts: Counts) -> Score:
    """nanmean of hits / truth; a pixel that is predicted as ignore is a miss."""
    return float(counts.whole.mean_accuracy)


def pixels(counts: Counts) -> Score:
    """Hits / true pixels of all classes."""
    return float(counts.whole.pixel_accuracy)


LIBRARY = Library("0.4", {"mean_iou": iou, "mean_accuracy": accuracy, "overall_accuracy": pixels})
