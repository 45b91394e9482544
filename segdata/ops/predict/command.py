"""`segdata predict`: a model's masks for a dataset or for images."""

from __future__ import annotations

from typing import Any

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running


@operation("segdata.ops.predict.operation:predict")
@run_options
def predict(model: str, dataset: str, destination: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Predict the images of DATASET with MODEL, a checkpoint.

    The masks are a new dataset DST. DATASET may also be a folder of images, or one image.

    \b
    segdata predict run1/best.pt mydata predictions --split val
    segdata predict run1/best.pt images/ predictions --flip x --scores
    segdata predict run1/best.pt scene.tif predictions --size 1024
    segdata predict cv mydata predictions --split folds  # of train --folds
    """
    from segdata.ops.predict.operation import predict
    from segdata.words import percent

    with running(jobs, on_error, "predicting") as run:
        made = predict(model, dataset, destination, run=run, **given)
    receipt = made.read_receipt()
    images, pixels = receipt["images"], receipt["pixels"]
    total = sum(pixels.values())
    echo(f"images: {images['in']:,} in = {images['predicted']:,} predicted + {images['skipped']:,} left out")
    echo(f"ignored:  {percent(pixels.get('ignore', 0), total)} of {total:,} pixels")
    if "scores" in receipt:
        echo(f"scores:   in 8 bits, off by at most {receipt['scores']['largest_error']:.4f} each")
    echo(
        f"dataset:  {destination}: {len(made):,} masks, {len(made.labels.classes)} classes (segdata evaluate {destination} TRUTH)"
    )
