"""`segdata export`: a dataset in the form that other programs want."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.echo import echo
from segdata.terminal.formats import formats
from segdata.terminal.options import run_options, running
from segdata.writers import COMMON, WRITERS

OF_MODELS = {"onnx": "segdata.nn.export.command:onnx", "torch": "segdata.nn.export.command:torch"}
"""What is exported of a model, not of a dataset: a command each, imported when asked."""


@formats("segdata.ops.export.operation:export", WRITERS, entry="write", common=COMMON, others=OF_MODELS)
@click.argument("format", type=click.Choice([*WRITERS, *OF_MODELS]), metavar="FORMAT")
@run_options
def export(format: str, dataset: str, destination: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Write DATASET in a FORMAT that other programs want.

    DST is a new folder. It also gets segdata.json, by which segdata convert auto DST NEW gives the same masks and classes again.

    \b
    segdata export folders mydata out/ --layout mmseg
    segdata export coco mydata out/ --kind panoptic
    segdata export voc mydata out/ --devkit
    segdata export cityscapes mydata out/
    segdata export yolo mydata out/ --ignored background
    segdata export labelstudio mydata out/ --as predictions --ignored class
    segdata export cvat mydata out/ --shapes polygon --ignored class
    segdata export labelme mydata out/
    segdata export nnunet mydata nnUNet_raw/Dataset001_mydata
    segdata export hf mydata out/ --license CC-BY-4.0
    segdata export geojson mydata out/ --vector-format gpkg
    segdata export webdataset mydata shards/ --shuffle 0 --shard-size 1G -j 8

    Or write a trained MODEL for other programs:

    \b
    segdata export onnx run1/best.pt model.onnx
    segdata export torch run1/best.pt model.pt2

    Each format has options of its own: segdata export FORMAT --help lists them. An export that was stopped goes on where
    it was when the command is repeated.
    """
    from segdata.dataset.dataset import Dataset
    from segdata.ops.export.operation import export
    from segdata.ops.export.text import export_line, receipt_lines
    from segdata.writers import summary

    with running(jobs, on_error, "exporting") as run:
        written = export(format, dataset, destination, run=run, **given)
    is_dataset = isinstance(written, Dataset)
    receipt = written.read_receipt() if isinstance(written, Dataset) else written.receipt
    echo(receipt_lines(receipt))
    echo(export_line(format, summary(format, written), destination, receipt, is_dataset=is_dataset))
