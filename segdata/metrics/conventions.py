"""What other libraries make of the same counts, so that numbers can be compared with published ones.

They differ in what they do with classes without a pixel and with pixels that are predicted as ignore, and in whether they average
images. Each function has its formula and the source that it follows; tests compare them with independent implementations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from segdata.metrics.confusion import Confusion, Floats, Tally, mean, ratio
from segdata.metrics.intervals import Columns


@dataclass(frozen=True, slots=True)
class Counts:
    """What scores are made of: the matrix of the set, the tallies of its `images`, whether truth has any `ignored` pixel.

    `bands`: of the boundaries as their paper forms them (`Boundary.paper`), None if they were not measured.
    `categories`: (K,) the category of each class, None for one that is ignored in evaluation; or None.
    """

    confusion: Confusion
    images: Columns
    ignored: bool
    categories: Sequence[int | None] | None = None
    bands: Tally | None = None

    @property
    def whole(self) -> Tally:
        """The set's counts by class."""
        return self.confusion.tally


Score = float | None
"""None: the library cannot be asked that."""


def torchmetrics_macro(counts: Counts) -> Score:
    """Mean IoU of the classes in truth or prediction, refused if a pixel is predicted as ignore.

    `_jaccard_index_reduce`, torchmetrics 1.9.
    """
    return None if counts.confusion.rejected else float(counts.whole.mean_iou)


def torchmetrics_micro(counts: Counts) -> Score:
    """Sum of hits / sum of unions, refused if a pixel is predicted as ignore. `_jaccard_index_reduce`, torchmetrics 1.9."""
    return None if counts.confusion.rejected else _micro_iou(counts.whole)


def torchmetrics_weighted(counts: Counts) -> Score:
    """IoU weighted with true pixels, refused if a pixel is predicted as ignore. `_jaccard_index_reduce`, torchmetrics 1.9."""
    return None if counts.confusion.rejected else float(counts.whole.frequency_weighted_iou)


def torchmetrics_accuracy(counts: Counts) -> Score:
    """Mean recall of the classes in either, 0 for one that is only predicted. `_accuracy_reduce`, torchmetrics 1.9."""
    whole = counts.whole
    recall = np.where(whole.truth > 0, ratio(whole.hits, whole.truth), np.where(whole.pred > 0, 0.0, np.nan))
    return None if counts.confusion.rejected else float(mean(recall))


def torchmetrics_images(counts: Counts) -> Score:
    """IoU of each class in each image, averaged over those that have the class in truth or prediction.

    `MeanIoU` of torchmetrics 1.9, which knows no ignored pixels: it takes one-hot masks.
    """
    return None if counts.ignored or counts.confusion.rejected else float(mean(counts.images.tally.iou))


def smp_micro(counts: Counts) -> Score:
    """Sum of hits / sum of unions. `_compute_metric` with "micro", segmentation_models_pytorch 0.6."""
    return _micro_iou(counts.whole)


def smp_macro(counts: Counts) -> Score:
    """Mean IoU over all classes, a class in neither counts as 1. `_compute_metric`, segmentation_models_pytorch 0.6."""
    return _mean_or_one(counts.whole.iou)


def smp_micro_images(counts: Counts) -> Score:
    """Sum of hits / sum of unions of each image, averaged; 1 if all of an image is ignored. "micro-imagewise", smp 0.6."""
    each = counts.images
    return _mean_or_one(ratio(each.by_unit(each.tally.hits), each.by_unit(_unions(each.tally))))


def smp_macro_images(counts: Counts) -> Score:
    """IoU of every class in every image, averaged; 1 if it is in neither. "macro-imagewise", smp 0.6."""
    each = counts.images
    cells = each.units * each.classes
    return float(each.tally.iou.sum() + cells - len(each.unit)) / cells if cells else None


def smp_accuracy(counts: Counts) -> Score:
    """Hits and true negatives of all classes / K times all pixels. `_accuracy` with "micro", segmentation_models_pytorch 0.6."""
    whole, total = counts.whole, counts.confusion.total
    errors = (whole.truth - whole.hits).sum() + (whole.pred - whole.hits).sum()
    return float(ratio(np.asarray(len(whole.hits) * total - errors), np.asarray(len(whole.hits) * total)))


def mmseg_iou(counts: Counts) -> Score:
    """nanmean of hits / union. `IoUMetric.total_area_to_metrics`, MMSegmentation 1.2."""
    return float(counts.whole.mean_iou)


