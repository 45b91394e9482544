"""cityscapesScripts: classes that are ignored in evaluation leave the matrix; also means over categories of classes.

`evalPixelLevelSemanticLabeling`; https://github.com/mcordts/cityscapesScripts
"""

from __future__ import annotations

from segdata.metrics.conventions.counts import Counts, Library, Score


def classes(counts: Counts) -> Score:
    """Mean over classes of tp / (tp + fp + fn), ignoreInEval classes away. `getIouScoreForLabel`."""
    if counts.categories is None:
        return float(counts.whole.mean_iou)
    kept = [i for i, category in enumerate(counts.categories) if category is not None]
    places: list[int | None] = [None] * len(counts.categories)
    for place, i in enumerate(kept):
        places[i] = place
    return float(counts.confusion.merge(places).mean_iou)


def categories(counts: Counts) -> Score:
    """Mean over categories of tp / (tp + fp + fn); confusions inside a category are right.

    `getIouScoreForCategory`; for the classes of Cityscapes alone.
    """
    return None if counts.categories is None else float(counts.confusion.merge(counts.categories).mean_iou)


LIBRARY = Library("2.3", {"averageScoreClasses": classes, "averageScoreCategories": categories})
