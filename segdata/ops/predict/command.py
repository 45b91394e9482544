"""`segdata predict`: a model's masks for a dataset or for images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running
from segdata.terminal.polygons import POLYGONS, WITH, polygon_lines, with_polygons
from segdata.terminal.text import table

if TYPE_CHECKING:
    from segdata.ops.predict.image import Painted

BY_MODEL = "by the settings in the model's file (--no-refine leaves masks as they are)"

PREDICT = "segdata.ops.predict.operation:predict"


@operation(PREDICT, {POLYGONS: WITH})
@run_options
def predict(model: str, dataset: str, destination: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Predict the images of DATASET with MODEL, a checkpoint.

    MODEL may also be an .onnx file that segdata export onnx wrote, which takes no torch. The masks are a new dataset DST.
    DATASET may also be a folder of images, or one image, whose mask alone is written if DST ends in .png.

    \b
    segdata predict run1/best.pt mydata predictions --split val
    segdata predict run1/best.pt images/ predictions --flip x --scores
    segdata predict model.onnx images/ predictions
    segdata predict run1/best.pt scene.tif predictions --size 1024
    segdata predict run1/best.pt scene.tif out --cog --vectorize
    segdata predict run1/best.pt photo.jpg out.png
    segdata predict cv mydata predictions --split folds  # of train --folds
    """
    from segdata.ops.predict.image import is_image_name, predict_image
    from segdata.ops.predict.operation import predict
    from segdata.words import percent

    given = with_polygons(given)
    if is_image_name(destination):
        with running(jobs, "stop", "predicting") as run:
            echo(painted_lines(destination, predict_image(model, dataset, destination, run=run, **given)))
        return
    with running(jobs, on_error, "predicting") as run:
        made = predict(model, dataset, destination, run=run, **given)
    receipt = made.read_receipt()
    images, pixels = receipt["images"], receipt["pixels"]
    total = sum(pixels.values())
    echo(f"images: {images['in']:,} in = {images['predicted']:,} predicted + {images['skipped']:,} left out")
    echo(f"ignored:  {percent(pixels.get('ignore', 0), total)} of {total:,} pixels")
    if "scores" in receipt:
        echo(f"scores:   in 8 bits, off by at most {receipt['scores']['largest_error']:.4f} each")
    if "refined_by" in receipt:
        echo(f"refined:  {BY_MODEL}")
    for line in polygon_lines(receipt, 10):
        echo(line)
    echo(
        f"dataset:  {destination}: {len(made):,} masks, {len(made.labels.classes)} classes (segdata evaluate {destination} TRUTH)"
    )


def painted_lines(path: str, made: Painted) -> list[str]:
    """What a mask in one file has: its values, their classes, colours and shares."""
    from segdata.words import percent

    height, width = made.size
    total = height * width
    rows: list[list[object]] = [["value", "class", "colour", "pixels"]]
    named = [(label.id, label.name, label.color) for label in made.labels.classes]
    for value, name, color in [*named, (made.labels.ignore, "(ignore)", (255, 255, 255))]:
        if count := made.counts.get(value, 0):
            rows.append([value, name, "#" + "".join(f"{c:02x}" for c in color), percent(count, total)])
    lines = [f"mask: {path}: {width} x {height}, values are class ids", *table(rows, "r  r")]
    if made.by_model:
        lines.append(f"refined: {BY_MODEL}")
    if made.placed:
        lines.append("note: a PNG does not say where it lies on the ground: name a folder instead for a GeoTIFF")
    return lines
