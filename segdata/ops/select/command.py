"""`segdata select`."""

from __future__ import annotations

from typing import Any

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.options import run_options, running
from segdata.terminal.text import dataset_line


@operation("segdata.ops.select.operation:select")
@run_options
def select(dataset: str, destination: str, jobs: int | str, on_error: Any, **given: Any) -> None:
    """Keep some samples of DATASET, in a new dataset DST.

    \b
    segdata select mydata few --ids few.txt
    segdata select mydata clean --without bad.csv --split train
    segdata select mydata moved --ids night.txt --to-split night  # others stay

    Lists of ids are written by segdata view and segdata pick, or by hand.
    """
    from segdata.ops.select.operation import select
    from segdata.ops.select.text import select_lines

    with running(jobs, on_error, "copying") as run:
        made = select(dataset, destination, run=run, **given)
    echo(select_lines(made.read_receipt()))
    echo(dataset_line(made, destination))
