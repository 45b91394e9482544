"""What other libraries print for the masks of tests/helpers/convention_files.py, for tests/metrics/golden/conventions.json.

    build/bench/monai/bin/python tools/bench/convention_answers.py [MEAN_IOU]

Asks each library that this Python has, and writes its scores and its version into the file; null is what it refuses. So run it
with the Python of each peer: torchmetrics, segmentation-models-pytorch, mmsegmentation, cityscapesscripts, ultralytics, torchgeo
(with evaluate), monai, fiftyone. MEAN_IOU is the folder metrics/mean_iou of https://github.com/huggingface/evaluate at the tag of
that version; otherwise `evaluate` looks for it in the network.
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/helpers"))

from convention_files import KINDS, case  # type: ignore[import-not-found, unused-ignore]  # noqa: E402

GOLDEN = ROOT / "tests/metrics/golden/conventions.json"
IGNORE = 255
Masks = NDArray[np.uint8]
Answers = Mapping[str, float | None]


def told(ask: Callable[..., Any], *about: Any) -> float | None:
    """What it says; None for NaN and if it raises."""
    try:
        value = float(ask(*about))
    except (ValueError, RuntimeError, IndexError, TypeError) as error:
        print(f"refused: {type(error).__name__}: {str(error).splitlines()[0]}", file=sys.stderr)
        return None
    return None if math.isnan(value) else value


def tensors(*masks: Masks) -> list[Any]:
    """(N, H, W) int64 tensors."""
    import torch

    return [torch.from_numpy(each.astype(np.int64)) for each in masks]


def torchmetrics(truth: Masks, pred: Masks, classes: int) -> Answers:
    """Metrics of several classes with `ignore_index`; `MeanIoU` has none."""
    from torchmetrics import Accuracy, JaccardIndex  # type: ignore[import-not-found, unused-ignore]
    from torchmetrics.segmentation import MeanIoU  # type: ignore[import-not-found, unused-ignore]

    true, predicted = tensors(truth, pred)

    def asked(kind: Any, way: str) -> Any:
        return kind(task="multiclass", average=way, num_classes=classes, ignore_index=IGNORE)(predicted, true)

    return {
        **{f"JaccardIndex {way}": told(asked, JaccardIndex, way) for way in ("macro", "micro", "weighted")},
        "Accuracy macro": told(asked, Accuracy, "macro"),
        "segmentation.MeanIoU": told(lambda: MeanIoU(classes, input_format="index")(predicted, true)),
    }


def segmentation_models(truth: Masks, pred: Masks, classes: int) -> Answers:
    """`smp.metrics` with `ignore_index`."""
    ways = ("micro", "macro", "micro-imagewise", "macro-imagewise")
    if classes == 1:
        return dict.fromkeys([*(f"iou_score {way}" for way in ways), "accuracy micro"])  # 1, whatever is predicted
    import segmentation_models_pytorch.metrics as metrics  # type: ignore[import-not-found, unused-ignore]

    true, predicted = tensors(truth, pred)
    stats = metrics.get_stats(predicted, true, mode="multiclass", num_classes=classes, ignore_index=IGNORE)
    return {
        **{f"iou_score {way}": told(partial(metrics.iou_score, *stats, reduction=way)) for way in ways},
        "accuracy micro": told(lambda: metrics.accuracy(*stats, reduction="micro")),
    }


def mmsegmentation(truth: Masks, pred: Masks, classes: int) -> Answers:
    """`IoUMetric`, areas summed over images as its `compute_metrics` does."""
    if classes == 1 and (pred == IGNORE).any():
        return dict.fromkeys(("aAcc", "mIoU", "mAcc", "mDice", "mFscore"))  # it counts such pixels as predicted
    from mmseg.evaluation.metrics import IoUMetric  # type: ignore[import-not-found, unused-ignore]

    pairs = zip(tensors(*pred), tensors(*truth), strict=True)
    areas = [IoUMetric.intersect_and_union(p, t, classes, IGNORE) for p, t in pairs]
    found = IoUMetric.total_area_to_metrics(
        *(sum(part) for part in zip(*areas, strict=True)), metrics=["mIoU", "mDice", "mFscore"]
    )
    means = {name: told(np.nanmean, found[name]) for name in ("IoU", "Acc", "Dice", "Fscore")}
    return {"aAcc": told(found.get, "aAcc"), **{f"m{name}": value for name, value in means.items()}}


def cityscapesscripts(truth: Masks, pred: Masks, classes: int) -> Answers:
    """`evaluatePair` for each image, for the classes of Cityscapes; ignored pixels are unlabeled ones."""
    if classes != 19:
        return {}
    import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as scripts  # type: ignore[import-not-found, unused-ignore]
    from cityscapesscripts.helpers.labels import (  # type: ignore[import-not-found, unused-ignore]
        category2labels,
        id2label,
        trainId2label,
    )
    from PIL import Image

    ids = np.zeros(256, np.uint8)
    ids[:19] = [trainId2label[i].id for i in range(19)]
    args = scripts.args
    args.evalInstLevelScore, args.evalPixelAccuracy, args.evalLabels = False, False, []
    matrix = scripts.generateMatrix(args)
    with tempfile.TemporaryDirectory() as work:
        for masks in zip(truth, pred, strict=True):
            files = [f"{work}/{name}.png" for name in ("truth", "pred")]
            for mask, file in zip(masks, files, strict=True):
                Image.fromarray(ids[mask]).save(file)
            scripts.evaluatePair(files[1], files[0], matrix, {}, {}, args)
    by_class = {id2label[i].name: scripts.getIouScoreForLabel(i, matrix, args) for i in args.evalLabels}
    by_category = {name: scripts.getIouScoreForCategory(name, matrix, args) for name in category2labels}
    return {
        "averageScoreClasses": told(lambda: scripts.getScoreAverage(by_class, args)),
        "averageScoreCategories": told(lambda: scripts.getScoreAverage(by_category, args)),
    }


def ultralytics(truth: Masks, pred: Masks, classes: int) -> Answers:
    """`SemanticMetrics`; of a single class, whose pixels would have to be 1 there, nothing is asked."""
    from ultralytics.utils.metrics import SemanticMetrics  # type: ignore[import-not-found, unused-ignore]

    metrics = SemanticMetrics({i: str(i) for i in range(classes)})
    for p, t in zip(*(each.split(2) for each in tensors(pred, truth)), strict=True):
        metrics.update_stats(p.int(), t.int())
    metrics.process()
    found = metrics.results_dict
    names = ("metrics/mIoU", "metrics/pixel_acc")
    return {name: told(found.get, name) if classes > 1 else None for name in names}


def hugging_face(truth: Masks, pred: Masks, classes: int) -> Answers:
    """The metric `mean_iou`, with no other options than it wants."""
    import evaluate  # type: ignore[import-not-found, unused-ignore]

    metric = evaluate.load(*(sys.argv[1:] or ["mean_iou"]))
    found = metric.compute(predictions=list(pred), references=list(truth), num_labels=classes, ignore_index=IGNORE)
    return {name: told(found.get, name) for name in ("mean_iou", "mean_accuracy", "overall_accuracy")}


def fiftyone(truth: Masks, pred: Masks, classes: int) -> Answers:
    """What `evaluate_segmentations` computes with `mask_targets`, without the database that samples would come from."""
    os.environ["FIFTYONE_DISABLE_SERVICES"] = "1"
    import fiftyone.utils.eval.segmentation as segmentation  # type: ignore[import-not-found, unused-ignore]

    values, names = range(classes), [f"class {i}" for i in range(classes)]
    pairs = zip(pred, truth, strict=True)
    matrix = sum(segmentation._compute_pixel_confusion_matrix(p, t, list(values)) for p, t in pairs)
    found = segmentation.SegmentationResults(None, None, None, matrix, names, missing=names[0])
    return {
        **{name: told(found.metrics().get, name) for name in ("accuracy", "precision", "recall", "fscore")},
        "macro avg f1-score": told(lambda: found.report()["macro avg"]["f1-score"]),
        "dice_score": told(found.dice_score),
    }


def monai(truth: Masks, pred: Masks, classes: int) -> Answers:
    """Metrics of one-hot masks, 0 in all channels of an ignored pixel; images in two batches."""
    import monai.metrics as kinds  # type: ignore[import-not-found, unused-ignore]
    import torch

    if classes == 1 and (truth == IGNORE).any():
        return dict.fromkeys(MONAI)  # it says something, but counts ignored pixels as labelled ones
    channels = [(each[:, None] == np.arange(classes)[:, None, None]).astype(np.float32) for each in (pred, truth)]

    def asked(kind: Any, **options: Any) -> Any:
        metric = kind(ignore_index=IGNORE, **options)
        for p, t in zip(*(torch.from_numpy(each).split(2) for each in channels), strict=True):  # type: ignore[no-untyped-call]
            metric(y_pred=p, y=t)
        found = metric.aggregate()
        return found[0] if isinstance(found, list) else found

    out = {}
    for name in MONAI:
        kind, _, option = name.partition(" ")
        options = {"include_background": False} if "=" in option else {"metric_name": option} if option else {}
        out[name] = told(partial(asked, getattr(kinds, kind), **options))
    return out


MONAI = (
    "MeanIoU",
    "MeanIoU include_background=False",
    "DiceMetric",
    "DiceMetric include_background=False",
    "ConfusionMatrixMetric sensitivity",
    "ConfusionMatrixMetric precision",
    "ConfusionMatrixMetric f1 score",
    "ConfusionMatrixMetric accuracy",
)


def torchgeo(truth: Masks, pred: Masks, classes: int) -> Answers:
    """The metrics of a trainer, which it gives what its model says: one class for every pixel."""
    import torch
    from torchgeo.trainers import SemanticSegmentationTask  # type: ignore[import-not-found, unused-ignore]

    true, predicted = tensors(truth, pred)

    def asked(name: str, said: Callable[[], Any], **options: Any) -> float | None:
        def ask() -> Any:
            task = SemanticSegmentationTask(model="fcn", num_filters=1, ignore_index=IGNORE, **options)
            return task.test_metrics(said(), true)[f"test_{name}"]

        return told(ask)

    def scores() -> Any:
        return torch.nn.functional.one_hot(predicted, classes).movedim(-1, 1).float()

    return {
        "MulticlassAccuracy": asked("MulticlassAccuracy", scores, num_classes=classes),
        "MulticlassJaccardIndex": asked("MulticlassJaccardIndex", scores, num_classes=classes),
        "BinaryJaccardIndex": asked("BinaryJaccardIndex", predicted.float, task="binary") if classes == 2 else None,
    }


LIBRARIES: dict[str, tuple[str, Callable[[Masks, Masks, int], Answers]]] = {
    "torchmetrics": ("torchmetrics", torchmetrics),
    "segmentation_models_pytorch": ("segmentation-models-pytorch", segmentation_models),
    "MMSegmentation": ("mmsegmentation", mmsegmentation),
    "cityscapesScripts": ("cityscapesscripts", cityscapesscripts),
    "Ultralytics": ("ultralytics", ultralytics),
    "Hugging Face evaluate": ("evaluate", hugging_face),
    "FiftyOne": ("fiftyone", fiftyone),
    "MONAI": ("monai", monai),
    "torchgeo": ("torchgeo", torchgeo),
}
"""The name in `segdata.metrics.conventions`, on PyPI, and how it is asked."""


def main() -> None:
    """Ask all that are installed."""
    golden = json.loads(GOLDEN.read_text())
    for name, (package, ask) in LIBRARIES.items():
        try:
            golden["made with"][name] = version(package)
        except PackageNotFoundError:
            continue
        for kind, classes in KINDS.items():
            truth, pred = case(kind)
            if answers := ask(truth, pred, classes):
                golden.setdefault(kind, {})[name] = answers
        print(f"asked {name} {golden['made with'][name]}")
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
