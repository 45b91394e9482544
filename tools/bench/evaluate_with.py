"""One way of evaluating folders of masks, timed in its own process: `evaluate_with.py WAY TRUTH PRED`. Prints a JSON object.

It has `seconds` of a pass over all pairs, with reading but without imports, and `iou`, the IoU of each class (none of a way that
decodes alone). The first pairs are evaluated once before, so that nothing is compiled or loaded during the measurement. All ways
use one thread, and seconds are processor time, so that other programs on the machine do not count. Masks hold 19 train ids and
255; `cityscapesscripts` takes label ids instead.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES, IGNORE = 19, 255
Pairs = Sequence[tuple[Path, Path]]


def read(path: Path) -> Any:
    """A mask as these libraries' users read it."""
    with Image.open(path) as image:
        return np.asarray(image)


def numpy(pairs: Pairs) -> list[float]:
    """The usual loop: one bincount per pair."""
    matrix = np.zeros((CLASSES, CLASSES), np.int64)
    for truth_path, pred_path in pairs:
        truth, pred = read(truth_path), read(pred_path)
        known = truth != IGNORE
        codes = CLASSES * truth[known].astype(np.int64) + pred[known]
        matrix += np.bincount(codes, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    return of_matrix(matrix)


def torchmetrics(pairs: Pairs) -> list[float]:
    """`MulticlassJaccardIndex`, without its checks of the arguments, which cost as much again."""
    import torch
    from torchmetrics.classification import MulticlassJaccardIndex  # type: ignore[import-not-found, unused-ignore]

    torch.set_num_threads(1)
    metric = MulticlassJaccardIndex(CLASSES, average=None, ignore_index=IGNORE, validate_args=False)
    for truth_path, pred_path in pairs:
        truth, pred = (torch.from_numpy(read(path).astype(np.int64)) for path in (truth_path, pred_path))
        metric.update(pred, truth)
    return [float(v) for v in metric.compute()]


def mmsegmentation(pairs: Pairs) -> list[float]:
    """`IoUMetric.intersect_and_union`, summed as `compute_metrics` does."""
    import torch
    from mmseg.evaluation.metrics import IoUMetric  # type: ignore[import-not-found, unused-ignore]

    torch.set_num_threads(1)
    total: Any = None
    for truth_path, pred_path in pairs:
        truth, pred = (torch.from_numpy(read(path).astype(np.int64)) for path in (truth_path, pred_path))
        areas = IoUMetric.intersect_and_union(pred, truth, CLASSES, IGNORE)
        total = areas if total is None else [a + b for a, b in zip(total, areas, strict=True)]
    return [float(v) for v in total[0] / total[1]]


def cityscapesscripts(pairs: Pairs) -> list[float]:
    """`evaluatePair`, without instances."""
    import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as scripts  # type: ignore[import-not-found, unused-ignore]
    from cityscapesscripts.helpers.labels import trainId2label  # type: ignore[import-not-found, unused-ignore]

    args = scripts.args
    args.evalInstLevelScore, args.evalPixelAccuracy, args.evalLabels = False, False, []
    matrix = scripts.generateMatrix(args)
    for truth_path, pred_path in pairs:
        scripts.evaluatePair(str(pred_path), str(truth_path), matrix, {}, {}, args)
    return [scripts.getIouScoreForLabel(trainId2label[i].id, matrix, args) for i in range(CLASSES)]


def segdata(pairs: Pairs) -> list[float]:
    """`segdata.evaluate` of whole datasets, with boundary IoU and intervals."""
    return _segdata(pairs, boundary=True)


def segdata_matrix(pairs: Pairs) -> list[float]:
    """The same without boundaries and intervals, as in the other libraries."""
    return _segdata(pairs, boundary=False, draws=0)


def _segdata(pairs: Pairs, **options: Any) -> list[float]:
    from segdata import Dataset, evaluate

    truth, pred = (Dataset.open(path.parents[1]) for path in pairs[0])
    wanted = {path.stem for path, _ in pairs}
    found = evaluate(pred.select(lambda s: s.id in wanted), truth.select(lambda s: s.id in wanted), **options)
    out: list[float] = found.confusion.iou.tolist()
    return out


def segdata_decoding(pairs: Pairs) -> list[float]:
    """Both masks of each pair decoded, and no more."""
    from segdata import read_mask

    for pair in pairs:
        for path in pair:
            read_mask(path)
    return []


def of_matrix(matrix: Any) -> list[float]:
    """hits / union."""
    hits = np.diag(matrix)
    out: list[float] = (hits / (matrix.sum(0) + matrix.sum(1) - hits)).tolist()
    return out


WAYS: dict[str, Callable[[Pairs], list[float]]] = {
    "numpy": numpy,
    "torchmetrics": torchmetrics,
    "mmsegmentation": mmsegmentation,
    "cityscapesscripts": cityscapesscripts,
    "segdata": segdata,
    "segdata_matrix": segdata_matrix,
    "segdata_decoding": segdata_decoding,
}


def main(way: str, truth: str, pred: str) -> None:
    """Evaluate once, and print."""
    pairs = [(path, Path(pred) / path.name) for path in sorted(Path(truth).glob("*.png"))]
    WAYS[way](pairs[:2])
    start = time.process_time()
    iou = WAYS[way](pairs)
    print(json.dumps({"seconds": time.process_time() - start, "iou": iou}))


if __name__ == "__main__":
    main(*sys.argv[1:])
