"""`segdata detect`."""

from __future__ import annotations

import click

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.text import json_lines


@operation("segdata.readers.detect:detect")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def detect(context: click.Context, source: str, as_json: bool) -> None:
    """Say which format SRC is in, and of every other why it is not. The exit code is 1 if none or several fit."""
    from segdata.readers.detect import detect

    found = detect(source)
    if as_json:
        echo(json_lines(found.to_json()))
    else:
        echo(f"{found.format or 'none for certain'}")
        if found.hint is not None:
            echo(f"  {found.hint}")
        echo(f"  not {name}: {reason}" for name, reason in found.reasons.items())
    context.exit(found.format is None)
