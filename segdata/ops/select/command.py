"""`segdata select`."""

from __future__ import annotations

from collections.abc import Mapping
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

    with running(jobs, on_error, "copying") as run:
        made = select(dataset, destination, run=run, **given)
    echo(select_lines(made.read_receipt()))
    echo(dataset_line(made, destination))


def select_lines(receipt: Mapping[str, Any]) -> list[str]:
    """How many samples were kept, and how many were not."""
    images, chosen = receipt["images"], receipt["select"]
    kept = f"{images['in']:,} in = {images['kept']:,} kept + {images['left_out']:,} left out"
    lines = [f"samples:     {kept}" + (f" + {images['skipped']:,} skipped" if images["skipped"] else "")]
    if chosen["to_split"] is not None:
        lines.append(f"moved:       {chosen['moved']:,} samples to {chosen['to_split']}")
    return lines
