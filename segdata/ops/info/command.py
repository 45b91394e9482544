"""`segdata info`."""

from __future__ import annotations

import click

from segdata.terminal.commands import operation


@operation("segdata.ops.info.operation:info")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(dataset: str, as_json: bool) -> None:
    """Print the classes, splits, counts and provenance of DATASET."""
    import json

    from segdata.ops.info.operation import info
    from segdata.ops.info.text import info_lines

    found = info(dataset)
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(info_lines(found)))
