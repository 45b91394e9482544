"""`segdata info`."""

from __future__ import annotations

import click

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.text import json_lines


@operation("segdata.ops.info.operation:info")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(dataset: str, as_json: bool) -> None:
    """Print the classes, splits, counts and provenance of DATASET."""
    from segdata.ops.info.operation import info
    from segdata.ops.info.text import info_lines

    found = info(dataset)
    echo(json_lines(found) if as_json else info_lines(found))
