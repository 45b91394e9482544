"""`segdata convert`."""

from __future__ import annotations

from typing import Any

import click

from segdata.readers import COMMON, READERS
from segdata.terminal.echo import echo
from segdata.terminal.formats import formats
from segdata.terminal.options import map_file_option, run_options, running


def format_found(source: str) -> str:
    """The format that `auto` stands for."""
    from segdata.readers.detect import format_of

    return format_of(source)


@formats("segdata.ops.convert.operation:convert", READERS, entry="read", common=COMMON, detect=format_found)
@click.argument("format", type=click.Choice(["auto", *READERS]), metavar="FORMAT")
@map_file_option
@run_options
def convert(format: str, source: str, destination: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Convert labels SRC of a FORMAT into a dataset DST of masks.

    The values of the masks are class ids.

    \b
    segdata convert coco coco/ out/                  # images and annotations/
    segdata convert coco labels.json out/ --image-dir images/
    segdata convert auto VOCdevkit/ out/ --only dog --only cat
    segdata convert cityscapes streets/ out/ --labels category --from polygons
    segdata convert pets oxford-pets/ out/ --labels breed --border foreground
    segdata convert vector images/ out/ --vectors houses.geojson
    segdata convert predictions softmax/ out/ --like mydata   # .npy, .npz
    segdata convert masks camvid/ out/ --mask-dir {split}annot --image-dir {split}

    Each format has options of its own: segdata convert FORMAT --help lists them. FORMAT auto looks which format SRC is
    in, and takes the options of that one.

    A conversion that was stopped goes on where it was when the command is repeated. SRC and DST may be URLs (s3://, gs://,
    az://). If DST is in object storage and the images are on this machine, give --images copy or none.
    """
    from segdata.ops.convert.operation import convert
    from segdata.ops.convert.text import receipt_lines
    from segdata.terminal.text import dataset_line

    with running(jobs, on_error, "converting") as run:
        dataset = convert(format, source, destination, run=run, **given)
    echo(receipt_lines(dataset.read_receipt()))
    echo(dataset_line(dataset, destination))