def mmseg_accuracy(counts: Counts) -> Score:
    """nanmean of hits / truth. `IoUMetric.total_area_to_metrics`, MMSegmentation 1.2."""
    return float(counts.whole.mean_accuracy)


def mmseg_dice(counts: Counts) -> Score:
    """nanmean of 2 hits / (truth + prediction). `IoUMetric.total_area_to_metrics`, MMSegmentation 1.2."""
    return float(counts.whole.mean_dice)


def mmseg_f(counts: Counts) -> Score:
    """nanmean of F1 from precision and recall: a true class that is never predicted has no precision, and is left out.

    `IoUMetric.total_area_to_metrics` with "mFscore", MMSegmentation 1.2.
    """
    precision, recall = counts.whole.precision, counts.whole.recall
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN there too
        return float(mean(np.asarray(2 * precision * recall / (precision + recall))))


def mmseg_pixels(counts: Counts) -> Score:
    """Hits / true pixels of all classes. `IoUMetric.total_area_to_metrics`, MMSegmentation 1.2."""
    return float(counts.whole.pixel_accuracy)


def cityscapes_classes(counts: Counts) -> Score:
    """Mean over classes of tp / (tp + fp + fn), ignoreInEval classes away. `getIouScoreForLabel`, cityscapesScripts 2.3."""
    if counts.categories is None:
        return float(counts.whole.mean_iou)
    kept = [i for i, category in enumerate(counts.categories) if category is not None]
    places: list[int | None] = [None] * len(counts.categories)
    for place, i in enumerate(kept):
        places[i] = place
    return float(counts.confusion.merge(places).mean_iou)


def cityscapes_categories(counts: Counts) -> Score:
    """Mean over categories of tp / (tp + fp + fn); confusions inside a category are right.

    `getIouScoreForCategory`, cityscapesScripts 2.3; for the classes of Cityscapes alone.
    """
    return None if counts.categories is None else float(counts.confusion.merge(counts.categories).mean_iou)


def paper_boundary(counts: Counts) -> Score:
    """Mean boundary IoU, with the prediction's bands formed without regard to what truth ignores.

    Cheng et al., "Boundary IoU", 2021, equation 2.
    """
    return None if counts.bands is None else float(counts.bands.mean_iou)


CONVENTIONS: dict[str, dict[str, Callable[[Counts], Score]]] = {
    "torchmetrics": {
        "JaccardIndex macro": torchmetrics_macro,
        "JaccardIndex micro": torchmetrics_micro,
        "JaccardIndex weighted": torchmetrics_weighted,
        "Accuracy macro": torchmetrics_accuracy,
        "segmentation.MeanIoU": torchmetrics_images,
    },
    "segmentation_models_pytorch": {
        "iou_score micro": smp_micro,
        "iou_score macro": smp_macro,
        "iou_score micro-imagewise": smp_micro_images,
        "iou_score macro-imagewise": smp_macro_images,
        "accuracy micro": smp_accuracy,
    },
    "MMSegmentation": {
        "aAcc": mmseg_pixels,
        "mIoU": mmseg_iou,
        "mAcc": mmseg_accuracy,
        "mDice": mmseg_dice,
        "mFscore": mmseg_f,
    },
    "cityscapesScripts": {
        "averageScoreClasses": cityscapes_classes,
        "averageScoreCategories": cityscapes_categories,
    },
    "Cheng et al. 2021": {"boundary IoU": paper_boundary},
}
"""Library -> what it calls the score -> how the score follows from the counts."""


def conventions(counts: Counts) -> dict[str, dict[str, Score]]:
    """The scores of all `CONVENTIONS`; NaN becomes None too."""
    return {
        library: {name: _known(score(counts)) for name, score in scores.items()}
        for library, scores in CONVENTIONS.items()
    }


def _known(score: Score) -> Score:
    return None if score is None or np.isnan(score) else score


def _unions(tally: Tally) -> Floats:
    return np.asarray(tally.truth + tally.pred - tally.hits)


def _micro_iou(tally: Tally) -> float:
    return float(ratio(tally.hits.sum(-1), _unions(tally).sum(-1)))


def _mean_or_one(scores: Floats) -> float:
    return float(np.where(np.isnan(scores), 1.0, scores).mean()) if scores.size else float("nan")
