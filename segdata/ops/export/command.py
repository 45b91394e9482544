"""`segdata export`: a dataset in the form that other programs want."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.echo import echo
from segdata.terminal.formats import formats
from segdata.terminal.options import run_options, running
from segdata.writers import COMMON, WRITERS


@formats("segdata.ops.export.operation:export", WRITERS, entry="write", common=COMMON)
@click.argument("format", type=click.Choice(list(WRITERS)), metavar="FORMAT")
@run_options
def export(format: str, dataset: str, destination: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Write DATASET in a FORMAT that other programs want.

    The folder DST holds it then.

    \b
    segdata export webdataset mydata shards/ --shuffle 0 --shard-size 1G -j 8
    segdata train shards/ run/                       # DST is a dataset, too
    segdata convert webdataset shards/ back/         # shards become files again

    Each format has options of its own: segdata export FORMAT --help lists them. An export that was stopped goes on after
    its last whole shard when the command is repeated.
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
