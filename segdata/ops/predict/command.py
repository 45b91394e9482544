"""`segdata predict`: a model's masks for a dataset or for images."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.options import height_width, run_options, running


def numbers(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    """A click callback: `0.75,1,1.25` as numbers."""
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no list of numbers such as 0.75,1,1.25") from error


@click.command()
@click.argument("model", type=click.Path())
@click.argument("dataset", type=click.Path())
@click.argument("out", type=click.Path())
@click.option("--split", help="Predict this split alone.")
@click.option(
    "--size", callback=height_width, metavar="PX", help="Of windows, or HEIGHTxWIDTH; the model's pixels (default 512)."
)
@click.option(
    "--overlap", type=float, metavar="PART", help="The least part that neighbouring windows share (default 0.25)."
)
@click.option(
    "--blend",
    type=click.Choice(["gaussian", "linear", "crop", "none"]),
    help="How overlapping windows are weighed (default gaussian); crop takes the one that lies deepest.",
)
@click.option("--batch", type=int, metavar="N", help="Windows at once, of several images too (default 4).")
@click.option(
    "--flip", "flips", multiple=True, type=click.Choice(["x", "y", "xy"]),
    help="Average with the mirrored window: x left to right, y top to bottom, xy both. Repeat for more.",
)  # fmt: skip
@click.option(
    "--scales", callback=numbers, metavar="A,B,...", help="Average over these scales (default 1), such as 0.75,1,1.25."
)
@click.option("--scores", is_flag=True, help="Keep the probabilities, in 8 bits: scores/<id>.tif.")
@click.option("--reject-below", type=float, metavar="P", help="Void where the likeliest class has less probability.")
@click.option("--entropy", is_flag=True, help="Write how unsure the model is: entropy/<id>, 0 to 255.")
@click.option(
    "--match-names", is_flag=True, help="Map classes by name where model and dataset differ in order or number."
)
@click.option(
    "--refine",
    "refinement",
    type=click.Path(),
    metavar="FILE",
    help="Refine the masks as 'segdata refine --tune' found.",
)
@click.option("--device", help="Where the model runs (default cpu): cpu, cuda, cuda:1, mps, auto.")
@click.option("--trust-code", is_flag=True, help="Call the package.module:factory that the checkpoint names.")
@click.option(
    "--images", type=click.Choice(["reference", "link", "copy", "none"]),
    help="Images in OUT: referred to where they are (default), linked, copied, or none.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
@run_options
def predict(model: str, dataset: str, out: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Predict the images of DATASET, a dataset or a folder of images, with MODEL, a checkpoint; OUT is a dataset of masks.

    \b
    segdata predict runs/first/best.pt mydata predictions --split val
    segdata predict runs/first/best.pt images/ predictions --flip x --scores
    segdata predict runs/first/best.pt scene.tif predictions --size 1024 --reject-below 0.7
    """
    from segdata.ops.predict.operation import predict
    from segdata.words import percent

    options = {name: value for name, value in given.items() if value not in (None, ())}
    with running(jobs, on_error, "predicting") as run:
        made = predict(model, dataset, out, run=run, **options)
    receipt = made.read_receipt()
    images, pixels = receipt["images"], receipt["pixels"]
    total = sum(pixels.values())
    click.echo(
        f"images: {images['in']:,} in = {images['predicted']:,} predicted + {images['skipped']:,} left out\n"
        f"void:     {percent(pixels.get('ignore', 0), total)} of {total:,} pixels"
    )
    if "scores" in receipt:
        click.echo(f"scores:   in 8 bits, off by at most {receipt['scores']['largest_error']:.4f} each")
    click.echo(
        f"dataset:  {out}: {len(made):,} masks, {len(made.labels.classes)} classes (segdata evaluate {out} TRUTH)"
    )
