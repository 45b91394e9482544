"""`segdata monitor`: whether new images are like those that a model was validated on."""

from __future__ import annotations

from typing import Any

import click

from segdata.terminal.commands import operation
from segdata.terminal.echo import echo
from segdata.terminal.text import json_lines


@operation("segdata.ops.monitor.operation:monitor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--html", type=click.Path(), metavar="FILE", help="Write an HTML page with charts.")
@click.option("--fail-on-drift", is_flag=True, help="Exit with code 1 if anything has drifted.")
def monitor(as_json: bool, html: str | None, fail_on_drift: bool, **given: Any) -> None:
    """Find drift in new predictions PRED, beside a REFERENCE.

    No labels are needed: images, classes, confidence and embeddings are compared, and what is right is estimated.

    REFERENCE is a checkpoint with the profile.jsonl of its training beside it, predictions, or a file of signals; PRED is
    predictions, or a file of signals, such as that of segdata serve.

    \b
    segdata monitor run1/best.pt week32
    segdata monitor validation-predictions week32 --html drift.html
    segdata monitor run1/best.pt service.jsonl --fail-on-drift   # every night
    """
    from segdata.ops.monitor.operation import monitor
    from segdata.ops.monitor.text import monitor_lines

    found = monitor(**given)
    echo(json_lines(found.to_json()) if as_json else monitor_lines(found))
    if html is not None:
        from segdata.ops.monitor.page import monitor_page

        echo(f"wrote {monitor_page(found, html)}", err=as_json)
    if fail_on_drift and found.drifted:
        click.get_current_context().exit(1)
